package gate

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"
	"unicode/utf8"
)

// Reporter takes usage to Stigg. Package client is one.
//
// Report delivers one batch and answers in the batch's order, one Ack for each. A
// batch holds changes and totals, at most 100; or events, at most 1,000; or credits, at
// most 100. An error means that it is not known what Stigg did with the batch: the gate
// sends the same usage again, with the same keys, so a batch may arrive twice and must
// not count twice. Report must end when ctx does.
//
// An *UpstreamError says what its failure means; any other error means that Stigg is down.
// A Reporter that is also a Pacer is asked how fast to report.
type Reporter interface {
	Report(ctx context.Context, batch []Usage) ([]Ack, error)
}

// Pacer is a Reporter that tells how fast Stigg's rate limit lets it report. Package client
// is one.
type Pacer interface {
	// Pace is how long to wait between two batches of a kind, so that what the rate limit
	// leaves is not used up; it is asked for UsageChange of totals, too. The gate waits at
	// least its own pause and at most 5 s.
	Pace(kind UsageKind) time.Duration
}

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
func (k UsageKind) String() string {
	switch k {
	case UsageChange:
		return "change"
	case UsageTotal:
		return "total"
	case UsageEvent:
		return "event"
	case UsageCredits:
		return "credits"
	default:
		return fmt.Sprintf("kind %d", uint8(k))
	}
}

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
	// Dimensions are sent along; the meters of events filter and sum by them. The
	// values must be encodable as JSON, at most 1 MB in all.
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

// maxNamed bounds names, keys and dimensions of one usage together: the largest event
// that Stigg takes is 1 MB, and some of it is ids, time and punctuation.
const maxNamed = 1_000_000 - 4096

// validate checks everything, except that there is a key and a time, and returns u with
// dimensions that nobody can change any more: encoded.
func (u Usage) validate() (Usage, error) {
	if err := u.Customer.Validate(); err != nil {
		return u, &UsageError{Problem: "names no customer", Err: err}
	}
	if problem := u.named(); problem != "" {
		return u, &UsageError{Problem: problem}
	}
	value := u.Value
	if u.Kind == UsageChange {
		value = max(value, -value) // a change may give back
	}
	if err := cmp.Or(checkAmount(value), checkAmount(u.Excess)); err != nil {
		return u, &UsageError{Problem: "has no value that can be counted", Err: err}
	}
	if len(u.Event)+len(u.Currency)+len(u.Key) > maxNamed {
		return u, &UsageError{Problem: "has names of more than 1 MB"}
	}
	var err error
	u.Dimensions, err = encodeDimensions(u.Dimensions, len(u.Event)+len(u.Currency)+len(u.Key))
	return u, err
}

// named returns what is wrong with what u names, or "".
func (u *Usage) named() string {
	feature := u.Kind == UsageChange || u.Kind == UsageTotal || u.Kind == UsageEvent && u.FeatureID != ""
	switch {
	case u.Kind > UsageCredits:
		return "is of no known kind"
	case feature && checkID(u.FeatureID, false) != "":
		return "names no feature: its id " + checkID(u.FeatureID, false)
	case u.Kind == UsageEvent && u.Event == "":
		return "is an event without a name"
	case u.Kind == UsageCredits && u.Currency == "":
		return "takes credits of no currency"
	case u.Kind == UsageCredits && u.Value == 0:
		return "takes no credits"
	case !utf8.ValidString(u.Event) || !utf8.ValidString(u.Currency) || !utf8.ValidString(u.Key):
		return "has a name that is not UTF-8" // JSON would make different keys the same
	}
	if year := u.CreatedAt.UTC().Year(); year < 1 || year > 9999 {
		return "is of a year that is not in 1..9999"
	}
	return ""
}

// encodeDimensions encodes the values, so that nothing that follows can stumble over
// one of them or see it change. size is that of the rest.
func encodeDimensions(dimensions map[string]any, size int) (map[string]any, error) {
	if len(dimensions) == 0 {
		return nil, nil
	}
	encoded := maps.Clone(dimensions)
	for name, value := range dimensions {
		raw, err := json.Marshal(value)
		if err != nil {
			return nil, &UsageError{Problem: "has a dimension that can't be encoded as JSON"}
		}
		if size += len(name) + len(raw) + len(`"":,`); size > maxNamed {
			return nil, &UsageError{Problem: "has dimensions of more than 1 MB"}
		}
		encoded[name] = json.RawMessage(raw)
	}
	return encoded, nil
}

// sizeOfUsage is about what a usage takes on the wire, and in memory, beside its dimensions and
// the texts that are its own.
const sizeOfUsage = 256

// bytes is about what u takes on the wire, if its dimensions are encoded.
func (u *Usage) bytes() int {
	n := sizeOfUsage + len(u.Event) + len(u.Currency) + len(u.Key)
	for name, value := range u.Dimensions {
		raw, _ := value.(json.RawMessage)
		n += len(name) + len(raw)
	}
	return n
}

// Ack is Stigg's answer to one Usage.
type Ack struct {
	// Delayed says that Stigg has taken the usage and counts it some seconds later, as
	// it always does with events.
	Delayed bool
	// Known says that Usage below was in the answer; Stigg may leave it out.
	Known bool
	// Usage is Stigg's count after this measurement, in the period below. For credits
	// it is what the wallet has consumed.
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
