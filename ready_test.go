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
	withFixture(t, func(f *fixture) {
		ready := func(want string) {
			t.Helper()
			got := strings.Join(append([]string{"ready"}, f.gate.Health().Degraded...), "; ")
			if err := f.gate.Ready(f.Context()); err != nil {
				got = "not ready: " + err.Error()
			}
			if got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
		ready("ready")
		f.check("c")
		f.mu.Lock()
		f.err = errStubDown
		f.mu.Unlock()
		f.check("d")
		ready("ready; entitlements can't be read from Stigg")
		f.report = func([]Usage) ([]Ack, error) { return nil, errStubDown }
		use(f.T, f.gate, "c", 1)
		synctest.Wait()
		ready("ready; entitlements can't be read from Stigg; usage can't be reported to Stigg and waits")
		use(f.T, f.gate, "c", 1)
		ready("ready; entitlements can't be read from Stigg; usage can't be reported to Stigg and waits; too much usage waits to be reported; requests that would report are refused")
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
		ready("ready; Stigg refuses usage for good, and it is set aside")
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
			box := &memOutbox{sick: full}
			options := []Option{WithOutbox(box)}
			if goOn {
				options = append(options, WithOutboxFailOpen())
			}
			g := gateOf(t, &stub{}, options...)
			want := "requests that would report are refused"
			if goOn {
				want = "a crash loses it"
			}
			h := g.Health()
			if err := g.Ready(t.Context()); err != nil || len(h.Degraded) != 1 || !strings.HasSuffix(h.Degraded[0], want) {
				t.Errorf("going on: %v: %v; %v", goOn, h, err)
			}
		}
	})
}

func TestAGateWhoseKeyIsRefusedIsNotReadyUntilItEverReads(t *testing.T) {
	refused := &UpstreamError{Kind: UpstreamUnauthorized, Err: errStubDown}
	withFixture(t, func(f *fixture) {
		ready := func(want error) {
			t.Helper()
			if err := f.gate.Ready(f.Context()); !errors.Is(err, want) {
				t.Errorf("ready: %v, want %v", err, want)
			}
		}
		f.mu.Lock()
		f.err = errStubDown
		f.mu.Unlock()
		f.check("c")
		ready(nil) // an outage
		f.says(EntitlementSet{}, fmt.Errorf("wrapped: %w", refused))
		time.Sleep(time.Minute)
		f.check("c")
		ready(ErrUnauthorized)
		time.Sleep(time.Minute)
		ready(nil) // a request may find out
		f.check("c")
		ready(ErrUnauthorized)
		f.says(features(metered("f", 0, 5)), nil)
		time.Sleep(time.Minute)
		f.check("c")
		ready(nil)
		f.says(EntitlementSet{}, refused)
		f.gate.Invalidate(Customer{ID: "c"})
		f.check("c")
		ready(nil) // what is cached is served
	})
	withFixture(t, func(f *fixture) {
		f.says(EntitlementSet{}, refused)
		f.check("c")
		if err := f.gate.Ready(f.Context()); err != nil {
			t.Errorf("everybody is let in: %v", err)
		}
	}, WithOutage(OutageAllow))
}

// manualWatcher is a Watcher by hand.
type manualWatcher struct {
	*stub
	sinks chan Sink
	end   chan error
}

func (h manualWatcher) Watch(ctx context.Context, s Sink) error {
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
		h := manualWatcher{&stub{set: features(metered("f", 0, 5))}, make(chan Sink, 1), make(chan error)}
		g := gateOf(t, h)
		if h := g.Health(); len(h.Degraded) > 0 || g.Stats().Live {
			t.Errorf("the pushes are missed before they can have come: %v", h)
		}
		(<-h.sinks).SetLive(true)
		if h := g.Health(); len(h.Degraded) > 0 || !g.Stats().Live {
			t.Error(h)
		}
		h.end <- errors.New("the key is refused")
		synctest.Wait()
		if h := g.Health(); len(h.Degraded) != 1 || g.Stats().Live || g.Ready(t.Context()) != nil {
			t.Errorf("without pushes: %v; %v", h, g.Ready(t.Context()))
		}
		second := gateOf(t, h)
		<-h.sinks
		if err := second.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestStatsCountDecisions(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.says(features(metered("f", 5, 5), Entitlement{FeatureID: "on", Kind: Boolean}), nil)
		on := func(customer string) { f.gate.Check(f.Context(), Customer{ID: customer}, Feature("on")) }
		for range 3 {
			on("c")
		}
		f.check("c")
		f.gate.Check(f.Context(), Customer{ID: "c"}, Feature("f").Shadow())
		serve(f.T, f.gate, Feature("on"), request("GET", "/", ""), status(200))
		time.Sleep(2 * time.Minute)
		f.mu.Lock()
		f.err = errStubDown
		f.mu.Unlock()
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
