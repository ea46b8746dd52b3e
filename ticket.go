package gate

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/stiggate/gate/internal/admission"
	"github.com/stiggate/gate/internal/handler"
	"github.com/stiggate/gate/internal/settlement"
	"github.com/stiggate/gate/internal/swr"
	"github.com/stiggate/gate/internal/usage"
)

// Ticket is the right to do what was asked for. It comes from Gate.Admit, or, in a
// handler behind a gate whose policy reports, from TicketFrom. It must be settled or
// released once: the adapters do so when the handler returns; whoever calls Admit
// does it alone (defer t.Release(), and t.Settle() after success).
//
// Its methods may be called from any goroutine. The first of Settle and Release
// counts; what comes after changes nothing.
//
// Where nothing is to be reported (the policy reports nothing, or only looks on, or HEAD is
// free, or there is no gate at all) a Ticket is nil or empty, and its methods do nothing: a
// handler is the same with and without a gate.
type Ticket struct {
	gate    *Gate
	granted admission.Granted
	holds   admission.Holds
	more    *exchange // nil for most that aren't a request's
}

// exchange is what a Ticket has beside, of a request.
type exchange struct {
	decided  *Decision // in whole, unless it is as usual: granted tells all, what it rests on is fresh, and nobody waited
	route    string
	policy   *Policy       // while its handler runs
	within   ticketContext // the handler's; the observers' is the one that it was made of
	handed   *http.Request // the handler's, which has it
	admitted time.Time
	front    *Ticket // of a gate in front, that holds some of this one's together
}

var (
	// ErrSettled is returned for a ticket that was settled or released before.
	ErrSettled = admission.ErrSettled
	// ErrNoEvent is returned by Dimension for a ticket whose policy reports no event.
	ErrNoEvent = admission.ErrNoEvent
	// ErrAmbiguousUse is returned by Use when the policy uses more than one feature.
	ErrAmbiguousUse = admission.ErrAmbiguousUse
	// ErrNoTxOutbox is returned by SettleIn where a gate has no TxOutbox.
	ErrNoTxOutbox = errors.New("gate: there is no outbox that takes part in a transaction")
)

// ticketKey and decisionKey are what a request's context is asked for.
type (
	ticketKey   struct{}
	decisionKey struct{}
)

// ticketContext is the context of a request that its ticket goes with.
type ticketContext struct {
	context.Context
	ticket  *Ticket
	request *http.Request // as it came to the gate
}

// Value is context.Context's.
func (c *ticketContext) Value(key any) any {
	switch key.(type) {
	case ticketKey, decisionKey:
		return c.ticket
	}
	return c.Context.Value(key)
}

// inFront is the ticket that a request has from a gate in front. What a handler asks
// in its own process, with the context of its request, is another request.
func inFront(r *http.Request) *Ticket {
	if t := TicketFrom(r.Context()); t != nil && t.more.within.request.RequestURI == r.RequestURI {
		return t
	}
	return nil
}

// TicketFrom returns the ticket of the request that ctx belongs to, or nil if no
// policy that reports let it in.
func TicketFrom(ctx context.Context) *Ticket {
	t, _ := ctx.Value(ticketKey{}).(*Ticket)
	return t
}

// DecisionFrom returns how the request that ctx belongs to was let in, in a handler behind a gate:
// the innermost, if there are several. It is false where no policy was asked: without a
// gate, behind Public, and behind a gate WithBareRequests.
func DecisionFrom(ctx context.Context) (Decision, bool) {
	switch d := ctx.Value(decisionKey{}).(type) {
	case *Ticket:
		return d.Decision(), true
	case *Decision:
		return *d, true
	}
	return Decision{}, false
}

// CustomerFrom returns the customer that the request belongs to, as the gate resolved it. It is
// false where DecisionFrom is.
func CustomerFrom(ctx context.Context) (Customer, bool) {
	d, ok := DecisionFrom(ctx)
	return d.Customer, ok
}

