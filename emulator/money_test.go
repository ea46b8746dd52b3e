package emulator

import (
	"math/big"
	"strings"
	"testing"
	"time"
)

type vars = map[string]any

// essentialsOrder orders Essentials by the month.
func essentialsOrder(customerID string, templates float64, addons int, more ...any) vars {
	in := vars{"customerId": customerID, "planId": "plan-revvenu-essentials", "billingPeriod": "MONTHLY",
		"billableFeatures": []vars{{"featureId": "feature-01-templates", "quantity": templates}}}
	if addons > 0 {
		in["addons"] = []vars{{"addonId": "addon-10-campaigns", "quantity": addons}}
	}
	for i := 0; i < len(more); i += 2 {
		in[more[i].(string)] = more[i+1]
	}
	return in
}

// run performs an official document and gives its first root field.
func run(t testing.TB, e *Emulator, operation string, in vars) any {
	t.Helper()
	a := ask(t, e, official(t, operation), officialCall{operation, in}.variables())
	if len(a.Errors) > 0 {
		t.Fatalf("%s: %+v", operation, a.Errors)
	}
	for _, v := range a.Data {
		return v
	}
	return nil
}

// refusal performs an official document that must fail, and gives its code.
func refusal(t testing.TB, e *Emulator, operation string, in vars) Code {
	t.Helper()
	a := ask(t, e, official(t, operation), officialCall{operation, in}.variables())
	if len(a.Errors) == 0 {
		t.Fatalf("%s was not refused: %v", operation, a.Data)
	}
	return a.code()
}

func TestEstimatesCostWhatTheDocumentsSay(t *testing.T) {
	const sub = "subscription-plan-revvenu-essentials-bum2flivze"
	update := func(templates float64, addons int) vars {
		return vars{"subscriptionId": sub, "billableFeatures": []vars{{"featureId": "feature-01-templates", "quantity": templates}},
			"addons": []vars{{"addonId": "addon-10-campaigns", "quantity": addons}}}
	}
	for _, c := range []struct {
		name, operation string
		in              vars
		path            string
		want            float64
	}{
		{"5 templates and 5 add-ons, of somebody new", "EstimateSubscription", essentialsOrder("customer-none", 5, 5), "total", 55},
		{"the same for every period", "EstimateSubscription", essentialsOrder("customer-none", 5, 5), "subscription total", 55},
		{"5 and 5 of somebody who has 5: the page's 55", "EstimateSubscription", essentialsOrder("customer-demo-01", 5, 5, "resourceId", "site-1"), "subscription total", 55},
		{"and what is left of the month at once", "EstimateSubscription", essentialsOrder("customer-demo-01", 5, 5, "resourceId", "site-1"), "proration debit", 4.5},
		{"7 templates and 2 add-ons", "EstimateSubscriptionUpdate", update(7, 2), "subscription total", 52},
		{"7 and 2, of which at once", "EstimateSubscriptionUpdate", update(7, 2), "total", 3.96},
		{"nothing less", "EstimateSubscriptionUpdate", update(7, 2), "proration credit", 0},
		{"20 % off 30", "EstimateSubscription", essentialsOrder("customer-none", 5, 0, "appliedCoupon", vars{"couponId": "coupon-vip"}), "total", 24},
		{"20 % off, by a promotion code", "EstimateSubscription", essentialsOrder("customer-none", 5, 0, "promotionCode", "SUMMER20"), "total", 24},
		{"the discount", "EstimateSubscription", essentialsOrder("customer-none", 5, 0, "appliedCoupon", vars{"couponId": "coupon-vip"}), "discountAmount", 6},
		{"19 % tax", "EstimateSubscription", essentialsOrder("customer-none", 5, 0, "billingInformation", vars{"taxPercentage": 19}), "total", 35.7},
		{"fewer than the minimum", "EstimateSubscription", essentialsOrder("customer-none", 2, 0), "total", 30},
		{"a year", "EstimateSubscription", essentialsOrder("customer-none", 5, 1, "billingPeriod", "ANNUALLY"), "total", 354},
		{"on trial", "EstimateSubscription", essentialsOrder("customer-none", 5, 0, "trialOverrideConfiguration", vars{"isTrial": true}), "total", 0},
		{"a price for a unit", "EstimateSubscription", essentialsOrder("customer-none", 5, 0, "priceUnitAmount", 0.1), "total", 0.5},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newTest(t)
			id, named := c.in["customerId"].(string)
			if !named {
				id = "customer-demo-01"
			}
			before := format(run(t, e, "GetCustomerById", vars{"customerId": id}))
			got := run(t, e, c.operation, c.in)
			for _, name := range append(strings.Fields(c.path), "amount") {
				got = dig(t, got, name)
			}
			if got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
			if after := format(run(t, e, "GetCustomerById", vars{"customerId": id})); after != before {
				t.Error("the estimate changed the customer")
			}
		})
	}
}

