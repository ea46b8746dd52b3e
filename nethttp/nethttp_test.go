package nethttp_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/gatetest"
	"github.com/stiggate/gate/nethttp"
)

func mux(routes []gatetest.Route, wrap func(gatetest.Route) http.Handler) *http.ServeMux {
	m := http.NewServeMux()
	for _, r := range routes {
		m.Handle(strings.TrimPrefix(r.Method+" "+r.Pattern, " "), wrap(r))
	}
	return m
}

func bare(r gatetest.Route) http.Handler { return r.Handler }

func TestAdapter(t *testing.T) {
	gatetest.Run(t, gatetest.Adapter{
		Guarded: func(g *gate.Gate, routes []gatetest.Route) http.Handler {
			return mux(routes, func(r gatetest.Route) http.Handler { return nethttp.Require(g, r.Policy)(r.Handler) })
		},
		Tabled: func(g *gate.Gate, routes []gatetest.Route, t gate.Table, rest gate.Rest) http.Handler {
			return nethttp.Routes(g, mux(routes, bare), t, rest)
		},
		Verify: func(routes []gatetest.Route, t gate.Table) error {
			return nethttp.Verify(mux(routes, bare), t)
		},
	})
}
