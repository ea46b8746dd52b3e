package emulator

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestSubscriptionsGrantWhatWasBought(t *testing.T) {
	for _, c := range []struct {
		name, plan string
		sub        Subscription
		want       string
	}{
		{"the minimum of units", "plan-revvenu-essentials", Subscription{Units: 2}, "01 0/5, 02 0/12, 04, 06 /100, 07 0/25000"},
		{"more units", "plan-revvenu-essentials", Subscription{Units: 9}, "01 0/9, 02 0/12, 04, 06 /100, 07 0/25000"},
		{"an add-on, twice", "plan-revvenu-essentials", Subscription{Addons: map[string]int{"addon-10-campaigns": 2}}, "01 0/5, 02 0/32, 04, 06 /100, 07 0/25000"},
		{"a custom plan without values grants 0 of what is open", "plan-revvenu-pro", Subscription{}, "01 0/0, 02 0/0, 03, 04, 05, 06 unlimited, 07 0/0"},
		{"values of its own, also beside the plan", "plan-revvenu-basic", Subscription{Entitlements: []Grant{
			{FeatureID: campaigns, Unlimited: true}, {FeatureID: "feature-05-integrations"}}}, "01 0/3, 02 unlimited, 05, 06 /5, 07 0/1000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newTest(t)
			_, err := e.Subscribe("customer-none", c.plan, c.sub)
			must(t, err)
			if got := stateOf(t, e, "customer-none", ""); got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}

func TestValuesAreUnited(t *testing.T) {
	e := newTest(t)
	must(t, e.Grant("customer-pro", Grant{FeatureID: "feature-08-cities", EnumValues: []string{"TLV", "NY"}}, time.Time{}))
	if got := stateOf(t, e, "customer-pro", ""); !strings.HasSuffix(got, "08 NY LA TLV") {
		t.Error(got)
	}
}

// TestAPromotionLeavesUsagePeriodsAlone: it must not count what was used last month,
// nor forget what was used this month.
func TestAPromotionLeavesUsagePeriodsAlone(t *testing.T) {
	const demo = "customer-demo-01"
	for name, g := range map[string]Grant{
		"without a period of its own": {FeatureID: campaigns, UsageLimit: ptr(13.0)},
		"with the plan's period":      {FeatureID: campaigns, UsageLimit: ptr(13.0), ResetPeriod: "MONTH"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newTest(t)
			must(t, e.Report(Measurement{CustomerID: demo, FeatureID: campaigns, Value: 12, IdempotencyKey: "last month"}))
			e.Advance(31 * 24 * time.Hour)
			must(t, e.Report(Measurement{CustomerID: demo, FeatureID: campaigns, Value: 2, IdempotencyKey: "this month"}))
			must(t, e.Grant(demo, g, time.Time{}))
			if got := stateOf(t, e, demo, ""); !strings.Contains(got, "02 2/13") {
				t.Errorf("promoted: %s", got)
			}
			must(t, e.Revoke(demo, campaigns))
			if got := stateOf(t, e, demo, ""); !strings.Contains(got, "02 2/12") {
				t.Errorf("revoked: %s", got)
			}
		})
	}
}

func TestPromotionsAreMergedByTheMostGenerousValue(t *testing.T) {
	for _, c := range []struct {
		name  string
		grant Grant
		want  string
	}{
		{"a larger limit wins", Grant{FeatureID: campaigns, UsageLimit: ptr(100.0)}, "01 0/5, 02 0/100, 04, 06 /100, 07 0/25000"},
		{"a smaller one doesn't", Grant{FeatureID: campaigns, UsageLimit: ptr(1.0)}, "01 0/5, 02 0/12, 04, 06 /100, 07 0/25000"},
		{"unlimited wins", Grant{FeatureID: campaigns, Unlimited: true}, "01 0/5, 02 unlimited, 04, 06 /100, 07 0/25000"},
		{"values are added", Grant{FeatureID: "feature-08-cities", EnumValues: []string{"TLV", "NY"}}, "01 0/5, 02 0/12, 04, 06 /100, 07 0/25000, 08 TLV NY"},
		{"a feature is added", Grant{FeatureID: "feature-05-integrations"}, "01 0/5, 02 0/12, 04, 05, 06 /100, 07 0/25000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newTest(t)
			_, err := e.Subscribe("customer-none", "plan-revvenu-essentials", Subscription{})
			must(t, err)
			before := stateOf(t, e, "customer-none", "")
			must(t, e.Grant("customer-none", c.grant, testNow.Add(time.Hour)))
			if got := stateOf(t, e, "customer-none", ""); got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
			e.Advance(time.Hour)
			if got := stateOf(t, e, "customer-none", ""); got != before {
				t.Errorf("after it expired: %s\nwant %s", got, before)
			}
		})
	}
}

