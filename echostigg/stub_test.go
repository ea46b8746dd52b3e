package echostigg_test

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stiggate/gate"
)

// stigg is a Stigg where everybody has much of "many", and "on"; it counts what is reported
// and what became of it.
type stigg struct {
	mu       sync.Mutex
	reported float64
	outcomes []gate.Outcome
}

func (*stigg) Entitlements(context.Context, gate.Customer) (gate.EntitlementSet, error) {
	return gate.EntitlementSet{Features: []gate.Entitlement{
		{FeatureID: "many", Kind: gate.Metered, Granted: true, Limit: 1e6},
		{FeatureID: "on", Kind: gate.Boolean, Granted: true},
	}}, nil
}

func (s *stigg) Report(_ context.Context, batch []gate.Usage) ([]gate.Ack, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	acks := make([]gate.Ack, len(batch))
	for i, u := range batch {
		s.reported += u.Value
		acks[i] = gate.Ack{Known: true, Usage: s.reported}
	}
	return acks, nil
}

func (*stigg) Decided(context.Context, gate.Decision) {}

func (s *stigg) Settled(_ context.Context, _ gate.Decision, o gate.Outcome, _ []gate.Usage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcomes = append(s.outcomes, o)
}

func newGate(t *testing.T) (*gate.Gate, *stigg) {
	t.Helper()
	s := &stigg{}
	g, err := gate.New(s, gate.FromTrustedHeader("X-Customer-ID", ""), gate.WithObserver(s), gate.WithDecisionDeadline(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close(context.Background()) })
	return g, s
}

// billed is what was reported in all; it closes the gate.
func (s *stigg) billed(t *testing.T, g *gate.Gate) float64 {
	t.Helper()
	if err := g.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := g.Stats().Open; n != 0 {
		t.Errorf("%d tickets left open", n)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reported
}

func request(method, target string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	r.Header.Set("X-Customer-ID", "payer")
	return r
}

// preflight is a request by nobody that looks like a preflight.
func preflight(target string) *http.Request {
	r := httptest.NewRequest(http.MethodOptions, target, nil)
	r.Header.Set("Origin", "https://app.example.com")
	r.Header.Set("Access-Control-Request-Method", "POST")
	return r
}

// serve answers with the status, 0 after a panic.
func serve(h http.Handler, r *http.Request) (w *httptest.ResponseRecorder) {
	w = httptest.NewRecorder()
	defer func() {
		if recover() != nil {
			w.Code = 0
		}
	}()
	h.ServeHTTP(w, r)
	return w
}

// server serves h over a real socket, and says nothing of panics.
func server(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	return s
}
