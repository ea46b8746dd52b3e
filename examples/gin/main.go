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
	"context"
	"flag"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/examples/internal/demo"
	"github.com/stiggate/gate/ginstigg"
	"github.com/stiggate/gate/identity"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "where the API listens")
	flag.Parse()
	gin.SetMode(gin.ReleaseMode)
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
	g, err := gate.New(stigg, identity.FromClaims(claims, "org", "site"))
	if err != nil {
		return err
	}
	env.Welcome(out, listener, "")
	server := &http.Server{Handler: routes(g, auth{env.Key}), ReadHeaderTimeout: 10 * time.Second}
	return gate.Serve(ctx, server, g, gate.ServeOn(listener)) // until SIGTERM
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
