package gate

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// forecast is a gate over a stub, in a bubble of synctest.
type forecast struct {
	*testing.T
	*stub
	gate *Gate
}

func weather(t *testing.T, test func(f *forecast), options ...Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 0, 5))}
		test(&forecast{t, s, gateOf(t, s, options...)})
	})
}

func (f *forecast) check(customer string) Decision {
	return f.gate.Check(f.Context(), Customer{ID: customer}, Feature("f"))
}

// says changes what Stigg answers from now on.
func (f *forecast) says(set EntitlementSet, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.set, f.err = set, err
}

func (f *forecast) want(d Decision, allowed bool, origin Origin, reason Reason) {
	f.Helper()
	if d.Allowed != allowed || d.Origin != origin || d.Reason != reason {
		f.Errorf("got allowed %v, origin %q, reason %q; want %v, %q, %q", d.Allowed, d.Origin, d.Reason, allowed, origin, reason)
	}
}

func TestStaleIsServedAtOnceAndReadAgain(t *testing.T) {
	weather(t, func(f *forecast) {
		f.want(f.check("c"), true, OriginFresh, "")
		time.Sleep(2 * time.Minute)
		f.release = make(chan struct{}) // Stigg hangs
		begun := time.Now()
		for range 3 {
			f.want(f.check("c"), true, OriginStale, "")
		}
		if waited := time.Since(begun); waited != 0 || f.count() > 2 {
			t.Errorf("waited %v, %d loads", waited, f.count())
		}
		close(f.release)
		synctest.Wait()
		f.want(f.check("c"), true, OriginFresh, "")
		if f.count() != 2 {
			t.Errorf("%d loads, want 2", f.count())
		}
	})
}

func TestStaleIsServedForAnHourOfOutageAndNoLonger(t *testing.T) {
	weather(t, func(f *forecast) {
		f.check("c")
		f.says(EntitlementSet{}, errStubDown)
		for range 59 {
			time.Sleep(time.Minute)
			if d := f.check("c"); !d.Allowed {
				t.Fatalf("got %+v", d)
			}
		}
		f.want(f.check("c"), true, OriginStale, "")
		time.Sleep(2 * time.Minute)
		f.want(f.check("c"), false, OriginFallback, ReasonUnavailable)
		if n := f.count(); n > 200 {
			t.Errorf("%d loads within an hour of outage", n)
		}
		f.says(features(metered("f", 0, 5)), nil)
		time.Sleep(longestBreak)
		f.want(f.check("c"), true, OriginFresh, "")
	})
}

func TestARefusalIsNotByAnOldMemoryIfStiggAnswers(t *testing.T) {
	weather(t, func(f *forecast) {
		f.says(features(metered("f", 5, 5)), nil)
		f.want(f.check("c"), false, OriginFresh, ReasonLimitExceeded)
		time.Sleep(2 * time.Minute)
		f.says(features(metered("f", 5, 50)), nil) // upgraded
		f.want(f.check("c"), true, OriginFresh, "")
		f.says(features(metered("f", 50, 50)), nil)
		time.Sleep(2 * time.Minute)
		f.check("c")
		synctest.Wait()
		time.Sleep(2 * time.Minute)
		f.says(EntitlementSet{}, errStubDown)
		d := f.check("c")
		f.want(d, false, OriginStale, ReasonLimitExceeded)
		ticket, d := f.gate.Admit(f.Context(), Customer{ID: "c"}, Feature("f").Uses(1))
		f.want(d, false, OriginStale, ReasonLimitExceeded)
		if s := f.gate.Stats(); ticket != nil || s.Open != 0 {
			t.Errorf("a refusal left %+v", s)
		}
	})
}

