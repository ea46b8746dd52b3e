package fleet

import (
	"errors"
	"time"

	"github.com/stiggate/gate/fleet"
)

// broken is what the breaker is, for one account of which the store's answer is an error though the
// store answers: others are not concerned.
type broken struct {
	wait  time.Duration // 0: it is not
	until time.Time     // no call is made before
}

// judge tells whether the account is broken, by the error of an answer. Call it under the lock.
func (s *Share) judge(err error, now time.Time) {
	was := s.broken.wait > 0
	switch {
	case errors.Is(err, fleet.ErrAccount):
		s.broken.wait = min(max(firstWait, 2*s.broken.wait), mostWait)
		s.broken.until = now.Add(s.broken.wait)
		if !was {
			s.of.Logger.Error("gate: the store of the fleet can't be asked about one account of this feature or currency", "of", s.book.account.Feature+s.book.account.Currency, "error", err)
		}
	case err == nil && was:
		s.broken = broken{}
		s.of.Logger.Info("gate: the store of the fleet can be asked about the account again", "of", s.book.account.Feature+s.book.account.Currency)
	}
}
