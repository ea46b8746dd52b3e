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
func (c *Client) Entitlements(ctx context.Context, who gate.Customer) (gate.EntitlementSet, error) {
	set, err := c.entitlements(ctx, who)
	return set, upstream(err)
}

func (c *Client) entitlements(ctx context.Context, who gate.Customer) (gate.EntitlementSet, error) {
	if err := customer(opEntitlementsState, who); err != nil {
		return gate.EntitlementSet{}, err
	}
	if c.edge != "" && !gate.NoCache(ctx) && !c.changes.late(who.ID, c.now()) {
		if state, ok := c.readEdge(ctx, who); ok {
			set := setOf(state)
			set.Age = edgeDelay
			return set, nil
		}
	}
	return c.EntitlementsState(ctx, who)
}

// EntitlementsState is Entitlements read from the API itself, also with [WithEdge]. Its error is
// an [*Error].
func (c *Client) EntitlementsState(ctx context.Context, who gate.Customer) (gate.EntitlementSet, error) {
	if err := customer(opEntitlementsState, who); err != nil {
		return gate.EntitlementSet{}, err
	}
	res, err := c.api.GetEntitlementsState(ctx, gql.FetchEntitlementsQuery{
		CustomerID: who.ID,
		ResourceID: optional(who.Resource),
	})
	if err != nil {
		err = typed(opEntitlementsState, err)
		if reason := deniedBy(err); reason != "" {
			return gate.EntitlementSet{Denied: reason}, nil
		}
		return gate.EntitlementSet{}, err
	}
	state := &res.EntitlementsState
	switch {
	case state.EntitlementsV2 == nil && state.AccessDeniedReason == nil:
		return gate.EntitlementSet{}, errNone(opEntitlementsState, "entitlements")
	case len(state.EntitlementsV2) > maxMembers:
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
	member, err := c.entitlement(ctx, q.input(), featureTypename)
	if err != nil {
		if reason := refusedBy(err); reason != "" {
			return gate.Entitlement{FeatureID: q.FeatureID, Denied: reason}, nil
		}
		return gate.Entitlement{}, err
	}
	if member.Feature != nil && member.Feature.RefID != q.FeatureID {
		return gate.Entitlement{}, badResponse(opEntitlement, "the answer is for another feature")
	}
	e := featureEntitlement(member)
	e.FeatureID = q.FeatureID
	return e, nil
}

// entitlement reads one entitlement, which must be of a type.
func (c *Client) entitlement(ctx context.Context, in gql.GetEntitlementV2Input, typename string) (*stateMember, error) {
	var out struct {
		Found *stateMember `json:"entitlementV2"`
	}
	found, err := result(opEntitlement, call(ctx, opEntitlement, c.api.GetEntitlementV2, in, &out), &out.Found)
	if err == nil && value(found.Typename) != typename {
		return nil, badResponse(opEntitlement, "the answer is of a type that was not asked for")
	}
	return found, err
}

// CreditEntitlement reads one wallet of a customer or its resource, decided by Stigg for an
// amount of credits, which may be 0.
//
// A refusal is a result: Granted is false and Denied is Stigg's reason, also where Stigg states
// it as an error of the customer's. A currency that does not exist is an error with the code
// CustomCurrencyNotFound.
func (c *Client) CreditEntitlement(ctx context.Context, who gate.Customer, currency string, requested float64) (gate.Credit, error) {
	err := customer(opEntitlement, who)
	if err == nil {
		err = given(opEntitlement, "currency", currency)
	}
	if err == nil {
		err = amount(opEntitlement, "amount", requested)
	}
	if err != nil {
		return gate.Credit{}, err
	}
	in := gql.GetEntitlementV2Input{CustomerID: who.ID, ResourceID: optional(who.Resource), CurrencyID: &currency}
	if requested > 0 {
		in.Options = &gql.EntitlementOptions{RequestedUsage: &requested}
	}
	member, err := c.entitlement(ctx, in, creditTypename)
	if err != nil {
		if reason := deniedBy(err); reason != "" {
			return gate.Credit{CurrencyID: currency, Denied: reason}, nil
		}
		return gate.Credit{}, err
	}
	if member.Currency.CurrencyID != currency {
		return gate.Credit{}, badResponse(opEntitlement, "the answer is for another currency")
	}
	return creditOf(member), nil
}

func (q EntitlementQuery) check() error {
	if err := customer(opEntitlement, q.Customer); err != nil {
		return err
	}
	if err := featureID(opEntitlement, q.FeatureID); err != nil {
		return err
	}
	return amount(opEntitlement, "requested usage", value(q.RequestedUsage))
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
