package gate

import (
	"context"
	"errors"
	"maps"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/stiggate/gate/internal/delivery"
	"github.com/stiggate/gate/internal/ledger"
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
	gate         *Gate
	decision     Decision
	reportIf     func(Outcome) bool
	book         *ledger.Book
	admitted     time.Time
	ctx          context.Context // for the observers; nil without one
	within       ticketContext   // the handler's
	slots        int             // places kept in the delivery queue
	onClientGone Billing

	done  bool // under mu, as what follows
	mu    sync.Mutex
	holds []hold
	first [1]hold // where holds begins, for the usual single one
}

// hold is one feature's part of a ticket.
type hold struct {
	ledger.Hold
	right *right
	asked float64 // what was asked for
	use   float64 // what will be reported; negative gives back
	set   bool    // by Ticket.Use
	frees bool

	measure    MeasureFunc
	event      *Event
	dimensions map[string]any
}

// ErrSettled is returned for a ticket that was settled or released before.
var ErrSettled = errors.New("gate: the ticket is settled already")

// ErrNoEvent is returned by Dimension for a ticket whose policy reports no event.
var ErrNoEvent = errors.New("gate: the policy reports no event; Policy.ReportAs does")

// ErrAmbiguousUse is returned by Use when the policy uses more than one feature.
var ErrAmbiguousUse = errors.New("gate: the policy uses several features; Use can't tell which is meant")

type ticketKey struct{}

// ticketContext is the context of a request that its ticket goes with.
type ticketContext struct {
	context.Context
	ticket *Ticket
}

// Value is context.Context's.
func (c *ticketContext) Value(key any) any {
	if _, asked := key.(ticketKey); asked {
		return c.ticket
	}
	return c.Context.Value(key)
}

// TicketFrom returns the ticket of the request that ctx belongs to, or nil if no
// policy that reports let it in.
func TicketFrom(ctx context.Context) *Ticket {
	t, _ := ctx.Value(ticketKey{}).(*Ticket)
	return t
}

// Decision returns how the request was let in.
func (t *Ticket) Decision() Decision {
	if t == nil {
		return Decision{}
	}
	return t.decision
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
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case len(t.holds) == 0:
		return nil
	case t.done:
		return ErrSettled
	case len(t.holds) > 1:
		return ErrAmbiguousUse
	}
	if t.holds[0].frees {
		n = -n
	}
	t.holds[0].use, t.holds[0].set = n, true
	return nil
}

// Dimension adds a dimension to the event that the policy reports (Policy.ReportAs), in place
// of one of the same name. It fails with a *UsageError for a value that can't be encoded
// as JSON or makes the event too large, and with ErrNoEvent or ErrSettled; nothing is
// changed then.
func (t *Ticket) Dimension(name string, value any) error {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case len(t.holds) == 0:
		return nil
	case t.done:
		return ErrSettled
	}
	found := false
	for i := range t.holds {
		h := &t.holds[i]
		if h.event == nil {
			continue
		}
		found = true
		dimensions := maps.Clone(h.dimensions)
		if dimensions == nil {
			dimensions = make(map[string]any)
		}
		dimensions[name] = value
		encoded, err := encodeDimensions(dimensions, len(h.event.Name))
		if err != nil {
			return err
		}
		h.dimensions = encoded
	}
	if !found {
		return ErrNoEvent
	}
	return nil
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
	return t.end(Outcome{Status: http.StatusOK}, true)
}

// Release gives back what was held and reports nothing: the work was not done.
func (t *Ticket) Release() {
	if t != nil {
		_ = t.end(Outcome{}, false) // releasing can't fail
	}
}

// conclude settles or releases by what became of the request.
func (t *Ticket) conclude(o Outcome) {
	report := false
	defer func() { _ = t.end(o, report) }() // even if reportIf panics; the keeper has logged
	if o.Status == 0 || o.ClientGone && t.onClientGone == BillNothing {
		return
	}
	if t.reportIf == nil {
		report = o.Succeeded()
	} else {
		o.Duration = t.gate.now().Sub(t.admitted)
		report = t.reportIf(o)
	}
	if report {
		report = false // should a MeasureFunc panic
		t.bill(o)
		report = true
	}
}

// end moves every hold of the ticket out of held, exactly once.
func (t *Ticket) end(o Outcome, report bool) error {
	t.mu.Lock()
	if t.done {
		defer t.mu.Unlock()
		if len(t.holds) == 0 {
			return nil
		}
		return ErrSettled
	}
	t.done = true
	holds := t.holds
	t.mu.Unlock()

	q := t.gate.queue
	var first [1]delivery.Item[queued]
	items := first[:0]
	defer t.book.Unpin()
	var reported []Usage
	for i := range holds {
		h := &holds[i]
		if !report || h.use == 0 {
			h.Release()
			continue
		}
		items = append(items, t.settle(h))
		if t.ctx != nil {
			reported = append(reported, items[len(items)-1].Usage.usage(q.Keys))
		}
	}
	err := q.Keep(context.Background(), items)
	// Before the observers, which may panic or never return.
	q.Put(items...)
	q.Cancel(t.slots - len(items))
	if t.ctx != nil {
		o.Duration = t.gate.now().Sub(t.admitted)
		t.gate.observers.settled(t.ctx, &t.decision, o, reported)
	}
	return ofQueue(err)
}

// taken is the number of holds so far.
func (t *Ticket) taken() int {
	if t == nil {
		return 0
	}
	return len(t.holds)
}

// holding is what the ticket holds already of an account.
func (t *Ticket) holding(a *ledger.Account) (amount float64) {
	if t == nil {
		return 0
	}
	for i := range t.holds {
		amount += t.holds[i].Of(a)
	}
	return amount
}

// undo takes the holds from index n on back, for a policy that was refused midway.
func (t *Ticket) undo(n int) {
	if t == nil {
		return
	}
	for i := n; i < len(t.holds); i++ {
		t.holds[i].Release()
	}
	t.holds = t.holds[:n]
}

// bill sets what each hold reports, now that it is known what became of the request.
func (t *Ticket) bill(o Outcome) {
	asked := o.ClientGone && t.onClientGone == BillAsked
	for i := range t.holds {
		h := &t.holds[i] // not by value: the handler may have left work that sets amounts
		if h.measure == nil && !asked {
			continue
		}
		if o.Duration == 0 {
			o.Duration = t.gate.now().Sub(t.admitted)
		}
		if err := t.billHold(h, o, asked); err != nil {
			t.gate.logger.Error("gate: the amount to bill can't be counted; what was asked for is billed", "route", t.decision.Route, "error", err)
		}
	}
}

// billHold is bill for one hold: by its MeasureFunc, and at least what was asked for if the client
// has left and that is to be billed. What the handler left running may set the amount or
// settle meanwhile; that comes first.
func (t *Ticket) billHold(h *hold, o Outcome, asked bool) (err error) {
	var n float64
	measured := h.measure != nil && t.unsaid(h)
	if measured { // without the lock: it may panic, or use the ticket
		if n, err = h.measure(o); err == nil {
			err = checkAmount(n)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if measured && err == nil && !h.set && !t.done {
		h.use = n
	}
	if asked && !t.done {
		h.use = math.Copysign(max(math.Abs(h.use), h.asked), h.use)
	}
	return err
}

// unsaid reports whether the amount of a hold is still open.
func (t *Ticket) unsaid(h *hold) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !h.set && !t.done
}
