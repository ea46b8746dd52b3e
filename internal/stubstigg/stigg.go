// Package stubstigg is a Stigg of one set for everybody, for the adapters' own tests: with
// the gates in front of it, and the requests that its customers send.
package stubstigg

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stiggate/gate"
)

// Stigg is a Stigg where everybody has the same features; it counts what is reported and
// what became of it.
type Stigg struct {
	features []gate.Entitlement

	mu       sync.Mutex
	reported float64
	outcomes []gate.Outcome
}

// New returns a Stigg where everybody has these features.
func New(features ...gate.Entitlement) *Stigg { return &Stigg{features: features} }

// NewGate returns a gate over a Stigg where everybody has much of "many", and "on".
func NewGate(t *testing.T, options ...gate.Option) (*gate.Gate, *Stigg) {
	t.Helper()
	s := New(gate.Entitlement{FeatureID: "many", Kind: gate.Metered, Granted: true, Limit: 1e6},
		gate.Entitlement{FeatureID: "on", Kind: gate.Boolean, Granted: true})
	return s.Gate(t, options...), s
}

// byHeader names the customer by a header. It is not package identity's, whose tests use
// this package.
func byHeader(r *http.Request) (gate.Customer, error) {
	id := r.Header.Get("X-Customer-Id")
	if id == "" {
		return gate.Customer{}, gate.ErrNoCustomer
	}
	return gate.Customer{ID: id}, nil
}

// Gate returns a gate over s that is closed with the test.
func (s *Stigg) Gate(t *testing.T, options ...gate.Option) *gate.Gate {
	t.Helper()
	options = append([]gate.Option{gate.WithObserver(gate.Observer{Settled: s.settle}), gate.WithDecisionTimeout(time.Minute)}, options...)
	g, err := gate.New(s, gate.ResolverFunc(byHeader), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close(context.Background()) })
	return g
}

// Billed is what was reported in all; it closes the gate.
func (s *Stigg) Billed(t *testing.T, g *gate.Gate) float64 {
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

// AwaitOutcome waits until a request was settled: no server waits for connections that
// were taken over.
func (s *Stigg) AwaitOutcome(t *testing.T) {
	t.Helper()
	for tries := 0; len(s.Outcomes()) == 0; tries++ {
		if tries == 60_000 {
			t.Fatal("nothing was settled")
		}
		time.Sleep(time.Millisecond)
	}
}

// Outcomes is what became of the requests, in the order in which they were settled.
func (s *Stigg) Outcomes() []gate.Outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.outcomes)
}

// Entitlements is the same for everybody.
func (s *Stigg) Entitlements(context.Context, gate.Customer) (gate.EntitlementSet, error) {
	return gate.EntitlementSet{Features: slices.Clone(s.features)}, nil
}

// Report counts a batch.
func (s *Stigg) Report(_ context.Context, batch []gate.Usage) ([]gate.Ack, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	acks := make([]gate.Ack, len(batch))
	for i, u := range batch {
		s.reported += u.Value
		acks[i] = gate.Ack{Known: true, Usage: s.reported}
	}
	return acks, nil
}

// settle keeps the outcome.
func (s *Stigg) settle(_ context.Context, _ gate.Decision, o gate.Outcome, _ []gate.Usage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcomes = append(s.outcomes, o)
}