func TestAPromotionNeedsNoSubscription(t *testing.T) {
	e := newTest(t)
	must(t, e.Grant("customer-none", Grant{FeatureID: campaigns, UsageLimit: ptr(2.0), ResetPeriod: "DAY"}, time.Time{}))
	if got := stateOf(t, e, "customer-none", ""); got != "02 0/2, NoActiveSubscription" {
		t.Error(got)
	}
	must(t, e.Report(Measurement{CustomerID: "customer-none", FeatureID: campaigns, Value: 2}))
	if granted, reason := e.Decide("customer-none", "", campaigns, ptr(1.0), nil); granted || reason != reasonRequestedUsageTooLarge {
		t.Error(reason)
	}
	e.Advance(24 * time.Hour)
	if granted, reason := e.Decide("customer-none", "", campaigns, ptr(2.0), nil); !granted {
		t.Error("the next day: " + reason)
	}
	must(t, e.Revoke("customer-none", campaigns))
	var err *Error
	if !errors.As(e.Revoke("customer-none", campaigns), &err) || err.Code != CodePromotionNotFound {
		t.Errorf("revoked twice: %v", err)
	}
	if got := stateOf(t, e, "customer-none", ""); got != "NoActiveSubscription" {
		t.Error(got)
	}
}

func TestASubscriptionReplacesTheOneBeforeIt(t *testing.T) {
	e := newTest(t)
	_, err := e.Subscribe("customer-basic", "plan-revvenu-essentials", Subscription{Start: testNow.Add(time.Hour)})
	must(t, err)
	_, err = e.Subscribe("customer-basic", "plan-revvenu-basic", Subscription{Resource: "r"})
	must(t, err)
	const basic, essentials = "01 0/3, 02 0/4, 06 /5, 07 0/1000", "01 0/5, 02 0/12, 04, 06 /100, 07 0/25000"
	if got := stateOf(t, e, "customer-basic", ""); got != basic {
		t.Errorf("before it starts: %s", got)
	}
	e.Advance(time.Hour)
	if got := stateOf(t, e, "customer-basic", ""); got != essentials {
		t.Errorf("after it started: %s", got)
	}
	if got := stateOf(t, e, "customer-basic", "r"); got != basic {
		t.Errorf("the resource: %s", got)
	}
	s, _ := e.world.subscription("subscription-plan-revvenu-basic-demo")
	if s.status(e.Now()) != "CANCELED" {
		t.Error(s.status(e.Now()))
	}
}

func TestATrialLivesBesideThePlanAndEnds(t *testing.T) {
	e := newTest(t)
	id, err := e.Subscribe("customer-basic", "plan-revvenu-essentials", Subscription{TrialEnd: testNow.Add(time.Hour)})
	must(t, err)
	if got := stateOf(t, e, "customer-basic", ""); got != "01 0/5, 02 0/12, 04, 06 /100, 07 0/25000" {
		t.Errorf("on trial: %s", got)
	}
	s, _ := e.world.subscription(id)
	if got := s.status(e.Now()); got != "IN_TRIAL" {
		t.Error(got)
	}
	e.Advance(time.Hour)
	if got := stateOf(t, e, "customer-basic", ""); got != "01 0/3, 02 0/4, 06 /5, 07 0/1000" {
		t.Errorf("after the trial: %s", got)
	}
	if got := s.status(e.Now()); got != "EXPIRED" {
		t.Error(got)
	}
}

func cancelled(t *testing.T, e *Emulator, in map[string]any) answer {
	t.Helper()
	in["subscriptionRefId"] = "subscription-plan-revvenu-basic-demo"
	return ask(t, e, official(t, "CancelSubscription"), map[string]any{"input": in})
}

