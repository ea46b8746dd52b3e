package delivery

import (
	"slices"
	"time"
)

// parkedPause is the time between two tries of one that is parked.
const parkedPause = 10 * time.Second

// parked is what Stigg answers with what nobody understands, and what must not overtake it.
// They are tried again one at a time.
type parked[U any] struct {
	items []Item[U]
	count map[Series]counts
	due   time.Time // when to try the next one
}

type counts struct{ all, totals int }

// add counts one more of a series, or with -1 one less.
func (p *parked[U]) add(s Series, total bool, n int) {
	if p.count == nil {
		p.count = make(map[Series]counts)
	}
	c := p.count[s]
	c.all += n
	if total {
		c.totals += n
	}
	if p.count[s] = c; c.all == 0 {
		delete(p.count, s)
	}
}

// waitsForParked reports whether i has to wait for one of the parked.
func (l *queue[U]) waitsForParked(i *Item[U]) bool {
	if len(l.parked.count) == 0 {
		return false
	}
	c := l.parked.count[l.series(i)]
	return c.totals > 0 || c.all > 0 && l.total(i)
}

// takeOneParked takes one out: of those that wait for no other the one that was tried least.
func (l *queue[U]) takeOneParked() []Item[U] {
	p := &l.parked
	best, seen := -1, make(map[Series]bool)
	for i := range p.items {
		s := l.series(&p.items[i])
		if p.count[s].totals > 0 && seen[s] {
			continue
		}
		seen[s] = true
		if best < 0 || p.items[i].turns < p.items[best].turns {
			best = i
		}
	}
	one := p.items[best]
	if p.items = slices.Delete(p.items, best, best+1); len(p.items) == 0 {
		p.items = nil
	}
	p.add(l.series(&one), l.total(&one), -1)
	return []Item[U]{one}
}

// insertParked puts one in, in the order of settlement with those of its series: some of what
// came later may be here already.
func (l *queue[U]) insertParked(i Item[U]) {
	p, s := &l.parked, l.series(&i)
	at := len(p.items)
	for j := at - 1; j >= 0 && p.count[s].all > 0; j-- {
		if o := &p.items[j]; l.series(o) != s {
			continue
		} else if o.number < i.number {
			break
		}
		at = j
	}
	p.add(s, l.total(&i), 1)
	p.items = slices.Insert(p.items, at, i)
}

// park parks one that is on its way.
func (l *queue[U]) park(i Item[U]) {
	l.flying--
	l.entry(&i).Returns()
	l.insertParked(i)
}

// emptyParked takes all out.
func (l *queue[U]) emptyParked() []Item[U] {
	all := l.parked.items
	l.parked.items, l.parked.count = nil, nil
	return all
}

// parkFailed parks one that Stigg answers with what nobody understands.
func (s *sender[U]) parkFailed(i Item[U]) {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	if len(s.queue.parked.items) == 0 {
		s.restParked()
	}
	i.turns++
	s.queue.park(i)
}

// restParked lets the parked rest. Call it under the lock.
func (s *sender[U]) restParked() {
	pause := parkedPause
	if s.all.closed.Load() {
		pause = closingPause
	}
	s.queue.parked.due = s.all.clock().Add(pause)
}

// turned ends the turn of one that was parked. If it was delivered, it was Stigg's trouble
// and not the usage's: all of them go back into the queue, before it and what is in
// quarantines, since what waits there came later.
func (s *sender[U]) turned(delivered bool) {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	s.restParked() // from now on, however long the turn took
	if delivered {
		s.queue.rejoin(append(s.queue.emptyParked(), s.queue.quarantines.empty()...))
	}
}

// nextParked is when one of the parked is due; zero without any.
func (s *sender[U]) nextParked() time.Time {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	if len(s.queue.parked.items) == 0 {
		return time.Time{}
	}
	return s.queue.parked.due
}
