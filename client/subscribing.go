package client

import (
	"context"
	"time"

	"github.com/stiggate/gate"
)

// CheckoutOptions is where the checkout page leads. Both URLs are required.
type CheckoutOptions struct {
	SuccessURL string `json:"successUrl"`
	CancelURL  string `json:"cancelUrl"`
	// ReferenceID is handed to the billing provider.
	ReferenceID string `json:"referenceId,omitzero"`
	// AllowPromoCodes, AllowTaxIDCollection, CollectBillingAddress and
	// CollectPhoneNumber are left to Stigg where nil.
	AllowPromoCodes       *bool `json:"allowPromoCodes,omitzero"`
	AllowTaxIDCollection  *bool `json:"allowTaxIdCollection,omitzero"`
	CollectBillingAddress *bool `json:"collectBillingAddress,omitzero"`
	CollectPhoneNumber    *bool `json:"collectPhoneNumber,omitzero"`
}

// ScheduleStrategy is when a change takes effect.
type ScheduleStrategy string

// Stigg's strategies; empty leaves it to the product.
const (
	ScheduleImmediate          ScheduleStrategy = "IMMEDIATE"
	ScheduleEndOfBillingPeriod ScheduleStrategy = "END_OF_BILLING_PERIOD"
	ScheduleEndOfBillingMonth  ScheduleStrategy = "END_OF_BILLING_MONTH"
)

// ProvisionSubscriptionInput describes a subscription of an existing customer. CustomerID and
// PlanID are required.
type ProvisionSubscriptionInput struct {
	CustomerID string `json:"customerId"`
	// PayingCustomerID is who pays, if that is another customer.
	PayingCustomerID string `json:"payingCustomerId,omitzero"`
	// SkipTrial skips the plan's trial; nil leaves it to Stigg.
	SkipTrial *bool `json:"skipTrial,omitzero"`
	// Checkout is needed if a payment may have to be made.
	Checkout         *CheckoutOptions `json:"checkoutOptions,omitzero"`
	ScheduleStrategy ScheduleStrategy `json:"scheduleStrategy,omitzero"`
	CancellationDate time.Time        `json:"cancellationDate,omitzero"`

	SubscriptionParams
}

// ProvisionStatus says whether a subscription was made.
type ProvisionStatus string

// Stigg's statuses. A value that is none of these is kept.
const (
	ProvisionSuccess         ProvisionStatus = "SUCCESS"
	ProvisionPaymentRequired ProvisionStatus = "PAYMENT_REQUIRED"
)

// ProvisionedSubscription is the answer to ProvisionSubscription; see Outcome.
type ProvisionedSubscription struct {
	Status ProvisionStatus `json:"status"`
	// CheckoutURL is where to send the customer if Status is ProvisionPaymentRequired.
	CheckoutURL       string `json:"checkoutUrl"`
	CheckoutBillingID string `json:"checkoutBillingId"`
	// IsScheduled says that the change takes effect later.
	IsScheduled bool `json:"isScheduled"`
	// Subscription is nil until there is one.
	Subscription *Subscription `json:"subscription"`
}

// ProvisionOutcome is what comes next after a subscription was asked for.
type ProvisionOutcome int

const (
	// OutcomeUnknown says that Stigg gave a status that this version does not know.
	OutcomeUnknown ProvisionOutcome = iota
	// OutcomeDone says that the subscription stands, or is scheduled.
	OutcomeDone
	// OutcomeCheckout asks to send the customer to CheckoutURL to pay.
	OutcomeCheckout
	// OutcomeActionRequired says that the customer must confirm the payment, at
	// Subscription.LatestInvoice.PaymentURL or with its PaymentSecret.
	OutcomeActionRequired
	// OutcomePaymentFailed says that the payment failed; Subscription.LatestInvoice.ErrorMessage says why.
	OutcomePaymentFailed
	// OutcomeProcessing says that the payment is under way.
	OutcomeProcessing
)

