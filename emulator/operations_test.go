package emulator

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2"
)

// officialVariables holds variables for every official document, in the order
// of a customer's life, so that each is answered without an error.
func officialVariables() []officialCall {
	type m = map[string]any
	const sub = "subscription-plan-revvenu-essentials-bum2flivze"
	demo := m{"customerId": "customer-demo-01"}
	order := m{"customerId": "customer-demo-01", "planId": "plan-revvenu-essentials", "billingPeriod": "MONTHLY", "resourceId": "site-1",
		"billableFeatures": []m{{"featureId": "feature-01-templates", "quantity": 5}}, "addons": []m{{"addonId": "addon-10-campaigns", "quantity": 5}}}
	group := m{"customerId": "customer-demo-01", "featureGroupId": "feature-group-basic"}
	return []officialCall{
		{"GetSdkConfiguration", nil},
		{"GetCustomerById", demo},
		{"GetCustomerStatistics", demo},
		{"GetActiveSubscriptions", demo},
		{"GetActiveSubscriptionsList", m{"customerId": "customer-demo-01", "resourceId": "site-1"}},
		{"GetSubscription", m{"subscriptionId": sub}},
		{"GetSubscriptions", nil},
		{"GetCoupons", nil},
		{"GetProducts", nil},
		{"GetPaywall", demo},
		{"GetMockPaywall", m{}},
		{"GetCustomerPortalByRefId", m{"customerId": "customer-demo-01", "resourceId": "site-1"}},
		{"GetCheckoutState", m{"customerId": "customer-demo-01", "planId": "plan-revvenu-essentials"}},
		{"GetEntitlements", demo},
		{"GetEntitlementsState", m{"customerId": "customer-demo-01", "resourceId": "site-1"}},
		{"GetEntitlement", m{"customerId": "customer-demo-01", "featureId": "feature-01-templates", "options": m{"requestedUsage": 10}}},
		{"GetEntitlementV2", m{"customerId": "customer-demo-01", "featureId": "feature-02-campaigns"}},
		{"ReportUsage", m{"customerId": "customer-demo-01", "featureId": "feature-01-templates", "value": 1, "resourceId": "site-1"}},
		{"ReportUsageBulk", m{"usages": []m{{"customerId": "customer-demo-01", "featureId": "feature-02-campaigns", "value": 3, "updateBehavior": "SET"}}}},
		{"ReportEvent", m{"usageEvents": []m{{
			"customerId": "customer-demo-01", "eventName": "user_login", "idempotencyKey": "k1",
			"timestamp": isoTime(testNow), "dimensions": m{"user_id": "user-01", "ip": "127.0.0.1"},
		}}}},
		{"ReportEntitlementCheckRequested", m{"customerId": "customer-demo-01", "featureId": "feature-01-templates", "entitlementCheckResult": m{"hasAccess": true}}},
		{"GetUsageHistory", m{"customerRefId": "customer-demo-01", "featureRefId": "feature-02-campaigns", "startDate": isoTime(testNow.AddDate(0, -2, 0))}},
		{"GetUsageHistoryV2", m{"customerId": "customer-demo-01", "featureId": "feature-02-campaigns", "startDate": isoTime(testNow.AddDate(0, -2, 0))}},
		{"EstimateSubscription", order},
		{"EstimateSubscriptionUpdate", m{"subscriptionId": sub, "addons": []m{{"addonId": "addon-10-campaigns", "quantity": 2}}}},
		{"PreviewSubscription", order},
		{"PreviewNextInvoice", m{"subscriptionId": sub}},
		{"UpdateSubscription", m{"subscriptionId": sub,
			"billableFeatures": []m{{"featureId": "feature-01-templates", "quantity": 7}}, "addons": []m{{"addonId": "addon-10-campaigns", "quantity": 2}}}},
		{"ProvisionCustomer", m{"customerId": "customer-new", "name": "New", "email": "new@example.com",
			"additionalMetaData": m{"key": "value"}, "subscriptionParams": m{"planId": "plan-revvenu-basic"}}},
		{"ImportCustomer", m{"customerId": "customer-imported", "paymentMethodId": "pm_card_visa"}},
		{"ImportCustomerBulk", m{"customers": []m{{"customerId": "customer-imported-2", "email": "b@example.com"}}}},
		{"DetachCustomerPaymentMethod", m{"customerId": "customer-imported"}},
		{"UpdateCustomer", m{"customerId": "customer-new", "email": "newer@example.com"}},
		{"ProvisionSubscription", m{"customerId": "customer-new", "planId": "plan-revvenu-essentials", "billingPeriod": "ANNUALLY", "unitQuantity": 2}},
		{"ApplySubscription", m{"customerId": "customer-none", "planId": "plan-revvenu-essentials", "billingPeriod": "MONTHLY"}},
		{"CreateSubscription", m{"customerId": "customer-none", "planId": "plan-revvenu-essentials", "billingPeriod": "MONTHLY"}},
		{"ImportSubscriptionsBulk", m{"subscriptions": []m{{"customerId": "customer-imported", "planId": "plan-revvenu-basic", "subscriptionId": "subscription-imported"}}}},
		{"TransferSubscription", m{"customerId": "customer-demo-01", "sourceResourceId": "site-1", "destinationResourceId": "site-2"}},
		{"TransferSubscriptionToResource", m{"subscriptionId": "subscription-imported", "destinationResourceId": "site-9"}},
		{"DelegateSubscriptionToCustomer", m{"subscriptionId": "subscription-imported", "destinationCustomerId": "customer-pro"}},
		{"CreatePaymentSession", m{"customerId": "customer-demo-01", "planId": "plan-revvenu-essentials"}},
		{"CreateCoupon", m{"refId": "coupon-new", "name": "New", "percentOff": 10, "durationInMonths": 2}},
		{"GrantPromotionalEntitlements", m{"customerId": "customer-demo-01", "promotionalEntitlements": []m{
			{"featureId": "feature-04-analytics", "period": "ONE_MONTH"},
			{"featureId": "feature-02-campaigns", "period": "CUSTOM", "customEndDate": isoTime(testNow.AddDate(0, 0, 30)), "usageLimit": 100}}}},
		{"RevokePromotionalEntitlement", m{"customerId": "customer-demo-01", "featureId": "feature-04-analytics"}},
		{"GrantPromotionalEntitlementsGroup", m{"customerId": "customer-demo-01", "featureGroupId": "feature-group-basic", "promotionalEntitlements": []m{
			{"featureId": "feature-02-campaigns", "period": "LIFETIME", "usageLimit": 50}, {"featureId": "feature-01-templates", "period": "LIFETIME", "usageLimit": 50}}}},
		{"UnlinkPromotionalEntitlementsGroup", group},
		{"GrantPromotionalEntitlementsGroup", m{"customerId": "customer-demo-01", "featureGroupId": "feature-group-basic", "promotionalEntitlements": []m{
			{"featureId": "feature-02-campaigns", "period": "LIFETIME", "usageLimit": 50}, {"featureId": "feature-01-templates", "period": "LIFETIME", "usageLimit": 50}}}},
		{"RevokePromotionalEntitlementsGroup", group},
		{"CancelSubscription", m{"subscriptionRefId": sub, "subscriptionCancellationTime": "END_OF_BILLING_PERIOD"}},
		{"CancelSubscriptionUpdates", m{"subscriptionId": sub}},
		{"ArchiveCustomer", m{"customerId": "customer-basic"}},
		{"UnarchiveCustomer", m{"customerId": "customer-basic"}},
	}
}

