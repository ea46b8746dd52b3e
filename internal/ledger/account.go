package ledger

import (
	"fmt"
	"sync"
	"time"
)

// Account is one customer's usage of one metered feature, or of one wallet. Each of its
// methods is one critical section.
type Account struct {
	book *Book
	key  key

	mu      sync.Mutex
	current *period
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
	// departure is when a usage last left for the first time.
	departure Tick
	// onWay is how many usages are on their way; changed is closed when some of them have
	// arrived, and is nil while nobody waits.
	onWay    int
	changed  chan struct{}
	unpriced unpriced
	share    Share  // nil until it is asked for
	alone    *Meter // nil until it is asked for
}

// Meter returns the account alone as a Meter, for usage of which no more is known.
func (a *Account) Meter() *Meter {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.alone == nil {
		a.alone = &Meter{Account: a, Unpriced: !a.key.wallet}
	}
	return a.alone
}

// Statement is an account's present period.
type Statement struct {
	Balance
	// Shown is what to tell people is used. Known is never too low, so usage that is perhaps
	// in a count is added to it; Shown is what the counts agree on.
	Shown      float64
	Start, End time.Time // zero without one
}

// Present is the account's present period.
func (a *Account) Present(now time.Time, c Cycle) Statement {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roll(now, c)
	return a.statement(a.balance())
}

// statement is the present period's, given its balance. Call it under the lock.
func (a *Account) statement(b Balance) Statement {
	p := a.current
	return Statement{Balance: b, Shown: b.Known() - b.Used + p.frontier.agreed(), Start: p.start, End: p.end}
}

// balance is the present period's. Call it under the lock.
func (a *Account) balance() Balance {
	p := a.current
	b := Balance{p.frontier.used(), p.held, p.unacked}
	for _, q := range a.opened {
		if a.isAhead(q) {
			b.Held += q.held
			b.Unacked += q.unacked
		}
	}
	for _, r := range a.totals {
		if r.period == p || a.isAhead(r.period) {
			b.Unacked = max(b.Unacked, r.total+r.after-b.Used)
		}
	}
	return b
}

// Waiting is how many usages wait that no admission made room for.
func (a *Account) Waiting() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.recorded)
}

func (a *Account) audit() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.current == nil {
		return ""
	}
	b, n := a.balance(), len(a.recorded)+len(a.totals)+len(a.current.departed)
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
func (a *Account) Check(now time.Time, c Cycle, q Ask) Admission { return a.ask(now, c, q, false) }

// Hold is Check, and holds the amount if it is granted, in one step. The Admission must
// become a Hold (Meter.Hold).
func (a *Account) Hold(now time.Time, c Cycle, q Ask) Admission { return a.ask(now, c, q, true) }

func (a *Account) ask(now time.Time, c Cycle, q Ask, hold bool) Admission {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roll(now, c)
	b := a.balance()
	r := Admission{Answer: q.answer(b), Statement: a.statement(b)}
	if r.Refuses() && q.Least > 0 {
		r.Answer = q.reduce(b)
	}
	if r.Refuses() {
		a.reconsider(&r, q, now)
		return r
	}
	if hold && a.isShared(&q) {
		if a.take(&r, &q, now); r.Refuses() {
			return r
		}
	} else if hold {
		a.current.hold(q.Amount)
	}
	if r.Amount = q.Amount; hold {
		r.held = held{a.current, q.Amount}
	}
	return r
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
		a.countAfterTotals(used)
	case used < 0:
		h.period.free(-used, now)
	}
}
