package client

import (
	"context"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client/gql"
)

// MaxConsumptions is the most that one ConsumeCreditsAsync takes.
const MaxConsumptions = 1000

// CreditUse takes credits out of a wallet. Usage of a feature with a credit rate
// takes its credits by itself; this is for what no feature measures.
type CreditUse struct {
	Customer   gate.Customer
	CurrencyID string
	// Amount of credits, above 0.
	Amount float64
	// Key is the idempotency key, required: it is what lets a consumption be sent
	// again, by this package or by you, and count once.
	Key string
	// CreatedAt is when they were consumed; it decides the grants that they come from.
	// The zero time is the time of the call. It is sent to the millisecond.
	CreatedAt time.Time
	// Dimensions are sent along for the breakdown of usage; values must be encodable
	// as JSON.
	Dimensions map[string]any
}

// ConsumeCredits takes credits and returns the wallet after it, the zero CreditAck
// if Stigg tells none. Stigg never refuses a consumption because the wallet is
// empty: check first. An unknown currency is an error with the code
// CustomCurrencyNotFound.
//
// After an error that is not Permanent it is unknown whether the credits were taken:
// consume them again with the same Key and CreatedAt.
func (c *Client) ConsumeCredits(ctx context.Context, u CreditUse) (gate.CreditAck, error) {
	input, err := c.consumption(opConsumeCredits, u)
	if err != nil {
		return gate.CreditAck{}, err
	}
	res, err := c.api.ConsumeCredits(ctx, *input)
	if err != nil {
		return gate.CreditAck{}, typed(opConsumeCredits, err)
	}
	got := res.ConsumeCredits
	if got.CustomerID != input.CustomerID || got.CurrencyID != input.CurrencyID ||
		got.ResourceID != nil && *got.ResourceID != value(input.ResourceID) ||
		got.Credit != nil && got.Credit.CurrencyID != input.CurrencyID {
		return gate.CreditAck{}, badResponse(opConsumeCredits, "the answer is for another consumption")
	}
	if got.Credit == nil {
		return gate.CreditAck{}, nil
	}
	return gate.CreditAck{
		CurrencyID: got.Credit.CurrencyID,
		Usage:      got.Credit.CurrentUsage,
		At:         got.Credit.Timestamp.Value(),
		PeriodEnd:  got.Credit.UsagePeriodEnd.Value(),
	}, nil
}

// ConsumeCreditsAsync takes credits up to MaxConsumptions times in one request.
// Stigg counts them after it has answered, and answers no balance. None is sent if
// one of them is malformed or larger than MaxEventSize. For errors see
// [Client.ConsumeCredits]; a batch counts as one.
func (c *Client) ConsumeCreditsAsync(ctx context.Context, uses []CreditUse) error {
	if len(uses) == 0 {
		return nil
	}
	all, err := inputs(opConsumeCreditsAsync, "consumptions", MaxConsumptions, uses, c.consumption)
	if err != nil {
		return err
	}
	_, err = c.api.ConsumeCreditsAsync(ctx, gql.ConsumeCreditsAsyncInput{Consumptions: all})
	return typed(opConsumeCreditsAsync, err)
}

// consumption checks u and makes an input of it that shares nothing with u.
func (c *Client) consumption(op string, u CreditUse) (*gql.ConsumeCreditInput, error) {
	r, err := c.check(op, "a consumption", record{u.Customer, u.Key, u.CreatedAt, u.Dimensions})
	switch {
	case err != nil:
		return nil, err
	case u.CurrencyID == "":
		return nil, invalid(op, "a consumption has no currency", nil)
	case !finite(u.Amount) || u.Amount <= 0:
		return nil, invalid(op, "an amount is no finite number above 0", nil)
	}
	input := &gql.ConsumeCreditInput{
		CustomerID:     u.Customer.ID,
		ResourceID:     optional(u.Customer.Resource),
		CurrencyID:     u.CurrencyID,
		Amount:         u.Amount,
		IdempotencyKey: u.Key,
		CreatedAt:      r.at,
		Dimensions:     r.dimensions,
	}
	return input, fits(op, "a consumption", input)
}
