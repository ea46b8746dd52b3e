package delivery

import (
	"cmp"
	"slices"
)

// Lost is what waits in memory alone, or is under way: not acknowledged, not refused, and in no
// Store. It is in the order of settlement, by lane. What is under way may yet arrive.
func (q *Queue[U]) Lost() (lost []U) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range q.lanes {
		var all []*Item[U]
		s.each(func(i *Item[U]) bool {
			if q.journal == nil || i.unkept {
				all = append(all, i)
			}
			return true
		})
		slices.SortFunc(all, func(a, b *Item[U]) int { return cmp.Compare(a.number, b.number) })
		for n, i := range all { // what was put back is still in flight, as far as is known
			if n == 0 || all[n-1].number != i.number {
				lost = append(lost, i.Usage)
			}
		}
	}
	return lost
}

// each yields all of a lane that is in memory, some of it twice. Call it under the lock.
func (s *sender[U]) each(yield func(*Item[U]) bool) {
	l := &s.queue
	l.ready.each(yield)
	l.waiting.each(yield)
	l.behind.each(yield)
	for _, n := range l.quarantines.waiting {
		n.queue.each(yield)
	}
	for i := range l.parked.items {
		yield(&l.parked.items[i])
	}
	for i := range s.flight {
		yield(&s.flight[i])
	}
}

// landed takes out of what is in flight what has left. Call it under the lock.
func (s *sender[U]) landed(batch []Item[U]) {
	if len(batch) == len(s.flight) {
		clear(s.flight)
		s.flight = s.flight[:0]
		return
	}
	gone := make(map[uint64]bool, len(batch))
	for i := range batch {
		gone[batch[i].number] = true
	}
	s.flight = slices.DeleteFunc(s.flight, func(i Item[U]) bool { return gone[i.number] })
}
