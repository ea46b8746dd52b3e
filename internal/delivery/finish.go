package delivery

import (
	"time"

	"github.com/stiggate/gate/internal/ledger"
)

// What becomes of items that have left: they are acknowledged, or refused for good.

// acknowledge ends the stay of a batch that Stigg has counted.
func (s *sender[U]) acknowledge(batch []Item[U], acks []ledger.Ack) {
	now, id := s.all.config.Now(), s.all.batches.Add(1)
	for i := range batch {
		if acks[i].Place = i; !s.maybeCounted(&batch[i]) { // else Stigg may have counted it in another one
			acks[i].Batch = id
		}
		s.entry(&batch[i]).Acknowledge(acks[i], now)
	}
	s.all.acknowledged.Add(uint64(len(batch)))
	for i := range batch {
		s.entry(&batch[i]).Notify()
	}
	s.all.journal.done(batch)
	s.left(batch, nil)
}

// refuse ends the stay of what Stigg does not take.
func (s *sender[U]) refuse(batch []Item[U], err error) {
	for n := range batch {
		i := &batch[n]
		var now time.Time
		maybe, e := s.maybeCounted(i), s.entry(i)
		if maybe {
			now = s.all.config.Now()
		}
		e.Refuse(maybe, now)
		e.Notify()
		s.all.journal.setAside(i.Usage, err)
	}
	s.all.refused.Add(uint64(len(batch)))
	s.left(batch, err)
}

// maybeCounted reports whether Stigg may have counted it by an attempt before the last, in
// this run or in an earlier one.
func (s *sender[U]) maybeCounted(i *Item[U]) bool { return i.tried || s.entry(i).WasSentBefore() }

func (s *sender[U]) entry(i *Item[U]) *ledger.Entry { return s.all.config.Entry(&i.Usage) }

// left closes the entries and frees the places; those of refused usage once the app is told.
func (s *sender[U]) left(batch []Item[U], refused error) {
	for i := range batch {
		s.entry(&batch[i]).Close()
	}
	q := s.all
	q.mu.Lock()
	defer q.mu.Unlock()
	s.queue.flying -= len(batch)
	s.landed(batch)
	if refused != nil && q.config.Refused != nil {
		for i := range batch {
			q.notices.add(notice[U]{batch[i].Usage, refused}, q)
		}
		return
	}
	for i := range batch {
		q.release(batch[i].Usage)
	}
	q.readMore()
	q.rest()
}

// release frees the place of a usage. Call it under the lock.
func (q *Queue[U]) release(u U) {
	q.taken--
	q.free.Add(1)
	q.bytes.Add(-int64(q.config.Header(u).Size))
}
