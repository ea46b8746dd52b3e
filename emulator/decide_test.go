package emulator

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestDecisions(t *testing.T) {
	e := newTest(t)
	const demo, templates, size, cities = "customer-demo-01", "feature-01-templates", "feature-06-max-file-size", "feature-08-cities"
	must(t, e.AddCustomer("c"))
	_, err := e.Subscribe("c", "plan-revvenu-basic", Subscription{Entitlements: []Grant{
		{FeatureID: templates, UsageLimit: ptr(0.3), SoftLimit: true},
		{FeatureID: "feature-02-campaigns", UsageLimit: ptr(0.3)},
	}})
	must(t, err)
	must(t, e.Report(
		Measurement{CustomerID: "c", FeatureID: templates, Value: 7},
		Measurement{CustomerID: "c", FeatureID: "feature-02-campaigns", Value: 0.1}))
	for _, c := range []struct {
		name, customer, resource, feature string
		usage                             *float64
		values                            []string
		want                              string
	}{
		{"an unknown customer", "nobody", "", templates, nil, nil, "CustomerNotFound"},
		{"an archived customer", "customer-archived", "", templates, nil, nil, "CustomerIsArchived"},
		{"a customer without a plan", "customer-none", "", templates, nil, nil, "NoActiveSubscription"},
		{"a customer without a plan asks for an unknown feature", "customer-none", "", "feature-x", nil, nil, "NoActiveSubscription"},
		{"a resource never seen", demo, "site-2", templates, nil, nil, "CustomerResourceNotFound"},
		{"a resource with its own plan", demo, "site-1", templates, ptr(2.0), nil, ""},
		{"an unknown feature", demo, "", "feature-x", nil, nil, "FeatureNotFound"},
		{"a feature outside the plan", demo, "", "feature-05-integrations", nil, nil, "NoFeatureEntitlementInSubscription"},
		{"a boolean", demo, "", "feature-04-analytics", nil, nil, ""},
		{"a boolean by promotion", demo, "", "feature-03-custom-domain", nil, nil, ""},
		{"a boolean by promotion for a resource", demo, "site-1", "feature-03-custom-domain", nil, nil, ""},
		{"an amount of a boolean", demo, "", "feature-04-analytics", ptr(1.0), nil, "FeatureTypeMismatch"},
		{"an enum, nothing asked", "customer-pro", "", cities, nil, nil, ""},
		{"an enum's own values", "customer-pro", "", cities, nil, []string{"NY", "LA"}, ""},
		{"a value the plan doesn't have", "customer-pro", "", cities, nil, []string{"NY", "TLV"}, "RequestedValuesMismatch"},
		{"an enum that the plan doesn't have", demo, "", cities, nil, []string{"NY"}, "NoFeatureEntitlementInSubscription"},
		{"values of a number", demo, "", templates, nil, []string{"NY"}, "FeatureTypeMismatch"},
		{"an amount of an enum", "customer-pro", "", cities, ptr(0.0), nil, "FeatureTypeMismatch"},
		{"a configuration, no amount", demo, "", size, nil, nil, ""},
		{"a configuration, up to its value", demo, "", size, ptr(100.0), nil, ""},
		{"a configuration, above its value", demo, "", size, ptr(100.5), nil, "RequestedUsageExceedingLimit"},
		{"an unlimited configuration", "customer-pro", "", size, ptr(1e12), nil, ""},
		{"a metered feature, no amount", demo, "", templates, nil, nil, ""},
		{"a metered feature, what is left", demo, "", templates, ptr(2.0), nil, ""},
		{"a metered feature, more than is left", demo, "", templates, ptr(10.0), nil, "RequestedUsageExceedingLimit"},
		{"over a soft limit", "c", "", templates, ptr(5.0), nil, ""},
		{"decimals count as people count", "c", "", "feature-02-campaigns", ptr(0.2), nil, ""},
		{"a negative amount", demo, "", templates, ptr(-1.0), nil, "Unknown"},
		{"no number", demo, "", templates, ptr(math.NaN()), nil, "Unknown"},
		{"infinite", "customer-pro", "", size, ptr(math.Inf(1)), nil, "Unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			granted, reason := e.Decide(c.customer, c.resource, c.feature, c.usage, c.values)
			if reason != c.want || granted != (c.want == "") {
				t.Errorf("granted %v, reason %q; want %q", granted, reason, c.want)
			}
			if c.want == "Unknown" {
				return
			}
			a := ask(t, e, official(t, "GetEntitlement"), map[string]any{"query": map[string]any{
				"customerId": c.customer, "resourceId": c.resource, "featureId": c.feature,
				"options": map[string]any{"requestedUsage": c.usage, "requestedValues": c.values}}})
			shown, _ := dig(t, a.Data, "entitlement", "accessDeniedReason").(string)
			if shown != c.want || dig(t, a.Data, "entitlement", "isGranted") != (c.want == "") {
				t.Errorf("over GraphQL: %v", a.Data)
			}
		})
	}
}

func TestTheLimitItselfGrantsAPlainCheckAndAboveItNothing(t *testing.T) {
	e := newTest(t)
	for _, step := range []struct {
		total float64
		want  string
	}{{5, ""}, {6, "RequestedUsageExceedingLimit"}} {
		must(t, e.Report(Measurement{CustomerID: "customer-demo-01", FeatureID: "feature-01-templates", Value: step.total, UpdateBehavior: "SET"}))
		for _, amount := range []*float64{nil, ptr(0.0)} {
			if _, reason := e.Decide("customer-demo-01", "", "feature-01-templates", amount, nil); reason != step.want {
				t.Errorf("%v of 5: %q, want %q", step.total, reason, step.want)
			}
		}
	}
	if granted, _ := e.Decide("customer-demo-01", "site-1", "feature-01-templates", ptr(2.0), nil); !granted {
		t.Error("the resource shares the customer's usage")
	}
	a := ask(t, e, official(t, "GetEntitlementsState"), map[string]any{"query": map[string]any{"customerId": "customer-demo-01"}})
	over := dig(t, a.Data, "entitlementsState", "entitlements", 0)
	if dig(t, over, "isGranted") != false || dig(t, over, "accessDeniedReason") != "RequestedUsageExceedingLimit" {
		t.Errorf("over its limit and in the set as %v", over)
	}
}

