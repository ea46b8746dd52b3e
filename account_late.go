package gate

import (
	"slices"
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
	// Of a total, which has no amount: once it is acknowledged, that much is used, and what
	// was reported after it. Nothing overtakes it.
	isTotal      bool
	total, later float64
}

func (w *lateUse) leave() *period {
	all, last := w.account.late, len(w.account.late)-1
	all[w.at] = all[last]
	all[w.at].at = w.at
	all[last] = nil
	if w.account.late = all[:last]; last == 0 {
		w.account.late = nil // let a long backlog's memory go
	}
	if w.isTotal {
		i := slices.Index(w.account.totals, w)
		w.account.totals = slices.Delete(w.account.totals, i, i+1)
	}
	return w.period
}

// enter begins a stay of late usage. Call it under the lock.
func (a *account) enter(amount float64, made time.Time) *lateUse {
	w := &lateUse{account: a, amount: amount, made: made, at: len(a.late)}
	w.period = a.of(made)
	w.period.wait(amount)
	if w.period == a.cur {
		a.follows(amount)
	}
	a.late = append(a.late, w)
	return w
}

// follows adds usage to the totals that it was reported after. Call it under the lock.
func (a *account) follows(amount float64) {
	for _, w := range a.totals {
		w.later += max(0, amount)
	}
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
	owed    float64   // what of it was not priced
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
	w := a.enter(0, createdAt)
	w.isTotal, w.total = true, total
	a.totals = append(a.totals, w)
	return w, max(0, total-(s.used+s.unacked))
}

// acknowledgeTotal ends the wait of a total. Stigg's own count, if it came along, becomes
// used; without it the total does. As in acknowledge, what is not the newest only raises.
func (a *account) acknowledgeTotal(where place, total float64, ack *reading, at, now time.Time, sent uint64, c cycle) {
	if ack != nil {
		a.acknowledge(where, 0, ack, at, now, sent, c)
		return
	}
	tick := a.book.tick()
	a.mu.Lock()
	defer a.mu.Unlock()
	p := where.leave()
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
func (a *account) linger(where place, amount, owed float64, now time.Time) *lingering {
	a.mu.Lock()
	defer a.mu.Unlock()
	if amount <= 0 {
		where.leave()
		if owed > 0 {
			a.owesOn(owed)
		}
		return nil
	}
	if a.readAt == 0 && len(a.lingers) >= mostLingers {
		a.forgo(now)
	}
	w := &lingering{account: a, place: where, amount: amount, owed: owed, since: now}
	a.lingers = append(a.lingers, w)
	a.flight.lands(amount)
	return w
}

// mostLingers is how many usages linger of a customer whom nobody asks about, before those
// are forgotten that whatever read comes first must have.
const mostLingers = 1000

// forgo forgets them. Call it under the lock.
func (a *account) forgo(now time.Time) {
	a.reapIf(func(w *lingering) bool { return w.ripe != 0 && now.Sub(w.since) > eventDelay+loadTimeout })
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
	if a.owes > 0 && begun > a.owedAt {
		a.unpriced -= a.owed
		a.book.unpriced.Add(-a.owes)
		a.owed, a.owes = 0, 0
	}
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
			if w.owed > 0 {
				a.unpriced -= w.owed
				a.book.unpriced.Add(-1)
			}
		} else {
			rest = append(rest, w)
		}
	}
	clear(a.lingers[len(rest):])
	a.lingers = rest
}

// owe adds late usage whose price is not known.
func (a *account) owe(amount float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unpriced += amount
	a.book.unpriced.Add(1)
}

// priced takes it off, since the wallet has it or it was refused.
func (a *account) priced(amount float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unpriced -= amount
	a.book.unpriced.Add(-1)
}

// owesOn leaves it to the first read that begins from now on.
// Call it under the lock.
func (a *account) owesOn(amount float64) {
	a.owed += amount
	a.owes++
	a.owedAt = a.book.tick()
}

// unpricedUnits is the late usage that no wallet's count has.
func (a *account) unpricedUnits() float64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return max(0, a.unpriced)
}
