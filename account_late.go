package gate

import (
	"time"
)

// Usage that no admission of this process made room for: reported by Gate.Report or
// found in the outbox; totals; and what Stigg counts later than it acknowledges.

// lingering is usage that Stigg has acknowledged and not yet counted.
type lingering struct {
	account *account
	period  *period
	amount  float64
	since   time.Time // our time of the acknowledgement
	ripe    uint64    // the book's clock when Stigg must have counted it; 0: not yet
}

// wait adds usage that is settled already to unacked, and returns the period it was
// added to: the present one, or one of its own if it was made before that.
func (a *account) wait(amount float64, createdAt, now time.Time, c cycle) *period {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roll(now, c)
	p := a.cur
	if createdAt.Before(p.start) {
		p = &period{end: p.start}
	}
	p.wait(amount)
	return p
}

func (p *period) wait(amount float64) {
	if amount > 0 {
		p.unacked += amount
		p.waits++
	}
}

// waitTotal adds to unacked what a new total is above what is known, and returns it
// with its period. Less counts once Stigg has acknowledged it.
func (a *account) waitTotal(total float64, createdAt, now time.Time, c cycle) (*period, float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roll(now, c)
	p := a.cur
	if createdAt.Before(p.start) {
		return &period{end: p.start}, 0
	}
	s := a.standing()
	more := max(0, total-(s.used+s.unacked))
	p.wait(more)
	return p, more
}

// rehome takes usage out of the present period if that turned out to have begun later
// than the usage was made.
func (a *account) rehome(p *period, amount float64, createdAt time.Time) *period {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p != a.cur || !createdAt.Before(p.start) {
		return p
	}
	p.arrive(amount)
	own := &period{end: p.start}
	own.wait(amount)
	return own
}

// acknowledgeTotal ends the wait of a total. Stigg's own count, if it came along, becomes
// used; without it the total does. As in acknowledge, what is not the newest only raises.
func (a *account) acknowledgeTotal(p *period, waited, total float64, ack *reading, at, now time.Time, sent uint64, c cycle) {
	if ack != nil {
		a.acknowledge(p, waited, ack, at, now, sent, c)
		return
	}
	tick := a.book.tick()
	a.mu.Lock()
	defer a.mu.Unlock()
	p.arrive(waited)
	a.lastAck = max(a.lastAck, tick)
	a.acked, a.heard = now, now
	if a.goesOn && p == a.before {
		p = a.cur
	}
	switch {
	case p != a.cur:
	case a.readAt < sent && a.addedAt < sent:
		p.used = total
	default:
		p.used = max(p.used, total)
	}
	a.addedAt = a.book.tick()
}

// linger leaves usage in unacked until a read that began after it is ripe.
func (a *account) linger(p *period, amount float64, now time.Time) *lingering {
	if amount <= 0 {
		return nil
	}
	w := &lingering{account: a, period: p, amount: amount, since: now}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lingers = append(a.lingers, w)
	return w
}

// ripen says that Stigg has counted it by now: a read that begins later has it.
func (w *lingering) ripen(tick uint64) {
	if w == nil {
		return
	}
	w.account.mu.Lock()
	defer w.account.mu.Unlock()
	w.ripe = tick
}

// ripe reports whether unacked has what Stigg must have counted by now. Call it under
// the lock.
func (a *account) ripe() bool {
	return len(a.lingers) > 0 && a.lingers[0].ripe != 0
}

// reap takes out of unacked what a read that began at tick begun has. Call it under the
// lock, in the same step as the read.
func (a *account) reap(begun uint64) {
	a.reapIf(func(w *lingering) bool { return w.ripe != 0 && w.ripe < begun })
}

func (a *account) reapIf(has func(*lingering) bool) {
	if len(a.lingers) == 0 {
		return
	}
	rest := a.lingers[:0]
	for _, w := range a.lingers {
		if has(w) {
			w.period.arrive(w.amount)
		} else {
			rest = append(rest, w)
		}
	}
	clear(a.lingers[len(rest):])
	a.lingers = rest
}

// owe adds late usage whose price is not known, or with a negative amount takes it off.
func (a *account) owe(amount float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unpriced += amount
}

// unpricedUnits is the late usage that waits and whose price was not known.
func (a *account) unpricedUnits() float64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return max(0, a.unpriced)
}
