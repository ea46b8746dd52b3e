package gate_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/fleet"
	"github.com/stiggate/gate/fleet/memory"
	"github.com/stiggate/gate/gatetest"
	"github.com/stiggate/gate/identity"
	"github.com/stiggate/gate/nethttp"
)

// sharedStore is a store that several gates have, and that does not close with one of them.
type sharedStore struct {
	fleet.Fleet
	mu  sync.Mutex
	err error
}

func (s *sharedStore) Close() error { return nil }

func (s *sharedStore) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *sharedStore) Sync(ctx context.Context, states []fleet.State) ([]fleet.Grant, error) {
	s.mu.Lock()
	err := s.err
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return s.Fleet.Sync(ctx, states)
}

func newSharedStore(t *testing.T) *sharedStore {
	t.Helper()
	store, err := memory.New()
	if err != nil {
		t.Fatal(err)
	}
	return &sharedStore{Fleet: store}
}

var byHeader = identity.FromTrustedHeader("X-Customer-ID", "")

// TestTwoReplicasHaveOneLimit has a burst reach two gates, over sockets: together they let in what
// the limit says.
func TestTwoReplicasHaveOneLimit(t *testing.T) {
	stigg := gatetest.New(t).Plan("free", gatetest.Metered("api_calls", 100))
	store := newSharedStore(t)
	var counts [2]map[int]int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range counts {
		counts[i] = make(map[int]int)
		g := stigg.Gate(byHeader, gate.WithFleet(store), gate.WithDecisionTimeout(5*time.Second))
		h := nethttp.Require(g, gate.Feature("api_calls").Uses(1))(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNoContent)
		}))
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		for range 300 {
			wg.Go(func() {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("X-Customer-ID", "acme")
				status := http.StatusServiceUnavailable
				for status == http.StatusServiceUnavailable { // this machine is too busy: try again, as clients do
					answer, err := server.Client().Do(r)
					if err != nil {
						t.Error(err)
						return
					}
					_ = answer.Body.Close()
					status = answer.StatusCode
				}
				mu.Lock()
				defer mu.Unlock()
				counts[i][status]++
			})
		}
	}
	wg.Wait()
	if n := counts[0][http.StatusNoContent] + counts[1][http.StatusNoContent]; n != 100 {
		t.Errorf("%d were let in: %v", n, counts)
	}
	for _, byStatus := range counts {
		for status := range byStatus {
			if status != http.StatusNoContent && status != http.StatusTooManyRequests && status != http.StatusPaymentRequired {
				t.Errorf("answers: %v", counts)
			}
		}
	}
}

// twoReplicas are two gates of one app, which lets each customer use 10.
func twoReplicas(t *testing.T, store fleet.Fleet, options ...gate.Option) (a, b *gate.Gate, stigg *gatetest.Stigg) {
	t.Helper()
	stigg = gatetest.New(t).Plan("free", gatetest.Metered("units", 10))
	options = append(options, gate.WithFleet(store))
	return stigg.Gate(byHeader, options...), stigg.Gate(byHeader, options...), stigg
}

var acme = gate.Customer{ID: "acme"}

func admit(t *testing.T, g *gate.Gate, p gate.Policy, want bool) (*gate.Ticket, gate.Decision) {
	t.Helper()
	ticket, d := g.Admit(t.Context(), acme, p)
	if d.Allowed != want {
		t.Errorf("allowed is %v (%s, %v), want %v", d.Allowed, d.Reason, d.Err, want)
	}
	return ticket, d
}

