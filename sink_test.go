package gate

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stiggate/gate/internal/ledger"
)

func TestPushesKeepFreshLonger(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.gate.Sink().SetLive(true)
		f.check("c")
		time.Sleep(8 * time.Minute)
		f.want(f.check("c"), true, OriginFresh, "")
		f.gate.Sink().SetLive(false)
		f.want(f.check("c"), true, OriginStale, "")
		time.Sleep(time.Second)
		f.want(f.check("c"), true, OriginFresh, "")
		f.gate.Sink().SetLive(true) // what happened meanwhile was not told
		f.want(f.check("c"), true, OriginStale, "")
		time.Sleep(time.Second)
		f.want(f.check("c"), true, OriginFresh, "")
		f.gate.Sink().SetLive(true) // says nothing new
		f.want(f.check("c"), true, OriginFresh, "")
		f.gate.InvalidateAll()
		f.want(f.check("c"), true, OriginStale, "")
	})
}

func TestALoadFromBeforeAPushIsNotFresh(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.holdBack()
		go f.check("c")
		synctest.Wait()
		f.gate.InvalidateAll()
		close(f.release)
		synctest.Wait()
		f.want(f.check("c"), true, OriginStale, "")
	})
}

func TestReplaceIsFeltAtOnce(t *testing.T) {
	withFixture(t, func(f *fixture) {
		c := Customer{ID: "c"}
		f.says(features(metered("f", 5, 5)), nil)
		f.check("c")
		time.Sleep(2 * ledger.Margin) // surely newer than the read
		f.gate.Sink().Replace(c, features(metered("f", 5, 12)))
		if d := f.check("c"); !d.Allowed || d.Limit != 12 || f.count() != 1 {
			t.Errorf("got %+v after %d loads", d, f.count())
		}
		// A load that began before the push does not undo it.
		time.Sleep(2 * time.Minute)
		f.holdBack()
		f.check("c")
		synctest.Wait()
		f.gate.Sink().Replace(c, features(metered("f", 5, 30)))
		close(f.release)
		synctest.Wait()
		if d := f.check("c"); d.Limit != 30 {
			t.Errorf("got %+v", d)
		}
	})
}

func TestPushesOfOthersCostNoMemory(t *testing.T) {
	withFixture(t, func(f *fixture) {
		for i := range 1000 {
			c := Customer{ID: fmt.Sprint("c", i)}
			f.gate.Sink().Replace(c, features(metered("f", 0, 5)))
			f.gate.Sink().Patch(c, Patch{FeatureID: "f", Usage: 3, At: time.Now()})
			f.gate.Invalidate(c)
		}
		f.gate.Sink().Replace(Customer{ID: "not an id"}, EntitlementSet{})
		synctest.Wait()
		if s := f.gate.Stats(); s.Books+s.Customers != 0 || f.count() != 0 {
			t.Errorf("got %+v after %d loads", s, f.count())
		}
	})
}

func TestAColdLoadFromBeforeAPushIsNotKept(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.holdBack()
		go f.check("c")
		synctest.Wait()
		f.gate.Sink().Replace(Customer{ID: "c"}, features(metered("f", 0, 50)))
		close(f.release)
		synctest.Wait()
		f.says(features(metered("f", 0, 50)), nil)
		if d := f.check("c"); d.Limit != 50 {
			t.Errorf("got %+v", d)
		}
	})
}

