package gate

import (
	"context"
	"iter"
)

// Outbox keeps usage until Stigg has it, beyond the life of the process. Package
// outbox is one, on disk. The gate it is given to by WithOutbox closes it.
//
// What the gate does with it: usage is appended when it is settled, before the
// response leaves, and only then queued for delivery; what Stigg has acknowledged is
// done, what Stigg refused for good is set aside. At start the gate takes over what is
// pending. So a usage is delivered at least once, with the same Key and CreatedAt in
// every attempt, and Stigg counts it once.
//
// All methods may be called from any goroutine, except that Pending is called once,
// before the first Append.
type Outbox interface {
	// Append keeps usage. Once it returns nil, a crash does not lose it (an outbox may
	// have a mode in which that becomes true a little later). With an error it is not
	// known whether the usage is kept; the gate delivers it from memory all the same.
	// Append must return when ctx ends.
	Append(ctx context.Context, u ...Usage) error
	// Done forgets usage that Stigg has. It ignores keys that it does not know. It
	// need not be durable at once: what is forgotten too late is sent again and counts
	// once.
	Done(keys ...string) error
	// SetAside keeps usage that Stigg refused for good, with the reason, for a person
	// to look at. It is no longer pending.
	SetAside(key, reason string) error
	// Pending yields what is kept and neither done nor set aside, in the order of
	// Append. An error is yielded for what can't be read; the rest still follows.
	Pending() iter.Seq2[Usage, error]
	// Healthy is nil, or says why the next Append is expected to fail: a full disk, a
	// disk that fails, a bound that is reached. It is asked before every request that
	// may report usage, so it must answer from memory.
	Healthy() error
	// Close makes durable what was appended and frees the store. What is pending stays
	// there for the next start.
	Close() error
}

// OutboxError says that the outbox does not keep usage.
type OutboxError struct {
	// Taken says that the usage is delivered from memory all the same; a crash may lose
	// it. Otherwise it was refused.
	Taken bool
	Err   error // what the outbox said
}

func (e *OutboxError) Error() string {
	taken := ""
	if e.Taken {
		taken = " (it is delivered from memory)"
	}
	return "gate: the outbox does not keep usage" + taken + ": " + e.Err.Error()
}

// Unwrap returns what the outbox said.
func (e *OutboxError) Unwrap() error { return e.Err }
