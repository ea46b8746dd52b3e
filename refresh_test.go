package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stiggate/gate/internal/watch"
)

// fixture is a gate over a stub, in a bubble of synctest.
type fixture struct {
	*testing.T
	*stub
	gate *Gate
}

func withFixture(t *testing.T, test func(f *fixture), options ...Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 0, 5))}
		test(&fixture{t, s, gateOf(t, s, options...)})
	})
}

func (f *fixture) check(customer string) Decision {
	return f.gate.Check(f.Context(), Customer{ID: customer}, Feature("f"))
}

// says changes what Stigg answers from now on.
func (f *fixture) says(set EntitlementSet, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.set, f.err = set, err
}

// holdBack has Stigg answer no load until release is closed.
func (f *fixture) holdBack() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.release = make(chan struct{})
}

func (f *fixture) want(d Decision, allowed bool, origin Origin, reason Reason) {
	f.Helper()
	if d.Allowed != allowed || d.Origin != origin || d.Reason != reason {
		f.Errorf("got allowed %v, origin %q, reason %q; want %v, %q, %q", d.Allowed, d.Origin, d.Reason, allowed, origin, reason)
	}
}

func TestStaleIsServedAtOnceAndReadAgain(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.want(f.check("c"), true, OriginFresh, "")
		time.Sleep(2 * time.Minute)
		f.holdBack()
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
	withFixture(t, func(f *fixture) {
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
		time.Sleep(10 * time.Second)
		f.want(f.check("c"), true, OriginFresh, "")
	})
}

func TestARefusalIsNotByAnOldMemoryIfStiggAnswers(t *testing.T) {
	withFixture(t, func(f *fixture) {
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
	withFixture(t, func(f *fixture) {
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
	withFixture(t, func(f *fixture) {
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
	withFixture(t, func(f *fixture) {
		f.holdBack()
		for i := range 5 {
			f.check(fmt.Sprint("c", i))
		}
		time.Sleep(10 * time.Second)
		begun, before := time.Now(), f.count()
		for i := range 1000 {
			f.want(f.check(fmt.Sprint("d", i)), false, OriginFallback, ReasonUnavailable)
		}
		if waited := time.Since(begun); waited != 0 || f.count() != before {
			t.Errorf("waited %v, %d loads", waited, f.count()-before)
		}
		close(f.release)
		time.Sleep(time.Second)
		f.want(f.check("e"), true, OriginFresh, "")
		f.want(f.check("f"), true, OriginFresh, "")
	}, WithColdTimeout(250*time.Millisecond))
}

func TestATooManyRequestsPausesReads(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.says(EntitlementSet{}, busyFor(20*time.Second))
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

func TestOneGarbledCustomerIsNoOutage(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.says(EntitlementSet{}, errGarbled)
		for range 20 {
			f.want(f.check("garbled"), false, OriginFallback, ReasonUnavailable)
		}
		f.says(features(metered("f", 0, 5)), nil)
		f.want(f.check("c"), true, OriginFresh, "")
	})
}

func TestMadeUpCustomersCannotFlood(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.holdBack()
		for i := range 3 * 1000 {
			go f.check(fmt.Sprint("c", i))
		}
		synctest.Wait()
		if n := f.count(); n != 1000 {
			t.Errorf("%d loads at once, want %d", n, 1000)
		}
		time.Sleep(time.Second) // all have their answer
		close(f.release)
		synctest.Wait()
		f.want(f.check("later"), true, OriginFresh, "")
		if n := f.gate.cache.Stats().UnderWay; n != 0 {
			t.Errorf("%d loads are counted", n)
		}
	})
}

func TestAPushOfAChangeWhileStiggIsSilent(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.says(features(metered("f", 0, 1), metered("g", 1, 1)), nil)
		f.check("c")
		f.says(EntitlementSet{}, errStubDown)
		f.gate.Invalidate(Customer{ID: "c"})
		ask := func(feature string) Decision {
			return f.gate.Check(f.Context(), Customer{ID: "c"}, Feature(feature).Asks(1))
		}
		f.want(ask("f"), true, OriginStale, "")
		d := ask("g") // it may have been an upgrade
		f.want(d, false, OriginStale, ReasonUnavailable)
		if !errors.Is(d.Err, errStubDown) {
			t.Errorf("the cause is %v", d.Err)
		}
		f.says(features(metered("f", 1, 1), metered("g", 1, 9)), nil)
		time.Sleep(time.Minute) // the breaker rests
		f.want(ask("g"), true, OriginFresh, "")
		f.want(ask("f"), false, OriginFresh, ReasonLimitExceeded)
	})
}

func TestAnswersThatNobodyUnderstandsDontFlood(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.says(EntitlementSet{}, errGarbled)
		for range 1000 { // 10 s of one cold customer
			f.want(f.check("c"), false, OriginFallback, ReasonUnavailable)
			time.Sleep(10 * time.Millisecond)
		}
		if n := f.count(); n > 10 {
			t.Errorf("%d reads for one customer in 10 s", n)
		}
		if len(f.gate.Health().Degraded) == 0 {
			t.Error("ready, and Stigg never said a thing that can be understood")
		}
		f.says(features(metered("f", 0, 5)), nil)
		time.Sleep(10 * time.Second)
		f.want(f.check("c"), true, OriginFresh, "")
		if h := f.gate.Health(); len(h.Degraded) > 0 {
			t.Error(h)
		}

		f.says(EntitlementSet{}, errGarbled)
		f.check("garbled")
		f.says(features(metered("f", 0, 5)), nil)
		f.want(f.check("another"), true, OriginFresh, "")
		if h := f.gate.Health(); len(h.Degraded) > 0 {
			t.Errorf("for one customer's sake: %v", h)
		}

		f.says(EntitlementSet{}, errGarbled)
		reads := f.count()
		for i := range 1000 {
			f.check(fmt.Sprint("new", i))
			time.Sleep(10 * time.Millisecond)
		}
		if n := f.count() - reads; n > 5*5 {
			t.Errorf("%d reads for 1000 customers in 10 s", n)
		}
		if len(f.gate.Health().Degraded) == 0 {
			t.Error("ready, and nobody can be read")
		}
	})
}