func TestRefreshesArePacedTheMostUsedFirst(t *testing.T) {
	weather(t, func(f *forecast) {
		for i := range 100 {
			f.check(fmt.Sprint("c", i))
		}
		f.mu.Lock()
		f.asked = nil
		f.mu.Unlock()
		time.Sleep(2 * time.Minute)
		for i := range 100 {
			for range 1 + i%7*10 {
				f.check(fmt.Sprint("c", i))
			}
		}
		time.Sleep(time.Second)
		f.mu.Lock()
		n := len(f.asked)
		f.mu.Unlock()
		if n > 21 || n < 19 {
			t.Errorf("%d refreshes in a second, want 20", n)
		}
		time.Sleep(time.Minute)
		if n := f.count(); n != 200 {
			t.Errorf("%d loads, want every customer refreshed once", n)
		}
		for i, c := range f.asked[1:14] { // the first was asked for before there was a choice
			var number int
			if _, err := fmt.Sscanf(c.ID, "c%d", &number); err != nil || number%7 != 6 {
				t.Errorf("refresh %d was of %s, which is not among the most used", i, c.ID)
			}
		}
	})
}

func TestARefreshThatFailsIsTriedAgain(t *testing.T) {
	weather(t, func(f *forecast) {
		f.check("c")
		f.says(EntitlementSet{}, errStubDown)
		time.Sleep(2 * time.Minute)
		f.check("c")
		synctest.Wait()
		f.says(features(metered("f", 0, 9)), nil)
		time.Sleep(time.Second)
		f.check("c")
		synctest.Wait()
		if d := f.check("c"); d.Origin != OriginFresh || d.Limit != 9 {
			t.Errorf("got %+v", d)
		}
	})
}

func TestAnOpenBreakerAnswersAtOnceAndAsksSeldom(t *testing.T) {
	weather(t, func(f *forecast) {
		f.release = make(chan struct{}) // Stigg hangs
		for i := range 5 {
			f.check(fmt.Sprint("c", i))
		}
		time.Sleep(loadTimeout)
		begun, before := time.Now(), f.count()
		for i := range 1000 {
			f.want(f.check(fmt.Sprint("d", i)), false, OriginFallback, ReasonUnavailable)
		}
		if waited := time.Since(begun); waited != 0 || f.count() != before {
			t.Errorf("waited %v, %d loads", waited, f.count()-before)
		}
		close(f.release)
		time.Sleep(leastBreak)
		f.want(f.check("e"), true, OriginFresh, "")
		f.want(f.check("f"), true, OriginFresh, "")
	})
}

func TestATooManyRequestsPausesReads(t *testing.T) {
	weather(t, func(f *forecast) {
		f.says(EntitlementSet{}, busy(20*time.Second))
		f.want(f.check("a"), false, OriginFallback, ReasonUnavailable)
		f.says(features(metered("f", 0, 5)), nil)
		time.Sleep(19 * time.Second)
		f.want(f.check("b"), false, OriginFallback, ReasonUnavailable)
		time.Sleep(2 * time.Second)
		f.want(f.check("b"), true, OriginFresh, "")
		if f.count() != 2 {
			t.Errorf("%d loads, want 2", f.count())
		}
	})
}

func TestOneOddCustomerIsNoOutage(t *testing.T) {
	weather(t, func(f *forecast) {
		f.says(EntitlementSet{}, riddle{})
		for range 20 {
			f.want(f.check("odd"), false, OriginFallback, ReasonUnavailable)
		}
		f.says(features(metered("f", 0, 5)), nil)
		f.want(f.check("c"), true, OriginFresh, "")
	})
}

func TestNewsKeepFreshLonger(t *testing.T) {
	weather(t, func(f *forecast) {
		f.gate.Live(true)
		f.check("c")
		time.Sleep(8 * time.Minute)
		f.want(f.check("c"), true, OriginFresh, "")
		f.gate.Live(false)
		f.want(f.check("c"), true, OriginStale, "")
		time.Sleep(time.Second)
		f.want(f.check("c"), true, OriginFresh, "")
		f.gate.Live(true) // what happened meanwhile was not told
		f.want(f.check("c"), true, OriginStale, "")
		time.Sleep(time.Second)
		f.want(f.check("c"), true, OriginFresh, "")
		f.gate.Live(true) // says nothing new
		f.want(f.check("c"), true, OriginFresh, "")
		f.gate.StaleAll()
		f.want(f.check("c"), true, OriginStale, "")
	})
}

