// Command gin is an API with JWT authentication in front of the gate, on gin. It starts an
// emulated Stigg of its own and prints tokens to try:
//
//	go run ./examples/gin
//
// In front of another Stigg it takes real tokens, signed with HS256 and JWT_SECRET:
//
//	STIGG_API_KEY=… JWT_SECRET=… go run ./examples/gin
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

	"github.com/gin-gonic/gin"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/emulator"
	"github.com/stiggate/gate/ginstigg"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "where the API listens")
	flag.Parse()
	gin.SetMode(gin.ReleaseMode)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	if err := run(ctx, *addr, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "gin:", err)
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
	g, err := gate.New(stigg, gate.FromClaims(claims, "org", "site"))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return errors.Join(err, g.Close(context.Background()))
	}
	welcome(out, "http://"+listener.Addr().String(), demo, auth)
	return serve(ctx, &http.Server{Handler: routes(g, auth), ReadHeaderTimeout: 10 * time.Second}, listener, g, out)
}

// routes has authentication in front of the gate: it says who asks, the gate whether their
// plan covers it.
func routes(g *gate.Gate, a auth) http.Handler {
	r := gin.New()
	r.Use(gin.Recovery())
	r.GET("/health", func(c *gin.Context) { c.Status(http.StatusOK) })
	api := r.Group("/", a.authenticate)
	api.POST("/campaigns", ginstigg.Require(g, gate.Feature("feature-02-campaigns").Uses(1)), createCampaign)
	api.GET("/analytics", ginstigg.Require(g, gate.Feature("feature-04-analytics")), showAnalytics)
	return r
}

// createCampaign reads {"name": ...}; a request that it refuses uses nothing.
func createCampaign(c *gin.Context) {
	var campaign struct {
		Name string `json:"name" binding:"required"`
	}
	if err := c.ShouldBindJSON(&campaign); err != nil {
		c.JSON(http.StatusBadRequest, gin.H{"error": "a campaign needs a name"})
		return
	}
	c.JSON(http.StatusCreated, gin.H{"created": campaign.Name})
}

func showAnalytics(c *gin.Context) { c.String(http.StatusOK, "analytics\n") }

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
	fmt.Fprintln(out, "4 campaigns are in the Basic plan, analytics are not; Essentials has both. Try:")
	for _, customer := range []string{"customer-basic", "customer-demo-01"} {
		fmt.Fprintf(out, "  TOKEN=%s # %s\n", a.token(customer, time.Now().Add(time.Hour)), customer)
		fmt.Fprintf(out, "  curl -i -H \"Authorization: Bearer $TOKEN\" -d '{\"name\":\"spring\"}' %s/campaigns\n", url)
		fmt.Fprintf(out, "  curl -i -H \"Authorization: Bearer $TOKEN\" %s/analytics\n", url)
	}
	fmt.Fprintln(out, "Ctrl-C stops.")
}
