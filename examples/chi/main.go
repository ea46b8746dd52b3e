// Command chi is the smallest API gated with chi, by a table. Run an emulator beside it:
//
//	go run ./cmd/stigg-emulator &
//	STIGG_API_KEY=stigg-emulator-key STIGG_URL=http://127.0.0.1:4100 go run ./examples/chi
//	curl -i -X POST -H 'X-Customer-ID: customer-basic' http://127.0.0.1:8080/campaigns
package main

import (
	"cmp"
	"context"
	"errors"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/chistigg"
	"github.com/stiggate/gate/client"
)

func main() {
	stigg, err := client.New(os.Getenv("STIGG_API_KEY"), client.WithEndpoint(cmp.Or(os.Getenv("STIGG_URL"), "https://api.stigg.io")))
	if err != nil {
		log.Fatal(err)
	}
	// A proxy in front of this program authenticates and sets the header itself. Where
	// your own middleware does, use gate.FromContext.
	g, err := gate.New(stigg, gate.FromTrustedHeader("X-Customer-ID", ""))
	if err != nil {
		log.Fatal(err)
	}
	handler, err := routes(g)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Addr: "127.0.0.1:8080", Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	stop, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	served := make(chan error, 1)
	go func() {
		defer cancel()
		if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
			served <- err
		}
		close(served)
	}()
	<-stop.Done()

	cancel() // a second Ctrl-C ends the program at once
	err = shutDown(server, g)
	if err := errors.Join(<-served, err); err != nil {
		log.Fatal(err)
	}
}

// shutDown first lets running requests finish, then delivers what they used. Each has
// its own time, so that a slow request costs no usage.
func shutDown(server *http.Server, g *gate.Gate) error {
	finish, finished := context.WithTimeout(context.Background(), 20*time.Second)
	defer finished()
	err := server.Shutdown(finish)
	deliver, delivered := context.WithTimeout(context.Background(), 10*time.Second)
	defer delivered()
	return errors.Join(err, g.Close(deliver))
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
