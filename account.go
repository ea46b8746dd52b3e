package gate

import (
	"sync"
	"time"
)

// account is one customer's usage of one metered feature, or of one wallet.
type account struct {
	book *book
	bare *right // under the book's lock

	mu  sync.Mutex
	cur *period
	// before is the period that our own clock ended, in case Stigg says that it goes on;
	// goesOn says that Stigg did: what it holds still counts.
	before *period
	goesOn bool
	// lastRead and lastAck are the book's clock at the start of the newest read
	// applied and at the newest acknowledgement; readAt and addedAt when a read was last
	// applied and when usage was last added without a count of Stigg's.
	lastRead, lastAck, readAt, addedAt uint64
	// ackedAt is Stigg's time of the newest acknowledgement. Of our clock, acked is when
	// the last acknowledgement was applied, and heard when the last read was, or an
	// acknowledgement without a count.
	ackedAt, acked, heard time.Time
	// unpriced is the late usage whose price was not known and that no wallet's count has.
	// Of it, owed is acknowledged: the first read after owedAt has it, of as many usages as
	// owes says.
	unpriced, owed float64
	owes           int64
	owedAt         uint64
	// late is the usage that waits and that no admission here made room for; past is the
	// period of what of it counts nowhere.
	late []*lateUse
	past *period
	// totals are the totals among them.
	totals []*lateUse
	// flight is what of unacked is on its way.
	flight flight
	// lingers is what Stigg has acknowledged and will count later.
	lingers []*lingering
}

// period is one usage period of an account; one that never ends has a zero end. A
// ticket keeps the period it was admitted in.
type period struct {
	start, end time.Time
	// provisional is true for a period that our own clock opened: Stigg's word
	// corrects it in place.
	provisional bool

	standing
	// holds and waits count the amounts in held and unacked: with none left the sum
	// is exactly 0, since floats drift.
	holds, waits int
}

// cycle is how an account's periods follow each other.
type cycle struct {
	reset  ResetPeriod
	anchor time.Time
}

// reading is Stigg's count of one account at one time.
type reading struct {
	usage      float64
	start, end time.Time
}

// roll opens the period that now falls in once the current one is over. Call it
// under the lock.
func (a *account) roll(now time.Time, c cycle) {
	p := a.cur
	if p == nil {
		a.cur = &period{}
		return
	}
	if p.end.IsZero() || now.Before(p.end) {
		return
	}
	if start, end, ok := c.after(p.end, now); ok {
		a.cur = &period{start: start, end: end, provisional: true}
		a.before, a.goesOn = p, false
		a.flight.doubt, a.flight.back = 0, 0
		a.move()
	}
}

// standing is the present period's, with what Stigg says still belongs to it. Call it
// under the lock.
func (a *account) standing() standing {
	s := a.cur.standing
	if a.goesOn {
		s.held += a.before.held
		s.unacked += a.before.unacked
	}
	for _, w := range a.totals {
		if w.period == a.cur {
			s.unacked = max(s.unacked, w.total+w.later-s.used)
		}
	}
	return s
}

// after returns the period that now falls in, given that one ended at end.
func (c cycle) after(end, now time.Time) (time.Time, time.Time, bool) {
	anchor := c.anchor
	if anchor.IsZero() {
		anchor = end
	}
	return c.reset.next(anchor, now)
}

// taking is what take found, all of one moment.
type taking struct {
	verdict
	standing           // before the amount
	period   *period   // where it is held
	start    time.Time // the period's
	end      time.Time
	ripe     bool            // unacked has what Stigg must have counted by now
	wait     <-chan struct{} // of a refusal in doubt: closed when there is more to know
}

// take judges an amount against the account and, if the verdict grants it and hold
// is set, holds it, all in one step.
func (a *account) take(now time.Time, c cycle, amount float64, hold bool, judge func(standing) verdict) taking {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roll(now, c)
	p, s := a.cur, a.standing()
	v, wait := a.doubted(judge(s), s, now, judge)
	t := taking{v, s, p, p.start, p.end, a.ripe(), wait}
	if t.reason == "" && hold {
		p.held += amount
		p.holds++
	}
	return t
}

// settle ends a hold: what was held becomes used usage that waits for its
// acknowledgement. A negative use counts once it is acknowledged; a use of 0 only
// ends the hold.
func (a *account) settle(p *period, held, used float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p.release(held)
	if used > 0 {
		p.unacked += used
		p.waits++
		a.follows(used)
	}
}

