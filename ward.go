package gate

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Usage that Stigg refuses for good costs a dozen calls to find within a batch. It seldom
// comes alone: the customer is archived, the feature has no meter. So once usage was
// refused, all of its sort travels in batches of its own, in turns with everybody else's.

const (
	// wardFor is how long a sort keeps its ward after the last refusal.
	wardFor = 10 * time.Minute
	// maxWards bounds those of a lane. Past it, usage is searched for each time.
	maxWards = 10_000
	// A refusal that begins is told in the log, at most so many in a minute; those that
	// go on are counted, in one line a minute.
	tellEvery = time.Minute
	tellMost  = 10
)

// kin is what usage has in common that Stigg refuses for one reason.
type kin struct {
	customer                 Customer
	feature, event, currency string
}

func kinOf(u *Usage) kin { return kin{u.Customer, u.FeatureID, u.Event, u.Currency} }

// ward is the queue of one sort of usage. Each of its batches is tried once at a turn.
//
// What holds: what is in it came before what is in the lane's queue of its sort.
type ward struct {
	kin       kin
	queue     []parcel
	size      int  // most in the next batch; less than the lane's while one at fault is looked for
	suspect   int  // at the head: one of so many is at fault; 0 if nothing is known
	taken     int  // by Stigg since the last refusal
	tries     int  // that failed in a way that may pass, since it had the lane's size
	ofAll     bool // the last refusal was of any usage of the sort
	refusedAt time.Time
}

// wards are those of a lane, under the delivery's lock.
type wards struct {
	all       map[kin]*ward
	waiting   []*ward   // those with something in them, the next first
	queued    int       // in all of them
	refusedAt time.Time // the last time; zero once a ward was cleared
}

// of returns the ward that takes u, or nil.
func (s *wards) of(u *Usage, now time.Time) *ward {
	if len(s.all) == 0 {
		return nil
	}
	w := s.all[kinOf(u)]
	if w != nil && len(w.queue) == 0 && w.over(now) {
		delete(s.all, w.kin)
		return nil
	}
	return w
}

func (w *ward) over(now time.Time) bool { return now.Sub(w.refusedAt) >= wardFor }

// open returns the ward for u, and whether there was none; nil if there are too many.
func (s *wards) open(u *Usage, size int, now time.Time) (w *ward, begins bool) {
	if w = s.all[kinOf(u)]; w != nil {
		return w, w.over(now)
	}
	if len(s.all) >= maxWards {
		for k, w := range s.all {
			if len(w.queue) == 0 && w.over(now) {
				delete(s.all, k)
			}
		}
	}
	if len(s.all) >= maxWards {
		return nil, false
	}
	if s.all == nil {
		s.all = make(map[kin]*ward)
	}
	w = &ward{kin: kinOf(u), size: size}
	s.all[w.kin] = w
	return w, true
}

// add puts parcels behind what is in a ward.
func (s *wards) add(w *ward, p ...parcel) {
	if len(w.queue) == 0 {
		s.waiting = append(s.waiting, w)
	}
	w.queue = append(w.queue, p...)
	s.queued += len(p)
}

// take takes n parcels out of the ward whose turn it is.
func (s *wards) take(n int) []parcel {
	w := s.waiting[0]
	s.waiting = slices.Delete(s.waiting, 0, 1)
	batch := cut(&w.queue, 0, n)
	if s.queued -= n; len(w.queue) > 0 {
		s.waiting = append(s.waiting, w)
	}
	return batch
}

// empty takes everything out of all wards, which stay.
func (s *wards) empty() (all []parcel) {
	for _, w := range s.waiting {
		all = append(all, w.queue...)
		w.queue = nil
	}
	s.waiting, s.queued = nil, 0
	return all
}

// full reports whether there is no use in waiting for more.
func (s *wards) full(size int) bool {
	w := s.waiting[0]
	return len(w.queue) >= w.size || s.queued >= size
}

// route moves what is queued and of a ward there. Call it under the lock.
func (l *lane) route() {
	if len(l.wards.all) == 0 {
		l.seen = len(l.queue)
		return
	}
	now, kept := l.clock(), l.queue[:l.seen]
	for _, p := range l.queue[l.seen:] {
		if w := l.wards.of(&p.Usage, now); w != nil {
			l.wards.add(w, p)
		} else {
			kept = append(kept, p)
		}
	}
	clear(l.queue[len(kept):])
	if l.queue, l.seen = kept, len(kept); len(kept) == 0 {
		l.queue = nil
	}
}

// wardsTurn reports whether a ward's batch is next: in turns with those of the queue, and
// while that lets its batch fill. Call it under the lock.
func (l *lane) wardsTurn(now time.Time, asked time.Duration) bool {
	switch {
	case len(l.wards.waiting) == 0:
		return false
	case len(l.queue) == 0 || now.Before(l.due(l.lastCommon, len(l.queue) >= l.size, asked)):
		return true
	}
	return l.lastCommon.After(l.lastWard) && !now.Before(l.due(l.lastWard, l.wards.full(l.size), asked))
}

