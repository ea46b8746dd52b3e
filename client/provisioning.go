package client

import (
	"context"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client/gql"
	"github.com/stiggate/gate/client/internal/wire"
)

// SubscriptionParams describes a subscription to create. Only PlanID is required.
type SubscriptionParams struct {
	PlanID string
	// ResourceID binds the subscription to one resource of the customer.
	ResourceID string
	// SubscriptionID is your own id of it; Stigg makes one if it is empty.
	SubscriptionID string
	BillingPeriod  BillingPeriod
	// BillingCountryCode picks localized prices, as ISO 3166-1 alpha-2.
	BillingCountryCode string
	Addons             []AddonQuantity
	// BillableFeatures are the quantities bought of features priced by unit.
	BillableFeatures []FeatureQuantity
	// StartDate is when it begins; the zero time is now.
	StartDate     time.Time
	PromotionCode string
	// AwaitPaymentConfirmation makes Stigg answer only after payment was confirmed;
	// nil leaves it to Stigg.
	AwaitPaymentConfirmation *bool
	// Trial replaces the trial that the plan has.
	Trial *TrialOverride
	// Metadata is kept with the subscription; values must be encodable as JSON.
	Metadata map[string]any
}

// AddonQuantity is a number of one add-on.
type AddonQuantity struct {
	AddonID  string
	Quantity int
}

// FeatureQuantity is a quantity of one billable feature.
type FeatureQuantity struct {
	FeatureID string
	Quantity  float64
}

// TrialOverride says whether a subscription begins with a trial.
type TrialOverride struct {
	IsTrial bool
	// EndDate ends the trial; the zero time leaves it to the plan.
	EndDate time.Time
	// EndBehavior is what the trial's end does: CONVERT_TO_PAID, CANCEL_SUBSCRIPTION,
	// or empty for the plan's.
	EndBehavior string
}

// CheckoutOptions is where the checkout page leads. Both URLs are required.
type CheckoutOptions struct {
	SuccessURL string
	CancelURL  string
	// ReferenceID is handed to the billing provider.
	ReferenceID string
	// AllowPromoCodes, AllowTaxIDCollection, CollectBillingAddress and
	// CollectPhoneNumber are left to Stigg where nil.
	AllowPromoCodes       *bool
	AllowTaxIDCollection  *bool
	CollectBillingAddress *bool
	CollectPhoneNumber    *bool
}

// ProvisionSubscriptionInput describes a subscription of an existing customer.
type ProvisionSubscriptionInput struct {
	CustomerID string
	// PayingCustomerID is who pays, if that is another customer.
	PayingCustomerID string
	// SkipTrial skips the plan's trial; nil leaves it to Stigg.
	SkipTrial *bool
	// Checkout is needed if a payment may have to be made.
	Checkout *CheckoutOptions
	// ScheduleStrategy is when a change takes effect: IMMEDIATE, END_OF_BILLING_PERIOD,
	// END_OF_BILLING_MONTH, or empty for the product's.
	ScheduleStrategy string

	SubscriptionParams
}

// ProvisionStatus says whether a subscription was made.
type ProvisionStatus string

// Stigg's statuses. A value that is none of these is kept.
const (
	ProvisionSuccess         ProvisionStatus = "SUCCESS"
	ProvisionPaymentRequired ProvisionStatus = "PAYMENT_REQUIRED"
)

// ProvisionedSubscription is the answer to ProvisionSubscription.
type ProvisionedSubscription struct {
	Status ProvisionStatus
	// CheckoutURL is where to send the customer if Status is ProvisionPaymentRequired.
	CheckoutURL       string
	CheckoutBillingID string
	// IsScheduled says that the change takes effect later.
	IsScheduled bool
	// Subscription is nil until there is one.
	Subscription *Subscription
}

// ProvisionSubscription subscribes a customer to a plan: it creates a subscription,
// or changes the one that the customer (or resource) has of the same product.
// Stigg takes 250 a minute, and 30 of one customer. It is sent once and given at
// least 30 s, for Stigg may call a billing provider: after an error that is not
// Permanent it is unknown whether it was done; ask GetActiveSubscriptions.
func (c *Client) ProvisionSubscription(ctx context.Context, in ProvisionSubscriptionInput) (*ProvisionedSubscription, error) {
	input, err := in.input()
	if err != nil {
		return nil, err
	}
	res, err := c.api.ProvisionSubscription(ctx, *input)
	err = typed(opProvision, err)
	c.changed(gate.Customer{ID: in.CustomerID, Resource: in.ResourceID}, err)
	if err != nil {
		return nil, err
	}
	done := &res.ProvisionSubscriptionV2
	if done.Status == "" {
		return nil, badResponse(opProvision, "the answer has no status")
	}
	return &ProvisionedSubscription{
		Status:            ProvisionStatus(done.Status),
		CheckoutURL:       value(done.CheckoutURL),
		CheckoutBillingID: value(done.CheckoutBillingID),
		IsScheduled:       value(done.IsScheduled),
		Subscription:      subscriptionOf(done.Subscription),
	}, nil
}

