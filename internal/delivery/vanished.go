package delivery

import (
	"time"

	"github.com/stiggate/gate/internal/ledger"
)

// What waits in the Store alone may vanish there: a Store that processes share has given it to another
// one, because this one was silent for too long, or a Store has lost it. It is not waited for then:
// neither by what is behind it, nor by the ledger, which has Stigg's count tell how much is used.
//
// What holds: a usage has vanished only if it was in the Store before a look that found all there is. So
// after a look that did not find all nothing more is counted in the backlog, and once what is on its way
// to the Store has arrived, a look is certain.

// certain reports whether all that is counted is in the Store, if it is anywhere.
func (s *sender[U]) certain() bool {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	return s.backlog.missing && s.backlog.keeping == 0
}

// missed notes that a look at all there is did not find all that is counted. If it was certain, what is
// left has vanished.
func (s *sender[U]) missed(certain bool) (vanished bool) {
	q := s.all
	gone, n := s.vanish(certain)
	if n == 0 {
		return false
	}
	for _, e := range gone {
		e.Refuse(true, q.config.Now())
		e.Notify()
		e.Close()
	}
	q.vanished.Add(uint64(n)) //nolint:gosec // not below 0
	q.config.Logger.Error("gate: usage that waited in the outbox is not there any more: another process delivers it, or it is lost", "usages", n)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.rest()
	return true
}

func (s *sender[U]) vanish(certain bool) (gone []*ledger.Entry, n int) {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	b := &s.backlog
	if b.missing = b.count > 0; !certain || !b.missing {
		return nil, 0
	}
	for _, all := range b.sums {
		for i := range all.sums {
			gone = append(gone, &all.sums[i].entry)
		}
	}
	n = b.count
	b.count, b.oldest = 0, time.Time{}
	clear(b.sums)
	clear(b.own)
	clear(b.named.count)
	s.caughtUp()
	return gone, n
}
