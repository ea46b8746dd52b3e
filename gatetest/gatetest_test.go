package gatetest_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/gatetest"
	"github.com/stiggate/gate/identity"
	"github.com/stiggate/gate/nethttp"
)

// serve puts a policy in front of a handler that answers 200, and returns what sends it a
// customer's request.
func serve(g *gate.Gate, p gate.Policy) func(customer string) int {
	h := nethttp.Require(g, p)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	return func(customer string) int {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set("X-Customer-ID", customer)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
}

var byHeader = identity.FromTrustedHeader("X-Customer-ID", "X-Resource-ID")

func TestWhatCustomersHave(t *testing.T) {
	seats := gate.Feature("seats").Uses(1)
	tests := []struct {
		name   string
		stigg  func(*gatetest.Stigg)
		policy gate.Policy
		want   int
		code   string
	}{
		{"nothing was said", func(*gatetest.Stigg) {}, seats, 402, "no_active_subscription"},
		{"all is allowed", func(s *gatetest.Stigg) { s.AllowAll() }, seats, 200, ""},
		{"all is allowed, of any amount", func(s *gatetest.Stigg) { s.AllowAll() }, gate.Feature("seats").Uses(1e9), 200, ""},
		{"all is allowed, of any value", func(s *gatetest.Stigg) { s.AllowAll() }, gate.Feature("sso").Values("x"), 200, ""},
		{"all is allowed, and credits", func(s *gatetest.Stigg) { s.AllowAll() }, gate.Credits("tokens").Uses(5), 200, ""},
		{"all of several is allowed", func(s *gatetest.Stigg) { s.AllowAll() }, gate.All(seats, gate.Feature("sso")), 200, ""},
		{"all is allowed, and a limit of its own", func(s *gatetest.Stigg) { s.AllowAll().Customer("acme").Has(gatetest.Metered("seats", 0)) }, seats, 402, "usage_never_fits"},
		{"all is allowed, and not to this customer", func(s *gatetest.Stigg) { s.AllowAll().Customer("acme").Denied(gate.ReasonCustomerIsArchived) }, seats, 403, "customer_archived"},
		{"a plan has it", func(s *gatetest.Stigg) { s.Plan("free", gatetest.Metered("seats", 3)) }, seats, 200, ""},
		{"a plan has it not", func(s *gatetest.Stigg) { s.Plan("free", gatetest.Boolean("sso")) }, seats, 402, "feature_not_in_plan"},
		{"the plan's limit is reached", func(s *gatetest.Stigg) {
			s.Plan("free", gatetest.Metered("seats", 3)).Customer("acme").Used("seats", 3)
		}, seats, 402, "usage_limit_exceeded"},
		{"past a soft limit", func(s *gatetest.Stigg) {
			s.Plan("free", gatetest.Metered("seats", 3).Soft()).Customer("acme").Used("seats", 3)
		}, seats, 200, ""},
		{"another plan", func(s *gatetest.Stigg) {
			s.Plan("free").Plan("team", gatetest.Unlimited("seats")).Customer("acme").On("team")
		}, seats, 200, ""},
		{"a plan, and denied", func(s *gatetest.Stigg) {
			s.Plan("free", gatetest.Metered("seats", 3)).Customer("acme").Denied(gate.ReasonNoSubscription)
		}, seats, 402, "no_active_subscription"},
		{"no longer denied", func(s *gatetest.Stigg) {
			s.Plan("free", gatetest.Metered("seats", 3)).Customer("acme").Denied(gate.ReasonNoSubscription).On("free")
		}, seats, 200, ""},
		{"more than the plan", func(s *gatetest.Stigg) {
			s.Plan("free", gatetest.Metered("seats", 0)).Customer("acme").Has(gatetest.Metered("seats", 1))
		}, seats, 200, ""},
		{"what was said last", func(s *gatetest.Stigg) {
			s.Customer("acme").Has(gatetest.Metered("seats", 1)).Has(gatetest.Metered("seats", 0))
		}, seats, 402, "usage_never_fits"},
		{"a value within", func(s *gatetest.Stigg) { s.Plan("free", gatetest.Configuration("size", 5)) }, gate.Feature("size").Asks(5), 200, ""},
		{"a value beyond", func(s *gatetest.Stigg) { s.Plan("free", gatetest.Configuration("size", 5)) }, gate.Feature("size").Asks(6), 402, "usage_never_fits"},
		{"one of the values", func(s *gatetest.Stigg) { s.Plan("free", gatetest.Enum("model", "small")) }, gate.Feature("model").Values("small"), 200, ""},
		{"none of the values", func(s *gatetest.Stigg) { s.Plan("free", gatetest.Enum("model", "small")) }, gate.Feature("model").Values("large"), 403, "value_not_allowed"},
		{"credits", func(s *gatetest.Stigg) { s.Plan("free", gatetest.Credits("tokens", 5)) }, gate.Credits("tokens").Uses(5), 200, ""},
		{"too few credits", func(s *gatetest.Stigg) { s.Plan("free", gatetest.Credits("tokens", 5)) }, gate.Credits("tokens").Uses(6), 402, "insufficient_credits"},
		{"a feature that costs too many credits", func(s *gatetest.Stigg) {
			s.Plan("free", gatetest.Credits("tokens", 5), gatetest.Unlimited("seats").Costs("tokens", 6))
		}, seats, 402, "insufficient_credits"},
		{"an outage", func(s *gatetest.Stigg) { s.AllowAll().Down() }, seats, 503, "entitlements_unavailable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stigg := gatetest.New(t)
			tt.stigg(stigg)
			g := stigg.Gate(byHeader)
			h := nethttp.Require(g, tt.policy)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			r, w := httptest.NewRequest(http.MethodPost, "/", nil), httptest.NewRecorder()
			r.Header.Set("X-Customer-ID", "acme")
			h.ServeHTTP(w, r)
			if w.Code != tt.want || !strings.Contains(w.Body.String(), tt.code) {
				t.Errorf("got %d %s, want %d %s", w.Code, w.Body, tt.want, tt.code)
			}
		})
	}
}