func (in ProvisionSubscriptionInput) input() (*gql.ProvisionSubscriptionInput, error) {
	if err := checkCustomerID(opProvision, in.CustomerID); err != nil {
		return nil, err
	}
	if in.PayingCustomerID != "" {
		if err := checkCustomerID(opProvision, in.PayingCustomerID); err != nil {
			return nil, err
		}
	}
	p, err := in.SubscriptionParams.input(opProvision)
	if err != nil {
		return nil, err
	}
	checkout, err := in.Checkout.input()
	if err != nil {
		return nil, err
	}
	return &gql.ProvisionSubscriptionInput{
		CustomerID:                 in.CustomerID,
		PayingCustomerID:           optional(in.PayingCustomerID),
		SkipTrial:                  in.SkipTrial,
		CheckoutOptions:            checkout,
		ScheduleStrategy:           optional(in.ScheduleStrategy),
		PlanID:                     p.PlanID,
		ResourceID:                 p.ResourceID,
		SubscriptionID:             p.SubscriptionID,
		BillingPeriod:              p.BillingPeriod,
		BillingCountryCode:         p.BillingCountryCode,
		Addons:                     p.Addons,
		BillableFeatures:           p.BillableFeatures,
		StartDate:                  p.StartDate,
		PromotionCode:              p.PromotionCode,
		AwaitPaymentConfirmation:   p.AwaitPaymentConfirmation,
		TrialOverrideConfiguration: p.TrialOverrideConfiguration,
		AdditionalMetaData:         p.AdditionalMetaData,
	}, nil
}

func (p *SubscriptionParams) input(op string) (*gql.ProvisionCustomerSubscriptionInput, error) {
	if err := p.check(op); err != nil {
		return nil, err
	}
	metadata, err := encodable(p.Metadata)
	if err != nil {
		return nil, invalid(op, "the metadata can't be encoded as JSON", nil)
	}
	input := &gql.ProvisionCustomerSubscriptionInput{
		PlanID:                   p.PlanID,
		ResourceID:               optional(p.ResourceID),
		SubscriptionID:           optional(p.SubscriptionID),
		BillingPeriod:            optional(string(p.BillingPeriod)),
		BillingCountryCode:       optional(p.BillingCountryCode),
		StartDate:                wire.NewTime(p.StartDate),
		PromotionCode:            optional(p.PromotionCode),
		AwaitPaymentConfirmation: p.AwaitPaymentConfirmation,
		AdditionalMetaData:       metadata,
	}
	for _, a := range p.Addons {
		input.Addons = append(input.Addons, &gql.SubscriptionAddonInput{AddonID: a.AddonID, Quantity: &a.Quantity})
	}
	for _, f := range p.BillableFeatures {
		input.BillableFeatures = append(input.BillableFeatures, &gql.BillableFeatureInput{FeatureID: f.FeatureID, Quantity: f.Quantity})
	}
	if t := p.Trial; t != nil {
		input.TrialOverrideConfiguration = &gql.TrialOverrideConfigurationInput{
			IsTrial:          t.IsTrial,
			TrialEndDate:     wire.NewTime(t.EndDate),
			TrialEndBehavior: optional(t.EndBehavior),
		}
	}
	return input, nil
}

func (p *SubscriptionParams) check(op string) error {
	if p.PlanID == "" {
		return invalid(op, "the plan id is empty", nil)
	}
	if p.ResourceID != "" {
		if err := (gate.Customer{ID: "any", Resource: p.ResourceID}).Validate(); err != nil {
			return invalid(op, "", err)
		}
	}
	if !wire.Representable(p.StartDate) || p.Trial != nil && !wire.Representable(p.Trial.EndDate) {
		return invalid(op, "the year of a time is not in 1..9999", nil)
	}
	for _, a := range p.Addons {
		if a.AddonID == "" || a.Quantity < 1 {
			return invalid(op, "an add-on has no id or a quantity below 1", nil)
		}
	}
	for _, f := range p.BillableFeatures {
		if err := checkFeatureID(f.FeatureID); err != nil {
			return invalid(op, "", err)
		}
		if !finite(f.Quantity) || f.Quantity < 0 {
			return invalid(op, "the quantity of a feature is negative or no number", nil)
		}
	}
	return nil
}

func (o *CheckoutOptions) input() (*gql.CheckoutOptions, error) {
	if o == nil {
		return nil, nil
	}
	if o.SuccessURL == "" || o.CancelURL == "" {
		return nil, invalid(opProvision, "a URL of the checkout is empty", nil)
	}
	return &gql.CheckoutOptions{
		SuccessURL:            o.SuccessURL,
		CancelURL:             o.CancelURL,
		ReferenceID:           optional(o.ReferenceID),
		AllowPromoCodes:       o.AllowPromoCodes,
		AllowTaxIDCollection:  o.AllowTaxIDCollection,
		CollectBillingAddress: o.CollectBillingAddress,
		CollectPhoneNumber:    o.CollectPhoneNumber,
	}, nil
}
