package emulator

import (
	"maps"
	"slices"
	"time"
)

// transaction is how the world was before a mutation: one that is refused leaves
// nothing behind. It keeps the customers that the mutation touched, which it can do
// only through world.touch; what only grows is kept by its length.
//
// Usage and consumptions of credits are checked whole before anything of them is
// counted, and need no transaction.
type transaction struct {
	customers     map[*customer]*customerBefore
	made          []*customer
	subscriptions []string // the ids of those that were added
	serial        int
	lastStamp     time.Time
	publishedAt   time.Time
	pending       int
	scheduled     []string
	news          newsroom
	coupons       []*coupon
	coupon        map[*coupon]coupon
	checkouts     map[string]checkout
}

// customerBefore is a customer with everything that hangs on it and can change.
type customerBefore struct {
	self          customer
	subscriptions map[*subscription]subscription
	promotions    map[*promotion]promotion
	grants        map[*creditGrant]creditGrant
	overdrafts    map[*overdraft]overdraft
}

// begin starts a transaction; rollback or commit ends it.
func (w *world) begin() {
	w.tx = &transaction{
		customers: map[*customer]*customerBefore{}, serial: w.serial, lastStamp: w.lastStamp, publishedAt: w.publishedAt,
		pending: len(w.pending), scheduled: slices.Clone(w.scheduled), coupons: slices.Clone(w.coupons), coupon: map[*coupon]coupon{}, checkouts: maps.Clone(w.checkouts),
		news: newsroom{list: slices.Clone(w.news.list), told: maps.Clone(w.news.told)},
	}
	for _, c := range w.coupons {
		w.tx.coupon[c] = *c
	}
}

func (w *world) commit() { w.tx = nil }

// touch keeps a customer as it is before a mutation changes it.
func (w *world) touch(c *customer) *customer {
	if w.tx == nil || c == nil || w.tx.customers[c] != nil || slices.Contains(w.tx.made, c) {
		return c
	}
	before := &customerBefore{
		self: *c, subscriptions: map[*subscription]subscription{}, promotions: map[*promotion]promotion{},
		grants: map[*creditGrant]creditGrant{}, overdrafts: map[*overdraft]overdraft{},
	}
	before.self.resources, before.self.changedAt = maps.Clone(c.resources), maps.Clone(c.changedAt)
	before.self.subscriptions, before.self.promotions = slices.Clone(c.subscriptions), slices.Clone(c.promotions)
	before.self.purse.grants, before.self.purse.overdrafts = slices.Clone(c.purse.grants), slices.Clone(c.purse.overdrafts)
	before.self.purse.updatedAt, before.self.purse.recharges = maps.Clone(c.purse.updatedAt), maps.Clone(c.purse.recharges)
	for _, s := range c.subscriptions {
		before.subscriptions[s] = *s
	}
	for _, p := range c.promotions {
		before.promotions[p] = *p
	}
	for _, g := range c.purse.grants {
		before.grants[g] = *g
	}
	for _, o := range c.purse.overdrafts {
		before.overdrafts[o] = *o
	}
	w.tx.customers[c] = before
	return c
}

// rollback puts everything back.
func (w *world) rollback() {
	tx := w.tx
	w.tx = nil
	for c, before := range tx.customers {
		*c = before.self
		for s, was := range before.subscriptions {
			*s = was
		}
		for p, was := range before.promotions {
			*p = was
		}
		for g, was := range before.grants {
			*g = was
		}
		for o, was := range before.overdrafts {
			*o = was
		}
	}
	for _, c := range tx.made {
		delete(w.customers, c.id)
	}
	for _, id := range tx.subscriptions {
		delete(w.subscriptions, id)
	}
	for c, was := range tx.coupon {
		*c = was
	}
	w.coupons, w.checkouts, w.scheduled = tx.coupons, tx.checkouts, tx.scheduled
	w.serial, w.lastStamp, w.publishedAt = tx.serial, tx.lastStamp, tx.publishedAt
	w.pending, w.news = w.pending[:tx.pending], tx.news
}
