package client

import (
	"context"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client/gql"
	"github.com/stiggate/gate/client/internal/wire"
)

// CreditUsageQuery asks how a customer's credits were used. Only Customer is required. Range is
// LAST_DAY, LAST_WEEK, LAST_MONTH or LAST_YEAR; Start and End are instead of it.
type CreditUsageQuery struct {
	Paging
	Customer   gate.Customer
	CurrencyID string
	Range      string
	Start, End time.Time
	GroupBy    []string
}

// CreditUsage is how credits were used, by feature.
type CreditUsage struct {
	// Currency is nil if nothing was used.
	Currency *CurrencyInfo       `json:"currency"`
	Series   []CreditUsageSeries `json:"series"`
	PageInfo struct {
		End     string `json:"endCursor"`
		HasNext bool   `json:"hasNextPage"`
		// Start and HasPrevious are those of the other end.
		Start       string `json:"startCursor"`
		HasPrevious bool   `json:"hasPreviousPage"`
	} `json:"pageInfo"`
}

// CreditUsageSeries is what one feature used over time; FeatureID is empty for what no feature
// did.
type CreditUsageSeries struct {
	FeatureID   string  `json:"featureId"`
	FeatureName string  `json:"featureName"`
	Total       float64 `json:"totalCredits"`
	Points      []struct {
		At    time.Time `json:"timestamp"`
		Value float64   `json:"value"`
	} `json:"points"`
}

// CreditUsage reads how credits were used.
func (c *Client) CreditUsage(ctx context.Context, q CreditUsageQuery) (*CreditUsage, error) {
	const op = "GetCreditUsage"
	if err := customer(op, q.Customer); err != nil {
		return nil, err
	}
	at, err := q.input(op)
	if err == nil && (!wire.Representable(q.Start) || !wire.Representable(q.End)) {
		err = invalid(op, "the year of a time is not in 1..9999", nil)
	}
	if err != nil {
		return nil, err
	}
	in := gql.CreditUsageInput{CustomerID: q.Customer.ID, ResourceID: optional(q.Customer.Resource), CurrencyID: optional(q.CurrencyID),
		TimeRange: optional(q.Range), StartDate: wire.NewTime(q.Start), EndDate: wire.NewTime(q.End), GroupBy: q.GroupBy, Paging: at}
	var out struct {
		Found *CreditUsage `json:"creditUsage"`
	}
	return result(op, call(ctx, op, c.api.GetCreditUsage, in, &out), &out.Found)
}

// AutoRecharge is when and how a wallet is filled up by itself.
type AutoRecharge struct {
	CustomerID string `json:"customerId"`
	CurrencyID string `json:"currencyId"`
	Enabled    bool   `json:"isEnabled"`
	// ThresholdType says what Threshold is of: CreditAmount or DollarAmount.
	ThresholdType string  `json:"thresholdType,omitzero"`
	Threshold     float64 `json:"thresholdValue,omitzero"`
	// TargetBalance is what it is filled up to.
	TargetBalance float64 `json:"targetBalance,omitzero"`
	// MaxSpend bounds what it costs in a month, nil if nothing does.
	MaxSpend *float64 `json:"maxSpendLimit,omitzero"`
	// Expiration is how long the credits last: OneMonth or OneYear.
	Expiration string `json:"grantExpirationPeriod,omitzero"`

	// What follows is told by Stigg and not saved.

	SpentThisMonth float64   `json:"currentMonthlySpend,omitzero"`
	CreatedAt      time.Time `json:"createdAt,omitzero"`
	UpdatedAt      time.Time `json:"updatedAt,omitzero"`
}

// AutoRecharge reads when a customer's wallet is filled up by itself.
func (c *Client) AutoRecharge(ctx context.Context, customer, currency string) (*AutoRecharge, error) {
	const op = "GetAutomaticRechargeConfiguration"
	if err := customerID(op, customer); err != nil {
		return nil, err
	}
	if err := given(op, "currency", currency); err != nil {
		return nil, err
	}
	var out struct {
		Found *AutoRecharge `json:"getAutoRechargeSettings"`
	}
	in := gql.GetAutoRechargeSettingsInput{CustomerID: customer, CurrencyID: currency}
	return result(op, call(ctx, op, c.api.GetAutomaticRechargeConfiguration, in, &out), &out.Found)
}

