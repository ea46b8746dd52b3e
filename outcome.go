package gate

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"
)

// Outcome is what became of a request that was let in. What was answered counts, not how
// the handler ended.
type Outcome struct {
	// Status is what was answered: the first status of 200 or above, or 101; 101 for a
	// connection that was taken over before there was one. A handler that returns and wrote
	// nothing has answered 200, unless its request's deadline has passed, which is a 504, or
	// the router knows of an error, whose status it is: somebody in front answers then. It
	// is 0 if the handler panicked and nothing of an answer can have reached the client.
	Status int
	// Bytes is how much of a body was written, 0 in answer to HEAD.
	Bytes int64
	// Hijacked says that the handler took the connection over, as websockets do.
	Hijacked bool
	// Panicked says that the handler did not return: it panicked, also with
	// http.ErrAbortHandler, or ended its goroutine.
	Panicked bool
	// Err is what the handler returned, in routers whose handlers return errors.
	Err error
	// ClientGone says that the client had left before the handler was done. A client that
	// has closed only its own side, and was answered all the same, has not. Duration is
	// the time from admission to the handler's end. The gate fills both.
	ClientGone bool
	Duration   time.Duration
}

// Succeeded is the rule for reporting usage where a policy has none of its own: the
// client was answered with a status below 400.
func (o Outcome) Succeeded() bool { return o.Status > 0 && o.Status < 400 }

// Observer has functions that are told what the gate does, for metrics, traces and logs.
// Those that are nil are not called. They must return at once: the first two are called on
// the request's own goroutine, the others on those that read and deliver. A customer's id is
// in what they are told; keep it out of a metric's labels.
type Observer struct {
	// Decided is called when a decision is made: once for each request, and for each
	// Gate.Check and Gate.Admit, whose decision has no Method.
	Decided func(ctx context.Context, d Decision)
	// Settled is called once for each request that was let in by a policy that
	// reports, when its handler is done; reported is empty if it was released.
	Settled func(ctx context.Context, d Decision, o Outcome, reported []Usage)
	// Read is called after each read of a customer's set; err is what failed. It and Delivered
	// should return at once: a call that takes longer than a second is left behind, and the
	// function is not called again until it has returned. A panic of theirs is logged.
	Read func(took time.Duration, err error)
	// Delivered is called after each attempt to deliver a batch of usages; err is what failed.
	// All of a batch are of one kind, changes and totals being one.
	Delivered func(batch []Usage, took time.Duration, err error)
}

// observers are told in the order in which they were given.
type observers []Observer

func (all observers) decided(ctx context.Context, d *Decision) {
	for i := range all {
		if all[i].Decided != nil {
			all[i].Decided(ctx, *d)
		}
	}
}

func (all observers) read(took time.Duration, err error) {
	for i := range all {
		if all[i].Read != nil {
			all[i].Read(took, err)
		}
	}
}

func (all observers) delivered(batch []Usage, took time.Duration, err error) {
	for i := range all {
		if all[i].Delivered != nil {
			all[i].Delivered(batch, took, err)
		}
	}
}

func (all observers) settled(ctx context.Context, d *Decision, o Outcome, reported []Usage) {
	for i := range all {
		if all[i].Settled != nil {
			all[i].Settled(ctx, *d, o, reported)
		}
	}
}

// observing calls the functions of observers that are told of reads and deliveries. They are the
// app's, and called by the goroutines that read and deliver: one that panics must not make an answer
// of Stigg's a failure, and one that never returns must stop nobody. So each call has a goroutine
// of its own, which is waited for, but not long; while a call hangs, that function is not called.
type observing struct {
	logger  *slog.Logger
	hanging atomic.Int32 // calls that were left behind
}

// observerWait is how long a function of an observer's is waited for.
const observerWait = time.Second

func (o *observing) guard(all observers) observers {
	all = slices.Clone(all)
	for i := range all {
		if read := all[i].Read; read != nil {
			c := &observed{observing: o}
			all[i].Read = func(took time.Duration, err error) { c.call(func() { read(took, err) }) }
		}
		if delivered := all[i].Delivered; delivered != nil {
			c := &observed{observing: o}
			all[i].Delivered = func(batch []Usage, took time.Duration, err error) {
				batch = slices.Clone(batch) // the reporter may be given it again
				c.call(func() { delivered(batch, took, err) })
			}
		}
	}
	return all
}

// observed is one function.
type observed struct {
	*observing
	hangs atomic.Int32
}

func (o *observed) call(f func()) {
	if o.hangs.Load() > 0 {
		return
	}
	done, over := make(chan struct{}), new(atomic.Bool)
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				o.logger.Error("gate: an application's function panicked", "error", fmt.Errorf("gate: an observer panicked with a %T", p))
			}
			if !over.CompareAndSwap(false, true) {
				o.hangs.Add(-1)
				o.hanging.Add(-1)
			}
		}()
		f()
	}()
	timer := time.NewTimer(observerWait)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		o.hangs.Add(1)
		o.hanging.Add(1)
		if !over.CompareAndSwap(false, true) { // it has just returned
			o.hangs.Add(-1)
			o.hanging.Add(-1)
		}
	}
}
