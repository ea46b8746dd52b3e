// Package clock tells the time by one reading of the monotonic clock, where time.Now reads the wall
// clock as well: a decision of a gate takes not much longer than that.
package clock

import (
	"sync/atomic"
	"time"
)

const (
	// every is how often the wall clock is read: for so long it may go unnoticed that it was set, or
	// that the machine slept.
	every = time.Millisecond
	// tolerance is by how much the wall clock may differ from what is told.
	tolerance = 100 * time.Microsecond
)

// Clock tells the time as time.Now does. Its method may be called from any goroutine.
type Clock struct{ base atomic.Pointer[base] }

// base is a time that was read of both clocks, from which the monotonic clock counts on.
type base struct {
	at      time.Time
	checked atomic.Int64 // when the wall clock was last seen to agree, as a time.Duration since then
}

// New returns a Clock that shows the present time.
func New() *Clock {
	c := new(Clock)
	c.base.Store(&base{at: time.Now()}) //nolint:forbidigo // it is one
	return c
}

// Now is the present time. If the wall clock was set a moment ago, it may be that of before.
func (c *Clock) Now() time.Time {
	b := c.base.Load()
	passed := time.Since(b.at)
	if passed-time.Duration(b.checked.Load()) < every {
		return b.at.Add(passed)
	}
	return c.check(b)
}

// check reads both clocks.
func (c *Clock) check(b *base) time.Time {
	now := time.Now() //nolint:forbidigo // see New
	passed := now.Sub(b.at)
	if apart := now.Round(0).Sub(b.at.Add(passed).Round(0)); apart.Abs() > tolerance {
		c.base.CompareAndSwap(b, &base{at: now})
	} else {
		b.checked.Store(int64(passed))
	}
	return now
}