func TestTheBreakerTriesOncePushesArriveAgain(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.says(EntitlementSet{}, errStubDown)
		for i := range 100 {
			f.check(fmt.Sprint("c", i))
			time.Sleep(100 * time.Millisecond)
		}
		f.says(features(metered("f", 0, 5)), nil)
		f.gate.Sink().SetLive(true)
		f.want(f.check("c"), true, OriginFresh, "")
	})
}

// mute is a Stigg whose pushes never come.
type mute struct{ *stub }

func (mute) Watch(ctx context.Context, _ Sink) error { <-ctx.Done(); return nil }

func TestPushesThatNeverComeAreMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		g, err := New(mute{&stub{}}, fromHeader("X-Customer-ID", ""), WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(watch.Silence / 2)
		if h := g.Health(); len(h.Degraded) > 0 {
			t.Errorf("too early: %v", h)
		}
		time.Sleep(watch.Silence)
		synctest.Wait()
		if len(g.Health().Degraded) == 0 || strings.Count(log.String(), "does not come up") != 1 {
			t.Errorf("not missed: %s", &log)
		}
		g.Sink().SetLive(true)
		if h := g.Health(); len(h.Degraded) > 0 {
			t.Errorf("they come: %v", h)
		}
		if err := g.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestASetThatIsNotSureEndsNoSuspicion(t *testing.T) {
	withFixture(t, func(f *fixture) {
		c := Customer{ID: "c"}
		f.says(features(metered("f", 4, 4)), nil)
		f.check("c")
		f.says(features(metered("f", 0, 12)), nil)
		f.gate.Invalidate(c)
		f.gate.Sink().Replace(c, features(metered("f", 0, 12)))
		if d := f.gate.Check(f.Context(), c, Feature("f").Asks(1)); d.Usage != 0 || d.Origin != OriginFresh {
			t.Errorf("%v of %v known, %s", d.Usage, d.Limit, d.Origin)
		}
	})
}

func TestASetThatCrossesTheReadOfAChange(t *testing.T) {
	withFixture(t, func(f *fixture) {
		c := Customer{ID: "c"}
		f.says(features(metered("f", 4, 4)), nil)
		f.check("c")
		f.says(features(metered("f", 0, 12)), nil)
		f.gate.Invalidate(c)
		f.holdBack()
		time.AfterFunc(10*time.Millisecond, func() {
			f.gate.Sink().Replace(c, features(metered("f", 0, 12)))
			close(f.release)
		})
		if d := f.gate.Check(f.Context(), c, Feature("f").Asks(1)); d.Usage != 0 || d.Limit != 12 {
			t.Errorf("%v of %v known, %s", d.Usage, d.Limit, d.Origin)
		}
	})
}
