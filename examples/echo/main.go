// Command echo is an API with JWT authentication in front of the gate, on echo, whose paths
// say for which customer a request is made: the token's, or it is denied. It starts an
// emulated Stigg of its own and prints tokens to try:
//
//	go run ./examples/echo
//
// In front of another Stigg it takes real tokens, signed with HS256 and JWT_SECRET:
//
//	STIGG_API_KEY=… JWT_SECRET=… go run ./examples/echo
package main

import (
	"context"
	"flag"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/echostigg"
	"github.com/stiggate/gate/examples/internal/demo"
	"github.com/stiggate/gate/identity"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "where the API listens")
	flag.Parse()
	if err := run(context.Background(), *addr, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, addr string, out io.Writer) error {
	env, err := demo.Open("")
	if err != nil {
		return err
	}
	defer env.Close()
	stigg, err := client.New(env.APIKey, client.WithEndpoint(env.URL))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	g, err := gate.New(stigg, identity.Agree(identity.FromContext(gate.CustomerFromContext), identity.FromPath("/orgs/{customer}")))
	if err != nil {
		return err
	}
	handler, err := routes(g, auth{env.Key})
	if err != nil {
		return err
	}
	env.Welcome(out, listener, "/orgs/%s")
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	return gate.Serve(ctx, server, g, gate.ServeOn(listener)) // until SIGTERM
}

// routes guards the whole router by a table: a route that nobody put in it is denied.
// Authentication stands in front: it says who asks, the gate whether their plan covers it.
func routes(g *gate.Gate, a auth) (http.Handler, error) {
	table := gate.Table{
		"POST /orgs/:org/campaigns": gate.Feature("feature-02-campaigns").Uses(1),
		"GET /orgs/:org/analytics":  gate.Feature("feature-04-analytics"),
		"GET /health":               gate.Public(),
	}
	e := echo.New()
	e.Use(middleware.Recover(), a.authenticate, echostigg.Routes(g, table, gate.DenyRest))
	e.POST("/orgs/:org/campaigns", createCampaign)
	e.GET("/orgs/:org/analytics", showAnalytics)
	e.GET("/health", func(c echo.Context) error { return c.NoContent(http.StatusOK) })
	return e, echostigg.Verify(e, table)
}

// createCampaign reads {"name": ...}; a request that it refuses uses nothing.
func createCampaign(c echo.Context) error {
	var campaign struct {
		Name string `json:"name"`
	}
	if err := (&echo.DefaultBinder{}).BindBody(c, &campaign); err != nil || campaign.Name == "" {
		return echo.NewHTTPError(http.StatusBadRequest, "a campaign needs a name")
	}
	return c.JSON(http.StatusCreated, map[string]string{"created": campaign.Name})
}

func showAnalytics(c echo.Context) error { return c.String(http.StatusOK, "analytics\n") }
