package gate

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stiggate/gate/internal/valid"
)

// slowReporter is a Reporter whose answers take 50 ms.
type slowReporter struct{ Reporter }

func (f slowReporter) Report(ctx context.Context, batch []Usage) ([]Ack, error) {
	time.Sleep(50 * time.Millisecond)
	return f.Reporter.Report(ctx, batch)
}

func TestWhatIsGarbledIsTriedAgainHoweverMuchElseThereIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{}
		solved := time.Now().Add(5 * time.Second)
		var delivered time.Time
		s.report = func(batch []Usage) ([]Ack, error) {
			for _, u := range batch {
				switch {
				case u.Customer.ID != "garbled":
				case time.Now().Before(solved):
					return nil, errGarbled
				default:
					delivered = time.Now()
				}
			}
			return nil, nil
		}
		g := gateOf(t, s, WithReporter(slowReporter{s}))
		report := func(customer string) {
			t.Helper()
			if err := g.Report(t.Context(), Usage{Customer: Customer{ID: customer}, FeatureID: "f", Value: 1}); err != nil {
				t.Fatal(err)
			}
		}
		report("garbled")
		for range 30 * 50 { // 50 a second: there is always more when a batch is through
			report("c")
			time.Sleep(20 * time.Millisecond)
		}
		if err := g.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if delay := delivered.Sub(solved); delay > 2*10*time.Second {
			t.Errorf("delivered %v after it could be", delay)
		}
	})
}

func TestSplitBatchesKeepThePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{}
		calls := 0
		s.report = func([]Usage) ([]Ack, error) { calls++; return nil, errRefused }
		g := gateOf(t, s)
		for range 2000 {
			if err := g.Report(t.Context(), Usage{Customer: Customer{ID: "archived"}, FeatureID: "f", Value: 1}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		s.mu.Lock()
		if calls < 500 || calls > 602 {
			t.Errorf("%d calls in a minute, Stigg takes 600", calls)
		}
		s.mu.Unlock()
		if err := g.Close(t.Context()); err != nil || g.Stats().Refused != 2000 {
			t.Errorf("%d refused, %v", g.Stats().Refused, err)
		}
	})
}

func TestABatchOfLargeEventsArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{}
		var sizes []int
		s.report = func(batch []Usage) ([]Ack, error) { sizes = append(sizes, len(batch)); return nil, nil }
		block := make(chan struct{})
		g := gateOf(t, s, WithReporter(blockedReporter{s, block}))
		for range 8 {
			large := map[string]any{"a": strings.Repeat("x", valid.MaxNamed-100)}
			if err := g.Report(t.Context(), Usage{Customer: Customer{ID: "c"}, Kind: UsageEvent, Event: "e", Dimensions: large}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // the first leaves alone
		}
		close(block)
		if err := g.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(sizes); got != "[1 4 3]" {
			t.Errorf("batches of %s events of 1 MB", got)
		}
	})
}

func TestWhatComesAfterSomethingGarbledStaysBehindIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g *Gate
		var order []string
		solved, came := false, false
		report := func(key string, kind UsageKind) {
			t.Helper()
			if err := g.Report(t.Context(), Usage{Customer: Customer{ID: "c"}, FeatureID: "f", Kind: kind, Value: 1, Key: key}); err != nil {
				t.Error(err)
			}
		}
		s := &stub{report: func(batch []Usage) ([]Ack, error) {
			for _, u := range batch {
				if u.Key == "1 garbled" && !solved {
					return nil, errGarbled
				}
			}
			if !came && solved {
				came = true
				report("3", UsageTotal)
			}
			for _, u := range batch {
				order = append(order, u.Key)
			}
			return nil, nil
		}}
		g = gateOf(t, s)
		report("1 garbled", UsageTotal)
		time.Sleep(time.Second)
		report("2", UsageChange)
		time.Sleep(time.Second)
		s.mu.Lock()
		solved = true
		s.mu.Unlock()
		time.Sleep(2 * 10 * time.Second)
		if err := g.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(order, ", "); got != "1 garbled, 2, 3" {
			t.Errorf("delivered %s", got)
		}
	})
}

func TestAMeasurementThatStiggStumblesOverBlocksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{}
		s.report = func(batch []Usage) ([]Ack, error) {
			for _, u := range batch {
				if u.Customer.ID == "poison" {
					return nil, errStubDown
				}
			}
			return nil, nil
		}
		g := gateOf(t, s)
		for i := range 10 {
			id := fmt.Sprint("c", i)
			if i == 5 {
				id = "poison"
			}
			if err := g.Report(t.Context(), Usage{Customer: Customer{ID: id}, FeatureID: "f", Value: 1}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Hour)
		if st := g.Stats(); st.Acknowledged != 9 || st.Queued != 1 {
			t.Errorf("%d of 9 delivered after an hour, %d queued", st.Acknowledged, st.Queued)
		}
	})
}

func TestAnHourOfOutageLosesNothingAndEndsSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{}
		back := time.Now().Add(time.Hour)
		s.report = func([]Usage) ([]Ack, error) {
			if time.Now().Before(back) {
				return nil, errStubDown
			}
			return nil, nil
		}
		g := gateOf(t, s)
		for i := range 1000 {
			if err := g.Report(t.Context(), Usage{Customer: Customer{ID: fmt.Sprint("c", i)}, FeatureID: "f", Value: 1}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Hour + time.Minute)
		if st := g.Stats(); st.Acknowledged != 1000 || st.Retries > 1000 {
			t.Errorf("%d of 1000 delivered a minute after the outage, %d attempts failed", st.Acknowledged, st.Retries)
		}
	})
}
