package emulator

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const paywallDocument = `query Paywall($input: GetPaywallInput!) { paywall(input: $input) {
	plans { refId pricingType basePlan { refId } product { refId productSettings { downgradePlan { refId } } }
		entitlements { usageLimit feature { refId } } inheritedEntitlements { feature { refId } } compatibleAddons { refId }
		prices { billingModel billingPeriod minUnitQuantity price { amount currency } feature { refId } } }
	currency { code symbol } configuration { palette { primary } } paywallCalculatedPricePoints { planId amount billingPeriod }
	customer { customerId } resource { resourceId } activeSubscriptions { subscriptionId } } }`

func TestThePaywallShowsThePlansAndWhatTheCustomerHas(t *testing.T) {
	for _, c := range []struct {
		name                       string
		in                         map[string]any
		customer, resource, active string
		code                       Code
	}{
		{"of nobody", map[string]any{}, "null", "null", "null", ""},
		{"of the product", map[string]any{"productId": "product-revvenu"}, "null", "null", "null", ""},
		{"of a customer", map[string]any{"customerId": "customer-demo-01"}, `{"customerId":"customer-demo-01"}`, "null",
			`[{"subscriptionId":"subscription-plan-revvenu-essentials-bum2flivze"}]`, ""},
		{"of a resource", map[string]any{"customerId": "customer-demo-01", "resourceId": "site-1"}, `{"customerId":"customer-demo-01"}`,
			`{"resourceId":"site-1"}`, `[{"subscriptionId":"subscription-plan-revvenu-essentials-cd0ba9"}]`, ""},
		{"of a resource that is not there yet", map[string]any{"customerId": "customer-demo-01", "resourceId": "site-2"},
			`{"customerId":"customer-demo-01"}`, "null", "[]", ""},
		{"of an unknown customer", map[string]any{"customerId": "nobody"}, "", "", "", CodeCustomerNotFound},
		{"of another product", map[string]any{"productId": "product-x"}, "", "", "", CodeProductNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := ask(t, newTest(t), paywallDocument, map[string]any{"input": c.in})
			if a.code() != c.code {
				t.Fatalf("%+v", a.Errors)
			}
			if c.code != "" {
				return
			}
			for field, want := range map[string]string{
				"customer": c.customer, "resource": c.resource, "activeSubscriptions": c.active,
				"currency": `{"code":"USD","symbol":"$"}`, "configuration": `{"palette":{"primary":"#2e7d32"}}`,
				"paywallCalculatedPricePoints": `[{"amount":6,"billingPeriod":"MONTHLY","planId":"plan-revvenu-essentials"},{"amount":60,"billingPeriod":"ANNUALLY","planId":"plan-revvenu-essentials"}]`,
			} {
				if got := format(dig(t, a.Data, "paywall", field)); got != want {
					t.Errorf("%s: %s, want %s", field, got, want)
				}
			}
			if got := format(dig(t, a.Data, "paywall", "plans", 1)); got != essentials {
				t.Errorf("%s\nwant %s", got, essentials)
			}
		})
	}
}

// essentials is the plan of that name as the document asks for it.
const essentials = `{"basePlan":{"refId":"plan-revvenu-basic"},"compatibleAddons":[{"refId":"addon-10-campaigns"}],` +
	`"entitlements":[{"feature":{"refId":"feature-02-campaigns"},"usageLimit":12},{"feature":{"refId":"feature-07-active-users"},"usageLimit":25000},` +
	`{"feature":{"refId":"feature-06-max-file-size"},"usageLimit":100},{"feature":{"refId":"feature-04-analytics"},"usageLimit":null}],` +
	`"inheritedEntitlements":[],` +
	`"prices":[{"billingModel":"PER_UNIT","billingPeriod":"MONTHLY","feature":{"refId":"feature-01-templates"},"minUnitQuantity":5,"price":{"amount":6,"currency":"USD"}},` +
	`{"billingModel":"PER_UNIT","billingPeriod":"ANNUALLY","feature":{"refId":"feature-01-templates"},"minUnitQuantity":5,"price":{"amount":60,"currency":"USD"}}],` +
	`"pricingType":"PAID","product":{"productSettings":{"downgradePlan":null},"refId":"product-revvenu"},"refId":"plan-revvenu-essentials"}`

func TestProductsAreListed(t *testing.T) {
	e := newTest(t)
	a := ask(t, e, `{ products(paging: {first: 20}) { edges { node { refId displayName additionalMetaData productSettings { downgradePlan { refId } } } } totalCount } }`, nil)
	want := `{"edges":[{"node":{"additionalMetaData":{"recommendedPlan":"plan-revvenu-essentials"},"displayName":"Revvenu",` +
		`"productSettings":{"downgradePlan":null},"refId":"product-revvenu"}}],"totalCount":1}`
	if got := format(dig(t, a.Data, "products")); got != want {
		t.Errorf("%s, %+v", got, a.Errors)
	}
	filtered := ask(t, e, `{ products(filter: {refId: {eq: "product-x"}}) { totalCount } }`, nil)
	if format(filtered.Data) != `{"products":{"totalCount":0}}` {
		t.Errorf("a filter that fits nothing: %+v", filtered)
	}
	if unknown := ask(t, e, `{ products(filter: {awsMarketplaceProductId: {eq: "x"}}) { totalCount } }`, nil); unknown.code() != CodeUnsupported {
		t.Errorf("a filter that is not modelled: %+v", unknown)
	}
}

