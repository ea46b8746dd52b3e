package client

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client/internal/wire"
)

// record is what measurements, events and consumptions have in common: who, when, with what key
// that lets it be sent again and count once, and with what beside it.
type record struct {
	customer   gate.Customer
	key        string
	at         time.Time
	dimensions map[string]any
}

// recorded is a record that was checked. It shares nothing with the record.
type recorded struct {
	at         *wire.Time
	dimensions map[string]any
}

// check finds what is malformed. A time that is zero becomes that of the call.
func (c *Client) check(op, what string, r record) (recorded, error) {
	if err := customer(op, r.customer); err != nil {
		return recorded{}, err
	}
	if r.at.IsZero() {
		r.at = c.now()
	}
	switch {
	case r.key == "":
		return recorded{}, invalid(op, what+" has no idempotency key", nil)
	case !wire.Representable(r.at):
		return recorded{}, invalid(op, "the year of a time is not in 1..9999", nil)
	}
	dimensions, err := encodable(r.dimensions)
	if err != nil {
		return recorded{}, invalid(op, "dimensions can't be encoded as JSON", nil)
	}
	c.used(r.customer)
	return recorded{wire.NewTime(r.at), dimensions}, nil
}

// encodable encodes the values of m and returns them as raw JSON. Nothing that
// follows can then stumble over a value: the generated encoder panics at a channel.
func encodable(m map[string]any) (map[string]any, error) {
	if len(m) == 0 {
		return nil, nil
	}
	encoded := make(map[string]any, len(m))
	for name, v := range m {
		raw, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		encoded[name] = json.RawMessage(raw)
	}
	return encoded, nil
}

// fits is the error of an input that is too large.
func fits(op, what string, input any) error {
	if whole, err := json.Marshal(input); err != nil || len(whole) > MaxEventSize {
		return invalid(op, what+" is larger than 1 MB", nil)
	}
	return nil
}

// inputs makes the inputs of a batch of at most most, or of none if one is malformed.
func inputs[T, In any](op, what string, most int, batch []T, input func(op string, one T) (*In, error)) ([]*In, error) {
	if len(batch) > most {
		return nil, invalid(op, fmt.Sprintf("%d %s are more than %d", len(batch), what, most), nil)
	}
	all := make([]*In, len(batch))
	for i, one := range batch {
		in, err := input(op, one)
		if err != nil {
			return nil, err
		}
		all[i] = in
	}
	return all, nil
}
