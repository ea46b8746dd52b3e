package fleet

import (
	"sync"
	"sync/atomic"
	"time"
)

// breaker keeps requests from waiting for a store that does not answer. The first failure opens it;
// then one call at a time tries again, later after each failure.
type breaker struct {
	changed func(error)
	down    atomic.Bool // it is open

	mu     sync.Mutex
	wait   time.Duration
	until  time.Time
	trying bool
}

const (
	firstWait = 100 * time.Millisecond
	mostWait  = 5 * time.Second
)

// begin reports whether a call may be made. Its end must be told.
func (b *breaker) begin(now time.Time) bool {
	if !b.down.Load() {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.trying || now.Before(b.until) {
		return false
	}
	b.trying = true
	return true
}

// end tells how a call ended. It is true if the store answers again.
func (b *breaker) end(err error, now time.Time) (again bool) {
	if err == nil && !b.down.Load() {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	was := b.down.Load()
	switch b.trying = false; {
	case err == nil:
		b.wait = 0
		b.down.Store(false)
	case was && now.Before(b.until): // a call that was made before
	default:
		b.wait = min(max(firstWait, 2*b.wait), mostWait)
		b.until = now.Add(b.wait)
		b.down.Store(true)
	}
	if is := b.down.Load(); is != was && b.changed != nil {
		b.changed(err)
	}
	return was && err == nil
}
