package ginstigg_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/ginstigg"
	"github.com/stiggate/gate/identity"
	"github.com/stiggate/gate/internal/stubstigg"
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
	r := gin.New()
	r.GET("/analytics", ginstigg.Require(g, gate.Feature("analytics")), ok)
	r.GET("/export", ginstigg.Require(g, gate.Feature("export")), ok)
	fmt.Println(get(r, "/analytics"), get(r, "/export"))
	// Output: 200 402
}

func ExampleRoutes() {
	g, err := gate.New(basic{}, identity.FromTrustedHeader("X-Customer-ID", ""))
	if err != nil {
		fmt.Println(err)
		return
	}
	table := gate.Table{
		"GET /reports/:report": gate.Feature("analytics"),
		"GET /health":          gate.Public(),
	}
	r := gin.New()
	r.Use(ginstigg.Routes(g, table, gate.DenyRest)) // before the routes
	r.GET("/reports/:report", ok)
	r.GET("/health", ok)
	r.GET("/forgotten", ok)
	fmt.Println(ginstigg.Verify(r, table)) // an app ends here
	for _, target := range []string{"/reports/7", "/health", "/forgotten"} {
		fmt.Print(get(r, target), " ")
	}
	// Output:
	// gate: route "GET /forgotten": the table names no policy for it
	// 200 200 403
}

func ExampleVerify() {
	r := gin.New()
	r.GET("/reports/:report", ok)
	fmt.Println(ginstigg.Verify(r, gate.Table{"GET /reports/:id": gate.Feature("analytics")}) != nil)
	// Output: true
}
