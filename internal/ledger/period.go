package ledger

import "time"

// period is one usage period of an account; one that never ends has a zero end. A
// hold keeps the period it was taken in.
type period struct {
	start, end time.Time
	// provisional is true for a period that our own clock opened: Stigg's word
	// corrects it in place.
	provisional bool

	Balance
	// holds and waits count the amounts in Held and Unacked: with none left the sum
	// is exactly 0, since floats drift.
	holds, waits int
}

func (p *period) hold(amount float64) {
	p.Held += amount
	p.holds++
}

func (p *period) release(amount float64) {
	p.Held -= amount
	if p.holds--; p.holds == 0 {
		p.Held = 0
	}
}

// wait puts settled usage into Unacked.
func (p *period) wait(amount float64) {
	if amount > 0 {
		p.Unacked += amount
		p.waits++
	}
}

// answered takes it out again.
func (p *period) answered(amount float64) {
	if amount <= 0 {
		return
	}
	p.Unacked -= amount
	if p.waits--; p.waits == 0 {
		p.Unacked = 0
	}
}

// leave makes a period the slot of usage that was admitted in it.
func (p *period) leave() *period { return p }

// roll opens the period that now falls in once the current one is over. Call it
// under the lock.
func (a *Account) roll(now time.Time, c Cycle) {
	p := a.current
	if p == nil {
		a.current = &period{}
		return
	}
	if p.end.IsZero() || now.Before(p.end) {
		return
	}
	if start, end, ok := c.after(p.end, now); ok {
		a.current = &period{start: start, end: end, provisional: true}
		a.previous, a.reopened = p, false
		a.inFlight.overlap, a.inFlight.freed = 0, 0
		a.reassign()
	}
}

// of is the period of usage made at a time: the present one, or one that counts nowhere.
func (a *Account) of(made time.Time) *period {
	if !made.Before(a.current.start) {
		return a.current
	}
	if a.past == nil || !a.past.end.Equal(a.current.start) {
		a.past = &period{end: a.current.start}
	}
	return a.past
}

// reassign takes recorded usage to where it belongs now that the present period is
// another. Call it under the lock.
func (a *Account) reassign() {
	for _, r := range a.recorded {
		if p := a.of(r.made); p != r.period {
			r.period.answered(r.amount)
			r.period = p
			p.wait(r.amount)
		}
	}
}