// atEdge reads below /v1/ with the default key.
func atEdge(t *testing.T, e *Emulator, path string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("X-API-KEY", DefaultKey)
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	return w.Code, strings.TrimSpace(w.Body.String())
}

func TestTheEdgeServesPaywalls(t *testing.T) {
	e := newTest(t)
	for _, path := range []string{
		"/v1/paywall.json?fetchAllCountriesPrices=undefined",
		"/v1/p/product-revvenu/paywall.json?billingCountryCode=US&includeHiddenPlans=true",
	} {
		status, body := atEdge(t, e, path)
		for _, part := range []string{
			`"plans":[{"__typename":"Plan"`, `"refId":"plan-revvenu-essentials"`, `"amount":60`, `"refId":"addon-10-campaigns"`,
			`"currency":{"code":"USD","symbol":"$"}`, `"customer":null`, `"activeSubscriptions":null`, `"productSettings":{`,
		} {
			if status != 200 || !strings.Contains(body, part) {
				t.Errorf("%s: %d, no %s in %s", path, status, part, body)
			}
		}
	}
	if status, body := atEdge(t, e, "/v1/p/product-x/paywall.json"); status != 200 || !strings.Contains(body, string(CodeProductNotFound)) {
		t.Errorf("another product: %d %s", status, body)
	}
}

func TestTheEdgeServesActiveSubscriptions(t *testing.T) {
	e := newTest(t)
	graph := func(in map[string]any) string {
		body := format(map[string]any{"query": official(t, "GetActiveSubscriptionsList"), "variables": map[string]any{"input": in}})
		return strings.TrimSpace(post(t, e, body).Body.String())
	}
	for path, in := range map[string]map[string]any{
		"?":                                      {"customerId": "customer-demo-01"},
		"?resourceId=site-1":                     {"customerId": "customer-demo-01", "resourceId": "site-1"},
		"?resourceIds=site-1&resourceIds=site-2": {"customerId": "customer-demo-01", "resourceIds": []string{"site-1", "site-2"}},
	} {
		if status, got := atEdge(t, e, "/v1/c/customer-demo-01/subscriptions.json"+path); status != 200 || got != graph(in) {
			t.Errorf("%s: %d %s\nwant %s", path, status, got, graph(in))
		}
	}
	if status, body := atEdge(t, e, "/v1/c/nobody/subscriptions.json"); status != 200 || !strings.Contains(body, string(CodeCustomerNotFound)) {
		t.Errorf("nobody: %d %s", status, body)
	}
	must(t, e.Fault(Fault{Operation: "edge.subscriptions", CustomerID: "customer-demo-01", Status: 503, Count: 1}))
	if status, _ := atEdge(t, e, "/v1/c/customer-demo-01/subscriptions.json"); status != 503 {
		t.Errorf("a fault: %d", status)
	}
	if got := e.Requests()["edge.subscriptions"]; got != 4 {
		t.Errorf("counted: %d", got)
	}
}

func TestTheEdgeServesTheConfigurationOfEveryClient(t *testing.T) {
	e := newTest(t)
	_, server := atEdge(t, e, "/v1/config/server-sdk-configuration.json")
	if status, client := atEdge(t, e, "/v1/config/client-sdk-configuration.json"); status != 200 || client != server {
		t.Errorf("%d %s, want %s", status, client, server)
	}
}

func TestACustomerWithoutEntitlementsHasAnEmptyList(t *testing.T) {
	e := newTest(t)
	for _, id := range []string{"nobody", "customer-archived", "customer-none"} {
		a := ask(t, e, official(t, "GetEntitlements"), map[string]any{"query": map[string]any{"customerId": id}})
		if got := format(a.Data); len(a.Errors) > 0 || got != `{"entitlements":[]}` {
			t.Errorf("%s: %s, %+v", id, got, a.Errors)
		}
		if status, got := atEdge(t, e, "/v1/c/"+id+"/entitlements.json"); status != 200 || got != `{"data":{"entitlements":[]}}` {
			t.Errorf("%s at the edge: %d %s", id, status, got)
		}
	}
}

func TestASocketWithAWrongKeyIsToldSoInTheWordsThatClientsGiveUpAt(t *testing.T) {
	srv := frozen(t)
	p := dial(t, srv)
	p.say(strings.Replace(hello, DefaultKey, "other", 1))
	if code, reason := p.closed(); code != 4401 || reason != "Invalid API key" {
		t.Errorf("%d %q", code, reason)
	}
}
