package conformance_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/conformance"
	"github.com/stiggate/gate/fleet"
	"github.com/stiggate/gate/nethttp"
)

// mux is the router: in a test of your own it is yours.
func mux(routes []conformance.Route, handler func(conformance.Route) http.Handler) *http.ServeMux {
	m := http.NewServeMux()
	for _, r := range routes {
		m.Handle(strings.TrimSpace(r.Method+" "+r.Pattern), handler(r))
	}
	return m
}

// guarded is a route's handler behind all that the suite asks for, from the inside out.
func guarded(g *gate.Gate, r conformance.Route) http.Handler {
	h := http.Handler(r.Handler)
	if r.Body != "" {
		h = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, r.Body) // or the router's own way
		})
	}
	if r.Recovery == conformance.RecoveryInside {
		h = conformance.Recover(h) // or the router's own
	}
	for _, p := range slices.Backward(r.Policies) {
		h = nethttp.Require(g, p)(h) // the adapter under test
	}
	if r.Before != nil {
		gated := h
		h = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			r.Before(w, req, func(req *http.Request) *http.Request {
				gated.ServeHTTP(w, req)
				return req
			})
		})
	}
	if r.Recovery == conformance.RecoveryOutside {
		h = conformance.Recover(h)
	}
	return h
}

func bare(r conformance.Route) http.Handler { return r.Handler }

// The test of an adapter is its router, put together in three ways.
func ExampleRunAdapter() {
	// In a _test.go file this is func TestAdapter(t *testing.T).
	_ = func(t *testing.T) {
		conformance.RunAdapter(t, conformance.Adapter{
			Guarded: func(g *gate.Gate, routes []conformance.Route) http.Handler {
				return mux(routes, func(r conformance.Route) http.Handler { return guarded(g, r) })
			},
			Tabled: func(g *gate.Gate, routes []conformance.Route, t gate.Table, rest gate.Rest) http.Handler {
				return nethttp.Routes(g, mux(routes, bare), t, rest)
			},
			Verify: func(routes []conformance.Route, t gate.Table) error {
				return nethttp.Verify(mux(routes, bare), t)
			},
		})
	}
}

// The test of a store: two replicas that share it let in as many as one limit says.
func ExampleRunBurst() {
	_ = func(t *testing.T, open func(testing.TB) fleet.Fleet) {
		router := func(g *gate.Gate, routes []conformance.Route) http.Handler {
			return mux(routes, func(r conformance.Route) http.Handler { return guarded(g, r) })
		}
		conformance.RunBurst(t, conformance.Adapter{Guarded: router}, open)
	}
}
