package emulator

import (
	"strings"
	"testing"
	"time"
)

const demoSubscription = "subscription-plan-revvenu-essentials-bum2flivze"

// limitOf gives the limit of a feature, and how often its usage starts again.
func limitOf(t *testing.T, e *Emulator, customerID, resourceID, featureID string) string {
	t.Helper()
	got := run(t, e, "GetEntitlement", vars{"customerId": customerID, "resourceId": resourceID, "featureId": featureID})
	return number64(dig(t, got, "usageLimit")) + " " + format(dig(t, got, "resetPeriod"))
}

func TestASubscriptionKeepsItsVersionOfThePlanUntilItIsMigrated(t *testing.T) {
	e := newTest(t)
	if got := refusal(t, e, "MigrateSubscriptionToLatest", vars{"subscriptionId": demoSubscription}); got != CodeAlreadyLatest {
		t.Errorf("on the latest version: %s", got)
	}
	must(t, e.Publish("plan-revvenu-essentials", "NEW_CUSTOMERS"))
	if got := limitOf(t, e, "customer-demo-01", "", campaigns); got != `12 "MONTH"` {
		t.Errorf("before the migration: %s", got)
	}
	run(t, e, "ProvisionSubscription", essentialsOrder("customer-none", 5, 0))
	if got := limitOf(t, e, "customer-none", "", campaigns); got != `120 "DAY"` {
		t.Errorf("a new subscription: %s", got)
	}
	run(t, e, "MigrateSubscriptionToLatest", vars{"subscriptionId": demoSubscription})
	if got := limitOf(t, e, "customer-demo-01", "", campaigns); got != `120 "DAY"` {
		t.Errorf("after the migration: %s", got)
	}
	if got := limitOf(t, e, "customer-demo-01", "site-1", campaigns); got != `12 "MONTH"` {
		t.Errorf("the other subscription: %s", got)
	}
	if got := dig(t, run(t, e, "GetSubscription", vars{"subscriptionId": demoSubscription}), "plan", "versionNumber"); got != 2.0 {
		t.Errorf("version %v", got)
	}
	if got := refusal(t, e, "MigrateSubscriptionToLatest", vars{"subscriptionId": demoSubscription}); got != CodeAlreadyLatest {
		t.Errorf("a second time: %s", got)
	}
}

func TestAMigrationCanWaitForTheEndOfThePeriod(t *testing.T) {
	e := newTest(t)
	must(t, e.Publish("plan-revvenu-essentials", "NEW_CUSTOMERS"))
	run(t, e, "MigrateSubscriptionToLatest", vars{"subscriptionId": demoSubscription, "subscriptionMigrationTime": "END_OF_BILLING_PERIOD"})
	if got := limitOf(t, e, "customer-demo-01", "", campaigns); got != `12 "MONTH"` {
		t.Errorf("before the end: %s", got)
	}
	e.Advance(7 * 24 * time.Hour)
	if got := limitOf(t, e, "customer-demo-01", "", campaigns); got != `120 "DAY"` {
		t.Errorf("after it: %s", got)
	}
}

func TestAPlanInheritsFromTheVersionOfItsBaseThatItWasPublishedWith(t *testing.T) {
	e := newTest(t)
	limit := 9.0
	must(t, e.Publish("plan-revvenu-basic", "NEW_CUSTOMERS", Grant{FeatureID: "feature-08-cities", EnumValues: []string{"NY"}}, Grant{FeatureID: "feature-06-max-file-size", UsageLimit: &limit}))
	has := func() bool {
		return strings.Contains(stateOf(t, e, "customer-demo-01", ""), "NY")
	}
	if has() {
		t.Error("a subscription of a plan above has what its base got later")
	}
	run(t, e, "MigrateSubscriptionToLatest", vars{"subscriptionId": demoSubscription})
	if !has() {
		t.Error("a migrated one doesn't:", stateOf(t, e, "customer-demo-01", ""))
	}
}