// Decision returns how the request was let in.
func (t *Ticket) Decision() Decision {
	if t == nil || t.gate == nil {
		return Decision{}
	}
	d := Decision{Allowed: true, Origin: OriginFresh}
	if m := t.more; m != nil {
		if m.decided != nil {
			return *m.decided
		}
		if d.Route = m.route; m.within.request != nil {
			d.Method = m.within.request.Method
		}
	}
	d.Customer = Customer(t.holds.Book().Owner())
	found := t.granted.Result()
	d.tell(&found)
	return d
}

// keep keeps how the request was let in.
func (t *Ticket) keep(d *Decision, found *admission.Result) {
	var all bool
	if t.granted, all = found.Granted(); !all || d.Origin != OriginFresh || d.Waited != 0 {
		if t.more == nil {
			t.more = new(exchange)
		}
		whole := *d
		t.more.decided = &whole
	}
	if t.more != nil {
		t.more.route = d.Route
	}
}

// Use sets how much was really used, in place of the amount asked for: the tokens of
// an answer, the rows returned. More than was asked for is reported in full; the
// limit was promised for what is admitted, not for what a handler does afterwards.
// With 0 nothing is reported.
//
// It fails with an *AmountError for an amount that is NaN, infinite, negative or above
// 2^53, and with ErrSettled or ErrAmbiguousUse; the amount then stays as it was.
func (t *Ticket) Use(n float64) error {
	if err := checkAmount(n); err != nil || t == nil {
		return err
	}
	return t.holds.Set(n)
}

// Held is how much is held for the request, of all features together: what Policy.UsesUpTo found
// left, and what Extend added. It is 0 where nothing is to be reported, and after Settle.
func (t *Ticket) Held() float64 {
	if t == nil {
		return 0
	}
	return t.holds.Amount()
}

// Extend holds n more units for work that turns out to be larger than what was asked for, such as a
// stream: before it goes on, so that all that run at once stay within the limit together. With
// Policy.UsesUpTo less will do, and Held tells how much there is. What is reported in the end is what
// Use says, or else all that is held.
//
// It does not wait, but for the store of a fleet (WithFleet). It fails with a *DeniedError if the
// plan does not cover that much more; what was held before stays so, and the work may end with it.
// With ReasonPending it may be covered a little later: after Decision.RetryAfter ask again. It fails
// with ErrSettled or ErrAmbiguousUse, as Use does, with an *AmountError, and with ErrQueueFull if
// there is no place for one more usage.
func (t *Ticket) Extend(n float64) error {
	if err := checkAmount(n); err != nil || t == nil || t.gate == nil {
		return err
	}
	d := t.Decision()
	q := admission.Request{Now: t.gate.now()}
	if s, ok := t.gate.cache.Peek(d.Customer); ok && !s.everything {
		q.Rights = &s.Rights
	}
	for waits := (swr.Wait{}); ; q.Waited, q.Doubted = q.Doubted, nil {
		if err := t.holds.Extend(&q, n, func() error { return ofQueue(t.gate.queue.Reserve(1)) }); err != nil || q.Reason == "" {
			return err
		}
		if t.gate.fleet == nil || q.Doubted == nil || t.gate.cache.Await(context.Background(), q.Doubted, &waits, false) != nil {
			break
		}
	}
	d.Allowed = false
	if d.tell(&q.Result); d.Origin == OriginFallback {
		d.deny(ReasonUnavailable, nil) // never 402 for our own fault
	}
	t.gate.finish(&Policy{}, &d)
	if d.Reason == ReasonPending {
		t.gate.cache.Outdate(d.Customer) // what is read now tells more, when it is asked again
	}
	return &DeniedError{d}
}

// DeniedError says that the plan does not cover what a Ticket was to be extended by.
type DeniedError struct {
	Decision Decision
}

func (e *DeniedError) Error() string { return "gate: more is not granted: " + e.Decision.Code }

// Dimension adds a dimension to the event that the policy reports (Policy.ReportAs), in place
// of one of the same name. It fails with a *UsageError for a value that can't be encoded
// as JSON or makes the event too large, and with ErrNoEvent or ErrSettled; nothing is
// changed then.
func (t *Ticket) Dimension(name string, value any) error {
	if t == nil {
		return nil
	}
	return t.holds.Dimension(name, value, encodeDimensions)
}

