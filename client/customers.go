package client

import (
	"context"
	"net/http"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client/gql"
)

// Customer is a customer as Stigg keeps it. Name and Email are personal data.
type Customer struct {
	ID        string
	Name      string
	Email     string
	BillingID string
	CreatedAt time.Time
	UpdatedAt time.Time
}

// GetCustomerByRefID reads the customer with Stigg's customerId id. A customer that
// does not exist, or is archived, is [ErrCustomerNotFound].
func (c *Client) GetCustomerByRefID(ctx context.Context, id string) (*Customer, error) {
	if err := checkCustomerID(opCustomer, id); err != nil {
		return nil, err
	}
	res, err := c.api.GetCustomerByRefID(ctx, gql.GetCustomerByRefIDInput{CustomerID: id})
	if err != nil {
		return nil, typed(opCustomer, err)
	}
	found := res.GetCustomerByRefID
	switch {
	case found == nil:
		return nil, &Error{Operation: opCustomer, Code: ErrCustomerNotFound, HTTPStatus: http.StatusOK, permanent: true}
	case found.CustomerID != id:
		return nil, badResponse(opCustomer, "the answer is for another customer")
	}
	return customerOf(found), nil
}

// ProvisionCustomerInput describes a customer to create. Only ID is required.
type ProvisionCustomerInput struct {
	// ID becomes Stigg's customerId.
	ID    string
	Name  string
	Email string
	// CouponID is the id of a coupon for the customer.
	CouponID string
	// BillingID links a customer of the billing provider.
	BillingID string
	// Metadata is kept with the customer; values must be encodable as JSON.
	Metadata map[string]any
	// Subscription asks for a first subscription. Stigg's setting for new customers
	// may override it: see ProvisionedCustomer.Decision.
	Subscription *SubscriptionParams
}

// ProvisionDecision says which subscription a new customer was given and why.
type ProvisionDecision string

// Stigg's decisions (enum SubscriptionDecisionStrategy). A value that is none of
// these is kept.
const (
	DecidedFreePlan      ProvisionDecision = "PREDEFINED_FREE_PLAN"
	DecidedTrialPlan     ProvisionDecision = "PREDEFINED_TRIAL_PLAN"
	DecidedRequestedPlan ProvisionDecision = "REQUESTED_PLAN"
	DecidedNone          ProvisionDecision = "SKIPPED_SUBSCRIPTION_CREATION"
)

// ProvisionedCustomer is the answer to ProvisionCustomer.
type ProvisionedCustomer struct {
	Customer Customer
	Decision ProvisionDecision
	// Subscription is nil if none was created.
	Subscription *Subscription
}

// ProvisionCustomer creates a customer and, if asked, its first subscription. Stigg
// takes 250 a minute. It is sent once and given at least 30 s, for Stigg may call a
// billing provider: after an error that is not Permanent it is unknown whether it
// was done; ask GetCustomerByRefID.
func (c *Client) ProvisionCustomer(ctx context.Context, in ProvisionCustomerInput) (*ProvisionedCustomer, error) {
	if err := checkCustomerID(opProvisionCustomer, in.ID); err != nil {
		return nil, err
	}
	metadata, err := encodable(in.Metadata)
	if err != nil {
		return nil, invalid(opProvisionCustomer, "the metadata can't be encoded as JSON", nil)
	}
	input := gql.ProvisionCustomerInput{
		CustomerID:         &in.ID,
		Name:               optional(in.Name),
		Email:              optional(in.Email),
		CouponRefID:        optional(in.CouponID),
		BillingID:          optional(in.BillingID),
		AdditionalMetaData: metadata,
	}
	if in.Subscription != nil {
		if input.SubscriptionParams, err = in.Subscription.input(opProvisionCustomer); err != nil {
			return nil, err
		}
	}
	res, err := c.api.ProvisionCustomer(ctx, input)
	err = typed(opProvisionCustomer, err)
	c.changed(gate.Customer{ID: in.ID}, err)
	if err != nil {
		return nil, err
	}
	done := &res.ProvisionCustomer
	if done.Customer == nil || done.Customer.CustomerID != in.ID {
		return nil, badResponse(opProvisionCustomer, "the answer is for another customer")
	}
	return &ProvisionedCustomer{
		Customer:     *customerOf(done.Customer),
		Decision:     ProvisionDecision(done.SubscriptionDecisionStrategy),
		Subscription: subscriptionOf(done.Subscription),
	}, nil
}

func checkCustomerID(op, id string) error {
	if err := (gate.Customer{ID: id}).Validate(); err != nil {
		return invalid(op, "", err)
	}
	return nil
}

func customerOf(f *gql.CustomerFields) *Customer {
	return &Customer{
		ID:        f.CustomerID,
		Name:      value(f.Name),
		Email:     value(f.Email),
		BillingID: value(f.BillingID),
		CreatedAt: f.CreatedAt.Value(),
		UpdatedAt: f.UpdatedAt.Value(),
	}
}
