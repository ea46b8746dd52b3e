package emulator

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2"
)

// allEvents subscribes to everything with the official documents and writes down
// what comes as lines of "field customer resource what".
func allEvents(t testing.TB, srv *Server) (p *peer, heard func() []string) {
	t.Helper()
	documents := []string{"OnEntitlementsUpdated", "OnEntitlementsUpdatedV2", "OnUsageUpdated", "OnUsageUpdatedV2",
		"OnPackagePublished", "OnCreditBalanceUpdated"}
	var texts []string
	for _, d := range documents {
		texts = append(texts, official(t, d))
	}
	p = listener(t, srv, texts...)
	n := 0
	return p, func() []string {
		t.Helper()
		n++
		p.say(fmt.Sprintf(`{"type":"ping","payload":%d}`, n))
		out := []string{}
		for {
			f := p.next()
			if f.Type == "pong" {
				return out
			}
			out = append(out, lineOf(t, f))
		}
	}
}

func lineOf(t testing.TB, f frame) string {
	t.Helper()
	body := decodedPayload(t, f)
	for field, v := range body {
		e := v.(map[string]any)
		switch field {
		case "entitlementsUpdated", "entitlementsUpdatedV2":
			return fmt.Sprint(field, " ", e["customerId"], " ", e["resourceId"], " ", e["accessDeniedReason"], " ", len(e["entitlements"].([]any)))
		case "usageUpdated":
			u := e["usage"].(map[string]any)
			return fmt.Sprint(field, " ", u["customerId"], " ", u["resourceId"], " ", u["featureId"], " ", u["currentUsage"])
		case "usageUpdatedV2":
			r, u := e["entitlementReference"].(map[string]any), e["usage"].(map[string]any)
			return fmt.Sprint(field, " ", e["customerId"], " ", e["resourceId"], " ", r["type"], " ", r["id"], " ", u["currentUsage"])
		case "packagePublished":
			return fmt.Sprint(field, " ", e["packageType"], " ", e["packageRefId"], " ", e["packageVersion"], " ", e["migrationType"])
		case "creditBalanceUpdated":
			return fmt.Sprint(field, " ", e["customerId"], " ", e["resourceId"], " ", e["currencyId"], " ", e["totalGranted"], " ", e["totalConsumed"], " ", e["currentBalance"])
		}
	}
	t.Fatalf("%s", f.Payload)
	return ""
}

// both is an event in its older and in its newer form.
func both(event string) []string {
	return []string{"entitlementsUpdated " + event, "entitlementsUpdatedV2 " + event}
}

func used1(who, feature, n string) []string {
	return []string{"usageUpdated " + who + " " + feature + " " + n, "usageUpdatedV2 " + who + " FEATURE " + feature + " " + n}
}