// Settle reports the usage: the work is done. The report leaves in the background; with
// an outbox Settle returns once it is kept there. A handler calls it before it writes
// more than net/http buffers (2 kB), before it takes the connection over, or when what is
// billed is done while the answer goes on; what the handler does afterwards changes
// nothing any more.
//
// It fails with ErrSettled, or an *OutboxError: the usage is then reported from memory, and
// a crash may lose it.
func (t *Ticket) Settle() error {
	if t == nil {
		return nil
	}
	err := t.end(Outcome{Status: http.StatusOK}, true)
	if t.holds.Shares() {
		err = errors.Join(err, t.more.front.Settle())
	}
	return err
}

// Release gives back what was held and reports nothing: the work was not done.
func (t *Ticket) Release() {
	if t == nil {
		return
	}
	_ = t.end(Outcome{}, false) // releasing can't fail
	if t.holds.Shares() {
		t.more.front.Release()
	}
}

// conclude settles or releases by what became of the request.
func (t *Ticket) conclude(o Outcome) {
	report, p := false, t.more.policy
	defer func() { _ = t.end(o, report) }() // even if reportIf panics; the keeper has logged
	if o.Status == 0 || o.ClientGone && p.onClientGone == BillNothing {
		return
	}
	if p.reportIf == nil {
		report = o.Succeeded()
	} else {
		o.Duration = t.since()
		report = p.reportIf(o)
	}
	if report {
		report = false // should a MeasureFunc panic
		t.holds.Bill(handler.Outcome(o), t.since, o.ClientGone && p.onClientGone == BillAsked, func(err error) {
			type unmeasured string
			t.gate.logOnce(unmeasured(t.more.route), "gate: the amount to bill can't be counted; what was asked for is billed", "route", t.more.route, "error", err)
		})
		report = true
	}
}

// since is the time that has passed since it was admitted.
func (t *Ticket) since() time.Duration { return t.gate.now().Sub(t.more.admitted) }

// SettleIn has store put the usage into a transaction of the app's that the outbox is a part of, as
// contrib/postgresgate's SettleTx does: it is reported if that commits, whatever is answered. The amounts
// are fixed from then on, and what is held stays held. When the request is over, or at Settle or Release,
// which are one now, the outbox is asked what it has; the rest is released. Until it answers all stays
// held, and it is asked again. What Close can't wait for is in the outbox, for the next start, or nowhere.
//
// If store fails nothing has changed. For the next attempt of a transaction SettleIn may be called again:
// the usage is the same, with its keys. It fails with ErrSettled or ErrNoTxOutbox, or as store does, which
// is called once for each gate that holds something of the request's.
func (t *Ticket) SettleIn(store func(TxOutbox, []Usage) error) error {
	if t == nil || t.gate == nil {
		return nil
	}
	return settlement.Entrust(&t.holds, t.gate.queue, func(u []usage.Queued) error {
		box, ok := t.gate.outbox.(TxOutbox)
		if !ok {
			return ErrNoTxOutbox
		}
		if !t.holds.Shares() {
			return store(box, usages(u, t.gate.queue.Keys))
		}
		return t.more.front.SettleIn(func(front TxOutbox, more []Usage) error {
			if err := store(front, more); err != nil {
				return err
			}
			return store(box, usages(u, t.gate.queue.Keys))
		})
	})
}

// end moves every hold of the ticket out of held, exactly once.
func (t *Ticket) end(o Outcome, report bool) error {
	var told func([]usage.Queued)
	if t.more != nil && t.more.within.ticket != nil && t.gate.observers.Settles() {
		told = t.tells(o)
	}
	return ofQueue(settlement.End(&t.holds, t.gate.queue, t.gate.now, report, told))
}

// tells tells the observers.
func (t *Ticket) tells(o Outcome) func([]usage.Queued) {
	o.Duration = t.since()
	return func(reported []usage.Queued) {
		d := t.Decision()
		t.gate.observers.Settled(context.WithoutCancel(t.more.within.Context), &d, o, usages(reported, t.gate.queue.Keys))
	}
}
