package emulator

import (
	"strings"
	"testing"
	"time"
)

// plans is a catalog with what Revvenu doesn't have: trials, add-ons that
// override, periods of the calendar, soft limits.
const plans = `{"product": {"id": "p"}, "features": [
	{"id": "f-seats", "featureType": "NUMBER", "meterType": "FLUCTUATING"},
	{"id": "f-calls", "featureType": "NUMBER", "meterType": "INCREMENTAL"},
	{"id": "f-sso", "featureType": "BOOLEAN"}],
	"plans": [
		{"id": "free", "entitlements": [{"featureId": "f-seats", "usageLimit": 1}, {"featureId": "f-calls", "usageLimit": 10, "resetPeriod": "DAY"}]},
		{"id": "team", "basePlan": "free", "pricingType": "PAID", "compatibleAddons": ["more", "sso"], "defaultTrialConfig": {"duration": 7, "units": "DAY"},
			"entitlements": [{"featureId": "f-calls", "usageLimit": 5, "hasSoftLimit": true, "resetPeriod": "MONTH", "resetPeriodConfig": {"accordingTo": "StartOfTheMonth"}}]},
		{"id": "keen", "basePlan": "team", "defaultTrialConfig": {"duration": 1, "units": "MONTH", "trialEndBehavior": "CONVERT_TO_PAID"},
			"entitlements": [{"featureId": "f-calls", "hasUnlimitedUsage": true}]}],
	"addons": [
		{"id": "more", "maxQuantity": 3, "entitlements": [{"featureId": "f-seats", "usageLimit": 4}, {"featureId": "f-calls", "usageLimit": 1}]},
		{"id": "sso", "entitlements": [{"featureId": "f-sso"}]}],
	"customers": [{"id": "c"}]}`

func newPlans(t testing.TB) *Emulator {
	t.Helper()
	return newTest(t, WithCatalog(strings.NewReader(plans)))
}

func provision(t testing.TB, e *Emulator, in map[string]any) answer {
	t.Helper()
	in["customerId"] = "c"
	return ask(t, e, official(t, "ProvisionSubscription"), map[string]any{"input": in})
}

func TestAChildPlanOverridesItsBaseAlsoWithLess(t *testing.T) {
	e := newPlans(t)
	provision(t, e, map[string]any{"planId": "team", "skipTrial": true})
	if got := stateOf(t, e, "c", ""); got != "seats 0/1, calls 0/5" {
		t.Error(got)
	}
	must(t, e.Report(Measurement{CustomerID: "c", FeatureID: "f-calls", Value: 100}))
	if granted, reason := e.Decide("c", "", "f-calls", ptr(1.0), nil); !granted {
		t.Error("beyond a soft limit: " + reason)
	}
	e.Advance(at("2024-02-01T00:00:00Z").Sub(testNow))
	if got := usageNow(t, e, "c", "", "f-calls"); got != 0 {
		t.Errorf("on the first of the month: %v", got)
	}
}

func TestAnAddonThatOverridesCountsWhereItIsMoreGenerous(t *testing.T) {
	e := newPlans(t)
	a := provision(t, e, map[string]any{"planId": "team", "skipTrial": true, "addons": []map[string]any{{"addonId": "more", "quantity": 2}, {"addonId": "sso"}}})
	if got := stateOf(t, e, "c", ""); got != "seats 0/4, calls 0/5, sso" || len(a.Errors) > 0 {
		t.Error(got, a.Errors)
	}
	if a := provision(t, e, map[string]any{"planId": "team", "addons": []map[string]any{{"addonId": "more", "quantity": 4}}}); a.code() != CodeInvalidQuantity {
		t.Errorf("more than its maximum: %+v", a)
	}
}

