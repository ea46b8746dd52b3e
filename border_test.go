package gate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stiggate/gate/internal/watch"
)

// What comes from outside, read or pushed, grants nothing that can't be read.

// unreadable are entitlements of f whose numbers say nothing.
func unreadable() map[string]Entitlement {
	all := map[string]Entitlement{}
	for name, n := range map[string]float64{"no number": math.NaN(), "below 0": -1, "without an end": math.Inf(1), "far below 0": math.Inf(-1)} {
		limit, usage, price := metered("f", 0, n), metered("f", n, 5), metered("f", 0, 5)
		price.CreditRate = &CreditRate{CurrencyID: "x", Amount: n}
		all["a limit "+name], all["a usage "+name], all["a price "+name] = limit, usage, price
		all["a value "+name] = Entitlement{FeatureID: "f", Kind: Configuration, Granted: true, Limit: n}
	}
	return all
}

func TestNumbersThatCannotBeReadGrantNothing(t *testing.T) {
	for name, e := range unreadable() {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			withFixture(t, func(f *fixture) {
				wallet := Credit{CurrencyID: "x", Granted: true, Limit: 10}
				f.says(EntitlementSet{Features: []Entitlement{e, metered("other", 0, 5)}, Credits: []Credit{wallet}}, nil)
				for range 3 {
					f.want(f.gate.Check(f.Context(), Customer{ID: "c"}, Feature("f").Asks(1)), false, OriginFresh, ReasonUnavailable)
				}
				ticket, d := f.gate.Admit(f.Context(), Customer{ID: "c"}, Feature("f").Uses(1))
				f.want(d, false, OriginFresh, ReasonUnavailable)
				ticket.Release()
				f.want(f.gate.Check(f.Context(), Customer{ID: "c"}, Feature("other").Asks(1)), true, OriginFresh, "")
				f.says(features(metered("f", 1, 5)), nil)
				time.Sleep(2 * time.Minute)
				f.check("c")
				synctest.Wait()
				if d := f.gate.Check(f.Context(), Customer{ID: "c"}, Feature("f").Asks(1)); !d.Allowed || d.Usage != 1 {
					t.Errorf("once it can be read: %+v", d)
				}
			}, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
			if n := strings.Count(log.String(), "can't be read; they grant nothing"); n != 1 {
				t.Errorf("it is logged %d times", n)
			}
		})
	}
}

func TestWalletsThatCannotBeReadGrantNothing(t *testing.T) {
	for name, wallet := range map[string]Credit{
		"a limit that is no number":    {Limit: math.NaN()},
		"a limit below 0":              {Limit: -1},
		"a limit without an end":       {Limit: math.Inf(1)},
		"a usage that is no number":    {Limit: 10, Usage: math.NaN()},
		"a usage below 0":              {Limit: 10, Usage: -100},
		"a soft limit and a bad usage": {Limit: 10, Usage: math.Inf(-1), SoftLimit: true},
	} {
		t.Run(name, func(t *testing.T) {
			withFixture(t, func(f *fixture) {
				wallet.CurrencyID, wallet.Granted = "x", true
				paid := metered("f", 0, 100)
				paid.CreditRate = &CreditRate{CurrencyID: "x", Amount: 1}
				f.says(EntitlementSet{Features: []Entitlement{paid, metered("free", 0, 5)}, Credits: []Credit{wallet}}, nil)
				c := Customer{ID: "c"}
				f.want(f.gate.Check(f.Context(), c, Credits("x").Asks(5)), false, OriginFresh, ReasonUnavailable)
				f.want(f.gate.Check(f.Context(), c, Feature("f").Asks(5)), false, OriginFresh, ReasonUnavailable)
				f.want(f.gate.Check(f.Context(), c, Feature("free").Asks(5)), true, OriginFresh, "")
			})
		})
	}
}

func TestAPushedSetThatCannotBeReadIsReadInstead(t *testing.T) {
	for name, e := range unreadable() {
		t.Run(name, func(t *testing.T) {
			withFixture(t, func(f *fixture) {
				c := Customer{ID: "c"}
				f.says(features(metered("f", 4, 5)), nil)
				f.check("c")
				time.Sleep(10 * time.Second)
				f.gate.Sink().Replace(c, EntitlementSet{Features: []Entitlement{e}, Credits: []Credit{}})
				d := f.gate.Check(f.Context(), c, Feature("f").Asks(2))
				f.want(d, false, OriginFresh, ReasonLimitExceeded)
				if d.Usage != 4 || d.Limit != 5 || f.count() != 2 {
					t.Errorf("%v of %v known after %d reads", d.Usage, d.Limit, f.count())
				}
			})
		})
	}
}

