package gate

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// hangs has loads hang from now on until answer is called. They bring what Stigg said when
// they began.
func (f *fixture) hangs(from EntitlementSet) (answer func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	release := make(chan struct{})
	f.release = release
	return func() {
		f.mu.Lock()
		now := f.set
		f.set, f.release = from, nil
		f.mu.Unlock()
		close(release)
		synctest.Wait()
		f.mu.Lock()
		defer f.mu.Unlock()
		f.set = now
	}
}

// slow is a Stigg that takes its time.
type slow struct{ *stub }

func (s slow) Entitlements(ctx context.Context, c Customer) (EntitlementSet, error) {
	time.Sleep(200 * time.Millisecond)
	return s.stub.Entitlements(ctx, c)
}

func TestTheDeadlineHoldsWhateverIsPushed(t *testing.T) {
	withFixture(t, func(f *fixture) {
		c, end := Customer{ID: "c"}, make(chan struct{})
		go func() {
			for i := 0; ; i++ {
				select {
				case <-end:
					return
				case <-time.After(100 * time.Millisecond):
				}
				f.gate.Invalidate(c)
			}
		}()
		f.gate.cache.source = slow{f.stub}
		begun := time.Now()
		ticket, d := f.gate.Admit(f.Context(), c, Feature("f").Uses(1))
		if waited := time.Since(begun); waited > defaults().decisionTimeout {
			t.Errorf("decided after %v: %+v", waited, d)
		}
		ticket.Release()
		close(end)
		time.Sleep(time.Second)
	}, WithColdTimeout(defaults().decisionTimeout))
}

func TestALoadFromBeforeACountDoesNotUndoIt(t *testing.T) {
	for name, at := range map[string]func() time.Time{
		"surely newer":   time.Now,
		"without a time": func() time.Time { return time.Time{} },
	} {
		t.Run(name, func(t *testing.T) {
			withFixture(t, func(f *fixture) {
				f.says(features(metered("f", 3, 5)), nil)
				f.check("c")
				time.Sleep(2 * time.Minute)
				answer := f.hangs(features(metered("f", 3, 5)))
				f.check("c")
				synctest.Wait() // the refresh is under way
				f.says(features(metered("f", 5, 5)), nil)
				f.gate.Sink().Patch(Customer{ID: "c"}, Patch{FeatureID: "f", Usage: 5, At: at()})
				answer()
				if d := f.check("c"); d.Allowed {
					t.Errorf("over the limit: %v known of Stigg's 5", d.Usage)
				}
			})
		})
	}
}

func TestALoadFromBeforeASetDoesNotUndoItsCounts(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.says(features(metered("f", 3, 5)), nil)
		f.check("c")
		f.gate.InvalidateAll()
		answer := f.hangs(features(metered("f", 3, 5)))
		f.check("c")
		synctest.Wait()
		f.says(features(metered("f", 5, 5)), nil)
		f.gate.Sink().Replace(Customer{ID: "c"}, features(metered("f", 5, 5)))
		answer()
		if d := f.check("c"); d.Allowed {
			t.Errorf("over the limit: %v known of Stigg's 5", d.Usage)
		}
	})
}

func TestACountDuringTheFirstLoadIsNotLost(t *testing.T) {
	withFixture(t, func(f *fixture) {
		answer := f.hangs(features(metered("f", 3, 5)))
		go f.check("c")
		synctest.Wait()
		f.says(features(metered("f", 5, 5)), nil)
		f.gate.Sink().Patch(Customer{ID: "c"}, Patch{FeatureID: "f", Usage: 5, At: time.Now()})
		answer()
		f.check("c")
		synctest.Wait()
		if d := f.check("c"); d.Allowed {
			t.Errorf("over the limit: %v known of Stigg's 5", d.Usage)
		}
	})
}

func TestATopUpIsNotLost(t *testing.T) {
	wallet := func(limit float64) EntitlementSet {
		return EntitlementSet{Credits: []Credit{{CurrencyID: "x", Limit: limit, Usage: 10}}}
	}
	for name, during := range map[string]func(f *fixture, topUp func()){
		"while a load is under way": func(f *fixture, topUp func()) {
			f.gate.InvalidateAll()
			answer := f.hangs(wallet(10))
			f.gate.Check(f.Context(), Customer{ID: "c"}, Credits("x").Asks(0))
			synctest.Wait()
			topUp()
			answer()
		},
		"while Stigg is down": func(f *fixture, topUp func()) {
			f.says(EntitlementSet{}, errStubDown)
			f.gate.Sink().Patch(Customer{ID: "c"}, Patch{Currency: "x", Usage: 10, Limit: 100, HasLimit: true})
			synctest.Wait()
			topUp()
		},
	} {
		t.Run(name, func(t *testing.T) {
			withFixture(t, func(f *fixture) {
				f.says(wallet(10), nil)
				asks := func() Decision { return f.gate.Check(f.Context(), Customer{ID: "c"}, Credits("x").Asks(1)) }
				asks()
				during(f, func() {
					f.says(wallet(100), nil)
					if name == "while a load is under way" {
						f.gate.Sink().Patch(Customer{ID: "c"}, Patch{Currency: "x", Usage: 10, Limit: 100, HasLimit: true})
					}
				})
				if d := asks(); !d.Allowed {
					t.Errorf("refused after a top-up: %+v", d)
				}
			})
		})
	}
}

