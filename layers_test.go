package gate

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestTheTTLOfACacheInFrontIsNotAddedTwice: a set that a cache in front of the Source has read some
// time ago is fresh for so much less, and served stale for so much less; one that is over when it
// comes is not asked for again and again.
func TestTheTTLOfACacheInFrontIsNotAddedTwice(t *testing.T) {
	for name, tt := range map[string]struct {
		cached, fresh, stale time.Duration // how long it is surely fresh, and surely not any more
	}{
		"read just now":      {0, 53 * time.Second, 67 * time.Second},
		"read a while ago":   {40 * time.Second, 13 * time.Second, 27 * time.Second},
		"over when it comes": {59 * time.Minute, 0, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &stub{set: EntitlementSet{Features: []Entitlement{metered("f", 0, 5)}, Cached: tt.cached}}
				g := gateOf(t, s)
				defer func() { _ = g.Close(context.Background()) }()
				origin := func() Origin { return g.Check(t.Context(), Customer{ID: "c"}, Feature("f")).Origin }
				if got := origin(); got != OriginFresh {
					t.Errorf("at once it is %v", got)
				}
				time.Sleep(tt.fresh)
				if got := origin(); got != OriginFresh {
					t.Errorf("after %v it is %v", tt.fresh, got)
				}
				if n := s.count(); n != 1 {
					t.Errorf("it was read %d times", n)
				}
				time.Sleep(tt.stale - tt.fresh)
				if got := origin(); got != OriginStale {
					t.Errorf("after %v it is %v", tt.stale, got)
				}
				synctest.Wait()
				if n := s.count(); n != 2 {
					t.Errorf("it was read %d times, want again", n)
				}
			})
		})
	}
	t.Run("too old to be served stale", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &stub{set: EntitlementSet{Features: []Entitlement{metered("f", 0, 5)}, Cached: 59 * time.Minute}}
			g := gateOf(t, s)
			defer func() { _ = g.Close(context.Background()) }()
			g.Check(t.Context(), Customer{ID: "c"}, Feature("f"))
			s.mu.Lock()
			s.err = errors.New("down")
			s.mu.Unlock()
			time.Sleep(59 * time.Second)
			if got := g.Check(t.Context(), Customer{ID: "c"}, Feature("f")); got.Origin != OriginStale {
				t.Errorf("within an hour: %+v", got)
			}
			time.Sleep(2 * time.Second)
			if got := g.Check(t.Context(), Customer{ID: "c"}, Feature("f")); got.Allowed || got.Reason != ReasonUnavailable {
				t.Errorf("after an hour: %+v", got)
			}
		})
	})
}

// partial is a Watcher that never says that news arrive.
type partial struct {
	*stub
	part bool
}

func (p *partial) Partial() bool { return p.part }

func (*partial) Watch(ctx context.Context, _ Sink) error { <-ctx.Done(); return nil }

func TestAWatcherOfPartOfTheNewsIsNotMissed(t *testing.T) {
	for _, part := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			g := gateOf(t, &partial{&stub{}, part}, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
			defer func() { _ = g.Close(context.Background()) }()
			time.Sleep(time.Minute)
			synctest.Wait()
			if warned := strings.Contains(log.String(), "level=WARN"); warned == part || len(g.Health().Degraded) > 0 == part {
				t.Errorf("of a Watcher that is partial (%v) it is warned (%v): %s, %q", part, warned, &log, g.Health().Degraded)
			}
		})
	}
}
