package conformance

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stiggate/gate"
)

// forgottenRows hold the Verify of an adapter whose router lists its routes.
func forgottenRows(a Adapter) []row {
	if a.VerifyAll == nil {
		return nil
	}
	// any-forgotten is of all methods, so it has none.
	all := []string{"/v1/any-forgotten", "GET /v1/forgotten", "GET /v1/paid", "GET /v1/rest/{page}"}
	tests := []struct {
		name string
		more gate.Table
		open []string
		want []string
	}{
		{"every route that the table forgets is told", nil, nil, all},
		{"a route that the table names is not told", gate.Table{"GET /v1/forgotten": gate.Public(), "/v1/paid": gate.Public()}, nil, []string{all[0], all[3]}},
		{"routes left to the rest on purpose are not told", nil, []string{"/v1/rest/", "/v1/any-forgotten", "/v1/forg", ""}, all[1:3]},
		{"all that is left to the rest on purpose", nil, []string{"/"}, nil},
	}
	var rows []row
	for _, tt := range tests {
		rows = append(rows, row{"verify", tt.name, func(t testing.TB) {
			err := a.VerifyAll(a.routes(tableRoutes()...), a.table(tt.more), tt.open...)
			var got []string
			if joined, ok := err.(interface{ Unwrap() []error }); ok {
				for _, e := range joined.Unwrap() {
					var forgotten *gate.ForgottenRouteError
					if !errors.As(e, &forgotten) {
						t.Errorf("got %v", e)
						continue
					}
					got = append(got, forgotten.Route)
				}
			}
			want := make([]string, len(tt.want))
			for i, key := range tt.want {
				want[i] = a.key(key)
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("forgotten are %q, want %q", got, want)
			}
		}})
	}
	return rows
}

// liveRows hold the adapter's Routes to a table that is replaced.
func liveRows(a Adapter) []row {
	if a.Live == nil {
		return nil
	}
	start := func(t testing.TB) (*bench, *gate.LiveTable) {
		live, err := gate.NewLiveTable(a.table(nil))
		if err != nil {
			t.Fatal(err)
		}
		return start(t, http1, func(g *gate.Gate) http.Handler { return a.Live(g, a.routes(tableRoutes()...), live, gate.DenyRest) }), live
	}
	return []row{
		{"tables", "table: one that is replaced", func(t testing.TB) {
			b, live := start(t)
			b.get(t, "GET", "/v1/open").wants(t, 200)
			b.get(t, "GET", "/v1/items/7").wants(t, 402)
			b.get(t, "GET", "/v1/forgotten").wants(t, 403)
			if err := live.Replace(a.table(gate.Table{"GET /v1/open": gate.Feature("off"), "GET /v1/items/{item}": gate.Public(), "GET /v1/forgotten": gate.Public()})); err != nil {
				t.Fatal(err)
			}
			b.get(t, "GET", "/v1/open").wants(t, 402)
			b.get(t, "GET", "/v1/items/7").wants(t, 200)
			b.get(t, "GET", "/v1/forgotten").wants(t, 200)
		}},
		{"tables", "table: one that is wrong replaces none", func(t testing.TB) {
			b, live := start(t)
			err := live.Replace(a.table(gate.Table{"GET /v1/items/{item}": gate.Public(), "GET /v1/open": gate.Feature("")}))
			var wrong *gate.PolicyError
			if !errors.As(err, &wrong) || wrong.Route != a.key("GET /v1/open") {
				t.Errorf("got %v", err)
			}
			b.get(t, "GET", "/v1/open").wants(t, 200)
			b.get(t, "GET", "/v1/items/7").wants(t, 402)
		}},
		{"tables", "table: a request sees one table, the old or the new", func(t testing.TB) {
			b, live := start(t)
			// By the one free is open and lands on what is guarded; by the other it is guarded itself.
			tables := []gate.Table{a.table(nil), a.table(gate.Table{"GET /v1/free/{page}": gate.Feature("on"), "GET /v1/paid/{item}": gate.Public()})}
			done := make(chan struct{})
			var swaps sync.WaitGroup
			swaps.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-done:
						return
					default:
					}
					if err := live.Replace(tables[i%2]); err != nil {
						t.Error(err)
					}
				}
			})
			for range 100 {
				if got := b.send(b.new(t, "GET", "/v1/free/..%2Fpaid%2F7", "", nil)); got.status != 401 || !strings.Contains(string(got.body), "customer_unresolved") {
					t.Errorf("got %d %s", got.status, got.body)
					break
				}
			}
			close(done)
			swaps.Wait()
		}},
	}
}
