package delivery

import (
	"fmt"
	"time"
)

// Stats is what a Queue counts.
type Stats struct {
	Queued   int       // put, not yet acknowledged, in memory or not; or it is not known whether the Store has it
	Bytes    int       // what of it is in memory takes
	Reserved int       // places of running requests
	Oldest   time.Time // CreatedAt of the oldest queued; zero without one
	Full     bool      // nothing can be reserved

	Acknowledged, Refused, Retries, Unkept uint64
	// Vanished from the Store, where they waited.
	Vanished uint64
}

// Stats returns the counts at this moment.
func (q *Queue[U]) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := Stats{
		Queued: q.queued() + q.unknown, Bytes: int(q.bytes.Load()), Reserved: q.reserved() - q.unknown, Full: q.free.Load() <= 0 || q.bytes.Load() >= int64(q.config.Bytes),
		Acknowledged: q.acknowledged.Load(), Refused: q.refused.Load(), Retries: q.retries.Load(), Vanished: q.vanished.Load(),
	}
	for _, l := range q.lanes {
		for _, at := range [...]time.Time{l.queue.oldest(), l.backlog.oldest} {
			if !at.IsZero() {
				s.Oldest = earlier(s.Oldest, at)
			}
		}
	}
	if q.journal != nil {
		s.Unkept = q.journal.unkept.Load()
	}
	return s
}

// Audit tells, for tests and for whoever looks for a leak, what is left; nothing when all is
// quiet.
func (q *Queue[U]) Audit() (left []string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range q.lanes {
		l := &s.queue
		if n := l.len(); n != 0 || len(l.quarantines.waiting) != 0 || len(l.parked.count) != 0 {
			left = append(left, fmt.Sprintf("%d in lane %d, %d quarantines wait, %d series are parked", n, l.lane, len(l.quarantines.waiting), len(l.parked.count)))
		}
		left = append(left, s.backlog.audit(l.lane)...)
	}
	if q.unknown != 0 || len(q.unresolved) != 0 {
		left = append(left, fmt.Sprintf("it is not known of %d usages whether they are kept", q.unknown))
	}
	if free, bytes := int(q.free.Load()), q.bytes.Load(); free != q.config.Places || q.taken != 0 || bytes != 0 {
		left = append(left, fmt.Sprintf("%d of %d places are free, %d reserved, %d bytes taken", free, q.config.Places, q.reserved(), bytes))
	}
	return left
}

// Health is what a Queue goes without.
type Health struct {
	Failing  bool // a lane's last attempt failed
	Refusing bool // Stigg refused usage within the last minute and has not taken such usage since
	Unkept   bool // the Store keeps nothing
	// Hanging says that calls of the reporter have not returned though their time was up;
	// Untold that the app's function for refused usage has not for hangsAfter.
	Hanging, Untold bool
}

// Ready is nil, or the *StoreError because of which Reserve fails.
func (q *Queue[U]) Ready() error { return q.journal.ready() }

// Health tells what is wrong at this moment.
func (q *Queue[U]) Health() (h Health) {
	q.tick()
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.clock()
	for _, s := range q.lanes {
		h.Failing = h.Failing || q.log.fails(s.queue.lane)
		h.Hanging = h.Hanging || s.calls.hanging.Load() > 0
		if at := s.queue.quarantines.refusedAt; !at.IsZero() && now.Sub(at) < time.Minute {
			h.Refusing = true
		}
	}
	h.Unkept = q.journal != nil && q.journal.failing.Active()
	h.Untold = q.notices.hang(now)
	return h
}

// Degraded has a sentence for each thing that is wrong at this moment, for an operator.
func (q *Queue[U]) Degraded() (sentences []string) {
	unready := q.Ready() != nil // first: it notes what Health tells
	h := q.Health()
	for _, one := range [...]struct {
		is       bool
		sentence string
	}{
		{h.Failing, "usage can't be reported to Stigg and waits"},
		{q.Stats().Full, "too much usage waits to be reported; requests that would report are refused"},
		{h.Refusing, "Stigg refuses usage for good, and it is set aside"},
		{h.Hanging, "calls of the reporter don't return though their time is up, and usage waits"},
		{h.Untold, "the application's function for refused usage does not return"},
		{q.replay.failing.Active(), "usage of an earlier run can't be read from the outbox, and waits there"},
		{q.adoption.failing.Active(), "the outbox does not hand over usage of processes that have ended"},
		{unready, "the outbox does not keep usage; requests that would report are refused"},
		{h.Unkept && !unready, "the outbox does not keep usage, and a crash loses it"},
	} {
		if one.is {
			sentences = append(sentences, one.sentence)
		}
	}
	return sentences
}