func TestPatch(t *testing.T) {
	at := func(seconds int) time.Time { return time.Now().Add(time.Duration(seconds) * time.Second) }
	tests := []struct {
		name  string
		after time.Duration // since the read
		patch func() Patch
		usage float64 // known then, of 3 before
		reads int     // of the set, to make sure
	}{
		{"it raises", 0, func() Patch { return Patch{FeatureID: "f", Usage: 4, At: at(60)} }, 4, 0},
		{"it lowers if it is surely newer", 2 * ledger.Margin, func() Patch { return Patch{FeatureID: "f", Usage: 2, At: at(0)} }, 2, 0},
		{"it lowers without a time if it is surely newer", 2 * ledger.Margin, func() Patch { return Patch{FeatureID: "f", Usage: 2} }, 2, 0},
		{"it does not lower with a time to come, which says nothing of our order", 0, func() Patch { return Patch{FeatureID: "f", Usage: 2, At: at(60)} }, 3, 1},
		{"it does not lower if it was made before the read", 2 * ledger.Margin, func() Patch { return Patch{FeatureID: "f", Usage: 2, At: at(-11)} }, 3, 1},
		{"it does not lower if it may be older than the read", 0, func() Patch { return Patch{FeatureID: "f", Usage: 2, At: at(1)} }, 3, 1},
		{"it does not lower without a time", 0, func() Patch { return Patch{FeatureID: "f", Usage: 2} }, 3, 1},
		{"it raises without a time", 0, func() Patch { return Patch{FeatureID: "f", Usage: 4} }, 4, 0},
		{"it says nothing new", 0, func() Patch { return Patch{FeatureID: "f", Usage: 3} }, 3, 0},
		{"of a feature that is not in the set", 0, func() Patch { return Patch{FeatureID: "g", Usage: 1, At: at(60)} }, 3, 1},
		{"of nothing", 0, func() Patch { return Patch{Usage: 1, HasLimit: true} }, 3, 1},
		{"of a count below 0", 0, func() Patch { return Patch{FeatureID: "f", Usage: -1} }, 3, 1},
		{"of a count that is none", 0, func() Patch { return Patch{FeatureID: "f", Usage: math.NaN()} }, 3, 1},
		{"of a count without an end", 0, func() Patch { return Patch{FeatureID: "f", Usage: math.Inf(1)} }, 3, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			withFixture(t, func(f *fixture) {
				f.says(features(metered("f", 3, 50)), nil)
				f.check("c")
				time.Sleep(tt.after)
				f.gate.Sink().Patch(Customer{ID: "c"}, tt.patch())
				if got := f.check("c").Usage; got != tt.usage {
					t.Errorf("%v known, want %v", got, tt.usage)
				}
				synctest.Wait()
				if n := f.count() - 1; n != tt.reads {
					t.Errorf("%d reads, want %d", n, tt.reads)
				}
			})
		})
	}
}

func TestPatchOfAWallet(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.says(EntitlementSet{Credits: []Credit{{CurrencyID: "x", Limit: 10, Usage: 4}}}, nil)
		left := func() Decision { return f.gate.Check(f.Context(), Customer{ID: "c"}, Credits("x").Asks(5)) }
		left()
		f.says(EntitlementSet{Credits: []Credit{{CurrencyID: "x", Limit: 10, Usage: 8}}}, nil)
		f.gate.Sink().Patch(Customer{ID: "c"}, Patch{Currency: "x", Usage: 8, Limit: 10, HasLimit: true, At: time.Now()})
		if d := left(); d.Allowed || d.Usage != 8 || f.count() != 2 { // read again, since it may be older than the read
			t.Errorf("got %+v after %d loads", d, f.count())
		}
		f.says(EntitlementSet{Credits: []Credit{{CurrencyID: "x", Limit: 100, Usage: 8}}}, nil)
		f.gate.Sink().Patch(Customer{ID: "c"}, Patch{Currency: "x", Usage: 8, Limit: 100, HasLimit: true, At: time.Now()})
		synctest.Wait()
		if d := left(); !d.Allowed || d.Limit != 100 {
			t.Errorf("a topped-up wallet is not read again: %+v", d)
		}
	})
}

func TestAPatchDoesNotForgetWhatIsUnderWay(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.report = func([]Usage) ([]Ack, error) { return nil, errStubDown }
		use(f.T, f.gate, "c", 2)
		f.gate.Sink().Patch(Customer{ID: "c"}, Patch{FeatureID: "f", Usage: 1, At: time.Now().Add(time.Minute)})
		if got := f.check("c").Usage; got != 3 {
			t.Errorf("%v known, want Stigg's 1 and 2 under way", got)
		}
	})
}

func TestStaleOfACustomerIsOfItsResourcesToo(t *testing.T) {
	withFixture(t, func(f *fixture) {
		sites := []Customer{{ID: "c"}, {ID: "c", Resource: "site-1"}, {ID: "c", Resource: "site-2"}, {ID: "d", Resource: "site-1"}}
		check := func() {
			for _, c := range sites {
				f.gate.Check(f.Context(), c, Feature("f"))
			}
		}
		asked := func() []Customer {
			f.mu.Lock()
			defer f.mu.Unlock()
			defer func() { f.asked = nil }()
			return f.asked
		}
		check()
		asked()
		f.gate.Invalidate(Customer{ID: "c", Resource: "site-1"})
		check()
		if got := asked(); !slices.Equal(got, sites[1:2]) {
			t.Errorf("asked for %v", got)
		}
		f.gate.Invalidate(Customer{ID: "c"})
		check()
		if got := asked(); !slices.Equal(got, sites[:3]) {
			t.Errorf("asked for %v", got)
		}
		f.gate.cache.Purge()
		if n := f.gate.cache.Stats().Members; n != 0 {
			t.Errorf("resources of %d customers are kept for nobody", n)
		}
	})
}

