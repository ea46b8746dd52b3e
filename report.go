package gate

import (
	"context"
	"errors"
)

// ErrNoReporter says that the gate has nobody to report usage to.
var ErrNoReporter = errors.New("gate: there is no Reporter")

// Report reports usage of work outside of a request: of workers, of nightly counts. It
// asks no plan: the work is done, and what was used counts from now on for everybody who
// asks. A total (UsageTotal) is for what is counted elsewhere, such as seats or stored
// bytes; no change or total that was reported before it arrives after it.
//
// Report returns once the usage is queued, and kept if there is an outbox; it does not
// wait for Stigg. An empty Key is filled with a new one; give your own where the same
// work may be reported twice, for instance after a crash, together with the time it was
// done. An empty CreatedAt is now.
//
// The error is a *UsageError if the usage can't be counted, ErrQueueFull, ErrNoReporter,
// ErrClosed, or the context's: nothing was taken then. Of an *OutboxError, Taken says
// whether the usage was.
func (g *Gate) Report(ctx context.Context, u Usage) error {
	d := g.delivery
	if d == nil {
		return ErrNoReporter
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	u, err := u.validate()
	if err != nil {
		return err
	}
	if u.Key == "" {
		u.Key = d.keys.next()
	}
	if u.CreatedAt.IsZero() {
		u.CreatedAt = g.now()
	}
	if err := d.reserve(1); err != nil {
		return err
	}
	p := d.late(g.ledger.open(u.Customer), u, g.cache.peek(u.Customer))
	err = d.keeper.keep(context.WithoutCancel(ctx), []parcel{p})
	d.enqueue(p)
	return err
}

// noRight is that of an event which counts nowhere here.
var noRight = &right{}

// late makes a parcel of usage that no admission made room for, and counts it in the
// ledger. It takes over the pin on b. snap is what is known of the customer, or nil.
func (d *delivery) late(b *book, u Usage, snap *snapshot) parcel {
	p := parcel{Usage: u, book: b, right: noRight}
	now := d.now()
	switch {
	case u.Kind == UsageCredits:
		p.right = b.bare(accountKey{true, u.Currency})
	case u.FeatureID == "":
		return p
	default:
		p.right = snap.right(u.FeatureID)
		if p.right == nil || p.right.account == nil {
			p.right = b.bare(accountKey{false, u.FeatureID})
		}
	}
	r := p.right
	if u.Kind == UsageTotal {
		place, more := r.account.waitTotal(u.Value, u.CreatedAt, now, r.cycle())
		p.place = place
		if r == r.account.bare {
			p.owe(more)
		}
		return p
	}
	if u.Value < 0 {
		r.account.givesBack(-u.Value, now)
	}
	p.waits = max(0, u.Value)
	p.place = r.account.wait(p.waits, u.CreatedAt, now, r.cycle())
	if r.wallet != nil && r.CreditRate != nil && !r.CreditRate.Formula {
		p.credits = p.waits * r.CreditRate.Amount
		p.creditPlace = r.wallet.wait(p.credits, u.CreatedAt, now, cycle{})
	}
	if r == r.account.bare && u.Kind != UsageCredits {
		p.owe(p.waits)
	}
	return p
}
