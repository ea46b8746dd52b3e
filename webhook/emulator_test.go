package webhook_test

import (
	"context"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/emulator"
	"github.com/stiggate/gate/webhook"
)

const customer = "customer-demo-01"

// kept is a sink that keeps the newest of each kind.
type kept struct {
	mu       sync.Mutex
	told     sync.Cond // with mu
	set      gate.EntitlementSet
	patch    gate.Patch
	stale    gate.Customer
	staleAll int
}

func newKept() *kept {
	k := &kept{}
	k.told.L = &k.mu
	return k
}

// keep changes what is kept.
func (k *kept) keep(change func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change()
	k.told.Broadcast()
}

func (k *kept) Replace(c gate.Customer, set gate.EntitlementSet) {
	if c.ID == customer {
		k.keep(func() { k.set = set })
	}
}

func (k *kept) Patch(c gate.Customer, p gate.Patch) {
	if c.ID == customer {
		k.keep(func() { k.patch = p })
	}
}

func (k *kept) Invalidate(c gate.Customer) { k.keep(func() { k.stale = c }) }
func (k *kept) InvalidateAll()             { k.keep(func() { k.staleAll++ }) }
func (k *kept) SetLive(bool)               {}

// until waits for what the sink is to hold.
func (k *kept) until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	late := false
	defer time.AfterFunc(20*time.Second, func() { k.keep(func() { late = true }) }).Stop()
	k.mu.Lock()
	defer k.mu.Unlock()
	for !holds() {
		if late {
			t.Fatalf("%s did not come: %+v, %+v, %+v, %d", what, k.set, k.patch, k.stale, k.staleAll)
		}
		k.told.Wait()
	}
}

func TestTheEmulatorsWebhooksAreTaken(t *testing.T) {
	sink := newKept()
	var mu sync.Mutex
	heard := map[string]int{}
	hooks, err := webhook.New(sink, []string{"the-secret"}, webhook.OnEvent(func(_ context.Context, e webhook.Event) error {
		mu.Lock()
		defer mu.Unlock()
		heard[e.Type]++
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(hooks)
	defer server.Close()
	stigg, err := emulator.New(emulator.WithWebhook(server.URL, "the-secret"))
	if err != nil {
		t.Fatal(err)
	}
	defer stigg.Close()

	if _, err := stigg.Subscribe(customer, "plan-revvenu-pro", emulator.Subscription{}); err != nil {
		t.Fatal(err)
	}
	sink.until(t, "the set", func() bool { return len(sink.set.Features) > 0 })
	sink.until(t, "the subscription", func() bool { return sink.stale == gate.Customer{ID: customer} })
	if err := stigg.Report(emulator.Measurement{CustomerID: customer, FeatureID: "feature-01-templates", Value: 2, UpdateBehavior: "SET", IdempotencyKey: "k"}); err != nil {
		t.Fatal(err)
	}
	sink.until(t, "the usage", func() bool {
		return sink.patch.FeatureID == "feature-01-templates" && sink.patch.Usage == 2 && !sink.patch.At.IsZero()
	})
	if err := stigg.Publish("plan-revvenu-pro", "ALL_CUSTOMERS"); err != nil {
		t.Fatal(err)
	}
	sink.until(t, "the plan", func() bool { return sink.staleAll > 0 })
	if stats := hooks.Stats(); stats.Refused+stats.Malformed+stats.Failed+stats.Ignored != 0 {
		t.Errorf("the stats are %+v", stats)
	}
	for _, kind := range []string{"subscription.created", "entitlements.updated", "measurement.reported"} {
		sink.until(t, kind, func() bool {
			mu.Lock()
			defer mu.Unlock()
			return heard[kind] > 0
		})
	}
}
