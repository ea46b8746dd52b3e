package client

import (
	"context"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client/gql"
)

// MaxBatch is the most measurements that one ReportUsageBulk takes.
const MaxBatch = 100

// UpdateBehavior says what the value of a Measurement is.
type UpdateBehavior string

// Delta is a change of the usage, negative to give back; Set is the new total.
const (
	Delta UpdateBehavior = "DELTA"
	Set   UpdateBehavior = "SET"
)

// Measurement is calculated usage of one metered feature.
type Measurement struct {
	Customer  gate.Customer
	FeatureID string
	Value     float64
	// Behavior is Delta if it is empty.
	Behavior UpdateBehavior
	// Key is the idempotency key, required: it is what lets a measurement be sent
	// again, by this package or by you, and count once.
	Key string
	// CreatedAt is when it was used; it decides the period that it counts in. The zero
	// time is the time of the call. It is sent to the millisecond.
	CreatedAt time.Time
	// Dimensions are sent along for the breakdown of usage; values must be encodable
	// as JSON.
	Dimensions map[string]any
}

// ReportUsage reports one measurement and returns Stigg's count after it. Stigg
// never refuses usage for a limit. It takes 3,000 a minute; use [Client.Report] or
// [Client.ReportUsageBulk] for more.
//
// After an error that is not Permanent it is unknown whether the measurement was
// counted: report it again with the same Key and CreatedAt.
func (c *Client) ReportUsage(ctx context.Context, m Measurement) (gate.Ack, error) {
	input, err := c.measurement(opReportUsage, m)
	if err != nil {
		return gate.Ack{}, err
	}
	res, err := c.api.ReportUsage(ctx, *single(input))
	if err != nil {
		return gate.Ack{}, typed(opReportUsage, err)
	}
	if !answers(res.ReportUsage, input) {
		return gate.Ack{}, badResponse(opReportUsage, "the answer is for another measurement")
	}
	return ackOf(res.ReportUsage), nil
}

// ReportUsageBulk reports up to MaxBatch measurements in one request and returns
// Stigg's counts in their order. Stigg takes 600 such requests a minute for a whole
// environment. None is sent if one of them is malformed, and none has an answer
// if the answers don't match the measurements one by one. For errors see
// [Client.ReportUsage]; a batch counts as one.
func (c *Client) ReportUsageBulk(ctx context.Context, batch []Measurement) ([]gate.Ack, error) {
	if len(batch) == 0 {
		return nil, nil
	}
	all, err := inputs(opReportUsageBulk, "measurements", MaxBatch, batch, c.measurement)
	if err != nil {
		return nil, err
	}
	res, err := c.api.ReportUsageBulk(ctx, gql.ReportUsageBulkInput{Usages: all})
	if err != nil {
		return nil, typed(opReportUsageBulk, err)
	}
	if len(res.ReportUsageBulk) != len(all) {
		return nil, badResponse(opReportUsageBulk, "the answer is not one for each measurement")
	}
	acks := make([]gate.Ack, len(all))
	for i, measured := range res.ReportUsageBulk {
		if !answers(measured, all[i]) {
			return nil, badResponse(opReportUsageBulk, "an answer is for another measurement")
		}
		acks[i] = ackOf(measured)
	}
	return acks, nil
}

// measurement checks m and makes an input of it that shares nothing with m.
func (c *Client) measurement(op string, m Measurement) (*gql.ReportUsageBaseInput, error) {
	if err := featureID(op, m.FeatureID); err != nil {
		return nil, err
	}
	if m.Behavior == "" {
		m.Behavior = Delta
	}
	r, err := c.check(op, "a measurement", record{m.Customer, m.Key, m.CreatedAt, m.Dimensions})
	switch {
	case err != nil:
		return nil, err
	case !finite(m.Value):
		return nil, invalid(op, "a value is no finite number", nil)
	case m.Behavior != Delta && m.Behavior != Set:
		return nil, invalid(op, "an update behavior is neither DELTA nor SET", nil)
	}
	return &gql.ReportUsageBaseInput{
		CustomerID:     m.Customer.ID,
		ResourceID:     optional(m.Customer.Resource),
		FeatureID:      m.FeatureID,
		Value:          m.Value,
		UpdateBehavior: optional(string(m.Behavior)),
		IdempotencyKey: &m.Key,
		CreatedAt:      r.at,
		Dimensions:     r.dimensions,
	}, nil
}

// single is b as the input of ReportUsage.
func single(b *gql.ReportUsageBaseInput) *gql.ReportUsageInput {
	return &gql.ReportUsageInput{
		CustomerID:     b.CustomerID,
		ResourceID:     b.ResourceID,
		FeatureID:      b.FeatureID,
		Value:          b.Value,
		UpdateBehavior: b.UpdateBehavior,
		IdempotencyKey: b.IdempotencyKey,
		CreatedAt:      b.CreatedAt,
		Dimensions:     b.Dimensions,
	}
}

// answers reports whether measured can be the answer to input.
func answers(measured *gql.MeasurementFields, input *gql.ReportUsageBaseInput) bool {
	return measured != nil &&
		measured.FeatureID == input.FeatureID &&
		measured.CustomerID == input.CustomerID &&
		(measured.ResourceID == nil || *measured.ResourceID == value(input.ResourceID))
}

func ackOf(m *gql.MeasurementFields) gate.Ack {
	ack := gate.Ack{
		Known:       m.CurrentUsage != nil,
		Usage:       value(m.CurrentUsage),
		PeriodStart: m.UsagePeriodStart.Value(),
		PeriodEnd:   m.UsagePeriodEnd.Value(),
		At:          m.Timestamp.Value(),
	}
	if credit := m.Credit; credit != nil {
		ack.Credit = &gate.CreditAck{
			CurrencyID: credit.CurrencyID,
			Usage:      credit.CurrentUsage,
			At:         credit.Timestamp.Value(),
			PeriodEnd:  credit.UsagePeriodEnd.Value(),
		}
	}
	return ack
}