func TestAChangeIsFeltByTheNextRequest(t *testing.T) {
	stigg := gatetest.New(t).Plan("free", gatetest.Metered("seats", 1)).Plan("team", gatetest.Metered("seats", 3))
	send := serve(stigg.Gate(byHeader), gate.Feature("seats").Uses(1))
	wants := func(what string, customer string, want int) {
		t.Helper()
		if got := send(customer); got != want {
			t.Errorf("%s: got %d, want %d", what, got, want)
		}
	}
	wants("the first seat", "acme", 200)
	wants("the second seat of the free plan", "acme", 402)
	stigg.Customer("acme").On("team")
	wants("the second seat of the team's plan", "acme", 200)
	stigg.Plan("team", gatetest.Metered("seats", 2))
	wants("the third, of a smaller plan", "acme", 402)
	stigg.Customer("acme").Denied(gate.ReasonNoSubscription)
	wants("no subscription", "acme", 402)
	wants("somebody else", "other", 200)
	stigg.AllowAll().Customer("third")
	wants("somebody new", "new", 200)
	stigg.Reported(t, "acme", "seats", 2)
	stigg.Reported(t, "nobody", "seats", 0)
}

func TestAnOutageBeginsAndEnds(t *testing.T) {
	stigg := gatetest.New(t).AllowAll()
	send := serve(stigg.Gate(byHeader), gate.Feature("seats").Uses(1))
	if got := send("known"); got != 200 {
		t.Errorf("before: %d", got)
	}
	stigg.Down()
	for i := range 50 { // so that the gate stops asking
		if got := send(fmt.Sprint("unknown-", i)); got != 503 {
			t.Errorf("somebody who was not seen: %d", got)
		}
	}
	if got := send("known"); got != 200 {
		t.Errorf("somebody who was seen: %d", got)
	}
	stigg.Reported(t, "known", "seats", 2)
	stigg.Up()
	for i := range 50 {
		if got := send(fmt.Sprint("unknown-", i)); got != 200 {
			t.Fatalf("after: %d", got)
		}
	}
	stigg.Reported(t, "known", "seats", 2)
}

// failing keeps what a test says.
type failing struct {
	testing.TB
	said []string
}

func (f *failing) Errorf(format string, args ...any) {
	f.said = append(f.said, fmt.Sprintf(format, args...))
}

