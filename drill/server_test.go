package drill

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/emulator"
	"github.com/stiggate/gate/identity"
	"github.com/stiggate/gate/nethttp"
	"github.com/stiggate/gate/outbox"
)

// The gated server's settings. With the first this program is the server, not the test.
const (
	envStigg  = "GATE_DRILL_STIGG"
	envOutbox = "GATE_DRILL_OUTBOX"
	envAddr   = "GATE_DRILL_ADDR"
)

func TestMain(m *testing.M) {
	if stigg := os.Getenv(envStigg); stigg != "" {
		if err := serve(stigg, os.Getenv(envOutbox), os.Getenv(envAddr)); err != nil {
			fmt.Fprintln(os.Stderr, "server:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serve is the app: what each route uses, as routes says, with an outbox; it ends by
// SIGTERM with everything delivered.
func serve(stigg, dir, addr string) error {
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	source, err := client.New(emulator.DefaultKey, client.WithEndpoint(stigg), client.WithTimeout(2*time.Second))
	if err != nil {
		return err
	}
	box, err := outbox.Open(dir, outbox.WithLogger(logger))
	if err != nil {
		return err
	}
	g, err := gate.New(source, identity.FromTrustedHeader("X-Customer-ID", ""), gate.WithOutbox(box), gate.WithLogger(logger),
		gate.WithDecisionTimeout(2*time.Second), gate.WithTTL(time.Second))
	if err != nil {
		return errors.Join(err, box.Close())
	}
	mux := http.NewServeMux()
	for path, policy := range routes() {
		mux.Handle("POST "+path, nethttp.Require(g, policy)(http.HandlerFunc(work)))
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return errors.Join(err, g.Close(context.Background()))
	}
	fmt.Println("ready", l.Addr())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case <-stop.Done():
	case err = <-failed:
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	return errors.Join(err, server.Shutdown(ctx), g.Close(ctx))
}

func routes() map[string]gate.Policy {
	return map[string]gate.Policy{
		"/units": gate.Feature("feature-units").Uses(1),
		"/few":   gate.Feature("feature-few").Uses(1),
		"/calls": gate.Feature("feature-calls").Uses(1).ReportAs(gate.Event{Name: "call"}),
		"/coins": gate.Credits("currency-coins").Uses(1),
	}
}

// work succeeds with 201, or does as the query says: ?use=3 uses 3, ?sleep=5ms takes
// that long, ?fail=500 fails, ?panic=1 panics, ?settle=1 settles and then fails to answer
// well, with a body that net/http can't hold back.
func work(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if n, err := strconv.ParseFloat(q.Get("use"), 64); err == nil {
		if err := gate.TicketFrom(r.Context()).Use(n); err != nil {
			panic(err)
		}
	}
	if d, err := time.ParseDuration(q.Get("sleep")); err == nil {
		time.Sleep(d)
	}
	switch {
	case q.Get("panic") != "":
		panic("asked to")
	case q.Get("fail") != "":
		w.WriteHeader(http.StatusInternalServerError)
	case q.Get("settle") != "":
		if err := gate.TicketFrom(r.Context()).Settle(); err != nil {
			w.WriteHeader(http.StatusInternalServerError) // memory has it: this may count
			return
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write(make([]byte, 10_000))
	default:
		w.WriteHeader(http.StatusCreated)
	}
}
