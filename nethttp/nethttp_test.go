package nethttp_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/conformance"
	"github.com/stiggate/gate/nethttp"
)

func mux(prefix string, routes []conformance.Route, wrap func(conformance.Route) http.Handler) *http.ServeMux {
	m := http.NewServeMux()
	for _, r := range routes {
		m.Handle(strings.TrimPrefix(r.Method+" "+prefix+r.Pattern, " "), wrap(r))
	}
	return m
}

func bare(r conformance.Route) http.Handler { return r.Handler }

// chain is a route's handler behind all that the suite asks for.
func chain(g *gate.Gate, r conformance.Route) http.Handler {
	h := http.Handler(r.Handler)
	if r.Body != "" {
		h = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, r.Body) })
	}
	if r.Recovery == conformance.RecoveryInside {
		h = conformance.Recover(h)
	}
	for _, p := range slices.Backward(r.Policies) {
		h = nethttp.Require(g, p)(h)
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

func TestAdapter(t *testing.T) {
	conformance.RunAdapter(t, conformance.Adapter{
		Guarded: func(g *gate.Gate, routes []conformance.Route) http.Handler {
			return mux("", routes, func(r conformance.Route) http.Handler { return chain(g, r) })
		},
		Tabled: func(g *gate.Gate, routes []conformance.Route, t gate.Table, rest gate.Rest) http.Handler {
			return nethttp.Routes(g, mux("", routes, bare), t, rest)
		},
		Live: func(g *gate.Gate, routes []conformance.Route, t *gate.LiveTable, rest gate.Rest) http.Handler {
			return nethttp.Routes(g, mux("", routes, bare), t, rest)
		},
		Verify: func(routes []conformance.Route, t gate.Table) error {
			return nethttp.Verify(mux("", routes, bare), t)
		},
		Grouped: map[string]conformance.Group{
			"a middleware shared by routes of one mux": func(g *gate.Gate, prefix string, p gate.Policy, routes []conformance.Route) http.Handler {
				require := nethttp.Require(g, p)
				return mux(prefix, routes, func(r conformance.Route) http.Handler { return require(r.Handler) })
			},
			"a mux in a mux": func(g *gate.Gate, prefix string, p gate.Policy, routes []conformance.Route) http.Handler {
				outer := http.NewServeMux()
				outer.Handle(prefix+"/", mux(prefix, routes, func(r conformance.Route) http.Handler { return nethttp.Require(g, p)(r.Handler) }))
				return outer
			},
		},
	})
}
