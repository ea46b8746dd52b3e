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
// What does not find a place in memory (WithQueue) waits in the outbox alone, and is read back
// by Pending.
//
// A usage is known by its customer and resource, feature, event, currency and key together, as
// Stigg knows it: an app may give one key to usage of several features.
//
// All methods may be called from any goroutine at any time.
type Outbox interface {
	// Append keeps usage. Once it returns nil, a crash does not lose it (an outbox may
	// have a mode in which that becomes true a little later). With an error it is not
	// known whether the usage is kept; the gate delivers it from memory all the same.
	// Append must return when ctx ends.
	Append(ctx context.Context, u ...Usage) error
	// Done forgets usage that Stigg has. It ignores what it does not know. It
	// need not be durable at once: what is forgotten too late is sent again and counts
	// once. It must not wait for the disk, nor must SetAside.
	Done(u ...Usage) error
	// SetAside keeps usage that Stigg refused for good, with the reason, for a person
	// to look at. It is no longer pending.
	SetAside(u Usage, reason string) error
	// Pending yields what is kept behind a position and neither done nor set aside, in the
	// order of Append; from 0 it is all. What was appended before the call is yielded, what is
	// appended meanwhile may be. An error is yielded for what can't be read; the rest still
	// follows. Several may run at once, and a caller may take its time between two usages.
	Pending(after Position) iter.Seq2[Kept, error]
	// Healthy is nil, or says why the next Append is expected to fail: a full disk, a
	// disk that fails, a bound that is reached. It is asked before every request that
	// may report usage, so it must answer from memory.
	Healthy() error
	// Close makes durable what was appended and frees the store. What is pending stays
	// there for the next start.
	Close() error
}

// Position is where a usage is in an Outbox: those appended later have greater ones. It is at
// least 1, and stays the same while the Outbox is open.
type Position uint64

// Kept is a usage in an Outbox.
type Kept struct {
	Usage
	At Position
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
