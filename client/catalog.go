package client

import (
	"context"
	"iter"
)

// Plan is a plan of the catalog.
type Plan struct {
	ID          string         `json:"refId"`
	Name        string         `json:"displayName"`
	Description string         `json:"description"`
	BillingID   string         `json:"billingId"`
	Version     int            `json:"versionNumber"`
	PricingType PricingType    `json:"pricingType"` // empty until one is set
	Metadata    map[string]any `json:"additionalMetaData"`
	HiddenFrom  []string       `json:"hiddenFromWidgets"` // PAYWALL, CUSTOMER_PORTAL, CHECKOUT
	Product     Product        `json:"product"`
	// Base is the plan that this one builds on, nil if none.
	Base *PackageRef `json:"basePlan"`
	// Prices are what it costs, Overage what more than the included usage costs.
	Prices  []Price `json:"prices"`
	Overage []Price `json:"overagePrices"`
	// Entitlements are its own, Inherited those of its base.
	Entitlements []PlanEntitlement `json:"packageEntitlements"`
	Inherited    []PlanEntitlement `json:"inheritedPackageEntitlements"`
	Addons       []Addon           `json:"compatibleAddons"`
	AddonGroups  []AddonGroup      `json:"compatiblePackageGroups"`
	// Trial is the trial that it begins with, nil if none.
	Trial *Trial `json:"defaultTrialConfig"`
}

// Trial is how long a trial lasts, and what its end does.
type Trial struct {
	Duration float64 `json:"duration"`
	Units    string  `json:"units"` // DAY, MONTH
	Budget   *struct {
		Limit float64 `json:"limit"`
	} `json:"budget"`
	EndBehavior string `json:"trialEndBehavior"`
}

// Addon is an add-on of the catalog.
type Addon struct {
	ID          string         `json:"refId"`
	Name        string         `json:"displayName"`
	Description string         `json:"description"`
	BillingID   string         `json:"billingId"`
	PricingType PricingType    `json:"pricingType"`
	Metadata    map[string]any `json:"additionalMetaData"`
	HiddenFrom  []string       `json:"hiddenFromWidgets"`
	// MaxQuantity is the most that a subscription may have, nil if there is no such bound.
	MaxQuantity *float64 `json:"maxQuantity"`
	// Needs are the add-ons that must be in the subscription too.
	Needs        []PackageRef      `json:"dependencies"`
	Prices       []Price           `json:"prices"`
	Overage      []Price           `json:"overagePrices"`
	Entitlements []PlanEntitlement `json:"packageEntitlements"`
}

// AddonGroup is a group of add-ons of which at least MinItems must be taken and FreeItems cost
// nothing.
type AddonGroup struct {
	ID      string  `json:"packageGroupId"`
	Name    string  `json:"displayName"`
	Addons  []Addon `json:"addons"`
	Options struct {
		MinItems  float64 `json:"minItems"`
		FreeItems float64 `json:"freeItems"`
	} `json:"options"`
}

// PlanEntitlement is what a plan or an add-on gives: a Feature, or Credits of a Currency, of
// which one is nil.
type PlanEntitlement struct {
	Granted   bool         `json:"isGranted"`
	Feature   *FeatureInfo `json:"feature"`
	Limit     *float64     `json:"usageLimit"`
	Unlimited bool         `json:"hasUnlimitedUsage"`
	SoftLimit bool         `json:"hasSoftLimit"`
	Reset     string       `json:"resetPeriod"`
	Values    []string     `json:"enumValues"`

	Currency *CurrencyInfo `json:"customCurrency"`
	Credits  float64       `json:"amount"`
	Cadence  string        `json:"cadence"` // MONTH, YEAR

	HiddenFrom   []string `json:"hiddenFromWidgets"`
	NameOverride string   `json:"displayNameOverride"`
}

// FeatureInfo describes a feature. See gate.ParseFeatureKind for its two types.
type FeatureInfo struct {
	ID          string         `json:"refId"`
	Name        string         `json:"displayName"`
	Description string         `json:"description"`
	Type        string         `json:"featureType"`
	MeterType   string         `json:"meterType"`
	Unit        string         `json:"featureUnits"`
	Units       string         `json:"featureUnitsPlural"`
	Metadata    map[string]any `json:"additionalMetaData"`
}

// PricedFeature is the feature whose units a price is for.
type PricedFeature struct {
	ID          string `json:"refId"`
	Name        string `json:"displayName"`
	Description string `json:"description"`
	Unit        string `json:"featureUnits"`
	Units       string `json:"featureUnitsPlural"`
}