func TestAnOutageThatOutlivesItsTestLosesNothing(t *testing.T) {
	t.Run("a test that ends in an outage", func(t *testing.T) {
		stigg := gatetest.New(t).Plan("free", gatetest.Metered("seats", 3))
		g := stigg.Gate(identity.FromTrustedHeader("X-Customer-ID", ""), gate.WithUndelivered(func(u []gate.Usage) {
			t.Errorf("Close has waited in vain for the delivery of %d usages", len(u))
		}))
		ticket, _ := g.Admit(t.Context(), gate.Customer{ID: "acme"}, gate.Feature("seats").Uses(1))
		stigg.Down()
		if err := ticket.Settle(); err != nil {
			t.Error(err)
		}
	})
}

func TestAnEndWithoutAnOutageLogsNothing(t *testing.T) {
	var log bytes.Buffer
	t.Run("a test", func(t *testing.T) {
		g := gatetest.New(t).AllowAll().Gate(identity.Nobody(), gate.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		g.Check(t.Context(), gate.Customer{ID: "acme"}, gate.Feature("seats"))
	})
	if log.Len() > 0 {
		t.Errorf("it logs %s", &log)
	}
}

func TestAWrongReportSaysWhatWasReportedInstead(t *testing.T) {
	stigg := gatetest.New(t).AllowAll()
	send := serve(stigg.Gate(byHeader), gate.Feature("seats").Uses(2))
	send("acme")
	f := &failing{TB: t}
	stigg.Reported(f, "acme", "seats", 3)
	stigg.Reported(f, "acme", "sso", 0)
	if want := "acme has 2 of seats reported, want 3; reported was: acme 2 of seats"; len(f.said) != 1 || f.said[0] != want {
		t.Errorf("it says %q, want %q", f.said, want)
	}
}

func TestUsageOfEveryKindIsReported(t *testing.T) {
	stigg := gatetest.New(t).Plan("free", gatetest.Credits("tokens", 100), gatetest.Unlimited("images").Costs("tokens", 5), gatetest.Unlimited("seats"))
	g := stigg.Gate(byHeader)
	serve(g, gate.Feature("images").Uses(2))("acme")
	serve(g, gate.Credits("tokens").Uses(7))("acme")
	serve(g, gate.Feature("seats").Uses(3))("acme")
	serve(g, gate.Feature("seats").Frees(1))("acme")
	for _, u := range []gate.Usage{
		{Customer: gate.Customer{ID: "acme"}, Kind: gate.UsageTotal, FeatureID: "bytes", Value: 9},
		{Customer: gate.Customer{ID: "acme"}, Kind: gate.UsageTotal, FeatureID: "bytes", Value: 8},
		{Customer: gate.Customer{ID: "acme", Resource: "site"}, FeatureID: "bytes", Value: 1},
	} {
		if err := g.Report(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	for feature, want := range map[string]float64{"images": 2, "tokens": 7, "seats": 2, "bytes": 9} {
		stigg.Reported(t, "acme", feature, want)
	}
}

func TestAResourceHasItsOwn(t *testing.T) {
	stigg := gatetest.New(t).Plan("free", gatetest.Metered("seats", 1))
	stigg.Customer("acme").Resource("site").Has(gatetest.Metered("seats", 2))
	g := stigg.Gate(byHeader)
	for resource, want := range map[string]float64{"": 1, "site": 2, "other": 1} {
		set, err := g.Entitlements(t.Context(), gate.Customer{ID: "acme", Resource: resource})
		if err != nil || len(set.Features) != 1 || set.Features[0].Limit != want {
			t.Errorf("resource %q: %+v, %v, want a limit of %v", resource, set, err, want)
		}
	}
}

func TestItWorksInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stigg := gatetest.New(t).Plan("free", gatetest.Metered("seats", 10))
		send := serve(stigg.Gate(byHeader), gate.Feature("seats").Uses(1))
		for range 12 {
			send("acme")
		}
		stigg.Reported(t, "acme", "seats", 10)
	})
}

func TestManyAtOnceThroughTwoGates(t *testing.T) {
	stigg := gatetest.New(t).AllowAll()
	var all sync.WaitGroup
	for range 2 {
		send := serve(stigg.Gate(byHeader), gate.Feature("seats").Uses(1))
		for range 50 {
			all.Go(func() { send("acme") })
		}
	}
	all.Wait()
	stigg.Reported(t, "acme", "seats", 100)
}
