package ledger

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Account is one customer's usage of one metered feature, or of one wallet. Each of its
// methods is one critical section.
type Account struct {
	mu      sync.Mutex
	current *period
	seldom  *seldom // nil: nothing of it was needed so far
	book    *Book
	meter   atomic.Pointer[Meter] // made last
	id      string                // of the feature, or of the wallet's currency
	// departure is when a usage last left for the first time, and onWay how many are on their way.
	departure Tick
	onWay     int32
	wallet    bool
}

// seldom is what most accounts do without.
type seldom struct {
	// previous is the last period that Stigg named before our own clock ended it, in case it
	// goes on. opened are the others that our clock opened, while something is held or
	// waits there: what lies ahead of the current one counts as well.
	previous *period
	opened   []*period
	// recorded is the usage that waits and that no admission here made room for; totals
	// are the totals among it, and past the period of what of it counts nowhere.
	recorded []*recorded
	totals   []*recorded
	past     *period
	unpriced unpriced
	// changed is closed when some usage that was on its way has arrived; nil while nobody waits.
	changed chan struct{}
	share   Share // nil until it is asked for
}

// rare is what is seldom needed, to be changed. Call it under the lock.
func (a *Account) rare() *seldom {
	if a.seldom == nil {
		a.seldom = new(seldom)
	}
	return a.seldom
}

func (a *Account) opened() []*period {
	if a.seldom == nil {
		return nil
	}
	return a.seldom.opened
}

func (a *Account) totals() []*recorded {
	if a.seldom == nil {
		return nil
	}
	return a.seldom.totals
}

func (a *Account) recorded() []*recorded {
	if a.seldom == nil {
		return nil
	}
	return a.seldom.recorded
}

func (a *Account) previous() *period {
	if a.seldom == nil {
		return nil
	}
	return a.seldom.previous
}

// As is the account as a Meter like m, which need not name it. It is the one of before if that is the
// same.
func (a *Account) As(m Meter) *Meter {
	m.Account = a
	if last := a.meter.Load(); last != nil && *last == m {
		return last
	}
	made := new(Meter)
	*made = m
	a.meter.Store(made)
	return made
}

// Meter returns the account alone as a Meter, for usage of which no more is known.
func (a *Account) Meter() *Meter { return a.As(Meter{Unpriced: !a.wallet}) }

// Statement is an account's present period.
type Statement struct {
	Balance
	// agreed is what the counts agree on, and least so without what is on its way and perhaps counted.
	agreed, least float64
	Start, End    time.Time // zero without one
}

// Shown is what to tell people is used of a limit. Known is never too low, so usage that is perhaps
// in a count is added to it. Here the counts' agreement is told; and no more than the limit, unless
// more is used for certain.
func (s *Statement) Shown(limit float64) float64 { return min(s.agreed, max(s.least, limit)) }

// Present is the account's present period.
func (a *Account) Present(now time.Time, c Cycle) (s Statement) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roll(now, c)
	a.state(&s)
	return s
}

// state fills in the present period's Statement. Call it under the lock.
func (a *Account) state(s *Statement) {
	p := a.current
	s.Balance = a.balance()
	s.agreed, s.least = p.agreed()
	s.agreed, s.least, s.Start, s.End = s.Unacked+s.agreed, s.Unacked+s.least, p.start, p.end
}

// balance is the present period's. Call it under the lock.
func (a *Account) balance() Balance {
	p := a.current
	b := Balance{p.frontier.used(), p.held, p.unacked}
	for _, q := range a.opened() {
		if a.isAhead(q) {
			b.Held += q.held
			b.Unacked += q.unacked
		}
	}
	for _, r := range a.totals() {
		if a.mayCount(r.period) {
			b.Unacked = max(b.Unacked, r.total.with(a.mayCount)-b.Used)
		}
	}
	return b
}

// Waiting is how many usages wait that no admission made room for.
func (a *Account) Waiting() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.recorded())
}

func (a *Account) audit() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.current == nil {
		return ""
	}
	b, n := a.balance(), len(a.recorded())+len(a.totals())+len(a.current.departed)
	if b.Held == 0 && b.Unacked == 0 && n == 0 && a.onWay == 0 {
		return ""
	}
	return fmt.Sprintf("%+v, %d entries, %d on their way", b, n, a.onWay)
}

// Admission is the answer to an Ask, all of one moment.
type Admission struct {
	Answer
	Statement // before the amount
	// Amount is what was granted.
	Amount float64
	// Outdated is of a refusal in doubt: a read that begins now would tell more.
	Outdated bool
	// Wait is of a refusal in doubt: closed when something on its way has arrived. Nil if
	// nothing is. It is also of Wanting: closed when there is an answer.
	Wait <-chan struct{}

	held   held
	leased bool // it was in hand
}

// Check asks the account whether an amount fits, and takes nothing.
func (a *Account) Check(now time.Time, c Cycle, q Ask) (r Admission) {
	a.Ask(&r, now, c, &q, false)
	return r
}

// Hold is Check, and holds the amount if it is granted, in one step. The Admission must
// become a Hold (Meter.Hold).
func (a *Account) Hold(now time.Time, c Cycle, q Ask) (r Admission) {
	a.Ask(&r, now, c, &q, true)
	return r
}

// Ask is Check, or Hold if hold is set, and fills in r, which is zero. The Ask is used up.
func (a *Account) Ask(r *Admission, now time.Time, c Cycle, q *Ask, hold bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roll(now, c)
	a.state(&r.Statement)
	r.Answer = q.answer(&r.Balance)
	if r.Refuses() && q.Least > 0 {
		r.Answer = q.reduce(&r.Balance)
	}
	if r.Refuses() {
		a.reconsider(r, q, now)
		return
	}
	if hold && a.isShared(q) {
		if a.take(r, q, now); r.Refuses() {
			return
		}
	} else if hold {
		a.current.hold(q.Amount)
	}
	if r.Amount = q.Amount; hold {
		r.held = held{a.current, q.Amount}
	}
}

// held is an amount held in a period of an account; without a period, nothing is.
type held struct {
	period *period
	amount float64
}

// shrink gives back what is beyond an amount.
func (h *held) shrink(a *Account, amount float64) {
	if h.period == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	h.period.held -= h.amount - amount
	h.period.tell(h.amount - amount)
	h.amount = amount
}

// join makes one of two, of the same period.
func (h *held) join(a *Account, o held) {
	if o.period == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	h.period.holds--
	h.amount += o.amount
}

// settle ends a hold: what was held becomes used usage that waits for its
// acknowledgement. A negative use counts once it is acknowledged; a use of 0 only
// ends the hold.
func (h held) settle(a *Account, used float64, now time.Time) {
	if h.period == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	h.period.settle(h.amount, used)
	switch {
	case used > 0:
		a.countAfterTotals(h.period, used)
	case used < 0:
		h.period.free(-used, now)
	}
}