func TestReasonsOfTheGatesOwnDoNotComeFromOutside(t *testing.T) {
	for _, reason := range []Reason{ReasonClientGone, ReasonUnavailable, ReasonPending, ReasonUnresolved, ReasonBadRequest, "gate:", "gate:Anything"} {
		e, wallet := metered("f", 0, 5), Credit{CurrencyID: "x", Limit: 5, Denied: reason}
		e.Denied = reason
		set := EntitlementSet{Features: []Entitlement{e}, Credits: []Credit{wallet}, Denied: reason}
		c := Customer{ID: "c"}
		for name, told := range map[string]func(f *fixture){
			"read": func(f *fixture) { f.says(set, nil) },
			"pushed": func(f *fixture) {
				f.check("c")
				time.Sleep(10 * time.Second)
				f.gate.Sink().Replace(c, set)
			},
		} {
			t.Run(fmt.Sprint(reason, " ", name), func(t *testing.T) {
				withFixture(t, func(f *fixture) {
					told(f)
					for _, p := range []Policy{Feature("f").Asks(1), Feature("absent"), Credits("x").Asks(1)} {
						if d := f.gate.Check(f.Context(), c, p); d.Allowed || d.Reason != ReasonUnknown || d.Status != 403 {
							t.Errorf("got %q, %d", d.Reason, d.Status)
						}
					}
				})
			})
		}
	}
}

// scripted is a Watcher that does at each call what comes next, and then waits.
type scripted struct {
	*stub
	mu    sync.Mutex
	calls []time.Time
	next  []func(Sink) error
}

func (s *scripted) Watch(ctx context.Context, to Sink) error {
	s.mu.Lock()
	s.calls = append(s.calls, time.Now())
	var now func(Sink) error
	if len(s.next) > 0 {
		now, s.next = s.next[0], s.next[1:]
	}
	s.mu.Unlock()
	if now != nil {
		return now(to)
	}
	to.SetLive(true)
	<-ctx.Done()
	return nil
}

func (s *scripted) called() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

func TestAWatcherThatGivesUpIsAskedAgain(t *testing.T) {
	refused := func(Sink) error { return errors.New("the key is refused") }
	for name, again := range map[string]func(Sink) error{
		"as it refuses the key": refused,
		"as it panics":          func(Sink) error { panic("watcher") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				w := &scripted{stub: &stub{}, next: []func(Sink) error{again, again, again}}
				g := gateOf(t, w, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
				time.Sleep(30 * time.Minute)
				if !g.Stats().Live || len(g.Health().Degraded) != 0 {
					t.Errorf("nobody asks again: %d calls; %v", w.called(), g.Health())
				}
				synctest.Wait()
				if n := strings.Count(log.String(), "are not told any more"); n-strings.Count(log.String(), "since=") != 1 {
					t.Errorf("its beginning is logged %d times:\n%s", n, &log)
				}
				if n := strings.Count(log.String(), "are felt at once"); n != 1 {
					t.Errorf("its end is logged %d times", n)
				}
			})
		})
	}
}

func TestAWatcherThatGivesUpForLongIsAskedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &scripted{stub: &stub{}}
		for range 1000 {
			w.next = append(w.next, func(Sink) error { return errors.New("the key is refused") })
		}
		gateOf(t, w)
		time.Sleep(24 * time.Hour)
		before := w.called()
		time.Sleep(24 * time.Hour)
		if n := w.called() - before; n < 24 || n > 50 {
			t.Errorf("asked %d times in a day", n)
		}
	})
}

func TestAWatcherThatLivedForAWhileIsAskedAgainSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		w := &scripted{stub: &stub{}}
		for range 5 {
			w.next = append(w.next, func(Sink) error { return errors.New("the key is refused") })
		}
		w.next = append(w.next, func(to Sink) error {
			to.SetLive(true)
			time.Sleep(time.Hour)
			return errors.New("the key is refused")
		})
		g := gateOf(t, w, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		for w.called() < 6 {
			time.Sleep(time.Second)
		}
		time.Sleep(time.Hour + watch.LeastPause)
		if !g.Stats().Live {
			t.Error("it waits as long as for one that never lived")
		}
		synctest.Wait()
		if n := strings.Count(log.String(), "are not told any more") - strings.Count(log.String(), "since="); n != 2 {
			t.Errorf("two changes of state are logged %d times", n)
		}
	})
}

func TestARefusedKeyIsToldAsWhatItIs(t *testing.T) {
	var log bytes.Buffer
	withFixture(t, func(f *fixture) {
		f.says(EntitlementSet{}, &UpstreamError{Kind: UpstreamUnauthorized, Err: errors.New("stub: 401")})
		for i := range 600 { // ten minutes
			f.check(fmt.Sprint("c", i))
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if n := strings.Count(log.String(), "level=ERROR"); n != 3 || strings.Count(log.String(), "refuses the API key") != 3 { // at once, after 1 minute and 5 more
			t.Errorf("the log has %d errors:\n%s", n, &log)
		}
		f.says(features(metered("f", 0, 5)), nil)
		time.Sleep(time.Minute)
		f.want(f.check("later"), true, OriginFresh, "")
		synctest.Wait()
		if !strings.Contains(log.String(), "takes the API key\" lasted=1") || !strings.Contains(log.String(), " stale=0 refused=600 ") {
			t.Errorf("its end is not logged with what it cost:\n%s", &log)
		}
	}, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
}