func TestTrialsOfThePlan(t *testing.T) {
	type m = map[string]any
	status := func(a answer) any { return dig(t, a.Data, "provisionSubscription", "subscription", "status") }
	t.Run("end with their subscription, once for each customer", func(t *testing.T) {
		e := newPlans(t)
		if got := status(provision(t, e, m{"planId": "team"})); got != "IN_TRIAL" {
			t.Error(got)
		}
		e.Advance(7 * 24 * time.Hour)
		if got := stateOf(t, e, "c", ""); got != reasonNoActiveSubscription {
			t.Error(got)
		}
		if got := status(provision(t, e, m{"planId": "team"})); got != "ACTIVE" {
			t.Errorf("the second time: %v", got)
		}
	})
	t.Run("or go on as paid", func(t *testing.T) {
		e := newPlans(t)
		provision(t, e, m{"planId": "keen"})
		e.Advance(40 * 24 * time.Hour)
		if got := stateOf(t, e, "c", ""); got != "seats 0/1, calls unlimited" {
			t.Error(got)
		}
	})
	t.Run("are skipped on request", func(t *testing.T) {
		if got := status(provision(t, newPlans(t), m{"planId": "team", "skipTrial": true})); got != "ACTIVE" {
			t.Error(got)
		}
	})
	t.Run("are given on request", func(t *testing.T) {
		e := newPlans(t)
		a := provision(t, e, m{"planId": "free", "trialOverrideConfiguration": m{"isTrial": true, "trialEndDate": isoTime(testNow.Add(time.Hour))}})
		if got := status(a); got != "IN_TRIAL" {
			t.Error(got)
		}
		a = ask(t, e, `mutation($id: String!) { cancelSubscription(input: {subscriptionRefId: $id, subscriptionCancellationTime: END_OF_BILLING_PERIOD}) { status } }`,
			m{"id": dig(t, a.Data, "provisionSubscription", "subscription", "refId")})
		if a.code() != CodeTrialCancelledAtOnceOnly {
			t.Errorf("cancelled for later: %+v", a)
		}
	})
	t.Run("end when the same plan is bought", func(t *testing.T) {
		e := newPlans(t)
		provision(t, e, m{"planId": "team"})
		if got := status(provision(t, e, m{"planId": "team"})); got != "ACTIVE" {
			t.Error(got)
		}
		e.Advance(30 * 24 * time.Hour)
		if got := stateOf(t, e, "c", ""); got != "seats 0/1, calls 0/5" {
			t.Error(got)
		}
	})
}

func TestTheOlderProvisioningIsTheSame(t *testing.T) {
	e := newPlans(t)
	a := ask(t, e, `mutation { provisionSubscription(input: {customerId: "c", planId: "free"}) { status entitlements { usageLimit } subscription { plan { refId } } } }`, nil)
	if got := format(a.Data); got != `{"provisionSubscription":{"entitlements":[{"usageLimit":1},{"usageLimit":10}],"status":"SUCCESS","subscription":{"plan":{"refId":"free"}}}}` {
		t.Error(got, a.Errors)
	}
}

func TestAnUpdateChangesWhatItNames(t *testing.T) {
	e := newTest(t)
	const sub = "subscription-plan-revvenu-essentials-bum2flivze"
	update := func(in map[string]any) {
		t.Helper()
		in["subscriptionId"] = sub
		if a := ask(t, e, official(t, "UpdateSubscription"), map[string]any{"input": in}); len(a.Errors) > 0 {
			t.Fatal(a.Errors)
		}
	}
	for _, step := range []struct {
		name string
		in   map[string]any
		want string
	}{
		{"units", map[string]any{"unitQuantity": 8}, "01 3/8, 02 0/12"},
		{"an add-on", map[string]any{"addons": []map[string]any{{"addonId": "addon-10-campaigns"}}}, "01 3/8, 02 0/22"},
		{"a value of its own", map[string]any{"entitlements": []map[string]any{{"feature": map[string]any{"featureId": "feature-01-templates", "usageLimit": 20}}}}, "01 3/20, 02 0/22"},
		{"no add-ons", map[string]any{"addons": []map[string]any{}}, "01 3/20, 02 0/12"},
		{"the same in the older form", map[string]any{"subscriptionEntitlements": []map[string]any{{"featureId": campaigns, "usageLimit": 50}}}, "01 3/20, 02 0/50"},
	} {
		update(step.in)
		if got := stateOf(t, e, "customer-demo-01", ""); !strings.HasPrefix(got, step.want+",") {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
	}
	if got := stateOf(t, e, "customer-demo-01", "site-1"); !strings.HasPrefix(got, "01 3/5, 02 0/12,") {
		t.Errorf("the resource's own: %s", got)
	}
}
