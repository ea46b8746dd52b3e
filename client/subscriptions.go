package client

import (
	"context"
	"encoding/json"
	"iter"
	"slices"
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
	ID string `json:"subscriptionId"`
	// Customer is who has the subscription, and for which resource; PayingCustomerID is
	// another customer who pays, or empty.
	Customer         gate.Customer     `json:"-"`
	PayingCustomerID string            `json:"-"`
	PlanID           string            `json:"-"`
	PlanName         string            `json:"-"`
	Addons           []SubscribedAddon `json:"-"`

	Status        SubscriptionStatus `json:"status"`
	PricingType   PricingType        `json:"pricingType"`
	BillingPeriod BillingPeriod      `json:"billingPeriod"`
	BillingID     string             `json:"billingId"`
	Metadata      map[string]any     `json:"additionalMetaData"`

	StartDate    time.Time `json:"startDate"`
	EndDate      time.Time `json:"endDate"`
	TrialEndDate time.Time `json:"trialEndDate"`
	// CancellationDate is when it was, or will be, canceled, and EffectiveEndDate when
	// it ends for the customer.
	CancellationDate   time.Time `json:"cancellationDate"`
	EffectiveEndDate   time.Time `json:"effectiveEndDate"`
	CurrentPeriodStart time.Time `json:"currentBillingPeriodStart"`
	CurrentPeriodEnd   time.Time `json:"currentBillingPeriodEnd"`
	// TrialEndBehavior is what the trial's end does: CONVERT_TO_PAID, CANCEL_SUBSCRIPTION.
	TrialEndBehavior string `json:"-"`

	// What follows is not told by Subscriptions, the list.

	Prices            []SubscriptionPrice `json:"prices"`
	TotalPrice        *TotalPrice         `json:"totalPrice"`
	PaymentCollection PaymentCollection   `json:"paymentCollection"`
	LatestInvoice     *Invoice            `json:"latestInvoice"`
	ScheduledUpdates  []ScheduledUpdate   `json:"scheduledUpdates"`
}

// SubscribedAddon is an add-on in a Subscription.
type SubscribedAddon struct {
	ID       string
	Name     string
	Quantity float64
}

// SubscriptionPrice is a price of a Subscription. UsageLimit is the number of units bought.
type SubscriptionPrice struct {
	UsageLimit *float64 `json:"usageLimit"`
	Price      *Price   `json:"price"`
}

// TotalPrice is what a subscription costs in a billing period, before and after discounts.
type TotalPrice struct {
	SubTotal Money `json:"subTotal"`
	Total    Money `json:"total"`
}

// ScheduledUpdate is a change of a subscription that takes effect later.
type ScheduledUpdate struct {
	// Type is Stigg's subscriptionScheduleType: Plan, Downgrade, Addon, UnitAmount and others.
	Type   string    `json:"subscriptionScheduleType"`
	Status string    `json:"scheduleStatus"`
	At     time.Time `json:"scheduledExecutionTime"`
	// Target is the plan or add-on that it leads to, nil where it is the same.
	Target *PackageRef      `json:"targetPackage"`
	Change *ScheduledChange `json:"scheduleVariables"`
}

// ScheduledChange is what a ScheduledUpdate changes; the rest is at its zero.
type ScheduledChange struct {
	PlanID          string `json:"planRefId"`
	DowngradePlanID string `json:"downgradePlanRefId"`
	// ChangeType is UPGRADE, DOWNGRADE or NONE.
	ChangeType       string            `json:"changeType"`
	BillingPeriod    BillingPeriod     `json:"billingPeriod"`
	BillableFeatures []FeatureQuantity `json:"billableFeatures"`
	Addons           []struct {
		AddonID  string  `json:"addonRefId"`
		Quantity float64 `json:"quantity"`
	} `json:"addons"`
	FeatureID   string  `json:"featureId"`
	UnitAmount  float64 `json:"newUnitAmount"`
	AddonID     string  `json:"addonRefId"`
	NewQuantity float64 `json:"newQuantity"`
}

// PackageRef names a plan, an add-on or a product.
type PackageRef struct {
	ID   string `json:"refId"`
	Name string `json:"displayName"`
}

