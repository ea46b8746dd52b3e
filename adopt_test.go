package gate

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// sharedOutbox is a memOutbox that other processes have, too: usage of one that has ended is in dead.
type sharedOutbox struct {
	memOutbox
	dead chan []Usage
	last error // take's last answer
}

func (s *sharedOutbox) Adopt(ctx context.Context, take func(...Usage) error) error {
	for {
		select {
		case u := <-s.dead:
			s.mu.Lock()
			s.usages = append(s.usages, u...)
			s.mu.Unlock()
			s.last = take(u...)
		case <-ctx.Done():
			s.last = take(Usage{Customer: Customer{ID: "c"}, FeatureID: "f", Value: 1, Key: "late"})
			return ctx.Err()
		}
	}
}

// TestUsageOfAProcessThatDiedIsDeliveredByAnother: it counts from the moment that it is taken over,
// as usage that may have been sent before, keeps its key and its time, and leaves the outbox when
// Stigg has it, or refuses it.
func TestUsageOfAProcessThatDiedIsDeliveredByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, at := Customer{ID: "c"}, time.Now().Add(-time.Minute)
		s := &stub{set: EntitlementSet{
			Features: []Entitlement{metered("f", 0, 5), metered("seats", 0, 10)},
			Credits:  []Credit{{CurrencyID: "tokens", Limit: 50}},
		}}
		box, up := &sharedOutbox{dead: make(chan []Usage)}, make(chan struct{})
		g := gateOf(t, s, WithOutbox(box), WithReporter(blockedReporter{s, up}))
		if d := g.Check(t.Context(), c, Feature("f").Asks(5)); !d.Allowed {
			t.Errorf("before: %+v", d)
		}
		box.dead <- []Usage{
			{Customer: c, FeatureID: "f", Value: 2, Key: "k1", CreatedAt: at},
			{Customer: c, FeatureID: "f", Value: 1, Key: "", CreatedAt: at},
			{Customer: c, FeatureID: "f", Value: 2, Key: "k2", CreatedAt: at},
			{Customer: c, Kind: UsageTotal, FeatureID: "seats", Value: 9, Key: "k3", CreatedAt: at},
			{Customer: c, Kind: UsageCredits, Currency: "tokens", Value: 30, Key: "k4", CreatedAt: at},
		}
		synctest.Wait()
		for p, want := range map[*Policy]float64{ptr(Feature("f")): 4, ptr(Feature("seats")): 9, ptr(Credits("tokens")): 30} {
			if d := g.Check(t.Context(), c, *p); !d.Allowed || d.Usage != want {
				t.Errorf("%v: %v known, want %v", p.asks.Item.ID, d.Usage, want)
			}
		}
		if d := g.Check(t.Context(), c, Feature("f").Asks(2)); d.Allowed || d.Reason != ReasonPending { // the dead process may have sent it
			t.Errorf("got %+v", d)
		}
		close(up)
		if err := g.Close(t.Context()); err != nil {
			t.Error(err)
		}
		var keys []string
		for _, u := range s.usages() {
			keys = append(keys, u.Key)
			if !u.CreatedAt.Equal(at) {
				t.Errorf("%s is sent with another time", u.Key)
			}
		}
		slices.Sort(keys)
		if got := strings.Join(keys, " "); got != "k1 k2 k3 k4" {
			t.Errorf("delivered %s", got)
		}
		if got := box.keys(); len(got) != 1 || got[0] != "" {
			t.Errorf("left in the outbox: %q", got)
		}
		if !errors.Is(box.last, ErrClosed) {
			t.Errorf("take after Close: %v, want %v", box.last, ErrClosed)
		}
	})
}
