package client_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
)

func TestThePaywallAsTheSampleHasIt(t *testing.T) {
	c, _ := emulated(t)
	ctx := t.Context()
	wall, err := c.Paywall(ctx, client.PaywallQuery{})
	if err != nil || wall.Currency.Code != "USD" || wall.Customer != nil {
		t.Fatalf("got %+v, %v", wall, err)
	}
	plan := func(id string) client.Plan {
		i := slices.IndexFunc(wall.Plans, func(p client.Plan) bool { return p.ID == id })
		if i < 0 {
			t.Fatalf("the paywall has no %s", id)
		}
		return wall.Plans[i]
	}
	basic, essentials := plan("plan-revvenu-basic"), plan("plan-revvenu-essentials")
	if basic.PricingType != client.PricingFree || len(basic.Prices) != 0 || basic.Product.ID != "product-revvenu" {
		t.Errorf("Basic is %+v", basic)
	}
	i := slices.IndexFunc(basic.Entitlements, func(e client.PlanEntitlement) bool { return e.Feature != nil && e.Feature.ID == campaigns })
	if i < 0 || basic.Entitlements[i].Limit == nil || *basic.Entitlements[i].Limit != 4 || basic.Entitlements[i].Reset != "MONTH" || basic.Entitlements[i].Feature.Units != "campaigns" {
		t.Errorf("Basic's entitlements are %+v", basic.Entitlements)
	}
	monthly := slices.IndexFunc(essentials.Prices, func(p client.Price) bool { return p.BillingPeriod == client.BilledMonthly })
	if monthly < 0 || essentials.Prices[monthly].Price == nil || essentials.Prices[monthly].Price.Amount != 6 || essentials.Prices[monthly].Feature == nil ||
		essentials.Prices[monthly].Feature.ID != templates || essentials.Base == nil || essentials.Base.ID != "plan-revvenu-basic" || len(essentials.Addons) == 0 {
		t.Errorf("Essentials, on %+v, with %d add-ons, costs %+v", essentials.Base, len(essentials.Addons), essentials.Prices)
	}
	points := map[client.BillingPeriod]float64{}
	for _, p := range wall.PricePoints {
		if p.PlanID == "plan-revvenu-essentials" {
			points[p.BillingPeriod] = p.Amount
		}
	}
	if points[client.BilledMonthly] != 6 || points[client.BilledAnnually] != 60 {
		t.Errorf("the price points are %+v", wall.PricePoints)
	}
	if wall.Look == nil || wall.Look.Palette.Primary != "#2e7d32" {
		t.Errorf("the look is %+v", wall.Look)
	}
	theirs, err := c.Paywall(ctx, client.PaywallQuery{ProductID: "product-revvenu", Customer: demo, BillingCountryCode: "DK"})
	if err != nil || theirs.Customer == nil || theirs.Customer.ID != demo.ID || len(theirs.ActiveSubscriptions) == 0 {
		t.Errorf("a customer's: %+v, %v", theirs, err)
	}
	if _, err := c.Paywall(ctx, client.PaywallQuery{Customer: gate.Customer{ID: "nobody"}}); !errors.Is(err, client.ErrCustomerNotFound) {
		t.Errorf("the error is %v", err)
	}
	mock, err := c.MockPaywall(ctx, client.PaywallQuery{ProductID: "product-revvenu"})
	if err != nil || len(mock.Plans) == 0 || mock.Plans[0].ID == "" || len(mock.Plans[0].Entitlements) == 0 {
		t.Errorf("got %+v, %v", mock, err)
	}
}

