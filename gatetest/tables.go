package gatetest

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stiggate/gate"
)

// tableRoutes are the routes that the tables speak of.
func tableRoutes() []Route {
	return []Route{
		{Method: "POST", Pattern: "/v1/many", Handler: answerStatus},
		{Method: "GET", Pattern: "/v1/items/{item}", Handler: answerStatus},
		{Method: "GET", Pattern: "/v1/open", Handler: answerStatus},
		{Method: "GET", Pattern: "/v1/forgotten", Handler: answerStatus},
		{Method: "", Pattern: "/v1/any", Handler: answerStatus},
		{Method: "", Pattern: "/v1/any-forgotten", Handler: answerStatus},
	}
}

func table() gate.Table {
	return gate.Table{
		"POST /v1/many":        gate.Feature("many").Uses(2),
		"GET /v1/items/{item}": gate.Feature("off"),
		"GET /v1/open":         gate.Public(),
		"/v1/any":              gate.Feature("off"),
	}
}

func runTables(t *testing.T, a Adapter) {
	payer := as("payer")
	preflight := map[string]string{"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}
	used := map[string]float64{"many": 2}
	tests := []struct {
		request
		rest gate.Rest
	}{
		{request{name: "a route of the table", method: "POST", target: "/v1/many?status=201", header: payer, status: 201, uses: used}, gate.DenyRest},
		{request{name: "a route of the table fails", method: "POST", target: "/v1/many?status=500", header: payer, status: 500}, gate.DenyRest},
		{request{name: "a route with a wildcard", method: "GET", target: "/v1/items/7", header: payer, status: 402, code: "feature_not_in_plan"}, gate.DenyRest},
		{request{name: "an escaped path", method: "GET", target: "/v1/items/a%2Fb", header: payer, status: 402, code: "feature_not_in_plan"}, gate.DenyRest},
		{request{name: "an open route", method: "GET", target: "/v1/open", status: 200, unasked: true}, gate.DenyRest},
		{request{name: "a forgotten route is denied", method: "GET", target: "/v1/forgotten", header: payer, status: 403, code: "route_not_open", unasked: true}, gate.DenyRest},
		{request{name: "a forgotten route is open", method: "GET", target: "/v1/forgotten", status: 200, unasked: true}, gate.PublicRest},
		{request{name: "a route of all methods", method: "PATCH", target: "/v1/any", header: payer, status: 402, code: "feature_not_in_plan"}, gate.PublicRest},
		{request{name: "a forgotten route that looks like a preflight", method: "OPTIONS", target: "/v1/any-forgotten", header: preflight, status: 403, code: "route_not_open", unasked: true}, gate.DenyRest},
		{request{name: "a guarded route that looks like a preflight", method: "OPTIONS", target: "/v1/any", header: preflight, status: 401, code: "customer_unresolved", unasked: true}, gate.PublicRest},
		{request{name: "no such route", method: "GET", target: "/v2", status: 404, unasked: true}, gate.DenyRest},
		{request{name: "no such route, the rest open", method: "GET", target: "/v2", status: 404, unasked: true}, gate.PublicRest},
		{request{name: "no such method", method: "DELETE", target: "/v1/many", status: 405, unasked: true}, gate.DenyRest},
		{request{name: "no customer", method: "POST", target: "/v1/many", status: 401, code: "customer_unresolved", unasked: true}, gate.DenyRest},
		{request{name: "a guarded route stays so with the rest open", method: "POST", target: "/v1/many", status: 401, code: "customer_unresolved", unasked: true}, gate.PublicRest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := start(t, func(g *gate.Gate) http.Handler { return a.Tabled(g, tableRoutes(), table(), tt.rest) })
			got := b.do(t, tt.request)
			if got.status != tt.status || got.code != tt.code {
				t.Errorf("got %d %q, want %d %q\n%s", got.status, got.code, tt.status, tt.code, got.body)
			}
			b.finish(t)
			if n := b.stigg.reported("many"); n != tt.uses["many"] {
				t.Errorf("%v reported, want %v", n, tt.uses["many"])
			}
			if tt.unasked && b.stigg.asks != 0 {
				t.Errorf("%d upstream calls, want none", b.stigg.asks)
			}
		})
	}
}

func runVerify(t *testing.T, a Adapter) {
	with := func(route string, p gate.Policy) gate.Table {
		extended := table()
		extended[route] = p
		return extended
	}
	on := gate.Feature("on")
	tests := []struct {
		name  string
		table gate.Table
		want  string // in the error; empty: none
	}{
		{"every key names a route", table(), ""},
		{"a key without a route", with("GET /v1/nowhere", on), `"GET /v1/nowhere"`},
		{"a key of another method", with("PUT /v1/many", on), `"PUT /v1/many"`},
		{"a key that would match, but is not the pattern", with("GET /v1/items/7", on), `"GET /v1/items/7"`},
		{"a wildcard of another name", with("GET /v1/items/{id}", on), `"GET /v1/items/{id}"`},
		{"a key that is none", with("v1", on), `"v1"`},
		{"one method of a route of all", with("POST /v1/any-forgotten", on), `"POST /v1/any-forgotten"`},
		{"a policy that is wrong", with("GET /v1/open", gate.Feature("")), "feature id is empty"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := a.Verify(tableRoutes(), tt.table)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var wrong *gate.PolicyError
			if !errors.As(err, &wrong) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want a *gate.PolicyError with %s", err, tt.want)
			}
		})
	}
	t.Run("a wrong table panics at start-up", func(t *testing.T) {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		start(t, func(g *gate.Gate) http.Handler {
			return a.Tabled(g, tableRoutes(), with("GET /v1/open", gate.Feature("f").Uses(-1)), gate.DenyRest)
		})
	})
}
