package gate

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// flawedStigg is a Stigg that counts by key once, answers late and fails often. It also
// keeps what the gate has promised: the units of all tickets that are open or were
// settled, less what was refused or given back. That must never be over the limit.
type flawedStigg struct {
	t        *testing.T
	limits   map[string]float64 // by feature
	troubled bool

	mu       sync.Mutex
	keys     map[string]bool
	refused  map[string]bool
	count    map[meterKey]float64
	promised map[meterKey]float64
}

type meterKey struct {
	customer Customer
	feature  string
}

func newFlawedStigg(t *testing.T, limits map[string]float64) *flawedStigg {
	return &flawedStigg{t: t, limits: limits, keys: map[string]bool{}, refused: map[string]bool{}, count: map[meterKey]float64{}, promised: map[meterKey]float64{}}
}

var errOutOfReach = errors.New("stub: out of reach")

// chance is true n times in a hundred, if there is to be trouble.
func (s *flawedStigg) chance(n int) bool { return s.troubled && rand.IntN(100) < n }

// wander takes up to 200 ms of the bubble's time.
func (s *flawedStigg) wander() {
	if s.chance(50) {
		time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond)
	}
}

func (s *flawedStigg) Entitlements(_ context.Context, c Customer) (EntitlementSet, error) {
	s.wander()
	var set EntitlementSet
	s.mu.Lock()
	for feature, limit := range s.limits {
		set.Features = append(set.Features, Entitlement{FeatureID: feature, Kind: Metered, Granted: true, Limit: limit, Usage: s.count[meterKey{c, feature}]})
	}
	s.mu.Unlock()
	s.wander() // the answer is old when it arrives
	if s.chance(10) {
		return EntitlementSet{}, errOutOfReach
	}
	return set, nil
}

func (s *flawedStigg) Report(_ context.Context, batch []Usage) ([]Ack, error) {
	s.wander()
	if s.chance(15) {
		return nil, errOutOfReach
	}
	if err := s.refuse(batch); err != nil {
		return nil, err
	}
	known := !s.chance(30)
	acks := make([]Ack, len(batch))
	s.mu.Lock()
	for i, u := range batch {
		k := meterKey{u.Customer, u.FeatureID}
		if !s.keys[u.Key] {
			s.keys[u.Key] = true
			s.count[k] += u.Value
			if u.Value < 0 {
				s.promised[k] += u.Value
			}
		}
		if s.count[k] > s.limits[u.FeatureID] {
			s.t.Errorf("%v of %v of %s are counted", s.count[k], s.limits[u.FeatureID], u.FeatureID)
		}
		acks[i] = Ack{Known: known, Usage: s.count[k], At: time.Now()}
	}
	s.mu.Unlock()
	s.wander()
	if s.chance(15) {
		return nil, errOutOfReach // counted, and the answer is lost
	}
	return acks, nil
}

// refuse refuses a batch with usage in it that is to be refused: always the same.
func (s *flawedStigg) refuse(batch []Usage) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range batch {
		if u.FeatureID != "refusable" || u.Key[len(u.Key)-1] != '7' {
			continue
		}
		if len(batch) == 1 && !s.refused[u.Key] {
			s.refused[u.Key] = true
			s.promised[meterKey{u.Customer, u.FeatureID}] -= u.Value
		}
		return errRefused
	}
	return nil
}

// promise notes units that were admitted, or, below 0, are about to be released.
func (s *flawedStigg) promise(c Customer, feature string, n float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := meterKey{c, feature}
	if s.promised[k] += n; s.promised[k] > s.limits[feature] {
		s.t.Errorf("%v of %v of %s are promised", s.promised[k], s.limits[feature], feature)
	}
}

