package delivery

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/stiggate/gate/internal/upstream"
)

const (
	// A failed report is tried again after a pause that doubles up to the longest; up
	// to the longest of a Shut if one waits.
	firstPause   = 100 * time.Millisecond
	longestPause = 10 * time.Second
	closingPause = time.Second
)

// backOff pauses after a failed attempt: as long as Stigg asked for, or longer at each
// try, with jitter so that processes don't come back together. A Shut does not wait
// for a long pause that nobody asked for. It is false when ctx has ended.
func (s *sender[U]) backOff(ctx context.Context, try int, err error) bool {
	wait := min(firstPause<<min(try, 16), longestPause)
	if upstream.Garbled(err) {
		wait = firstPause // there may be many, each tried once
	}
	wait = wait/2 + rand.N(wait/2+1)
	shutting := s.all.shutting
	if asked := upstream.RetryAfter(err); asked > wait {
		wait, shutting = asked, nil
	}
	select {
	case <-shutting:
		wait, shutting = min(wait, closingPause), nil
	default:
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-shutting:
	case <-ctx.Done():
		return false
	}
	return true
}
