package emulator

import (
	"testing"
	"time"
)

// updatedAt gives when the list of a customer's entitlements says that it last changed.
func updatedAt(t *testing.T, e *Emulator, customerID, resourceID string) any {
	t.Helper()
	query := map[string]any{"customerId": customerID, "resourceId": resourceID}
	a := ask(t, e, official(t, "GetEntitlements"), map[string]any{"query": query})
	list, _ := dig(t, a.Data, "entitlements").([]any)
	var at any
	for i := range list {
		if got := dig(t, list, i, "entitlementUpdatedAt"); at == nil || got == at {
			at = got
		} else {
			t.Errorf("entitlements of one set changed at %v and at %v", at, got)
		}
	}
	return at
}

func TestEntitlementsSayWhenTheirSetLastChanged(t *testing.T) {
	const sub = "subscription-plan-revvenu-essentials-bum2flivze"
	now := testNow
	e := newTest(t, WithClock(func() time.Time { return now }))
	do := func(operation string, in map[string]any) {
		t.Helper()
		now = now.Add(time.Hour)
		if a := ask(t, e, official(t, operation), map[string]any{"input": in}); len(a.Errors) > 0 {
			t.Fatalf("%s: %+v", operation, a.Errors)
		}
	}
	expect := func(when, resource, want string) {
		t.Helper()
		if got := updatedAt(t, e, "customer-demo-01", resource); got != want {
			t.Errorf("%s: %v, want %s", when, got, want)
		}
	}
	expect("at the start", "", "2023-11-21T00:00:00.000Z")
	do("ReportUsage", map[string]any{"customerId": "customer-demo-01", "featureId": "feature-01-templates", "value": 1})
	expect("after usage", "", "2023-11-21T00:00:00.000Z")
	do("UpdateSubscription", map[string]any{"subscriptionId": sub, "addons": []map[string]any{{"addonId": "addon-10-campaigns", "quantity": 1}}})
	expect("after an update", "", "2024-01-15T12:00:00.000Z")
	expect("after an update of another level", "site-1", "2023-11-21T00:00:00.000Z")
	do("GrantPromotionalEntitlements", map[string]any{"customerId": "customer-demo-01",
		"promotionalEntitlements": []map[string]any{{"featureId": "feature-05-integrations", "period": "ONE_WEEK"}}})
	expect("after a grant", "site-1", "2024-01-15T13:00:00.000Z")
	do("RevokePromotionalEntitlement", map[string]any{"customerId": "customer-demo-01", "featureId": "feature-03-custom-domain"})
	expect("after a revocation", "", "2024-01-15T14:00:00.000Z")
	now = now.AddDate(0, 0, 8)
	expect("after the end of the grant", "", "2024-01-22T13:00:00.000Z")
	must(t, e.Publish("plan-revvenu-essentials", "ALL_CUSTOMERS", Grant{FeatureID: "feature-04-analytics"}))
	expect("after a publication", "site-1", "2024-01-23T14:00:00.000Z")
}

func TestAWalletSaysWhenItsSetLastChanged(t *testing.T) {
	e := newTest(t, WithCreditsDemo())
	a := ask(t, e, `{ entitlementsState(query: {customerId: "customer-tokens"}) { entitlementsV2 { ... on CreditEntitlement { entitlementUpdatedAt } } } }`, nil)
	list, _ := dig(t, a.Data, "entitlementsState", "entitlementsV2").([]any)
	dated := 0
	for i := range list {
		if dig(t, list, i, "entitlementUpdatedAt") != nil {
			dated++
		}
	}
	if dated == 0 {
		t.Errorf("%v", list)
	}
}

func TestASubscriptionThatNeverBeginsChangesNoSet(t *testing.T) {
	e := newTest(t)
	do := func(operation string, in map[string]any) answer {
		a := ask(t, e, official(t, operation), map[string]any{"input": in})
		if len(a.Errors) > 0 {
			t.Fatalf("%s: %+v", operation, a.Errors)
		}
		return a
	}
	until := func() string {
		a := ask(t, e, official(t, "GetEntitlements"), map[string]any{"query": map[string]any{"customerId": "customer-none"}})
		return format(dig(t, a.Data, "entitlements", 0, "validUntil"))
	}
	tomorrow := testNow.AddDate(0, 0, 1)
	do("GrantPromotionalEntitlements", map[string]any{"customerId": "customer-none", "promotionalEntitlements": []map[string]any{{"featureId": "feature-04-analytics", "period": "LIFETIME"}}})
	a := do("ProvisionSubscription", map[string]any{"customerId": "customer-none", "planId": "plan-revvenu-basic", "startDate": isoTime(tomorrow)})
	if got := until(); got != format(tomorrow.UnixMilli()) {
		t.Errorf("with a subscription that begins tomorrow: until %s", got)
	}
	id := dig(t, a.Data, "provisionSubscription", "subscription", "subscriptionId")
	do("CancelSubscription", map[string]any{"subscriptionRefId": id, "subscriptionCancellationTime": "IMMEDIATE"})
	if got := until(); got != "null" {
		t.Errorf("without it: until %s", got)
	}
}
