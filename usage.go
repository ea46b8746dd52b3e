package gate

import (
	"context"
	"time"
)

// Reporter takes usage to Stigg. Package client is one.
//
// Report delivers one batch of at most 100 and answers in the batch's order, one
// Ack for each. An error means that it is not known what Stigg did with the batch:
// the gate sends the same usage again, with the same keys, so a batch may arrive
// twice and must not count twice. Report must end when ctx does.
//
// The error may say more by methods: Permanent() bool, true if Stigg refused the batch
// as it is and counted none of it; Temporary() bool, false if the batch itself may be
// at fault, not Stigg or the network as a whole; RetryAfter() time.Duration, the pause
// that Stigg asks for.
type Reporter interface {
	Report(ctx context.Context, batch []Usage) ([]Ack, error)
}

// Usage is one measurement: a change of what a customer uses of a feature. Its
// Key and CreatedAt are fixed at birth and stay the same in every attempt to
// deliver it, so that Stigg counts it once and in the period it belongs to.
type Usage struct {
	Customer  Customer
	FeatureID string
	// Value is the change; negative gives back.
	Value float64
	// Key is the idempotency key.
	Key string
	// CreatedAt is when the request was admitted.
	CreatedAt time.Time
}

// Ack is Stigg's answer to one Usage.
type Ack struct {
	// Known says that Usage below was in the answer; Stigg may leave it out.
	Known bool
	// Usage is Stigg's count after this measurement, in the period below.
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
