package gate

import (
	"context"
	"time"

	"github.com/stiggate/gate/internal/callback"
)

// Outcome is what became of a request that was let in. What was answered counts, not how
// the handler ended.
type Outcome struct {
	// Status is what was answered: the first status of 200 or above, or 101; 101 for a
	// connection that was taken over before there was one. A handler that returns and wrote nothing
	// has answered 200, unless its request's deadline has passed (504), the app has ended its context
	// with a cause (503), or the router knows of an error, whose status it is: somebody in front answers
	// then. It is 0 if the handler panicked and nothing of an answer can have reached the client.
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
	// ClientGone says that the client had left before the handler was done. One that has closed
	// only its own side, and was answered all the same, has not; nor has one whose request the app
	// has ended with a cause. Duration is from admission to the handler's end. The gate fills both.
	ClientGone bool
	Duration   time.Duration
}

// Succeeded is the rule for reporting usage where a policy has none of its own: the
// client was answered with a status below 400.
func (o Outcome) Succeeded() bool { return o.Status > 0 && o.Status < 400 }

// Observer has functions that are told what the gate does, for metrics, traces and logs.
// Those that are nil are not called. They must return at once: Decided, Settled and Waited
// are called on the request's own goroutine, the others on those that read and deliver. A customer's id is
// in what they are told; keep it out of a metric's labels.
type Observer struct {
	// Decided is called when a decision is made: once for each request, and for each
	// Gate.Check and Gate.Admit, whose decision has no Method.
	Decided func(ctx context.Context, d Decision)
	// Settled is called once for each request that was let in by a policy that
	// reports, when its handler is done; reported is empty if it was released.
	Settled func(ctx context.Context, d Decision, o Outcome, reported []Usage)
	// Reading is called before each read of a customer's set. It returns the context of the read, made
	// from ctx: the Source is given it, and so are Read and Waited. Many decisions may wait for one read,
	// so ctx is none of theirs. It, Read and Delivered should return at once: a call that takes longer
	// than a second is left behind, and the function is not called again until it has returned. A panic
	// of theirs is logged.
	Reading func(ctx context.Context) context.Context
	// Read is called after each read, unless the Source panicked; err is what failed.
	Read func(read context.Context, took time.Duration, err error)
	// Waited is called just before Decided, once for each read that the decision waited for, also if it
	// gave up waiting: to link their spans.
	Waited func(ctx, read context.Context)
	// Delivered is called after each attempt to deliver a batch of usages; err is what failed.
	// All of a batch are of one kind, changes and totals being one.
	Delivered func(batch []Usage, took time.Duration, err error)
}

// observers are told in the order in which they were given.
type observers = callback.Observers[Decision, Outcome, Usage]