// holdWard cuts a ward's batch off where it has to wait for one of those set apart. The rest
// goes behind them only once nothing of the ward is before it, which may yet return there.
func (l *lane) holdWard(w *ward, batch []parcel) []parcel {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := slices.IndexFunc(batch, func(p parcel) bool { return l.waits(&p) })
	switch {
	case n < 0:
		return batch
	case n > 0:
		l.readmit(w, batch[n:])
		return batch[:n]
	}
	for _, p := range batch {
		l.follow(p)
	}
	return nil
}

// visit tries once to deliver a ward's batch. One that is at fault is looked for by halves,
// one at each turn, so that the search delays nobody else.
func (l *lane) visit(ctx context.Context, w *ward, batch []parcel) {
	if len(batch) == 0 {
		return
	}
	acks, err := l.attempt(ctx, batch, w.tries+1)
	switch {
	case err == nil:
		l.settle(l, batch, acks)
		l.recover(w, len(batch))
		return
	case permanent(err) && ofAll(batch, err):
		l.refuseAll(batch, err)
		return
	case permanent(err):
		for i := range batch {
			batch[i].returns()
		}
		l.failed(w, batch, true)
		return
	}
	l.retries.Add(1)
	w.tries++
	split := odd(err) && w.tries >= oddTries || w.tries >= wearyTries
	pauses := w.tries - 1
	if split && len(batch) == 1 {
		pauses = 0 // it is set apart; what comes next has a pause of its own
	}
	l.backOff(ctx, pauses, err)
	if split && len(batch) == 1 {
		l.setApart(batch[0])
		return
	}
	l.failed(w, batch, split)
}

// failed puts a batch that failed back into its ward; half as much leaves next if split.
func (l *lane) failed(w *ward, batch []parcel, split bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if split {
		w.suspect, w.size = len(batch), max(1, len(batch)/2)
	}
	l.readmit(w, batch)
}

// readmit puts parcels back before what is in their ward. Call it under the lock.
func (l *lane) readmit(w *ward, batch []parcel) {
	l.flying -= len(batch)
	if len(w.queue) == 0 {
		l.wards.waiting = append(l.wards.waiting, w)
	}
	w.queue = slices.Concat(batch, w.queue)
	l.wards.queued += len(batch)
}

// recover notes that Stigg took a ward's batch of n. If it had refused all of the sort, that is
// over, and the ward is closed: what is left in it is common again. Otherwise the next one
// at fault may follow, and the ward stays until none did for long.
func (l *lane) recover(w *ward, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.taken += n
	if w.suspect -= n; w.suspect > 0 {
		w.size = max(1, w.suspect/2)
		return
	}
	if w.suspect = 0; w.size < l.size {
		w.size = min(2*w.size, l.size)
		return
	}
	w.tries = 0
	if !w.ofAll && !w.over(l.clock()) {
		return
	}
	if n := len(w.queue); n > 0 {
		l.wards.waiting = slices.DeleteFunc(l.wards.waiting, func(o *ward) bool { return o == w })
		l.wards.queued -= n
		l.rejoin(w.queue)
	}
	delete(l.wards.all, w.kin)
	l.wards.refusedAt = time.Time{}
}

// ofAll reports whether a refusal is of each usage of a batch.
func ofAll(batch []parcel, err error) bool {
	if len(batch) == 1 {
		return true
	}
	var e interface{ OfAll() bool }
	if !errors.As(err, &e) || !e.OfAll() {
		return false
	}
	first := kinOf(&batch[0].Usage)
	return !slices.ContainsFunc(batch, func(p parcel) bool { return kinOf(&p.Usage) != first })
}

// refuseAll sets a batch of one sort aside, and opens the ward for what follows.
func (l *lane) refuseAll(batch []parcel, err error) {
	var e interface{ OfAll() bool }
	now := l.clock()
	l.mu.Lock()
	w, begins := l.wards.open(&batch[0].Usage, l.size, now)
	if w != nil {
		w.refused(now, errors.As(err, &e) && e.OfAll(), l.size)
	}
	l.wards.refusedAt, l.seen = now, 0
	l.mu.Unlock()
	l.refusals.tell(l.logger, &batch[0].Usage, len(batch), begins, now, err)
	for _, p := range batch {
		l.refuse(l, p, err)
	}
}

// refused notes a refusal. As many were taken since the one before, as many may be up to the
// next; where all are refused it is tried one by one.
func (w *ward) refused(now time.Time, ofAll bool, size int) {
	switch {
	case ofAll:
		w.size, w.tries = size, 0
	case !w.refusedAt.IsZero():
		w.size = min(max(1, 2*w.taken), size)
	}
	w.refusedAt, w.ofAll, w.suspect, w.taken = now, ofAll, 0, 0
}

// refusals says in the log what is refused: when it begins, and how many, but never each.
type refusals struct {
	mu      sync.Mutex
	since   time.Time // when the minute began
	begun   int       // lines in it that say that a refusal begins
	counted time.Time // when a line last counted
	untold  int       // usages refused since then
}

func (r *refusals) tell(logger *slog.Logger, u *Usage, n int, begins bool, now time.Time, err error) {
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
		logger.Error("gate: usage is refused for good and set aside", "kind", u.Kind.String(), "feature", u.FeatureID, "error", err)
		n--
	}
	if r.untold += n; r.untold > 0 && now.Sub(r.counted) >= tellEvery {
		logger.Error("gate: more usage was refused for good and set aside", "usages", r.untold, "error", err)
		r.untold, r.counted = 0, now
	}
}
