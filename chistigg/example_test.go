package chistigg_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/chistigg"
	"github.com/stiggate/gate/identity"
	"github.com/stiggate/gate/internal/stubstigg"
)

// source is a Stigg where nobody's plan has anything.
type source struct{}

func (source) Entitlements(context.Context, gate.Customer) (gate.EntitlementSet, error) {
	return gate.EntitlementSet{}, nil
}

func get(h http.Handler, target string) int { return stubstigg.Send(h, http.MethodGet, target).Code }

func ExampleRequire() {
	g, err := gate.New(source{}, identity.FromTrustedHeader("X-Customer-ID", "")) // an app uses client.New
	if err != nil {
		fmt.Println(err)
		return
	}
	r := chi.NewRouter()
	r.With(chistigg.Require(g, gate.Feature("analytics"))).Get("/analytics", func(http.ResponseWriter, *http.Request) {})
	fmt.Println(get(r, "/analytics"))
	// Output: 402
}

func ExampleRoutes() {
	g, err := gate.New(source{}, identity.FromTrustedHeader("X-Customer-ID", "")) // an app uses client.New
	if err != nil {
		fmt.Println(err)
		return
	}
	table := gate.Table{
		"GET /analytics": gate.Feature("analytics"),
		"GET /health":    gate.Public(),
	}
	ok := func(http.ResponseWriter, *http.Request) {}
	r := chi.NewRouter()
	r.Use(chistigg.Routes(g, table, gate.DenyRest))
	r.Get("/analytics", ok)
	r.Get("/health", ok)
	r.Get("/forgotten", ok)
	fmt.Println(chistigg.Verify(r, table)) // an app ends here
	fmt.Println(get(r, "/analytics"), get(r, "/health"), get(r, "/forgotten"))
	// Output:
	// gate: route "GET /forgotten": the table names no policy for it
	// 402 200 403
}
