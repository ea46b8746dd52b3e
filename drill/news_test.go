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
	stigg, err := emulator.Start("127.0.0.1:0", emulator.WithCatalog(bytes.NewReader(catalog(t, customers))))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stigg.Close() }()
	calls := &calls{}
	source, err := client.New(emulator.DefaultKey, client.WithEndpoint(stigg.URL()), client.WithHTTPClient(&http.Client{Transport: calls}))
	if err != nil {
		t.Fatal(err)
	}
	g, err := gate.New(source, gate.FromTrustedHeader("X-Customer-ID", ""), gate.WithDecisionDeadline(time.Minute), gate.WithTTL(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = g.Close(context.Background()) }()
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

// BenchmarkUpgrade is the time from an upgrade in Stigg, made by somebody else, to the
// first request that is let in by it.
func BenchmarkUpgrade(b *testing.B) {
	stigg, err := emulator.Start("127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = stigg.Close() }()
	source, err := client.New(emulator.DefaultKey, client.WithEndpoint(stigg.URL()))
	if err != nil {
		b.Fatal(err)
	}
	other, err := client.New(emulator.DefaultKey, client.WithEndpoint(stigg.URL()))
	if err != nil {
		b.Fatal(err)
	}
	g, err := gate.New(source, gate.FromTrustedHeader("X-Customer-ID", ""), gate.WithDecisionDeadline(time.Minute))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = g.Close(context.Background()) }()
	for !g.Stats().Live {
		time.Sleep(time.Millisecond)
	}
	c := gate.Customer{ID: "customer-basic"}
	move := func(plan string) time.Time {
		done, err := other.ProvisionSubscription(context.Background(), client.ProvisionSubscriptionInput{
			CustomerID: c.ID, SubscriptionParams: client.SubscriptionParams{PlanID: plan, BillingPeriod: client.BilledMonthly}})
		if err != nil || done.Status != client.ProvisionSuccess {
			b.Fatal(done, err)
		}
		return time.Now()
	}
	felt := func(allowed bool) time.Time {
		for end := time.Now().Add(time.Minute); g.Check(context.Background(), c, gate.Feature("feature-04-analytics")).Allowed != allowed; {
			if time.Now().After(end) {
				b.Fatal("the change of plan is not felt")
			}
			time.Sleep(100 * time.Microsecond)
		}
		return time.Now()
	}
	var took []time.Duration
	for b.Loop() {
		move("plan-revvenu-basic")
		felt(false)
		begun := time.Now()
		move("plan-revvenu-essentials")
		took = append(took, felt(true).Sub(begun))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "median-ms")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "worst-ms")
}
