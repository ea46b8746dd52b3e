package emulator

import (
	"github.com/vektah/gqlparser/v2/ast"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAliasesFragmentsAndDirectives(t *testing.T) {
	e := newTest(t)
	const doc = `query Q($yes: Boolean = true, $no: Boolean!) {
		b: getCustomerByRefId(input: {customerId: "customer-basic"}) { ...C refId @skip(if: $yes) name @include(if: $no) }
		a: getCustomerByRefId(input: {customerId: "customer-pro"}) { ...C @skip(if: $yes) ...C ... on Customer @include(if: $yes) { x: refId } }
		__typename
	}
	fragment C on Customer { customerId subscriptions { plan { refId } } subscriptions { status } }`
	a := ask(t, e, doc, map[string]any{"no": false})
	const want = `{"__typename":"Query",` +
		`"a":{"customerId":"customer-pro","subscriptions":[{"plan":{"refId":"plan-revvenu-pro"},"status":"ACTIVE"}],"x":"customer-pro"},` +
		`"b":{"customerId":"customer-basic","subscriptions":[{"plan":{"refId":"plan-revvenu-basic"},"status":"ACTIVE"}]}}`
	if got := format(a.Data); got != want || len(a.Errors) > 0 {
		t.Errorf("%s %v\nwant %s", got, a.Errors, want)
	}
}

func TestFieldsAreAnsweredInTheOrderAsked(t *testing.T) {
	w := post(t, newTest(t), `{"query":"{ sdkConfiguration { showWatermark sentryDsn __typename isWidgetWatermarkEnabled } }"}`)
	const want = `{"data":{"sdkConfiguration":{"showWatermark":false,"sentryDsn":null,"__typename":"SdkConfiguration","isWidgetWatermarkEnabled":false}}}`
	if got := strings.TrimSpace(w.Body.String()); got != want {
		t.Errorf("%s", got)
	}
}

func TestUnionsSelectByTheirMembers(t *testing.T) {
	a := ask(t, newTest(t), `{ entitlementV2(query: {customerId: "customer-basic", featureId: "feature-02-campaigns"}) {
		... on CreditEntitlement { currency { currencyId } }
		... on FeatureEntitlement { usageLimit resetPeriodConfiguration { ... on MonthlyResetPeriodConfig { monthlyAccordingTo } } }
		... on EntitlementUnion { __typename } } }`, nil)
	const want = `{"entitlementV2":{"__typename":"FeatureEntitlement","resetPeriodConfiguration":{"monthlyAccordingTo":"SubscriptionStart"},"usageLimit":4}}`
	if got := format(a.Data); got != want {
		t.Errorf("%s %v", got, a.Errors)
	}
}

func TestEveryRootFieldOfTheSchemaIsModelled(t *testing.T) {
	e := newTest(t)
	for _, root := range []*ast.Definition{e.schema.Query, e.schema.Mutation} {
		for _, f := range root.Fields {
			if !strings.HasPrefix(f.Name, "__") && e.fields[f.Name] == nil {
				t.Errorf("%s.%s is not", root.Name, f.Name)
			}
		}
	}
}

func TestOneRootFieldsErrorLeavesTheOthers(t *testing.T) {
	a := ask(t, newTest(t), `{ sdkConfiguration { showWatermark } customer: getCustomerByRefId(input: {customerId: "nobody"}) { id } }`, nil)
	if len(a.Errors) > 0 || format(a.Data) != `{"customer":null,"sdkConfiguration":{"showWatermark":false}}` {
		t.Errorf("%+v", a)
	}
}

func TestMutationsRunInTheOrderOfTheDocument(t *testing.T) {
	a := ask(t, newTest(t), `mutation {
		one: reportUsage(input: {customerId: "customer-basic", featureId: "feature-02-campaigns", value: 1}) { currentUsage }
		set: reportUsage(input: {customerId: "customer-basic", featureId: "feature-02-campaigns", value: 7, updateBehavior: SET}) { currentUsage }
		two: reportUsage(input: {customerId: "customer-basic", featureId: "feature-02-campaigns", value: 1}) { currentUsage } }`, nil)
	if got := format(a.Data); got != `{"one":{"currentUsage":1},"set":{"currentUsage":7},"two":{"currentUsage":8}}` {
		t.Errorf("%s %v", got, a.Errors)
	}
}

func TestAMutationThatTakesTheWholeAnswerWithItIsTheLast(t *testing.T) {
	e := newTest(t)
	a := ask(t, e, `mutation {
		one: reportUsage(input: {customerId: "customer-basic", featureId: "feature-02-campaigns", value: 1}) { currentUsage }
		nobody: reportUsage(input: {customerId: "nobody", featureId: "feature-02-campaigns", value: 1}) { currentUsage }
		two: reportUsage(input: {customerId: "customer-basic", featureId: "feature-02-campaigns", value: 1}) { currentUsage } }`, nil)
	if len(a.Errors) != 1 || a.Data != nil || len(e.Usage()) != 1 || e.Requests()["reportUsage"] != 2 {
		t.Errorf("%+v, %v, %v", a, e.Usage(), e.Requests())
	}
}

func TestAnOperationThatAsksForTooMuchIsStopped(t *testing.T) {
	var doc strings.Builder
	doc.WriteString(`{ getCustomerByRefId(input: {customerId: "customer-demo-01"}) { ...F0 } }`)
	for i := range 12 {
		next := "...F" + string(rune('a'+i))
		name := "F0"
		if i > 0 {
			name = "F" + string(rune('a'+i-1))
		}
		doc.WriteString(" fragment " + name + " on Customer { a: subscriptions { customer { " + next + " } } b: subscriptions { customer { " + next + " } } }")
	}
	doc.WriteString(" fragment Fl on Customer { id }")
	a := ask(t, newTest(t), doc.String(), nil)
	if a.code() != CodeUnexpected || !strings.Contains(a.Errors[0].Message, "too many fields") {
		t.Errorf("%+v", a.Errors)
	}
}

func TestIntrospection(t *testing.T) {
	e := newTest(t)
	a := ask(t, e, `{ __schema { queryType { name } mutationType { name } subscriptionType { name } directives { name args { name type { kind ofType { name } } } }
			types { kind name description fields(includeDeprecated: true) { name isDeprecated args { name defaultValue } type { kind name ofType { kind name ofType { name } } } }
				inputFields { name defaultValue } enumValues { name } possibleTypes { name } interfaces { name } } }
		__type(name: "EntitlementUnion") { kind possibleTypes { name } } missing: __type(name: "Nothing") { name } }`, nil)
	if len(a.Errors) > 0 {
		t.Fatal(a.Errors)
	}
	if got := format(dig(t, a.Data, "__type")); got != `{"kind":"UNION","possibleTypes":[{"name":"CreditEntitlement"},{"name":"FeatureEntitlement"}]}` {
		t.Error(got)
	}
	if dig(t, a.Data, "missing") != nil || dig(t, a.Data, "__schema", "subscriptionType", "name") != "Subscription" {
		t.Errorf("%v", a.Data["missing"])
	}
	names := map[string]bool{}
	for _, v := range dig(t, a.Data, "__schema", "types").([]any) {
		names[dig(t, v, "name").(string)] = true
	}
	for name := range e.schema.Types {
		if !names[name] {
			t.Errorf("%s is missing", name)
		}
	}
	if len(e.Requests()) > 0 {
		t.Errorf("introspection is counted: %v", e.Requests())
	}
}

// TestTooManyFieldsAreRefused: comparing fields of one name takes the square of their
// number, and must not keep everybody waiting.
func TestTooManyFieldsAreRefused(t *testing.T) {
	e := newTest(t)
	w := httptest.NewRecorder()
	body := `{"query":"{` + strings.Repeat(" __typename", maxSelected+1) + `}"}`
	r := httptest.NewRequest("POST", "/graphql", strings.NewReader(body))
	r.Header.Set("X-API-KEY", DefaultKey)
	r.Header.Set("Content-Type", "application/json")
	e.ServeHTTP(w, r)
	if w.Code != 400 || !strings.Contains(w.Body.String(), "selects 2001 fields") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}
