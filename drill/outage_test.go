package drill

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/emulator"
	"github.com/stiggate/gate/webhook"
)

// BenchmarkOutage is a check of a cached customer, by what Stigg does meanwhile: it must
// cost the same. cold-worst-ms is the longest of 50 checks of customers that nobody asked
// for before; the decision timeout is 250 ms.
func BenchmarkOutage(b *testing.B) {
	for _, weather := range []struct {
		name  string
		fault *emulator.Fault
	}{{"well", nil}, {"answers 503", &emulator.Fault{Status: 503}}, {"hangs", &emulator.Fault{Latency: time.Minute}}} {
		b.Run(weather.name, func(b *testing.B) {
			stigg, g := gated{client: []client.Option{client.WithoutRealtime()}, gate: []gate.Option{gate.WithTTL(time.Second)}}.start(b)
			ctx, cached, p := context.Background(), gate.Customer{ID: "customer-pro"}, gate.Feature("feature-02-campaigns")
			for !g.Check(ctx, cached, p).Allowed {
				time.Sleep(10 * time.Millisecond)
			}
			if weather.fault != nil {
				if err := stigg.Fault(*weather.fault); err != nil {
					b.Fatal(err)
				}
				time.Sleep(1200 * time.Millisecond) // what is cached is stale
			}
			b.ReportAllocs()
			for b.Loop() {
				if d := g.Check(ctx, cached, p); !d.Allowed {
					b.Fatal(d.Reason, d.Err)
				}
			}
			worst := time.Duration(0)
			for i := range 50 {
				begun := time.Now()
				g.Check(ctx, gate.Customer{ID: customer(i)}, p)
				worst = max(worst, time.Since(begun))
			}
			b.ReportMetric(float64(worst.Microseconds())/1000, "cold-worst-ms")
		})
	}
}

// BenchmarkUpgradeByWebhook is the time from an upgrade in Stigg, made by somebody else, to
// the first check that is let in by it, over a webhook alone.
func BenchmarkUpgradeByWebhook(b *testing.B) {
	stigg, g := gated{
		client: []client.Option{client.WithoutRealtime()},
		gate:   []gate.Option{gate.WithDecisionTimeout(time.Minute), gate.WithTTL(time.Hour)},
	}.start(b)
	hooks, err := webhook.New(g.Sink(), []string{"a-secret-of-the-benchmark"})
	if err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(hooks)
	defer server.Close()
	if err := stigg.SetWebhook(server.URL, "a-secret-of-the-benchmark"); err != nil {
		b.Fatal(err)
	}
	upgrades(b, g, stigg)
}
