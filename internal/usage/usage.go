// Package usage is what is known of one usage on its way to Stigg: whether it can be counted,
// where it counts, how it is batched and ordered, and in how few words it waits.
package usage

import (
	"cmp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stiggate/gate/internal/delivery"
	"github.com/stiggate/gate/internal/ledger"
	"github.com/stiggate/gate/internal/valid"
)

// Kind says what the Value of a Usage is. The values are those of gate.UsageKind.
type Kind uint8

// The kinds, as gate documents them.
const (
	Change Kind = iota
	Total
	Event
	Credits
)

// String is the kind in lower case.
func (k Kind) String() string {
	if k > Credits {
		return "kind " + strconv.Itoa(int(k))
	}
	return [...]string{"change", "total", "event", "credits"}[k]
}

// Usage is one measurement. Its fields are those of gate.Usage, which documents them.
type Usage struct {
	Customer   ledger.Owner
	Kind       Kind
	FeatureID  string
	Value      float64
	Event      string
	Currency   string
	Dimensions map[string]any
	Excess     float64
	Key        string
	CreatedAt  time.Time
}

// Check checks everything but the customer, and that there is a key and a time. It encodes the
// dimensions and copies the names, so that nobody can change them any more. It returns what is wrong, or ""; amount is
// what is wrong with an amount, if that is it.
func (u *Usage) Check() (problem, amount string) {
	if problem := u.named(); problem != "" {
		return problem, ""
	}
	value := u.Value
	if u.Kind == Change {
		value = max(value, -value) // a change may give back
	}
	if amount := cmp.Or(valid.Amount(value), valid.Amount(u.Excess)); amount != "" {
		return "has no value that can be counted", amount
	}
	if u.names() > valid.MaxNamed {
		return "has names of more than 1 MB", ""
	}
	for _, name := range [...]*string{&u.Customer.ID, &u.Customer.Resource, &u.FeatureID, &u.Event, &u.Currency, &u.Key} {
		*name = strings.Clone(*name)
	}
	u.Dimensions, problem = valid.Encode(u.Dimensions, u.names())
	return problem, ""
}

// named returns what is wrong with what u names, or "".
func (u *Usage) named() string {
	feature := u.Kind == Change || u.Kind == Total || u.Kind == Event && u.FeatureID != ""
	switch {
	case u.Kind > Credits:
		return "is of no known kind"
	case feature && valid.ID(u.FeatureID, false) != "":
		return "names no feature: its id " + valid.ID(u.FeatureID, false)
	case u.Kind == Event && u.Event == "":
		return "is an event without a name"
	case u.Kind == Credits && u.Currency == "":
		return "takes credits of no currency"
	case u.Kind == Credits && u.Value == 0:
		return "takes no credits"
	case !utf8.ValidString(u.Event) || !utf8.ValidString(u.Currency) || !utf8.ValidString(u.Key):
		return "has a name that is not UTF-8" // JSON would make different keys the same
	}
	if year := u.CreatedAt.UTC().Year(); year < 1 || year > 9999 {
		return "is of a year that is not in 1..9999"
	}
	return ""
}

// names is how many bytes the names take that are u's own.
func (u *Usage) names() int { return len(u.Event) + len(u.Currency) + len(u.Key) }

// size is about what a usage takes on the wire, and in memory, beside its dimensions and the
// texts that are its own.
const size = 256

// header is what the queue must know of u, whose dimensions are encoded.
func (u *Usage) header() delivery.Header {
	return delivery.Header{
		Lane: u.Kind.lane(), Total: u.Kind == Total, Size: size + u.names() + valid.Size(u.Dimensions), Value: u.Value, CreatedAt: u.CreatedAt,
	}
}

// lane is the kind of batch that takes usage of this kind.
func (k Kind) lane() delivery.Lane {
	switch k {
	case Event:
		return delivery.Events
	case Credits:
		return delivery.Credits
	default:
		return delivery.Measurements
	}
}

// Of is a kind of what a lane takes.
func Of(l delivery.Lane) Kind {
	return [...]Kind{delivery.Measurements: Change, delivery.Events: Event, delivery.Credits: Credits}[l]
}

// series is what Stigg refuses u by.
func (u *Usage) series() delivery.Series {
	s := delivery.Series{Customer: u.Customer.ID, Resource: u.Customer.Resource, Feature: u.FeatureID}
	switch u.Kind {
	case Event:
		s.Event = u.Event
	case Credits:
		s.Feature, s.Currency = "", u.Currency
	}
	return s
}

// Record puts u, which no admission made room for, into the ledger: on feature, if that is known
// of the customer's feature, or else on its account in the book.
func (u *Usage) Record(b *ledger.Book, feature *ledger.Meter, now time.Time) (e ledger.Entry) {
	switch {
	case u.Kind == Credits:
		feature = b.Wallet(u.Currency).Meter()
	case u.FeatureID == "":
		return b.Nowhere()
	case feature == nil:
		feature = b.Feature(u.FeatureID).Meter()
	}
	if u.Kind == Total {
		return feature.RecordTotal(u.Value, u.CreatedAt, now)
	}
	e = feature.Record(u.Value, u.CreatedAt, now)
	if u.Kind == Event {
		e.AsEvent()
	}
	return e
}