// officialCall is an official document with its variables.
type officialCall struct {
	operation string
	input     map[string]any
}

// variables gives the variables under all the names that documents have for them.
func (c officialCall) variables() map[string]any {
	return map[string]any{"input": c.input, "query": c.input, "usageHistoryInput": c.input, "entitlementCheckRequested": c.input}
}

// officialCreditVariables are for the catalog that sells credits.
func officialCreditVariables() []officialCall {
	type m = map[string]any
	wallet := m{"customerId": "customer-tokens", "currencyId": "currency-tokens"}
	return []officialCall{
		{"GetCreditUsage", wallet},
		{"GetAutomaticRechargeConfiguration", wallet},
		{"SaveAutomaticRechargeConfiguration", m{"customerId": "customer-tokens", "currencyId": "currency-tokens", "isEnabled": true, "thresholdValue": 5, "targetBalance": 50}},
		{"EstimateEventCost", m{"customerId": "customer-tokens", "eventName": "text_written", "dimensions": m{"words": 10}}},
		{"EstimateUsageCost", m{"customerId": "customer-tokens", "featureId": "feature-generations", "value": 3}},
	}
}

func TestEveryOfficialDocumentIsAnsweredWithoutErrors(t *testing.T) {
	e, credits := newTest(t), newTest(t, WithCreditsDemo())
	must(t, e.Publish("plan-revvenu-essentials", "NEW_CUSTOMERS"))
	asked := map[string]bool{}
	call := func(e *Emulator, c officialCall) {
		asked[c.operation+".graphql"] = true
		t.Run(c.operation, func(t *testing.T) {
			a := ask(t, e, official(t, c.operation), c.variables())
			if a.Status != 200 || len(a.Errors) > 0 || a.Data == nil {
				t.Fatalf("status %d, errors %+v", a.Status, a.Errors)
			}
		})
	}
	call(e, officialCall{"MigrateSubscriptionToLatest", map[string]any{"subscriptionId": "subscription-plan-revvenu-essentials-cd0ba9"}})
	for _, c := range officialVariables() {
		call(e, c)
	}
	for _, c := range officialCreditVariables() {
		call(credits, c)
	}
	files, err := os.ReadDir("testdata/operations")
	must(t, err)
	for _, f := range files {
		if !asked[f.Name()] {
			t.Errorf("%s is never asked", f.Name())
		}
	}
}

