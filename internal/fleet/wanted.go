package fleet

import "time"

// A store wants a count after a loss, and since a replica died: one that was asked for from then on.

// readEvery is how often a count is asked for that the store wants.
const readEvery = time.Second

// wantsCount reports whether there is a count that the store wants. Call it under the lock.
func (s *Share) wantsCount() bool { return s.book.count.Told && s.book.last.Wants }

// ask has Stigg asked for a count, since the store wants one that was asked for from now on. Call it under
// the lock.
func (s *Share) ask(now time.Time) {
	if now.Before(s.read) {
		return // soon
	}
	wait := max(0, readEvery-since(s.read, now))
	s.read = now.Add(wait)
	time.AfterFunc(wait, func() {
		if s.of.ctx.Err() == nil {
			s.of.Read(s.book.account)
		}
	})
}