func TestEverySubscriberHearsWhatChanges(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(t *testing.T, e *Emulator) error
		want []string
	}{
		{"a new customer", func(_ *testing.T, e *Emulator) error { return e.AddCustomer("c") },
			both("c <nil> NoActiveSubscription 0")},
		{"a subscription", func(_ *testing.T, e *Emulator) error {
			_, err := e.Subscribe("customer-demo-01", "plan-revvenu-basic", Subscription{Resource: "site-9"})
			return err
		}, both("customer-demo-01 site-9 <nil> 5")},
		{"an upgrade over GraphQL", func(t *testing.T, e *Emulator) error {
			a := ask(t, e, official(t, "ProvisionSubscription"), map[string]any{"input": map[string]any{
				"customerId": "customer-basic", "planId": "plan-revvenu-essentials", "billingPeriod": "MONTHLY", "unitQuantity": 2}})
			return errorOf(a)
		}, both("customer-basic <nil> <nil> 5")},
		{"an update", func(t *testing.T, e *Emulator) error {
			return errorOf(ask(t, e, official(t, "UpdateSubscription"), map[string]any{"input": map[string]any{
				"subscriptionId": "subscription-plan-revvenu-essentials-bum2flivze", "addons": []any{map[string]any{"addonId": "addon-10-campaigns"}}}}))
		}, both("customer-demo-01 <nil> <nil> 6")},
		{"a cancellation", func(_ *testing.T, e *Emulator) error { return e.Cancel("subscription-plan-revvenu-pro-demo") },
			both("customer-pro <nil> NoActiveSubscription 0")},
		{"a promotion, which is of every resource", func(_ *testing.T, e *Emulator) error {
			return e.Grant("customer-demo-01", Grant{FeatureID: campaigns, Unlimited: true}, time.Time{})
		}, slices.Concat(both("customer-demo-01 <nil> <nil> 6"), both("customer-demo-01 site-1 <nil> 6"))},
		{"an archived customer", func(_ *testing.T, e *Emulator) error { return e.Archive("customer-basic") },
			both("customer-basic <nil> CustomerIsArchived 0")},
		{"one who comes back", func(_ *testing.T, e *Emulator) error {
			if err := e.Archive("customer-basic"); err != nil {
				return err
			}
			return e.Unarchive("customer-basic")
		}, slices.Concat(both("customer-basic <nil> CustomerIsArchived 0"), both("customer-basic <nil> NoActiveSubscription 0"))},
		{"usage, once for all measurements of a call", func(_ *testing.T, e *Emulator) error {
			m := Measurement{CustomerID: "customer-basic", FeatureID: campaigns, Value: 2}
			return e.Report(m, m)
		}, used1("customer-basic <nil>", campaigns, "4")},
		{"usage of a resource", func(_ *testing.T, e *Emulator) error {
			return e.Report(Measurement{CustomerID: "customer-basic", ResourceID: "r", FeatureID: campaigns, Value: 2})
		}, used1("customer-basic r", campaigns, "2")},
		{"usage that was counted before", func(_ *testing.T, e *Emulator) error {
			m := Measurement{CustomerID: "customer-basic", FeatureID: campaigns, Value: 2, IdempotencyKey: "k"}
			if err := e.Report(m); err != nil {
				return err
			}
			return e.Report(m)
		}, used1("customer-basic <nil>", campaigns, "2")},
		{"a published plan", func(_ *testing.T, e *Emulator) error { return e.Publish("plan-revvenu-pro", "ALL_CUSTOMERS") },
			[]string{"packagePublished Plan plan-revvenu-pro 3 ALL_CUSTOMERS"}},
		{"a published add-on", func(_ *testing.T, e *Emulator) error { return e.Publish("addon-10-campaigns", "") },
			[]string{"packagePublished Addon addon-10-campaigns 2 NEW_CUSTOMERS"}},
		{"what is refused", func(_ *testing.T, e *Emulator) error {
			_, err := e.Subscribe("customer-basic", "plan-that-is-none", Subscription{})
			if err == nil {
				return fmt.Errorf("it was not refused")
			}
			return nil
		}, []string{}},
		{"a customer who could not be provisioned", func(t *testing.T, e *Emulator) error {
			if errorOf(ask(t, e, official(t, "ProvisionCustomer"), map[string]any{"input": map[string]any{
				"customerId": "c", "subscriptionParams": map[string]any{"planId": "none"}}})) == nil {
				return fmt.Errorf("it was not refused")
			}
			return nil
		}, []string{}},
		{"a promotion that the clock ends", func(_ *testing.T, e *Emulator) error {
			if err := e.Grant("customer-basic", Grant{FeatureID: campaigns, Unlimited: true}, testNow.Add(time.Hour)); err != nil {
				return err
			}
			e.Advance(time.Hour)
			return nil
		}, slices.Concat(both("customer-basic <nil> <nil> 4"), both("customer-basic <nil> <nil> 4"))},
		{"a clock that passes nothing", func(_ *testing.T, e *Emulator) error { e.Advance(time.Hour); return nil }, []string{}},
		{"reading", func(_ *testing.T, e *Emulator) error {
			e.Decide("customer-basic", "", campaigns, nil, nil)
			return nil
		}, []string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := listening(t, WithClock(func() time.Time { return testNow }))
			_, first := allEvents(t, srv)
			_, second := allEvents(t, srv)
			must(t, c.do(t, srv.Emulator))
			for _, heard := range []func() []string{first, second} {
				if got := heard(); !slices.Equal(got, c.want) {
					t.Errorf("heard\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
				}
			}
		})
	}
}

