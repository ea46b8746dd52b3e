package gate

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Ticket is the right to do what was asked for. It comes from Gate.Admit, or, in a
// handler behind a gate whose policy reports, from TicketFrom. It must be settled or
// released once: the adapters do so when the handler returns; whoever calls Admit
// does it alone (defer t.Release(), and t.Settle() after success).
//
// Its methods may be called from any goroutine. The first of Settle and Release
// counts; what comes after changes nothing. A nil Ticket does nothing.
type Ticket struct {
	gate     *Gate
	decision Decision
	reportIf func(Outcome) bool
	book     *book
	slots    int             // places kept in the delivery queue
	ctx      context.Context // for the observer; nil without one

	mu    sync.Mutex
	done  bool
	holds []hold
	first [1]hold // where holds begins, for the usual single one
}

// hold is one feature's part of a ticket.
type hold struct {
	right     *right
	period    *period
	createdAt time.Time
	held      float64 // what is held
	use       float64 // what will be reported; negative gives back
	frees     bool

	credits      float64 // what is held of the wallet
	creditPeriod *period
}

// ErrSettled is returned for a ticket that was settled or released before.
var ErrSettled = errors.New("gate: the ticket is settled already")

// ErrNoTicket is returned where there is no usage to speak of: the route has no gate,
// or its policy reports nothing.
var ErrNoTicket = errors.New("gate: nothing to report here")

// ErrSeveralUses is returned by Use when the policy uses more than one feature.
var ErrSeveralUses = errors.New("gate: the policy uses several features; Use can't tell which is meant")

type ticketKey struct{}

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
// 2^53, and with ErrSettled, ErrNoTicket or ErrSeveralUses; the amount then stays as it was.
func (t *Ticket) Use(n float64) error {
	if t == nil {
		return ErrNoTicket
	}
	if err := checkAmount(n); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case len(t.holds) == 0:
		return ErrNoTicket
	case t.done:
		return ErrSettled
	case len(t.holds) > 1:
		return ErrSeveralUses
	}
	if t.holds[0].frees {
		n = -n
	}
	t.holds[0].use = n
	return nil
}

// Settle reports the usage: the work is done. The report leaves in the background.
func (t *Ticket) Settle() {
	if t != nil {
		t.end(Outcome{Status: 200}, true)
	}
}

// Release gives back what was held and reports nothing: the work was not done.
func (t *Ticket) Release() {
	if t != nil {
		t.end(Outcome{}, false)
	}
}

// conclude settles or releases by what became of the request.
func (t *Ticket) conclude(o Outcome) {
	report := false
	defer func() { t.end(o, report) }() // even if reportIf panics
	if t.reportIf != nil && !o.Panicked {
		report = t.reportIf(o)
		return
	}
	report = o.Succeeded()
}

// end moves every hold of the ticket out of held, exactly once.
func (t *Ticket) end(o Outcome, report bool) {
	t.mu.Lock()
	if t.done {
		t.mu.Unlock()
		return
	}
	t.done = true
	holds := t.holds
	t.mu.Unlock()

	var reported []Usage
	if t.ctx != nil {
		defer func() { t.gate.observer.Settled(t.ctx, t.decision, o, reported) }()
	}
	defer t.book.unpin()
	queued := 0
	for i := range holds {
		h := &holds[i]
		if !report {
			h.use = 0
		}
		h.settle()
		if h.use == 0 {
			continue
		}
		u := t.gate.delivery.enqueue(t.book, h)
		queued++
		if t.ctx != nil {
			reported = append(reported, u)
		}
	}
	t.gate.delivery.vacate(t.slots - queued)
}

// settle moves the amounts in the ledger.
func (h *hold) settle() {
	h.right.account.settle(h.period, h.held, h.use)
	if h.right.wallet != nil && h.creditPeriod != nil {
		h.right.wallet.settle(h.creditPeriod, h.credits, h.price())
	}
}

// price is what the used amount costs in credits; giving back costs nothing and
// brings nothing until Stigg says so.
func (h *hold) price() float64 {
	return max(0, h.use) * h.right.CreditRate.Amount
}

// taken is the number of holds so far.
func (t *Ticket) taken() int {
	if t == nil {
		return 0
	}
	return len(t.holds)
}

// holding is what the ticket holds already of a right's account and wallet.
func (t *Ticket) holding(r *right) (amount, credits float64) {
	if t == nil {
		return 0, 0
	}
	for i := range t.holds {
		h := &t.holds[i]
		if h.right.account == r.account {
			amount += h.held
		}
		if h.right.wallet != nil && h.right.wallet == r.wallet {
			credits += h.credits
		}
	}
	return amount, credits
}

// undo takes the holds from index n on back, for a policy that was refused midway.
func (t *Ticket) undo(n int) {
	if t == nil {
		return
	}
	for i := n; i < len(t.holds); i++ {
		h := &t.holds[i]
		h.use = 0
		h.settle()
	}
	t.holds = t.holds[:n]
}
