// Package gatetest holds adapters to one behaviour: one table of requests and
// expected results, served over real sockets, that every adapter must pass, Gate's own
// and those of others.
//
//	func TestAdapter(t *testing.T) {
//		gatetest.Run(t, gatetest.Adapter{Guarded: guarded, Tabled: tabled, Verify: verify})
//	}
package gatetest

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stiggate/gate"
)

// Route is one route to register. Without a Method it is one of all methods. Pattern
// has net/http's form; its wildcards are whole segments ("/cities/{city}").
type Route struct {
	Method, Pattern string
	Policy          gate.Policy
	Handler         http.HandlerFunc
}

// Adapter is how a router is put together with the adapter under test.
type Adapter struct {
	// Guarded returns a router that serves the routes, each behind its own policy. It
	// registers no recovery: panics go on to the server.
	Guarded func(g *gate.Gate, routes []Route) http.Handler
	// Tabled returns a router that serves the routes behind a table. The routes' own
	// policies are not to be used.
	Tabled func(g *gate.Gate, routes []Route, t gate.Table, rest gate.Rest) http.Handler
	// Verify registers the routes and returns what the adapter's Verify says of t.
	Verify func(routes []Route, t gate.Table) error
}

// Run holds an adapter to the suite. It starts servers on 127.0.0.1 and stops them.
func Run(t *testing.T, a Adapter) {
	t.Run("requests", func(t *testing.T) { runRequests(t, a) })
	t.Run("tables", func(t *testing.T) { runTables(t, a) })
	t.Run("verify", func(t *testing.T) { runVerify(t, a) })
	t.Run("500 at once against a limit of 12", func(t *testing.T) { runConcurrent(t, a) })
}

// bench is a gate and a server under test.
type bench struct {
	stigg  *stigg
	gate   *gate.Gate
	server *httptest.Server
}

func start(t *testing.T, build func(*gate.Gate) http.Handler) *bench {
	t.Helper()
	b := &bench{stigg: newStigg()}
	var err error
	b.gate, err = gate.New(b.stigg, gate.FromTrustedHeader("X-Customer-ID", "X-Resource-ID"),
		gate.WithDecisionDeadline(time.Minute), gate.WithUpgradeLink("https://app.example.com/upgrade?feature={feature}"))
	if err != nil {
		t.Fatal(err)
	}
	b.server = httptest.NewUnstartedServer(build(b.gate))
	b.server.Config.ErrorLog = log.New(io.Discard, "", 0) // panics are part of the suite
	b.server.Start()
	t.Cleanup(b.server.Close)
	return b
}

// finish stops the server, then the gate, and waits for all usage to be counted.
func (b *bench) finish(t *testing.T) {
	t.Helper()
	b.server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := b.gate.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if s := b.gate.Stats(); s.Open != 0 || s.Queued != 0 {
		t.Errorf("left behind: %+v", s)
	}
}

// answer is what came back.
type answer struct {
	status int
	code   string
	header http.Header
	body   []byte
	broken bool // the connection broke
}

func (b *bench) do(t *testing.T, c request) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), c.method, b.server.URL+c.target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range c.header {
		r.Header.Set(name, value)
	}
	res, err := b.server.Client().Do(r)
	if err != nil {
		return answer{broken: true}
	}
	defer func() { _ = res.Body.Close() }()
	a := answer{status: res.StatusCode, header: res.Header}
	a.body, err = io.ReadAll(res.Body)
	a.broken = err != nil
	var problem struct{ Code string }
	if res.Header.Get("Content-Type") == "application/problem+json" && json.Unmarshal(a.body, &problem) == nil {
		a.code = problem.Code
	}
	return a
}

func runRequests(t *testing.T, a Adapter) {
	for _, tt := range requests() {
		t.Run(tt.name, func(t *testing.T) {
			b := start(t, func(g *gate.Gate) http.Handler { return a.Guarded(g, routes()) })
			got := b.do(t, tt)
			if got.broken != tt.broken || !got.broken && (got.status != tt.status || got.code != tt.code) {
				t.Errorf("%s %s: got %d %q (broken %v), want %d %q (broken %v)\n%s",
					tt.method, tt.target, got.status, got.code, got.broken, tt.status, tt.code, tt.broken, got.body)
			}
			if page := strings.HasPrefix(got.header.Get("Content-Type"), "text/html"); tt.html && !page || page && got.code != "" {
				t.Errorf("a denial of type %q, want a page: %v", got.header.Get("Content-Type"), tt.html)
			}
			b.finish(t)
			for feature, want := range tt.uses {
				if n := b.stigg.reported(feature); n != want {
					t.Errorf("%v of %s reported, want %v", n, feature, want)
				}
			}
			for _, feature := range []string{"many", "near", "twelve"} {
				if n := b.stigg.reported(feature); n != 0 && tt.uses[feature] == 0 {
					t.Errorf("%v of %s reported, want none", n, feature)
				}
			}
			if tt.unasked && b.stigg.asks != 0 {
				t.Errorf("%d upstream calls, want none", b.stigg.asks)
			}
		})
	}
}

func runConcurrent(t *testing.T, a Adapter) {
	b := start(t, func(g *gate.Gate) http.Handler {
		return a.Guarded(g, []Route{{"POST", "/twelve", gate.Feature("twelve").Uses(1), func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusCreated)
		}}})
	})
	b.server.Client().Transport.(*http.Transport).MaxConnsPerHost = 64
	var created, other atomic.Int64
	var wait sync.WaitGroup
	for range 500 {
		wait.Go(func() {
			switch got := b.do(t, request{method: "POST", target: "/twelve", header: as("payer")}); got.status {
			case http.StatusCreated:
				created.Add(1)
			case http.StatusPaymentRequired, http.StatusTooManyRequests:
			default:
				other.Add(1)
			}
		})
	}
	wait.Wait()
	b.finish(t)
	if created.Load() != 12 || other.Load() != 0 || b.stigg.reported("twelve") != 12 {
		t.Errorf("%d created, %d neither created nor denied, %v reported; want 12, 0, 12", created.Load(), other.Load(), b.stigg.reported("twelve"))
	}
	if b.stigg.asks != 1 {
		t.Errorf("%d upstream reads, want 1", b.stigg.asks)
	}
}