func TestASetFromBeforeAnAcknowledgementDoesNotLower(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.says(features(metered("f", 9, 10)), nil)
		f.report = func([]Usage) ([]Ack, error) { return []Ack{{Known: true, Usage: 10, At: time.Now()}}, nil }
		use(f.T, f.gate, "c", 1)
		synctest.Wait()
		f.says(features(metered("f", 10, 10)), nil)
		time.Sleep(10 * time.Millisecond)
		f.gate.Sink().Replace(Customer{ID: "c"}, features(metered("f", 9, 10)))
		if d := f.check("c"); d.Allowed {
			t.Errorf("over the limit: %v known", d.Usage)
		}
		time.Sleep(2 * ledger.Margin)
		if f.gate.Sink().Replace(Customer{ID: "c"}, features(metered("f", 4, 10))); f.check("c").Usage != 4 {
			t.Errorf("%v known after a set that is surely newer", f.check("c").Usage)
		}
	})
}

func TestACountFromBeforeAnAcknowledgementWithoutOneDoesNotLower(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.says(features(metered("f", 8, 10)), nil)
		f.check("c")
		time.Sleep(20 * time.Second)
		use(f.T, f.gate, "c", 1)
		synctest.Wait()
		between := time.Now()
		time.Sleep(10 * time.Millisecond)
		use(f.T, f.gate, "c", 1)
		time.Sleep(time.Second)
		f.says(features(metered("f", 10, 10)), nil)
		f.gate.Sink().Patch(Customer{ID: "c"}, Patch{FeatureID: "f", Usage: 9, At: between})
		if d := f.gate.Check(f.Context(), Customer{ID: "c"}, Feature("f").Asks(1)); d.Allowed {
			t.Errorf("over the limit: %v known", d.Usage)
		}
	})
}

func TestWhatIsGivenBackAndPushedIsTakenOffOnce(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.says(features(metered("f", 10, 10)), nil)
		block := make(chan struct{})
		g := gateOf(f.T, f.stub, WithReporter(blockedReporter{f.stub, block}))
		c := Customer{ID: "c"}
		g.Check(f.Context(), c, Feature("f"))
		time.Sleep(20 * time.Second)
		if err := g.Report(f.Context(), Usage{Customer: c, FeatureID: "f", Value: -1}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		f.says(features(metered("f", 9, 10)), nil)
		g.Sink().Patch(c, Patch{FeatureID: "f", Usage: 9, At: time.Now()})
		close(block)
		synctest.Wait()
		if d := g.Check(f.Context(), c, Feature("f").Asks(2)); d.Allowed || d.Usage != 9 {
			t.Errorf("%v known, Stigg has 9", d.Usage)
		}
	})
}

func TestACountedEventRefusesNobody(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.says(features(metered("f", 0, 10)), nil)
		f.report = func(b []Usage) ([]Ack, error) {
			f.set.Features[0].Usage += b[0].Value
			return []Ack{{Delayed: true}}, nil
		}
		f.check("c")
		if err := f.gate.Report(f.Context(), Usage{Customer: Customer{ID: "c"}, Kind: UsageEvent, Event: "e", FeatureID: "f", Value: 5}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		f.gate.Invalidate(Customer{ID: "c"})
		f.check("c") // has it already, and counts it twice for safety
		time.Sleep(20 * time.Second)
		if d := f.gate.Check(f.Context(), Customer{ID: "c"}, Feature("f").Asks(3)); !d.Allowed || d.Usage != 5 {
			t.Errorf("5 of 10 used and 3 refused: %v known", d.Usage)
		}
	})
}

func TestAPushEndsTheWaitOfEvents(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.says(features(metered("f", 0, 10)), nil)
		f.report = func([]Usage) ([]Ack, error) { return []Ack{{Delayed: true}}, nil }
		f.check("c")
		time.Sleep(20 * time.Second)
		if err := f.gate.Report(f.Context(), Usage{Customer: Customer{ID: "c"}, Kind: UsageEvent, Event: "e", FeatureID: "f", Value: 4}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for _, step := range []struct {
			wait  time.Duration
			known float64
		}{{5 * time.Second, 8}, {ledger.CountDelay + ledger.Margin, 4}} {
			time.Sleep(step.wait)
			f.gate.Sink().Patch(Customer{ID: "c"}, Patch{FeatureID: "f", Usage: 4, At: time.Now()})
			if d := f.check("c"); d.Usage != step.known {
				t.Errorf("%v known, want %v", d.Usage, step.known)
			}
		}
	}, WithTTL(time.Hour))
}