func TestCancellation(t *testing.T) {
	const basic = "01 0/3, 02 0/4, 06 /5, 07 0/1000"
	for _, c := range []struct {
		name  string
		in    map[string]any
		code  Code
		end   any
		state string
	}{
		{"at the end of the period, by the product's setting", map[string]any{}, "", "2024-01-21T00:00:00.000Z", basic},
		{"at once", map[string]any{"subscriptionCancellationTime": "IMMEDIATE"}, "", isoTime(testNow), "NoActiveSubscription"},
		{"at a date", map[string]any{"subscriptionCancellationTime": "SPECIFIC_DATE", "endDate": "2024-01-16T00:00:00Z"}, "", "2024-01-16T00:00:00.000Z", basic},
		{"at a date that is past", map[string]any{"subscriptionCancellationTime": "SPECIFIC_DATE", "endDate": "2024-01-14T00:00:00Z"}, CodeInvalidCancellationDate, nil, basic},
		{"with its entitlements", map[string]any{"subscriptionCancellationAction": "REVOKE_ENTITLEMENTS"}, "",
			"2024-01-21T00:00:00.000Z", "01 0/3 denied, 02 0/4 denied, 06 /5 denied, 07 0/1000 denied"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newTest(t)
			a := cancelled(t, e, c.in)
			if a.code() != c.code {
				t.Fatalf("%+v", a.Errors)
			}
			if c.code == "" && dig(t, a.Data, "cancelSubscription", "effectiveEndDate") != c.end {
				t.Errorf("%v", a.Data)
			}
			if got := stateOf(t, e, "customer-basic", ""); got != c.state {
				t.Errorf("state %s", got)
			}
		})
	}
	e := newTest(t)
	cancelled(t, e, map[string]any{"subscriptionCancellationTime": "IMMEDIATE"})
	if a := cancelled(t, e, map[string]any{}); a.code() != CodeSubscriptionEnded {
		t.Errorf("twice: %+v", a)
	}
}

func TestARevokedEntitlementSaysSo(t *testing.T) {
	e := newTest(t)
	cancelled(t, e, map[string]any{"subscriptionCancellationAction": "REVOKE_ENTITLEMENTS"})
	if _, reason := e.Decide("customer-basic", "", "feature-06-max-file-size", nil, nil); reason != reasonRevoked {
		t.Error(reason)
	}
	must(t, e.Grant("customer-basic", Grant{FeatureID: "feature-06-max-file-size", UsageLimit: ptr(1.0)}, time.Time{}))
	if granted, reason := e.Decide("customer-basic", "", "feature-06-max-file-size", ptr(1.0), nil); !granted {
		t.Error("a promotion beside it: " + reason)
	}
}

