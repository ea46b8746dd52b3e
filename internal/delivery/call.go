package delivery

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/stiggate/gate/internal/ledger"
)

const (
	// reportTimeout bounds one attempt.
	reportTimeout = 30 * time.Second
	// reportGrace is how much later than its context a call of the reporter may return before it
	// is left behind.
	reportGrace = time.Second
	// mostCalls bounds a lane's calls of the reporter that are under way: one, and those that
	// never return.
	mostCalls = 4
)

var (
	errHanging = errors.New("gate: the reporter has not returned, though the context of its call has ended")
	errEnded   = errors.New("gate: the reporter ended its goroutine")
	errCalls   = errors.New("gate: the reporter returns from none of its calls, though their contexts have ended")
)

// calls are a lane's calls of the reporter. One that does not return when its context ends is
// left behind, so that it stops nobody; as if its answer was lost.
type calls struct {
	under   chan struct{} // holds a token for each that is under way
	hanging atomic.Int32  // those left behind
}

func newCalls() calls { return calls{under: make(chan struct{}, mostCalls)} }

type answer struct {
	acks []ledger.Ack
	err  error
}

// call makes one call.
func (c *calls) call(ctx context.Context, report func(context.Context) ([]ledger.Ack, error)) ([]ledger.Ack, error) {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	select {
	case c.under <- struct{}{}:
	case <-ctx.Done():
		return nil, errCalls
	}
	answered, left := make(chan answer, 1), new(atomic.Bool)
	go func() {
		a := answer{err: errEnded}
		defer func() {
			answered <- a
			if !left.CompareAndSwap(false, true) {
				c.hanging.Add(-1)
			}
			<-c.under
		}()
		var told answer
		if err := safely("the reporter", func() error { told.acks, told.err = report(ctx); return nil }); err != nil {
			told = answer{err: err}
		}
		a = told
	}()
	return c.await(ctx, answered, left)
}

// await waits for the answer, and not much longer than ctx allows.
func (c *calls) await(ctx context.Context, answered <-chan answer, left *atomic.Bool) ([]ledger.Ack, error) {
	select {
	case a := <-answered:
		return a.acks, a.err
	case <-ctx.Done():
	}
	grace := time.NewTimer(reportGrace)
	defer grace.Stop()
	select {
	case a := <-answered:
		return a.acks, a.err
	case <-grace.C:
	}
	c.hanging.Add(1)
	if !left.CompareAndSwap(false, true) { // it has just returned
		c.hanging.Add(-1)
		a := <-answered
		return a.acks, a.err
	}
	return nil, errHanging
}

// safely makes an error of a panic. Of its value only what the runtime says is told: others may
// hold what is a customer's.
func safely(what string, do func() error) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case runtime.Error:
			err = fmt.Errorf("gate: %s panicked: %w", what, p)
		default:
			err = fmt.Errorf("gate: %s panicked with a %T", what, p)
		}
	}()
	return do()
}
