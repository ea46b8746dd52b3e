package conformance

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/stiggate/gate"
)

// groupRows are routes in groups, and what routes are called.
func groupRows(a Adapter) []row {
	rows := []row{{"groups", "a decision names the route", func(t testing.TB) {
		b := a.guarded(t, http1, route("GET", "/v1/items/{item}", manyTwo(), answerStatus))
		b.get(t, "GET", "/v1/items/7").wants(t, 200)
		b.bills(t, uses{"many": 2})
		a.named(t, b, "GET", "/v1/items/{item}")
	}}, {"groups", "a decision of a table names the route", func(t testing.TB) {
		b := start(t, http1, func(g *gate.Gate) http.Handler {
			return a.Tabled(g, a.routes(tableRoutes()...), a.table(nil), gate.DenyRest)
		})
		b.get(t, "GET", "/v1/items/7").wants(t, 402)
		b.bills(t, nil)
		a.named(t, b, "GET", "/v1/items/{item}")
	}}}
	tests := []struct {
		name, method, target, customer string
		status, or                     int
		uses                           uses
		route                          string
	}{
		{name: "a route", method: "GET", target: "/api/v1/items/7", customer: "payer", status: 200, uses: uses{"many": 2}, route: "/api/v1/items/{item}"},
		{name: "a route that fails", method: "GET", target: "/api/v1/items/7?status=500", customer: "payer", status: 500, route: "/api/v1/items/{item}"},
		{name: "a route that is refused", method: "GET", target: "/api/v1/items/7", customer: "none", status: 402, route: "/api/v1/items/{item}"},
		{name: "no such route", method: "GET", target: "/api/v1/nowhere", customer: "payer", status: 404},
		{name: "no such method", method: "PUT", target: "/api/v1/items/7", customer: "payer", status: 405, or: 404},
		{name: "no such group", method: "GET", target: "/api/v2/items/7", customer: "payer", status: 404},
	}
	for _, kind := range slices.Sorted(maps.Keys(a.Grouped)) {
		for _, tt := range tests {
			rows = append(rows, row{"groups", kind + ": " + tt.name, func(t testing.TB) {
				b := start(t, http1, func(g *gate.Gate) http.Handler {
					return a.Grouped[kind](g, a.spell("/api/v1"), manyTwo(), a.routes(Route{Method: "GET", Pattern: "/items/{item}", Handler: answerStatus}))
				})
				got := b.send(b.new(t, tt.method, tt.target, tt.customer, nil))
				if got.status != tt.or { // some groups answer for all methods
					got.wants(t, tt.status)
				}
				b.bills(t, tt.uses)
				if tt.route != "" {
					a.named(t, b, "GET", tt.route)
				}
			}})
		}
	}
	return rows
}

// named holds the one decision's route to the full pattern, with or without its method.
func (a Adapter) named(t testing.TB, b *bench, method, pattern string) {
	t.Helper()
	want := a.spell(pattern)
	if len(b.seen.decided) != 1 {
		t.Fatalf("%d decisions, want 1", len(b.seen.decided))
	}
	if got := b.seen.decided[0].Route; got != want && got != method+" "+want {
		t.Errorf("the route is named %q, want %q", got, want)
	}
}

// errorRows are handlers that return errors, for routers that have such.
func errorRows(a Adapter) []row {
	if a.Error == nil {
		return nil
	}
	boom := errors.New("boom")
	tests := []struct {
		name   string
		write  func(http.ResponseWriter)
		err    error
		status int
		uses   uses
	}{
		{"no error", nil, nil, 200, uses{"many": 2}},
		{"no error after a 201", func(w http.ResponseWriter) { w.WriteHeader(201) }, nil, 201, uses{"many": 2}},
		{"no error after a 500", func(w http.ResponseWriter) { w.WriteHeader(500) }, nil, 500, nil},
		{"the router's error of 418", nil, a.Error(418), 418, nil},
		{"the router's error of 404", nil, a.Error(404), 404, nil},
		{"the router's error of 503", nil, a.Error(503), 503, nil},
		{"the router's error of 202", nil, a.Error(202), 202, uses{"many": 2}},
		{"a plain error", nil, boom, 500, nil},
		{"a plain error after a body", func(w http.ResponseWriter) { _, _ = io.WriteString(w, "ok") }, boom, 200, uses{"many": 2}},
	}
	var rows []row
	for _, tt := range tests {
		rows = append(rows, row{"returned errors", tt.name, func(t testing.TB) {
			calls := 0
			b := a.guarded(t, http1, Route{
				Method: "POST", Pattern: "/", Policies: []gate.Policy{manyTwo()},
				Err: func(w http.ResponseWriter, _ *http.Request) error {
					if calls++; tt.write != nil {
						tt.write(w)
					}
					return tt.err
				},
			})
			b.get(t, "POST", "/").wants(t, tt.status)
			b.bills(t, tt.uses)
			if calls != 1 {
				t.Errorf("the handler ran %d times", calls)
			}
			if o := b.seen.settled; len(o) != 1 || !errors.Is(o[0].Err, tt.err) || tt.write == nil && o[0].Status != tt.status {
				t.Errorf("settled %+v, want once, with %v", o, tt.err)
			}
		}})
	}
	return rows
}
