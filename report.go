package gate

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strconv"
	"time"

	"github.com/stiggate/gate/internal/delivery"
	"github.com/stiggate/gate/internal/ledger"
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
		u.Key = q.Keys.Next()
	}
	if u.CreatedAt.IsZero() {
		u.CreatedAt = g.now()
	}
	if err := q.Reserve(1); err != nil {
		return ofQueue(err)
	}
	i := u.item(g.record(&u, g.known(u.Customer)))
	err = q.Keep(context.WithoutCancel(ctx), []delivery.Item[Usage]{i})
	q.Put(i)
	return ofQueue(err)
}

// newQueue is what takes usage to r.
func newQueue(r Reporter, c config) *delivery.Queue[Usage] {
	to := delivery.Config[Usage]{
		Report: func(ctx context.Context, batch []Usage) ([]ledger.Ack, error) {
			acks, err := r.Report(ctx, batch)
			told := make([]ledger.Ack, len(acks))
			for i := range acks {
				told[i] = acks[i].ledger()
			}
			return told, ofUpstream(err)
		},
		Places: c.queue, Unkept: c.outboxFailOpen, OnRefused: c.onRefused, Now: c.now, Logger: c.logger,
	}
	if p, ok := r.(Pacer); ok {
		to.Pace = func(l delivery.Lane) time.Duration {
			return p.Pace([...]UsageKind{delivery.Measurements: UsageChange, delivery.Events: UsageEvent, delivery.Credits: UsageCredits}[l])
		}
	}
	if c.outbox != nil {
		to.Store = c.outbox
	}
	return delivery.New(to)
}

// item is u on its way, with its entry in the ledger.
func (u *Usage) item(e ledger.Entry) delivery.Item[Usage] {
	i := delivery.Item[Usage]{Usage: *u, Entry: e, Key: u.Key, Total: u.Kind == UsageTotal, Size: u.bytes(), CreatedAt: u.CreatedAt}
	i.Series.Customer, i.Series.Resource = u.Customer.ID, u.Customer.Resource
	switch u.Kind {
	case UsageEvent:
		i.Lane, i.Series.Feature, i.Series.Event = delivery.Events, u.FeatureID, u.Event
	case UsageCredits:
		i.Lane, i.Series.Currency = delivery.Credits, u.Currency
	default:
		i.Series.Feature = u.FeatureID
	}
	return i
}

// settle settles a hold of the ticket and returns the usage that it reports.
func (t *Ticket) settle(h *hold) delivery.Item[Usage] {
	var now time.Time
	if h.use < 0 { // else nobody asks
		now = t.gate.now()
	}
	u := Usage{
		Customer: Customer(t.book.Owner()), Kind: UsageChange, FeatureID: h.right.FeatureID, Value: h.use, Excess: max(0, h.use-h.Amount()),
		Key: t.gate.queue.Keys.Next(), CreatedAt: h.At(),
	}
	t.book.Pin() // never forgotten here: the ticket still pins it
	e := h.Settle(h.use, now)
	switch {
	case h.right.currency != "":
		u.Kind, u.FeatureID, u.Currency = UsageCredits, "", h.right.currency
	case h.event != nil:
		u.Kind, u.Event, u.Dimensions = UsageEvent, h.event.Name, h.dimensions
		e.AsEvent()
		if h.event.AmountIn != "" {
			u.Dimensions = maps.Clone(h.dimensions)
			if u.Dimensions == nil {
				u.Dimensions = make(map[string]any, 1)
			}
			u.Dimensions[h.event.AmountIn] = json.RawMessage(strconv.AppendFloat(nil, h.use, 'g', -1, 64))
		}
	}
	return u.item(e)
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

// replay takes over what an outbox has from an earlier run.
func (g *Gate) replay() {
	g.queue.Replay(func(u Usage) (i delivery.Item[Usage], err error) {
		if u.Key == "" {
			return i, errors.New("a usage without a key")
		}
		return u.item(g.record(&u, nil)), nil
	})
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
