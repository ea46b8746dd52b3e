package gate

import (
	"time"
)

// Usage that no admission of this process made room for: reported by Gate.Report or
// found in the outbox; totals; and what Stigg counts later than it acknowledges.

// place is where settled usage waits for its acknowledgement.
type place interface {
	// leave ends the stay and returns the period it was in. Call it under the account's
	// lock.
	leave() *period
}

func (p *period) leave() *period { return p }

// lateUse is usage that waits in the period in which it was made, as far as is known. The
// account moves it when it learns more.
type lateUse struct {
	account *account
	period  *period
	amount  float64
	made    time.Time
	at      int // in the account's late
}

func (w *lateUse) leave() *period {
	all, last := w.account.late, len(w.account.late)-1
	all[w.at] = all[last]
	all[w.at].at = w.at
	all[last] = nil
	if w.account.late = all[:last]; last == 0 {
		w.account.late = nil // let a long backlog's memory go
	}
	return w.period
}

// enter begins a stay of late usage. Call it under the lock.
func (a *account) enter(amount float64, made time.Time) place {
	w := &lateUse{account: a, amount: amount, made: made, at: len(a.late)}
	w.period = a.of(made)
	w.period.wait(amount)
	a.late = append(a.late, w)
	return w
}

// of is the period of usage made at a time: the present one, or one that counts nowhere.
func (a *account) of(made time.Time) *period {
	if !made.Before(a.cur.start) {
		return a.cur
	}
	if a.past == nil || !a.past.end.Equal(a.cur.start) {
		a.past = &period{end: a.cur.start}
	}
	return a.past
}

// move takes late usage to where it belongs now that the present period is another. Call
// it under the lock.
func (a *account) move() {
	for _, w := range a.late {
		if p := a.of(w.made); p != w.period {
			w.period.arrive(w.amount)
			w.period = p
			p.wait(w.amount)
		}
	}
}

// lingering is usage that Stigg has acknowledged and not yet counted.
type lingering struct {
	account *account
	place   place
	amount  float64
	since   time.Time // our time of the acknowledgement
	ripe    uint64    // the book's clock when Stigg must have counted it; 0: not yet
}

// wait adds usage that is settled already to unacked of the period in which it was made.
func (a *account) wait(amount float64, createdAt, now time.Time, c cycle) place {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roll(now, c)
	return a.enter(amount, createdAt)
}

func (p *period) wait(amount float64) {
	if amount > 0 {
		p.unacked += amount
		p.waits++
	}
}

// waitTotal adds to unacked what a new total is above what is known, and returns it
// with its place. Less counts once Stigg has acknowledged it.
func (a *account) waitTotal(total float64, createdAt, now time.Time, c cycle) (place, float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roll(now, c)
	s := a.standing()
	more := max(0, total-(s.used+s.unacked))
	return a.enter(more, createdAt), more
}

// acknowledgeTotal ends the wait of a total. Stigg's own count, if it came along, becomes
// used; without it the total does. As in acknowledge, what is not the newest only raises.
func (a *account) acknowledgeTotal(where place, waited, total float64, ack *reading, at, now time.Time, sent uint64, c cycle) {
	if ack != nil {
		a.acknowledge(where, waited, ack, at, now, sent, c)
		return
	}
	tick := a.book.tick()
	a.mu.Lock()
	defer a.mu.Unlock()
	p := where.leave()
	p.arrive(waited)
	a.flight.lands(waited)
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
func (a *account) linger(where place, amount float64, now time.Time) *lingering {
	if amount <= 0 {
		return nil
	}
	w := &lingering{account: a, place: where, amount: amount, since: now}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lingers = append(a.lingers, w)
	a.flight.lands(amount)
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
			w.place.leave().arrive(w.amount)
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
