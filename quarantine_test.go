package gate

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// trickle reports 25 times a second for customer "c-archived" and 48 times for "c".
func trickle(t *testing.T, g *Gate, d time.Duration) {
	t.Helper()
	send := func(customer string, every time.Duration) {
		for range d / every {
			if err := g.Report(t.Context(), Usage{Customer: Customer{ID: customer}, FeatureID: "f", Value: 1}); err != nil {
				t.Error(err)
				return
			}
			time.Sleep(every)
		}
	}
	done := make(chan struct{})
	go func() { defer close(done); send("c-archived", time.Second/25) }()
	send("c", time.Second/48)
	<-done
}

// refuser is a Stigg that refuses each batch with usage of "c-archived".
func refuser(err error, calls *int) *stub {
	return &stub{report: func(batch []Usage) ([]Ack, error) {
		*calls++
		if slices.ContainsFunc(batch, func(u Usage) bool { return u.Customer.ID == "c-archived" }) {
			return nil, err
		}
		return nil, nil
	}}
}

func TestATrickleOfRefusedUsageDelaysNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		s := refuser(errArchived, &calls)
		box := &memOutbox{}
		refused := 0
		var log strings.Builder
		g := gateOf(t, s, WithReporter(slowReporter{s}), WithQueueSize(200), WithOutbox(box), WithRefused(func(Usage, error) { refused++ }),
			WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		trickle(t, g, 5*time.Minute)
		s.mu.Lock()
		if st := g.Stats(); st.Queued > 40 || calls > 3000 {
			t.Errorf("%d wait, %d calls in 5 minutes", st.Queued, calls)
		}
		s.mu.Unlock()
		if h := g.Health(); len(h.Degraded) != 1 || !strings.Contains(h.Degraded[0], "refuses usage") || g.Ready(t.Context()) != nil {
			t.Errorf("%v; ready: %v", h, g.Ready(t.Context()))
		}
		if err := g.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		st := g.Stats()
		if st.Acknowledged != 48*300 || len(s.usages()) != 48*300 || refused != 25*300 || len(box.aside) != refused || len(box.keys()) != 0 {
			t.Errorf("%d acknowledged, %d refused, %d set aside, %d kept", st.Acknowledged, refused, len(box.aside), len(box.keys()))
		}
		if n := strings.Count(log.String(), "level=ERROR"); n < 2 || n > 6 || strings.Contains(log.String(), "c-archived") {
			t.Errorf("%d errors logged in 5 minutes:\n%s", n, log.String())
		}
	})
}

func TestRefusedUsageOfEachKindDelaysNobody(t *testing.T) {
	for _, u := range []Usage{
		{Kind: UsageTotal, FeatureID: "f", Value: 1}, {Kind: UsageEvent, Event: "e", Value: 1}, {Kind: UsageCredits, Currency: "c", Value: 1},
	} {
		t.Run(u.Kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				g := gateOf(t, refuser(errArchived, &calls))
				for i := range 40 * 60 {
					u.Customer.ID = []string{"c-archived", "c"}[i%2]
					if err := g.Report(t.Context(), u); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Second / 40)
				}
				if st := g.Stats(); st.Queued > 20 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

func TestOneRefusedNowAndThenDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{}
		s.report = func(batch []Usage) ([]Ack, error) {
			if slices.ContainsFunc(batch, func(u Usage) bool { return u.Value < 0 }) {
				return nil, errRefused // of this one only
			}
			return nil, nil
		}
		g := gateOf(t, s)
		for i := range 50 * 300 { // 25 a second of each; of one customer every 75th is refused
			u := Usage{Customer: Customer{ID: []string{"garbled", "c"}[i%2]}, FeatureID: "f", Value: 1}
			if i%150 == 0 {
				u.Value = -1
			}
			if err := g.Report(t.Context(), u); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond)
		}
		of := map[string]int{}
		for _, u := range s.usages() {
			of[u.Customer.ID]++
		}
		if of["c"] < 7480 || of["garbled"] < 7300 || g.Stats().Refused < 98 {
			t.Errorf("%v of 7500 each delivered, %d of 100 refused", of, g.Stats().Refused)
		}
	})
}