func TestProductsAndTheSDKsConfiguration(t *testing.T) {
	c, _ := emulated(t)
	page, err := c.Products(t.Context(), client.ProductQuery{})
	if err != nil || page.Total == 0 || page.Items[0].ID != "product-revvenu" || page.Items[0].Metadata["recommendedPlan"] != "plan-revvenu-essentials" {
		t.Errorf("got %+v, %v", page, err)
	}
	n := 0
	for p, err := range c.AllProducts(t.Context(), client.ProductQuery{Paging: client.Paging{Size: 1}}) {
		if err != nil || p.Name == "" {
			t.Errorf("listed %+v, %v", p, err)
		}
		n++
	}
	if n != page.Total {
		t.Errorf("%d of %d products were listed", n, page.Total)
	}
	if _, err := c.SDKConfiguration(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCouponsAsTheSampleHasThemAndANewOne(t *testing.T) {
	c, _ := emulated(t)
	ctx := t.Context()
	q := client.CouponQuery{Filter: client.CouponFilter{Status: &client.TextFilter{Eq: "ACTIVE"}}}
	page, err := c.Coupons(ctx, q)
	i := slices.IndexFunc(page.Items, func(c client.Coupon) bool { return c.ID == "coupon-vip" })
	if err != nil || i < 0 || page.Items[i].Name != "VIP" || page.Items[i].Type != "PERCENTAGE" || page.Items[i].PercentOff != 20 {
		t.Fatalf("got %+v, %v", page, err)
	}
	made, err := c.CreateCoupon(ctx, client.CouponInput{ID: "coupon-five", Name: "Five", AmountsOff: []client.Money{{Amount: 5, Currency: "USD"}}, DurationInMonths: 3})
	if err != nil || made.ID != "coupon-five" || made.Type != "FIXED" || len(made.AmountsOff) != 1 || made.AmountsOff[0].Amount != 5 {
		t.Errorf("got %+v, %v", made, err)
	}
	if _, err := c.CreateCoupon(ctx, client.CouponInput{ID: "coupon-five", Name: "Five", PercentOff: 5}); !errors.Is(err, client.ErrDuplicate) {
		t.Errorf("the same again: %v", err)
	}
	for name, in := range map[string]client.CouponInput{
		"without an id": {Name: "x", PercentOff: 5}, "of nothing": {ID: "a", Name: "x"}, "of 101 percent": {ID: "a", Name: "x", PercentOff: 101},
		"of both": {ID: "a", Name: "x", PercentOff: 5, AmountsOff: []client.Money{{Amount: 1}}},
	} {
		if _, err := c.CreateCoupon(ctx, in); !errors.Is(err, client.ErrInvalidInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
	n := 0
	for _, err := range c.AllCoupons(ctx, client.CouponQuery{Paging: client.Paging{Size: 1}}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n < page.Total+1 {
		t.Errorf("%d coupons were listed", n)
	}
}

func TestThePortalAndTheCheckout(t *testing.T) {
	c, _ := emulated(t)
	ctx := t.Context()
	portal, err := c.CustomerPortal(ctx, demo, "")
	if err != nil || len(portal.Subscriptions) == 0 || portal.Subscriptions[0].PlanName == "" || len(portal.Entitlements.Features) == 0 {
		t.Fatalf("got %+v, %v", portal, err)
	}
	for _, e := range portal.Entitlements.Features {
		if e.FeatureID == templates && (e.Limit != 5 || e.Usage != 3) {
			t.Errorf("templates are %+v", e)
		}
	}
	state, err := c.CheckoutState(ctx, client.CheckoutQuery{Customer: demo, PlanID: "plan-revvenu-essentials"})
	if err != nil || state.Plan.ID != "plan-revvenu-essentials" || state.Customer.ID != demo.ID || state.SetupSecret == "" || state.Billing.Provider == "" {
		t.Errorf("got %+v, %v", state, err)
	}
	if _, err := c.CheckoutState(ctx, client.CheckoutQuery{Customer: demo, PlanID: "plan-of-nobody"}); !errors.Is(err, client.ErrPlanNotFound) {
		t.Errorf("the error is %v", err)
	}
	if token, err := c.CreatePaymentSession(ctx, demo.ID, "plan-revvenu-essentials", ""); err != nil || token == "" {
		t.Errorf("got %q, %v", token, err)
	}
}

func TestPromotionalEntitlementsAsTheSamplesDo(t *testing.T) {
	c, stigg := emulated(t)
	ctx := t.Context()
	hundred := 100.0
	end := stigg.Now().AddDate(0, 0, 30)
	got, err := c.GrantPromotionalEntitlements(ctx, demo.ID, []client.PromotionalGrant{
		{FeatureID: "feature-04-analytics", Period: client.ForOneMonth},
		{FeatureID: campaigns, Period: client.UntilDate, EndDate: end, Limit: &hundred},
	})
	if err != nil || len(got) != 2 || got[0].Status != "Active" || got[0].Feature.ID != "feature-04-analytics" || got[0].Limit != nil || !got[0].Visible ||
		got[1].Limit == nil || *got[1].Limit != 100 || got[1].Period != client.UntilDate {
		t.Fatalf("got %+v, %v", got, err)
	}
	e, err := c.Entitlement(ctx, client.EntitlementQuery{Customer: demo, FeatureID: "feature-04-analytics"})
	if err != nil || !e.Granted {
		t.Errorf("what was granted: %+v, %v", e, err)
	}
	if err := c.RevokePromotionalEntitlement(ctx, demo.ID, "feature-04-analytics"); err != nil {
		t.Fatal(err)
	}
	if err := c.RevokePromotionalEntitlement(ctx, demo.ID, "feature-04-analytics"); !errors.Is(err, client.ErrPromotionalEntitlementNotFound) {
		t.Errorf("once more: %v", err)
	}
	for name, g := range map[string]client.PromotionalGrant{
		"without a period": {FeatureID: campaigns}, "until no date": {FeatureID: campaigns, Period: client.UntilDate}, "of a bad feature": {FeatureID: "b a d", Period: client.ForLife},
	} {
		if _, err := c.GrantPromotionalEntitlements(ctx, demo.ID, []client.PromotionalGrant{g}); !errors.Is(err, client.ErrInvalidInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPromotionalGroups(t *testing.T) {
	c, _ := emulated(t)
	ctx := t.Context()
	const group = "feature-group-basic"
	ten := 10.0
	got, err := c.GrantPromotionalGroup(ctx, demo.ID, group, []client.PromotionalGrant{
		{FeatureID: templates, Period: client.ForLife, Limit: &ten}, {FeatureID: campaigns, Period: client.ForLife, Limit: &ten},
	})
	if err != nil || len(got) == 0 {
		t.Fatalf("got %+v, %v", got, err)
	}
	if left, err := c.UnlinkPromotionalGroup(ctx, demo.ID, group); err != nil || len(left) == 0 || len(left[0].GroupIDs) != 0 {
		t.Errorf("got %+v, %v", left, err)
	}
	if _, err = c.GrantPromotionalGroup(ctx, customerBasic.ID, group, []client.PromotionalGrant{
		{FeatureID: templates, Period: client.ForLife, Limit: &ten}, {FeatureID: campaigns, Period: client.ForLife, Limit: &ten},
	}); err != nil {
		t.Fatal(err)
	}
	if gone, err := c.RevokePromotionalGroup(ctx, customerBasic.ID, group); err != nil || len(gone) == 0 {
		t.Errorf("got %+v, %v", gone, err)
	}
	if _, err := c.RevokePromotionalGroup(ctx, demo.ID, "group-of-nobody"); err == nil {
		t.Error("a group of nobody was revoked")
	}
}
