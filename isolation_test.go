package gate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// What one customer does, by mistake or on purpose, must cost no other customer anything.

// rationed is a Stigg that allows so many reads in each window and answers the others with a
// Retry-After. It answers the thief's resources as says does, and grants everybody else.
type rationed struct {
	mu     sync.Mutex
	window time.Duration
	allows int
	says   func() (EntitlementSet, error)
	began  time.Time
	reads  int
	thiefs int
}

func (s *rationed) Entitlements(_ context.Context, c Customer) (EntitlementSet, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); now.Sub(s.began) >= s.window {
		s.began, s.reads = now, 0
	}
	if s.reads++; s.allows > 0 && s.reads > s.allows {
		return EntitlementSet{}, busyFor(s.window - time.Since(s.began))
	}
	if c.ID != "thief" {
		return features(metered("f", 0, 5)), nil
	}
	s.thiefs++
	return s.says()
}

func TestOneCustomersResourcesKeepNobodyOut(t *testing.T) {
	t.Parallel()
	noSubscription := EntitlementSet{Denied: ReasonNoSubscription}
	for name, tt := range map[string]struct {
		allows int
		rate   time.Duration // between two of the thief's
		says   func() (EntitlementSet, error)
	}{
		"made up, at Stigg's rate limit":      {600, time.Second / 300, func() (EntitlementSet, error) { return noSubscription, nil }},
		"empty, at Stigg's rate limit":        {600, time.Second / 300, func() (EntitlementSet, error) { return EntitlementSet{}, nil }},
		"refused, at Stigg's rate limit":      {600, time.Second / 300, func() (EntitlementSet, error) { return EntitlementSet{}, errRefused }},
		"refused by Stigg":                    {0, time.Second / 40, func() (EntitlementSet, error) { return EntitlementSet{}, errRefused }},
		"answered as nobody understands":      {0, time.Second / 40, func() (EntitlementSet, error) { return EntitlementSet{}, errGarbled }},
		"answered by a panic of the source's": {0, time.Second / 40, func() (EntitlementSet, error) { panic("source") }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &rationed{window: 6 * time.Second, allows: tt.allows, says: tt.says}
				g := gateOf(t, s)
				ctx, cancel := context.WithTimeout(t.Context(), 18*time.Second)
				defer cancel()
				every := func(d time.Duration, ask func(n int)) {
					for n := 0; ctx.Err() == nil; n++ {
						go ask(n)
						time.Sleep(d)
					}
				}
				go every(tt.rate, func(n int) {
					g.Check(t.Context(), Customer{ID: "thief", Resource: fmt.Sprint("made-up-", n)}, Feature("f"))
				})
				var mu sync.Mutex
				asked, refused := 0, 0
				every(time.Second/10, func(n int) {
					d := g.Check(t.Context(), Customer{ID: fmt.Sprint("new-", n)}, Feature("f"))
					mu.Lock()
					defer mu.Unlock()
					if asked++; !d.Allowed {
						refused++
					}
				})
				time.Sleep(5 * time.Second)
				mu.Lock()
				defer mu.Unlock()
				if refused > 0 || asked < 170 {
					t.Errorf("%d of %d new customers are not read, while one customer has %d of its resources read", refused, asked, s.thiefs)
				}
			})
		})
	}
}

func TestRealResourcesOfOneCustomerAreReadSoonAfterAStart(t *testing.T) {
	withFixture(t, func(f *fixture) {
		var wait sync.WaitGroup
		for i := range 500 {
			wait.Go(func() {
				time.Sleep(time.Duration(i) * 4 * time.Millisecond)
				if d := f.gate.Check(f.Context(), Customer{ID: "c", Resource: fmt.Sprint("site-", i)}, Feature("f")); !d.Allowed {
					t.Errorf("site %d: %s: %v", i, d.Reason, d.Err)
				}
			})
		}
		wait.Wait()
	})
}

// TestABudgetThatIsSpentOpensNothing: what a customer brings about itself is no outage.
func TestABudgetThatIsSpentOpensNothing(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.says(EntitlementSet{Denied: ReasonNoSubscription}, nil)
		var wait sync.WaitGroup
		for i := range 1000 {
			wait.Go(func() {
				if d := f.gate.Check(f.Context(), Customer{ID: "c", Resource: fmt.Sprint("made-up-", i)}, Feature("f")); d.Allowed {
					t.Errorf("let in: %+v", d)
				}
			})
		}
		wait.Wait()
		if n := f.count(); n > 150 {
			t.Errorf("Stigg is asked %d times", n)
		}
	}, WithOutage(OutageAllow))
}

func TestARefusalOfStiggsOpensNothing(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.says(EntitlementSet{}, errRefused)
		for range 3 { // the second and third from memory
			if d := f.check("c"); d.Allowed || d.Status != 503 || !errors.Is(d.Err, errRefused) {
				t.Errorf("got %+v", d)
			}
		}
		if n := f.count(); n != 1 {
			t.Errorf("Stigg is asked %d times", n)
		}
		f.says(EntitlementSet{}, errStubDown)
		f.want(f.check("d"), true, OriginFallback, "")
	}, WithOutage(OutageAllow))
}

func TestMadeUpResourcesDropNobody(t *testing.T) {
	for name, set := range map[string]EntitlementSet{
		"without a subscription":   {Denied: ReasonNoSubscription},
		"unknown":                  {Denied: ReasonResourceNotFound},
		"archived":                 {Denied: ReasonCustomerIsArchived},
		"of a reason to come":      {Denied: "SomethingNew"},
		"empty without a reason":   {},
		"with entitlements":        features(metered("f", 0, 5)),
		"denied with entitlements": {Denied: ReasonNoSubscription, Features: []Entitlement{metered("f", 0, 5)}},
	} {
		t.Run(name, func(t *testing.T) {
			withFixture(t, func(f *fixture) {
				f.check("payer")
				f.says(set, nil)
				for i := range 150 {
					f.gate.Check(f.Context(), Customer{ID: "c", Resource: fmt.Sprint("made-up-", i)}, Feature("f"))
				}
				before := f.count()
				if f.check("payer"); f.count() != before {
					t.Error("ids made up by one customer dropped another one from the cache")
				}
			}, WithCacheSize(100), WithTTL(time.Hour))
		})
	}
}
