package graceful

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// Closer closes something once. The first call of Close decides how long is waited; another
// waits for it as long as its own ctx allows, and gives the same answer.
type Closer struct {
	begun  atomic.Bool
	done   chan struct{}
	result error // set before done is closed
}

// NewCloser returns a Closer.
func NewCloser() *Closer { return &Closer{done: make(chan struct{})} }

// Begun reports whether Close was called.
func (c *Closer) Begun() bool { return c.begun.Load() }

// Close calls f, if it is the first.
func (c *Closer) Close(ctx context.Context, f func(context.Context) error) error {
	if c.begun.CompareAndSwap(false, true) {
		defer close(c.done)
		c.result = f(ctx)
		return c.result
	}
	if Wait(ctx, c.done) {
		return c.result
	}
	return ctx.Err()
}

// Wait waits until done is closed or ctx ends, and reports whether it is closed.
func Wait(ctx context.Context, done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
	}
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// Done is closed when f has returned.
func Done(f func()) <-chan struct{} {
	done := make(chan struct{})
	go func() { f(); close(done) }()
	return done
}

// Within calls f and waits for it at most until ctx has ended and grace is over, since f may have
// only begun by then. what names it in the error.
func Within(ctx context.Context, grace time.Duration, what string, f func() error) (err error) {
	var result error
	done := Done(func() { result = f() })
	if Wait(ctx, done) {
		return result
	}
	over, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if Wait(over, done) {
		return result
	}
	return fmt.Errorf("%s: %w", what, ctx.Err())
}
