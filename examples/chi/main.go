// Command chi is the smallest API gated with chi, by a table. Run an emulator beside it:
//
//	go run ./cmd/stigg emulate &
//	STIGG_API_KEY=stigg-emulator-key STIGG_URL=http://127.0.0.1:4100 go run ./examples/chi
//	curl -i -X POST -H 'X-Customer-ID: customer-basic' http://127.0.0.1:8080/campaigns
package main

import (
	"context"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/chistigg"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/identity"
)

func main() {
	stigg, err := client.New(os.Getenv("STIGG_API_KEY"), client.WithEndpoint(os.Getenv("STIGG_URL")))
	if err != nil {
		log.Fatal(err)
	}
	// A proxy in front of this program authenticates and sets the header itself. Where
	// your own middleware does, use identity.FromContext.
	g, err := gate.New(stigg, identity.FromTrustedHeader("X-Customer-ID", ""))
	if err != nil {
		log.Fatal(err)
	}
	handler, err := routes(g)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Addr: "127.0.0.1:8080", Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	if err := gate.Serve(context.Background(), server, g); err != nil { // until SIGTERM
		log.Fatal(err)
	}
}

// routes guards the whole router by a table: a route that nobody put in it is denied.
func routes(g *gate.Gate) (http.Handler, error) {
	table := gate.Table{
		"POST /campaigns": gate.Feature("feature-02-campaigns").Uses(1),
		"GET /analytics":  gate.Feature("feature-04-analytics"),
		"GET /health":     gate.Public(),
	}
	r := chi.NewRouter()
	r.Use(middleware.Recoverer, chistigg.Routes(g, table, gate.DenyRest))
	r.Post("/campaigns", createCampaign)
	r.Get("/analytics", showAnalytics)
	r.Get("/health", func(http.ResponseWriter, *http.Request) {})
	return r, chistigg.Verify(r, table)
}

func createCampaign(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) }
func showAnalytics(w http.ResponseWriter, _ *http.Request)  { _, _ = w.Write([]byte("analytics\n")) }
