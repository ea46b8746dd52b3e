package gate

import (
	"context"
	"errors"

	"github.com/stiggate/gate/internal/delivery"
	"github.com/stiggate/gate/internal/ledger"
)

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
	q := g.queue
	if q == nil {
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
		u.Key = q.Keys.Key(q.Keys.Next())
	}
	if u.CreatedAt.IsZero() {
		u.CreatedAt = g.now()
	}
	if err := q.Reserve(1); err != nil {
		return ofQueue(err)
	}
	items := []delivery.Item[queued]{{Usage: queued{whole: &u}, Entry: g.record(&u, g.known(u.Customer))}}
	err = q.Keep(context.WithoutCancel(ctx), items)
	q.Put(items...)
	return ofQueue(err)
}

// known is what is cached of a customer, however old; nil if nothing is.
func (g *Gate) known(c Customer) *snapshot {
	s, _ := g.cache.Peek(c)
	return s
}

// record puts usage that no admission made room for into the ledger. snap is what is known
// of the customer, or nil.
func (g *Gate) record(u *Usage, snap *snapshot) (e ledger.Entry) {
	b, now := g.ledger.Open(ledger.Owner(u.Customer)), g.now()
	var m *ledger.Meter
	switch r := snap.right(u.FeatureID); {
	case u.Kind == UsageCredits:
		m = b.Wallet(u.Currency).Meter()
	case u.FeatureID == "":
		return b.Nowhere()
	case r != nil && r.meter != nil:
		m = r.meter
	default:
		m = b.Feature(u.FeatureID).Meter()
	}
	if u.Kind == UsageTotal {
		return m.RecordTotal(u.Value, u.CreatedAt, now)
	}
	e = m.Record(u.Value, u.CreatedAt, now)
	if u.Kind == UsageEvent {
		e.AsEvent()
	}
	return e
}

// ledger is the answer in the ledger's words.
func (a *Ack) ledger() ledger.Ack {
	to := ledger.Ack{At: a.At, Delayed: a.Delayed}
	if a.Known {
		to.Count = &ledger.Count{Used: a.Usage, Start: a.PeriodStart, End: a.PeriodEnd}
	}
	if c := a.Credit; c != nil {
		to.Credit = &ledger.CreditCount{Count: ledger.Count{Used: c.Usage, End: c.PeriodEnd}, Currency: c.CurrencyID, At: c.At}
	}
	return to
}

// ofQueue is what the queue says, in the words of this package.
func ofQueue(err error) error {
	if err == nil {
		return nil // on the way of every request: no error to look at, none to allocate for
	}
	var e *delivery.StoreError
	switch {
	case errors.As(err, &e):
		return &OutboxError{Taken: e.InMemory, Err: e.Err}
	case errors.Is(err, delivery.ErrClosed):
		return ErrClosed
	case errors.Is(err, delivery.ErrFull):
		return ErrQueueFull
	}
	return err
}

// ErrQueueFull says that as much usage waits for Stigg as WithQueueSize allows.
var ErrQueueFull = errors.New("gate: too much usage waits to be reported")
