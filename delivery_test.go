package gate

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func use(t *testing.T, g *Gate, customer string, n float64) {
	t.Helper()
	ticket, d := g.Admit(t.Context(), Customer{ID: customer}, Feature("f").Uses(n))
	if !d.Allowed {
		t.Fatalf("denied: %s (%v)", d.Reason, d.Err)
	}
	_ = ticket.Settle()
}

func TestTheFirstReportLeavesAtOnceThenBatchesFill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 0, 1e9))}
		var at []time.Duration
		var sizes []int
		start := time.Now()
		s.report = func(batch []Usage) ([]Ack, error) {
			at, sizes = append(at, time.Since(start)), append(sizes, len(batch))
			return nil, nil
		}
		g := gateOf(t, s)
		use(t, g, "c", 1)
		synctest.Wait()
		for range 250 {
			use(t, g, "c", 1)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := fmt.Sprint(sizes, at); got != "[1 100 100 50] [0s 100ms 200ms 400ms]" {
			t.Errorf("batches %s", got)
		}
		if err := g.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestEveryAttemptCarriesTheSameKeyAndTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 0, 5))}
		var seen []Usage
		s.report = func(batch []Usage) ([]Ack, error) {
			seen = append(seen, batch...)
			if len(seen) < 5 {
				return nil, errStubDown
			}
			return nil, nil
		}
		g := gateOf(t, s)
		admitted := time.Now()
		ticket, _ := g.Admit(t.Context(), Customer{ID: "c"}, Feature("f").Uses(2))
		time.Sleep(3 * time.Second) // the handler works
		_ = ticket.Settle()
		if err := g.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, u := range seen {
			if !reflect.DeepEqual(u, seen[0]) || !u.CreatedAt.Equal(admitted) || u.Value != 2 || u.Key == "" {
				t.Errorf("an attempt carried %+v, the first %+v", u, seen[0])
			}
		}
		if len(seen) != 5 || len(s.usages()) != 1 {
			t.Errorf("%d attempts, %d taken", len(seen), len(s.usages()))
		}
		if st := g.Stats(); st.Retries != 4 || st.Acknowledged != 1 {
			t.Errorf("got %+v", st)
		}
	})
}

func TestOneRefusedMeasurementCostsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 0, 1e9))}
		s.report = func(batch []Usage) ([]Ack, error) {
			for _, u := range batch {
				if u.Customer.ID == "archived" {
					return nil, fmt.Errorf("wrapped: %w", errRefused)
				}
			}
			return nil, nil
		}
		var refused []Usage
		g := gateOf(t, s, WithRefused(func(u Usage, err error) {
			if !errors.Is(err, errRefused) {
				t.Errorf("refused with %v", err)
			}
			refused = append(refused, u)
		}))
		for i := range 40 {
			customer := fmt.Sprint("c", i)
			if i == 7 || i == 23 {
				customer = "archived"
			}
			use(t, g, customer, 1)
		}
		if err := g.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(s.usages()) != 38 || len(refused) != 2 {
			t.Errorf("%d taken, %d refused, want 38 and 2", len(s.usages()), len(refused))
		}
		if st := g.Stats(); st.Acknowledged != 38 || st.Refused != 2 || st.Queued != 0 {
			t.Errorf("got %+v", st)
		}
	})
}

func TestOneGarbledAnswerDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 0, 1e9))}
		solved := false
		s.report = func(batch []Usage) ([]Ack, error) {
			for _, u := range batch {
				if u.Customer.ID == "garbled" && !solved {
					return nil, fmt.Errorf("wrapped: %w", errGarbled)
				}
			}
			return nil, nil
		}
		g := gateOf(t, s)
		for i := range 40 {
			customer := fmt.Sprint("c", i)
			if i%10 == 7 {
				customer = "garbled"
			}
			use(t, g, customer, 1)
		}
		time.Sleep(30 * time.Second)
		use(t, g, "next", 1)
		time.Sleep(30 * time.Second)
		if n := len(s.usages()); n != 37 || g.Stats().Queued != 4 {
			t.Errorf("%d delivered, %d queued, want 37 and 4", n, g.Stats().Queued)
		}
		s.mu.Lock()
		solved = true
		s.mu.Unlock()
		start := time.Now()
		if err := g.Close(t.Context()); err != nil || len(s.usages()) != 41 {
			t.Errorf("%d delivered, %v", len(s.usages()), err)
		}
		if waited := time.Since(start); waited > 2*time.Second {
			t.Errorf("Close took %v once all could be delivered", waited)
		}
	})
}