func TestWhatIsWantedStaysSoWhileOneReadIsTried(t *testing.T) {
	withFixture(t, func(f *fixture) {
		for i := range 50 {
			f.check(fmt.Sprint("c", i))
		}
		f.says(EntitlementSet{}, errStubDown)
		for i := range 5 {
			f.check(fmt.Sprint("d", i))
		}
		time.Sleep(2 * time.Minute)
		f.says(features(metered("f", 0, 5)), nil)
		answer := f.hangs(features(metered("f", 0, 5)))
		go f.check("e") // the one read that is tried
		synctest.Wait()
		for i := range 50 {
			f.check(fmt.Sprint("c", i))
		}
		time.Sleep(5 * time.Second)
		if n := f.gate.Stats().Refreshing; n != 50 {
			t.Errorf("%d wait to be read again, want 50", n)
		}
		answer()
		time.Sleep(5 * time.Second)
		for i := range 50 {
			f.want(f.check(fmt.Sprint("c", i)), true, OriginFresh, "")
		}
	})
}

func TestASignUpIsFeltByItsResourcesToo(t *testing.T) {
	withFixture(t, func(f *fixture) {
		site := Customer{ID: "c", Resource: "site-1"}
		f.says(EntitlementSet{Denied: ReasonCustomerNotFound}, nil)
		f.gate.Check(f.Context(), site, Feature("f"))
		f.says(features(metered("f", 0, 5)), nil)
		f.gate.Invalidate(Customer{ID: "c"})
		f.want(f.gate.Check(f.Context(), site, Feature("f")), true, OriginFresh, "")
	})
}

func TestADenialWithAWalletIsDecided(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.says(EntitlementSet{Denied: ReasonCustomerNotFound, Credits: []Credit{{CurrencyID: "x", Limit: 5}}}, nil)
		_, d := f.gate.Admit(f.Context(), Customer{ID: "c"}, Feature("f").Uses(1))
		f.want(d, false, OriginFresh, ReasonCustomerNotFound)
	})
}

func TestUsageOfAnOutageCountsInCreditsToo(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.says(EntitlementSet{}, errStubDown)
		f.report = func([]Usage) ([]Ack, error) { return nil, errStubDown }
		use := func() Decision {
			ticket, d := f.gate.Admit(f.Context(), Customer{ID: "c"}, Feature("f").Uses(1))
			_ = ticket.Settle()
			return d
		}
		for range 3 {
			use()
		}
		e := metered("f", 0, 100)
		e.CreditRate = &CreditRate{CurrencyID: "x", Amount: 10}
		f.says(EntitlementSet{Features: []Entitlement{e}, Credits: []Credit{{CurrencyID: "x", Limit: 35}}}, nil)
		f.want(use(), false, OriginFresh, ReasonInsufficientCredits)
		f.mu.Lock()
		f.report = nil
		f.mu.Unlock()
		time.Sleep(2 * time.Minute)
		f.check("c") // what Stigg now says has them
		if f.gate.known(Customer{ID: "c"}).Book.HasUnpriced() {
			t.Error("usages are without a price for ever")
		}
	}, WithOutage(OutageAllow))
}

func TestAnOutageAllowsAFeatureThatIsAskedForTwice(t *testing.T) {
	f := Feature("f")
	for name, p := range map[string]Policy{
		"an amount, then access": All(f.Uses(1), f),
		"access, then an amount": All(f, f.Uses(1)),
		"values, then access":    All(f.Values("NY"), f),
	} {
		withFixture(t, func(f *fixture) {
			f.says(EntitlementSet{}, errStubDown)
			ticket, d := f.gate.Admit(f.Context(), Customer{ID: "c"}, p)
			if ticket.Release(); !d.Allowed {
				t.Errorf("%s: refused: %s", name, d.Reason)
			}
		}, WithOutage(OutageAllow))
	}
}

func TestEntitlementsTellWhatIsUsedOfAWallet(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.says(EntitlementSet{Credits: []Credit{{CurrencyID: "x", Limit: 10, Usage: 4}}}, nil)
		f.report = func([]Usage) ([]Ack, error) { return nil, errStubDown }
		ticket, _ := f.gate.Admit(f.Context(), Customer{ID: "c"}, Credits("x").Uses(3))
		_ = ticket.Settle()
		set, err := f.gate.Entitlements(f.Context(), Customer{ID: "c"})
		if err != nil || set.Credits[0].Usage != 7 {
			t.Errorf("got %+v, %v; want 7 used", set.Credits, err)
		}
	})
}

func TestReadsThatFailNowAndThenAreLoggedSeldom(t *testing.T) {
	var log bytes.Buffer
	withFixture(t, func(f *fixture) {
		for i := range 100 {
			f.says(features(metered("f", 0, 5)), nil)
			f.check(fmt.Sprint("c", i))
			f.says(EntitlementSet{}, errGarbled)
			f.check("garbled")
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		if n := bytes.Count(log.Bytes(), []byte("\n")); n == 0 || n > 2 {
			t.Errorf("%d lines within ten seconds", n)
		}
		f.says(features(metered("f", 0, 5)), nil)
		f.check("x")
		if h := f.gate.Health(); len(h.Degraded) > 0 {
			t.Error(h)
		}
	}, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
}