// Outcome says what comes next.
func (p *ProvisionedSubscription) Outcome() ProvisionOutcome {
	switch {
	case p.Status == ProvisionPaymentRequired:
		return OutcomeCheckout
	case p.Status != ProvisionSuccess:
		return OutcomeUnknown
	case p.Subscription == nil:
		return OutcomeDone
	}
	switch p.Subscription.PaymentCollection {
	case PaymentActionRequired:
		return OutcomeActionRequired
	case PaymentFailed:
		return OutcomePaymentFailed
	case PaymentProcessing:
		return OutcomeProcessing
	}
	return OutcomeDone
}

// ProvisionSubscription subscribes a customer to a plan: it creates a subscription,
// or changes the one that the customer (or resource) has of the same product.
// Stigg takes 250 a minute, and 30 of one customer. After an error that is not
// Permanent it is unknown whether it was done; ask ActiveSubscriptions.
func (c *Client) ProvisionSubscription(ctx context.Context, in ProvisionSubscriptionInput) (*ProvisionedSubscription, error) {
	const op = "ProvisionSubscription"
	err := in.check(op, true)
	if err == nil {
		err = checkPayers(op, in.CustomerID, in.PayingCustomerID)
	}
	if err == nil && in.Checkout != nil {
		err = given(op, "checkout's success URL", in.Checkout.SuccessURL, "checkout's cancel URL", in.Checkout.CancelURL)
	}
	if err != nil {
		return nil, err
	}
	var out struct {
		Done ProvisionedSubscription `json:"provisionSubscriptionV2"`
	}
	err = call(ctx, op, c.api.ProvisionSubscription, in, &out)
	c.changed(gate.Customer{ID: in.CustomerID, Resource: in.ResourceID}, err)
	if err == nil && out.Done.Status == "" {
		err = errNone(op, "status")
	}
	if err != nil {
		return nil, err
	}
	return &out.Done, nil
}

// CreateSubscriptionInput describes a subscription that is added to those that there are.
// CustomerID and PlanID are required.
type CreateSubscriptionInput struct {
	CustomerID       string           `json:"customerId"`
	PayingCustomerID string           `json:"payingCustomerId,omitzero"`
	ScheduleStrategy ScheduleStrategy `json:"scheduleStrategy,omitzero"`
	EndDate          time.Time        `json:"endDate,omitzero"`
	CancellationDate time.Time        `json:"cancellationDate,omitzero"`

	SubscriptionParams
}

// CreateSubscription makes a subscription without a checkout. ProvisionSubscription is
// what an app's sign-up and upgrade should use. A Trial of its params has no EndDate here.
func (c *Client) CreateSubscription(ctx context.Context, in CreateSubscriptionInput) (*Subscription, error) {
	const op = "CreateSubscription"
	err := in.check(op, true)
	if err == nil {
		err = checkPayers(op, in.CustomerID, in.PayingCustomerID)
	}
	if err != nil {
		return nil, err
	}
	input := struct {
		CreateSubscriptionInput
		Overrides   bool      `json:"isOverridingTrialConfig,omitzero"`
		IsTrial     *bool     `json:"isTrial,omitzero"`
		EndBehavior string    `json:"trialEndBehavior,omitzero"`
		TrialEnd    time.Time `json:"trialEndDate,omitzero"` // which the call does not take
	}{CreateSubscriptionInput: in}
	if t := in.Trial; t != nil {
		input.Trial = nil
		input.Overrides, input.IsTrial, input.EndBehavior, input.TrialEnd = true, &t.IsTrial, t.EndBehavior, t.EndDate
	}
	var out struct {
		Done *Subscription `json:"createSubscription"`
	}
	err = call(ctx, op, c.api.CreateSubscription, input, &out)
	c.changed(gate.Customer{ID: in.CustomerID, Resource: in.ResourceID}, err)
	return oneOf(op, out.Done, err)
}