// CurrencyInfo describes a currency of credits.
type CurrencyInfo struct {
	ID     string `json:"currencyId"`
	Name   string `json:"displayName"`
	Symbol string `json:"symbol"`
	Units  struct {
		Singular string `json:"singular"`
		Plural   string `json:"plural"`
	} `json:"units"`
}

// Price is one price of a plan or an add-on.
type Price struct {
	// BillingModel is FLAT_FEE, PER_UNIT, USAGE_BASED, CREDIT_BASED or MINIMUM_SPEND.
	BillingModel       string        `json:"billingModel"`
	BillingPeriod      BillingPeriod `json:"billingPeriod"`
	BillingCadence     string        `json:"billingCadence"` // RECURRING, ONE_OFF
	BillingID          string        `json:"billingId"`
	BillingCountryCode string        `json:"billingCountryCode"`
	// Price is for a unit, a block of BlockSize units, or the whole; nil where Tiers say it.
	Price     *Money      `json:"price"`
	BlockSize *float64    `json:"blockSize"`
	MinUnits  *float64    `json:"minUnitQuantity"`
	MaxUnits  *float64    `json:"maxUnitQuantity"`
	TiersMode string      `json:"tiersMode"` // VOLUME, GRADUATED
	Tiers     []PriceTier `json:"tiers"`
	// Feature is what is sold by unit, nil otherwise.
	Feature    *PricedFeature `json:"feature"`
	CreditRate *struct {
		CurrencyID string  `json:"currencyId"`
		Amount     float64 `json:"amount"`
	} `json:"creditRate"`
	TopUpCurrencyID string `json:"topUpCustomCurrencyId"`
}

// PriceTier is a price up to a number of units, nil for the last.
type PriceTier struct {
	UpTo      *float64 `json:"upTo"`
	UnitPrice *Money   `json:"unitPrice"`
	FlatPrice *Money   `json:"flatPrice"`
}

// Product is a product of the catalog. AWSMarketplaceID and Settings are told by Products alone.
type Product struct {
	ID               string         `json:"refId"`
	Name             string         `json:"displayName"`
	Description      string         `json:"description"`
	Metadata         map[string]any `json:"additionalMetaData"`
	AWSMarketplaceID string         `json:"awsMarketplaceProductId"`
	Settings         struct {
		DowngradePlan *PackageRef `json:"downgradePlan"`
	} `json:"productSettings"`
}

// ProductFilter picks products; all that it asks must hold. What is nil asks nothing.
type ProductFilter struct {
	ID        *TextFilter     `json:"refId,omitzero"`
	Name      *TextFilter     `json:"displayName,omitzero"`
	CreatedAt *TimeFilter     `json:"createdAt,omitzero"`
	And       []ProductFilter `json:"and,omitzero"`
	Or        []ProductFilter `json:"or,omitzero"`
}

// ProductQuery asks for products.
type ProductQuery struct {
	Paging
	Filter ProductFilter
	Sort   []Sort
}

// Products reads one page of the environment's products.
func (c *Client) Products(ctx context.Context, q ProductQuery) (Page[Product], error) {
	return list[Product](ctx, "GetProducts", "products", q.Paging, q.Filter, q.Sort, c.api.GetProducts)
}

// AllProducts iterates over the products of all pages from q's on. An error ends it.
func (c *Client) AllProducts(ctx context.Context, q ProductQuery) iter.Seq2[Product, error] {
	return pages("GetProducts", q.Paging, func(at Paging) (Page[Product], error) {
		q.Paging = at
		return c.Products(ctx, q)
	})
}

// SDKConfiguration is what Stigg's own SDKs ask for when they begin.
type SDKConfiguration struct {
	SentryDSN                string `json:"sentryDsn"`
	IsWidgetWatermarkEnabled bool   `json:"isWidgetWatermarkEnabled"`
	ShowWatermark            bool   `json:"showWatermark"`
}

// SDKConfiguration reads it.
func (c *Client) SDKConfiguration(ctx context.Context) (SDKConfiguration, error) {
	const op = "GetSdkConfiguration"
	var out map[string]*SDKConfiguration
	_, err := c.api.GetSdkConfiguration(ctx, into(&out))
	if err != nil || out["sdkConfiguration"] == nil {
		return SDKConfiguration{}, typed(op, err)
	}
	return *out["sdkConfiguration"], nil
}