func errorOf(a answer) error {
	if a.Status != 200 || len(a.Errors) > 0 {
		return fmt.Errorf("status %d: %+v", a.Status, a.Errors)
	}
	return nil
}

func TestRealTimeOfEventsAndCredits(t *testing.T) {
	srv := listening(t, WithClock(func() time.Time { return testNow }), WithCreditsDemo(), WithCountingDelay(10*time.Second))
	_, heard := allEvents(t, srv)
	expect := func(want ...string) {
		t.Helper()
		if got := heard(); !slices.Equal(got, want) {
			t.Errorf("heard\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	id, err := srv.GrantCredits("customer-tokens", CreditGrant{CurrencyID: "currency-tokens", Amount: 50})
	must(t, err)
	expect("usageUpdatedV2 customer-tokens <nil> CREDIT currency-tokens 0", "creditBalanceUpdated customer-tokens <nil> currency-tokens 170 0 170",
		"entitlementsUpdated customer-tokens <nil> <nil> 3", "entitlementsUpdatedV2 customer-tokens <nil> <nil> 4")
	must(t, srv.VoidCredits(id))
	heard()
	must(t, errorOf(ask(t, srv, `mutation { consumeCredits(input: {customerId: "customer-tokens", currencyId: "currency-tokens", amount: 20, idempotencyKey: "k"}) { amount } }`, nil)))
	expect("usageUpdatedV2 customer-tokens <nil> CREDIT currency-tokens 20", "creditBalanceUpdated customer-tokens <nil> currency-tokens 120 20 100")
	must(t, errorOf(ask(t, srv, `mutation { consumeCreditsAsync(input: {consumptions: [{customerId: "customer-tokens", currencyId: "currency-tokens", amount: 5, idempotencyKey: "l"}]}) }`, nil)))
	expect()
	srv.Advance(10 * time.Second)
	expect("usageUpdatedV2 customer-tokens <nil> CREDIT currency-tokens 25", "creditBalanceUpdated customer-tokens <nil> currency-tokens 120 25 95")
}

func TestARawEventIsHeardWhenItCounts(t *testing.T) {
	srv := listening(t, WithClock(func() time.Time { return testNow }), WithCountingDelay(10*time.Second))
	_, heard := allEvents(t, srv)
	must(t, errorOf(ask(t, srv, official(t, "ReportEvent"), map[string]any{"input": map[string]any{"usageEvents": []any{map[string]any{
		"customerId": "customer-demo-01", "eventName": "user_login", "idempotencyKey": "k1", "dimensions": map[string]any{"user_id": "u"}}}}})))
	if got := heard(); len(got) != 0 {
		t.Errorf("%q before it counts", got)
	}
	srv.Advance(10 * time.Second)
	if got := heard(); len(got) != 2 || !strings.HasPrefix(got[0]+got[1], "usageUpdated") || !strings.Contains(got[0], "customer-demo-01") {
		t.Errorf("%q", got)
	}
}

func TestAnEventIsShownAsItWasAskedFor(t *testing.T) {
	srv := listening(t, WithClock(func() time.Time { return testNow }))
	p := listener(t, srv,
		`subscription S($full: Boolean = false) { news: usageUpdatedV2 { __typename who: customerId accountId environmentId ...U skipped: resourceId @include(if: $full) } }
		fragment U on UsageUpdatedV2 { usage { ... on UsageV2 { n: currentUsage usagePeriodStart } } }`)
	must(t, srv.Report(Measurement{CustomerID: "customer-basic", FeatureID: campaigns, Value: 2}))
	f := p.expect("next", "1")
	want := `{"data":{"news":{"__typename":"UsageUpdatedV2","who":"customer-basic","accountId":"` + accountID() + `","environmentId":"` +
		environmentID() + `","usage":{"n":2,"usagePeriodStart":`
	if !strings.HasPrefix(string(f.Payload), want) {
		t.Errorf("%s\nwant %s", f.Payload, want)
	}
	// Variables tell the subscriptions of one document apart.
	p.say(`{"type":"subscribe","id":"2","payload":{"query":"subscription S($full: Boolean!) { usageUpdatedV2 { customerId resourceId @include(if: $full) } }","variables":{"full":true}}}`)
	p.say(`{"type":"subscribe","id":"3","payload":{"query":"subscription S($full: Boolean!) { usageUpdatedV2 { customerId resourceId @include(if: $full) } }","variables":{"full":false}}}`)
	p.settled()
	must(t, srv.Report(Measurement{CustomerID: "customer-basic", FeatureID: campaigns, Value: 2}))
	p.expect("next", "1")
	if full, short := p.event("2"), p.event("3"); len(full) != 2 || len(short) != 1 {
		t.Errorf("%v %v", full, short)
	}
}

func TestAnEventHasTheWholeOfWhatAReadWouldAnswer(t *testing.T) {
	srv := listening(t, WithClock(func() time.Time { return testNow }))
	p := listener(t, srv, official(t, "OnEntitlementsUpdatedV2"))
	_, err := srv.Subscribe("customer-basic", "plan-revvenu-pro", Subscription{Units: 1})
	must(t, err)
	event := p.event("1")
	a := ask(t, srv, official(t, "GetEntitlementsState"), map[string]any{"query": map[string]any{"customerId": "customer-basic"}})
	if read := dig(t, a.Data, "entitlementsState", "entitlementsV2"); format(read) != format(event["entitlements"]) || len(read.([]any)) == 0 {
		t.Errorf("read %s\ntold %s", format(read), format(event["entitlements"]))
	}
}

func TestAPublishedPlanCountsForEveryone(t *testing.T) {
	e := newTest(t)
	must(t, e.Publish("plan-revvenu-basic", "ALL_CUSTOMERS", Grant{FeatureID: campaigns, UsageLimit: ptr(1234.0)}))
	if ok, why := e.Decide("customer-basic", "", campaigns, ptr(1234.0), nil); !ok {
		t.Error(why)
	}
	for _, c := range []struct {
		name, id, migration string
		grants              []Grant
		code                Code
	}{
		{"an unknown package", "none", "", nil, CodePlanNotFound},
		{"an unknown migration", "plan-revvenu-pro", "SOME", nil, CodeBadUserInput},
		{"an unknown feature", "plan-revvenu-pro", "ALL_CUSTOMERS", []Grant{{FeatureID: "none"}}, CodeFeatureNotFound},
		{"a limit below 0", "plan-revvenu-pro", "ALL_CUSTOMERS", []Grant{{FeatureID: campaigns, UsageLimit: ptr(-1.0)}}, CodeBadUserInput},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := e.Publish(c.id, c.migration, c.grants...); codeIn(err) != c.code {
				t.Errorf("%v, want %s", err, c.code)
			}
		})
	}
}

func TestASlowSubscriberIsCutOffAndHoldsNobodyUp(t *testing.T) {
	srv := listening(t)
	listener(t, srv, official(t, "OnEntitlementsUpdatedV2"))
	deadline := time.Now().Add(patience)
	for len(srv.Sockets()) > 0 {
		must(t, srv.Grant("customer-demo-01", Grant{FeatureID: campaigns, Unlimited: true}, time.Time{}))
		if time.Now().After(deadline) {
			t.Fatal("it is still open")
		}
	}
}

func TestTheOfficialSubscriptionsFitTheSchema(t *testing.T) {
	schema, err := loadSchema()
	must(t, err)
	files, err := os.ReadDir("testdata/subscriptions")
	must(t, err)
	if len(files) != len(schema.Subscription.Fields) {
		t.Errorf("%d documents of %d fields", len(files), len(schema.Subscription.Fields))
	}
	for _, f := range files {
		if _, errs := gqlparser.LoadQuery(schema, official(t, strings.TrimSuffix(f.Name(), ".graphql"))); errs != nil {
			t.Errorf("%s: %v", f.Name(), errs)
		}
	}
}
