package chistigg_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/chistigg"
	"github.com/stiggate/gate/gatetest"
)

func register(router chi.Router, routes []gatetest.Route) {
	for _, r := range routes {
		router.Method(r.Method, r.Pattern, r.Handler)
	}
}

func TestAdapter(t *testing.T) {
	gatetest.Run(t, gatetest.Adapter{
		Guarded: func(g *gate.Gate, routes []gatetest.Route) http.Handler {
			router := chi.NewRouter()
			for _, r := range routes {
				router.With(chistigg.Require(g, r.Policy)).Method(r.Method, r.Pattern, r.Handler)
			}
			return router
		},
		Tabled: func(g *gate.Gate, routes []gatetest.Route, t gate.Table, rest gate.Rest) http.Handler {
			router := chi.NewRouter()
			router.Use(chistigg.Routes(g, t, rest))
			register(router, routes)
			return router
		},
		Verify: func(routes []gatetest.Route, t gate.Table) error {
			router := chi.NewRouter()
			register(router, routes)
			return chistigg.Verify(router, t)
		},
	})
}

// source is a Stigg where nobody's plan has anything.
type source struct{}

func (source) Entitlements(context.Context, gate.Customer) (gate.EntitlementSet, error) {
	return gate.EntitlementSet{}, nil
}

func newGate(t *testing.T) *gate.Gate {
	t.Helper()
	g, err := gate.New(source{}, gate.FromTrustedHeader("X-Customer-ID", ""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close(t.Context()) })
	return g
}

func get(h http.Handler, target string) int {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Header.Set("X-Customer-ID", "payer")
	h.ServeHTTP(w, r)
	return w.Code
}

func TestTablesReachThroughGroupsAndMounts(t *testing.T) {
	ok := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }
	table := gate.Table{"GET /v1/items/{item}": gate.Feature("off"), "GET /v1/grouped": gate.Feature("off"), "GET /v1/": gate.Public()}
	items := chi.NewRouter()
	items.Get("/", ok)
	items.Get("/items/{item}", ok)
	items.Group(func(r chi.Router) { r.Get("/grouped", ok) })
	router := chi.NewRouter()
	router.Use(chistigg.Routes(newGate(t), table, gate.DenyRest))
	router.Mount("/v1", items)
	if err := chistigg.Verify(router, table); err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]int{"/v1/items/7": 402, "/v1/grouped": 402, "/v1/": 204, "/v1/nowhere": 404} {
		if got := get(router, target); got != want {
			t.Errorf("%s: got %d, want %d", target, got, want)
		}
	}
}

// TestRewritingBehindTheGateOpensNothing: StripSlashes after the table would turn a
// path that matches nothing into one that does.
func TestRewritingBehindTheGateOpensNothing(t *testing.T) {
	ok := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }
	routes := chistigg.Routes(newGate(t), gate.Table{"GET /off": gate.Feature("off")}, gate.DenyRest)
	behind := chi.NewRouter()
	behind.Use(routes, middleware.StripSlashes)
	behind.Get("/off", ok)
	if got := get(behind, "/off/"); got != http.StatusNotFound {
		t.Errorf("rewritten behind the gate: got %d, want 404", got)
	}
	before := chi.NewRouter()
	before.Use(middleware.StripSlashes, routes)
	before.Get("/off", ok)
	if got := get(before, "/off/"); got != http.StatusPaymentRequired {
		t.Errorf("rewritten before the gate: got %d, want 402", got)
	}
}

// TestATableInAMountIsNotBypassed: the middleware belongs to the root, but must not
// let requests through unseen elsewhere.
func TestATableInAMountIsNotBypassed(t *testing.T) {
	sub := chi.NewRouter()
	sub.Use(chistigg.Routes(newGate(t), gate.Table{"GET /v1/off": gate.Feature("off")}, gate.DenyRest))
	sub.Get("/off", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	router := chi.NewRouter()
	router.Mount("/v1", sub)
	if got := get(router, "/v1/off"); got != http.StatusPaymentRequired {
		t.Errorf("got %d, want 402", got)
	}
}
