package gate

import (
	"slices"
	"sync/atomic"
	"time"
)

// lane is the queue of what may leave in one batch, and its sender.
//
// What holds beyond what holds for the delivery: nothing overtakes a total of the same
// customer and feature, and a total overtakes nothing of them. What is of a ward takes
// this way, and never another: the queue, the ward, those set apart.
type lane struct {
	*delivery // and its lock, for the fields up to flying

	kind   UsageKind // of what it takes; UsageChange also of totals
	size   int       // most in one batch
	queue  []parcel
	seen   int // at the queue's head: known to be of no ward
	wards  wards
	odd    []parcel           // set apart: Stigg answers them with what nobody understands
	apart  map[*account]apart // counts odd
	flying int                // taken, not yet acknowledged
	wake   chan struct{}      // holds one token when there is something to do

	since time.Time // CreatedAt of the first of those

	failing atomic.Bool // the last attempt failed
	// The sender's own:
	oddAfter   time.Time // when to try an odd one next
	hurried    bool      // the odd ones know of the Close
	last       time.Time // when the last batch was through
	lastCommon time.Time // the last that was no ward's
	lastWard   time.Time
}

// nudge wakes the sender.
func (l *lane) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *lane) hasOdd() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.odd) > 0
}

// take takes the next batch out: one of those set apart if it is due, or else what is
// queued or of a ward. Those set apart come first, since there may be no end to the rest.
func (l *lane) take() (batch []parcel, from *ward, apart bool) {
	asked := l.asked()
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock()
	if l.closed && !l.hurried {
		l.hurried, l.oddAfter = true, now
	}
	if len(l.odd) > 0 && !now.Before(l.oddAfter) {
		batch, apart = cut(&l.odd, l.next(), 1), true
		l.counted(&batch[0], -1)
	} else if l.route(); l.wardsTurn(now, asked) {
		from = l.wards.waiting[0]
		batch = l.wards.take(fitting(from.queue, from.size))
	} else {
		batch = cut(&l.queue, 0, fitting(l.queue, l.size))
		l.seen = len(l.queue)
	}
	if l.flying += len(batch); len(batch) > 0 {
		l.since = batch[0].CreatedAt
	}
	for i := range batch {
		if batch[i].sent == 0 {
			batch[i].sent = batch[i].book.tick()
		}
	}
	return batch, from, apart
}

// batchBytes is about the most that one batch takes on the wire, unless one usage alone
// takes more: a thousand events of 1 MB would never arrive within a timeout.
const batchBytes = 4 << 20

// fitting is how many of a queue go into one batch of at most size.
func fitting(queue []parcel, size int) (n int) {
	bytes := 0
	for n < min(size, len(queue)) {
		if bytes += queue[n].bytes(); n > 0 && bytes > batchBytes {
			break
		}
		n++
	}
	return n
}

// cut takes n parcels from index i on out of a queue.
func cut(queue *[]parcel, i, n int) []parcel {
	q := *queue
	batch := append(make([]parcel, 0, n), q[i:i+n]...)
	if i == 0 {
		clear(q[:n])
		q = q[n:]
	} else {
		q = append(q[:i], q[i+n:]...)
		clear(q[len(q) : len(q)+n])
	}
	if len(q) == 0 {
		q = nil // let a long queue's memory go
	}
	*queue = q
	return batch
}

// apart counts those set apart of one account.
type apart struct{ all, totals int }

// waits reports whether p has to wait for one of those set apart.
func (l *lane) waits(p *parcel) bool {
	c := l.apart[p.right.account]
	return c.totals > 0 || p.Kind == UsageTotal && c.all > 0
}

// counted adds p to those set apart, or with -1 takes it off.
func (l *lane) counted(p *parcel, n int) {
	if l.apart == nil {
		l.apart = make(map[*account]apart)
	}
	c := l.apart[p.right.account]
	c.all += n
	if p.Kind == UsageTotal {
		c.totals += n
	}
	if l.apart[p.right.account] = c; c.all == 0 {
		delete(l.apart, p.right.account)
	}
}

// next is which of those set apart to try: of those that wait for no other the one
// that was tried least.
func (l *lane) next() int {
	best, seen := -1, make(map[*account]bool)
	for i := range l.odd {
		a := l.odd[i].right.account
		if l.apart[a].totals > 0 && seen[a] {
			continue
		}
		seen[a] = true
		if best < 0 || l.odd[i].turns < l.odd[best].turns {
			best = i
		}
	}
	return best
}

// hold takes out of a batch what belongs into a ward, and what has to wait for one of
// those set apart, and puts it behind them.
func (l *lane) hold(batch []parcel) []parcel {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.odd) == 0 && len(l.wards.all) == 0 {
		return batch
	}
	free, now := batch[:0:0], l.clock()
	for _, p := range batch {
		w := l.wards.of(&p.Usage, now)
		if w == nil && !l.waits(&p) {
			free = append(free, p)
			continue
		}
		if w == nil {
			l.follow(p)
			continue
		}
		l.flying--
		p.returns()
		l.wards.add(w, p)
	}
	return free
}

// follow puts one among those set apart, in the order of settlement with those of its
// customer and feature: some of what came later may wait there already. Call it under the
// lock.
func (l *lane) follow(p parcel) {
	l.flying--
	p.returns()
	at := len(l.odd)
	for i := at - 1; i >= 0 && l.apart[p.right.account].all > 0; i-- {
		if o := &l.odd[i]; o.right.account != p.right.account {
			continue
		} else if o.number < p.number {
			break
		}
		at = i
	}
	l.counted(&p, 1)
	l.odd = slices.Insert(l.odd, at, p)
}

// putBack returns a batch that could not be delivered to the head of the queue.
func (l *lane) putBack(batch []parcel) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flying -= len(batch)
	l.rejoin(batch)
}

// rejoin puts parcels before what is queued. Call it under the lock.
func (l *lane) rejoin(batch []parcel) {
	l.queue, l.seen = slices.Concat(batch, l.queue), 0
}

// setApart sets apart one that Stigg answers oddly.
func (l *lane) setApart(p parcel) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.odd) == 0 {
		l.restOdd()
	}
	p.turns++
	l.follow(p)
}

// restOdd lets those set apart rest. Call it under the lock.
func (l *lane) restOdd() {
	pause := oddPause
	if l.closed {
		pause = closingPause
	}
	l.oddAfter = l.clock().Add(pause)
}

// turned ends the turn of one that was set apart. If it was delivered, it was the
// weather: all of them go back into the queue, before it and what is in wards, since what
// waits there came later.
func (l *lane) turned(delivered bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.restOdd() // from now on, however long the turn took
	if delivered {
		l.rejoin(append(l.odd, l.wards.empty()...))
		l.odd, l.apart = nil, nil
	}
}
