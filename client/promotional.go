package client

import (
	"context"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client/gql"
)

// PromotionalPeriod is how long a promotional entitlement lasts.
type PromotionalPeriod string

// Stigg's periods.
const (
	ForOneWeek   PromotionalPeriod = "ONE_WEEK"
	ForOneMonth  PromotionalPeriod = "ONE_MONTH"
	ForSixMonths PromotionalPeriod = "SIX_MONTH"
	ForOneYear   PromotionalPeriod = "ONE_YEAR"
	ForLife      PromotionalPeriod = "LIFETIME"
	UntilDate    PromotionalPeriod = "CUSTOM"
)

// PromotionalEntitlement is a feature that a customer has beside its plans.
type PromotionalEntitlement struct {
	Feature   FeatureInfo       `json:"feature"`
	Status    string            `json:"status"` // Active, Expired, Paused
	Limit     *float64          `json:"usageLimit"`
	Unlimited bool              `json:"hasUnlimitedUsage"`
	SoftLimit bool              `json:"hasSoftLimit"`
	Reset     string            `json:"resetPeriod"`
	Values    []string          `json:"enumValues"`
	Period    PromotionalPeriod `json:"period"`
	StartDate time.Time         `json:"startDate"`
	// EndDate is zero for ever.
	EndDate time.Time `json:"endDate"`
	Visible bool      `json:"isVisible"`
	// GroupIDs are the feature groups that it was granted with.
	GroupIDs []string `json:"featureGroupIds"`
}

// PromotionalGrant describes one promotional entitlement. FeatureID and Period are required, of
// a metered or configuration feature Limit or Unlimited, of an enum Values.
type PromotionalGrant struct {
	FeatureID string            `json:"featureId"`
	Period    PromotionalPeriod `json:"period"`
	// EndDate is when it ends, with UntilDate.
	EndDate   time.Time        `json:"customEndDate,omitzero"`
	Limit     *float64         `json:"usageLimit,omitzero"`
	Unlimited bool             `json:"hasUnlimitedUsage,omitzero"`
	SoftLimit bool             `json:"hasSoftLimit,omitzero"`
	Values    []string         `json:"enumValues,omitzero"`
	Reset     gate.ResetPeriod `json:"resetPeriod,omitzero"`
	// Weekly, Monthly and Yearly say when usage is reset, for the Reset of that name.
	Weekly  *ResetAccording `json:"weeklyResetPeriodConfiguration,omitzero"`
	Monthly *ResetAccording `json:"monthlyResetPeriodConfiguration,omitzero"`
	Yearly  *ResetAccording `json:"yearlyResetPeriodConfiguration,omitzero"`
	// Visible shows it in Stigg's customer portal.
	Visible *bool `json:"isVisible,omitzero"`
}

// ResetAccording says by what usage is reset: SubscriptionStart, StartOfTheMonth, EveryMonday
// and the like.
type ResetAccording struct {
	To string `json:"accordingTo"`
}

func (g PromotionalGrant) check(op string) error {
	if err := featureID(op, g.FeatureID); err != nil {
		return err
	}
	if err := given(op, "period", string(g.Period)); err != nil {
		return err
	}
	if g.Period == UntilDate && g.EndDate.IsZero() {
		return invalid(op, "the end date is zero", nil)
	}
	if g.Limit != nil {
		return amount(op, "limit", *g.Limit)
	}
	return nil
}

// GrantPromotionalEntitlements gives a customer features beside its plans, all or none.
func (c *Client) GrantPromotionalEntitlements(ctx context.Context, customer string, grants []PromotionalGrant) ([]PromotionalEntitlement, error) {
	const op = "GrantPromotionalEntitlements"
	for _, g := range grants {
		if err := g.check(op); err != nil {
			return nil, err
		}
	}
	var out struct {
		Done []PromotionalEntitlement `json:"grantPromotionalEntitlements"`
	}
	in := struct {
		CustomerID string             `json:"customerId"`
		Grants     []PromotionalGrant `json:"promotionalEntitlements"`
	}{customer, grants}
	err := promote(ctx, c, op, customer, c.api.GrantPromotionalEntitlements, in, &out)
	return out.Done, err
}

// RevokePromotionalEntitlement takes a customer's promotional entitlement of a feature away.
func (c *Client) RevokePromotionalEntitlement(ctx context.Context, customer, feature string) error {
	const op = "RevokePromotionalEntitlement"
	if err := featureID(op, feature); err != nil {
		return err
	}
	var out struct {
		Done struct {
			ID string `json:"id"`
		} `json:"revokePromotionalEntitlement"`
	}
	return promote(ctx, c, op, customer, c.api.RevokePromotionalEntitlement, gql.RevokePromotionalEntitlementInput{CustomerID: customer, FeatureID: feature}, &out)
}

// GrantPromotionalGroup gives a customer the features of a feature group; grants says what of
// each.
func (c *Client) GrantPromotionalGroup(ctx context.Context, customer, group string, grants []PromotionalGrant) ([]PromotionalEntitlement, error) {
	const op = "GrantPromotionalEntitlementsGroup"
	if err := given(op, "feature group id", group); err != nil {
		return nil, err
	}
	for _, g := range grants {
		if err := g.check(op); err != nil {
			return nil, err
		}
	}
	var out struct {
		Done []PromotionalEntitlement `json:"grantPromotionalEntitlementsGroup"`
	}
	in := struct {
		CustomerID string             `json:"customerId"`
		GroupID    string             `json:"featureGroupId"`
		Grants     []PromotionalGrant `json:"promotionalEntitlements"`
	}{customer, group, append([]PromotionalGrant{}, grants...)}
	err := promote(ctx, c, op, customer, c.api.GrantPromotionalEntitlementsGroup, in, &out)
	return out.Done, err
}

// RevokePromotionalGroup takes the promotional entitlements of a feature group away.
func (c *Client) RevokePromotionalGroup(ctx context.Context, customer, group string) ([]PromotionalEntitlement, error) {
	const op = "RevokePromotionalEntitlementsGroup"
	if err := given(op, "feature group id", group); err != nil {
		return nil, err
	}
	var out struct {
		Done []PromotionalEntitlement `json:"revokePromotionalEntitlementsGroup"`
	}
	in := gql.RevokePromotionalEntitlementsGroupInput{CustomerID: customer, FeatureGroupID: group}
	err := promote(ctx, c, op, customer, c.api.RevokePromotionalEntitlementsGroup, in, &out)
	return out.Done, err
}

// UnlinkPromotionalGroup leaves a customer what was granted with a feature group, but no longer
// as a group.
func (c *Client) UnlinkPromotionalGroup(ctx context.Context, customer, group string) ([]PromotionalEntitlement, error) {
	const op = "UnlinkPromotionalEntitlementsGroup"
	if err := given(op, "feature group id", group); err != nil {
		return nil, err
	}
	var out struct {
		Done []PromotionalEntitlement `json:"unlinkPromotionalEntitlementsGroup"`
	}
	in := gql.UnlinkPromotionalEntitlementsGroupInput{CustomerID: customer, FeatureGroupID: group}
	err := promote(ctx, c, op, customer, c.api.UnlinkPromotionalEntitlementsGroup, in, &out)
	return out.Done, err
}

// promote makes a call that changes what a customer has beside its plans.
func promote[In, Res any](ctx context.Context, c *Client, op, customer string, f generated[In, Res], in, out any) error {
	if err := customerID(op, customer); err != nil {
		return err
	}
	err := call(ctx, op, f, in, out)
	c.changed(gate.Customer{ID: customer}, err)
	return err
}