func TestAChangeForLaterIsShownMadeInTimeOrTakenBack(t *testing.T) {
	e := newTest(t)
	later := vars{"subscriptionId": demoSubscription, "unitQuantity": 9, "scheduleStrategy": "END_OF_BILLING_PERIOD"}
	run(t, e, "UpdateSubscription", later)
	s := run(t, e, "GetSubscription", vars{"subscriptionId": demoSubscription})
	want := `{"scheduleStatus":"Scheduled","scheduleVariables":{"__typename":"UnitAmountChangeVariables","featureId":"feature-01-templates","newUnitAmount":9},` +
		`"scheduledExecutionTime":"2024-01-21T00:00:00.000Z","subscriptionScheduleType":"UnitAmount","targetPackage":null}`
	if got := format(dig(t, s, "scheduledUpdates", 0)); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if next := run(t, e, "PreviewNextInvoice", vars{"subscriptionId": demoSubscription}); dig(t, next, "total", "amount") != 54.0 {
		t.Errorf("the next invoice: %v", dig(t, next, "total"))
	}
	if got := run(t, e, "CancelSubscriptionUpdates", vars{"subscriptionId": demoSubscription}); got != demoSubscription {
		t.Errorf("%v", got)
	}
	if got := refusal(t, e, "CancelSubscriptionUpdates", vars{"subscriptionId": demoSubscription}); got != CodeFutureUpdateNotFound {
		t.Errorf("nothing to take back: %s", got)
	}
	run(t, e, "UpdateSubscription", later)
	if got := limitOf(t, e, "customer-demo-01", "", "feature-01-templates"); got != "5 null" {
		t.Errorf("before its time: %s", got)
	}
	e.Advance(7 * 24 * time.Hour)
	if got := limitOf(t, e, "customer-demo-01", "", "feature-01-templates"); got != "9 null" {
		t.Errorf("after it: %s", got)
	}
	run(t, e, "CancelSubscription", vars{"subscriptionRefId": demoSubscription, "subscriptionCancellationTime": "END_OF_BILLING_PERIOD"})
	run(t, e, "CancelSubscriptionUpdates", vars{"subscriptionId": demoSubscription})
	e.Advance(60 * 24 * time.Hour)
	if got := dig(t, run(t, e, "GetSubscription", vars{"subscriptionId": demoSubscription}), "status"); got != "ACTIVE" {
		t.Errorf("a cancellation that was taken back: %v", got)
	}
}

func TestAnOrderForTheEndOfThePeriodBeginsThen(t *testing.T) {
	e := newTest(t)
	run(t, e, "ProvisionSubscription", vars{"customerId": "customer-demo-01", "planId": "plan-revvenu-basic", "scheduleStrategy": "END_OF_BILLING_PERIOD"})
	if got := plansOf(t, e, "customer-demo-01"); got != "plan-revvenu-essentials" {
		t.Errorf("before: %s", got)
	}
	e.Advance(7 * 24 * time.Hour)
	if got := plansOf(t, e, "customer-demo-01"); got != "plan-revvenu-basic" {
		t.Errorf("after: %s", got)
	}
}

