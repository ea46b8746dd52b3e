package delivery

import (
	"context"
	"slices"
	"time"

	"github.com/stiggate/gate/internal/upstream"
)

// Usage that Stigg refuses for good costs a dozen calls to find within a batch. It seldom
// comes alone: the customer is archived, the feature has no meter. So once usage was
// refused, all of its series travels in batches of its own, in turns with everybody else's.

const (
	// quarantineFor is how long a series keeps its quarantine after the last refusal.
	quarantineFor = 10 * time.Minute
	// maxQuarantines bounds those of a lane. Past it, usage is searched for each time.
	maxQuarantines = 10_000
)

// quarantine is the queue of one series. Each of its batches is tried once at a turn.
//
// What holds: what is in it came before what is in the lane's queue of its series.
type quarantine[U any] struct {
	series    Series
	queue     fifo[Item[U]]
	size      int  // most in the next batch; less than the lane's while one at fault is looked for
	suspect   int  // at the head: one of so many is at fault; 0 if nothing is known
	taken     int  // by Stigg since the last refusal
	tries     int  // that failed in a way that may pass, since it had the lane's size
	ofAll     bool // the last refusal was of any usage of the series
	refusedAt time.Time
}

// quarantines are those of a lane.
type quarantines[U any] struct {
	all       map[Series]*quarantine[U]
	waiting   []*quarantine[U] // those with something in them, the next first
	queued    int              // in all of them
	refusedAt time.Time        // the last time; zero once a quarantine was cleared
}

// quarantineOf returns the quarantine of i's series, or nil.
func (l *queue[U]) quarantineOf(i *Item[U], now time.Time) *quarantine[U] {
	s := &l.quarantines
	if len(s.all) == 0 {
		return nil
	}
	n := s.all[l.series(i)]
	if n != nil && n.queue.len() == 0 && n.over(now) {
		delete(s.all, n.series)
		return nil
	}
	return n
}

func (n *quarantine[U]) over(now time.Time) bool { return now.Sub(n.refusedAt) >= quarantineFor }

// open returns the quarantine of a series, and whether there was none; nil if there are too
// many.
func (s *quarantines[U]) open(series Series, size int, now time.Time) (n *quarantine[U], begins bool) {
	if n = s.all[series]; n != nil {
		return n, n.over(now)
	}
	if len(s.all) >= maxQuarantines {
		for k, n := range s.all {
			if n.queue.len() == 0 && n.over(now) {
				delete(s.all, k)
			}
		}
	}
	if len(s.all) >= maxQuarantines {
		return nil, false
	}
	if s.all == nil {
		s.all = make(map[Series]*quarantine[U])
	}
	n = &quarantine[U]{series: series, size: size}
	s.all[series] = n
	return n, true
}

// add puts an item behind what is in a quarantine.
func (s *quarantines[U]) add(n *quarantine[U], i Item[U]) {
	if n.queue.len() == 0 {
		s.waiting = append(s.waiting, n)
	}
	n.queue.push(i)
	s.queued++
}

// putBack puts items before what is in a quarantine.
func (s *quarantines[U]) putBack(n *quarantine[U], batch []Item[U]) {
	if n.queue.len() == 0 {
		s.waiting = append(s.waiting, n)
	}
	n.queue.pushFront(batch)
	s.queued += len(batch)
}

// take takes so many items out of the quarantine whose turn it is.
func (s *quarantines[U]) take(count int) []Item[U] {
	n := s.waiting[0]
	s.waiting = slices.Delete(s.waiting, 0, 1)
	batch := n.queue.take(count)
	if s.queued -= count; n.queue.len() > 0 {
		s.waiting = append(s.waiting, n)
	}
	return batch
}

// clear ends a quarantine and returns what is in it.
func (s *quarantines[U]) clear(n *quarantine[U]) []Item[U] {
	rest := n.queue.take(n.queue.len())
	if len(rest) > 0 {
		s.waiting = slices.DeleteFunc(s.waiting, func(o *quarantine[U]) bool { return o == n })
		s.queued -= len(rest)
	}
	delete(s.all, n.series)
	s.refusedAt = time.Time{}
	return rest
}

// empty takes everything out of all quarantines, which stay.
func (s *quarantines[U]) empty() (all []Item[U]) {
	for _, n := range s.waiting {
		all = append(all, n.queue.take(n.queue.len())...)
	}
	s.waiting, s.queued = nil, 0
	return all
}

// full reports whether there is no use in waiting for more.
func (s *quarantines[U]) full(size int) bool {
	n := s.waiting[0]
	return n.queue.len() >= n.size || s.queued >= size
}

// quarantinesTurn reports whether a quarantine's batch is next: in turns with those of the
// queue, and while that lets its batch fill. Call it under the lock.
func (s *sender[U]) quarantinesTurn(now time.Time, asked time.Duration) bool {
	l, p := &s.queue, &s.pacing
	switch {
	case len(l.quarantines.waiting) == 0:
		return false
	case l.ready.len() == 0 || now.Before(s.due(p.lastCommon, l.common() >= l.size, asked)):
		return true
	}
	return p.lastCommon.After(p.lastQuarantine) && !now.Before(s.due(p.lastQuarantine, l.quarantines.full(l.size), asked))
}

