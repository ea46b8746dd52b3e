package client

import (
	"context"
	"errors"
	"math"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client/gql"
)

// Entitlements reads everything customer c (and its resource) may do: one request,
// whatever the number of features. It is the gate.Source of this package.
//
// A customer or resource that Stigg does not know, a customer that is archived and
// one without a subscription are a set with Denied filled and no error, whether Stigg says so
// in the set or by an error of its own. Any other error means that nothing is
// known: an answer with errors beside data is not believed in part. It is a
// *gate.UpstreamError around the *Error.
//
// Of the set, what this version can't understand is left out or at its zero:
// members of other kinds than features and credits, members that name no feature
// or currency, dates that are none. A missing limit is 0, as for Stigg.
func (c *Client) Entitlements(ctx context.Context, who gate.Customer) (set gate.EntitlementSet, err error) {
	defer func() { err = upstream(err) }()
	if err := who.Validate(); err != nil {
		return gate.EntitlementSet{}, invalid(opEntitlementsState, "", err)
	}
	if c.edge != "" && !c.changes.late(who.ID, c.now()) {
		if state, ok := c.readEdge(ctx, who); ok {
			return setOf(state), nil
		}
	}
	res, err := c.api.GetEntitlementsState(ctx, gql.FetchEntitlementsQuery{
		CustomerID: who.ID,
		ResourceID: optional(who.Resource),
	})
	if err != nil {
		err := typed(opEntitlementsState, err)
		if reason := deniedBy(err); reason != "" {
			return gate.EntitlementSet{Denied: reason}, nil
		}
		return gate.EntitlementSet{}, err
	}
	state := &res.EntitlementsState
	if state.EntitlementsV2 == nil && state.AccessDeniedReason == nil {
		return gate.EntitlementSet{}, badResponse(opEntitlementsState, "the answer has no entitlements")
	}
	if len(state.EntitlementsV2) > maxMembers {
		return gate.EntitlementSet{}, badResponse(opEntitlementsState, "the answer has more than 10,000 entitlements")
	}
	return setOf(state), nil
}

// deniedBy is the reason that an error of Stigg's states about the customer as a
// whole, or "" if the error says anything else, or is not surely Stigg's verdict.
func deniedBy(err error) gate.Reason {
	var e *Error
	if !errors.As(err, &e) || !e.Permanent() || e.HTTPStatus == 0 {
		return ""
	}
	switch {
	case sameCode(e.Code, ErrCustomerNotFound):
		return gate.ReasonCustomerNotFound
	case sameCode(e.Code, ErrResourceNotFound):
		return gate.ReasonResourceNotFound
	case sameCode(e.Code, "NoActiveSubscriptionForCustomer"):
		return gate.ReasonNoSubscription
	case family(e.Code) == ErrArchived: // the only entity asked about is the customer
		return gate.ReasonCustomerIsArchived
	}
	return ""
}

// EntitlementQuery asks about one feature of one customer.
type EntitlementQuery struct {
	Customer  gate.Customer
	FeatureID string
	// RequestedUsage is the amount asked of a number. Always say it of a metered
	// feature, even if it is 0: Stigg's documents disagree on what nil asks. Leave it
	// nil for other kinds, where an amount may be refused as FeatureTypeMismatch.
	RequestedUsage *float64
	// RequestedValues are asked of a feature of enum values.
	RequestedValues []string
}

// Entitlement reads one feature, decided by Stigg for the amount or the values
// asked. Use it where Stigg's own and latest verdict is worth a request; a gate
// decides without one.
//
// A refusal is a result: Granted is false and Denied is Stigg's reason, also where
// Stigg states it as an error (CustomerNotFound, CustomerResourceNotFound,
// FeatureNotFound, NoFeatureEntitlementInSubscription, no active subscription).
func (c *Client) Entitlement(ctx context.Context, q EntitlementQuery) (gate.Entitlement, error) {
	if err := q.check(); err != nil {
		return gate.Entitlement{}, err
	}
	res, err := c.api.GetEntitlementV2(ctx, q.input())
	if err != nil {
		err = typed(opEntitlement, err)
		if reason := refusedBy(err); reason != "" {
			return gate.Entitlement{FeatureID: q.FeatureID, Denied: reason}, nil
		}
		return gate.Entitlement{}, err
	}
	member := &res.EntitlementV2
	if value(member.Typename) != featureTypename {
		return gate.Entitlement{}, badResponse(opEntitlement, "the answer is of a type that was not asked for")
	}
	if member.Feature != nil && member.Feature.RefID != q.FeatureID {
		return gate.Entitlement{}, badResponse(opEntitlement, "the answer is for another feature")
	}
	e := featureEntitlement(singleFields(member))
	e.FeatureID = q.FeatureID
	return e, nil
}

func (q EntitlementQuery) check() error {
	if err := q.Customer.Validate(); err != nil {
		return invalid(opEntitlement, "", err)
	}
	if err := checkFeatureID(q.FeatureID); err != nil {
		return invalid(opEntitlement, "", err)
	}
	if n := q.RequestedUsage; n != nil && (!finite(*n) || *n < 0) {
		return invalid(opEntitlement, "the requested usage is negative or no number", nil)
	}
	return nil
}

func (q EntitlementQuery) input() gql.GetEntitlementV2Input {
	input := gql.GetEntitlementV2Input{
		CustomerID: q.Customer.ID,
		ResourceID: optional(q.Customer.Resource),
		FeatureID:  &q.FeatureID,
	}
	if q.RequestedUsage != nil || len(q.RequestedValues) > 0 {
		input.Options = &gql.EntitlementOptions{RequestedUsage: q.RequestedUsage, RequestedValues: q.RequestedValues}
	}
	return input
}

// refusedBy is deniedBy and, beyond it, what Stigg says against one feature.
func refusedBy(err error) gate.Reason {
	if reason := deniedBy(err); reason != "" {
		return reason
	}
	var e *Error
	if !errors.As(err, &e) || !e.Permanent() || e.HTTPStatus == 0 {
		return ""
	}
	switch {
	case sameCode(e.Code, ErrFeatureNotFound):
		return gate.ReasonFeatureNotFound
	case sameCode(e.Code, "NoFeatureEntitlementInSubscription"), sameCode(e.Code, "NoFeatureEntitlement"):
		return gate.ReasonNotInPlan
	}
	return ""
}

// checkFeatureID holds an id to the pattern of features, which is that of resources.
func checkFeatureID(id string) error {
	if id == "" {
		return &gate.InvalidIDError{What: "feature id", Problem: "is empty"}
	}
	err := gate.Customer{ID: "any", Resource: id}.Validate()
	var bad *gate.InvalidIDError
	if errors.As(err, &bad) {
		return &gate.InvalidIDError{What: "feature id", Problem: bad.Problem}
	}
	return err
}

func finite(n float64) bool { return !math.IsNaN(n) && !math.IsInf(n, 0) }

// optional is s for an input: absent if it is empty.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// value is what p points to, or the zero value.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