func TestANegativeAmountIsAnErrorOverGraphQL(t *testing.T) {
	a := ask(t, newTest(t), official(t, "GetEntitlement"), map[string]any{"query": map[string]any{
		"customerId": "customer-demo-01", "featureId": "feature-01-templates", "options": map[string]any{"requestedUsage": -1}}})
	if a.code() != CodeBadUserInput || a.Data != nil {
		t.Errorf("%+v", a)
	}
}

func TestStatesOfTheDemoCustomers(t *testing.T) {
	e := newTest(t)
	for _, c := range []struct{ name, customer, resource, want string }{
		{"at the customer's level", "customer-demo-01", "", "01 3/5, 02 0/12, 03, 04, 06 /100, 07 0/25000"},
		{"for its resource", "customer-demo-01", "site-1", "01 3/5, 02 0/12, 03, 04, 06 /100, 07 0/25000"},
		{"a resource never seen", "customer-demo-01", "site-2", "NoActiveSubscription"},
		{"Basic", "customer-basic", "", "01 0/3, 02 0/4, 06 /5, 07 0/1000"},
		{"Professional", "customer-pro", "", "01 0/100, 02 0/1000, 03, 04, 05, 06 unlimited, 07 0/1e+06, 08 NY LA"},
		{"without a plan", "customer-none", "", "NoActiveSubscription"},
		{"archived", "customer-archived", "", "CustomerIsArchived"},
		{"unknown", "customer-x", "", "CustomerNotFound"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := stateOf(t, e, c.customer, c.resource); got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}

// stateOf writes down a state: the number of each feature with what it gives,
// then the reason.
func stateOf(t testing.TB, e *Emulator, customer, resource string) string {
	t.Helper()
	a := ask(t, e, official(t, "GetEntitlementsState"), map[string]any{"query": map[string]any{"customerId": customer, "resourceId": resource}})
	state := dig(t, a.Data, "entitlementsState")
	v1, v2 := dig(t, state, "entitlements").([]any), dig(t, state, "entitlementsV2").([]any)
	if len(v1) != len(v2) {
		t.Fatalf("%d entitlements, %d of the second form", len(v1), len(v2))
	}
	var parts []string
	for i, v := range v1 {
		if format(dig(t, v, "feature")) != format(dig(t, v2[i], "feature")) || dig(t, v2[i], "__typename") != "FeatureEntitlement" {
			t.Fatalf("the forms differ: %v, %v", v, v2[i])
		}
		parts = append(parts, shortened(t, v))
	}
	if reason, _ := dig(t, state, "accessDeniedReason").(string); reason != "" {
		parts = append(parts, reason)
	}
	return strings.Join(parts, ", ")
}

func shortened(t testing.TB, v any) string {
	t.Helper()
	s := strings.Split(dig(t, v, "feature", "refId").(string), "-")[1]
	used, limit := dig(t, v, "currentUsage"), dig(t, v, "usageLimit")
	switch {
	case dig(t, v, "hasUnlimitedUsage") == true:
		s += " unlimited"
	case used != nil:
		s += " " + format(used) + "/" + number64(limit)
	case limit != nil:
		s += " /" + number64(limit)
	}
	if values, _ := dig(t, v, "enumValues").([]any); values != nil {
		for _, value := range values {
			s += " " + value.(string)
		}
	}
	if dig(t, v, "isGranted") == false {
		s += " denied"
	}
	return s
}

func TestValidUntilIsTheNextTimeTheEntitlementChanges(t *testing.T) {
	e := newTest(t)
	read := func(customer, feature string) (ms, iso any) {
		q := map[string]any{"customerId": customer, "featureId": feature}
		v1 := ask(t, e, official(t, "GetEntitlement"), map[string]any{"query": q})
		v2 := ask(t, e, official(t, "GetEntitlementV2"), map[string]any{"query": q})
		return dig(t, v1.Data, "entitlement", "validUntil"), dig(t, v2.Data, "entitlementV2", "validUntil")
	}
	check := func(name, feature string, want time.Time) {
		t.Helper()
		ms, iso := read("customer-basic", feature)
		var wantMS, wantISO any
		if !want.IsZero() {
			wantMS, wantISO = float64(want.UnixMilli()), isoTime(want)
		}
		if ms != wantMS || iso != wantISO {
			t.Errorf("%s: %v and %v, want %v and %v", name, ms, iso, wantMS, wantISO)
		}
	}
	check("nothing ever changes", "feature-06-max-file-size", time.Time{})
	check("a period ends", "feature-02-campaigns", at("2024-01-21T00:00:00Z"))
	soon := testNow.Add(time.Hour)
	must(t, e.Grant("customer-basic", Grant{FeatureID: "feature-04-analytics"}, soon))
	check("a promotion ends", "feature-04-analytics", soon)
	check("a promotion ends before the period", "feature-02-campaigns", soon)
	e.Advance(2 * time.Hour)
	check("it is over", "feature-02-campaigns", at("2024-01-21T00:00:00Z"))
}