func TestASetWithoutWalletsLeavesThem(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.says(EntitlementSet{Features: []Entitlement{metered("f", 0, 5)}, Credits: []Credit{{CurrencyID: "x", Limit: 10}}}, nil)
		left := func() Decision { return f.gate.Check(f.Context(), Customer{ID: "c"}, Credits("x").Asks(5)) }
		left()
		f.says(EntitlementSet{Features: []Entitlement{metered("f", 0, 7)}, Credits: []Credit{{CurrencyID: "x", Limit: 10}}}, nil)
		f.gate.Sink().Replace(Customer{ID: "c"}, features(metered("f", 0, 7)))
		if d := left(); !d.Allowed || f.check("c").Limit != 7 {
			t.Errorf("got %+v", d)
		}
		time.Sleep(10 * time.Second) // it is read again, to make sure; what is pushed after that is newer
		f.gate.Sink().Replace(Customer{ID: "c"}, EntitlementSet{Features: []Entitlement{metered("f", 0, 7)}, Credits: []Credit{}})
		if d := left(); d.Allowed {
			t.Errorf("a wallet that is gone lets in: %+v", d)
		}
	})
}

func TestAPushWithoutAPeriodKeepsIt(t *testing.T) {
	withFixture(t, func(f *fixture) {
		end := time.Now().Add(time.Hour)
		f.says(EntitlementSet{Credits: []Credit{{CurrencyID: "x", Limit: 10, PeriodEnd: end}}}, nil)
		left := func() Decision { return f.gate.Check(f.Context(), Customer{ID: "c"}, Credits("x").Asks(5)) }
		left()
		f.gate.Sink().Patch(Customer{ID: "c"}, Patch{Currency: "x", Usage: 4, At: time.Now().Add(time.Minute)})
		if d := left(); d.Usage != 4 || !d.ResetsAt.Equal(end) {
			t.Errorf("got %+v", d)
		}
	})
}

func TestASetThatIsPushedLateIsHeldAgainstARead(t *testing.T) {
	withFixture(t, func(f *fixture) {
		older, newer := features(metered("f", 1, 10)), features(metered("f", 1, 100))
		c := Customer{ID: "c"}
		limit := func() float64 {
			return f.gate.Check(f.Context(), c, Feature("f").Asks(1)).Limit
		}
		f.says(newer, nil)
		if limit() != 100 {
			t.Fatal("not 100")
		}
		time.Sleep(time.Second)
		f.gate.Sink().Replace(c, older) // it was on its way when the read came by
		time.Sleep(time.Second)
		if n := limit(); n != 100 {
			t.Errorf("an older limit of %v stays", n)
		}
		reads := f.count()
		time.Sleep(time.Second)
		newer.Features[0].Usage = 2
		f.gate.Sink().Replace(c, newer) // no other limit: nothing to ask
		time.Sleep(10 * time.Second)
		f.gate.Sink().Replace(c, older) // long after the last read: newer
		if n := limit(); n != 10 || f.count() != reads {
			t.Errorf("a limit of %v, and %d reads", n, f.count()-reads)
		}
	})
}

func TestASetIsNoNewerThanItsAge(t *testing.T) {
	withFixture(t, func(f *fixture) {
		c := Customer{ID: "c"}
		f.says(features(metered("f", 6, 10)), nil)
		known := func() float64 { return f.gate.Check(f.Context(), c, Feature("f").Asks(0)).Usage }
		known()
		time.Sleep(20 * time.Second)
		f.gate.Sink().Patch(c, Patch{FeatureID: "f", Usage: 9, At: time.Now()})
		time.Sleep(8 * time.Second)
		late := features(metered("f", 6, 10))
		late.Age = 9 * time.Second
		f.gate.Sink().Replace(c, late)
		if n := known(); n != 9 {
			t.Errorf("a set that is older than a count makes it %v", n)
		}
	})
}

func TestAReadThatLagsDoesNotLowerWhatWasUsedSince(t *testing.T) {
	withFixture(t, func(f *fixture) {
		c := Customer{ID: "c"}
		f.says(features(metered("f", 3, 10)), nil)
		known := func() float64 { return f.gate.Check(f.Context(), c, Feature("f").Asks(0)).Usage }
		use(f.T, f.gate, "c", 2)
		time.Sleep(30 * time.Second)
		if n := known(); n != 5 {
			t.Fatalf("%v are used", n)
		}
		copied := features(metered("f", 3, 10)) // from before
		copied.Age = time.Minute
		f.says(copied, nil)
		f.gate.Invalidate(c)
		if n := known(); n != 5 {
			t.Errorf("a copy from a minute ago makes it %v", n)
		}
		f.says(features(metered("f", 3, 10)), nil)
		f.gate.Invalidate(c)
		if n := known(); n != 3 {
			t.Errorf("Stigg itself says 3, and %v are known", n)
		}
	})
}
