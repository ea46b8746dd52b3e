package gate

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/stiggate/gate/internal/admission"
	"github.com/stiggate/gate/internal/delivery"
	"github.com/stiggate/gate/internal/ledger"
	"github.com/stiggate/gate/internal/usage"
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
	whole, err := u.checked()
	if err != nil {
		return err
	}
	if whole.Key == "" {
		whole.Key = q.Keys.Key(q.Keys.Next())
	}
	if whole.CreatedAt.IsZero() {
		whole.CreatedAt = g.now()
	}
	if err := q.Reserve(1); err != nil {
		return ofQueue(err)
	}
	items := []delivery.Item[usage.Queued]{{Usage: usage.Whole(whole)}}
	items[0].Usage.Entry = g.record(whole, g.known(u.Customer))
	err = q.Keep(context.WithoutCancel(ctx), items)
	q.Put(items...)
	return ofQueue(err)
}

// known is what a customer has as it is cached, however old; nil if nothing is.
func (g *Gate) known(c Customer) *admission.Rights {
	if s, ok := g.cache.Peek(c); ok {
		return &s.Rights
	}
	return nil
}

// record puts usage that no admission made room for into the ledger. has is what is known
// of the customer, or nil.
func (g *Gate) record(u *usage.Usage, has *admission.Rights) ledger.Entry {
	feature := has.Meter(has.Of(admission.Item{ID: u.FeatureID}))
	return u.Record(g.ledger.Open(u.Customer), feature, g.now())
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

// newQueue is what takes usage to r.
func (g *Gate) newQueue(r Reporter, c config) *delivery.Queue[usage.Queued] {
	var keys delivery.Keys
	to := delivery.Config[usage.Queued]{
		Report: func(ctx context.Context, batch []usage.Queued) ([]ledger.Ack, error) {
			began, all := c.now(), usages(batch, keys)
			acks, err := r.Report(ctx, all)
			c.observers.Delivered(c.logger, all, c.now().Sub(began), err)
			return usage.Each(acks, (*Ack).ledger), ofUpstream(err)
		},
		Header: usage.Queued.Header, Series: usage.Queued.Series,
		Key:   func(q usage.Queued) (uint64, string) { return q.Key(keys) },
		Entry: (*usage.Queued).InLedger,
		Enter: func(q *usage.Queued) error {
			u := q.Usage(keys)
			if u.Key == "" {
				return errors.New("a usage without a key")
			}
			q.Entry = g.record(&u, nil)
			q.Entry.SentBefore()
			return nil
		},
		Places: c.queue, Bytes: c.queueBytes, Unkept: c.outboxFailOpen, Now: c.now, Logger: c.logger,
	}
	if p, ok := r.(Pacer); ok {
		to.Pace = func(l delivery.Lane) time.Duration { return p.Pace(UsageKind(usage.Of(l))) }
	}
	if c.onRefused != nil {
		to.Refused = func(q usage.Queued, err error) { c.onRefused(ofQueued(q, keys), err) }
	}
	if c.outbox != nil {
		to.Store = &store{c.outbox, &keys}
	}
	q := delivery.New(to)
	keys = q.Keys
	return q
}

func usages(batch []usage.Queued, keys delivery.Keys) []Usage {
	return usage.Each(batch, func(q *usage.Queued) Usage { return ofQueued(*q, keys) })
}

// store is an Outbox as the queue sees it.
type store struct {
	Outbox
	keys *delivery.Keys
}

func (s *store) Append(ctx context.Context, u []usage.Queued) error {
	return s.Outbox.Append(ctx, usages(u, *s.keys)...)
}

func (s *store) Kept(ctx context.Context, u []usage.Queued) (kept, over []bool, err error) {
	return s.Outbox.(TxOutbox).Kept(ctx, usages(u, *s.keys)...)
}

func (s *store) Done(u []usage.Queued) error { return s.Outbox.Done(usages(u, *s.keys)...) }

func (s *store) SetAside(u usage.Queued, reason string) error {
	return s.Outbox.SetAside(ofQueued(u, *s.keys), reason)
}

func (s *store) Adopt(ctx context.Context, take func(...usage.Queued) error) error {
	if a, ok := s.Outbox.(Adopter); ok {
		return a.Adopt(ctx, func(u ...Usage) error { return ofQueue(take(usage.Each(u, (*Usage).whole)...)) })
	}
	return nil
}

func (s *store) Pending(after uint64) iter.Seq2[delivery.Kept[usage.Queued], error] {
	return func(yield func(delivery.Kept[usage.Queued], error) bool) {
		for k, err := range s.Outbox.Pending(Position(after)) {
			if !yield(delivery.Kept[usage.Queued]{Usage: k.whole(), At: uint64(k.At)}, err) {
				return
			}
		}
	}
}
