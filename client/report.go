package client

import (
	"context"

	"github.com/stiggate/gate"
)

// Report delivers a batch of one sort, as [gate.Reporter] says: changes and totals, at
// most MaxBatch, by ReportUsageBulk; events, at most MaxEvents, by ReportEvent; credits,
// at most MaxConsumptions, by ConsumeCreditsAsync, also if it is one: whether Stigg knows
// a key again that comes by ConsumeCredits, nobody has written. Every Usage must have its Key and its CreatedAt. The error is
// a *gate.UpstreamError around the *Error.
func (c *Client) Report(ctx context.Context, batch []gate.Usage) (acks []gate.Ack, err error) {
	defer func() { err = upstream(err) }()
	if len(batch) == 0 {
		return nil, nil
	}
	op := reportOperation(batch[0].Kind)
	for i := range batch {
		switch {
		case batch[i].CreatedAt.IsZero():
			return nil, invalid(op, "a usage has no time", nil)
		case sort(batch[i].Kind) != sort(batch[0].Kind):
			return nil, invalid(op, "the batch is of several sorts", nil)
		}
	}
	switch batch[0].Kind {
	case gate.UsageChange, gate.UsageTotal:
		return c.reportMeasurements(ctx, batch)
	case gate.UsageEvent:
		return c.reportEvents(ctx, batch)
	case gate.UsageCredits:
		return c.reportCredits(ctx, batch)
	default:
		return nil, invalid(op, "a usage is of no known kind", nil)
	}
}

// reportOperation is what Report calls for usage of a kind.
func reportOperation(k gate.UsageKind) string {
	switch k {
	case gate.UsageEvent:
		return opReportEvent
	case gate.UsageCredits:
		return opConsumeCreditsAsync
	default:
		return opReportUsageBulk
	}
}

// sort is what may stand in one batch.
func sort(k gate.UsageKind) gate.UsageKind {
	if k == gate.UsageTotal {
		return gate.UsageChange
	}
	return k
}

func (c *Client) reportMeasurements(ctx context.Context, batch []gate.Usage) ([]gate.Ack, error) {
	measurements := make([]Measurement, len(batch))
	for i, u := range batch {
		measurements[i] = Measurement{
			Customer:   u.Customer,
			FeatureID:  u.FeatureID,
			Value:      u.Value,
			Key:        u.Key,
			CreatedAt:  u.CreatedAt,
			Dimensions: u.Dimensions,
		}
		if u.Kind == gate.UsageTotal {
			measurements[i].Behavior = Set
		}
	}
	return c.ReportUsageBulk(ctx, measurements)
}

func (c *Client) reportEvents(ctx context.Context, batch []gate.Usage) ([]gate.Ack, error) {
	events := make([]Event, len(batch))
	acks := make([]gate.Ack, len(batch))
	for i, u := range batch {
		events[i] = Event{Customer: u.Customer, Name: u.Event, Key: u.Key, At: u.CreatedAt, Dimensions: u.Dimensions}
		acks[i].Delayed = true
	}
	if err := c.ReportEvent(ctx, events); err != nil {
		return nil, err
	}
	return acks, nil
}

func (c *Client) reportCredits(ctx context.Context, batch []gate.Usage) ([]gate.Ack, error) {
	uses := make([]CreditUse, len(batch))
	acks := make([]gate.Ack, len(batch))
	for i, u := range batch {
		uses[i] = CreditUse{Customer: u.Customer, CurrencyID: u.Currency, Amount: u.Value, Key: u.Key, CreatedAt: u.CreatedAt, Dimensions: u.Dimensions}
		acks[i].Delayed = true
	}
	if err := c.ConsumeCreditsAsync(ctx, uses); err != nil {
		return nil, err
	}
	return acks, nil
}
