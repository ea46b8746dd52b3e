package gate

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestOneLoadForAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 0, 1e9)), release: make(chan struct{})}
		g := gateOf(t, s)
		allowed := make(chan bool)
		for range 10_000 {
			go func() { allowed <- g.Check(t.Context(), Customer{ID: "cold"}, Feature("f")).Allowed }()
		}
		synctest.Wait()
		close(s.release)
		for range 10_000 {
			if !<-allowed {
				t.Fatal("a check was denied")
			}
		}
		if s.count() != 1 {
			t.Errorf("%d loads, want 1", s.count())
		}
	})
}

func TestFreshUntilTheTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 0, 5))}
		g := gateOf(t, s, WithTTL(time.Minute))
		check := func() { g.Check(t.Context(), Customer{ID: "c"}, Feature("f")); synctest.Wait() }
		check()
		time.Sleep(53 * time.Second) // the TTL is 54 to 66 s
		check()
		if s.count() != 1 {
			t.Errorf("%d loads within the TTL, want 1", s.count())
		}
		time.Sleep(14 * time.Second)
		check()
		if s.count() != 2 {
			t.Errorf("%d loads after the TTL, want 2", s.count())
		}
	})
}

func TestNeverFreshPastValidUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		soon := metered("f", 0, 5)
		soon.ValidUntil = time.Now().Add(10 * time.Second)
		s := &stub{set: features(metered("e", 0, 5), soon)}
		g := gateOf(t, s)
		check := func() { g.Check(t.Context(), Customer{ID: "c"}, Feature("f")); synctest.Wait() }
		check()
		time.Sleep(10*time.Second - 1)
		check()
		if s.count() != 1 {
			t.Errorf("%d loads before validUntil, want 1", s.count())
		}
		time.Sleep(time.Nanosecond)
		check()
		if s.count() != 2 {
			t.Errorf("%d loads at validUntil, want 2", s.count())
		}
		// It is past when it arrives: the clocks disagree, and a load for every check
		// would not mend that.
		for range 10 {
			check()
		}
		if s.count() != 2 {
			t.Errorf("%d loads with a validUntil in the past, want 2", s.count())
		}
	})
}

func TestADeniedCustomerIsAskedForAgainSoon(t *testing.T) {
	for _, reason := range []Reason{ReasonCustomerNotFound, ReasonCustomerIsArchived, ReasonNoSubscription} {
		t.Run(string(reason), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &stub{set: EntitlementSet{Denied: reason}}
				g := gateOf(t, s)
				check := func() Decision { return g.Check(t.Context(), Customer{ID: "c"}, Feature("f")) }
				check()
				time.Sleep(4 * time.Second)
				check()
				if s.count() != 1 {
					t.Errorf("%d loads within 4 s, want 1", s.count())
				}
				s.set = features(metered("f", 0, 5)) // signed up meanwhile
				time.Sleep(2 * time.Second)
				if d := check(); !d.Allowed {
					t.Errorf("after the sign-up: %s", d.Reason)
				}
			})
		})
	}
}

func TestMadeUpIDsEvictNobody(t *testing.T) {
	s := &byCustomer{known: "payer", set: features(metered("f", 0, 5))}
	g := gateOf(t, s, WithCacheSize(2))
	g.Check(t.Context(), Customer{ID: "payer"}, Feature("f"))
	for i := range 100 {
		if _, d := g.Admit(t.Context(), Customer{ID: fmt.Sprint("made-up-", i)}, Feature("f").Uses(1)); d.Reason != ReasonCustomerNotFound {
			t.Fatalf("got %q", d.Reason)
		}
	}
	before := s.loads
	g.Check(t.Context(), Customer{ID: "payer"}, Feature("f"))
	if s.loads != before {
		t.Error("the payer was evicted")
	}
	if n := g.Stats().Books; n != 1 {
		t.Errorf("%d books kept, want the payer's", n)
	}
}

// byCustomer knows one customer.
type byCustomer struct {
	known string
	set   EntitlementSet
	loads int
}

func (s *byCustomer) Entitlements(_ context.Context, c Customer) (EntitlementSet, error) {
	s.loads++
	if c.ID != s.known {
		return EntitlementSet{Denied: ReasonCustomerNotFound}, nil
	}
	return s.set, nil
}

func (s *byCustomer) Report(_ context.Context, batch []Usage) ([]Ack, error) {
	return make([]Ack, len(batch)), nil
}

func TestTheCacheIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 0, 5))}
		g := gateOf(t, s, WithCacheSize(10))
		for i := range 1000 {
			g.Check(t.Context(), Customer{ID: fmt.Sprint("c", i)}, Feature("f"))
		}
		synctest.Wait() // a read lets go of its book when it has told who waited
		if st := g.Stats(); st.Customers != 10 || st.Books != 10 || st.Loads != 1000 {
			t.Errorf("got %+v, want 10 customers, 10 books, 1000 loads", st)
		}
	})
}

