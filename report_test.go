package gate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stiggate/gate/internal/ledger"
)

// counter is a Stigg that counts changes and totals, each key once.
func counter(s *stub, feature string) func([]Usage) ([]Ack, error) {
	seen := map[string]bool{}
	return func(batch []Usage) ([]Ack, error) {
		acks := make([]Ack, len(batch))
		for i, u := range batch {
			e := &s.set.Features[0]
			if e.FeatureID != feature || u.FeatureID != feature {
				return nil, fmt.Errorf("stub: no feature %q", u.FeatureID)
			}
			switch {
			case u.Kind == UsageEvent:
				acks[i] = Ack{Delayed: true}
				continue
			case seen[u.Key]:
			case u.Kind == UsageTotal:
				e.Usage = u.Value
			default:
				e.Usage += u.Value
			}
			seen[u.Key] = true
			acks[i] = Ack{Known: true, Usage: e.Usage, At: time.Now()}
		}
		s.reported = append(s.reported, batch...)
		return acks, nil
	}
}

// used is what the gate knows of f.
func used(t *testing.T, g *Gate) float64 {
	t.Helper()
	return g.Check(t.Context(), Customer{ID: "c"}, Feature("f").Asks(0)).Usage
}

// reporting returns Gate.Report of usage of f that must be taken.
func reporting(t *testing.T, g *Gate) func(customer, key string, kind UsageKind, value float64) {
	return func(customer, key string, kind UsageKind, value float64) {
		t.Helper()
		if err := g.Report(t.Context(), Usage{Customer: Customer{ID: customer}, FeatureID: "f", Kind: kind, Value: value, Key: key}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReportCountsAtOnceAndOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 10, 100))}
		s.report = counter(s, "f")
		arrive := make(chan struct{})
		g := gateOf(t, s, WithReporter(blockedReporter{s, arrive}))
		c := Customer{ID: "c"}
		if used(t, g) != 10 {
			t.Fatal("not 10")
		}
		steps := []struct {
			what          string
			usage         Usage
			before, after float64 // known before and after Stigg has acknowledged
		}{
			{"a change", Usage{Value: 5}, 15, 15},
			{"a change that gives back", Usage{Value: -3}, 15, 12},
			{"a higher total", Usage{Kind: UsageTotal, Value: 40}, 40, 40},
			{"a lower total", Usage{Kind: UsageTotal, Value: 7}, 40, 7},
			{"no change", Usage{}, 7, 7},
			{"a change with a key", Usage{Value: 1, Key: "k"}, 8, 8},
			{"the same again", Usage{Value: 1, Key: "k"}, 9, 8},
		}
		for _, step := range steps {
			u := step.usage
			u.Customer, u.FeatureID = c, "f"
			if err := g.Report(t.Context(), u); err != nil {
				t.Fatal(err)
			}
			if n := used(t, g); n != step.before {
				t.Errorf("%s: %v known before it is acknowledged, want %v", step.what, n, step.before)
			}
			arrive <- struct{}{}
			time.Sleep(time.Second)
			if n := used(t, g); n != step.after {
				t.Errorf("%s: %v known after it is acknowledged, want %v", step.what, n, step.after)
			}
		}
		for _, u := range s.usages() {
			if u.Key == "" || u.CreatedAt.IsZero() {
				t.Errorf("reported %+v", u)
			}
		}
		if n := s.count(); n != 1 {
			t.Errorf("%d loads: the answers were not taken over", n)
		}
	})
}

func TestReportOfACustomerNobodyAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 10, 100))}
		block := make(chan struct{})
		g := gateOf(t, s, WithReporter(blockedReporter{s, block}))
		if err := g.Report(t.Context(), Usage{Customer: Customer{ID: "c"}, FeatureID: "f", Value: 30}); err != nil {
			t.Fatal(err)
		}
		if n := used(t, g); n != 40 {
			t.Errorf("%v known, want 10 of Stigg's and 30 under way", n)
		}
		close(block)
	})
}

func TestUsageOfAPeriodThatIsOverCountsNowhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := metered("f", 10, 100)
		e.Reset, e.Anchor = ResetHour, time.Now().Add(-time.Minute)
		e.PeriodStart, e.PeriodEnd = e.Anchor, e.Anchor.Add(time.Hour)
		s := &stub{set: features(e)}
		answers := func(batch []Usage) ([]Ack, error) {
			acks := make([]Ack, len(batch))
			for i, u := range batch {
				acks[i] = Ack{Known: true, Usage: 99, PeriodStart: e.PeriodStart.Add(-time.Hour), PeriodEnd: e.PeriodStart, At: time.Now()}
				if !u.CreatedAt.Before(e.PeriodStart) {
					acks[i] = Ack{Known: true, Usage: 10 + u.Value, PeriodStart: e.PeriodStart, PeriodEnd: e.PeriodEnd, At: time.Now()}
				}
			}
			return acks, nil
		}
		s.report = answers
		g := gateOf(t, s)
		recorded := Usage{Customer: Customer{ID: "c"}, FeatureID: "f", Value: 30, CreatedAt: time.Now().Add(-5 * time.Minute)}
		for _, known := range []string{"nothing", "the period"} {
			if err := g.Report(t.Context(), recorded); err != nil {
				t.Fatal(err)
			}
			if known == "the period" && used(t, g) != 10 {
				t.Errorf("%v known while it waits", used(t, g))
			}
			used(t, g) // read while it waits
			time.Sleep(time.Second)
			if n := used(t, g); n != 10 {
				t.Errorf("with %s known: %v known after usage of the period before", known, n)
			}
		}
		recorded.Kind, recorded.Value = UsageTotal, 80
		if err := g.Report(t.Context(), recorded); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if n := used(t, g); n != 10 {
			t.Errorf("%v known after a total of the period before", n)
		}
	})
}

func TestAnEventCountsUntilStiggMustHaveIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 10, 20))}
		s.report = counter(s, "f")
		g := gateOf(t, s, WithTTL(time.Hour))
		c := Customer{ID: "c"}
		if err := g.Report(t.Context(), Usage{Customer: c, Kind: UsageEvent, Event: "e", FeatureID: "f", Value: 10}); err != nil {
			t.Fatal(err)
		}
		admit := func() bool {
			t.Helper()
			ticket, d := g.Admit(t.Context(), c, Feature("f").Uses(1))
			ticket.Release()
			return d.Allowed
		}
		for _, wait := range []time.Duration{0, time.Second, 8 * time.Second} {
			time.Sleep(wait)
			g.Invalidate(c) // a read that does not have the event yet
			if admit() || used(t, g) != 20 {
				t.Fatalf("let in with an event under way; %v known", used(t, g))
			}
		}
		s.mu.Lock()
		s.set.Features[0].Usage = 11 // what the meter made of it
		s.mu.Unlock()
		time.Sleep(ledger.CountDelay)
		if !admit() || used(t, g) != 11 {
			t.Errorf("%v known once Stigg must have counted the event", used(t, g))
		}
	})
}

func TestAnEventIsNotForgottenWithItsCustomer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 10, 20))}
		s.report = counter(s, "f")
		g := gateOf(t, s)
		if err := g.Report(t.Context(), Usage{Customer: Customer{ID: "c"}, Kind: UsageEvent, Event: "e", FeatureID: "f", Value: 10}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // acknowledged; nobody else needs the book
		if n := used(t, g); n != 20 {
			t.Errorf("%v known, want 20", n)
		}
		g.cache.Purge()
		time.Sleep(2 * ledger.CountDelay)
		if n := g.Stats().Books; n != 0 {
			t.Errorf("%d books are kept for nobody", n)
		}
	})
}

func TestNothingOvertakesATotal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 0, 1e9))}
		bad := true
		var order []string
		s.report = func(batch []Usage) ([]Ack, error) {
			for _, u := range batch {
				if bad && strings.HasPrefix(u.Key, "bad") {
					return nil, errGarbled
				}
			}
			for _, u := range batch {
				order = append(order, u.Key)
			}
			return nil, nil
		}
		g := gateOf(t, s)
		report := reporting(t, g)
		report("a", "a1", UsageChange, 1)
		report("a", "bad-a2", UsageTotal, 5)
		report("a", "a3", UsageChange, 1)
		report("b", "bad-b1", UsageChange, 1)
		report("b", "b2", UsageChange, 1)
		report("b", "b3", UsageTotal, 9)
		report("b", "b4", UsageChange, 9)
		report("c", "c1", UsageTotal, 3)
		time.Sleep(time.Minute)
		report("a", "a4", UsageTotal, 7)
		report("a", "a5", UsageChange, 1)
		report("c", "c2", UsageChange, 1)
		time.Sleep(time.Minute)
		s.mu.Lock()
		if got := strings.Join(order, " "); got != "a1 b2 c1 c2" {
			t.Errorf("delivered %s while some could not be", got)
		}
		bad = false
		s.mu.Unlock()
		if err := g.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		place := map[string]int{}
		for i, key := range order {
			place[key] = i + 1
		}
		for _, chain := range [][]string{{"a1", "bad-a2", "a3", "a4", "a5"}, {"bad-b1", "b3", "b4"}, {"b2", "b3"}, {"c1", "c2"}} {
			for i := 1; i < len(chain); i++ {
				if place[chain[i-1]] == 0 || place[chain[i]] <= place[chain[i-1]] {
					t.Errorf("%s was delivered after %s: %v", chain[i-1], chain[i], order)
				}
			}
		}
		if len(order) != 11 {
			t.Errorf("delivered %v, want 11", order)
		}
	})
}

