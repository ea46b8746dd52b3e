package gate

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/stiggate/gate/internal/admission"
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

// known is what a customer has as it is cached, however old; nil if nothing is.
func (g *Gate) known(c Customer) *admission.Rights {
	if s, ok := g.cache.Peek(c); ok {
		return s.Rights
	}
	return nil
}

// record puts usage that no admission made room for into the ledger. has is what is known
// of the customer, or nil.
func (g *Gate) record(u *Usage, has *admission.Rights) (e ledger.Entry) {
	b, now := g.ledger.Open(ledger.Owner(u.Customer)), g.now()
	var m *ledger.Meter
	switch r := has.Of(admission.Item{ID: u.FeatureID}); {
	case u.Kind == UsageCredits:
		m = b.Wallet(u.Currency).Meter()
	case u.FeatureID == "":
		return b.Nowhere()
	case r != nil && r.Meter != nil:
		m = r.Meter
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

// queued is a usage that waits. Hundreds of thousands may, so what a ticket settled is kept in few
// words, and becomes a Usage when it leaves.
type queued struct {
	whole *Usage // all there is to know; the rest is empty then

	book   *ledger.Book
	right  *admission.Right
	value  float64
	excess float64
	number uint64 // of its key, see delivery.Keys
	at     int64  // CreatedAt in nanoseconds of Unix
}

// settle settles a hold of the ticket and returns the usage that it reports.
func (t *Ticket) settle(h *admission.Hold) delivery.Item[queued] {
	var now time.Time
	if h.Use < 0 { // else nobody asks
		now = t.gate.now()
	}
	u := queued{
		book: t.book, right: h.Right, value: h.Use, excess: max(0, h.Use-h.Amount()),
		number: t.gate.queue.Keys.Next(), at: h.At().UnixNano(),
	}
	t.book.Pin() // never forgotten here: the ticket still pins it
	e := h.Settle(h.Use, now)
	event, dimensions, isEvent := h.Sends()
	if isEvent {
		e.AsEvent()
	}
	if isEvent || !time.Unix(0, u.at).Equal(h.At()) { // a clock of a test's may be far away
		whole := u.usage(t.gate.queue.Keys)
		whole.CreatedAt = h.At()
		if isEvent {
			whole.Kind, whole.Event, whole.Dimensions = UsageEvent, event, dimensions
		}
		u = queued{whole: &whole}
	}
	return delivery.Item[queued]{Usage: u, Entry: e}
}

// usage is the Usage of it.
func (q queued) usage(keys delivery.Keys) Usage {
	if q.whole != nil {
		return *q.whole
	}
	u := Usage{
		Customer: Customer(q.book.Owner()), Kind: UsageChange, FeatureID: q.right.ID, Value: q.value, Excess: q.excess,
		Key: keys.Key(q.number), CreatedAt: time.Unix(0, q.at),
	}
	if q.right.IsWallet {
		u.Kind, u.FeatureID, u.Currency = UsageCredits, "", q.right.ID
	}
	return u
}

// header is what the queue must know of it.
func (q queued) header() delivery.Header {
	h := delivery.Header{Size: sizeOfUsage, Value: q.value}
	kind := UsageChange
	if u := q.whole; u != nil {
		h.Size, h.Value, h.CreatedAt, kind = u.bytes(), u.Value, u.CreatedAt, u.Kind
	} else if h.CreatedAt = time.Unix(0, q.at); q.right.IsWallet {
		kind = UsageCredits
	}
	h.Total = kind == UsageTotal
	switch kind {
	case UsageEvent:
		h.Lane = delivery.Events
	case UsageCredits:
		h.Lane = delivery.Credits
	}
	return h
}

// series is what Stigg refuses usage by.
func (q queued) series() delivery.Series {
	if u := q.whole; u != nil {
		s := delivery.Series{Customer: u.Customer.ID, Resource: u.Customer.Resource, Feature: u.FeatureID}
		switch u.Kind {
		case UsageEvent:
			s.Event = u.Event
		case UsageCredits:
			s.Feature, s.Currency = "", u.Currency
		}
		return s
	}
	o := q.book.Owner()
	s := delivery.Series{Customer: o.ID, Resource: o.Resource, Feature: q.right.ID}
	if q.right.IsWallet {
		s.Feature, s.Currency = "", q.right.ID
	}
	return s
}

// newQueue is what takes usage to r.
func (g *Gate) newQueue(r Reporter, c config) *delivery.Queue[queued] {
	var keys delivery.Keys
	to := delivery.Config[queued]{
		Report: func(ctx context.Context, batch []queued) ([]ledger.Ack, error) {
			began, all := c.now(), usages(batch, keys)
			acks, err := r.Report(ctx, all)
			c.observers.delivered(c.logger, all, c.now().Sub(began), err)
			told := make([]ledger.Ack, len(acks))
			for i := range acks {
				told[i] = acks[i].ledger()
			}
			return told, ofUpstream(err)
		},
		Header: queued.header, Series: queued.series,
		Key: func(q queued) (uint64, string) {
			if q.whole == nil {
				return q.number, ""
			}
			return keys.Number(q.whole.Key), q.whole.Key
		},
		Enter: func(q queued) (e ledger.Entry, err error) {
			if q.whole.Key == "" {
				return e, errors.New("a usage without a key")
			}
			e = g.record(q.whole, nil)
			e.SentBefore()
			return e, nil
		},
		Places: c.queue, Bytes: c.queueBytes, Unkept: c.outboxFailOpen, Now: c.now, Logger: c.logger,
	}
	if p, ok := r.(Pacer); ok {
		to.Pace = func(l delivery.Lane) time.Duration {
			return p.Pace([...]UsageKind{delivery.Measurements: UsageChange, delivery.Events: UsageEvent, delivery.Credits: UsageCredits}[l])
		}
	}
	if c.onRefused != nil {
		to.Refused = func(q queued, err error) { c.onRefused(q.usage(keys), err) }
	}
	if c.outbox != nil {
		to.Store = &store{c.outbox, &keys}
	}
	q := delivery.New(to)
	keys = q.Keys
	return q
}

func usages(batch []queued, keys delivery.Keys) []Usage {
	all := make([]Usage, len(batch))
	for i := range batch {
		all[i] = batch[i].usage(keys)
	}
	return all
}

// store is an Outbox as the queue sees it.
type store struct {
	Outbox
	keys *delivery.Keys
}

func (s *store) Append(ctx context.Context, u []queued) error {
	return s.Outbox.Append(ctx, usages(u, *s.keys)...)
}

func (s *store) Done(u []queued) error { return s.Outbox.Done(usages(u, *s.keys)...) }

func (s *store) SetAside(u queued, reason string) error {
	return s.Outbox.SetAside(u.usage(*s.keys), reason)
}

func (s *store) Pending(after uint64) iter.Seq2[delivery.Kept[queued], error] {
	return func(yield func(delivery.Kept[queued], error) bool) {
		for k, err := range s.Outbox.Pending(Position(after)) {
			if !yield(delivery.Kept[queued]{Usage: queued{whole: &k.Usage}, At: uint64(k.At)}, err) {
				return
			}
		}
	}
}
