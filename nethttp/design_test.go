package nethttp_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/internal/stubstigg"
	"github.com/stiggate/gate/nethttp"
)

// TestWhatSurprises is what docs/rules.md says of HTTP that one might not expect, and the way
// around each.
func TestWhatSurprises(t *testing.T) {
	many := gate.Feature("many").Uses(1)
	tree := http.NewServeMux()
	tree.HandleFunc("/tree/", func(http.ResponseWriter, *http.Request) {})
	failed := func(release bool) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if release {
				gate.TicketFrom(r.Context()).Release()
			}
			_, _ = io.WriteString(w, `{"errors":[{"message":"no"}]}`)
		}
	}
	bounded := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1)); err != nil {
				w.WriteHeader(status)
			}
		}
	}
	endless := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := io.WriteString(w, strings.Repeat("row\n", 1<<10)); err != nil {
				return
			}
		}
	})
	require := func(p gate.Policy, h http.Handler) func(*gate.Gate) http.Handler {
		return func(g *gate.Gate) http.Handler { return nethttp.Require(g, p)(h) }
	}
	for _, tt := range []struct {
		name   string
		build  func(*gate.Gate) http.Handler
		target string
		billed float64
	}{
		{"an RPC that fails with a 200", require(many, failed(false)), "/", 1},
		{"an RPC that fails with a 200, and releases", require(many, failed(true)), "/", 0},
		{"a redirect of a mux behind the gate", require(many, tree), "/tree", 1},
		{"a redirect that the policy does not bill", require(many.ReportOn(200, 201, 204), tree), "/tree", 0},
		{"a redirect of a mux behind a table", func(g *gate.Gate) http.Handler {
			return nethttp.Routes(g, tree, gate.Table{"/tree/": many}, gate.DenyRest)
		}, "/tree", 0},
		{"a body that is too long, answered 200", require(many, bounded(200)), "/", 1},
		{"a body that is too long, answered 413", require(many, bounded(413)), "/", 0},
		{"an answer that WriteTimeout cuts", require(many, endless), "/", 1},
		{"an answer that WriteTimeout cuts, as of a client that left", require(many.OnClientGone(gate.BillNothing), endless), "/", 0},
	} {
		g, s := stubstigg.NewGate(t)
		srv := httptest.NewUnstartedServer(tt.build(g))
		srv.Config.WriteTimeout = 200 * time.Millisecond
		srv.Start()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+tt.target, strings.NewReader("a body"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Customer-ID", "payer")
		if res, err := http.DefaultTransport.RoundTrip(r); err == nil {
			if tt.billed == 1 { // the client reads what it gets
				_, _ = io.Copy(io.Discard, res.Body)
			}
			_ = res.Body.Close()
		}
		srv.Close()
		if n := s.Billed(t, g); n != tt.billed {
			t.Errorf("%s: %v billed, want %v; %+v", tt.name, n, tt.billed, s.Outcomes())
		}
	}
}
