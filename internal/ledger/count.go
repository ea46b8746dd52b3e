package ledger

import "time"

// Count is Stigg's count of one account at one time. The period is zero where Stigg left
// it out.
type Count struct {
	Used       float64
	Start, End time.Time
}

// Read applies a read of Stigg that began at a tick.
func (a *Account) Read(began Tick, r Count, now time.Time, c Cycle) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.read(began, r, now, c)
}

func (a *Account) read(began Tick, r Count, now time.Time, c Cycle) {
	l := &a.learned
	newest := began > l.readBegan && began > l.ack
	l.readBegan = max(l.readBegan, began)
	l.read, l.countAt = a.book.Tick(), now
	a.apply(r, newest, 0, now, c)
	a.dropDelayedBefore(began)
}

// Push applies a count that nobody asked for, made by Stigg at a time; a zero time is as
// new as its arrival. It is false if the count may be newer than what is known, but not
// surely.
func (a *Account) Push(r Count, at, now time.Time, c Cycle) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := &a.learned
	a.roll(now, c)
	if !at.IsZero() && !at.After(l.stiggAck) {
		return true // older than an acknowledgement
	}
	if r.End.IsZero() {
		r.Start, r.End = a.current.start, a.current.end
	}
	newest := !at.IsZero() && at.After(l.countAt.Add(PushMargin))
	before := a.current.Used
	applied := a.apply(r, newest, 0, now, c)
	if applied {
		l.ack = max(l.ack, a.book.Tick()) // a read that began before does not lower it
	}
	if newest && applied {
		l.stiggAck, l.read = at, a.book.Tick()
		a.dropDelayed(func(d *delayed) bool {
			return d.unpriced == 0 && at.After(d.since.Add(CountDelay+PushMargin))
		})
	}
	same := a.current.end.Equal(r.End)
	return applied && (newest || same && a.current.Used == r.Used) || same && before == r.Used
}

// Replace applies the count of a whole set that nobody asked for. It is false if the count
// may be older than what is known: then it only raises.
func (a *Account) Replace(r Count, now time.Time, c Cycle) bool {
	settled := now.Add(-PushMargin)
	a.mu.Lock()
	defer a.mu.Unlock()
	surely := a.learned.countAt.Before(settled) && a.learned.ackAt.Before(settled)
	a.learned.ack = max(a.learned.ack, a.book.Tick()) // a read that began before does not lower it
	began := Tick(0)
	if surely {
		began = a.book.Tick()
	}
	a.read(began, r, now, c)
	a.roll(now, c)
	return surely || a.balance().Used == r.Used && (r.End.IsZero() || a.current.end.Equal(r.End))
}

// acknowledge ends the wait of usage that Stigg has counted. Stigg's own count, if
// it came along, becomes used; without it the usage itself is added. An answer that is
// not the newest only raises: one whose time is not after that of the newest (answers
// of one batch may share it), and one whose report first left, at tick sent, before
// something else was learned.
func (a *Account) acknowledge(where slot, used float64, ack *Count, at, now time.Time, sent Tick, c Cycle) {
	tick := a.book.Tick()
	a.mu.Lock()
	defer a.mu.Unlock()
	l := &a.learned
	p := where.leave()
	p.answered(used)
	l.ack = max(l.ack, tick)
	defer a.inFlight.arrives(used)
	l.ackAt = now
	if ack == nil {
		l.countAt = now
		a.add(p, used, sent)
		return
	}
	if a.current != nil {
		a.roll(now, c)
	}
	r := *ack
	if r.End.IsZero() && !p.end.IsZero() {
		r.Start, r.End = p.start, p.end
	}
	newest := (at.IsZero() || at.After(l.stiggAck)) && l.read < sent && l.added < sent
	added := l.added > sent && used > 0
	if added { // to what was added without a count, which this count need not have
		a.add(p, used, sent)
	}
	if !a.apply(r, newest, max(0, used), now, c) {
		if !added {
			a.add(p, used, sent)
		}
		return
	}
	if at.After(l.stiggAck) {
		l.stiggAck = at
	}
}

// acknowledgeTotal ends the wait of a total. Stigg's own count, if it came along, becomes
// used; without it the total does. As in acknowledge, what is not the newest only raises.
func (a *Account) acknowledgeTotal(where slot, total float64, ack *Count, at, now time.Time, sent Tick, c Cycle) {
	if ack != nil {
		a.acknowledge(where, 0, ack, at, now, sent, c)
		return
	}
	tick := a.book.Tick()
	a.mu.Lock()
	defer a.mu.Unlock()
	l := &a.learned
	p := where.leave()
	l.ack = max(l.ack, tick)
	l.ackAt, l.countAt = now, now
	if a.reopened && p == a.previous {
		p = a.current
	}
	switch {
	case p != a.current:
	case l.read < sent && l.added < sent:
		p.Used = total
	default:
		p.Used = max(p.Used, total)
	}
	l.added = a.book.Tick()
}

// drop takes back settled usage that Stigg refused for good and did not count.
func (a *Account) drop(where slot, used float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	where.leave().answered(used)
	a.inFlight.arrives(used)
}

// add counts usage that Stigg acknowledged without saying how much is used now. A
// read applied since it was sent may have it already: then it only raises. Call it
// under the lock.
func (a *Account) add(p *period, used float64, sent Tick) {
	if used < 0 && a.learned.read > sent {
		return
	}
	if a.reopened && p == a.previous {
		p = a.current
	}
	p.Used = max(0, p.Used+used)
	a.learned.added = a.book.Tick()
}

// apply merges Stigg's count into the current period and reports whether the count
// spoke of it. A count that is not the newest may raise used, never lower it. own is what
// it acknowledges itself. Call it under the lock.
func (a *Account) apply(r Count, newest bool, own float64, now time.Time, c Cycle) bool {
	over := false
	if !r.End.IsZero() && !now.Before(r.End) {
		if start, end, ok := c.after(r.End, now); ok {
			r, over = Count{Start: start, End: end}, true
		}
	}
	p := a.current
	switch {
	case p == nil, !p.end.IsZero() && !r.Start.Before(p.end):
		a.current = &period{start: r.Start, end: r.End, provisional: over, Balance: Balance{Used: r.Used}}
		a.inFlight.counted(0, r.Used, own, true)
		a.previous, a.reopened = nil, false
		a.reassign()
		return !over
	case over, !r.End.IsZero() && !r.End.After(p.start):
		return false // a period before this one
	case !newest:
		a.inFlight.counted(p.Used, r.Used, own, false)
		p.Used = max(p.Used, r.Used)
	default:
		a.inFlight.counted(p.Used, r.Used, own, true)
		a.reopened = a.reopened || a.previous != nil && r.Start.Before(a.previous.end)
		begins := !p.start.Equal(r.Start)
		p.start, p.end, p.provisional, p.Used = r.Start, r.End, false, r.Used
		if begins {
			a.reassign()
		}
	}
	return true
}
