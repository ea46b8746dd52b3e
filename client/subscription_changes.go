package client

import (
	"context"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client/gql"
)

// UpdateSubscriptionInput describes a change of the subscription SubscriptionID: BillingPeriod,
// Addons, BillableFeatures, Charges, Coupon, PromotionCode, Billing, Budget, MinimumSpend,
// Metadata and others, of which what is empty stays. PlanID is not taken: provision another.
type UpdateSubscriptionInput struct {
	ScheduleStrategy ScheduleStrategy `json:"scheduleStrategy,omitzero"`
	CancellationDate time.Time        `json:"cancellationDate,omitzero"`
	TrialEndDate     time.Time        `json:"trialEndDate,omitzero"`

	SubscriptionParams
}

// UpdateSubscription changes a subscription. After an error that is not Permanent, of this or of
// the other calls that name a subscription and no customer, it is unknown whether it was done, and
// the gate feels it only when Stigg tells of it: ask GetSubscription.
func (c *Client) UpdateSubscription(ctx context.Context, in UpdateSubscriptionInput) (*Subscription, error) {
	const op = "UpdateSubscription"
	err := in.check(op, false)
	if err == nil {
		err = given(op, "subscription id", in.SubscriptionID)
	}
	if err != nil {
		return nil, err
	}
	var out struct {
		Done *Subscription `json:"updateOneSubscription"`
	}
	return c.updated(op, call(ctx, op, c.api.UpdateSubscription, in, &out), &out.Done)
}

// updated is the subscription that a call has changed, whose customer's next check must feel it.
func (c *Client) updated(op string, err error, done **Subscription) (*Subscription, error) {
	s, err := oneOf(op, *done, err)
	if err == nil {
		c.changed(s.Customer, nil)
	}
	return s, err
}

// CancellationTime is when a subscription ends.
type CancellationTime string

// Stigg's times; empty leaves it to the product.
const (
	CancelAtEndOfPeriod CancellationTime = "END_OF_BILLING_PERIOD"
	CancelImmediately   CancellationTime = "IMMEDIATE"
	CancelAtDate        CancellationTime = "SPECIFIC_DATE"
)

// CancellationAction is what a cancellation does.
type CancellationAction string

// Stigg's actions; empty is CancelDefault, which does what the product says.
const (
	CancelDefault             CancellationAction = "DEFAULT"
	CancelRevokesEntitlements CancellationAction = "REVOKE_ENTITLEMENTS"
)

// CancelSubscriptionInput says how to cancel. Only SubscriptionID is required.
type CancelSubscriptionInput struct {
	SubscriptionID string             `json:"subscriptionRefId"`
	Time           CancellationTime   `json:"subscriptionCancellationTime,omitzero"`
	Action         CancellationAction `json:"subscriptionCancellationAction,omitzero"`
	// EndDate is when, with CancelAtDate.
	EndDate time.Time `json:"endDate,omitzero"`
	// Prorate gives back what was paid for the rest of the period.
	Prorate *bool `json:"prorate,omitzero"`
}

// CancelSubscription ends a subscription, now or later.
func (c *Client) CancelSubscription(ctx context.Context, in CancelSubscriptionInput) (*Subscription, error) {
	const op = "CancelSubscription"
	if err := given(op, "subscription id", in.SubscriptionID); err != nil {
		return nil, err
	}
	if in.Time == CancelAtDate && in.EndDate.IsZero() {
		return nil, invalid(op, "the date of the cancellation is zero", nil)
	}
	var out struct {
		Done *Subscription `json:"cancelSubscription"`
	}
	return c.updated(op, call(ctx, op, c.api.CancelSubscription, in, &out), &out.Done)
}

