package client

import (
	"context"

	"github.com/stiggate/gate"
)

// PaywallQuery asks for the plans that a customer can choose from. All of it may be empty.
type PaywallQuery struct {
	ProductID string
	// Customer makes the answer theirs: their subscriptions, and what they may try.
	Customer gate.Customer
	// BillingCountryCode picks localized prices, as ISO 3166-1 alpha-2; AllCountries asks for
	// those of all countries.
	BillingCountryCode string
	AllCountries       bool
	IncludeHiddenPlans bool
}

// Paywall is what a page that sells plans shows.
type Paywall struct {
	Plans    []Plan          `json:"plans"`
	Currency PaywallCurrency `json:"currency"`
	// Customer is nil if none was asked about.
	Customer            *Customer      `json:"customer"`
	Resource            *ResourceRef   `json:"resource"`
	ActiveSubscriptions []Subscription `json:"activeSubscriptions"`
	PricePoints         []PricePoint   `json:"paywallCalculatedPricePoints"`
	// Look is how it shall look, nil if nobody said.
	Look *Look `json:"configuration"`
}

// PaywallCurrency is the currency of a paywall's prices.
type PaywallCurrency struct {
	Code   string `json:"code"`
	Symbol string `json:"symbol"`
}

// ResourceRef names a customer's resource.
type ResourceRef struct {
	ID string `json:"resourceId"`
}

// PricePoint is the least that a plan costs.
type PricePoint struct {
	PlanID             string        `json:"planId"`
	BillingPeriod      BillingPeriod `json:"billingPeriod"`
	Amount             float64       `json:"amount"`
	Currency           string        `json:"currency"`
	BillingCountryCode string        `json:"billingCountryCode"`
	// MoreMayApply says that usage may cost more.
	MoreMayApply bool           `json:"additionalChargesMayApply"`
	Feature      *PricedFeature `json:"feature"`
}

// Look is how a page of Stigg's widgets shall look: colors in CSS's words.
type Look struct {
	Palette struct {
		Primary               string `json:"primary"`
		TextColor             string `json:"textColor"`
		BackgroundColor       string `json:"backgroundColor"`
		BorderColor           string `json:"borderColor"`
		CurrentPlanBackground string `json:"currentPlanBackground"`
		// The next are of the customer portal, the last of the checkout.
		IconsColor             string `json:"iconsColor"`
		PaywallBackgroundColor string `json:"paywallBackgroundColor"`
		SummaryBackgroundColor string `json:"summaryBackgroundColor"`
	} `json:"palette"`
	Typography struct {
		FontFamily string `json:"fontFamily"`
		H1         Font   `json:"h1"`
		H2         Font   `json:"h2"`
		H3         Font   `json:"h3"`
		Body       Font   `json:"body"`
	} `json:"typography"`
	// Layout is of the paywall.
	Layout struct {
		Alignment   string  `json:"alignment"` // LEFT, CENTER, RIGHT
		PlanWidth   float64 `json:"planWidth"`
		PlanMargin  float64 `json:"planMargin"`
		PlanPadding float64 `json:"planPadding"`
	} `json:"layout"`
	// Content is of the checkout.
	Content struct {
		CollectPhoneNumber bool `json:"collectPhoneNumber"`
	} `json:"content"`
	CustomCSS string `json:"customCss"`
}

// Font is a size in pixels and a weight, NORMAL or BOLD.
type Font struct {
	Size   float64 `json:"fontSize"`
	Weight string  `json:"fontWeight"`
}

// paywallInput is PaywallQuery as Stigg's API has it.
type paywallInput struct {
	ProductID               string `json:"productId,omitzero"`
	CustomerID              string `json:"customerId,omitzero"`
	ResourceID              string `json:"resourceId,omitzero"`
	BillingCountryCode      string `json:"billingCountryCode,omitzero"`
	FetchAllCountriesPrices bool   `json:"fetchAllCountriesPrices,omitzero"`
	IncludeHiddenPlans      bool   `json:"includeHiddenPlans,omitzero"`
}

func (q PaywallQuery) input(op string) (paywallInput, error) {
	in := paywallInput{q.ProductID, q.Customer.ID, q.Customer.Resource, q.BillingCountryCode, q.AllCountries, q.IncludeHiddenPlans}
	if q.Customer == (gate.Customer{}) {
		return in, nil
	}
	return in, customer(op, q.Customer)
}

// Paywall reads the plans of a product, or of all, with their prices and add-ons.
func (c *Client) Paywall(ctx context.Context, q PaywallQuery) (*Paywall, error) {
	const op = "GetPaywall"
	in, err := q.input(op)
	if err != nil {
		return nil, err
	}
	var out struct {
		Found *Paywall `json:"paywall"`
	}
	return result(op, call(ctx, op, c.api.GetPaywall, in, &out), &out.Found)
}

// MockPaywall is Paywall as it would be shown of what is not published yet: plans and their look
// alone.
func (c *Client) MockPaywall(ctx context.Context, q PaywallQuery) (*Paywall, error) {
	const op = "GetMockPaywall"
	in, err := q.input(op)
	if err != nil {
		return nil, err
	}
	var out struct {
		Found *Paywall `json:"mockPaywall"`
	}
	return result(op, call(ctx, op, c.api.GetMockPaywall, in, &out), &out.Found)
}