// ApplySubscriptionInput describes a subscription after its checkout. CustomerID and PlanID are
// required.
type ApplySubscriptionInput struct {
	CustomerID       string           `json:"customerId"`
	PayingCustomerID string           `json:"payingCustomerId,omitzero"`
	PaymentMethodID  string           `json:"paymentMethodId,omitzero"`
	SkipTrial        *bool            `json:"skipTrial,omitzero"`
	ScheduleStrategy ScheduleStrategy `json:"scheduleStrategy,omitzero"`
	CancellationDate time.Time        `json:"cancellationDate,omitzero"`

	SubscriptionParams
}

// ApplySubscription subscribes a customer who has given a payment method, as Stigg's own
// checkout does. The subscription is nil if Stigg answers none.
func (c *Client) ApplySubscription(ctx context.Context, in ApplySubscriptionInput) (*Subscription, error) {
	const op = "ApplySubscription"
	err := in.check(op, true)
	if err == nil {
		err = checkPayers(op, in.CustomerID, in.PayingCustomerID)
	}
	if err != nil {
		return nil, err
	}
	var out struct {
		Done struct {
			Subscription *Subscription `json:"subscription"`
		} `json:"applySubscription"`
	}
	err = call(ctx, op, c.api.ApplySubscription, in, &out)
	c.changed(gate.Customer{ID: in.CustomerID, Resource: in.ResourceID}, err)
	if err != nil {
		return nil, err
	}
	return out.Done.Subscription, nil
}

// ImportedSubscription is a subscription that another system has already. CustomerID and
// PlanID are required.
type ImportedSubscription struct {
	CustomerID       string            `json:"customerId"`
	PlanID           string            `json:"planId"`
	ResourceID       string            `json:"resourceId,omitzero"`
	SubscriptionID   string            `json:"subscriptionId,omitzero"`
	BillingID        string            `json:"billingId,omitzero"`
	BillingPeriod    BillingPeriod     `json:"billingPeriod,omitzero"`
	Addons           []AddonQuantity   `json:"addons,omitzero"`
	BillableFeatures []FeatureQuantity `json:"billableFeatures,omitzero"`
	Charges          []Charge          `json:"charges,omitzero"`
	StartDate        time.Time         `json:"startDate,omitzero"`
	EndDate          time.Time         `json:"endDate,omitzero"`
	UpdatedAt        time.Time         `json:"updatedAt,omitzero"`
	SalesforceID     string            `json:"salesforceId,omitzero"`
	Metadata         map[string]any    `json:"additionalMetaData,omitzero"`
}

// ImportSubscriptions takes over subscriptions in one request. It returns the id of Stigg's task,
// which may go on after the call; empty if there is none.
func (c *Client) ImportSubscriptions(ctx context.Context, all []ImportedSubscription) (string, error) {
	const op = "ImportSubscriptionsBulk"
	for _, in := range all {
		p := SubscriptionParams{PlanID: in.PlanID, ResourceID: in.ResourceID, Addons: in.Addons, BillableFeatures: in.BillableFeatures}
		if err := p.check(op, true); err != nil {
			return "", err
		}
		if err := customerID(op, in.CustomerID); err != nil {
			return "", err
		}
	}
	if len(all) == 0 {
		return "", nil
	}
	var out struct {
		Task string `json:"importSubscriptionsBulk"`
	}
	in := struct {
		Subscriptions []ImportedSubscription `json:"subscriptions"`
	}{all}
	err := call(ctx, op, c.api.ImportSubscriptionsBulk, in, &out)
	for _, in := range all {
		c.changed(gate.Customer{ID: in.CustomerID, Resource: in.ResourceID}, err)
	}
	return out.Task, err
}

// checkPayers checks the ids of a subscriber and of who pays, which may be empty.
func checkPayers(op, subscriber, payer string) error {
	if err := customerID(op, subscriber); err != nil || payer == "" {
		return err
	}
	return customerID(op, payer)
}

// oneOf is a subscription that an answer must have.
func oneOf(op string, s *Subscription, err error) (*Subscription, error) {
	switch {
	case err != nil:
		return nil, err
	case s == nil || s.ID == "":
		return nil, errNone(op, "subscription")
	}
	return s, nil
}