func TestAmountsAreExactDecimals(t *testing.T) {
	if got := shownDecimal(plus(exactly(0.1), exactly(0.2))); got != "0.3" {
		t.Errorf("0.1 + 0.2 is %s", got)
	}
	if got := shownDecimal(rounded(big.NewRat(5, 1000), "USD")); got != "0.01" {
		t.Errorf("half a cent rounds to %s", got)
	}
	if got := shownDecimal(rounded(exactly(10.5), "JPY")); got != "11" {
		t.Errorf("half a yen rounds to %s", got)
	}
	e := newTest(t)
	got := run(t, e, "EstimateSubscription", essentialsOrder("customer-none", 5, 0, "priceUnitAmount", 0.07))
	if format(dig(t, got, "subscription", "total")) != `{"amount":0.35,"currency":"USD"}` {
		t.Errorf("5 x 0.07 is %v", dig(t, got, "subscription", "total"))
	}
}

func TestAnEstimateIsWhatTheOrderThenCosts(t *testing.T) {
	for _, c := range []struct {
		name string
		in   vars
	}{
		{"new", essentialsOrder("customer-none", 6, 3)},
		{"in the middle of a period", essentialsOrder("customer-demo-01", 9, 1)},
		{"with a new cycle", essentialsOrder("customer-demo-01", 9, 1, "billingCycleAnchor", "NOW")},
		{"with a coupon", essentialsOrder("customer-none", 6, 3, "appliedCoupon", vars{"couponId": "coupon-vip"})},
		{"with a discount of its own", essentialsOrder("customer-none", 6, 3, "appliedCoupon", vars{"discount": vars{"amountsOff": []vars{{"amount": 2.5, "currency": "USD"}}}})},
		{"of a customer with a coupon", essentialsOrder("customer-vip", 6, 3)},
		{"with a minimum", essentialsOrder("customer-none", 5, 0, "minimumSpend", vars{"minimum": vars{"amount": 99, "currency": "USD"}})},
		{"with an agreed price", essentialsOrder("customer-none", 5, 1, "priceOverrides", []vars{{"addonId": "addon-10-campaigns", "price": vars{"amount": 1}}})},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newTest(t)
			run(t, e, "ProvisionCustomer", vars{"customerId": "customer-vip", "couponRefId": "coupon-vip"})
			estimated := vars{}
			for k, v := range c.in {
				if k != "minimumSpend" && k != "priceOverrides" && k != "billingCycleAnchor" {
					estimated[k] = v
				}
			}
			preview := run(t, e, "PreviewSubscription", estimated)
			made := run(t, e, "ProvisionSubscription", c.in)
			total := dig(t, made, "subscription", "totalPrice", "total", "amount")
			if len(estimated) == len(c.in) {
				if want := dig(t, preview, "recurringInvoice", "total", "amount"); total != want {
					t.Errorf("every period costs %v, previewed %v", total, want)
				}
				if got, want := dig(t, made, "subscription", "latestInvoice", "total"), dig(t, preview, "immediateInvoice", "total", "amount"); got != want {
					t.Errorf("billed %v, previewed %v", got, want)
				}
			}
			next := run(t, e, "PreviewNextInvoice", vars{"subscriptionId": dig(t, made, "subscription", "subscriptionId")})
			if got := dig(t, next, "total", "amount"); got != total {
				t.Errorf("the next invoice is %v, a period costs %v", got, total)
			}
		})
	}
}

