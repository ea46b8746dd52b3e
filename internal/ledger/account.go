package ledger

import (
	"fmt"
	"sync"
	"time"
)

// Account is one customer's usage of one metered feature, or of one wallet.
type Account struct {
	book  *Book
	meter Meter // of which nothing but the account is known

	mu      sync.Mutex
	current *period
	// previous is the period that our own clock ended, in case Stigg says that it goes
	// on; reopened says that Stigg did: what it holds still counts.
	previous *period
	reopened bool
	learned  learned
	// recorded is the usage that waits and that no admission here made room for; totals
	// are the totals among it, and past the period of what of it counts nowhere.
	recorded []*recorded
	totals   []*recorded
	past     *period
	// delayed is what Stigg has acknowledged and will count later.
	delayed  []*delayed
	inFlight inFlight
	unpriced unpriced
}

// learned is when the account learned what. Ticks are the book's; times are of our clock,
// but for stiggAck.
type learned struct {
	readBegan Tick // the start of the newest read applied
	read      Tick // when a read was last applied
	ack       Tick // the newest acknowledgement
	added     Tick // when usage was last added without a count of Stigg's

	stiggAck time.Time // Stigg's time of the newest acknowledgement
	ackAt    time.Time // when the last acknowledgement was applied
	countAt  time.Time // when the last read was, or an acknowledgement without a count
}

// Meter returns the account alone as a Meter, for usage of which no more is known.
func (a *Account) Meter() *Meter { return &a.meter }

// Statement is an account's present period.
type Statement struct {
	Balance
	Start, End time.Time // zero without one
}

// Present is the account's present period.
func (a *Account) Present(now time.Time, c Cycle) Statement {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roll(now, c)
	return Statement{a.balance(), a.current.start, a.current.end}
}

// balance is the present period's, with what Stigg says still belongs to it. Call it
// under the lock.
func (a *Account) balance() Balance {
	b := a.current.Balance
	if a.reopened {
		b.Held += a.previous.Held
		b.Unacked += a.previous.Unacked
	}
	for _, r := range a.totals {
		if r.period == a.current {
			b.Unacked = max(b.Unacked, r.total+r.after-b.Used)
		}
	}
	return b
}

// Waiting is how many usages wait that no admission made room for, or that Stigg counts
// later.
func (a *Account) Waiting() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.recorded) + len(a.delayed)
}

func (a *Account) audit() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.current == nil {
		return ""
	}
	b, n := a.balance(), len(a.recorded)+len(a.totals)+len(a.delayed)
	if b.Held == 0 && b.Unacked == 0 && n == 0 && a.inFlight.count == 0 && a.inFlight.amount == 0 {
		return ""
	}
	return fmt.Sprintf("%+v, %d entries, %d in flight", b, n, a.inFlight.count)
}

// Admission is the answer to an Ask, all of one moment.
type Admission struct {
	Answer
	Statement // before the amount
	// Outdated says of a refusal that Unacked has what Stigg must have counted by now:
	// a read would tell.
	Outdated bool
	// Wait is of a refusal in doubt: closed when there is more to know. Nil of others.
	Wait <-chan struct{}

	held held
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
	p, b := a.current, a.balance()
	answer, wait := a.reconsider(q.answer(b), b, now, q)
	r := Admission{Answer: answer, Statement: Statement{b, p.start, p.end}, Outdated: a.outdated(), Wait: wait}
	if !r.Refuses() && hold {
		p.hold(q.Amount)
		r.held = held{p, q.Amount}
	}
	return r
}

// held is an amount held in a period of an account; without a period, nothing is.
type held struct {
	period *period
	amount float64
}

// settle ends a hold: what was held becomes used usage that waits for its
// acknowledgement. A negative use counts once it is acknowledged; a use of 0 only
// ends the hold.
func (h held) settle(a *Account, used float64) {
	if h.period == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	h.period.release(h.amount)
	h.period.wait(used)
	if used > 0 {
		a.countAfterTotals(used)
	}
}
