package emulator

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// inbox is a webhook that answers with a status and keeps what it got.
type inbox struct {
	*httptest.Server
	got    chan letter
	status atomic.Int64
}

type letter struct {
	secret, kind string
	body         map[string]any
}

func newInbox(t testing.TB, status int) *inbox {
	t.Helper()
	in := &inbox{got: make(chan letter, 1000)}
	in.status.Store(int64(status))
	in.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		m := letter{secret: r.Header.Get("Stigg-Webhooks-Secret")}
		if err == nil && r.Header.Get("Content-Type") == "application/json" {
			_ = json.Unmarshal(raw, &m.body)
		}
		m.kind, _ = m.body["type"].(string)
		in.got <- m
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(int(in.status.Load()))
	}))
	t.Cleanup(in.Close)
	return in
}

// take waits for n messages and gives them by the order of their types.
func (in *inbox) take(t testing.TB, n int) []letter {
	t.Helper()
	var out []letter
	for range n {
		select {
		case m := <-in.got:
			out = append(out, m)
		case <-time.After(patience):
			t.Fatalf("%d of %d messages came", len(out), n)
		}
	}
	slices.SortFunc(out, func(a, b letter) int { return strings.Compare(a.kind, b.kind) })
	return out
}

// told waits until every delivery has been done or waits for its next attempt.
func told(t testing.TB, e *Emulator, done func([]Delivery) bool) []Delivery {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		all := e.Deliveries()
		if done(all) {
			return all
		}
		if time.Now().After(end) {
			t.Fatalf("%s", format(all))
		}
	}
}

func TestWebhooksAreToldWhatHappens(t *testing.T) {
	in := newInbox(t, 204)
	for _, c := range []struct {
		name    string
		do      func(e *Emulator) error
		kinds   string
		credits bool
	}{
		{name: "a new customer", do: func(e *Emulator) error { return e.AddCustomer("c") },
			kinds: "customer.created entitlements.updated"},
		{name: "an upgrade", do: func(e *Emulator) error {
			_, err := e.Subscribe("customer-basic", "plan-revvenu-pro", Subscription{Units: 1})
			return err
		}, kinds: "entitlements.updated subscription.canceled subscription.created"},
		{name: "a cancellation", do: func(e *Emulator) error { return e.Cancel("subscription-plan-revvenu-pro-demo") },
			kinds: "entitlements.updated subscription.canceled"},
		{name: "a promotion", do: func(e *Emulator) error {
			return e.Grant("customer-basic", Grant{FeatureID: campaigns, Unlimited: true}, time.Time{})
		}, kinds: "entitlements.updated promotional_entitlement.granted"},
		{name: "an archived customer", do: func(e *Emulator) error { return e.Archive("customer-basic") },
			kinds: "customer.deleted entitlements.updated subscription.canceled"},
		{name: "usage", do: func(e *Emulator) error {
			return e.Report(Measurement{CustomerID: "customer-basic", FeatureID: campaigns, Value: 1})
		}, kinds: "measurement.reported"},
		{name: "usage over the limit, said once", do: func(e *Emulator) error {
			m := Measurement{CustomerID: "customer-basic", FeatureID: campaigns, Value: 1000}
			return e.Report(m, m)
		}, kinds: "entitlement.usage_exceeded measurement.reported measurement.reported"},
		{name: "a published plan", do: func(e *Emulator) error { return e.Publish("plan-revvenu-pro", "") }, kinds: "plan.updated"},
		{name: "a published add-on", do: func(e *Emulator) error { return e.Publish("addon-10-campaigns", "") }, kinds: "addon.updated"},
		{name: "credits", credits: true, do: func(e *Emulator) error {
			_, err := e.GrantCredits("customer-tokens", CreditGrant{CurrencyID: "currency-tokens", Amount: 5})
			return err
		}, kinds: "credit.granted entitlements.updated"},
		{name: "credits that run out", credits: true, do: func(e *Emulator) error {
			return errorOf(ask(t, e, `mutation { consumeCredits(input: {customerId: "customer-tokens", currencyId: "currency-tokens", amount: 120, idempotencyKey: "k"}) { amount } }`, nil))
		}, kinds: "credit.consumed credit_balance.depleted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			opts := []Option{WithWebhook(in.URL, "sesame")}
			if c.credits {
				opts = append(opts, WithCreditsDemo())
			}
			e := newTest(t, opts...)
			defer e.Close()
			must(t, c.do(e))
			var kinds []string
			ids := map[any]bool{}
			for _, m := range in.take(t, strings.Count(c.kinds, " ")+1) {
				kinds = append(kinds, m.kind)
				ids[m.body["messageId"]] = true
				for _, field := range []string{"messageId", "traceId", "timestamp", "environmentId", "eventId", "actor"} {
					if m.body[field] == nil {
						t.Errorf("%s: no %s in %v", m.kind, field, m.body)
					}
				}
				if m.secret != "sesame" {
					t.Errorf("%s: secret %q", m.kind, m.secret)
				}
				if _, ofPackage := m.body["migrationType"]; !ofPackage && dig(t, m.body, "customer", "id") != m.body["customerId"] {
					t.Errorf("%s: whom is it about: %v", m.kind, m.body)
				}
			}
			if got := strings.Join(kinds, " "); got != c.kinds || len(ids) != len(kinds) {
				t.Errorf("%s, %d ids, want %s", got, len(ids), c.kinds)
			}
			if n := len(e.Deliveries()); n != len(kinds) {
				t.Errorf("%d deliveries are on record", n)
			}
		})
	}
}

