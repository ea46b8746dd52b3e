package delivery

import (
	"context"
	"log/slog"
	"slices"
	"sync"
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
	// A refusal that begins is told in the log, at most so many in a minute; those that
	// go on are counted, in one line a minute.
	tellEvery = time.Minute
	tellMost  = 10
)

// quarantine is the queue of one series. Each of its batches is tried once at a turn.
//
// What holds: what is in it came before what is in the lane's queue of its series.
type quarantine[U any] struct {
	series    Series
	queue     []Item[U]
	size      int  // most in the next batch; less than the lane's while one at fault is looked for
	suspect   int  // at the head: one of so many is at fault; 0 if nothing is known
	taken     int  // by Stigg since the last refusal
	tries     int  // that failed in a way that may pass, since it had the lane's size
	ofAll     bool // the last refusal was of any usage of the series
	refusedAt time.Time
}

// quarantines are those of a lane, under the queue's lock.
type quarantines[U any] struct {
	all       map[Series]*quarantine[U]
	waiting   []*quarantine[U] // those with something in them, the next first
	queued    int              // in all of them
	refusedAt time.Time        // the last time; zero once a quarantine was cleared
}

// of returns the quarantine of a series, or nil.
func (s *quarantines[U]) of(series Series, now time.Time) *quarantine[U] {
	if len(s.all) == 0 {
		return nil
	}
	n := s.all[series]
	if n != nil && len(n.queue) == 0 && n.over(now) {
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
			if len(n.queue) == 0 && n.over(now) {
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

// add puts items behind what is in a quarantine.
func (s *quarantines[U]) add(n *quarantine[U], i ...Item[U]) {
	if len(n.queue) == 0 {
		s.waiting = append(s.waiting, n)
	}
	n.queue = append(n.queue, i...)
	s.queued += len(i)
}

// putBack puts items before what is in a quarantine.
func (s *quarantines[U]) putBack(n *quarantine[U], batch []Item[U]) {
	if len(n.queue) == 0 {
		s.waiting = append(s.waiting, n)
	}
	n.queue = slices.Concat(batch, n.queue)
	s.queued += len(batch)
}

// take takes so many items out of the quarantine whose turn it is.
func (s *quarantines[U]) take(count int) []Item[U] {
	n := s.waiting[0]
	s.waiting = slices.Delete(s.waiting, 0, 1)
	batch := cut(&n.queue, 0, count)
	if s.queued -= count; len(n.queue) > 0 {
		s.waiting = append(s.waiting, n)
	}
	return batch
}

// clear ends a quarantine and returns what is in it.
func (s *quarantines[U]) clear(n *quarantine[U]) []Item[U] {
	if len(n.queue) > 0 {
		s.waiting = slices.DeleteFunc(s.waiting, func(o *quarantine[U]) bool { return o == n })
		s.queued -= len(n.queue)
	}
	delete(s.all, n.series)
	s.refusedAt = time.Time{}
	return n.queue
}

// empty takes everything out of all quarantines, which stay.
func (s *quarantines[U]) empty() (all []Item[U]) {
	for _, n := range s.waiting {
		all = append(all, n.queue...)
		n.queue = nil
	}
	s.waiting, s.queued = nil, 0
	return all
}

// full reports whether there is no use in waiting for more.
func (s *quarantines[U]) full(size int) bool {
	n := s.waiting[0]
	return len(n.queue) >= n.size || s.queued >= size
}

// quarantinesTurn reports whether a quarantine's batch is next: in turns with those of the
// queue, and while that lets its batch fill. Call it under the lock.
func (l *lane[U]) quarantinesTurn(now time.Time, asked time.Duration) bool {
	p := &l.pacing
	switch {
	case len(l.quarantines.waiting) == 0:
		return false
	case len(l.queue) == 0 || now.Before(l.due(p.lastCommon, len(l.queue) >= l.size, asked)):
		return true
	}
	return p.lastCommon.After(p.lastQuarantine) && !now.Before(l.due(p.lastQuarantine, l.quarantines.full(l.size), asked))
}

// withholdOf cuts a quarantine's batch off where it has to wait for one of the parked. The
// rest goes behind them only once nothing of the quarantine is before it, which may yet
// return there.
func (l *lane[U]) withholdOf(n *quarantine[U], batch []Item[U]) []Item[U] {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := slices.IndexFunc(batch, func(i Item[U]) bool { return l.parked.before(&i) })
	switch {
	case at < 0:
		return batch
	case at > 0:
		l.flying -= len(batch) - at
		l.quarantines.putBack(n, batch[at:])
		return batch[:at]
	}
	for _, i := range batch {
		l.park(i)
	}
	return nil
}

// visit tries once to deliver a quarantine's batch. One that is at fault is looked for by
// halves, one at each turn, so that the search delays nobody else.
func (l *lane[U]) visit(ctx context.Context, n *quarantine[U], batch []Item[U]) {
	if len(batch) == 0 {
		return
	}
	acks, err := l.attempt(ctx, batch, n.tries+1)
	switch {
	case err == nil:
		l.acknowledge(batch, acks)
		l.recover(n, len(batch))
		return
	case upstream.Refused(err) && ofOneSeries(batch, err):
		l.refuseAll(batch, err)
		return
	case upstream.Refused(err):
		for i := range batch {
			batch[i].Entry.Returns()
		}
		l.failed(n, batch, true)
		return
	}
	l.retries.Add(1)
	n.tries++
	split := upstream.Garbled(err) && n.tries >= splitAfter || n.tries >= splitAnyAfter
	pauses := n.tries - 1
	if split && len(batch) == 1 {
		pauses = 0 // it is parked; what comes next has a pause of its own
	}
	l.backOff(ctx, pauses, err)
	if split && len(batch) == 1 {
		l.parkFailed(batch[0])
		return
	}
	l.failed(n, batch, split)
}

// failed puts a batch that failed back into its quarantine; half as much leaves next if split.
func (l *lane[U]) failed(n *quarantine[U], batch []Item[U], split bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if split {
		n.suspect, n.size = len(batch), max(1, len(batch)/2)
	}
	l.flying -= len(batch)
	l.quarantines.putBack(n, batch)
}

// recover notes that Stigg took so many of a quarantine. If it had refused all of the series,
// that is over, and the quarantine is closed: what is left in it is common again. Otherwise the
// next one at fault may follow, and the quarantine stays until none did for long.
func (l *lane[U]) recover(n *quarantine[U], took int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n.taken += took
	if n.suspect -= took; n.suspect > 0 {
		n.size = max(1, n.suspect/2)
		return
	}
	if n.suspect = 0; n.size < l.size {
		n.size = min(2*n.size, l.size)
		return
	}
	n.tries = 0
	if !n.ofAll && !n.over(l.clock()) {
		return
	}
	if rest := l.quarantines.clear(n); len(rest) > 0 {
		l.rejoin(rest)
	}
}

// ofOneSeries reports whether a refusal is of each usage of a batch.
func ofOneSeries[U any](batch []Item[U], err error) bool {
	if len(batch) == 1 {
		return true
	}
	if !upstream.RefusedAll(err) {
		return false
	}
	first := batch[0].Series
	return !slices.ContainsFunc(batch, func(i Item[U]) bool { return i.Series != first })
}

// refuseAll sets a batch of one series aside, and quarantines what follows.
func (l *lane[U]) refuseAll(batch []Item[U], err error) {
	now := l.clock()
	l.mu.Lock()
	n, begins := l.quarantines.open(batch[0].Series, l.size, now)
	if n != nil {
		n.refused(now, upstream.RefusedAll(err), l.size)
	}
	l.quarantines.refusedAt, l.routed = now, 0
	l.mu.Unlock()
	l.refusals.tell(l.Logger, batch[0].kind(), batch[0].Series.Feature, len(batch), begins, now, err)
	for _, i := range batch {
		l.refuse(i, err)
	}
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

// refusals says in the log what is refused: when it begins, and how many, but never each.
type refusals struct {
	mu      sync.Mutex
	since   time.Time // when the minute began
	begun   int       // lines in it that say that a refusal begins
	counted time.Time // when a line last counted
	untold  int       // usages refused since then
}

func (r *refusals) tell(logger *slog.Logger, kind, feature string, n int, begins bool, now time.Time, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.since) >= tellEvery {
		r.since, r.begun = now, 0
	}
	if r.counted.IsZero() {
		r.counted = now
	}
	if begins && r.begun < tellMost {
		r.begun++
		logger.Error("gate: usage is refused for good and set aside", "kind", kind, "feature", feature, "error", err)
		n--
	}
	if r.untold += n; r.untold > 0 && now.Sub(r.counted) >= tellEvery {
		logger.Error("gate: more usage was refused for good and set aside", "usages", r.untold, "error", err)
		r.untold, r.counted = 0, now
	}
}
