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
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/echostigg"
	"github.com/stiggate/gate/emulator"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "where the API listens")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	if err := run(ctx, *addr, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "echo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, addr string, out io.Writer) error {
	url, apiKey, secret := os.Getenv("STIGG_URL"), os.Getenv("STIGG_API_KEY"), os.Getenv("JWT_SECRET")
	demo := url == "" && apiKey == ""
	if demo {
		stigg, err := emulator.Start("127.0.0.1:0")
		if err != nil {
			return err
		}
		defer func() { _ = stigg.Close() }()
		url, apiKey, secret = stigg.URL(), emulator.DefaultKey, rand.Text()+rand.Text()
	}
	auth, err := newAuth(secret)
	if err != nil {
		return err
	}
	stigg, err := client.New(apiKey, client.WithEndpoint(cmp.Or(url, "https://api.stigg.io")))
	if err != nil {
		return err
	}
	g, err := gate.New(stigg, gate.Agree(gate.FromContext(gate.CustomerFromContext), gate.FromPath("/orgs/{customer}")))
	if err != nil {
		return err
	}
	handler, err := routes(g, auth)
	if err != nil {
		return errors.Join(err, g.Close(context.Background()))
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return errors.Join(err, g.Close(context.Background()))
	}
	welcome(out, "http://"+listener.Addr().String(), demo, auth)
	return serve(ctx, &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}, listener, g, out)
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

// serve answers requests until ctx ends. Then it lets running requests finish, and only
// then delivers what they used. Each has its own time, so that a slow request costs no
// usage.
func serve(ctx context.Context, server *http.Server, l net.Listener, g *gate.Gate, out io.Writer) error {
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	var failed error
	select {
	case failed = <-served:
	case <-ctx.Done():
		fmt.Fprintln(out, "Stopping: no new requests, then the usage that waits goes to Stigg.")
	}
	finish, finished := context.WithTimeout(context.Background(), 20*time.Second)
	defer finished()
	err := server.Shutdown(finish)
	deliver, delivered := context.WithTimeout(context.Background(), 10*time.Second)
	defer delivered()
	return errors.Join(failed, err, g.Close(deliver))
}

func welcome(out io.Writer, url string, demo bool, a auth) {
	fmt.Fprintf(out, "The API is at %s\n", url)
	if !demo {
		return
	}
	fmt.Fprintln(out, "4 campaigns are in the Basic plan, analytics are not; Essentials has both; one's token\nis not for the other's paths. Try:")
	for _, customer := range []string{"customer-basic", "customer-demo-01"} {
		fmt.Fprintf(out, "  TOKEN=%s # %s\n", a.token(customer, time.Now().Add(time.Hour)), customer)
		fmt.Fprintf(out, "  curl -i -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' -d '{\"name\":\"spring\"}' %s/orgs/%s/campaigns\n", url, customer)
		fmt.Fprintf(out, "  curl -i -H \"Authorization: Bearer $TOKEN\" %s/orgs/%s/analytics\n", url, customer)
	}
	fmt.Fprintln(out, "Ctrl-C stops.")
}
