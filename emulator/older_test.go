package emulator

import (
	"net/http/httptest"
	"testing"
)

// What older official clients and Stigg's documents ask for beside the newest schema.
func TestWhatOlderClientsAskForIsThere(t *testing.T) {
	for _, c := range []struct{ name, document, want string }{
		{"a coupon's customers", `{ coupons(filter: {refId: {eq: "coupon-vip"}}) { edges { node { refId customers { id } } } } }`,
			`{"coupons":{"edges":[{"node":{"customers":[],"refId":"coupon-vip"}}]}}`},
		{"trials of a customer without any", `{ getCustomerByRefId(input: {customerId: "customer-demo-01"}) { trialedPlans { planRefId } eligibleForTrial { eligible } } }`,
			`{"getCustomerByRefId":{"eligibleForTrial":[],"trialedPlans":[]}}`},
		{"an import by its older type", `mutation I($input: ImportCustomerBulk! = {customers: [{customerId: "c1"}]}) { importCustomersBulk(input: $input) }`, `{"importCustomersBulk":null}`},
		{"the oldest report of usage", `mutation { createUsageMeasurement(usageMeasurement: {customerId: "customer-basic", featureId: "feature-02-campaigns", value: 2}) { currentUsage } }`,
			`{"createUsageMeasurement":{"currentUsage":2}}`},
		{"an order of the free plan for units", `mutation { provisionSubscriptionV2(input: {customerId: "customer-demo-01", planId: "plan-revvenu-basic", resourceId: "site-1", billingPeriod: MONTHLY,
			billableFeatures: [{featureId: "feature-01-templates", quantity: 2}], addons: [{addonId: "addon-extra-stuff", quantity: 5}], billingCountryCode: "DK",
			checkoutOptions: {successUrl: "https://your-success-url.com", cancelUrl: "https://your-cancel-url.com", allowPromoCodes: true, collectBillingAddress: true, collectPhoneNumber: true},
			additionalMetaData: {key: "value"}}) { status checkoutUrl } }`, `{"provisionSubscriptionV2":{"checkoutUrl":null,"status":"SUCCESS"}}`},
		{"an update with an add-on of the page", `mutation { updateOneSubscription(input: {subscriptionId: "subscription-plan-revvenu-essentials-bum2flivze",
			billableFeatures: [{featureId: "feature-01-templates", quantity: 5}], addons: [{addonId: "addon-extra-stuff", quantity: 5}]}) { totalPrice { total { amount } } } }`,
			`{"updateOneSubscription":{"totalPrice":{"total":{"amount":30}}}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := ask(t, newTest(t), c.document, nil)
			if got := format(a.Data); got != c.want || len(a.Errors) > 0 {
				t.Errorf("%s %+v\nwant %s", got, a.Errors, c.want)
			}
		})
	}
	ledger := ask(t, newTest(t, WithCreditsDemo()), `{ creditsLedger(input: {customerId: "customer-tokens"}) { events { eventType amount } } }`, nil)
	if events, _ := dig(t, ledger.Data, "creditsLedger", "events").([]any); len(events) == 0 {
		t.Errorf("the events of a ledger: %+v", ledger)
	}
	hash := decoded(t, post(t, newTest(t), `{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"x"}}}`))
	if hash.Status != 200 || hash.code() != "PERSISTED_QUERY_NOT_SUPPORTED" {
		t.Errorf("a hash of a query: %+v", hash)
	}
}

// Stigg's client for Python asks the edge so.
func TestTheEdgeAnswersForOneFeature(t *testing.T) {
	e := newTest(t)
	for query, want := range map[string]string{
		"featureId=feature-01-templates&requestedUsage=10": `false "RequestedUsageExceedingLimit" "feature-01-templates"`,
		"featureId=feature-01-templates&requestedUsage=2":  `true null "feature-01-templates"`,
		"featureId=feature-04-analytics&resourceId=site-1": `true null "feature-04-analytics"`,
	} {
		r := httptest.NewRequest("GET", "/v1/c/customer-demo-01/entitlements.json?"+query, nil)
		r.Header.Set("X-API-KEY", DefaultKey)
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		one := dig(t, decoded(t, w).Data, "entitlement")
		if got := format(dig(t, one, "isGranted")) + " " + format(dig(t, one, "accessDeniedReason")) + " " + format(dig(t, one, "feature", "refId")); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	r := httptest.NewRequest("GET", "/v1/c/customer-demo-01/entitlements.json?featureId=feature-01-templates&requestedUsage=many", nil)
	r.Header.Set("X-API-KEY", DefaultKey)
	w := httptest.NewRecorder()
	if e.ServeHTTP(w, r); w.Code != 400 {
		t.Errorf("an amount that is none: %d %s", w.Code, w.Body)
	}
}
