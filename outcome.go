package gate

import (
	"context"
	"time"
)

// Outcome is what became of a request that was let in.
type Outcome struct {
	// Status is what the handler answered: its first status of 200 or above, or 101;
	// 200 if it answered without naming one.
	Status int
	// Bytes is how much of a body was written, where the adapter counts it.
	Bytes int64
	// Hijacked says that the handler took the connection over, as websockets do.
	Hijacked bool
	// Panicked says that the handler did not return; Status means nothing then.
	Panicked bool
	// Err is what the handler returned, in routers whose handlers return errors.
	Err error
	// ClientGone says that the client had left before the handler was done. Duration is
	// the time from admission to the handler's end. The gate fills both.
	ClientGone bool
	Duration   time.Duration
}

// Succeeded is the rule for reporting usage where a policy has none of its own: a
// status below 400 and no panic.
func (o Outcome) Succeeded() bool { return !o.Panicked && o.Status < 400 }

// Observer is told what the gate does, for metrics, traces and logs. Its methods are
// called on the request's own goroutine and must return at once.
type Observer interface {
	// Decided is called once for each request, when its decision is made.
	Decided(ctx context.Context, d Decision)
	// Settled is called once for each request that was let in by a policy that
	// reports, when its handler is done; reported is empty if it was released.
	Settled(ctx context.Context, d Decision, o Outcome, reported []Usage)
}
