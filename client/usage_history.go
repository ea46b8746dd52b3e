package client

import (
	"context"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client/gql"
	"github.com/stiggate/gate/client/internal/wire"
)

// UsageHistoryQuery asks how a feature was used. Customer, FeatureID and Start are required;
// without an End it is until now.
type UsageHistoryQuery struct {
	Customer   gate.Customer
	FeatureID  string
	Start, End time.Time
	// GroupBy are dimensions: each combination of their values has a series of its own.
	GroupBy []string
	// InactiveSubscriptions counts usage of subscriptions that ended, too.
	InactiveSubscriptions bool
}

// UsageHistory is how a feature was used over time.
type UsageHistory struct {
	// Markers are when usage was reset: Type is PERIODIC_RESET or SUBSCRIPTION_CHANGE_RESET.
	Markers []UsageMarker `json:"markers"`
	Series  []UsageSeries `json:"series"`
}

// UsageMarker is a moment in a UsageHistory.
type UsageMarker struct {
	Type string    `json:"type"`
	At   time.Time `json:"timestamp"`
}

// UsageSeries is the usage with Tags, the values of the dimensions that were grouped by.
type UsageSeries struct {
	Tags []struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	} `json:"tags"`
	Points []struct {
		At    time.Time `json:"timestamp"`
		Value float64   `json:"value"`
		// IsReset says that usage began anew here.
		IsReset bool `json:"isResetPoint"`
	} `json:"points"`
}

// UsageHistory reads how a feature was used.
func (c *Client) UsageHistory(ctx context.Context, q UsageHistoryQuery) (*UsageHistory, error) {
	const op = "GetUsageHistoryV2"
	if err := customer(op, q.Customer); err != nil {
		return nil, err
	}
	if err := featureID(op, q.FeatureID); err != nil {
		return nil, err
	}
	if q.Start.IsZero() || !wire.Representable(q.Start) || !wire.Representable(q.End) {
		return nil, invalid(op, "the start is zero, or the year of a time not in 1..9999", nil)
	}
	in := gql.UsageHistoryV2Input{CustomerID: q.Customer.ID, ResourceID: optional(q.Customer.Resource), FeatureID: q.FeatureID,
		StartDate: *wire.NewTime(q.Start), EndDate: wire.NewTime(q.End), GroupBy: q.GroupBy}
	if q.InactiveSubscriptions {
		in.IncludeInactiveSubscriptions = &q.InactiveSubscriptions
	}
	var out struct {
		Found *UsageHistory `json:"usageHistoryV2"`
	}
	return result(op, call(ctx, op, c.api.GetUsageHistoryV2, in, &out), &out.Found)
}

// ReportEntitlementCheck tells Stigg of a check that was decided here, for its statistics.
func (c *Client) ReportEntitlementCheck(ctx context.Context, q EntitlementQuery, decided gate.Entitlement) error {
	const op = "ReportEntitlementCheckRequested"
	if err := q.check(); err != nil {
		return err
	}
	in := gql.EntitlementCheckRequested{
		CustomerID: q.Customer.ID, ResourceID: optional(q.Customer.Resource), FeatureID: q.FeatureID,
		RequestedUsage: q.RequestedUsage, RequestedValues: q.RequestedValues,
		EntitlementCheckResult: &gql.EntitlementCheckResult{
			HasAccess: decided.Granted, AccessDeniedReason: optional(string(decided.Denied)),
			CurrentUsage: &decided.Usage, UsageLimit: &decided.Limit, EnumValues: decided.Values,
			HasUnlimitedUsage: &decided.Unlimited, HasSoftLimit: &decided.SoftLimit,
			RequestedUsage: q.RequestedUsage, RequestedValues: q.RequestedValues,
		},
	}
	var out struct {
		Done bool `json:"reportEntitlementCheckRequested"`
	}
	return call(ctx, op, c.api.ReportEntitlementCheckRequested, in, &out)
}
