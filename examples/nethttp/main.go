// Command nethttp is the smallest API gated with net/http. Run an emulator beside it:
//
//	go run ./cmd/stigg emulate &
//	STIGG_API_KEY=stigg-emulator-key STIGG_URL=http://127.0.0.1:4100 go run ./examples/nethttp
//	curl -i -X POST -H 'X-Customer-ID: customer-basic' http://127.0.0.1:8080/campaigns
package main

import (
	"context"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/identity"
	"github.com/stiggate/gate/nethttp"
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
	server := &http.Server{Addr: "127.0.0.1:8080", Handler: routes(g), ReadHeaderTimeout: 10 * time.Second}
	if err := gate.Serve(context.Background(), server, g); err != nil { // until SIGTERM
		log.Fatal(err)
	}
}

func routes(g *gate.Gate) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /campaigns", nethttp.Require(g, gate.Feature("feature-02-campaigns").Uses(1))(http.HandlerFunc(createCampaign)))
	mux.Handle("GET /analytics", nethttp.Require(g, gate.Feature("feature-04-analytics"))(http.HandlerFunc(showAnalytics)))
	return mux
}

func createCampaign(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) }
func showAnalytics(w http.ResponseWriter, _ *http.Request)  { _, _ = w.Write([]byte("analytics\n")) }
