package delivery

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/stiggate/gate/internal/ledger"
)

// With a Store, what waits behind a full window is not in memory: the Store has it, and it is
// read from there, in order, when the window has room. What is known of it meanwhile is how many
// those are, and their entries in the ledger, merged by series and time, so that limits hold.

// backlog is what of a lane waits in the Store alone. It is under the lock of Queue.
//
// What holds: each usage is counted once, in count, and in one of sums. It is in the Store, or on
// its way there (Queue.Keep). All that is found behind read and is counted is read back once.
type backlog struct {
	count int
	read  uint64 // the position up to which the Store was read
	end   uint64 // up to it, usage is of an earlier run, and behind read all of it is counted
	// own and named are what of this run is counted; passed is what of an earlier one is not.
	own    numbers
	named  named
	passed map[uint64]bool
	sums   map[sumKey]*sums
	oldest time.Time // about; zero without any
	// keeping is how many of it are on their way to the Store. missing says that a look did not find
	// all: then nothing more is counted, so that the next looks tell what the Store has no more.
	keeping int
	missing bool
}

func newBacklog() backlog {
	return backlog{own: make(numbers), named: newNamed(), sums: make(map[sumKey]*sums)}
}

// add counts a usage and takes its entry over.
func (b *backlog) add(s Series, h *Header, e ledger.Entry, now time.Time) {
	if b.count++; b.count == 1 {
		b.oldest = h.CreatedAt
	}
	key := keyOf(s, h)
	all := b.sums[key]
	if all == nil {
		all = new(sums)
		b.sums[key] = all
	}
	all.add(sum{e, 1, h.CreatedAt.Unix(), h.CreatedAt.Unix()}, now.Unix())
}

// remove is the opposite of add. It is false if no such usage was counted.
func (b *backlog) remove(s Series, h *Header) (e ledger.Entry, ok bool) {
	key := keyOf(s, h)
	all := b.sums[key]
	if all == nil {
		return e, false
	}
	if b.count--; b.count == 0 {
		b.oldest = time.Time{}
	}
	if e = all.remove(h); len(all.sums) == 0 {
		delete(b.sums, key)
	}
	return e, true
}

// mark notes that a usage of this run is counted.
func (b *backlog) mark(s Series, number uint64, key string) {
	if number != 0 {
		b.own.add(number)
		return
	}
	b.named.add(s, key, 1)
}

// unmark reports whether it was.
func (b *backlog) unmark(s Series, number uint64, key string) bool {
	if number != 0 {
		return b.own.remove(number)
	}
	if b.named.add(s, key, -1) >= 0 {
		return true
	}
	return false
}

func (b *backlog) audit(lane Lane) (left []string) {
	if b.count != 0 || len(b.sums) != 0 || len(b.own) != 0 || len(b.named.count) != 0 {
		left = append(left, fmt.Sprintf("%d of lane %d wait in the store, in %d sums; %d words and %d names are marked", b.count, lane, len(b.sums), len(b.own), len(b.named.count)))
	}
	return left
}

// room reports whether more of a lane should be in memory. Call it under the lock.
func (s *sender[U]) room() bool {
	q, l := s.all, &s.queue
	before := l.common() + l.flying // what is behind waits for the Store, and may have all places
	return before == 0 || before < q.window && q.roomy()
}

// roomy reports whether there is much room for all lanes.
func (q *Queue[U]) roomy() bool {
	return q.free.Load() > int64(q.config.Places/4) && q.bytes.Load() < int64(q.config.Bytes/2)
}

// readMore has more read back where there is much room. Call it under the lock, whenever some has
// come.
func (q *Queue[U]) readMore() {
	for _, s := range q.lanes {
		if s.backlog.count > 0 && s.room() && s.queue.common() <= q.window/2 {
			signal(s.more)
		}
	}
}

// spill decides which items, that are about to be kept, need not be in memory.
func (q *Queue[U]) spill(items []Item[U]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for n := range items {
		i := &items[n]
		h := q.config.Header(i.Usage)
		s := q.lanes[h.Lane]
		switch {
		case s.queue.behind.len() > 0 || s.backlog.missing || q.replay.unread:
			i.behind = true
		case s.backlog.count > 0 || !s.room():
			series := q.config.Series(i.Usage)
			number, key := q.config.Key(i.Usage)
			s.backlog.mark(series, number, key)
			s.backlog.add(series, &h, *q.config.Entry(&i.Usage), q.config.Now())
			s.backlog.keeping++
			i.stays = true
		}
	}
}

