// Package gatetest is a Stigg in memory for the tests of an application behind a gate: say
// what its customers have, serve requests through the app's own routes, and look at what
// was reported.
//
//	stigg := gatetest.New(t).Plan("free", gatetest.Boolean("sso"), gatetest.Metered("seats", 3))
//	stigg.Customer("poor").Denied(gate.ReasonNoSubscription)
//	g := stigg.Gate(identity.FromTrustedHeader("X-Customer-ID", ""))
//	app := newApp(g) // your own routes
//	// ... requests ...
//	stigg.Reported(t, "acme", "seats", 3)
//
// What is changed while the app runs is felt by the next request. It works over real
// sockets, with httptest.ResponseRecorder, inside of testing/synctest and under the race
// detector. It knows no periods, prices and webhooks: package emulator does.
//
// The suites for makers of adapters, sources, reporters and outboxes are package
// conformance.
package gatetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stiggate/gate"
)

// Stigg is what the customers of one test have, and what they used. It may be changed and
// asked from many goroutines at once. Use [New].
type Stigg struct {
	t testing.TB

	mu        sync.Mutex
	down      bool
	all       bool // who has no plan has everything
	plans     map[string][]Entitlement
	plan      string // of who has none of their own: the first
	customers map[gate.Customer]*holding
	used      map[gate.Customer]map[string]float64 // by feature, or by currency
	seen      map[string]bool                      // the ids that gates have read
	usages    map[string]gate.Usage                // by key: settled or reported
	delivered map[string]bool                      // by key
	order     []string                             // the keys, in the order in which they were first seen
	gates     []*gate.Gate
}

// holding is what was said of one customer.
type holding struct {
	denied gate.Reason
	plan   string
	own    []Entitlement // what was said last comes first
}

// New returns a Stigg in which nobody has a subscription yet. It ends with the test.
func New(t testing.TB) *Stigg {
	return &Stigg{
		t: t, plans: make(map[string][]Entitlement), customers: make(map[gate.Customer]*holding),
		used: make(map[gate.Customer]map[string]float64), seen: make(map[string]bool), usages: make(map[string]gate.Usage), delivered: make(map[string]bool),
	}
}

// AllowAll gives every customer every feature, without a limit, but for those of whom
// something else is said.
func (s *Stigg) AllowAll() *Stigg {
	s.change(func() { s.all = true })
	return s
}

// Plan says what a plan has. The first plan is that of all customers who are on no other.
// A plan that is named again is replaced.
func (s *Stigg) Plan(name string, has ...Entitlement) *Stigg {
	s.change(func() {
		if len(s.plans) == 0 {
			s.plan = name
		}
		s.plans[name] = slices.Clone(has)
	})
	return s
}

// Down makes Stigg fail, as in an outage, until Up. Customers whom a gate knows are served
// from its cache, as they would be; who was not seen before gets 503, and usage waits.
func (s *Stigg) Down() *Stigg {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = true
	return s
}

// Up ends Down; gates feel it at once.
func (s *Stigg) Up() *Stigg {
	s.change(func() { s.down = false })
	return s
}

// change changes what customers have, and has the gates read it at the next request.
func (s *Stigg) change(f func()) {
	s.mu.Lock()
	f()
	gates, seen := slices.Clone(s.gates), slices.Collect(maps.Keys(s.seen))
	s.mu.Unlock()
	for _, g := range gates {
		for _, id := range seen {
			g.Invalidate(gate.Customer{ID: id})
		}
		g.Sink().SetLive(true) // the gate asks again at once, whatever failed before
		g.Sink().SetLive(false)
	}
}

// Gate returns a gate over s, which is closed when the test ends. Options come after the
// kit's own: the first read of a customer may take a minute, so that a slow machine is no
// outage. Several gates may share one Stigg, as the replicas of an app do.
func (s *Stigg) Gate(who gate.Resolver, options ...gate.Option) *gate.Gate {
	s.t.Helper()
	g, err := gate.New(source{s}, who, append([]gate.Option{
		gate.WithDecisionTimeout(time.Minute), gate.WithColdTimeout(time.Minute), gate.WithObserver(gate.Observer{Settled: s.settled}),
	}, options...)...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		s.mu.Lock()
		down := s.down
		s.mu.Unlock()
		if down { // it outlives its test, and Close would wait for its end
			s.Up()
		}
		var undelivered *gate.UndeliveredError
		if err := g.Close(ctx); err != nil && !errors.As(err, &undelivered) {
			s.t.Errorf("gatetest: close the gate: %v", err)
		}
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gates = append(s.gates, g)
	return g
}

// patience bounds what is waited for.
const patience = 5 * time.Second

// Reported fails the test unless want of a feature, or of a credit currency, was reported
// for a customer, with all its resources: changes are summed up, and a total counts from
// then on. Requests that are still running are waited for, for a few seconds; nothing else
// is, and a Stigg that is down hides nothing.
func (s *Stigg) Reported(t testing.TB, customer, feature string, want float64) {
	t.Helper()
	running := s.settle()
	s.mu.Lock()
	defer s.mu.Unlock()
	got := 0.0
	var all []string
	for _, key := range s.order {
		u := s.usages[key]
		what := cmp.Or(u.FeatureID, u.Currency, u.Event)
		all = append(all, fmt.Sprintf("%s %v of %s", u.Customer.ID, u.Value, what))
		if u.Customer.ID != customer || what != feature {
			continue
		}
		if u.Kind == gate.UsageTotal {
			got = 0
		}
		got += u.Value
	}
	if math.Abs(got-want) <= 1e-9*math.Abs(want) {
		return
	}
	if len(all) == 0 {
		all = []string{"nothing"}
	}
	if running > 0 {
		all = append(all, fmt.Sprintf("and requests that are still running may report %d usages", running))
	}
	t.Errorf("%s has %v of %s reported, want %v; reported was: %s", customer, got, feature, want, strings.Join(all, ", "))
}

// settle waits until what the gates have settled is known here, and returns how many usages
// may still come.
func (s *Stigg) settle() (running int) {
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		known := len(s.usages) - len(s.delivered)
		gates := slices.Clone(s.gates)
		s.mu.Unlock()
		queued := 0
		running = 0
		for _, g := range gates {
			stats := g.Stats()
			running, queued = running+stats.Open, queued+stats.Queued
		}
		if running == 0 && queued <= known || time.Now().After(end) {
			return running
		}
	}
}

// settled is told by the gates what was used.
func (s *Stigg) settled(_ context.Context, _ gate.Decision, _ gate.Outcome, reported []gate.Usage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range reported {
		s.note(u)
	}
}

// note keeps a usage.
func (s *Stigg) note(u gate.Usage) {
	if _, known := s.usages[u.Key]; !known {
		s.order = append(s.order, u.Key)
	}
	s.usages[u.Key] = u
}
