package client

import (
	"context"

	"github.com/stiggate/gate"
)

// Events are what Subscribe calls, each if it is not nil: one after the other, in the order of
// arrival, by a goroutine of its own. They should return soon: news wait for them, and Stigg's
// pings. One that panics ends the connection, which is then made anew.
type Events struct {
	// EntitlementsUpdated has the whole set that a customer has from now on.
	EntitlementsUpdated func(gate.Customer, gate.EntitlementSet)
	// UsageUpdated has Stigg's count of a feature or a wallet.
	UsageUpdated func(gate.Customer, gate.Patch)
	// CreditBalanceUpdated has a wallet.
	CreditBalanceUpdated func(CreditBalance)
	// PackagePublished says that a plan or an add-on has a new version.
	PackagePublished func(PackagePublished)
	// Changed says that something of a customer changed and not what: an event in an older form,
	// or one that can't be understood.
	Changed func(gate.Customer)
	// Live says whether events arrive. What happens while they don't is never told.
	Live func(bool)
}

// PackagePublished is a new version of a plan or an add-on. With the Migration ALL_CUSTOMERS it is
// that of all who have it, with NEW_CUSTOMERS of new ones.
type PackagePublished struct {
	ID        string `json:"packageRefId"`
	Type      string `json:"packageType"`
	Version   int    `json:"packageVersion"`
	Migration string `json:"migrationType"`
}

// Subscribe tells events what changes in Stigg, as it changes, until ctx ends, over a connection
// of its own; the connection is kept, mended and logged as [Client.Watch] says. It returns nil. A
// gate needs it not: it calls Watch by itself.
func (c *Client) Subscribe(ctx context.Context, events Events) error {
	return c.follow(ctx, &listener{events})
}

// listener is the sink of Subscribe.
type listener struct{ events Events }

func tell[T any](f func(T), what T) {
	if f != nil {
		f(what)
	}
}

func (l *listener) Replace(who gate.Customer, set gate.EntitlementSet) {
	if f := l.events.EntitlementsUpdated; f != nil {
		f(who, set)
	}
}

func (l *listener) Patch(who gate.Customer, p gate.Patch) {
	if f := l.events.UsageUpdated; f != nil {
		f(who, p)
	}
}

func (l *listener) Invalidate(who gate.Customer) { tell(l.events.Changed, who) }
func (l *listener) InvalidateAll()               {}
func (l *listener) SetLive(live bool)            { tell(l.events.Live, live) }

// credit takes creditBalanceUpdated in full.
func (l *listener) credit(b CreditBalance) { tell(l.events.CreditBalanceUpdated, b) }

// published takes packagePublished in full.
func (l *listener) published(p PackagePublished) { tell(l.events.PackagePublished, p) }
