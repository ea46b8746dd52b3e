package client

import (
	"context"
	"time"

	"github.com/stiggate/gate/client/gql"
)

// Bill is what is to be paid. Money that Stigg does not give is nil.
type Bill struct {
	SubTotal          Money     `json:"subTotal"`
	TotalExcludingTax Money     `json:"totalExcludingTax"`
	Total             Money     `json:"total"`
	Tax               *Money    `json:"tax"`
	TaxDetails        *Tax      `json:"taxDetails"`
	Discount          *Discount `json:"discount"`
	DiscountAmount    *Money    `json:"discountAmount"`
}

// Tax is a tax in percent; Inclusive says that prices have it already.
type Tax struct {
	Name       string  `json:"displayName"`
	Percentage float64 `json:"percentage"`
	Inclusive  bool    `json:"inclusive"`
}

// Discount is a coupon's effect: Value percent if Type is PERCENTAGE, an amount if it is FIXED.
type Discount struct {
	Name             string  `json:"name"`
	Type             string  `json:"type"`
	Value            float64 `json:"value"`
	DurationType     string  `json:"durationType"` // FOREVER, ONCE, REPEATING
	DurationInMonths float64 `json:"durationInMonths"`
}

// Proration is what a change within a billing period gives back (Credit) and costs (Debit).
type Proration struct {
	Date   time.Time `json:"prorationDate"`
	Credit Money     `json:"credit"`
	Debit  Money     `json:"debit"`
	Net    Money     `json:"netAmount"`
}

// InvoiceCredits are those that a customer has with the billing provider.
type InvoiceCredits struct {
	Initial   Money `json:"initial"`
	Used      Money `json:"used"`
	Remaining Money `json:"remaining"`
}

// Estimate is what a subscription, or a change of it, would cost now, and from then on each
// billing period (Recurring).
type Estimate struct {
	Bill
	Recurring           *Bill           `json:"subscription"`
	BillingPeriod       Period          `json:"billingPeriodRange"`
	Proration           *Proration      `json:"proration"`
	Credits             *InvoiceCredits `json:"credits"`
	IsPlanDowngrade     bool            `json:"isPlanDowngrade"`
	HasScheduledUpdates bool            `json:"hasScheduledUpdates"`
}

// EstimateInput describes a subscription to estimate. CustomerID and PlanID are required.
type EstimateInput struct {
	CustomerID       string `json:"customerId"`
	PayingCustomerID string `json:"payingCustomerId,omitzero"`
	SkipTrial        *bool  `json:"skipTrial,omitzero"`

	SubscriptionParams
}

// EstimateSubscription says what a subscription would cost, and changes nothing.
func (c *Client) EstimateSubscription(ctx context.Context, in EstimateInput) (*Estimate, error) {
	const op = "EstimateSubscription"
	err := in.check(op, true)
	if err == nil {
		err = checkPayers(op, in.CustomerID, in.PayingCustomerID)
	}
	if err != nil {
		return nil, err
	}
	var out struct {
		Done *Estimate `json:"estimateSubscription"`
	}
	return result(op, call(ctx, op, c.api.EstimateSubscription, in, &out), &out.Done)
}

// EstimateSubscriptionUpdate says what a change of the subscription in.SubscriptionID would cost,
// prorated, and changes nothing. It takes Addons, BillableFeatures, Charges, Coupon and
// PromotionCode.
func (c *Client) EstimateSubscriptionUpdate(ctx context.Context, in SubscriptionParams) (*Estimate, error) {
	const op = "EstimateSubscriptionUpdate"
	err := in.check(op, false)
	if err == nil {
		err = given(op, "subscription id", in.SubscriptionID)
	}
	if err != nil {
		return nil, err
	}
	var out struct {
		Done *Estimate `json:"estimateSubscriptionUpdate"`
	}
	return result(op, call(ctx, op, c.api.EstimateSubscriptionUpdate, in, &out), &out.Done)
}