func TestAnswersFitTheirDocuments(t *testing.T) {
	e := newTest(t)
	a := ask(t, e, official(t, "GetCustomerById"), map[string]any{"input": map[string]any{"customerId": "customer-pro"}})
	plan := dig(t, a.Data, "getCustomerByRefId", "subscriptions", 0, "plan")
	if got := dig(t, plan, "basePlan", "refId"); got != "plan-revvenu-essentials" {
		t.Errorf("base plan %v", got)
	}
	var inherited []string
	for _, g := range dig(t, plan, "inheritedEntitlements").([]any) {
		inherited = append(inherited, dig(t, g, "feature", "refId").(string))
	}
	if got := strings.Join(inherited, " "); got != "feature-03-custom-domain feature-04-analytics" {
		t.Errorf("inherited: %s", got)
	}
	a = ask(t, e, official(t, "GetSubscription"), map[string]any{"input": map[string]any{"subscriptionId": "subscription-plan-revvenu-essentials-cd0ba9"}})
	s := dig(t, a.Data, "getSubscription")
	for path, want := range map[string]any{"status": "ACTIVE", "pricingType": "PAID", "currentBillingPeriodEnd": "2024-01-21T00:00:00.000Z"} {
		if got := dig(t, s, path); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	if got := dig(t, s, "totalPrice", "total", "amount"); got != 30.0 {
		t.Errorf("total %v, want 30 as in the documentation", got)
	}
	if got := dig(t, s, "prices", 0, "usageLimit"); got != 5.0 {
		t.Errorf("units %v, want 5", got)
	}
	if got := dig(t, s, "resource", "resourceId"); got != "site-1" {
		t.Errorf("resource %v", got)
	}
}

func TestEveryFieldThatMayNotBeNullHasAValueAlsoWhereItIsNotModelled(t *testing.T) {
	e := newTest(t)
	a := ask(t, e, `{ getSubscription(input: {subscriptionId: "subscription-plan-revvenu-pro-demo"}) {
		plan { product { hasSubscriptions status isDefaultProduct createdAt } prices { id } isParent type }
		customer { totalActivePromotionalEntitlements hasActiveResource subscriptions { customer { refId } } } } }`, nil)
	if len(a.Errors) > 0 {
		t.Fatal(a.Errors)
	}
	if got := dig(t, a.Data, "getSubscription", "customer", "subscriptions", 0, "customer", "refId"); got != "customer-pro" {
		t.Errorf("around the circle: %v", got)
	}
}

func TestTheSchemaIsValid(t *testing.T) {
	if _, err := loadSchema(); err != nil {
		t.Fatal(err)
	}
	e := newTest(t)
	for name := range e.fields {
		if e.schema.Query.Fields.ForName(name) == nil && e.schema.Mutation.Fields.ForName(name) == nil {
			t.Errorf("%s is modelled and not in the schema", name)
		}
	}
	if _, err := gqlparser.LoadQuery(e.schema, edgeDocuments); err != nil {
		t.Error(err)
	}
}

func TestAnswersAreTheSameAtEveryStart(t *testing.T) {
	asked := func() string {
		e := newTest(t)
		var all strings.Builder
		for _, o := range officialVariables() {
			a := ask(t, e, official(t, o.operation), o.variables())
			all.WriteString(strings.Join(strings.Fields(strings.TrimSpace(format(a.Data))), " "))
		}
		return all.String()
	}
	if first, second := asked(), asked(); first != second {
		t.Error("two emulators answer differently")
	}
}

func TestTheDefaultClockIsTheWallClock(t *testing.T) {
	e, err := New()
	must(t, err)
	if d := time.Since(e.Now()); d < -time.Minute || d > time.Minute {
		t.Errorf("off by %v", d)
	}
}