func TestSubscriptionsAreTransferredAndDelegated(t *testing.T) {
	e := newTest(t)
	run(t, e, "TransferSubscription", vars{"customerId": "customer-demo-01", "sourceResourceId": "site-1", "destinationResourceId": "site-2"})
	if got := limitOf(t, e, "customer-demo-01", "site-2", campaigns); got != `12 "MONTH"` {
		t.Errorf("the new resource: %s", got)
	}
	got := run(t, e, "GetEntitlementsState", vars{"customerId": "customer-demo-01", "resourceId": "site-1"})
	if dig(t, got, "accessDeniedReason") != "NoActiveSubscription" {
		t.Errorf("the old one: %v", dig(t, got, "accessDeniedReason"))
	}
	for name, c := range map[string]struct {
		operation string
		in        vars
		want      Code
	}{
		"from a resource that isn't there": {"TransferSubscription", vars{"customerId": "customer-demo-01", "sourceResourceId": "x", "destinationResourceId": "y"}, CodeResourceNotFound},
		"from one without a subscription":  {"TransferSubscription", vars{"customerId": "customer-demo-01", "sourceResourceId": "site-1", "destinationResourceId": "y"}, CodeNoActiveSubscription},
		"to one that has a subscription":   {"TransferSubscriptionToResource", vars{"subscriptionId": demoSubscription, "destinationResourceId": "site-2"}, CodeTooManySubscriptions},
		"to an id that is none":            {"TransferSubscriptionToResource", vars{"subscriptionId": demoSubscription, "destinationResourceId": "a/b"}, CodeBadUserInput},
		"to a payer that isn't there":      {"DelegateSubscriptionToCustomer", vars{"subscriptionId": demoSubscription, "destinationCustomerId": "nobody"}, CodeCustomerNotFound},
		"to an archived payer":             {"DelegateSubscriptionToCustomer", vars{"subscriptionId": demoSubscription, "destinationCustomerId": "customer-archived"}, CodeEntityIsArchived},
	} {
		if got := refusal(t, e, c.operation, c.in); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	payer := func() any {
		return dig(t, run(t, e, "GetSubscription", vars{"subscriptionId": demoSubscription}), "payingCustomer", "customerId")
	}
	run(t, e, "DelegateSubscriptionToCustomer", vars{"subscriptionId": demoSubscription, "destinationCustomerId": "customer-pro"})
	if got := payer(); got != "customer-pro" {
		t.Errorf("%v pays", got)
	}
	run(t, e, "DelegateSubscriptionToCustomer", vars{"subscriptionId": demoSubscription})
	if got := payer(); got != "customer-demo-01" {
		t.Errorf("%v pays", got)
	}
	run(t, e, "TransferSubscriptionToResource", vars{"subscriptionId": "subscription-plan-revvenu-basic-demo", "destinationResourceId": "desk"})
	if got := limitOf(t, e, "customer-basic", "desk", campaigns); got != `4 "MONTH"` {
		t.Errorf("a resource that is new: %s", got)
	}
}

func TestAGroupOfPromotionsIsGrantedUnlinkedAndRevoked(t *testing.T) {
	e := newTest(t)
	grants := []vars{{"featureId": campaigns, "period": "LIFETIME", "usageLimit": 99}, {"featureId": "feature-01-templates", "period": "LIFETIME", "usageLimit": 99}}
	group := vars{"customerId": "customer-basic", "featureGroupId": "feature-group-basic"}
	with := func(all ...vars) vars {
		return vars{"customerId": "customer-basic", "featureGroupId": "feature-group-basic", "promotionalEntitlements": all}
	}
	run(t, e, "GrantPromotionalEntitlementsGroup", with(grants...))
	if got := limitOf(t, e, "customer-basic", "", campaigns); got != `99 "MONTH"` {
		t.Errorf("granted: %s", got)
	}
	run(t, e, "RevokePromotionalEntitlementsGroup", group)
	if got := limitOf(t, e, "customer-basic", "", campaigns); got != `4 "MONTH"` {
		t.Errorf("revoked: %s", got)
	}
	run(t, e, "GrantPromotionalEntitlementsGroup", with(grants...))
	run(t, e, "UnlinkPromotionalEntitlementsGroup", group)
	if got := refusal(t, e, "RevokePromotionalEntitlementsGroup", group); got != CodePromotionNotFound {
		t.Errorf("unlinked: %s", got)
	}
	if got := limitOf(t, e, "customer-basic", "", campaigns); got != `99 "MONTH"` {
		t.Errorf("unlinked promotions stay: %s", got)
	}
	for name, c := range map[string]struct {
		in   vars
		want Code
	}{
		"an unknown group": {vars{"customerId": "customer-basic", "featureGroupId": "x", "promotionalEntitlements": []vars{}}, CodeFeatureGroupNotFound},
		"one of two":       {with(grants[0]), CodeGroupMissingFeatures},
		"one of another":   {with(append(grants, vars{"featureId": "feature-04-analytics", "period": "LIFETIME"})...), CodeFeatureNotInGroup},
	} {
		if got := refusal(t, e, "GrantPromotionalEntitlementsGroup", c.in); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestWhatTimeBringsAndWhatIsMadeIsToldToWebhooks(t *testing.T) {
	in := newInbox(t, 200)
	e := newTest(t, WithWebhook(in.URL, "s"))
	defer e.Close()
	run(t, e, "ProvisionSubscription", essentialsOrder("customer-none", 5, 0, "trialOverrideConfiguration",
		vars{"isTrial": true, "trialEndDate": isoTime(testNow.AddDate(0, 0, 14)), "trialEndBehavior": "CANCEL_SUBSCRIPTION"}))
	run(t, e, "GrantPromotionalEntitlements", vars{"customerId": "customer-basic", "promotionalEntitlements": []vars{{"featureId": campaigns, "period": "ONE_WEEK", "usageLimit": 5}}})
	must(t, e.SetFeatureStatus(campaigns, "SUSPENDED"))
	run(t, e, "CreateCoupon", vars{"refId": "coupon-new", "name": "New", "percentOff": 10})
	e.Advance(8 * 24 * time.Hour)
	e.Advance(8 * 24 * time.Hour)
	kinds := map[string]int{}
	for _, d := range e.Deliveries() {
		kinds[d.Type]++
	}
	for _, want := range []string{"trial.started", "trial.ends_soon", "trial.expired", "subscription.expired", "promotional_entitlement.expired", "feature.updated", "coupon.created"} {
		if kinds[want] != 1 {
			t.Errorf("%s was told %d times: %v", want, kinds[want], kinds)
		}
	}
}