// PreviewBill is a Bill of a Preview.
type PreviewBill struct {
	SubTotal          Money           `json:"subTotal"`
	TotalExcludingTax Money           `json:"totalExcludingTax"`
	Total             Money           `json:"total"`
	Tax               *Money          `json:"tax"`
	TaxDetails        *Tax            `json:"taxDetails"`
	Discount          *Money          `json:"discount"`
	DiscountDetails   *Discount       `json:"discountDetails"`
	Proration         *Proration      `json:"proration"`
	Credits           *InvoiceCredits `json:"credits"`
}

// Preview is what a subscription would cost: at once, and from then on each billing period.
type Preview struct {
	Immediate           PreviewBill  `json:"immediateInvoice"`
	Recurring           *PreviewBill `json:"recurringInvoice"`
	BillingPeriod       Period       `json:"billingPeriodRange"`
	IsPlanDowngrade     bool         `json:"isPlanDowngrade"`
	HasScheduledUpdates bool         `json:"hasScheduledUpdates"`
}

// PreviewInput describes a subscription to preview. CustomerID and PlanID are required.
type PreviewInput struct {
	CustomerID       string           `json:"customerId"`
	PayingCustomerID string           `json:"payingCustomerId,omitzero"`
	ScheduleStrategy ScheduleStrategy `json:"scheduleStrategy,omitzero"`

	SubscriptionParams
}

// PreviewSubscription is EstimateSubscription in Stigg's newer form. It changes nothing.
func (c *Client) PreviewSubscription(ctx context.Context, in PreviewInput) (*Preview, error) {
	const op = "PreviewSubscription"
	err := in.check(op, true)
	if err == nil {
		err = checkPayers(op, in.CustomerID, in.PayingCustomerID)
	}
	if err != nil {
		return nil, err
	}
	var out struct {
		Done *Preview `json:"previewSubscription"`
	}
	return result(op, call(ctx, op, c.api.PreviewSubscription, in, &out), &out.Done)
}

// InvoicePreview is the next invoice of a subscription as it would be now.
type InvoicePreview struct {
	AmountDue              Money                `json:"amountDue"`
	MinimumSpendAdjustment Money                `json:"minimumSpendAdjustment"`
	SubTotal               Money                `json:"subTotal"`
	TotalExcludingTax      Money                `json:"totalExcludingTax"`
	Total                  Money                `json:"total"`
	Tax                    *Money               `json:"tax"`
	TaxDetails             *Tax                 `json:"taxDetails"`
	Discount               *Money               `json:"discount"`
	DiscountDetails        *Discount            `json:"discountDetails"`
	Credits                *InvoiceCredits      `json:"credits"`
	LastUpdatedAt          time.Time            `json:"lastUpdatedAt"`
	Lines                  []InvoicePreviewLine `json:"lines"`
}

// InvoicePreviewLine is one charge of an InvoicePreview.
type InvoicePreviewLine struct {
	// Type is Stigg's InvoiceLineItemType, for instance BaseCharge or OverageCharge.
	Type            string   `json:"type"`
	Description     string   `json:"description"`
	CostDescription string   `json:"costDescription"`
	Amount          Money    `json:"amount"`
	UnitPrice       *Money   `json:"unitPrice"`
	Quantity        int      `json:"quantity"`
	IsProration     bool     `json:"proration"`
	UsageLimit      *float64 `json:"usageLimit"`
	Period          Period   `json:"period"`
	Price           *Price   `json:"price"`
}

// PreviewNextInvoice says what a subscription's next invoice would be now.
func (c *Client) PreviewNextInvoice(ctx context.Context, subscriptionID string) (*InvoicePreview, error) {
	const op = "PreviewNextInvoice"
	if err := given(op, "subscription id", subscriptionID); err != nil {
		return nil, err
	}
	var out struct {
		Done *InvoicePreview `json:"previewNextInvoice"`
	}
	return result(op, call(ctx, op, c.api.PreviewNextInvoice, gql.PreviewNextInvoiceInput{SubscriptionID: subscriptionID}, &out), &out.Done)
}

// result is what a call answered, which must be something.
func result[T any](op string, err error, done **T) (*T, error) {
	if err == nil && *done == nil {
		err = errNone(op, "result")
	}
	if err != nil {
		return nil, err
	}
	return *done, nil
}