func TestALoadFromBeforeTheNewsIsNotFresh(t *testing.T) {
	weather(t, func(f *forecast) {
		f.release = make(chan struct{})
		go f.check("c")
		synctest.Wait()
		f.gate.StaleAll()
		close(f.release)
		synctest.Wait()
		f.want(f.check("c"), true, OriginStale, "")
	})
}

func TestReplaceIsFeltAtOnce(t *testing.T) {
	weather(t, func(f *forecast) {
		c := Customer{ID: "c"}
		f.says(features(metered("f", 5, 5)), nil)
		f.check("c")
		f.gate.Replace(c, features(metered("f", 5, 12)))
		if d := f.check("c"); !d.Allowed || d.Limit != 12 || f.count() != 1 {
			t.Errorf("got %+v after %d loads", d, f.count())
		}
		// A load that began before the news does not undo it.
		time.Sleep(2 * time.Minute)
		f.release = make(chan struct{})
		f.check("c")
		synctest.Wait()
		f.gate.Replace(c, features(metered("f", 5, 30)))
		close(f.release)
		synctest.Wait()
		if d := f.check("c"); d.Limit != 30 {
			t.Errorf("got %+v", d)
		}
	})
}

func TestNewsOfOthersCostNoMemory(t *testing.T) {
	weather(t, func(f *forecast) {
		for i := range 1000 {
			c := Customer{ID: fmt.Sprint("c", i)}
			f.gate.Replace(c, features(metered("f", 0, 5)))
			f.gate.Patch(c, Patch{FeatureID: "f", Usage: 3, At: time.Now()})
			f.gate.Stale(c)
		}
		f.gate.Replace(Customer{ID: "not an id"}, EntitlementSet{})
		synctest.Wait()
		if s := f.gate.Stats(); s.Books+s.Customers != 0 || f.count() != 0 {
			t.Errorf("got %+v after %d loads", s, f.count())
		}
	})
}