func TestEntitlementsUpdatedHasTheWholeSet(t *testing.T) {
	in := newInbox(t, 200)
	e := newTest(t, WithWebhook(in.URL, "s"))
	defer e.Close()
	must(t, e.Report(Measurement{CustomerID: "customer-demo-01", ResourceID: "site-1", FeatureID: "feature-01-templates", Value: -1}))
	used := in.take(t, 1)[0].body
	if used["currentUsage"] == nil || used["value"] != -1.0 || used["type"] != "measurement.reported" || dig(t, used, "resource", "id") != "site-1" || dig(t, used, "feature", "id") != "feature-01-templates" {
		t.Errorf("%v", used)
	}
	_, err := e.Subscribe("customer-demo-01", "plan-revvenu-essentials", Subscription{Resource: "site-1", Units: 9})
	must(t, err)
	updated := in.take(t, 3)[0].body
	set, _ := e.world.state("customer-demo-01", "site-1", testNow)
	if got := dig(t, updated, "entitlements").([]any); len(got) != len(set) || len(got) == 0 || updated["trigger"] != "SUBSCRIPTION_CREATED" {
		t.Errorf("%d entitlements, want %d: %v", len(got), len(set), updated)
	}
	first := dig(t, updated, "entitlements", 0).(map[string]any)
	if dig(t, first, "feature", "meterType") != "FLUCTUATING" || first["usageLimit"] != 9.0 || first["currentUsage"] == nil {
		t.Errorf("%v", first)
	}
}

func TestADeliveryIsTriedSevenTimes(t *testing.T) {
	in := newInbox(t, 500)
	e := newTest(t, WithWebhook(in.URL, "s"))
	defer e.Close()
	must(t, e.Report(Measurement{CustomerID: "customer-basic", FeatureID: campaigns, Value: 1}))
	attempts := func(n int) []Delivery {
		t.Helper()
		return told(t, e, func(all []Delivery) bool { return len(all) == 1 && len(all[0].Attempts) == n })
	}
	ids := map[any]int{}
	for _, m := range in.take(t, 4) {
		ids[m.body["messageId"]]++
	}
	if d := attempts(4)[0]; d.Done || d.Attempts[0].Status != 500 {
		t.Errorf("%+v", d)
	}
	e.Advance(29 * time.Second)
	for n := 5; n <= 7; n++ {
		if len(in.got) > 0 {
			t.Errorf("attempt %d came early", n)
		}
		e.Advance(30 * time.Second)
		ids[in.take(t, 1)[0].body["messageId"]]++
		attempts(n)
	}
	if d := attempts(7)[0]; !d.Done || d.Delivered || len(ids) != 1 {
		t.Errorf("%+v, ids %v", d, ids)
	}
	in.status.Store(200)
	e.Advance(time.Hour)
	must(t, e.AddCustomer("c"))
	for _, d := range told(t, e, func(all []Delivery) bool { return len(all) == 3 && all[1].Done && all[2].Done })[1:] {
		if !d.Delivered || len(d.Attempts) != 1 {
			t.Errorf("%+v", d)
		}
	}
	if n := len(in.got); n != 2 {
		t.Errorf("%d messages after the last attempt, want the two of the new customer", n)
	}
}

func TestADeliveryThatSucceedsLaterIsDone(t *testing.T) {
	in := newInbox(t, 302)
	e := newTest(t, WithWebhook(in.URL, "s"))
	defer e.Close()
	must(t, e.Publish("plan-revvenu-pro", ""))
	in.take(t, 4)
	told(t, e, func(all []Delivery) bool { return len(all[0].Attempts) == 4 })
	in.status.Store(299)
	e.Advance(30 * time.Second)
	d := told(t, e, func(all []Delivery) bool { return all[0].Done })[0]
	if !d.Delivered || len(d.Attempts) != 5 || d.Attempts[3].Status != 302 || d.Attempts[4].Status != 299 {
		t.Errorf("%+v", d)
	}
}

func TestAWebhookThatCannotBeReachedHoldsNobodyUp(t *testing.T) {
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	e := newTest(t, WithWebhook(dead.URL, "s"))
	must(t, e.Publish("plan-revvenu-pro", ""))
	d := told(t, e, func(all []Delivery) bool { return len(all[0].Attempts) == 4 })[0]
	if d.Attempts[0].Err == "" || d.Attempts[0].Status != 0 {
		t.Errorf("%+v", d)
	}
	e.Close()
	must(t, e.Publish("plan-revvenu-pro", ""))
	if n := len(e.Deliveries()); n != 1 {
		t.Errorf("%d deliveries, one after the end", n)
	}
}

