package client

import (
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client/internal/wire"
)

// SubscriptionParams describes a subscription to make, to change, or to estimate. What is empty
// is left to Stigg. A call that does not take one of these refuses it: [ErrInvalidInput], and
// nothing is sent.
type SubscriptionParams struct {
	PlanID string `json:"planId,omitzero"`
	// ResourceID binds the subscription to one resource of the customer.
	ResourceID string `json:"resourceId,omitzero"`
	// SubscriptionID is your own id of a new subscription, or the one that is changed.
	SubscriptionID string        `json:"subscriptionId,omitzero"`
	BillingPeriod  BillingPeriod `json:"billingPeriod,omitzero"`
	// BillingCountryCode picks localized prices, as ISO 3166-1 alpha-2.
	BillingCountryCode string `json:"billingCountryCode,omitzero"`
	// Addons are all that the subscription shall have; in a change, nil leaves them and an
	// empty list takes them away. BillableFeatures, the quantities bought of features priced
	// by unit, and Charges are alike.
	Addons           []AddonQuantity   `json:"addons,omitzero"`
	BillableFeatures []FeatureQuantity `json:"billableFeatures,omitzero"`
	Charges          []Charge          `json:"charges,omitzero"`
	Coupon           *CouponChoice     `json:"appliedCoupon,omitzero"`
	PromotionCode    string            `json:"promotionCode,omitzero"`
	// StartDate is when it begins; the zero time is now.
	StartDate time.Time `json:"startDate,omitzero"`
	// AwaitPaymentConfirmation makes Stigg answer only after payment was confirmed.
	AwaitPaymentConfirmation *bool `json:"awaitPaymentConfirmation,omitzero"`
	// BillingCycleAnchor is NOW or UNCHANGED.
	BillingCycleAnchor      string                  `json:"billingCycleAnchor,omitzero"`
	BillingID               string                  `json:"billingId,omitzero"`
	Billing                 *SubscriptionBilling    `json:"billingInformation,omitzero"`
	PaymentCollectionMethod PaymentCollectionMethod `json:"paymentCollectionMethod,omitzero"`
	Budget                  *Budget                 `json:"budget,omitzero"`
	MinimumSpend            *MinimumSpend           `json:"minimumSpend,omitzero"`
	SalesforceID            string                  `json:"salesforceId,omitzero"`
	// Trial replaces the trial that the plan has.
	Trial *TrialOverride `json:"trialOverrideConfiguration,omitzero"`
	// Metadata is kept with the subscription; values must be encodable as JSON.
	Metadata map[string]any `json:"additionalMetaData,omitzero"`
}

// AddonQuantity is a number of one add-on.
type AddonQuantity struct {
	AddonID  string `json:"addonId"`
	Quantity int    `json:"quantity"`
}

// FeatureQuantity is a quantity of one billable feature.
type FeatureQuantity struct {
	FeatureID string  `json:"featureId"`
	Quantity  float64 `json:"quantity"`
}

// Charge is a quantity of a feature or of a currency; Type is FEATURE or CREDIT.
type Charge struct {
	ID       string  `json:"id"`
	Type     string  `json:"type"`
	Quantity float64 `json:"quantity"`
}

// CouponChoice is a discount: a coupon of Stigg's, one of the billing provider's, a promotion
// code, or one made for this subscription.
type CouponChoice struct {
	CouponID        string          `json:"couponId,omitzero"`
	BillingCouponID string          `json:"billingCouponId,omitzero"`
	PromotionCode   string          `json:"promotionCode,omitzero"`
	Discount        *CouponDiscount `json:"discount,omitzero"`
}

// CouponDiscount is a discount made for one subscription: PercentOff, or AmountsOff in each
// currency.
type CouponDiscount struct {
	Name             string  `json:"name,omitzero"`
	Description      string  `json:"description,omitzero"`
	PercentOff       float64 `json:"percentOff,omitzero"`
	AmountsOff       []Money `json:"amountsOff,omitzero"`
	DurationInMonths float64 `json:"durationInMonths,omitzero"`
}

// SubscriptionBilling goes to the billing provider.
type SubscriptionBilling struct {
	BillingAddress          *BillingAddress `json:"billingAddress,omitzero"`
	TaxIDs                  []TaxID         `json:"taxIds,omitzero"`
	TaxRateIDs              []string        `json:"taxRateIds,omitzero"`
	TaxPercentage           *float64        `json:"taxPercentage,omitzero"`
	ChargeOnBehalfOfAccount string          `json:"chargeOnBehalfOfAccount,omitzero"`
	CouponID                string          `json:"couponId,omitzero"`
	IntegrationID           string          `json:"integrationId,omitzero"`
	InvoiceDaysUntilDue     *float64        `json:"invoiceDaysUntilDue,omitzero"`
	IsBackdated             *bool           `json:"isBackdated,omitzero"`
	IsInvoicePaid           *bool           `json:"isInvoicePaid,omitzero"`
	// ProrationBehavior is CREATE_PRORATIONS, INVOICE_IMMEDIATELY or NONE.
	ProrationBehavior string         `json:"prorationBehavior,omitzero"`
	Metadata          map[string]any `json:"metadata,omitzero"`
}

// BillingAddress is the address on an invoice. It is personal data.
type BillingAddress struct {
	Line1      string `json:"line1,omitzero"`
	Line2      string `json:"line2,omitzero"`
	City       string `json:"city,omitzero"`
	State      string `json:"state,omitzero"`
	PostalCode string `json:"postalCode,omitzero"`
	Country    string `json:"country,omitzero"`
}

// Budget bounds what a subscription may cost.
type Budget struct {
	Limit        float64 `json:"limit"`
	HasSoftLimit bool    `json:"hasSoftLimit"`
}

// MinimumSpend is what a subscription costs at least.
type MinimumSpend struct {
	Minimum Money `json:"minimum"`
}

// TrialOverride says whether a subscription begins with a trial.
type TrialOverride struct {
	IsTrial bool `json:"isTrial"`
	// EndDate ends the trial; the zero time leaves it to the plan.
	EndDate time.Time `json:"trialEndDate,omitzero"`
	// EndBehavior is what the trial's end does: CONVERT_TO_PAID, CANCEL_SUBSCRIPTION,
	// or empty for the plan's.
	EndBehavior string `json:"trialEndBehavior,omitzero"`
}

// check finds what is malformed.
func (p *SubscriptionParams) check(op string, needsPlan bool) error {
	if needsPlan && p.PlanID == "" {
		return invalid(op, "the plan id is empty", nil)
	}
	if p.ResourceID != "" {
		if err := customer(op, gate.Customer{ID: "any", Resource: p.ResourceID}); err != nil {
			return err
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
		if err := featureID(op, f.FeatureID); err != nil {
			return err
		}
		if err := amount(op, "quantity of a feature", f.Quantity); err != nil {
			return err
		}
	}
	return nil
}