func TestTroubleWithEventsDelaysNoMeasurement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 0, 1e9))}
		sizes := map[UsageKind]int{}
		s.report = func(batch []Usage) ([]Ack, error) {
			for _, u := range batch {
				if u.Kind != batch[0].Kind {
					t.Error("a batch of several kinds")
				}
			}
			sizes[batch[0].Kind] = max(sizes[batch[0].Kind], len(batch))
			if batch[0].Kind == UsageEvent {
				return nil, errStubDown
			}
			return nil, nil
		}
		g := gateOf(t, s)
		c := Customer{ID: "c"}
		for range 1500 {
			for _, u := range []Usage{{Customer: c, Kind: UsageEvent, Event: "e"}, {Customer: c, FeatureID: "f", Value: 1}, {Customer: c, Kind: UsageCredits, Currency: "x", Value: 1}} {
				if err := g.Report(t.Context(), u); err != nil {
					t.Fatal(err)
				}
			}
		}
		time.Sleep(10 * time.Second)
		if st := g.Stats(); st.Acknowledged != 3000 || st.Queued != 1500 {
			t.Errorf("got %+v", st)
		}
		if sizes[UsageEvent] > 1000 || sizes[UsageChange] != 100 || sizes[UsageCredits] != 100 {
			t.Errorf("batches of at most %v", sizes)
		}
	})
}

func TestReportRefusesWhatCannotBeCounted(t *testing.T) {
	g := gateOf(t, &stub{})
	c := Customer{ID: "c"}
	tests := map[string]Usage{
		"no customer":                        {FeatureID: "f", Value: 1},
		"a customer that is none":            {Customer: Customer{ID: "x y"}, FeatureID: "f", Value: 1},
		"no feature":                         {Customer: c, Value: 1},
		"NaN":                                {Customer: c, FeatureID: "f", Value: math.NaN()},
		"infinity":                           {Customer: c, FeatureID: "f", Value: math.Inf(-1)},
		"1e308":                              {Customer: c, FeatureID: "f", Value: 1e308},
		"a negative total":                   {Customer: c, FeatureID: "f", Kind: UsageTotal, Value: -1},
		"no such kind":                       {Customer: c, FeatureID: "f", Kind: 9},
		"an unnamed event":                   {Customer: c, FeatureID: "f", Kind: UsageEvent},
		"an event of a feature that is none": {Customer: c, FeatureID: "f g", Kind: UsageEvent, Event: "e"},
		"credits of nothing":                 {Customer: c, Kind: UsageCredits, Value: 1},
		"no credits":                         {Customer: c, Kind: UsageCredits, Currency: "x"},
		"negative credits":                   {Customer: c, Kind: UsageCredits, Currency: "x", Value: -1},
		"a channel":                          {Customer: c, Kind: UsageEvent, Event: "e", Dimensions: map[string]any{"a": make(chan int)}},
		"NaN inside":                         {Customer: c, Kind: UsageEvent, Event: "e", Dimensions: map[string]any{"a": []float64{math.NaN()}}},
		"the year 10000":                     {Customer: c, FeatureID: "f", Value: 1, CreatedAt: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
		"the year 0":                         {Customer: c, FeatureID: "f", Value: 1, CreatedAt: time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)},
		"an excess of NaN":                   {Customer: c, FeatureID: "f", Value: 1, Excess: math.NaN()},
		"a key of any bytes":                 {Customer: c, FeatureID: "f", Value: 1, Key: "\xff"},
		"an event of bytes":                  {Customer: c, Kind: UsageEvent, Event: "\xff", Value: 1},
		"credits of bytes":                   {Customer: c, Kind: UsageCredits, Currency: "\xff", Value: 1},
		"a huge key":                         {Customer: c, FeatureID: "f", Key: strings.Repeat("x", 1<<20)},
		"a megabyte":                         {Customer: c, Kind: UsageEvent, Event: "e", Dimensions: map[string]any{"a": strings.Repeat("x", 1<<20)}},
	}
	for name, u := range tests {
		var wrong *UsageError
		if err := g.Report(t.Context(), u); !errors.As(err, &wrong) || strings.Contains(err.Error(), "x y") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if st := g.Stats(); st.Queued+st.Open+st.Books != 0 {
		t.Errorf("left behind: %+v", st)
	}
}

func TestReportIsRefusedWhereItCannotBeQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{report: func([]Usage) ([]Ack, error) { return nil, errStubDown }}
		u := Usage{Customer: Customer{ID: "c"}, FeatureID: "f", Value: 1}
		g := gateOf(t, s, WithQueueSize(1))
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := g.Report(ended, u); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := g.Report(t.Context(), u); err != nil {
			t.Error(err)
		}
		if err := g.Report(t.Context(), u); !errors.Is(err, ErrQueueFull) {
			t.Error(err)
		}
		_ = g.Close(ended)
		if err := g.Report(t.Context(), u); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		only := gateOf(t, struct{ Source }{s})
		if err := only.Report(t.Context(), u); !errors.Is(err, ErrNoReporter) {
			t.Error(err)
		}
	})
}