// CancelSubscriptionUpdates takes back what is scheduled for a subscription.
func (c *Client) CancelSubscriptionUpdates(ctx context.Context, subscriptionID string) error {
	const op = "CancelSubscriptionUpdates"
	if err := given(op, "subscription id", subscriptionID); err != nil {
		return err
	}
	var out struct {
		Done string `json:"cancelSchedule"`
	}
	return call(ctx, op, c.api.CancelSubscriptionUpdates, gql.SubscriptionUpdateScheduleCancellationInput{SubscriptionID: subscriptionID}, &out)
}

// MigrateSubscription moves a subscription to the newest version of its plan and add-ons, now or,
// atEndOfPeriod, when its billing period ends.
func (c *Client) MigrateSubscription(ctx context.Context, subscriptionID string, atEndOfPeriod bool) (*Subscription, error) {
	const op = "MigrateSubscriptionToLatest"
	if err := given(op, "subscription id", subscriptionID); err != nil {
		return nil, err
	}
	at := "IMMEDIATE"
	if atEndOfPeriod {
		at = "END_OF_BILLING_PERIOD"
	}
	var out struct {
		Done *Subscription `json:"migrateSubscriptionToLatest"`
	}
	in := gql.SubscriptionMigrationInput{SubscriptionID: subscriptionID, SubscriptionMigrationTime: &at}
	return c.updated(op, call(ctx, op, c.api.MigrateSubscriptionToLatest, in, &out), &out.Done)
}

// TransferSubscription moves the subscription of a customer's resource to another resource.
func (c *Client) TransferSubscription(ctx context.Context, from gate.Customer, toResource string) (*Subscription, error) {
	const op = "TransferSubscription"
	to := gate.Customer{ID: from.ID, Resource: toResource}
	for _, who := range []gate.Customer{from, to} {
		if err := customer(op, who); err != nil {
			return nil, err
		}
		if err := given(op, "resource", who.Resource); err != nil {
			return nil, err
		}
	}
	var out struct {
		Done *Subscription `json:"transferSubscription"`
	}
	in := gql.TransferSubscriptionInput{CustomerID: from.ID, SourceResourceID: from.Resource, DestinationResourceID: toResource}
	err := call(ctx, op, c.api.TransferSubscription, in, &out)
	c.changed(from, err)
	c.changed(to, err)
	return oneOf(op, out.Done, err)
}

// TransferSubscriptionToResource moves a subscription to a resource of its customer; an empty one
// means the customer itself.
func (c *Client) TransferSubscriptionToResource(ctx context.Context, subscriptionID, toResource string) (*Subscription, error) {
	const op = "TransferSubscriptionToResource"
	if err := given(op, "subscription id", subscriptionID); err != nil {
		return nil, err
	}
	if err := customer(op, gate.Customer{ID: "any", Resource: toResource}); err != nil {
		return nil, err
	}
	var out struct {
		Done *Subscription `json:"transferSubscriptionToResource"`
	}
	in := gql.TransferSubscriptionToResourceInput{SubscriptionID: subscriptionID, DestinationResourceID: optional(toResource)}
	err := call(ctx, op, c.api.TransferSubscriptionToResource, in, &out)
	s, err := oneOf(op, out.Done, err)
	if err == nil {
		c.changed(gate.Customer{ID: s.Customer.ID}, nil) // which resource had it is not known
	}
	return s, err
}

// DelegateSubscription has another customer pay for a subscription from now on. Who has the
// subscription stays.
func (c *Client) DelegateSubscription(ctx context.Context, subscriptionID, payer string) (*Subscription, error) {
	const op = "DelegateSubscriptionToCustomer"
	if err := given(op, "subscription id", subscriptionID); err != nil {
		return nil, err
	}
	if err := customerID(op, payer); err != nil {
		return nil, err
	}
	var out struct {
		Done *Subscription `json:"delegateSubscriptionToCustomer"`
	}
	in := gql.DelegateSubscriptionToCustomerInput{SubscriptionID: subscriptionID, DestinationCustomerID: &payer}
	return c.updated(op, call(ctx, op, c.api.DelegateSubscriptionToCustomer, in, &out), &out.Done)
}
