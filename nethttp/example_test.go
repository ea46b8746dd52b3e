package nethttp_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/identity"
	"github.com/stiggate/gate/internal/stubstigg"
	"github.com/stiggate/gate/nethttp"
)

// basic is a Stigg where everybody has the same plan. An app uses client.New.
type basic struct{}

func (basic) Entitlements(context.Context, gate.Customer) (gate.EntitlementSet, error) {
	return gate.EntitlementSet{Features: []gate.Entitlement{{FeatureID: "analytics", Kind: gate.Boolean, Granted: true}}}, nil
}

func get(h http.Handler, target string) int { return stubstigg.Send(h, http.MethodGet, target).Code }

func ExampleRequire() {
	g, err := gate.New(basic{}, identity.FromTrustedHeader("X-Customer-ID", ""))
	if err != nil {
		fmt.Println(err)
		return
	}
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	mux := http.NewServeMux()
	mux.Handle("GET /analytics", nethttp.Require(g, gate.Feature("analytics"))(ok))
	mux.Handle("GET /export", nethttp.Require(g, gate.Feature("export"))(ok))
	fmt.Println(get(mux, "/analytics"), get(mux, "/export"))
	// Output: 200 402
}

func ExampleRoutes() {
	g, err := gate.New(basic{}, identity.FromTrustedHeader("X-Customer-ID", ""))
	if err != nil {
		fmt.Println(err)
		return
	}
	table := gate.Table{
		"GET /analytics": gate.Feature("analytics"),
		"GET /health":    gate.Public(),
	}
	ok := func(http.ResponseWriter, *http.Request) {}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /analytics", ok)
	mux.HandleFunc("GET /health", ok)
	mux.HandleFunc("GET /forgotten", ok)
	if err := nethttp.Verify(mux, table); err != nil {
		fmt.Println(err)
		return
	}
	h := nethttp.Routes(g, mux, table, gate.DenyRest)
	fmt.Println(get(h, "/analytics"), get(h, "/health"), get(h, "/forgotten"))
	// Output: 200 200 403
}