// SaveAutoRecharge sets when a customer's wallet is filled up by itself.
func (c *Client) SaveAutoRecharge(ctx context.Context, in AutoRecharge) (*AutoRecharge, error) {
	const op = "SaveAutomaticRechargeConfiguration"
	if err := customerID(op, in.CustomerID); err != nil {
		return nil, err
	}
	if err := given(op, "currency", in.CurrencyID); err != nil {
		return nil, err
	}
	for what, n := range map[string]float64{"threshold": in.Threshold, "target balance": in.TargetBalance, "most to spend": value(in.MaxSpend)} {
		if err := amount(op, what, n); err != nil {
			return nil, err
		}
	}
	in.SpentThisMonth, in.CreatedAt, in.UpdatedAt = 0, time.Time{}, time.Time{}
	var out struct {
		Done *AutoRecharge `json:"saveAutoRechargeSettings"`
	}
	err := call(ctx, op, c.api.SaveAutomaticRechargeConfiguration, in, &out)
	c.changed(gate.Customer{ID: in.CustomerID}, err)
	return result(op, err, &out.Done)
}

// CostEstimate is what usage would cost in credits.
type CostEstimate struct {
	// Currencies has the cost in each currency; none, with a Warning, if it costs nothing.
	Currencies []CurrencyCost `json:"estimates"`
	// Warnings are Stigg's: FEATURE_NOT_CREDIT_BASED, FEATURE_NOT_FOUND,
	// RESOURCE_SCOPED_SUBSCRIPTION_EXISTS.
	Warnings []string `json:"warnings"`
}

// CurrencyCost is a cost in one currency, and what it leaves.
type CurrencyCost struct {
	CurrencyID     string  `json:"currencyId"`
	Cost           float64 `json:"estimatedCost"`
	Balance        float64 `json:"currentBalance"`
	BalanceAfter   float64 `json:"balanceAfterEstimate"`
	WouldOverdraft bool    `json:"wouldOverdraft"`
	Features       []struct {
		FeatureID   string  `json:"featureId"`
		Cost        float64 `json:"cost"`
		WarningCode string  `json:"warningCode"`
	} `json:"breakdown"`
}

// EstimateUsageCost says what a measurement would cost. Its Key and CreatedAt are not needed.
func (c *Client) EstimateUsageCost(ctx context.Context, m Measurement) (*CostEstimate, error) {
	const op = "EstimateUsageCost"
	if err := customer(op, m.Customer); err != nil {
		return nil, err
	}
	if err := featureID(op, m.FeatureID); err != nil {
		return nil, err
	}
	if !finite(m.Value) {
		return nil, invalid(op, "a value is no finite number", nil)
	}
	dimensions, err := encodable(m.Dimensions)
	if err != nil {
		return nil, invalid(op, "dimensions can't be encoded as JSON", nil)
	}
	in := gql.EstimateUsageCostInput{CustomerID: m.Customer.ID, ResourceID: optional(m.Customer.Resource), FeatureID: m.FeatureID,
		Value: m.Value, UpdateBehavior: optional(string(m.Behavior)), Dimensions: dimensions}
	var out struct {
		Found *CostEstimate `json:"estimateUsageCost"`
	}
	return result(op, call(ctx, op, c.api.EstimateUsageCost, in, &out), &out.Found)
}

// EstimateEventCost says what an event would cost. Its Key and At are not needed.
func (c *Client) EstimateEventCost(ctx context.Context, e Event) (*CostEstimate, error) {
	const op = "EstimateEventCost"
	if err := customer(op, e.Customer); err != nil {
		return nil, err
	}
	if err := given(op, "event's name", e.Name); err != nil {
		return nil, err
	}
	dimensions, err := encodable(e.Dimensions)
	if err != nil {
		return nil, invalid(op, "dimensions can't be encoded as JSON", nil)
	}
	in := gql.EstimateEventCostInput{CustomerID: e.Customer.ID, ResourceID: optional(e.Customer.Resource), EventName: e.Name, Dimensions: dimensions}
	var out struct {
		Found *CostEstimate `json:"estimateEventCost"`
	}
	return result(op, call(ctx, op, c.api.EstimateEventCost, in, &out), &out.Found)
}
