package client

import (
	"context"
	"encoding/json"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client/gql"
)

// CustomerPortal is what a page shows a customer of its own account.
type CustomerPortal struct {
	Subscriptions []PortalSubscription `json:"subscriptions"`
	// Entitlements are what the customer has, with usage.
	Entitlements            gate.EntitlementSet `json:"-"`
	PromotionalEntitlements []PortalPromotion   `json:"promotionalEntitlements"`
	Billing                 PortalBilling       `json:"billingInformation"`
	BillingPortalURL        string              `json:"billingPortalUrl"`
	CanUpgrade              bool                `json:"canUpgradeSubscription"`
	ShowWatermark           bool                `json:"showWatermark"`
	Resource                *ResourceRef        `json:"resource"`
	Look                    *Look               `json:"configuration"`
}

// PortalBilling is whom and what a customer pays with. Name and Email are personal data.
type PortalBilling struct {
	Name            string `json:"name"`
	Email           string `json:"email"`
	PaymentMethodID string `json:"defaultPaymentMethodId"`
	PaymentMethod
}

// PortalPromotion is a promotional entitlement as a customer sees it.
type PortalPromotion struct {
	Name      string            `json:"displayName"`
	Limit     *float64          `json:"usageLimit"`
	Unlimited bool              `json:"hasUnlimitedUsage"`
	SoftLimit bool              `json:"hasSoftLimit"`
	Period    PromotionalPeriod `json:"period"`
	StartDate time.Time         `json:"startDate"`
	EndDate   time.Time         `json:"endDate"`
}

// PortalSubscription is a subscription as a customer sees it.
type PortalSubscription struct {
	ID                 string             `json:"subscriptionId"`
	PlanID             string             `json:"planId"`
	PlanName           string             `json:"planName"`
	Status             SubscriptionStatus `json:"status"`
	PricingType        PricingType        `json:"pricingType"`
	TrialRemainingDays int                `json:"trialRemainingDays"`
	BillingPeriod      Period             `json:"billingPeriodRange"`
	TotalPrice         *struct {
		TotalPrice
		Addons Money `json:"addonsTotal"`
	} `json:"totalPrice"`
	Pricing PortalPricing `json:"pricing"`
	Addons  []struct {
		ID          string `json:"addonId"`
		Name        string `json:"displayName"`
		Description string `json:"description"`
		Quantity    int    `json:"quantity"`
	} `json:"addons"`
}

// PortalPricing is how a subscription is priced.
type PortalPricing struct {
	PricingType   PricingType   `json:"pricingType"`
	BillingPeriod BillingPeriod `json:"billingPeriod"`
	BillingModel  string        `json:"billingModel"`
	UnitQuantity  int           `json:"unitQuantity"`
	Price         *Money        `json:"price"`
	Feature       *struct {
		ID    string `json:"refId"`
		Name  string `json:"displayName"`
		Unit  string `json:"featureUnits"`
		Units string `json:"featureUnitsPlural"`
	} `json:"feature"`
	// UsageEstimate is what usage will cost this period, nil if nothing does.
	UsageEstimate *float64 `json:"usageBasedEstimatedBill"`
}

// UnmarshalJSON reads Stigg's form.
func (p *CustomerPortal) UnmarshalJSON(raw []byte) error {
	type plain CustomerPortal
	*p = CustomerPortal{}
	var nested struct {
		*plain
		Entitlements []*stateMember `json:"entitlementsV2"`
	}
	nested.plain = (*plain)(p)
	if err := json.Unmarshal(raw, &nested); err != nil {
		return err
	}
	p.Entitlements = setOf(&gql.GetEntitlementsState_EntitlementsState{EntitlementsV2: nested.Entitlements})
	return nil
}

// CustomerPortal reads what a customer, or its resource, sees of its account; product narrows it
// and may be empty.
func (c *Client) CustomerPortal(ctx context.Context, who gate.Customer, product string) (*CustomerPortal, error) {
	const op = "GetCustomerPortalByRefId"
	if err := customer(op, who); err != nil {
		return nil, err
	}
	var out struct {
		Found *CustomerPortal `json:"customerPortal"`
	}
	in := gql.CustomerPortalInput{CustomerID: who.ID, ResourceID: optional(who.Resource), ProductID: optional(product)}
	return result(op, call(ctx, op, c.api.GetCustomerPortalByRefID, in, &out), &out.Found)
}
