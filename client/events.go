package client

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client/gql"
	"github.com/stiggate/gate/client/internal/wire"
)

const (
	// MaxEvents is the most events that one ReportEvent takes.
	MaxEvents = 1000
	// MaxEventSize is the most bytes that one event may have as JSON.
	MaxEventSize = 1_000_000
)

// Event is one raw event, of which Stigg makes usage by the meters of the features.
type Event struct {
	Customer gate.Customer
	// Name is the event's name, which the meters look for.
	Name string
	// Key is the idempotency key, required. Stigg counts once what agrees in customer,
	// resource, name, key and time.
	Key string
	// At is when it happened; the zero time is the time of the call. It is sent to the
	// millisecond.
	At time.Time
	// Dimensions are what meters filter and sum by; values must be encodable as JSON.
	Dimensions map[string]any
}

// ReportEvent reports up to MaxEvents raw events in one request. Stigg counts them
// within some ten seconds, answers no usage, and never counts an event that no
// meter looks for. None is sent if one of them is malformed or larger than
// MaxEventSize.
//
// After an error that is not Permanent it is unknown whether the events arrived:
// report them again with the same Key and the same At.
func (c *Client) ReportEvent(ctx context.Context, events []Event) error {
	if len(events) == 0 {
		return nil
	}
	if len(events) > MaxEvents {
		return invalid(opReportEvent, fmt.Sprintf("%d events are more than %d", len(events), MaxEvents), nil)
	}
	inputs := make([]*gql.UsageEventReportInput, len(events))
	for i, e := range events {
		input, err := c.event(e)
		if err != nil {
			return err
		}
		inputs[i] = input
	}
	_, err := c.api.ReportEvent(ctx, gql.UsageEventsReportInput{UsageEvents: inputs})
	return typed(opReportEvent, err)
}

// event checks e and makes an input of it that shares nothing with e.
func (c *Client) event(e Event) (*gql.UsageEventReportInput, error) {
	if err := e.Customer.Validate(); err != nil {
		return nil, invalid(opReportEvent, "", err)
	}
	if e.At.IsZero() {
		e.At = c.now()
	}
	switch {
	case e.Name == "":
		return nil, invalid(opReportEvent, "an event has no name", nil)
	case e.Key == "":
		return nil, invalid(opReportEvent, "an event has no idempotency key", nil)
	case !wire.Representable(e.At):
		return nil, invalid(opReportEvent, "the year of a time is not in 1..9999", nil)
	}
	dimensions, err := encodable(e.Dimensions)
	if err != nil {
		return nil, invalid(opReportEvent, "dimensions can't be encoded as JSON", nil)
	}
	input := &gql.UsageEventReportInput{
		CustomerID:     e.Customer.ID,
		ResourceID:     optional(e.Customer.Resource),
		EventName:      e.Name,
		IdempotencyKey: e.Key,
		Timestamp:      wire.NewTime(e.At),
		Dimensions:     dimensions,
	}
	if whole, err := json.Marshal(input); err != nil || len(whole) > MaxEventSize {
		return nil, invalid(opReportEvent, "an event is larger than 1 MB", nil)
	}
	c.used(e.Customer)
	return input, nil
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
