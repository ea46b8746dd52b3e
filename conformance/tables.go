package conformance

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
		{Method: "GET", Pattern: "/v1/paid/{item}", Handler: answerStatus},
		{Method: "GET", Pattern: "/v1/paid", Handler: answerStatus},
		{Method: "GET", Pattern: "/v1/free/{page}", Handler: answerStatus},
		{Method: "GET", Pattern: "/v1/rest/{page}", Handler: answerStatus},
		{Method: "", Pattern: "/v1/any", Handler: answerStatus},
		{Method: "", Pattern: "/v1/any-forgotten", Handler: answerStatus},
	}
}

// table is the table as the router spells it, with more entries.
func (a Adapter) table(more gate.Table) gate.Table {
	spelled := gate.Table{}
	for _, t := range []gate.Table{{
		"POST /v1/many":        manyTwo(),
		"GET /v1/items/{item}": gate.Feature("off"),
		"GET /v1/open":         gate.Public(),
		"/v1/any":              gate.Feature("off"),
		"GET /v1/paid/{item}":  gate.Feature("on"),
		"GET /v1/free/{page}":  gate.Public(),
	}, more} {
		for key, p := range t {
			spelled[a.key(key)] = p
		}
	}
	return spelled
}

// key spells a table's key.
func (a Adapter) key(key string) string {
	if method, pattern, both := strings.Cut(key, " "); both {
		return method + " " + a.spell(pattern)
	}
	return a.spell(key)
}

// tableRows hold the adapter's Routes.
func tableRows(a Adapter) []row {
	payer, used := as("payer"), uses{"many": 2}
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
		{request{name: "a forgotten route that looks like a preflight", method: "OPTIONS", target: "/v1/any-forgotten", header: preflight(), status: 403, code: "route_not_open", unasked: true}, gate.DenyRest},
		{request{name: "a guarded route that looks like a preflight", method: "OPTIONS", target: "/v1/any", header: preflight(), status: 401, code: "customer_unresolved", unasked: true}, gate.PublicRest},
		{request{name: "no such route", method: "GET", target: "/v2", status: 404, unasked: true}, gate.DenyRest},
		{request{name: "no such route, the rest open", method: "GET", target: "/v2", status: 404, unasked: true}, gate.PublicRest},
		{request{name: "no such method", method: "DELETE", target: "/v1/many", status: 405, unasked: true}, gate.DenyRest},
		{request{name: "a forgotten route above a wildcard", method: "GET", target: "/v1/paid", header: payer, status: 403, code: "route_not_open", unasked: true}, gate.DenyRest},
		{request{name: "an open route with a wildcard", method: "GET", target: "/v1/free/paid", status: 200, unasked: true}, gate.DenyRest},
		{request{name: "an escaped letter on an open route", method: "GET", target: "/v1/free/%70aid", status: 200, unasked: true}, gate.DenyRest},
		{request{name: "an escaped slash on an open route", method: "GET", target: "/v1/free/..%2Fpaid%2F7", status: 401, code: "customer_unresolved", unasked: true}, gate.DenyRest},
		{request{name: "a way up on an open route", method: "GET", target: "/v1/free/x%2F..%2F..%2Fpaid%2F7", status: 401, code: "customer_unresolved", unasked: true}, gate.DenyRest},
		{request{name: "an escaped slash on the open rest", method: "GET", target: "/v1/rest/..%2Fpaid%2F7", status: 401, code: "customer_unresolved", unasked: true}, gate.PublicRest},
		{request{name: "a backslash on an open route", method: "GET", target: "/v1/free/..%5Cpaid%5C7", status: 401, code: "customer_unresolved", unasked: true}, gate.DenyRest},
		{request{name: "a way up with a parameter on an open route", method: "GET", target: "/v1/free/..;v=1%5Cpaid%5C7", status: 401, code: "customer_unresolved", unasked: true}, gate.DenyRest},
		{request{name: "a slash that is escaped twice on an open route", method: "GET", target: "/v1/free/..%252Fpaid%252F7", status: 401, code: "customer_unresolved", unasked: true}, gate.DenyRest},
		{request{name: "a parameter on an open route", method: "GET", target: "/v1/free/paid;v=1", status: 200, unasked: true}, gate.DenyRest},
		{request{name: "an escaped slash by who may", method: "GET", target: "/v1/free/..%2Fpaid%2F7", header: payer, status: 200}, gate.DenyRest},
		{request{name: "no customer", method: "POST", target: "/v1/many", status: 401, code: "customer_unresolved", unasked: true}, gate.DenyRest},
		{request{name: "a guarded route stays so with the rest open", method: "POST", target: "/v1/many", status: 401, code: "customer_unresolved", unasked: true}, gate.PublicRest},
	}
	var rows []row
	for _, tt := range tests {
		rows = append(rows, row{"tables", "table: " + tt.name, func(t testing.TB) {
			b := start(t, http1, func(g *gate.Gate) http.Handler { return a.Tabled(g, a.routes(tableRoutes()...), a.table(nil), tt.rest) })
			tt.check(t, b, http1)
		}})
	}
	return rows
}

// verifyRows hold the adapter's Verify, and what its Routes says of a wrong table.
func verifyRows(a Adapter) []row {
	on := gate.Feature("on")
	tests := []struct {
		name, key string // the key is added to the table
		policy    gate.Policy
		want      string // in the error, beside the key; empty: no error
	}{
		{"every key names a route", "POST /v1/many", on, ""},
		{"a key without a route", "GET /v1/nowhere", on, "no such route"},
		{"a key of another method", "PUT /v1/many", on, "no such route"},
		{"a key that would match, but is not the pattern", "GET /v1/items/7", on, "no such route"},
		{"a wildcard of another name", "GET /v1/items/{id}", on, "no such route"},
		{"a key that is none", "v1", on, "a route is"},
		{"one method of a route of all", "POST /v1/any-forgotten", on, "no such route"},
		{"a policy that is wrong", "GET /v1/open", gate.Feature(""), "feature id is empty"},
	}
	rows := []row{{"verify", "a wrong table panics at start-up", func(t testing.TB) {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		start(t, http1, func(g *gate.Gate) http.Handler {
			return a.Tabled(g, a.routes(tableRoutes()...), a.table(gate.Table{"GET /v1/open": gate.Feature("f").Uses(-1)}), gate.DenyRest)
		})
	}}, {"verify", "a wrong policy panics at start-up", func(t testing.TB) {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		a.guarded(t, http1, route("GET", "/", gate.Feature("f").Uses(-1), answerStatus))
	}}}
	for _, tt := range tests {
		rows = append(rows, row{"verify", tt.name, func(t testing.TB) {
			err := a.Verify(a.routes(tableRoutes()...), a.table(gate.Table{tt.key: tt.policy}))
			var wrong *gate.PolicyError
			if tt.want == "" { // what the table forgets is none of this
				if errors.As(err, &wrong) {
					t.Error(err)
				}
				return
			}
			if !errors.As(err, &wrong) || wrong.Route != a.key(tt.key) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want a *gate.PolicyError of %q with %q", err, a.key(tt.key), tt.want)
			}
		}})
	}
	return rows
}
