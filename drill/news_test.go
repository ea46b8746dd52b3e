package drill

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/emulator"
)

// TestAMillionChecksAskSeldom counts upstream calls while news arrive as they happen.
func TestAMillionChecksAskSeldom(t *testing.T) {
	const customers, checks = 1000, 1_000_000
	calls := &calls{}
	_, g := gated{
		stigg:  []emulator.Option{emulator.WithCatalog(bytes.NewReader(catalog(t, customers)))},
		client: []client.Option{client.WithHTTPClient(&http.Client{Transport: calls})},
		gate:   []gate.Option{gate.WithDecisionTimeout(time.Minute), gate.WithTTL(time.Second)},
	}.start(t)
	for !g.Stats().Live { // until then each customer is read once a second
		time.Sleep(time.Millisecond)
	}
	p := gate.Feature("feature-units")
	var wait sync.WaitGroup
	for worker := range 4 {
		wait.Go(func() {
			for i := range checks / 4 {
				if d := g.Check(context.Background(), gate.Customer{ID: customer((i*7919 + worker) % customers)}, p); !d.Allowed {
					t.Error(d.Reason, d.Err)
					return
				}
			}
		})
	}
	wait.Wait()
	if n := calls.count(); n >= 2000 {
		t.Errorf("%d upstream calls", n)
	}
	t.Logf("%d upstream calls for %d checks", calls.count(), checks)
}

// upgrade moves a customer to a plan, as somebody else would, and waits until a check feels
// it: analytics are in Essentials, not in Basic.
func upgrade(b *testing.B, g *gate.Gate, stigg *emulator.Server, plan string, allowed bool) time.Duration {
	b.Helper()
	other, err := client.New(emulator.DefaultKey, client.WithEndpoint(stigg.URL()))
	if err != nil {
		b.Fatal(err)
	}
	c := gate.Customer{ID: "customer-basic"}
	begun := time.Now()
	done, err := other.ProvisionSubscription(context.Background(), client.ProvisionSubscriptionInput{
		CustomerID: c.ID, SubscriptionParams: client.SubscriptionParams{PlanID: plan, BillingPeriod: client.BilledMonthly}})
	if err != nil || done.Status != client.ProvisionSuccess {
		b.Fatal(done, err)
	}
	for g.Check(context.Background(), c, gate.Feature("feature-04-analytics")).Allowed != allowed {
		if time.Since(begun) > time.Minute {
			b.Fatal("the change of plan is not felt")
		}
		time.Sleep(100 * time.Microsecond)
	}
	return time.Since(begun)
}

// upgrades reports how long it takes until an upgrade is felt.
func upgrades(b *testing.B, g *gate.Gate, stigg *emulator.Server) {
	b.Helper()
	var took []time.Duration
	for b.Loop() {
		upgrade(b, g, stigg, "plan-revvenu-basic", false)
		took = append(took, upgrade(b, g, stigg, "plan-revvenu-essentials", true))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "median-ms")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "worst-ms")
}

// BenchmarkUpgrade is the time from an upgrade in Stigg, made by somebody else, to the
// first check that is let in by it, over realtime.
func BenchmarkUpgrade(b *testing.B) {
	stigg, g := gated{gate: []gate.Option{gate.WithDecisionTimeout(time.Minute)}}.start(b)
	for !g.Stats().Live {
		time.Sleep(time.Millisecond)
	}
	upgrades(b, g, stigg)
}