// UnmarshalJSON reads Stigg's form, in which what belongs to others is nested.
func (s *Subscription) UnmarshalJSON(raw []byte) error {
	type plain Subscription
	type owner struct {
		ID string `json:"customerId"`
	}
	var nested struct {
		*plain
		Customer       owner      `json:"customer"`
		PayingCustomer owner      `json:"payingCustomer"`
		Plan           PackageRef `json:"plan"`
		Resource       struct {
			ID string `json:"resourceId"`
		} `json:"resource"`
		Addons []struct {
			Quantity float64    `json:"quantity"`
			Addon    PackageRef `json:"addon"`
		} `json:"addons"`
		Trial struct {
			EndBehavior string `json:"trialEndBehavior"`
		} `json:"trialConfiguration"`
	}
	*s = Subscription{}
	nested.plain = (*plain)(s)
	if err := json.Unmarshal(raw, &nested); err != nil {
		return err
	}
	s.Customer = gate.Customer{ID: nested.Customer.ID, Resource: nested.Resource.ID}
	s.PlanID, s.PlanName, s.TrialEndBehavior = nested.Plan.ID, nested.Plan.Name, nested.Trial.EndBehavior
	if nested.PayingCustomer.ID != nested.Customer.ID {
		s.PayingCustomerID = nested.PayingCustomer.ID
	}
	for _, a := range nested.Addons {
		if a.Addon.ID == "" {
			continue
		}
		s.Addons = append(s.Addons, SubscribedAddon{ID: a.Addon.ID, Name: a.Addon.Name, Quantity: a.Quantity})
	}
	return nil
}

// ActiveSubscriptions reads the active subscriptions of a customer; with a
// resource, those of the resource. A customer without one has none and no error,
// one that does not exist is [ErrCustomerNotFound].
func (c *Client) ActiveSubscriptions(ctx context.Context, who gate.Customer) ([]Subscription, error) {
	const op = "GetActiveSubscriptions"
	if err := customer(op, who); err != nil {
		return nil, err
	}
	var out struct {
		List []Subscription `json:"getActiveSubscriptions"`
	}
	in := gql.GetActiveSubscriptionsInput{CustomerID: who.ID, ResourceID: optional(who.Resource)}
	if err := call(ctx, op, c.api.GetActiveSubscriptions, in, &out); err != nil {
		return nil, err
	}
	if out.List == nil || slices.ContainsFunc(out.List, func(s Subscription) bool { return s.ID == "" }) {
		return nil, errNone(op, "subscriptions, or one that has no id")
	}
	return out.List, nil
}

// GetSubscription reads one subscription. One that does not exist is [ErrSubscriptionNotFound].
func (c *Client) GetSubscription(ctx context.Context, id string) (*Subscription, error) {
	const op = "GetSubscription"
	if err := given(op, "subscription id", id); err != nil {
		return nil, err
	}
	var out struct {
		Found *Subscription `json:"getSubscription"`
	}
	if err := call(ctx, op, c.api.GetSubscription, gql.GetSubscriptionInput{SubscriptionID: id}, &out); err != nil {
		return nil, err
	}
	if out.Found == nil || out.Found.ID != id {
		return nil, badResponse(op, "the answer is for another subscription")
	}
	return out.Found, nil
}

// SubscriptionFilter picks subscriptions; all that it asks must hold. What is nil asks nothing.
type SubscriptionFilter struct {
	SubscriptionID *TextFilter          `json:"subscriptionId,omitzero"`
	CustomerID     *TextFilter          `json:"customerId,omitzero"`
	ResourceID     *TextFilter          `json:"resourceId,omitzero"`
	ProductID      *TextFilter          `json:"productId,omitzero"`
	BillingID      *TextFilter          `json:"billingId,omitzero"`
	Status         *TextFilter          `json:"status,omitzero"`
	PricingType    *TextFilter          `json:"pricingType,omitzero"`
	CreatedAt      *TimeFilter          `json:"createdAt,omitzero"`
	StartDate      *TimeFilter          `json:"startDate,omitzero"`
	EndDate        *TimeFilter          `json:"endDate,omitzero"`
	And            []SubscriptionFilter `json:"and,omitzero"`
	Or             []SubscriptionFilter `json:"or,omitzero"`
}

// SubscriptionQuery asks for subscriptions. Without a Sort the newest come first.
type SubscriptionQuery struct {
	Paging
	Filter SubscriptionFilter
	Sort   []Sort
}

// Subscriptions reads one page of the subscriptions of all customers.
func (c *Client) Subscriptions(ctx context.Context, q SubscriptionQuery) (Page[Subscription], error) {
	return list[Subscription](ctx, "GetSubscriptions", "subscriptions", q.Paging, q.Filter, q.Sort, c.api.GetSubscriptions)
}

// AllSubscriptions iterates over the subscriptions of all pages from q's on. An error ends it.
func (c *Client) AllSubscriptions(ctx context.Context, q SubscriptionQuery) iter.Seq2[Subscription, error] {
	return pages("GetSubscriptions", q.Paging, func(at Paging) (Page[Subscription], error) {
		q.Paging = at
		return c.Subscriptions(ctx, q)
	})
}
