package echov5_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/labstack/echo/v5"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/contrib/echov5"
	"github.com/stiggate/gate/identity"
	"github.com/stiggate/gate/internal/stubstigg"
)

// basic is a Stigg where everybody has the same plan. An app uses client.New.
type basic struct{}

func (basic) Entitlements(context.Context, gate.Customer) (gate.EntitlementSet, error) {
	return gate.EntitlementSet{Features: []gate.Entitlement{{FeatureID: "analytics", Kind: gate.Boolean, Granted: true}}}, nil
}

func send(h http.Handler, method, target string) *httptest.ResponseRecorder {
	return stubstigg.Send(h, method, target)
}

func ExampleRequire() {
	g, err := gate.New(basic{}, identity.FromTrustedHeader("X-Customer-ID", ""))
	if err != nil {
		fmt.Println(err)
		return
	}
	e := echo.New()
	e.GET("/analytics", ok, echov5.Require(g, gate.Feature("analytics")))
	e.GET("/export", ok, echov5.Require(g, gate.Feature("export")))
	fmt.Println(send(e, "GET", "/analytics").Code, send(e, "GET", "/export").Code)
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
	e := echo.New()
	e.Use(echov5.Routes(g, table, gate.DenyRest))
	e.GET("/reports/:report", ok)
	e.GET("/health", ok)
	e.GET("/forgotten", ok)
	fmt.Println(echov5.Verify(e, table)) // an app ends here
	for _, target := range []string{"/reports/7", "/health", "/forgotten"} {
		fmt.Print(send(e, "GET", target).Code, " ")
	}
	// Output:
	// gate: route "GET /forgotten": the table names no policy for it
	// 200 200 403
}

func ExampleVerify() {
	e := echo.New()
	e.GET("/reports/:report", ok)
	fmt.Println(echov5.Verify(e, gate.Table{"GET /reports/:id": gate.Feature("analytics")}) != nil)
	// Output: true
}

func ExampleDenyAsError() {
	g, err := gate.New(basic{}, identity.FromTrustedHeader("X-Customer-ID", ""))
	if err != nil {
		fmt.Println(err)
		return
	}
	e := echo.New()
	e.HTTPErrorHandler = func(c *echo.Context, err error) {
		if denied := (*echov5.Denied)(nil); errors.As(err, &denied) {
			err = c.String(denied.Status, "Please upgrade to use "+denied.FeatureID+".")
		}
		if err != nil {
			echo.DefaultHTTPErrorHandler(false)(c, err)
		}
	}
	e.GET("/export", ok, echov5.Require(g, gate.Feature("export"), echov5.DenyAsError()))
	fmt.Println(send(e, "GET", "/export").Body)
	// Output: Please upgrade to use export.
}

func ExampleWithStatus() {
	g, err := gate.New(basic{}, identity.FromTrustedHeader("X-Customer-ID", ""))
	if err != nil {
		fmt.Println(err)
		return
	}
	queued := errors.New("queued")
	e := echo.New()
	status := func(err error) int {
		if errors.Is(err, queued) {
			return 202 // so it counts as a success
		}
		return 500
	}
	e.HTTPErrorHandler = func(c *echo.Context, err error) { _ = c.NoContent(status(err)) }
	e.POST("/reports", func(*echo.Context) error { return queued }, echov5.Require(g, gate.Feature("analytics"), echov5.WithStatus(status)))
	fmt.Println(send(e, "POST", "/reports").Code)
	// Output: 202
}