func TestAColdLoadFromBeforeTheNewsIsNotKept(t *testing.T) {
	weather(t, func(f *forecast) {
		f.release = make(chan struct{})
		go f.check("c")
		synctest.Wait()
		f.gate.Replace(Customer{ID: "c"}, features(metered("f", 0, 50)))
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
		patch func() Patch
		usage float64 // known then, of 3 before
		reads int     // of the set, to make sure
	}{
		{"it raises", func() Patch { return Patch{FeatureID: "f", Usage: 4, At: at(60)} }, 4, 0},
		{"it lowers if it is surely newer", func() Patch { return Patch{FeatureID: "f", Usage: 2, At: at(60)} }, 2, 0},
		{"it does not lower if it may be older than the read", func() Patch { return Patch{FeatureID: "f", Usage: 2, At: at(1)} }, 3, 1},
		{"it does not lower without a time", func() Patch { return Patch{FeatureID: "f", Usage: 2} }, 3, 1},
		{"it raises without a time", func() Patch { return Patch{FeatureID: "f", Usage: 4} }, 4, 0},
		{"it says nothing new", func() Patch { return Patch{FeatureID: "f", Usage: 3} }, 3, 0},
		{"of a feature that is not in the set", func() Patch { return Patch{FeatureID: "g", Usage: 1, At: at(60)} }, 3, 1},
		{"of nothing", func() Patch { return Patch{Usage: 1, HasLimit: true} }, 3, 1},
		{"of a count that is none", func() Patch { return Patch{FeatureID: "f", Usage: -1} }, 3, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			weather(t, func(f *forecast) {
				f.says(features(metered("f", 3, 50)), nil)
				f.check("c")
				f.gate.Patch(Customer{ID: "c"}, tt.patch())
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
	weather(t, func(f *forecast) {
		f.says(EntitlementSet{Credits: []Credit{{CurrencyID: "x", Limit: 10, Usage: 4}}}, nil)
		left := func() Decision { return f.gate.Check(f.Context(), Customer{ID: "c"}, Credits("x").Asks(5)) }
		left()
		f.gate.Patch(Customer{ID: "c"}, Patch{Currency: "x", Usage: 8, Limit: 10, HasLimit: true, At: time.Now()})
		if d := left(); d.Allowed || d.Usage != 8 || f.count() != 1 {
			t.Errorf("got %+v after %d loads", d, f.count())
		}
		f.says(EntitlementSet{Credits: []Credit{{CurrencyID: "x", Limit: 100, Usage: 8}}}, nil)
		f.gate.Patch(Customer{ID: "c"}, Patch{Currency: "x", Usage: 8, Limit: 100, HasLimit: true, At: time.Now()})
		synctest.Wait()
		if d := left(); !d.Allowed || d.Limit != 100 {
			t.Errorf("a topped-up wallet is not read again: %+v", d)
		}
	})
}

func TestAPatchDoesNotForgetWhatIsUnderWay(t *testing.T) {
	weather(t, func(f *forecast) {
		f.report = func([]Usage) ([]Ack, error) { return nil, errStubDown }
		use(f.T, f.gate, "c", 2)
		f.gate.Patch(Customer{ID: "c"}, Patch{FeatureID: "f", Usage: 1, At: time.Now().Add(time.Minute)})
		if got := f.check("c").Usage; got != 3 {
			t.Errorf("%v known, want Stigg's 1 and 2 under way", got)
		}
	})
}

func TestStaleOfACustomerIsOfItsResourcesToo(t *testing.T) {
	weather(t, func(f *forecast) {
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
		f.gate.Stale(Customer{ID: "c", Resource: "site-1"})
		check()
		if got := asked(); !slices.Equal(got, sites[1:2]) {
			t.Errorf("asked for %v", got)
		}
		f.gate.Stale(Customer{ID: "c"})
		check()
		if got := asked(); !slices.Equal(got, sites[:3]) {
			t.Errorf("asked for %v", got)
		}
		f.gate.Stale(Customer{ID: "c"})
		f.gate.Stale(Customer{ID: "d"})
		if n := len(f.gate.cache.resources); n != 0 {
			t.Errorf("resources of %d customers are kept for nobody", n)
		}
	})
}

func TestASetFromBeforeAnAcknowledgementDoesNotLower(t *testing.T) {
	weather(t, func(f *forecast) {
		f.says(features(metered("f", 9, 10)), nil)
		f.report = func([]Usage) ([]Ack, error) { return []Ack{{Known: true, Usage: 10, At: time.Now()}}, nil }
		use(f.T, f.gate, "c", 1)
		synctest.Wait()
		f.says(features(metered("f", 10, 10)), nil)
		time.Sleep(10 * time.Millisecond)
		f.gate.Replace(Customer{ID: "c"}, features(metered("f", 9, 10)))
		if d := f.check("c"); d.Allowed {
			t.Errorf("over the limit: %v known", d.Usage)
		}
		time.Sleep(2 * pushMargin)
		if f.gate.Replace(Customer{ID: "c"}, features(metered("f", 4, 10))); f.check("c").Usage != 4 {
			t.Errorf("%v known after a set that is surely newer", f.check("c").Usage)
		}
	})
}

func TestACountFromBeforeAnAcknowledgementWithoutOneDoesNotLower(t *testing.T) {
	weather(t, func(f *forecast) {
		f.says(features(metered("f", 8, 10)), nil)
		f.check("c")
		time.Sleep(20 * time.Second)
		use(f.T, f.gate, "c", 1)
		synctest.Wait()
		between := time.Now()
		time.Sleep(10 * time.Millisecond)
		use(f.T, f.gate, "c", 1)
		time.Sleep(time.Second)
		f.gate.Patch(Customer{ID: "c"}, Patch{FeatureID: "f", Usage: 9, At: between})
		if d := f.gate.Check(f.Context(), Customer{ID: "c"}, Feature("f").Asks(1)); d.Allowed {
			t.Errorf("over the limit: %v known", d.Usage)
		}
	})
}

func TestWhatIsGivenBackAndPushedIsTakenOffOnce(t *testing.T) {
	weather(t, func(f *forecast) {
		f.says(features(metered("f", 10, 10)), nil)
		block := make(chan struct{})
		g := gateOf(f.T, f.stub, WithReporter(held{f.stub, block}))
		c := Customer{ID: "c"}
		g.Check(f.Context(), c, Feature("f"))
		time.Sleep(20 * time.Second)
		if err := g.Report(f.Context(), Usage{Customer: c, FeatureID: "f", Value: -1}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		g.Patch(c, Patch{FeatureID: "f", Usage: 9, At: time.Now()})
		close(block)
		synctest.Wait()
		if d := g.Check(f.Context(), c, Feature("f").Asks(2)); d.Allowed || d.Usage != 9 {
			t.Errorf("%v known, Stigg has 9", d.Usage)
		}
	})
}

func TestACountedEventRefusesNobody(t *testing.T) {
	weather(t, func(f *forecast) {
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
		f.gate.Stale(Customer{ID: "c"})
		f.check("c") // has it already, and counts it twice for safety
		time.Sleep(20 * time.Second)
		if d := f.gate.Check(f.Context(), Customer{ID: "c"}, Feature("f").Asks(3)); !d.Allowed || d.Usage != 5 {
			t.Errorf("5 of 10 used and 3 refused: %v known", d.Usage)
		}
	})
}

func TestAPushEndsTheWaitOfEvents(t *testing.T) {
	weather(t, func(f *forecast) {
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
		}{{5 * time.Second, 8}, {eventDelay + pushMargin, 4}} {
			time.Sleep(step.wait)
			f.gate.Patch(Customer{ID: "c"}, Patch{FeatureID: "f", Usage: 4, At: time.Now()})
			if d := f.check("c"); d.Usage != step.known {
				t.Errorf("%v known, want %v", d.Usage, step.known)
			}
		}
	}, WithTTL(time.Hour))
}

func TestASetWithoutWalletsLeavesThem(t *testing.T) {
	weather(t, func(f *forecast) {
		f.says(EntitlementSet{Features: []Entitlement{metered("f", 0, 5)}, Credits: []Credit{{CurrencyID: "x", Limit: 10}}}, nil)
		left := func() Decision { return f.gate.Check(f.Context(), Customer{ID: "c"}, Credits("x").Asks(5)) }
		left()
		f.gate.Replace(Customer{ID: "c"}, features(metered("f", 0, 7)))
		if d := left(); !d.Allowed || f.check("c").Limit != 7 {
			t.Errorf("got %+v", d)
		}
		f.gate.Replace(Customer{ID: "c"}, EntitlementSet{Features: []Entitlement{metered("f", 0, 7)}, Credits: []Credit{}})
		if d := left(); d.Allowed {
			t.Errorf("a wallet that is gone lets in: %+v", d)
		}
	})
}

func TestAPushWithoutAPeriodKeepsIt(t *testing.T) {
	weather(t, func(f *forecast) {
		end := time.Now().Add(time.Hour)
		f.says(EntitlementSet{Credits: []Credit{{CurrencyID: "x", Limit: 10, PeriodEnd: end}}}, nil)
		left := func() Decision { return f.gate.Check(f.Context(), Customer{ID: "c"}, Credits("x").Asks(5)) }
		left()
		f.gate.Patch(Customer{ID: "c"}, Patch{Currency: "x", Usage: 4, At: time.Now().Add(time.Minute)})
		if d := left(); d.Usage != 4 || !d.ResetsAt.Equal(end) {
			t.Errorf("got %+v", d)
		}
	})
}