func (p *period) release(held float64) {
	p.held -= held
	if p.holds--; p.holds == 0 {
		p.held = 0
	}
}

// arrive takes settled usage out of unacked. Call it under the lock.
func (p *period) arrive(used float64) {
	if used <= 0 {
		return
	}
	p.unacked -= used
	if p.waits--; p.waits == 0 {
		p.unacked = 0
	}
}

// drop takes back settled usage that Stigg refused for good and did not count.
func (a *account) drop(where place, used float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	where.leave().arrive(used)
	a.flight.lands(used)
}

// acknowledge ends the wait of usage that Stigg has counted. Stigg's own count, if
// it came along, becomes used; without it the usage itself is added. An answer that is
// not the newest only raises: one whose time is not after that of the newest (answers
// of one batch may share it), and one whose report first left, at tick sent, before
// something else was learned.
func (a *account) acknowledge(where place, used float64, ack *reading, at, now time.Time, sent uint64, c cycle) {
	tick := a.book.tick()
	a.mu.Lock()
	defer a.mu.Unlock()
	p := where.leave()
	p.arrive(used)
	a.lastAck = max(a.lastAck, tick)
	defer a.flight.lands(used)
	a.acked = now
	if ack == nil {
		a.heard = now
		a.add(p, used, sent)
		return
	}
	if a.cur != nil {
		a.roll(now, c)
	}
	r := *ack
	if r.end.IsZero() && !p.end.IsZero() {
		r.start, r.end = p.start, p.end
	}
	newest := (at.IsZero() || at.After(a.ackedAt)) && a.readAt < sent && a.addedAt < sent
	added := a.addedAt > sent && used > 0
	if added { // to what was added without a count, which this count need not have
		a.add(p, used, sent)
	}
	if !a.apply(r, newest, max(0, used), now, c) {
		if !added {
			a.add(p, used, sent)
		}
		return
	}
	if at.After(a.ackedAt) {
		a.ackedAt = at
	}
}

// add counts usage that Stigg acknowledged without saying how much is used now. A
// read applied since it was sent may have it already: then it only raises. Call it
// under the lock.
func (a *account) add(p *period, used float64, sent uint64) {
	if used < 0 && a.readAt > sent {
		return
	}
	if a.goesOn && p == a.before {
		p = a.cur
	}
	p.used = max(0, p.used+used)
	a.addedAt = a.book.tick()
}

// read applies a read of Stigg that began at tick begun.
func (a *account) read(begun uint64, r reading, now time.Time, c cycle) {
	a.mu.Lock()
	defer a.mu.Unlock()
	newest := begun > a.lastRead && begun > a.lastAck
	a.lastRead = max(a.lastRead, begun)
	a.readAt, a.heard = a.book.tick(), now
	a.apply(r, newest, 0, now, c)
	a.reap(begun)
}

// apply merges Stigg's count into the current period and reports whether the count
// spoke of it. A count that is not the newest may raise used, never lower it. own is what
// it acknowledges itself. Call it under the lock.
func (a *account) apply(r reading, newest bool, own float64, now time.Time, c cycle) bool {
	over := false
	if !r.end.IsZero() && !now.Before(r.end) {
		if start, end, ok := c.after(r.end, now); ok {
			r, over = reading{start: start, end: end}, true
		}
	}
	p := a.cur
	switch {
	case p == nil, !p.end.IsZero() && !r.start.Before(p.end):
		a.cur = &period{start: r.start, end: r.end, provisional: over, standing: standing{used: r.usage}}
		a.flight.counted(0, r.usage, own, true)
		a.before, a.goesOn = nil, false
		a.move()
		return !over
	case over, !r.end.IsZero() && !r.end.After(p.start):
		return false // a period before this one
	case !newest:
		a.flight.counted(p.used, r.usage, own, false)
		p.used = max(p.used, r.usage)
	default:
		a.flight.counted(p.used, r.usage, own, true)
		a.goesOn = a.goesOn || a.before != nil && r.start.Before(a.before.end)
		begins := !p.start.Equal(r.start)
		p.start, p.end, p.provisional, p.used = r.start, r.end, false, r.usage
		if begins {
			a.move()
		}
	}
	return true
}

// present is the account's present period.
func (a *account) present(now time.Time, c cycle) period {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roll(now, c)
	p := *a.cur
	p.standing = a.standing()
	return p
}
