package gate

import (
	"context"
	"iter"
	"time"

	"github.com/stiggate/gate/internal/delivery"
	"github.com/stiggate/gate/internal/ledger"
	"github.com/stiggate/gate/internal/usage"
	"github.com/stiggate/gate/internal/valid"
)

// UsageKind says what the Value of a Usage is.
type UsageKind uint8

const (
	// UsageChange is a change of what is used of a feature, negative to give back:
	// Stigg's DELTA.
	UsageChange UsageKind = iota
	// UsageTotal is the new total of a feature: Stigg's SET. No change or total that was
	// reported before it for this customer and feature arrives after it; events travel
	// apart.
	UsageTotal
	// UsageEvent is a raw event, of which Stigg makes usage by the meters of the
	// catalog. Stigg answers no usage to it and takes seconds to count it; until then
	// Value counts in the ledger, if FeatureID says of what.
	UsageEvent
	// UsageCredits takes Value credits out of a wallet.
	UsageCredits
)

// String is the kind in lower case.
func (k UsageKind) String() string { return usage.Kind(k).String() }

// Usage is one measurement of what a customer uses. Its Key and CreatedAt are fixed at
// birth and stay the same in every attempt to deliver it, so that Stigg counts it once
// and in the period it belongs to.
type Usage struct {
	Customer Customer
	Kind     UsageKind
	// FeatureID is the metered feature of a change or a total. Of an event it says
	// where Value counts until Stigg has counted the event; it may be empty there.
	FeatureID string
	Value     float64
	// Event is the event's name, which the meters look for.
	Event string
	// Currency is the wallet that credits are taken from.
	Currency string
	// Dimensions are sent along for the meters of events: values encodable as JSON, at most 1 MB in all.
	Dimensions map[string]any
	// Excess is how much of Value is more than the request was admitted with.
	Excess float64
	// Key is the idempotency key.
	Key string
	// CreatedAt is when the request was admitted, or the work was done.
	CreatedAt time.Time
}

// UsageError says what is wrong with a Usage. It holds nothing of the customer's.
type UsageError struct {
	Problem string
	Err     error // what is beneath, or nil
}

func (e *UsageError) Error() string {
	if e.Err != nil {
		return "gate: usage " + e.Problem + ": " + e.Err.Error()
	}
	return "gate: usage " + e.Problem
}

// Unwrap returns what is beneath.
func (e *UsageError) Unwrap() error { return e.Err }

// AmountError is an amount that no plan can be asked for.
type AmountError struct{ Problem string }

func (e *AmountError) Error() string { return "gate: amount " + e.Problem }

func checkAmount(n float64) error {
	if problem := valid.Amount(n); problem != "" {
		return &AmountError{problem}
	}
	return nil
}

// checked is u as it is queued, if it can be: with dimensions that nobody can change any more.
// It may still want a key and a time.
func (u Usage) checked() (*usage.Usage, error) {
	if err := u.Customer.Validate(); err != nil {
		return nil, &UsageError{Problem: "names no customer", Err: err}
	}
	to := u.queued()
	problem, amount := to.Check()
	switch {
	case amount != "":
		return nil, &UsageError{Problem: problem, Err: &AmountError{amount}}
	case problem != "":
		return nil, &UsageError{Problem: problem}
	}
	return to, nil
}

// queued is u in the words of the queue, whole as it waits there, and ofQueued the way back.
func (u *Usage) queued() *usage.Usage {
	return &usage.Usage{
		Customer: ledger.Owner(u.Customer), Kind: usage.Kind(u.Kind), FeatureID: u.FeatureID, Value: u.Value, Event: u.Event,
		Currency: u.Currency, Dimensions: u.Dimensions, Excess: u.Excess, Key: u.Key, CreatedAt: u.CreatedAt,
	}
}

func (u *Usage) whole() usage.Queued { return usage.Whole(u.queued()) }

func ofQueued(q usage.Queued, keys delivery.Keys) Usage {
	u := q.Usage(keys)
	return Usage{
		Customer: Customer(u.Customer), Kind: UsageKind(u.Kind), FeatureID: u.FeatureID, Value: u.Value, Event: u.Event,
		Currency: u.Currency, Dimensions: u.Dimensions, Excess: u.Excess, Key: u.Key, CreatedAt: u.CreatedAt,
	}
}

// encodeDimensions encodes the values. size is that of the rest.
func encodeDimensions(dimensions map[string]any, size int) (map[string]any, error) {
	encoded, problem := valid.Encode(dimensions, size)
	if problem != "" {
		return nil, &UsageError{Problem: problem}
	}
	return encoded, nil
}