func TestDeliveriesOvertakeOneThatHangs(t *testing.T) {
	release := make(chan struct{})
	var first atomic.Bool
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if first.CompareAndSwap(false, true) {
			<-release
		}
	}))
	defer srv.Close()
	e := newTest(t, WithWebhook(srv.URL, "s"))
	defer e.Close()
	for range 3 {
		must(t, e.Publish("plan-revvenu-pro", ""))
	}
	told(t, e, func(all []Delivery) bool {
		return len(slices.DeleteFunc(all, func(d Delivery) bool { return d.Delivered })) == 1
	})
	close(release)
	told(t, e, func(all []Delivery) bool {
		return !slices.ContainsFunc(all, func(d Delivery) bool { return !d.Delivered })
	})
	if got := e.hooks.client.Timeout; got != 30*time.Second {
		t.Errorf("an answer has %v", got)
	}
}

func TestClosingGivesUpWhatIsUnderWay(t *testing.T) {
	before := runtime.NumGoroutine()
	reached := make(chan struct{}, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the end of a connection is seen after its body only
		reached <- struct{}{}
		if strings.HasSuffix(r.URL.Path, "/hangs") {
			<-r.Context().Done()
			return
		}
		w.WriteHeader(500)
	}))
	e := newTest(t, WithWebhook(srv.URL+"/fails", "s"))
	must(t, e.Publish("plan-revvenu-pro", ""))
	told(t, e, func(all []Delivery) bool { return len(all[0].Attempts) == 4 })
	must(t, e.SetWebhook(srv.URL+"/hangs", "s"))
	must(t, e.Publish("plan-revvenu-pro", ""))
	for range 5 {
		<-reached
	}
	e.Close()
	srv.Close()
	for end := time.Now().Add(patience); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			buf := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
	}
}

func TestTheOperatorSetsAndReadsTheWebhook(t *testing.T) {
	in := newInbox(t, 200)
	srv := listening(t)
	must(t, srv.AddCustomer("before"))
	if got := operate(t, srv, "webhooks", `{"url":"`+in.URL+`/x","secret":"sesame"}`, 201); strings.Contains(got, "sesame") || !strings.Contains(got, in.URL) {
		t.Error(got)
	}
	must(t, srv.Publish("plan-revvenu-pro", "ALL_CUSTOMERS"))
	if m := in.take(t, 1)[0]; m.secret != "sesame" || dig(t, m.body, "plan", "id") != "plan-revvenu-pro" {
		t.Errorf("%+v", m)
	}
	told(t, srv.Emulator, func(all []Delivery) bool { return all[0].Done })
	got := send(t.Context(), "GET", srv.URL()+"/_emulator/webhooks", "").body
	var v any
	must(t, json.Unmarshal([]byte(got), &v))
	d := dig(t, v, "deliveries", 0)
	if strings.Contains(got, "sesame") || dig(t, d, "type") != "plan.updated" || dig(t, d, "delivered") != true ||
		dig(t, d, "attempts", 0, "status") != 200.0 || dig(t, d, "body", "messageId") != dig(t, d, "messageId") {
		t.Error(got)
	}
	send(t.Context(), "DELETE", srv.URL()+"/_emulator/webhooks", "")
	must(t, srv.Publish("plan-revvenu-pro", "ALL_CUSTOMERS"))
	if n := len(srv.Deliveries()); n != 1 {
		t.Errorf("%d deliveries, one after it was taken away", n)
	}
	for _, c := range []struct{ name, body, want string }{
		{"no URL", `{"secret":"s"}`, "url"},
		{"a URL of another kind", `{"url":"ftp://x"}`, "http"},
		{"a URL that is none", `{"url":"localhost:80"}`, "http"},
		{"an unknown field", `{"uri":"http://x"}`, "uri"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := operate(t, srv, "webhooks", c.body, 400); !strings.Contains(got, c.want) {
				t.Error(got)
			}
		})
	}
	if _, err := New(WithWebhook("nowhere", "s")); err == nil {
		t.Error("a webhook of no URL")
	}
}

// Without it nobody would hear of a raw event until the next request.
func TestWhatCountsLaterIsToldWithoutARequest(t *testing.T) {
	srv := listening(t, WithCountingDelay(10*time.Millisecond))
	p := listener(t, srv, usageEvents)
	must(t, errorOf(ask(t, srv, official(t, "ReportEvent"), map[string]any{"input": map[string]any{"usageEvents": []any{map[string]any{
		"customerId": "customer-demo-01", "eventName": "user_login", "idempotencyKey": "k1", "dimensions": map[string]any{"user_id": "u"}}}}})))
	if got := p.event("1"); got["customerId"] != "customer-demo-01" {
		t.Error(got)
	}
}