func TestUpdatesAndOrdersThatAreRefusedChangeNothing(t *testing.T) {
	const sub = "subscription-plan-revvenu-essentials-bum2flivze"
	type m = map[string]any
	for _, c := range []struct {
		name, operation string
		in              m
		want            Code
	}{
		{"an update of nothing", "UpdateSubscription", m{"subscriptionId": "x"}, CodeSubscriptionNotFound},
		{"an unknown add-on", "UpdateSubscription", m{"subscriptionId": sub, "unitQuantity": 50, "addons": []m{{"addonId": "x"}}}, CodeAddonNotFound},
		{"units that are not sold", "UpdateSubscription", m{"subscriptionId": sub, "billableFeatures": []m{{"featureId": campaigns, "quantity": 1}}}, CodeInvalidQuantity},
		{"a negative number of units", "UpdateSubscription", m{"subscriptionId": sub, "unitQuantity": -1}, CodeInvalidQuantity},
		{"more units than can be counted", "UpdateSubscription", m{"subscriptionId": sub, "unitQuantity": 1e300}, CodeInvalidQuantity},
		{"more units of a feature than can be counted", "UpdateSubscription", m{"subscriptionId": sub, "billableFeatures": []m{{"featureId": "feature-01-templates", "quantity": 1e300}}}, CodeInvalidQuantity},
		{"a change for later that can't be", "UpdateSubscription", m{"subscriptionId": sub, "addons": []m{{"addonId": "x"}}, "scheduleStrategy": "END_OF_BILLING_PERIOD"}, CodeAddonNotFound},
		{"an unknown plan", "ProvisionSubscription", m{"customerId": "customer-demo-01", "planId": "x"}, CodePlanNotFound},
		{"an unknown customer", "ProvisionSubscription", m{"customerId": "nobody", "planId": "plan-revvenu-basic"}, CodeCustomerNotFound},
		{"an archived customer", "ProvisionSubscription", m{"customerId": "customer-archived", "planId": "plan-revvenu-basic"}, CodeEntityIsArchived},
		{"a paid plan without a period", "ProvisionSubscription", m{"customerId": "customer-demo-01", "planId": "plan-revvenu-essentials"}, CodeBillingPeriodMissing},
		{"an add-on of another plan", "ProvisionSubscription", m{"customerId": "customer-demo-01", "planId": "plan-revvenu-basic", "addons": []m{{"addonId": "addon-10-campaigns"}}}, CodeIncompatibleAddon},
		{"an id that is taken", "ProvisionSubscription", m{"customerId": "customer-demo-01", "planId": "plan-revvenu-basic", "subscriptionId": sub}, CodeDuplicatedEntity},
		{"a new customer with an unknown plan", "ProvisionCustomer", m{"customerId": "customer-x", "subscriptionParams": m{"planId": "x"}}, CodePlanNotFound},
		{"a customer with an id that isn't one", "ProvisionCustomer", m{"customerId": "a/b"}, CodeBadUserInput},
		{"an archived customer again", "ProvisionCustomer", m{"customerId": "customer-archived"}, CodeEntityIsArchived},
		{"a promotion without an end", "GrantPromotionalEntitlements", m{"customerId": "customer-demo-01", "promotionalEntitlements": []m{
			{"featureId": campaigns, "period": "LIFETIME", "hasUnlimitedUsage": true}, {"featureId": campaigns, "period": "CUSTOM"}}}, CodeBadUserInput},
		{"a promotion of nothing", "GrantPromotionalEntitlements", m{"customerId": "customer-demo-01", "promotionalEntitlements": []m{{"featureId": "x", "period": "LIFETIME"}}}, CodeFeatureNotFound},
		{"a revocation of nothing", "RevokePromotionalEntitlement", m{"customerId": "customer-demo-01", "featureId": campaigns}, CodePromotionNotFound},
		{"archiving nobody", "ArchiveCustomer", m{"customerId": "nobody"}, CodeCustomerNotFound},
		{"unarchiving nobody", "UnarchiveCustomer", m{"customerId": "nobody"}, CodeCustomerNotFound},
		{"a subscription that isn't there", "GetSubscription", m{"subscriptionId": "x"}, CodeSubscriptionNotFound},
		{"subscriptions of nobody", "GetActiveSubscriptions", m{"customerId": "nobody"}, CodeCustomerNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newTest(t)
			before := stateOf(t, e, "customer-demo-01", "")
			a := ask(t, e, official(t, c.operation), map[string]any{"input": c.in})
			if a.Status != 200 || a.code() != c.want || a.Data != nil {
				t.Fatalf("%+v", a)
			}
			if got := stateOf(t, e, "customer-demo-01", ""); got != before {
				t.Errorf("%s\nbefore %s", got, before)
			}
			if got := stateOf(t, e, "customer-x", ""); got != reasonCustomerNotFound {
				t.Errorf("customer-x: %s", got)
			}
		})
	}
}

func TestProvisioningACustomerTwiceChangesNoSubscription(t *testing.T) {
	e := newTest(t)
	in := map[string]any{"customerId": "customer-x", "name": "X", "subscriptionParams": map[string]any{"planId": "plan-revvenu-basic"}}
	for _, want := range []string{"REQUESTED_PLAN", "SKIPPED_SUBSCRIPTION_CREATION"} {
		a := ask(t, e, official(t, "ProvisionCustomer"), map[string]any{"input": in})
		if got := dig(t, a.Data, "provisionCustomer", "subscriptionDecisionStrategy"); got != want {
			t.Errorf("%v, want %s: %v", got, want, a.Errors)
		}
		if got := len(dig(t, a.Data, "provisionCustomer", "entitlementsV2").([]any)); got != 4 {
			t.Errorf("%d entitlements", got)
		}
	}
	if n := len(e.world.customers["customer-x"].subscriptions); n != 1 {
		t.Errorf("%d subscriptions", n)
	}
}

func TestArchivingTakesTheNameAndThePlan(t *testing.T) {
	e := newTest(t)
	must(t, e.Archive("customer-demo-01"))
	if got := stateOf(t, e, "customer-demo-01", ""); got != reasonCustomerIsArchived {
		t.Error(got)
	}
	a := ask(t, e, official(t, "GetCustomerById"), map[string]any{"input": map[string]any{"customerId": "customer-demo-01"}})
	if dig(t, a.Data, "getCustomerByRefId") != nil || len(a.Errors) > 0 {
		t.Errorf("%+v", a)
	}
	must(t, e.Unarchive("customer-demo-01"))
	if got := stateOf(t, e, "customer-demo-01", ""); got != "03, NoActiveSubscription" {
		t.Error(got)
	}
	a = ask(t, e, official(t, "UnarchiveCustomer"), map[string]any{"input": map[string]any{"customerId": "customer-demo-01"}})
	if dig(t, a.Data, "unarchiveCustomer", "name") != nil {
		t.Errorf("%v", a.Data)
	}
}
