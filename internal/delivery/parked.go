package delivery

import (
	"slices"
	"time"
)

// parkedPause is the time between two tries of one that is parked.
const parkedPause = 10 * time.Second

// parked is what Stigg answers with what nobody understands, and what must not overtake it.
// They are tried again one at a time. All of it is under the queue's lock.
type parked[U any] struct {
	items []Item[U]
	count map[Series]counts
	due   time.Time // when to try the next one
}

type counts struct{ all, totals int }

// before reports whether i has to wait for one of the parked.
func (p *parked[U]) before(i *Item[U]) bool {
	c := p.count[i.Series]
	return c.totals > 0 || i.Total && c.all > 0
}

// add counts i, or with -1 takes it off.
func (p *parked[U]) add(i *Item[U], n int) {
	if p.count == nil {
		p.count = make(map[Series]counts)
	}
	c := p.count[i.Series]
	c.all += n
	if i.Total {
		c.totals += n
	}
	if p.count[i.Series] = c; c.all == 0 {
		delete(p.count, i.Series)
	}
}

// take takes one out: of those that wait for no other the one that was tried least.
func (p *parked[U]) take() []Item[U] {
	best, seen := -1, make(map[Series]bool)
	for i := range p.items {
		s := p.items[i].Series
		if p.count[s].totals > 0 && seen[s] {
			continue
		}
		seen[s] = true
		if best < 0 || p.items[i].turns < p.items[best].turns {
			best = i
		}
	}
	batch := cut(&p.items, best, 1)
	p.add(&batch[0], -1)
	return batch
}

// insert puts one in, in the order of settlement with those of its series: some of what came
// later may be here already.
func (p *parked[U]) insert(i Item[U]) {
	at := len(p.items)
	for j := at - 1; j >= 0 && p.count[i.Series].all > 0; j-- {
		if o := &p.items[j]; o.Series != i.Series {
			continue
		} else if o.number < i.number {
			break
		}
		at = j
	}
	p.add(&i, 1)
	p.items = slices.Insert(p.items, at, i)
}

// empty takes all out.
func (p *parked[U]) empty() []Item[U] {
	all := p.items
	p.items, p.count = nil, nil
	return all
}

// park parks one that is on its way. Call it under the lock.
func (l *lane[U]) park(i Item[U]) {
	l.flying--
	i.Entry.Returns()
	l.parked.insert(i)
}

// parkFailed parks one that Stigg answers with what nobody understands.
func (l *lane[U]) parkFailed(i Item[U]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.parked.items) == 0 {
		l.restParked()
	}
	i.turns++
	l.park(i)
}

// restParked lets the parked rest. Call it under the lock.
func (l *lane[U]) restParked() {
	pause := parkedPause
	if l.closed {
		pause = closingPause
	}
	l.parked.due = l.clock().Add(pause)
}

// turned ends the turn of one that was parked. If it was delivered, it was Stigg's trouble
// and not the usage's: all of them go back into the queue, before it and what is in
// quarantines, since what waits there came later.
func (l *lane[U]) turned(delivered bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.restParked() // from now on, however long the turn took
	if delivered {
		l.rejoin(append(l.parked.empty(), l.quarantines.empty()...))
	}
}

// nextParked is when one of the parked is due; zero without any.
func (l *lane[U]) nextParked() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.parked.items) == 0 {
		return time.Time{}
	}
	return l.parked.due
}
