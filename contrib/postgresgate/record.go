package postgresgate

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/stiggate/gate"
)

// record is a gate.Usage as the column usage has it, for people to read too. Numbers and the JSON of
// dimensions are texts, so that they come back as they were.
type record struct {
	Kind       gate.UsageKind    `json:"kind"`
	Customer   string            `json:"customer"`
	Resource   string            `json:"resource,omitempty"`
	Feature    string            `json:"feature,omitempty"`
	Value      string            `json:"value"`
	Excess     string            `json:"excess,omitempty"`
	Event      string            `json:"event,omitempty"`
	Currency   string            `json:"currency,omitempty"`
	Dimensions map[string]string `json:"dimensions,omitempty"`
	Key        string            `json:"key"`
	CreatedAt  time.Time         `json:"createdAt"`
}

// row is a usage as it is inserted.
type row struct {
	name   []byte
	series int64
	total  bool
	usage  string
}

func encode(u *gate.Usage) (row, error) {
	if u.Key == "" {
		return row{}, errors.New("postgresgate: usage has no idempotency key")
	}
	r := record{
		Kind: u.Kind, Customer: u.Customer.ID, Resource: u.Customer.Resource, Feature: u.FeatureID, Value: number(u.Value), Excess: number(u.Excess),
		Event: u.Event, Currency: u.Currency, Key: u.Key, CreatedAt: u.CreatedAt.UTC(),
	}
	for name, value := range u.Dimensions {
		raw, ok := value.(json.RawMessage)
		if !ok {
			var err error
			if raw, err = json.Marshal(value); err != nil {
				return row{}, errors.New("postgresgate: usage has a dimension that can't be encoded as JSON")
			}
		}
		if r.Dimensions == nil {
			r.Dimensions = make(map[string]string)
		}
		r.Dimensions[name] = string(raw)
	}
	text, err := json.Marshal(r)
	if err != nil {
		return row{}, errors.New("postgresgate: usage can't be encoded as JSON")
	}
	return row{name: nameOf(u), series: seriesOf(u), total: u.Kind == gate.UsageTotal, usage: string(text)}, nil
}

func decode(text string) (gate.Usage, error) {
	var r record
	err := json.Unmarshal([]byte(text), &r)
	value, bad := parse(r.Value)
	excess, worse := parse(r.Excess)
	if err != nil || bad != nil || worse != nil || r.Key == "" {
		return gate.Usage{}, errors.New("a usage can't be decoded")
	}
	u := gate.Usage{
		Customer: gate.Customer{ID: r.Customer, Resource: r.Resource}, Kind: r.Kind, FeatureID: r.Feature, Value: value, Excess: excess,
		Event: r.Event, Currency: r.Currency, Key: r.Key, CreatedAt: r.CreatedAt.UTC(),
	}
	for name, raw := range r.Dimensions {
		if u.Dimensions == nil {
			u.Dimensions = make(map[string]any)
		}
		u.Dimensions[name] = json.RawMessage(raw)
	}
	return u, nil
}

// bits marks a number that has no decimal form of its own.
const bits = "bits "

func number(n float64) string {
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return bits + strconv.FormatUint(math.Float64bits(n), 16)
	}
	if n == 0 && !math.Signbit(n) {
		return ""
	}
	return strconv.FormatFloat(n, 'g', -1, 64)
}

func parse(text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	if hex, ok := strings.CutPrefix(text, bits); ok {
		b, err := strconv.ParseUint(hex, 16, 64)
		return math.Float64frombits(b), err
	}
	return strconv.ParseFloat(text, 64)
}

// nameOf is of what Stigg knows a usage by.
func nameOf(u *gate.Usage) []byte {
	sum := hash(u.Customer.ID, u.Customer.Resource, u.FeatureID, u.Event, u.Currency, u.Key)
	return sum[:16]
}

// seriesOf is of what order matters within.
func seriesOf(u *gate.Usage) int64 {
	sum := hash(u.Customer.ID, u.Customer.Resource, u.FeatureID, u.Event, u.Currency)
	return int64(binary.BigEndian.Uint64(sum[:8])) //nolint:gosec // any 64 bits will do
}

func hash(parts ...string) [sha256.Size]byte {
	var b strings.Builder
	for _, p := range parts {
		_, _ = fmt.Fprintf(&b, "%d:%s,", len(p), p)
	}
	return sha256.Sum256([]byte(b.String()))
}
