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
	if len(uses) > MaxConsumptions {
		return invalid(opConsumeCreditsAsync, fmt.Sprintf("%d consumptions are more than %d", len(uses), MaxConsumptions), nil)
	}
	inputs := make([]*gql.ConsumeCreditInput, len(uses))
	for i, u := range uses {
		input, err := c.consumption(opConsumeCreditsAsync, u)
		if err != nil {
			return err
		}
		inputs[i] = input
	}
	_, err := c.api.ConsumeCreditsAsync(ctx, gql.ConsumeCreditsAsyncInput{Consumptions: inputs})
	return typed(opConsumeCreditsAsync, err)
}

// consumption checks u and makes an input of it that shares nothing with u.
func (c *Client) consumption(op string, u CreditUse) (*gql.ConsumeCreditInput, error) {
	if err := u.Customer.Validate(); err != nil {
		return nil, invalid(op, "", err)
	}
	if u.CreatedAt.IsZero() {
		u.CreatedAt = c.now()
	}
	switch {
	case u.CurrencyID == "":
		return nil, invalid(op, "a consumption has no currency", nil)
	case !finite(u.Amount) || u.Amount <= 0:
		return nil, invalid(op, "an amount is no finite number above 0", nil)
	case u.Key == "":
		return nil, invalid(op, "a consumption has no idempotency key", nil)
	case !wire.Representable(u.CreatedAt):
		return nil, invalid(op, "the year of a time is not in 1..9999", nil)
	}
	dimensions, err := encodable(u.Dimensions)
	if err != nil {
		return nil, invalid(op, "dimensions can't be encoded as JSON", nil)
	}
	input := &gql.ConsumeCreditInput{
		CustomerID:     u.Customer.ID,
		ResourceID:     optional(u.Customer.Resource),
		CurrencyID:     u.CurrencyID,
		Amount:         u.Amount,
		IdempotencyKey: u.Key,
		CreatedAt:      wire.NewTime(u.CreatedAt),
		Dimensions:     dimensions,
	}
	if whole, err := json.Marshal(input); err != nil || len(whole) > MaxEventSize {
		return nil, invalid(op, "a consumption is larger than 1 MB", nil)
	}
	c.used(u.Customer)
	return input, nil
}