// withholdOf cuts a quarantine's batch off where it has to wait for one of the parked. The
// rest goes behind them only once nothing of the quarantine is before it, which may yet
// return there.
func (s *sender[U]) withholdOf(n *quarantine[U], batch []Item[U]) []Item[U] {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	l := &s.queue
	for at := range batch {
		if !l.waitsForParked(&batch[at]) {
			continue
		}
		if at > 0 {
			l.flying -= len(batch) - at
			l.quarantines.putBack(n, batch[at:])
			return batch[:at]
		}
		for _, i := range batch {
			l.park(i)
		}
		return nil
	}
	return batch
}

// visit tries once to deliver a quarantine's batch. One that is at fault is looked for by
// halves, one at each turn, so that the search delays nobody else.
func (s *sender[U]) visit(ctx context.Context, n *quarantine[U], batch []Item[U]) {
	if len(batch) == 0 {
		return
	}
	acks, err := s.attempt(ctx, batch, n.tries+1)
	switch {
	case err == nil:
		s.acknowledge(batch, acks)
		s.recovered(n, len(batch))
		return
	case upstream.Refused(err) && s.ofOneSeries(batch, err):
		s.refuseAll(batch, err)
		return
	case upstream.Refused(err):
		for i := range batch {
			s.entry(&batch[i]).Returns()
		}
		s.failed(n, batch, true)
		return
	}
	s.all.retries.Add(1)
	n.tries++
	split := upstream.Garbled(err) && n.tries >= splitAfter || n.tries >= splitAnyAfter
	pauses := n.tries - 1
	if split && len(batch) == 1 {
		pauses = 0 // it is parked; what comes next has a pause of its own
	}
	s.backOff(ctx, pauses, err)
	if split && len(batch) == 1 {
		s.parkFailed(batch[0])
		return
	}
	s.failed(n, batch, split)
}

// failed puts a batch that failed back into its quarantine; half as much leaves next if split.
func (s *sender[U]) failed(n *quarantine[U], batch []Item[U], split bool) {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	if split {
		n.suspect, n.size = len(batch), max(1, len(batch)/2)
	}
	s.queue.flying -= len(batch)
	s.queue.quarantines.putBack(n, batch)
}

// recovered notes that Stigg took so many of a quarantine. If it had refused all of the series,
// that is over, and the quarantine is closed: what is left in it is common again. Otherwise the
// next one at fault may follow, and the quarantine stays until none did for long.
func (s *sender[U]) recovered(n *quarantine[U], took int) {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	n.taken += took
	if n.suspect -= took; n.suspect > 0 {
		n.size = max(1, n.suspect/2)
		return
	}
	if n.suspect = 0; n.size < s.queue.size {
		n.size = min(2*n.size, s.queue.size)
		return
	}
	n.tries = 0
	if !n.ofAll && !n.over(s.all.clock()) {
		return
	}
	if rest := s.queue.quarantines.clear(n); len(rest) > 0 {
		s.queue.rejoin(rest)
	}
}

// ofOneSeries reports whether a refusal is of each usage of a batch.
func (s *sender[U]) ofOneSeries(batch []Item[U], err error) bool {
	if len(batch) == 1 {
		return true
	}
	if !upstream.RefusedAll(err) {
		return false
	}
	first := s.queue.series(&batch[0])
	return !slices.ContainsFunc(batch, func(i Item[U]) bool { return s.queue.series(&i) != first })
}

// refuseAll sets a batch of one series aside, and quarantines what follows.
func (s *sender[U]) refuseAll(batch []Item[U], err error) {
	series, begins := s.queue.series(&batch[0]), false
	now := s.all.clock()
	func() {
		s.all.mu.Lock()
		defer s.all.mu.Unlock()
		var n *quarantine[U]
		if n, begins = s.queue.quarantines.open(series, s.queue.size, now); n != nil {
			n.refused(now, upstream.RefusedAll(err), s.queue.size)
		}
		s.queue.quarantines.refusedAt = now
		s.queue.unroute()
	}()
	s.all.log.refuses(s.all.config.Now(), begins, s.queue.kind(&batch[0]), series.Feature, err)
	s.refuse(batch, err)
}

// kind is what an operator calls it.
func (l *queue[U]) kind(i *Item[U]) string {
	switch {
	case l.lane == Events:
		return "event"
	case l.lane == Credits:
		return "credits"
	case l.total(i):
		return "total"
	}
	return "change"
}

// refused notes a refusal. As many were taken since the one before, as many may be up to the
// next; where all are refused it is tried one by one.
func (n *quarantine[U]) refused(now time.Time, ofAll bool, size int) {
	switch {
	case ofAll:
		n.size, n.tries = size, 0
	case !n.refusedAt.IsZero():
		n.size = min(max(1, 2*n.taken), size)
	}
	n.refusedAt, n.ofAll, n.suspect, n.taken = now, ofAll, 0, 0
}