func TestAnAnswerToAllThatIsGarbledIsAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 0, 1e9))}
		until := time.Now().Add(20 * time.Second)
		s.report = func([]Usage) ([]Ack, error) {
			if time.Now().Before(until) {
				return nil, errGarbled
			}
			return nil, nil
		}
		g := gateOf(t, s)
		for range 150 {
			use(t, g, "c", 1)
		}
		time.Sleep(time.Minute)
		if n := len(s.usages()); n != 150 {
			t.Errorf("%d of 150 delivered within 40 s of the end", n)
		}
		if st := g.Stats(); st.Retries > 1000 {
			t.Errorf("%d attempts failed within 20 s", st.Retries)
		}
	})
}

func TestCloseWaitsForNoPauseThatNobodyAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 0, 5))}
		down := true
		s.report = func([]Usage) ([]Ack, error) {
			if down {
				return nil, errStubDown
			}
			return nil, nil
		}
		g := gateOf(t, s)
		use(t, g, "c", 1)
		time.Sleep(10 * time.Minute) // the pauses are at their longest
		s.mu.Lock()
		down = false
		s.mu.Unlock()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := g.Close(ctx); err != nil {
			t.Error(err)
		}
	})
}

// reporterFunc is a Reporter, called by several goroutines at once if it never returns.
type reporterFunc func(context.Context, []Usage) ([]Ack, error)

func (f reporterFunc) Report(ctx context.Context, batch []Usage) ([]Ack, error) { return f(ctx, batch) }

func TestEachCloseKeepsToItsOwnContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		s := &stub{set: features(metered("f", 0, 5))}
		g := gateOf(t, s, WithReporter(reporterFunc(func(context.Context, []Usage) ([]Ack, error) { <-stuck; return nil, nil }))) // ignores its context
		use(t, g, "c", 1)
		synctest.Wait()
		first := make(chan error)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			first <- g.Close(ctx)
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := g.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("the second: %v after %v", err, time.Since(start))
		}
		var left *UndeliveredError
		if err := <-first; !errors.As(err, &left) || left.Queued != 1 || time.Since(start) != time.Minute {
			t.Errorf("the first: %v after %v", err, time.Since(start))
		}
		close(stuck)
	})
}

func TestRefusedUsageFreesTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 0, 1))}
		s.report = func([]Usage) ([]Ack, error) { return nil, errRefused }
		g := gateOf(t, s)
		use(t, g, "c", 1)
		synctest.Wait()
		if d := g.Check(t.Context(), Customer{ID: "c"}, Feature("f")); !d.Allowed {
			t.Errorf("what Stigg never counted still counts: %q", d.Reason)
		}
	})
}

func TestUsageRefusedAfterALostAnswerMayHaveCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 0, 1))}
		tries := 0
		s.report = func([]Usage) ([]Ack, error) {
			if tries++; tries == 1 {
				s.set = features(metered("f", 1, 1)) // Stigg counts it
				return nil, errStubDown              // the answer is lost
			}
			return nil, errRefused // the customer was archived since
		}
		g := gateOf(t, s)
		use(t, g, "c", 1)
		time.Sleep(time.Second)
		if d := g.Check(t.Context(), Customer{ID: "c"}, Feature("f")); d.Reason != ReasonLimitExceeded || g.Stats().Refused != 1 {
			t.Errorf("got %q, %+v", d.Reason, g.Stats())
		}
	})
}

func TestRetryAfterIsObeyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 0, 5))}
		start, tries := time.Now(), 0
		s.report = func([]Usage) ([]Ack, error) {
			if tries++; tries == 1 {
				return nil, busyFor(7 * time.Second)
			}
			return nil, nil
		}
		g := gateOf(t, s)
		use(t, g, "c", 1)
		if err := g.Close(t.Context()); err != nil || time.Since(start) < 7*time.Second {
			t.Errorf("closed after %v: %v", time.Since(start), err)
		}
	})
}

func TestAnAnswerOfTheWrongLengthIsNoAcknowledgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 0, 5))}
		tries := 0
		s.report = func(batch []Usage) ([]Ack, error) {
			if tries++; tries == 1 {
				return make([]Ack, len(batch)+1), nil
			}
			return nil, nil
		}
		g := gateOf(t, s)
		use(t, g, "c", 1)
		if err := g.Close(t.Context()); err != nil || tries != 2 {
			t.Errorf("%d tries, %v", tries, err)
		}
	})
}

func TestAFullQueueDeniesInsteadOfLosing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 0, 1e9))}
		up := false
		s.report = func([]Usage) ([]Ack, error) {
			if !up {
				return nil, errStubDown
			}
			return nil, nil
		}
		g := gateOf(t, s, WithQueueSize(3))
		use(t, g, "c", 1)
		use(t, g, "c", 1)
		running, _ := g.Admit(t.Context(), Customer{ID: "c"}, Feature("f").Uses(1))
		synctest.Wait()
		_, d := g.Admit(t.Context(), Customer{ID: "c"}, Feature("f").Uses(1))
		if d.Reason != ReasonUnavailable || d.Status != 503 {
			t.Errorf("with the queue full: %q", d.Reason)
		}
		if d := g.Check(t.Context(), Customer{ID: "c"}, Feature("f")); !d.Allowed {
			t.Errorf("what reports nothing is denied too: %q", d.Reason)
		}
		_ = running.Settle()
		s.mu.Lock()
		up = true
		s.mu.Unlock()
		if err := g.Close(t.Context()); err != nil || len(s.usages()) != 3 {
			t.Errorf("%d delivered, %v", len(s.usages()), err)
		}
	})
}

func TestCloseCountsWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 0, 1e9)), err: nil}
		s.report = func([]Usage) ([]Ack, error) { return nil, errStubDown }
		g := gateOf(t, s)
		for range 150 {
			use(t, g, "c", 1)
		}
		_, _ = g.Admit(t.Context(), Customer{ID: "c"}, Feature("f").Uses(1)) // never settled
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := g.Close(ctx)
		var left *UndeliveredError
		if !errors.As(err, &left) || left.Queued != 150 || left.Open != 1 {
			t.Errorf("got %v", err)
		}
		if again := g.Close(t.Context()); !errors.Is(again, err) {
			t.Errorf("closed again: %v", again)
		}
		if _, d := g.Admit(t.Context(), Customer{ID: "c"}, Feature("f").Uses(1)); d.Reason != ReasonUnavailable || !errors.Is(d.Err, ErrClosed) {
			t.Errorf("after Close: %q, %v", d.Reason, d.Err)
		}
	})
}

func TestCloseWaitsForRunningRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 0, 5))}
		g := gateOf(t, s)
		ticket, _ := g.Admit(t.Context(), Customer{ID: "c"}, Feature("f").Uses(1))
		closed := make(chan error)
		go func() { closed <- g.Close(t.Context()) }()
		synctest.Wait()
		select {
		case err := <-closed:
			t.Fatalf("closed with a request running: %v", err)
		default:
		}
		_ = ticket.Settle()
		if err := <-closed; err != nil || len(s.usages()) != 1 {
			t.Errorf("%d delivered, %v", len(s.usages()), err)
		}
	})
}

func TestCloseWithoutUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gateOf(t, &stub{})
		for range 2 {
			if err := g.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestReadYourWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 0, 5))}
		s.report = func([]Usage) ([]Ack, error) {
			return []Ack{{Known: true, Usage: 4, At: time.Now()}}, nil // another process used 3
		}
		arrive := make(chan struct{})
		g := gateOf(t, s, WithReporter(blockedReporter{s, arrive}))
		use(t, g, "c", 1)
		if d := g.Check(t.Context(), Customer{ID: "c"}, Feature("f")); d.Usage != 1 {
			t.Errorf("before the acknowledgement: %v used, want 1", d.Usage)
		}
		close(arrive)
		synctest.Wait()
		if d := g.Check(t.Context(), Customer{ID: "c"}, Feature("f")); d.Usage != 4 || s.count() != 1 {
			t.Errorf("after it: %v used, %d loads, want 4 and 1", d.Usage, s.count())
		}
	})
}

// stuckOutbox is an outbox whose Close never returns.
type stuckOutbox struct{ memOutbox }

func (*stuckOutbox) Close() error { select {} }

func TestCloseReturnsThoughTheOutboxHangs(t *testing.T) {
	g := gateOf(t, &stub{set: features(metered("f", 0, 5))}, WithOutbox(&stuckOutbox{}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestUsageIsDeliveredThoughTheObserverHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, forever := &stub{set: features(metered("f", 0, 5))}, make(chan struct{})
		g := gateOf(t, s, WithObserver(Observer{Settled: func(context.Context, Decision, Outcome, []Usage) { <-forever }}))
		ticket, _ := g.Admit(t.Context(), Customer{ID: "c"}, Feature("f").Uses(1))
		go func() { _ = ticket.Settle() }()
		time.Sleep(time.Minute)
		if n := g.Stats().Acknowledged; n != 1 {
			t.Errorf("%d were delivered", n)
		}
		close(forever)
	})
}

func TestAQueueThatIsFullByBytesDenies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := make(chan struct{})
		s := &stub{set: features(metered("f", 0, 50))}
		g := gateOf(t, s, WithReporter(blockedReporter{s, up}), WithQueueBytes(10_000))
		large := Usage{Customer: Customer{ID: "c"}, Kind: UsageEvent, Event: "e", Dimensions: map[string]any{"x": strings.Repeat("x", 20_000)}}
		if err := g.Report(t.Context(), large); err != nil {
			t.Fatal(err)
		}
		if err := g.Report(t.Context(), large); !errors.Is(err, ErrQueueFull) {
			t.Errorf("Report: %v", err)
		}
		if _, d := g.Admit(t.Context(), Customer{ID: "c"}, Feature("f").Uses(1)); d.Allowed || d.Status != 503 {
			t.Errorf("%+v", d)
		}
		close(up)
		if err := g.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestAQueuedUsageIsSmall measures the heap that the usages of tickets take while they wait.
func TestAQueuedUsageIsSmall(t *testing.T) {
	const n = 50_000
	s := &stub{set: features(metered("f", 0, 1e9))}
	g := gateOf(t, s, WithReporter(reporterFunc(func(ctx context.Context, _ []Usage) ([]Ack, error) { <-ctx.Done(); return nil, ctx.Err() })))
	c, p := Customer{ID: "c"}, Feature("f").Uses(1)
	g.Check(t.Context(), c, p)
	heap := func() float64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	before := heap()
	settle := func() {
		ticket, d := g.Admit(t.Context(), c, p)
		if !d.Allowed {
			t.Fatal(d)
		}
		if err := ticket.Settle(); err != nil {
			t.Fatal(err)
		}
	}
	for range n {
		settle()
	}
	if each := (heap() - before) / n; each > 100 {
		t.Errorf("a queued usage takes %.0f bytes", each)
	}
	if allocs := testing.AllocsPerRun(1000, settle); allocs > 1 {
		t.Errorf("%v allocations to admit and settle, want the ticket's alone", allocs)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = g.Close(ctx)
}
