package client

import (
	"context"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client/gql"
)

// SubscriptionStatus is where a subscription stands.
type SubscriptionStatus string

// Stigg's statuses. A value that is none of these is kept.
const (
	StatusActive         SubscriptionStatus = "ACTIVE"
	StatusCanceled       SubscriptionStatus = "CANCELED"
	StatusExpired        SubscriptionStatus = "EXPIRED"
	StatusInTrial        SubscriptionStatus = "IN_TRIAL"
	StatusNotStarted     SubscriptionStatus = "NOT_STARTED"
	StatusPaymentPending SubscriptionStatus = "PAYMENT_PENDING"
)

// PricingType says how a subscription is paid.
type PricingType string

// Stigg's pricing types. A value that is none of these is kept.
const (
	PricingFree   PricingType = "FREE"
	PricingPaid   PricingType = "PAID"
	PricingCustom PricingType = "CUSTOM"
)

// BillingPeriod is how often a subscription is billed; empty where it is not.
type BillingPeriod string

// Stigg's billing periods. A value that is none of these is kept.
const (
	BilledMonthly  BillingPeriod = "MONTHLY"
	BilledAnnually BillingPeriod = "ANNUALLY"
)

// Subscription is what a customer, or one of its resources, subscribed to. A time
// that Stigg does not give is zero.
type Subscription struct {
	ID string
	// Customer is who has the subscription, and for which resource.
	Customer      gate.Customer
	Status        SubscriptionStatus
	PricingType   PricingType
	BillingPeriod BillingPeriod
	PlanID        string
	PlanName      string
	Addons        []SubscribedAddon

	StartDate    time.Time
	EndDate      time.Time
	TrialEndDate time.Time
	// CancellationDate is when it was, or will be, canceled, and EffectiveEndDate when
	// it ends for the customer.
	CancellationDate time.Time
	EffectiveEndDate time.Time

	CurrentPeriodStart time.Time
	CurrentPeriodEnd   time.Time
}

// SubscribedAddon is an add-on in a Subscription.
type SubscribedAddon struct {
	ID       string
	Name     string
	Quantity float64
}

// GetActiveSubscriptions reads the active subscriptions of a customer; with a
// resource, those of the resource. A customer without one has none and no error,
// one that does not exist is [ErrCustomerNotFound].
func (c *Client) GetActiveSubscriptions(ctx context.Context, who gate.Customer) ([]Subscription, error) {
	if err := who.Validate(); err != nil {
		return nil, invalid(opActiveSubscriptions, "", err)
	}
	res, err := c.api.GetActiveSubscriptions(ctx, gql.GetActiveSubscriptionsInput{
		CustomerID: who.ID,
		ResourceID: optional(who.Resource),
	})
	if err != nil {
		return nil, typed(opActiveSubscriptions, err)
	}
	if res.GetActiveSubscriptions == nil {
		return nil, badResponse(opActiveSubscriptions, "the answer has no subscriptions")
	}
	subscriptions := make([]Subscription, 0, len(res.GetActiveSubscriptions))
	for _, f := range res.GetActiveSubscriptions {
		if f == nil {
			return nil, badResponse(opActiveSubscriptions, "a subscription is null")
		}
		subscriptions = append(subscriptions, *subscriptionOf(f))
	}
	return subscriptions, nil
}

func subscriptionOf(f *gql.SubscriptionFields) *Subscription {
	if f == nil {
		return nil
	}
	s := &Subscription{
		ID:                 f.SubscriptionID,
		Customer:           gate.Customer{ID: f.Customer.CustomerID},
		Status:             SubscriptionStatus(f.Status),
		PricingType:        PricingType(f.PricingType),
		BillingPeriod:      BillingPeriod(value(f.BillingPeriod)),
		PlanID:             f.Plan.RefID,
		PlanName:           f.Plan.DisplayName,
		StartDate:          f.StartDate.Value(),
		EndDate:            f.EndDate.Value(),
		TrialEndDate:       f.TrialEndDate.Value(),
		CancellationDate:   f.CancellationDate.Value(),
		EffectiveEndDate:   f.EffectiveEndDate.Value(),
		CurrentPeriodStart: f.CurrentBillingPeriodStart.Value(),
		CurrentPeriodEnd:   f.CurrentBillingPeriodEnd.Value(),
	}
	if f.Resource != nil {
		s.Customer.Resource = f.Resource.ResourceID
	}
	for _, a := range f.Addons {
		if a != nil {
			s.Addons = append(s.Addons, SubscribedAddon{ID: a.Addon.RefID, Name: a.Addon.DisplayName, Quantity: a.Quantity})
		}
	}
	return s
}
