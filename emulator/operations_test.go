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
func officialVariables() []struct {
	operation string
	input     map[string]any
} {
	type m = map[string]any
	const sub = "subscription-plan-revvenu-essentials-bum2flivze"
	demo := m{"customerId": "customer-demo-01"}
	return []struct {
		operation string
		input     m
	}{
		{"GetSdkConfiguration", nil},
		{"GetCustomerById", demo},
		{"GetCustomerStatistics", demo},
		{"GetActiveSubscriptions", demo},
		{"GetActiveSubscriptionsList", m{"customerId": "customer-demo-01", "resourceId": "site-1"}},
		{"GetSubscription", m{"subscriptionId": sub}},
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
		{"UpdateSubscription", m{"subscriptionId": sub,
			"billableFeatures": []m{{"featureId": "feature-01-templates", "quantity": 7}}, "addons": []m{{"addonId": "addon-10-campaigns", "quantity": 2}}}},
		{"ProvisionCustomer", m{"customerId": "customer-new", "name": "New", "email": "new@example.com",
			"additionalMetaData": m{"key": "value"}, "subscriptionParams": m{"planId": "plan-revvenu-basic"}}},
		{"ProvisionSubscription", m{"customerId": "customer-new", "planId": "plan-revvenu-essentials", "billingPeriod": "ANNUALLY", "unitQuantity": 2}},
		{"GrantPromotionalEntitlements", m{"customerId": "customer-demo-01", "promotionalEntitlements": []m{
			{"featureId": "feature-04-analytics", "period": "ONE_MONTH"},
			{"featureId": "feature-02-campaigns", "period": "CUSTOM", "customEndDate": isoTime(testNow.AddDate(0, 0, 30)), "usageLimit": 100}}}},
		{"RevokePromotionalEntitlement", m{"customerId": "customer-demo-01", "featureId": "feature-04-analytics"}},
		{"CancelSubscription", m{"subscriptionRefId": sub, "subscriptionCancellationTime": "END_OF_BILLING_PERIOD"}},
		{"ArchiveCustomer", m{"customerId": "customer-basic"}},
		{"UnarchiveCustomer", m{"customerId": "customer-basic"}},
	}
}

func TestEveryOfficialDocumentOfAModelledOperationIsAnsweredWithoutErrors(t *testing.T) {
	e := newTest(t)
	asked := map[string]bool{}
	for _, o := range officialVariables() {
		asked[o.operation+".graphql"] = true
		t.Run(o.operation, func(t *testing.T) {
			a := ask(t, e, official(t, o.operation), map[string]any{"input": o.input, "query": o.input})
			if a.Status != 200 || len(a.Errors) > 0 || a.Data == nil {
				t.Fatalf("status %d, errors %+v", a.Status, a.Errors)
			}
		})
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
			a := ask(t, e, official(t, o.operation), map[string]any{"input": o.input, "query": o.input})
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
