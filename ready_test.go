package gate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestReady(t *testing.T) {
	weather(t, func(f *forecast) {
		ready := func(want string) {
			t.Helper()
			err := f.gate.Ready(f.Context())
			var degraded *DegradedError
			got := "ready"
			switch {
			case errors.As(err, &degraded):
				got = strings.Join(degraded.Problems, "; ")
			case err != nil:
				got = "not ready: " + err.Error()
			}
			if got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
		ready("ready")
		f.check("c")
		f.says(EntitlementSet{}, errStubDown)
		f.check("d")
		ready("entitlements can't be read from Stigg")
		f.report = func([]Usage) ([]Ack, error) { return nil, errStubDown }
		use(f.T, f.gate, "c", 1)
		synctest.Wait()
		ready("entitlements can't be read from Stigg; usage can't be reported to Stigg and waits")
		use(f.T, f.gate, "c", 1)
		ready("not ready: " + ErrQueueFull.Error())
		f.mu.Lock()
		f.report, f.err = nil, nil
		f.mu.Unlock()
		time.Sleep(time.Minute)
		f.check("e")
		ready("ready")
		f.mu.Lock()
		f.report = func([]Usage) ([]Ack, error) { return nil, errRefused }
		f.mu.Unlock()
		use(f.T, f.gate, "c", 1)
		synctest.Wait()
		ready("Stigg refuses usage for good, and it is set aside")
		time.Sleep(time.Minute)
		f.check("e")
		ready("ready")
		ended, cancel := context.WithCancel(f.Context())
		cancel()
		if err := f.gate.Ready(ended); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		_ = f.gate.Close(f.Context())
		ready("not ready: " + ErrClosed.Error())
	}, WithQueueSize(2))
}

func TestReadyOfTheOutbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("disk full")
		for _, goOn := range []bool{false, true} {
			box := &shelf{sick: full}
			options := []Option{WithOutbox(box)}
			if goOn {
				options = append(options, WithOutboxFailOpen())
			}
			g := gateOf(t, &stub{}, options...)
			var degraded *DegradedError
			if err := g.Ready(t.Context()); errors.As(err, &degraded) != goOn || errors.Is(err, full) == goOn {
				t.Errorf("going on: %v: %v", goOn, err)
			}
		}
	})
}

// herald is a Watcher by hand.
type herald struct {
	*stub
	sinks chan Sink
	end   chan error
}

func (h herald) Watch(ctx context.Context, s Sink) error {
	h.sinks <- s
	select {
	case err := <-h.end:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestAWatcherIsFollowedUntilClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := herald{&stub{set: features(metered("f", 0, 5))}, make(chan Sink, 1), make(chan error)}
		g := gateOf(t, h)
		var degraded *DegradedError
		if err := g.Ready(t.Context()); err != nil || g.Stats().Live {
			t.Errorf("not ready before the news arrive, which nothing waits for: %v", err)
		}
		(<-h.sinks).Live(true)
		if err := g.Ready(t.Context()); err != nil || !g.Stats().Live {
			t.Error(err)
		}
		h.end <- errors.New("the key is refused")
		synctest.Wait()
		if err := g.Ready(t.Context()); !errors.As(err, &degraded) || g.Stats().Live {
			t.Errorf("ready without news: %v", err)
		}
		second := gateOf(t, h)
		<-h.sinks
		if err := second.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestStatsCountDecisions(t *testing.T) {
	weather(t, func(f *forecast) {
		f.says(features(metered("f", 5, 5), Entitlement{FeatureID: "on", Kind: Boolean}), nil)
		on := func(customer string) { f.gate.Check(f.Context(), Customer{ID: customer}, Feature("on")) }
		for range 3 {
			on("c")
		}
		f.check("c")
		f.gate.Check(f.Context(), Customer{ID: "c"}, Feature("f").Shadow())
		serve(f.T, f.gate, Feature("on"), request("GET", "/", ""), status(200))
		time.Sleep(2 * time.Minute)
		f.says(EntitlementSet{}, errStubDown)
		on("c")
		on("d")
		s := f.gate.Stats()
		got := fmt.Sprint(s.Fresh, s.Stale, s.Fallback, s.Offline, s.Early, s.Shadowed, s.Customers)
		if want := "{3 2 0} {1 0 0} {0 0 1} {0 0 0} {0 1 0} 1 1"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if s.LoadsFailed < 1 || s.LoadsFailed > 2 || s.Waited > 2 { // of d, and of c's refresh
			t.Errorf("%d loads failed, %d waited", s.LoadsFailed, s.Waited)
		}
		before := time.Now()
		f.report = func([]Usage) ([]Ack, error) { return nil, errStubDown }
		if err := f.gate.Report(f.Context(), Usage{Customer: Customer{ID: "c"}, FeatureID: "f", Value: 1}); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			time.Sleep(time.Second)
			if s := f.gate.Stats(); !s.Oldest.Equal(before) || s.Queued != 1 {
				t.Errorf("oldest %v, want %v; %+v", s.Oldest, before, s)
			}
		}
	})
}
