package admission

import (
	"time"

	"github.com/stiggate/gate/internal/ledger"
	"github.com/stiggate/gate/internal/rules"
)

// Readings are what is used by the rights, for the book.
func (s *Rights) Readings() ledger.Readings { return &list{s.plan, s.all} }

// Each is ledger.Readings'.
func (s *list) Each(f func(wallet bool, id string, c *ledger.Counter, of *ledger.Span)) {
	for i := range s.all {
		if r := &s.all[i]; r.counts() {
			f(r.IsWallet, r.ID, &r.counter, &r.Span)
		}
	}
}

// Counter is ledger.Readings'.
func (s *list) Counter(wallet bool, id string) (*ledger.Counter, *ledger.Span) {
	if r := s.of(Item{id, wallet}); r != nil && r.counts() {
		return &r.counter, &r.Span
	}
	return nil, nil
}

// account is a right's account; nil if nothing was used of it so far, or nothing is counted.
func (s *Rights) account(r *Right) *ledger.Account {
	if !r.counts() {
		return nil
	}
	return s.Book.Account(&r.counter, r.IsWallet, r.ID)
}

// used is account, and makes it.
func (s *Rights) used(r *Right) *ledger.Account {
	return s.Book.Make(&r.counter, r.IsWallet, r.ID)
}

// Meter is where usage of a right counts, and what pays for it; nil if nothing is counted.
func (s *Rights) Meter(r *Right) *ledger.Meter {
	if r == nil || !r.counts() {
		return nil
	}
	m := ledger.Meter{Cycle: r.Cycle, Unpriced: r.Unpriced}
	if r.Priced && !r.Formula && r.Kind == rules.Metered {
		m.Wallet, m.Price = s.payer(r), r.Price
	}
	return s.used(r).As(m)
}

// payer is the account of the wallet that a right's usage costs, which the customer need not have.
func (s *Rights) payer(r *Right) *ledger.Account {
	if w := s.Wallet(r.Currency); w != nil {
		return s.used(w)
	}
	return s.Book.Wallet(r.Currency)
}

// Present is what is used of a right that is counted.
func (s *Rights) Present(r *Right, now time.Time) ledger.Statement {
	if a := s.account(r); a != nil {
		return a.Present(now, r.Cycle)
	}
	return r.counter.Present(now, &r.Span)
}

// unpriced is what usage that waits will cost of a wallet, at prices that were not known
// when it was recorded; acked is of what Stigg has acknowledged.
func (s *Rights) unpriced(wallet *Right) (credits, acked float64) {
	if !s.Book.HasUnpriced() {
		return 0, 0
	}
	for i := range s.all {
		r := &s.all[i]
		if !r.Priced || r.Formula || r.Kind != rules.Metered || r.Currency != wallet.ID {
			continue
		}
		if a := s.account(r); a != nil {
			all, some := a.Unpriced()
			credits, acked = credits+all*r.Price, acked+some*r.Price
		}
	}
	return credits, acked
}