// arrived notes that the Store has items.
func (q *Queue[U]) arrived(items []Item[U]) {
	if !slices.ContainsFunc(items, func(i Item[U]) bool { return i.stays }) {
		return // as nearly always: no lock
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for n := range items {
		if i := &items[n]; i.stays {
			q.lanes[q.config.Header(i.Usage).Lane].backlog.keeping--
		}
	}
}

// recall takes items back into memory that the Store does not keep, unless they were read from
// there all the same.
func (q *Queue[U]) recall(items []Item[U]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for n := range items {
		i := &items[n]
		i.behind = true
		if !i.stays {
			continue
		}
		h := q.config.Header(i.Usage)
		s, series := q.lanes[h.Lane], q.config.Series(i.Usage)
		number, key := q.config.Key(i.Usage)
		s.backlog.keeping--
		if !s.backlog.unmark(series, number, key) {
			continue
		}
		if e, ok := s.backlog.remove(series, &h); ok {
			*q.config.Entry(&i.Usage), i.stays = e, false
		}
		s.caughtUp()
	}
}

// caughtUp puts what is behind the backlog into the queue once there is none. Call it under the
// lock.
func (s *sender[U]) caughtUp() {
	if s.backlog.count == 0 {
		s.backlog.missing = false
	}
	if !s.blocked() {
		s.queue.waiting.join(&s.queue.behind)
		signal(s.wake)
	}
}

// blocked reports whether what comes has to wait for what is in the Store. Call it under the lock.
func (s *sender[U]) blocked() bool { return s.backlog.count > 0 || s.all.replay.holds }

// readAgain is the time between two looks for usage that is not in the Store yet, or can't be
// read.
const readAgain = 50 * time.Millisecond

// readBack reads what waits in the Store as often as there is room, until ctx ends.
func (s *sender[U]) readBack(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.more:
		}
		for pause := readAgain; s.refill() && ctx.Err() == nil; pause = min(2*pause, longestPause) {
			timer := time.NewTimer(pause)
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
			timer.Stop()
		}
	}
}

// refill reads until there is no more room, or nothing more. It is true if there must be more,
// which was not found.
func (s *sender[U]) refill() (missing bool) {
	after, wanted := s.wanted()
	if !wanted {
		return false
	}
	certain, whole := s.certain(), false
	err := s.all.journal.ask(func() (failed error) {
		for k, err := range s.all.config.Store.Pending(after) {
			if err != nil {
				failed = err
			} else if !s.takeBack(&k) {
				return failed
			}
		}
		whole = true
		return failed
	})
	if _, missing = s.wanted(); !missing {
		return false
	}
	switch {
	case err != nil:
		s.all.journal.note(err)
	case whole:
		return !s.missed(certain)
	}
	return true
}

// wanted says from where to read, and whether to.
func (s *sender[U]) wanted() (after uint64, wanted bool) {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	return s.backlog.read, s.backlog.count > 0 && s.room()
}

// takeBack puts what was read into the queue, if it waits there. It is false when no more is
// wanted.
func (s *sender[U]) takeBack(k *Kept[U]) bool {
	q := s.all
	q.mu.Lock()
	defer q.mu.Unlock()
	b := &s.backlog
	if q.replay.unread && k.At > b.end {
		return false // Replay has not come so far
	}
	h := q.config.Header(k.Usage)
	if h.Lane == s.queue.lane && s.counted(k) {
		if e, ok := b.remove(q.config.Series(k.Usage), &h); ok {
			q.free.Add(-1)
			q.holds(h.Size)
			*q.config.Entry(&k.Usage) = e
			s.queue.waiting.push(Item[U]{Usage: k.Usage, number: q.last})
			signal(s.wake)
		}
		if b.count > 0 {
			b.oldest = h.CreatedAt
		}
		s.caughtUp()
	}
	b.read = k.At
	return b.count > 0 && s.room()
}

// counted reports whether what was read is counted here; it is not any more.
func (s *sender[U]) counted(k *Kept[U]) bool {
	number, key := s.all.config.Key(k.Usage)
	if b := &s.backlog; k.At <= b.end {
		passed := b.passed[k.At]
		delete(b.passed, k.At)
		return key != "" && !passed // what has none was not taken over
	}
	return s.backlog.unmark(s.all.config.Series(k.Usage), number, key)
}