func TestAnEvictedCustomersHoldsStillCount(t *testing.T) {
	s := &stub{set: features(metered("f", 0, 1))}
	g := gateOf(t, s, WithCacheSize(1))
	admit := func(id string) (*Ticket, Decision) {
		return g.Admit(t.Context(), Customer{ID: id}, Feature("f").Uses(1))
	}
	ticket, _ := admit("a")
	other, _ := admit("b") // evicts a
	other.Release()
	if _, d := admit("a"); d.Reason != ReasonPending {
		t.Errorf("while a's request runs: got %q, want %q", d.Reason, ReasonPending)
	}
	ticket.Release()
	if again, d := admit("a"); !d.Allowed {
		t.Errorf("after it is released: %s", d.Reason)
	} else {
		again.Release()
	}
}

func TestSteadyNewsDontKeepACustomerOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 0, 1000)), release: make(chan struct{})}
		g := gateOf(t, s)
		c, ended := Customer{ID: "c"}, make(chan struct{})
		var wait sync.WaitGroup
		wait.Go(func() { // reads take longer than the time between two pushes
			for {
				select {
				case <-ended:
					return
				case <-time.After(10 * time.Millisecond):
					g.Invalidate(c)
				}
			}
		})
		wait.Go(func() {
			for {
				select {
				case <-ended:
					return
				case s.release <- struct{}{}:
					time.Sleep(50 * time.Millisecond)
				}
			}
		})
		for range 5 {
			ticket, d := g.Admit(t.Context(), c, Feature("f").Uses(1))
			if !d.Allowed {
				t.Fatalf("denied: %v", d.Err)
			}
			ticket.Release()
			time.Sleep(15 * time.Millisecond)
		}
		close(ended)
		wait.Wait()
		if n := s.count(); n > 5 {
			t.Errorf("%d reads for 5 requests", n)
		}
	})
}

func TestNobodyWaitsPastTheTimeoutOfAFirstRead(t *testing.T) {
	for name, tt := range map[string]struct {
		options []Option
		want    time.Duration
	}{
		"by default":         {nil, 2 * time.Second},
		"as the option says": {[]Option{WithColdTimeout(time.Second)}, time.Second},
		"less than the decision timeout, as said": {[]Option{WithColdTimeout(time.Second), WithDecisionTimeout(3 * time.Second)}, time.Second},
		"the decision timeout, which is longer":   {[]Option{WithDecisionTimeout(3 * time.Second)}, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &stub{set: features(metered("f", 0, 5)), release: make(chan struct{})}
				g := gateOf(t, s, tt.options...)
				start := time.Now()
				d := g.Check(t.Context(), Customer{ID: "c"}, Feature("f"))
				if waited := time.Since(start); d.Reason != ReasonUnavailable || waited != tt.want {
					t.Errorf("got %q after %v", d.Reason, waited)
				}
				close(s.release) // the load went on and fills the cache
				synctest.Wait()
				if d := g.Check(t.Context(), Customer{ID: "c"}, Feature("f")); !d.Allowed || s.count() != 1 {
					t.Errorf("got %q after %d loads", d.Reason, s.count())
				}
			})
		})
	}
}

func TestACustomerThatIsCachedWaitsForTheDecisionTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 0, 5))}
		g := gateOf(t, s)
		c := Customer{ID: "c"}
		g.Check(t.Context(), c, Feature("f"))
		s.mu.Lock()
		s.release = make(chan struct{})
		s.mu.Unlock()
		g.Invalidate(c)
		start := time.Now()
		d := g.Check(t.Context(), c, Feature("f"))
		if waited := time.Since(start); !d.Allowed || d.Origin != OriginStale || waited != defaults().decisionTimeout {
			t.Errorf("got %+v after %v", d, waited)
		}
	})
}

func TestALeaderThatLeavesTakesNobodyAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 0, 5)), release: make(chan struct{})}
		g := gateOf(t, s)
		ctx, leave := context.WithCancel(t.Context())
		leader, follower := make(chan Decision), make(chan Decision)
		go func() { leader <- g.Check(ctx, Customer{ID: "c"}, Feature("f")) }()
		synctest.Wait()
		go func() { follower <- g.Check(t.Context(), Customer{ID: "c"}, Feature("f")) }()
		synctest.Wait()
		leave()
		if d := <-leader; d.Reason != ReasonClientGone || d.Status != 503 {
			t.Errorf("the leader got %q, %d", d.Reason, d.Status)
		}
		close(s.release)
		if d := <-follower; !d.Allowed || s.count() != 1 {
			t.Errorf("the follower got %q after %d loads", d.Reason, s.count())
		}
	})
}

func TestACallersOwnDeadlineIsNoClientGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{release: make(chan struct{})}
		g := gateOf(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if d := g.Check(ctx, Customer{ID: "c"}, Feature("f")); d.Reason != ReasonUnavailable {
			t.Errorf("got %q, want %q", d.Reason, ReasonUnavailable)
		}
		close(s.release)
	})
}

func TestAFailedLoadIsNotRemembered(t *testing.T) {
	s := &stub{err: errStubDown}
	g := gateOf(t, s)
	if d := g.Check(t.Context(), Customer{ID: "c"}, Feature("f")); d.Reason != ReasonUnavailable {
		t.Errorf("got %q", d.Reason)
	}
	s.err, s.set = nil, features(metered("f", 0, 5))
	if d := g.Check(t.Context(), Customer{ID: "c"}, Feature("f")); !d.Allowed {
		t.Errorf("once Stigg is back: %q", d.Reason)
	}
	if st := g.Stats(); st.Books != 1 {
		t.Errorf("%d books, want 1", st.Books)
	}
}

func TestStaleBeatsALoadThatBeganBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: EntitlementSet{Denied: ReasonNoSubscription}, release: make(chan struct{})}
		g := gateOf(t, s)
		c := Customer{ID: "c"}
		old := make(chan Decision)
		go func() { old <- g.Check(t.Context(), c, Feature("f")) }()
		synctest.Wait()
		held := s.release
		s.mu.Lock()
		s.release = nil
		s.mu.Unlock()
		close(held) // the old answer is on its way when the upgrade comes
		g.Invalidate(c)
		s.mu.Lock()
		s.set = features(metered("f", 0, 5))
		s.mu.Unlock()
		synctest.Wait()
		<-old
		if d := g.Check(t.Context(), c, Feature("f")); !d.Allowed {
			t.Errorf("after the upgrade: %q", d.Reason)
		}
	})
}

func TestEntitlementsTellWhatIsKnownHere(t *testing.T) {
	s := &stub{set: features(metered("f", 3, 5), Entitlement{FeatureID: "on", Kind: Boolean})}
	g := gateOf(t, s)
	ticket, _ := g.Admit(t.Context(), Customer{ID: "c"}, Feature("f").Uses(2))
	_ = ticket.Settle()
	set, err := g.Entitlements(t.Context(), Customer{ID: "c"})
	if err != nil || len(set.Features) != 2 || set.Features[0].Usage != 5 {
		t.Errorf("got %+v, %v", set, err)
	}
	if _, err := g.Entitlements(t.Context(), Customer{ID: "a/b"}); err == nil {
		t.Error("a bad id is taken")
	}
}

func TestWarmReadsCustomersBeforeTheirRequestsDo(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.check("c0")
		all := make([]Customer, 500)
		for i := range all {
			all[i].ID = fmt.Sprint("c", i)
		}
		if err := f.gate.Warm(f.Context(), all...); err != nil {
			t.Fatal(err)
		}
		f.says(EntitlementSet{}, errStubDown)
		for i := range all {
			f.want(f.check(fmt.Sprint("c", i)), true, OriginFresh, "")
		}
		if n := f.count(); n != 500 {
			t.Errorf("%d reads of 500 customers", n)
		}
		err := f.gate.Warm(f.Context(), Customer{ID: "c1"}, Customer{ID: "not an id"}, Customer{ID: "new"})
		if err == nil || !strings.Contains(err.Error(), "2 of 3") {
			t.Errorf("got %v", err)
		}
		f.says(features(), nil)
		f.holdBack()
		ctx, cancel := context.WithTimeout(f.Context(), time.Hour)
		defer cancel()
		if err := f.gate.Warm(ctx, Customer{ID: "later"}); err == nil {
			t.Error("warm, and nothing was read")
		}
	})
}

func TestWhatIsOlderThanTheLongestStalenessIsServedNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 0, 5))}
		g := gateOf(t, s, WithTTL(time.Minute), WithMaxStale(10*time.Minute))
		check := func() Decision { return g.Check(t.Context(), Customer{ID: "c"}, Feature("f")) }
		check()
		s.mu.Lock()
		s.err = errStubDown
		s.mu.Unlock()
		time.Sleep(9 * time.Minute)
		if d := check(); !d.Allowed || d.Origin != OriginStale {
			t.Errorf("within the longest staleness: %+v", d)
		}
		time.Sleep(2 * time.Minute)
		if d := check(); d.Allowed || d.Reason != ReasonUnavailable {
			t.Errorf("after it: %+v", d)
		}
	})
}
