package client

import (
	"context"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client/gql"
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
	all, err := inputs(opReportEvent, "events", MaxEvents, events, c.event)
	if err != nil {
		return err
	}
	_, err = c.api.ReportEvent(ctx, gql.UsageEventsReportInput{UsageEvents: all})
	return typed(opReportEvent, err)
}

// event checks e and makes an input of it that shares nothing with e.
func (c *Client) event(op string, e Event) (*gql.UsageEventReportInput, error) {
	r, err := c.check(op, "an event", record{e.Customer, e.Key, e.At, e.Dimensions})
	if err != nil {
		return nil, err
	}
	if e.Name == "" {
		return nil, invalid(op, "an event has no name", nil)
	}
	input := &gql.UsageEventReportInput{
		CustomerID:     e.Customer.ID,
		ResourceID:     optional(e.Customer.Resource),
		EventName:      e.Name,
		IdempotencyKey: e.Key,
		Timestamp:      r.at,
		Dimensions:     r.dimensions,
	}
	return input, fits(op, "an event", input)
}
