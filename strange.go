package gate

import (
	"time"
)

const (
	// leastStrange and longestStrange are how long a customer is not read again whose last
	// read brought what nobody understands: it doubles from read to read.
	leastStrange   = 100 * time.Millisecond
	longestStrange = 10 * time.Second
)

// strange is such an answer. It says nothing of other customers, so the breaker lets them
// be read; but each request of this one would read again.
type strange struct {
	err   error
	until time.Time
	pause time.Duration
}

// came notes what became of a read: of the customer, and of Stigg as a whole.
func (k *cache) came(c Customer, err error) {
	switch {
	case k.ctx.Err() != nil:
	case err == nil:
		k.strange.Remove(c)
		k.heard.Store(true)
		k.down.Store(false)
	case odd(err):
		last, _ := k.strange.Peek(c)
		pause := min(max(leastStrange, 2*last.pause), longestStrange)
		k.strange.Add(c, strange{err, k.now().Add(pause), pause})
		if !k.heard.Load() || !k.breaker.broken().IsZero() {
			k.down.Store(true)
		}
	default:
		k.down.Store(true)
	}
}