// visit is one request: it may use less than it holds, fail, or give back.
func (s *flawedStigg) visit(g *Gate, c Customer, r *rand.Rand) {
	feature := []string{"refusable", "seats", "scarce"}[r.IntN(3)]
	n := float64(r.IntN(4))
	t, d := g.Admit(context.Background(), c, Feature(feature).Uses(n))
	if !d.Allowed {
		return
	}
	s.promise(c, feature, n)
	time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond)
	if r.IntN(3) == 0 {
		s.promise(c, feature, -n)
		t.Release()
		_ = t.Settle() // changes nothing
		return
	}
	if used := float64(r.IntN(int(n) + 1)); r.IntN(4) == 0 {
		if err := t.Use(used); err != nil {
			s.t.Error(err)
		}
		s.promise(c, feature, used-n)
		n = used
	}
	_ = t.Settle()
	t.Release() // changes nothing
	if feature == "seats" && n > 0 && r.IntN(2) == 0 {
		back, d := g.Admit(context.Background(), c, Feature(feature).Frees(n))
		if d.Allowed {
			_ = back.Settle()
		}
	}
}

func TestTheGateAndStiggAgreeWhateverFails(t *testing.T) {
	t.Parallel()
	for range 60 {
		synctest.Test(t, func(t *testing.T) {
			s := newFlawedStigg(t, map[string]float64{"refusable": 40, "seats": 6, "scarce": 10})
			s.troubled = true
			g := gateOf(t, s, WithCacheSize(2), WithTTL(400*time.Millisecond))
			customers := []Customer{{ID: "a"}, {ID: "a", Resource: "r"}, {ID: "b"}, {ID: "c"}}
			var wait sync.WaitGroup
			for range 24 {
				seed := rand.Uint64()
				wait.Go(func() {
					r := rand.New(rand.NewPCG(seed, 0))
					for range 25 {
						c := customers[r.IntN(len(customers))]
						if r.IntN(10) == 0 {
							g.Invalidate(c)
						}
						s.visit(g, c, r)
						time.Sleep(time.Duration(r.IntN(100)) * time.Millisecond)
					}
				})
			}
			wait.Wait()
			closeGate(t, g)
			s.agrees(t, g)
		})
	}
}

func closeGate(t *testing.T, g *Gate) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	if err := g.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if _, d := g.Admit(t.Context(), Customer{ID: "a"}, Feature("seats").Uses(1)); d.Allowed {
		t.Error("a closed gate admits")
	}
}

// agrees holds what Stigg counted against what was promised, once all is delivered.
func (s *flawedStigg) agrees(t *testing.T, g *Gate) {
	t.Helper()
	for k, n := range s.promised {
		if s.count[k] != n {
			t.Errorf("Stigg has %v of %v, %v were settled", s.count[k], k, n)
		}
	}
	stats := g.Stats()
	if stats.Queued != 0 || stats.Open != 0 || stats.Customers > 2 || stats.Books != stats.Customers {
		t.Errorf("after Close: %+v", stats)
	}
	if got := int(stats.Refused); got != len(s.refused) {
		t.Errorf("%d are counted as refused, Stigg refused %d", got, len(s.refused))
	}
	if got := int(stats.Acknowledged); got != len(s.keys) {
		t.Errorf("%d are counted as acknowledged, Stigg counted %d", got, len(s.keys))
	}
	for _, left := range g.ledger.Audit() {
		t.Error(left)
	}
}

func TestOfManyWhoAskAtOnceTheLimitGetsIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gateOf(t, newFlawedStigg(t, map[string]float64{"seats": 12}))
		var wait sync.WaitGroup
		decisions := make([]Decision, 500)
		tickets := make([]*Ticket, len(decisions))
		for i := range decisions {
			wait.Go(func() {
				tickets[i], decisions[i] = g.Admit(t.Context(), Customer{ID: "a"}, Feature("seats").Uses(1))
			})
		}
		wait.Wait()
		allowed := 0
		for i, d := range decisions {
			switch {
			case d.Allowed:
				allowed++
				_ = tickets[i].Settle()
			case d.Reason != ReasonPending:
				t.Fatalf("refused for %q, though the units are only held", d.Reason)
			}
		}
		if allowed != 12 {
			t.Fatalf("%d got in, the limit is 12", allowed)
		}
		closeGate(t, g)
	})
}

func TestARefusalInAllUndoesEveryHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFlawedStigg(t, map[string]float64{"seats": 6, "scarce": 10, "none": 0})
		g := gateOf(t, s)
		c := Customer{ID: "a"}
		refused := All(Feature("seats").Uses(2), Any(Feature("none").Uses(1), Feature("scarce").Uses(3)), Feature("none").Uses(1))
		var wait sync.WaitGroup
		for range 100 {
			wait.Go(func() {
				if _, d := g.Admit(t.Context(), c, refused); d.Allowed {
					t.Error("admitted past a limit of 0")
				}
			})
		}
		wait.Wait()
		ticket, d := g.Admit(t.Context(), c, All(Feature("seats").Uses(6), Feature("scarce").Uses(10)))
		if !d.Allowed {
			t.Fatalf("%s is refused for %s after all was undone", d.FeatureID, d.Reason)
		}
		ticket.Release()
		if n := g.Stats().Open; n != 0 {
			t.Fatalf("%d places are kept by nobody", n)
		}
		closeGate(t, g)
	})
}

func TestAnyHoldsOnlyTheFirstThatFits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFlawedStigg(t, map[string]float64{"seats": 6, "scarce": 10})
		g := gateOf(t, s)
		c := Customer{ID: "a"}
		var wait sync.WaitGroup
		for range 100 {
			wait.Go(func() {
				if ticket, d := g.Admit(t.Context(), c, Any(Feature("seats").Uses(1), Feature("scarce").Uses(1))); d.Allowed {
					_ = ticket.Settle()
				}
			})
		}
		wait.Wait()
		closeGate(t, g)
		if a, b := s.count[meterKey{c, "seats"}], s.count[meterKey{c, "scarce"}]; a != 6 || b != 10 {
			t.Fatalf("%v and %v were used, want 6 and 10", a, b)
		}
	})
}

func TestACustomerNobodyKnowsIsRefusedAtOnce(t *testing.T) {
	var asked atomic.Int32
	clock := func() time.Time {
		if asked.Add(1) > 1000 {
			t.Fatal("the gate looks the customer up again and again")
		}
		return time.Unix(1e9, 0)
	}
	g := gateOf(t, &stub{set: EntitlementSet{Denied: ReasonCustomerNotFound}}, WithClock(clock))
	for range 3 {
		if _, d := g.Admit(t.Context(), Customer{ID: "made-up"}, Feature("seats").Uses(1)); d.Reason != ReasonCustomerNotFound {
			t.Fatalf("refused for %q", d.Reason)
		}
	}
	if err := g.Close(t.Context()); err != nil { // waits for the load to end
		t.Fatal(err)
	}
	if s := g.Stats(); s.Loads != 1 || s.Books != 0 {
		t.Fatalf("%+v", s)
	}
}

func TestAnAmountThatPanicsLeavesNoTrace(t *testing.T) {
	g := gateOf(t, newFlawedStigg(t, map[string]float64{"seats": 6, "scarce": 1}))
	p := All(Feature("seats").Uses(6), Feature("scarce").UsesFunc(func(*http.Request) (float64, error) { panic("bug") }))
	for range 2 {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic did not pass through")
				}
			}()
			serve(t, g, p, request(http.MethodGet, "/", "a"), nil)
		}()
	}
	if n := g.Stats().Open; n != 0 {
		t.Errorf("%d places are kept by nobody", n)
	}
	ticket, d := g.Admit(t.Context(), Customer{ID: "a"}, Feature("seats").Uses(6))
	if !d.Allowed {
		t.Fatalf("refused for %q", d.Reason)
	}
	ticket.Release()
}