func TestAFleetsUnits(t *testing.T) {
	uses := gate.Feature("units").Uses
	for name, test := range map[string]func(t *testing.T, a, b *gate.Gate, stigg *gatetest.Stigg){
		"what one replica holds another one does not grant": func(t *testing.T, a, b *gate.Gate, _ *gatetest.Stigg) {
			ticket, _ := admit(t, a, uses(8), true)
			_, d := admit(t, b, uses(3), false)
			if d.Reason != gate.ReasonPending {
				t.Errorf("the reason is %s", d.Reason)
			}
			ticket.Release()
			time.Sleep(time.Second)
			admit(t, b, uses(10), true)
		},
		"what one replica used another one does not grant": func(t *testing.T, a, b *gate.Gate, stigg *gatetest.Stigg) {
			ticket, _ := admit(t, a, uses(8), true)
			if err := ticket.Settle(); err != nil {
				t.Error(err)
			}
			time.Sleep(10 * time.Second)
			stigg.Reported(t, "acme", "units", 8)
			admit(t, b, uses(3), false)
			admit(t, b, uses(2), true)
		},
		"what Stigg has not acknowledged another one does not grant": func(t *testing.T, a, b *gate.Gate, stigg *gatetest.Stigg) {
			for _, g := range []*gate.Gate{a, b} { // both know the plan
				ticket, _ := admit(t, g, uses(1), true)
				ticket.Release()
			}
			stigg.Down()
			ticket, _ := admit(t, a, uses(8), true)
			if err := ticket.Settle(); err != nil {
				t.Error(err)
			}
			time.Sleep(5 * time.Second)
			if _, d := admit(t, b, uses(3), false); d.Reason != gate.ReasonPending {
				t.Errorf("the reason is %s", d.Reason)
			}
			admit(t, b, uses(2), true)
			stigg.Up()
		},
		"a ticket is extended by what the others leave": func(t *testing.T, a, b *gate.Gate, _ *gatetest.Stigg) {
			ticket, _ := admit(t, a, uses(2), true)
			admit(t, b, uses(3), true)
			if err := ticket.Extend(5); err != nil {
				t.Error(err)
			}
			if err := ticket.Extend(1); err == nil {
				t.Error("11 of 10 are held")
			}
		},
		"what is left will do": func(t *testing.T, a, b *gate.Gate, _ *gatetest.Stigg) {
			admit(t, a, uses(4), true)
			ticket, _ := admit(t, b, gate.Feature("units").UsesUpTo(6), true)
			if n := ticket.Held(); n != 6 {
				t.Errorf("%v are held", n)
			}
		},
		"a policy may count in each replica": func(t *testing.T, a, b *gate.Gate, _ *gatetest.Stigg) {
			admit(t, a, uses(10).PerReplica(), true)
			admit(t, b, uses(10).PerReplica(), true)
			admit(t, a, uses(1).PerReplica(), false)
		},
		"a gate that closes gives back what is in hand": func(t *testing.T, a, b *gate.Gate, _ *gatetest.Stigg) {
			for range 6 {
				ticket, _ := admit(t, a, uses(1), true)
				ticket.Release()
			}
			if err := a.Close(t.Context()); err != nil {
				t.Error(err)
			}
			admit(t, b, uses(10), true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b, stigg := twoReplicas(t, newSharedStore(t))
				test(t, a, b, stigg)
			})
		})
	}
}

func TestAFleetsStoreThatFails(t *testing.T) {
	uses := gate.Feature("units").Uses
	for _, test := range []struct {
		name    string
		outage  fleet.Outage
		granted int // of 20 in two replicas, of which the store had granted 1 each before
	}{
		{"what is in hand is spent", fleet.SpendLease, 0},
		{"each replica has its part", fleet.LocalShare, 8},
		{"each replica has the limit", fleet.LocalLedger, 18},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newSharedStore(t)
				a, b, _ := twoReplicas(t, store, gate.WithFleetOutage(test.outage))
				admit(t, a, uses(1), true)
				admit(t, b, uses(1), true)
				time.Sleep(30 * time.Second) // a knows of b, and what was in hand is not valid any more
				store.fail(errStoreGone)
				granted := 0
				for i := range 20 {
					_, d := []*gate.Gate{a, b}[i%2].Admit(t.Context(), acme, uses(1))
					if d.Allowed {
						granted++
					} else if d.Reason != gate.ReasonUnavailable && test.outage != fleet.LocalLedger {
						t.Errorf("denied by %s", d.Reason)
					}
				}
				if granted != test.granted {
					t.Errorf("%d were granted, want %d", granted, test.granted)
				}
				if h := a.Health(); !strings.Contains(strings.Join(h.Degraded, "\n"), "store of the fleet") || !a.Stats().Fleet.Down {
					t.Errorf("health: %q", h.Degraded)
				}
				store.fail(nil)
				time.Sleep(10 * time.Second)
				if h := a.Health(); len(h.Degraded) > 0 {
					t.Errorf("health: %q", h.Degraded)
				}
			})
		})
	}
}

// TestAStoreThatWantsACountHasOne: after a loss, and after the death of a replica, Stigg is asked how much
// is used, also where what is cached would do for long, since news arrive.
func TestAStoreThatWantsACountHasOne(t *testing.T) {
	for name, happens := range map[string]func(t *testing.T, store *sharedStore){
		"the store loses all": func(_ *testing.T, store *sharedStore) { store.Fleet.(*memory.Store).Empty() },
		"a replica dies": func(t *testing.T, store *sharedStore) {
			dead := fleet.State{Account: fleet.Account{Customer: "acme", Feature: "units"}, Replica: "dead", N: 1, Need: 5, Want: 5, Limit: 10}
			grants, err := store.Sync(t.Context(), []fleet.State{dead})
			if err != nil || grants[0].Units != 5 {
				t.Errorf("%+v, %v", grants, err)
			}
			time.Sleep(fleet.DefaultTiming().Reclaim)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newSharedStore(t)
				a, b, _ := twoReplicas(t, store)
				for _, g := range []*gate.Gate{a, b} {
					g.Sink().SetLive(true)
					admit(t, g, gate.Feature("units").Uses(1), true)
				}
				time.Sleep(10 * time.Second)
				happens(t, store)
				for range 10 { // what wants to be let in has the replicas ask
					time.Sleep(time.Second)
					if ticket, d := a.Admit(t.Context(), acme, gate.Feature("units").Uses(8)); d.Allowed {
						ticket.Release()
						return
					}
				}
				t.Error("what is left is not granted")
			})
		})
	}
}

var errStoreGone = errors.New("the store is gone")