// Reporter takes usage to Stigg. Package client is one.
//
// Report delivers one batch and answers in the batch's order, one Ack for each. A
// batch holds changes and totals, at most 100; or events, at most 1,000; or credits, at
// most 100. An error means that it is not known what Stigg did with the batch: the gate
// sends the same usage again, with the same keys, so a batch may arrive twice and must
// not count twice. Report must end when ctx does.
//
// An *UpstreamError says what its failure means; any other error means that Stigg is down. A
// number of answers that is not the batch's is UpstreamGarbled.
// A Reporter that is also a Pacer is asked how fast to report.
type Reporter interface {
	Report(ctx context.Context, batch []Usage) ([]Ack, error)
}

// Pacer is a Reporter that tells how fast Stigg's rate limit lets it report, as package client does.
type Pacer interface {
	// Pace is how long to wait between two batches of a kind, so that what the rate limit
	// leaves is not used up; it is asked for UsageChange of totals, too. The gate waits at
	// least its own pause and at most 5 s.
	Pace(kind UsageKind) time.Duration
}

// Ack is Stigg's answer to one Usage.
type Ack struct {
	// Delayed says that Stigg has taken the usage and counts it some seconds later, as
	// it always does with events.
	Delayed bool
	// Known says that Usage below was in the answer; Stigg may leave it out.
	Known bool
	// Usage is Stigg's count after this measurement, in the period below; of credits, what is consumed.
	Usage                  float64
	PeriodStart, PeriodEnd time.Time
	// At is Stigg's time of the answer; acknowledgements are ordered by it.
	At time.Time
	// Credit is the wallet after this measurement, for a feature paid in credits.
	Credit *CreditAck
}

// CreditAck is the wallet's side of an Ack.
type CreditAck struct {
	CurrencyID string
	Usage      float64
	At         time.Time
	PeriodEnd  time.Time
}

// Outbox keeps usage until Stigg has it, beyond the life of the process. Package
// outbox is one, on disk. The gate it is given to by WithOutbox closes it.
//
// What the gate does with it: usage is appended when it is settled, before the
// response leaves, and only then queued for delivery; what Stigg has acknowledged is
// done, what Stigg refused for good is set aside. At start the gate takes over what is
// pending. So a usage is delivered at least once, with the same Key and CreatedAt in
// every attempt, and Stigg counts it once.
//
// What finds no place in memory (WithQueueSize) waits in the outbox alone; Pending reads it back.
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
	// appended meanwhile may be. An error with a position is yielded for what can't be read; the rest
	// follows. After one without nothing need follow, and the gate reads again from where it was.
	// Several may run at once, and a caller may take its time between two usages.
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

// Adopter is an Outbox that processes share: usage of one that has ended is delivered by one that runs.
type Adopter interface {
	// Adopt gives such usage to take until ctx ends, some hundreds at most at once, each usage once. take
	// takes all of them, and Done or SetAside follow, or none: then its error is ErrQueueFull, and they
	// are offered later, or ErrClosed. If Adopt fails it is called again, more and more seldom.
	Adopt(ctx context.Context, take func(u ...Usage) error) error
}

// TxOutbox is an Outbox that transactions of the app's put usage into, with Ticket.SettleIn.
type TxOutbox interface {
	Outbox
	// Kept says of each usage whether it is kept, or was and is done, and whether the transactions that
	// put it in are over: until then it may yet be kept. It must return when ctx ends. With an error
	// nothing is known, and it is asked again.
	Kept(ctx context.Context, u ...Usage) (kept, over []bool, err error)
}

// OutboxMeter is an Outbox that tells Stats, from memory, how it is doing, as package outbox's does.
type OutboxMeter interface{ Stats() OutboxStats }

// OutboxStats is what an Outbox holds at this moment.
type OutboxStats struct {
	// Pending usages wait to be delivered, SetAside were refused for good.
	Pending, SetAside int
	// Bytes are taken of MaxBytes; from there on nothing is kept.
	Bytes, MaxBytes int64
	// Sync is how long the last write to the disk took.
	Sync time.Duration
	// Err is why nothing is kept at present, or nil.
	Err error
}

// OutboxError says that the outbox does not keep usage.
type OutboxError struct {
	// Taken says that the usage is delivered from memory all the same; a crash may lose
	// it. Otherwise it was refused.
	Taken bool
	Err   error // what the outbox said
}

func (e *OutboxError) Error() string {
	if e.Taken {
		return "gate: the outbox does not keep usage (it is delivered from memory): " + e.Err.Error()
	}
	return "gate: the outbox does not keep usage: " + e.Err.Error()
}

// Unwrap returns what the outbox said.
func (e *OutboxError) Unwrap() error { return e.Err }
