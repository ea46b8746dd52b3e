package check

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/stiggate/gate"
	gateprometheus "github.com/stiggate/gate/contrib/prometheus"
	"github.com/stiggate/gate/fleet"
	fleetmemory "github.com/stiggate/gate/fleet/memory"
)

// stigg is a Stigg that can be down. Of campaigns everybody has 400, and of exports none.
type stigg struct {
	mu   sync.Mutex
	down bool
}

func (s *stigg) is(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

func (s *stigg) answer(ctx context.Context, after time.Duration) error {
	select {
	case <-time.After(after):
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return errors.New("down")
	}
	return nil
}

func (s *stigg) Entitlements(ctx context.Context, c gate.Customer) (gate.EntitlementSet, error) {
	set := gate.EntitlementSet{Features: []gate.Entitlement{
		{FeatureID: "campaigns", Kind: gate.Metered, Granted: true, Limit: 400}, {FeatureID: "analytics", Kind: gate.Boolean, Granted: true},
	}}
	return set, s.answer(ctx, time.Duration(20+len(c.ID)*5)*time.Millisecond)
}

func (s *stigg) Report(ctx context.Context, batch []gate.Usage) ([]gate.Ack, error) {
	return make([]gate.Ack, len(batch)), s.answer(ctx, 60*time.Millisecond)
}

// memory is an outbox that tells what it holds.
type memory struct {
	mu   sync.Mutex
	kept map[string]bool
}

func (m *memory) Append(_ context.Context, all ...gate.Usage) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, u := range all {
		m.kept[u.Key] = true
	}
	return nil
}

func (m *memory) Done(all ...gate.Usage) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, u := range all {
		delete(m.kept, u.Key)
	}
	return nil
}

func (m *memory) SetAside(u gate.Usage, _ string) error { return m.Done(u) }

func (m *memory) Pending(gate.Position) iter.Seq2[gate.Kept, error] {
	return func(func(gate.Kept, error) bool) {}
}

func (m *memory) Healthy() error { return nil }
func (m *memory) Close() error   { return nil }

func (m *memory) Stats() gate.OutboxStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return gate.OutboxStats{Pending: len(m.kept), Bytes: int64(64<<20 + 300*len(m.kept)), MaxBytes: 1 << 30, Sync: 4 * time.Millisecond}
}

// shared is the store of a fleet, which may be gone.
type shared struct {
	*fleetmemory.Store
	gone atomic.Bool
}

func (s *shared) Sync(ctx context.Context, states []fleet.State) ([]fleet.Grant, error) {
	if s.gone.Load() {
		return nil, errors.New("gone")
	}
	return s.Store.Sync(ctx, states)
}

// scrape is what a gate's metrics are at a moment.
type scrape struct {
	at       time.Time
	families []*dto.MetricFamily
}

// A quarter of an hour, of which Stigg is down for three minutes. The fleet's store is gone for one, and
// then has lost all.
const (
	lasts    = 15 * time.Minute
	downFrom = 6 * time.Minute
	downTo   = 9 * time.Minute
	goneFrom = 11 * time.Minute
	goneTo   = 12 * time.Minute
	interval = 10 * time.Second
)

// scrapes has a gate serve requests, and takes its metrics each interval. Call it in a bubble of
// synctest.
func scrapes(t *testing.T) (all []scrape) {
	s, m := new(stigg), gateprometheus.New()
	who := gate.ResolverFunc(func(r *http.Request) (gate.Customer, error) {
		return gate.Customer{ID: r.Header.Get("X-Customer-ID")}, nil
	})
	store, err := fleetmemory.New()
	if err != nil {
		t.Fatal(err)
	}
	replicas := &shared{Store: store}
	g, err := gate.New(s, who, gate.WithObserver(m.Observer()), gate.WithFleet(replicas), gate.WithOutbox(&memory{kept: map[string]bool{}}), gate.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = g.Close(t.Context()) }()
	if err := m.Watch(g); err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(m)
	routes := []struct {
		pattern string
		guard   *gate.Guard
		takes   time.Duration
	}{
		{"POST /campaigns", g.MustGuard(gate.Feature("campaigns").Uses(1)), 40 * time.Millisecond},
		{"GET /analytics", g.MustGuard(gate.Feature("analytics")), 0},
		{"GET /exports", g.MustGuard(gate.Feature("exports")), 0},
	}
	began, n := time.Now(), 0
	for next := began; time.Since(began) < lasts; time.Sleep(250 * time.Millisecond) {
		s.is(time.Since(began) >= downFrom && time.Since(began) < downTo)
		if gone := time.Since(began) >= goneFrom && time.Since(began) < goneTo; replicas.gone.Swap(gone) && !gone {
			store.Empty()
		}
		for i := range 2 + n/4%7 {
			n++
			route := routes[[]int{0, 0, 1, 1, 1, 2}[n%6]]
			r := httptest.NewRequest("GET", "/", http.NoBody)
			r.Header.Set("X-Customer-ID", fmt.Sprint("customer-", (n*7+i)%(20+n/90)))
			w := httptest.NewRecorder()
			go route.guard.Serve(gate.Call{Request: r, Writer: w, Route: route.pattern}, func(d gate.Decision) { g.WriteDenial(w, r, d) },
				func(w http.ResponseWriter, _ *http.Request) bool {
					time.Sleep(route.takes)
					w.WriteHeader(200)
					return true
				}, nil)
		}
		if time.Now().Before(next) {
			continue
		}
		next = next.Add(interval)
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, scrape{time.Now(), families})
	}
	time.Sleep(time.Second)
	return all
}