func TestTotalsAndChangesKeepTheirOrderInQuarantine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []string
		archived := true
		tries := map[string]int{}
		s := &stub{}
		s.report = func(batch []Usage) ([]Ack, error) {
			for _, u := range batch {
				tries[u.Key]++
				switch {
				case u.Customer.ID != "c-archived":
				case archived:
					return nil, errArchived
				case u.Value == 7:
					return nil, errRefused // this one alone
				case u.Value == 8 && tries[u.Key] < 6:
					return nil, errGarbled
				case u.Value == 9 && tries[u.Key] < 3:
					return nil, errStubDown
				}
			}
			for _, u := range batch {
				if u.Customer.ID == "c-archived" {
					order = append(order, u.Key)
				}
			}
			return nil, nil
		}
		g := gateOf(t, s)
		report := reporting(t, g)
		report("c-archived", "first", UsageChange, 1)
		synctest.Wait()
		s.mu.Lock()
		archived = false
		s.mu.Unlock()
		var want []string
		for i := range 60 { // totals between changes, whatever becomes of some
			kind, value := UsageTotal, 1.0
			if i%3 == 0 {
				kind = UsageChange
			}
			switch i {
			case 5:
				value = 7
			case 20, 21:
				value = 8
			case 40:
				value = 9
			}
			key := fmt.Sprint("k", i)
			if value != 7 {
				want = append(want, key)
			}
			report("c-archived", key, kind, value)
			report("c", "c"+key, UsageChange, 1)
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(10 * time.Minute)
		if st := g.Stats(); st.Queued != 0 || st.Refused != 2 || st.Acknowledged != 119 {
			t.Errorf("%+v", st)
		}
		if !slices.Equal(order, want) {
			t.Errorf("delivered %v", order)
		}
	})
}

func TestAQuarantineEndsWhenStiggTakesItsUsage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		archived, together := true, 0
		s := &stub{}
		s.report = func(batch []Usage) ([]Ack, error) {
			first := slices.IndexFunc(batch, func(u Usage) bool { return u.Customer.ID == "c-archived" })
			switch {
			case first >= 0 && archived:
				return nil, errArchived
			case first >= 0 && slices.ContainsFunc(batch, func(u Usage) bool { return u.Customer.ID == "c" }):
				together++
			}
			return nil, nil
		}
		g := gateOf(t, s)
		trickle(t, g, 10*time.Second)
		s.mu.Lock()
		archived = false
		s.mu.Unlock()
		trickle(t, g, 10*time.Second)
		if h := g.Health(); len(h.Degraded) > 0 {
			t.Error(h)
		}
		if err := g.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		seen := map[string]int{}
		for _, u := range s.usages() {
			seen[u.Key]++
		}
		st := g.Stats()
		if len(seen) != len(s.usages()) || int(st.Acknowledged) != len(seen) || st.Acknowledged+st.Refused != 2*(250+480) {
			t.Errorf("%d delivered, %d different, %+v", len(s.usages()), len(seen), st)
		}
		if st.Refused < 240 || st.Refused > 260 || together < 40 {
			t.Errorf("%d refused, %d batches in common", st.Refused, together)
		}
	})
}

func TestCloseDrainsQuarantines(t *testing.T) {
	for _, err := range []error{errRefused, errArchived} {
		synctest.Test(t, func(t *testing.T) {
			calls := 0
			s := refuser(err, &calls)
			g := gateOf(t, s)
			for range 50 { // nothing is sent in this instant but the first
				for _, customer := range []string{"c-archived", "c"} {
					if err := g.Report(t.Context(), Usage{Customer: Customer{ID: customer}, FeatureID: "f", Value: 1}); err != nil {
						t.Fatal(err)
					}
				}
			}
			start := time.Now()
			if err := g.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if st := g.Stats(); st.Refused != 50 || st.Acknowledged != 50 || st.Queued != 0 || !st.Oldest.IsZero() || time.Since(start) > time.Second {
				t.Errorf("%+v after %v", st, time.Since(start))
			}
			if calls > 80 {
				t.Errorf("%d calls for 100 usages of two sorts", calls)
			}
			if left := g.queue.Audit(); len(left) > 0 {
				t.Error(left)
			}
		})
	}
}

func TestAQuarantineCountsInStatsAndKeepsItsPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := false
		s := &stub{report: func([]Usage) ([]Ack, error) {
			if down {
				return nil, errStubDown
			}
			return nil, errArchived
		}}
		g := gateOf(t, s, WithQueueSize(4))
		use := func() error {
			return g.Report(t.Context(), Usage{Customer: Customer{ID: "c-archived"}, FeatureID: "f", Value: 1})
		}
		if err := use(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		s.mu.Lock()
		down = true
		s.mu.Unlock()
		first := time.Now()
		for range 4 {
			if err := use(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if st := g.Stats(); st.Queued != 4 || !st.Oldest.Equal(first) || !errors.Is(use(), ErrQueueFull) {
			t.Errorf("%+v", st)
		}
		s.mu.Lock()
		down = false
		s.mu.Unlock()
		time.Sleep(time.Minute)
		if st := g.Stats(); st.Queued != 0 || st.Refused != 5 || !st.Oldest.IsZero() {
			t.Errorf("%+v", st)
		}
	})
}

func TestTheLogOfRefusalsIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		s := &stub{report: func([]Usage) ([]Ack, error) { return nil, errRefused }}
		g := gateOf(t, s, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		for i := range 500 {
			if err := g.Report(t.Context(), Usage{Customer: Customer{ID: fmt.Sprint("secret", i)}, FeatureID: "f", Value: 1}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(600 * time.Millisecond) // 5 minutes
		}
		if n := strings.Count(log.String(), "level=ERROR"); n > 6*(10+1) || n < 10 || strings.Contains(log.String(), "secret") {
			t.Errorf("%d lines:\n%s", n, log.String())
		}
	})
}