func TestUsageIsBilledAfterThePeriodAndABudgetEndsIt(t *testing.T) {
	catalog := `{"product": {"id": "p"}, "features": [{"id": "calls", "featureType": "NUMBER", "meterType": "INCREMENTAL"}],
		"plans": [{"id": "usage", "pricingType": "PAID", "entitlements": [{"featureId": "calls", "hasUnlimitedUsage": true, "resetPeriod": "MONTH"}],
			"prices": [{"billingModel": "FLAT_FEE", "amount": 10}, {"billingModel": "USAGE_BASED", "featureId": "calls", "amount": 0.1}]}],
		"customers": [{"id": "c"}]}`
	e := newTest(t, WithCatalog(strings.NewReader(catalog)))
	made := run(t, e, "ProvisionSubscription", vars{"customerId": "c", "planId": "usage", "billingPeriod": "MONTHLY", "budget": vars{"limit": 1, "hasSoftLimit": false}})
	if got := dig(t, made, "subscription", "totalPrice", "total", "amount"); got != 10.0 {
		t.Errorf("at once %v, want the base charge", got)
	}
	granted := func() any {
		return dig(t, run(t, e, "GetEntitlement", vars{"customerId": "c", "featureId": "calls"}), "accessDeniedReason")
	}
	must(t, e.Report(Measurement{CustomerID: "c", FeatureID: "calls", Value: 3}))
	next := run(t, e, "PreviewNextInvoice", vars{"subscriptionId": dig(t, made, "subscription", "subscriptionId")})
	if got := dig(t, next, "total", "amount"); got != 10.3 {
		t.Errorf("10 + 3 x 0.1 is %v", got)
	}
	if got := granted(); got != nil {
		t.Errorf("within the budget: %v", got)
	}
	must(t, e.Report(Measurement{CustomerID: "c", FeatureID: "calls", Value: 7}))
	if got := granted(); got != "BudgetExceeded" {
		t.Errorf("with the budget used up: %v", got)
	}
	e.Advance(31 * 24 * time.Hour)
	if got := granted(); got != nil {
		t.Errorf("in the next period: %v", got)
	}
}

func TestACouponIsAppliedAsLongAsItLastsAndAsOftenAsItMay(t *testing.T) {
	e := newTest(t)
	run(t, e, "CreateCoupon", vars{"refId": "coupon-short", "name": "Short", "percentOff": 50, "durationInMonths": 1})
	in := essentialsOrder("customer-none", 5, 0, "appliedCoupon", vars{"couponId": "coupon-short"})
	id := dig(t, run(t, e, "ProvisionSubscription", in), "subscription", "subscriptionId")
	total := func() any {
		return dig(t, run(t, e, "GetSubscription", vars{"subscriptionId": id}), "totalPrice", "total", "amount")
	}
	if got := total(); got != 15.0 {
		t.Errorf("half of 30 is %v", got)
	}
	if next := run(t, e, "PreviewNextInvoice", vars{"subscriptionId": id}); dig(t, next, "total", "amount") != 30.0 {
		t.Errorf("the month after costs %v", dig(t, next, "total"))
	}
	e.Advance(40 * 24 * time.Hour)
	if got := total(); got != 30.0 {
		t.Errorf("after the coupon %v", got)
	}
	for name, c := range map[string]struct {
		in   vars
		want Code
	}{
		"unknown":             {vars{"couponId": "x"}, CodeCouponNotFound},
		"of an unknown code":  {vars{"promotionCode": "x"}, CodePromotionCodeNotFound},
		"discount that is no": {vars{"discount": vars{"percentOff": 300}}, CodeBadUserInput},
	} {
		if got := refusal(t, e, "ProvisionSubscription", essentialsOrder("customer-none", 5, 0, "appliedCoupon", c.in)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	limited := `{"product": {"id": "p"}, "features": [], "coupons": [{"id": "once", "discountValue": 10, "maxRedemptions": 1}, {"id": "old", "discountValue": 10, "status": "ARCHIVED"}]}`
	e = newTest(t, WithCatalog(strings.NewReader(limited)))
	run(t, e, "ProvisionCustomer", vars{"customerId": "a", "couponRefId": "once"})
	run(t, e, "ProvisionCustomer", vars{"customerId": "a", "couponRefId": "once"})
	if got := refusal(t, e, "ProvisionCustomer", vars{"customerId": "b", "couponRefId": "once"}); got != CodeMaxRedemptions {
		t.Errorf("redeemed twice: %s", got)
	}
	if got := refusal(t, e, "ProvisionCustomer", vars{"customerId": "b", "couponRefId": "old"}); got != CodeCouponArchived {
		t.Errorf("archived: %s", got)
	}
	if e.AddCustomer("b") != nil {
		t.Error("the refused customer is there")
	}
}

func TestACustomerPaysInACurrencyThatThePlanIsSoldIn(t *testing.T) {
	e := newTest(t)
	run(t, e, "ProvisionCustomer", vars{"customerId": "c", "billingInformation": vars{"currency": "EUR"}})
	if got := refusal(t, e, "ProvisionSubscription", essentialsOrder("c", 5, 0)); got != CodePriceNotFound {
		t.Errorf("%s", got)
	}
	run(t, e, "ProvisionSubscription", vars{"customerId": "c", "planId": "plan-revvenu-basic"})
}
