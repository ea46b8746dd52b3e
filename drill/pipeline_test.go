package drill

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/nethttp"
	"github.com/stiggate/gate/outbox"
)

// BenchmarkPipeline is usage from a request to Stigg's acknowledgement: 64 goroutines
// serve requests through the gate, then Close delivers without the pace that Stigg's rate
// limit asks for (100 measurements in 100 ms). Besides ns/op it tells how many
// measurements a second were settled and how many delivered, and the upstream calls for
// each 1,000.
func BenchmarkPipeline(b *testing.B) {
	for name, durable := range map[string]bool{"memory": false, "outbox": true} {
		b.Run(name, func(b *testing.B) {
			options := []gate.Option{gate.WithQueueSize(1 << 30), gate.WithDecisionTimeout(time.Minute)}
			if durable {
				box, err := outbox.Open(b.TempDir())
				if err != nil {
					b.Fatal(err)
				}
				options = append(options, gate.WithOutbox(box))
			}
			stigg, g := gated{gate: options}.start(b)
			var settled atomic.Int64
			h := nethttp.Require(g, gate.Feature("feature-02-campaigns").Uses(1e-6))(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { settled.Add(1) }))
			b.SetParallelism(32)
			begun := time.Now()
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				r := httptest.NewRequest(http.MethodPost, "/", http.NoBody)
				r.Header.Set("X-Customer-ID", "customer-pro")
				for pb.Next() {
					h.ServeHTTP(httptest.NewRecorder(), r)
				}
			})
			serving := time.Since(begun)
			left := g.Stats().Queued
			begun = time.Now()
			if err := g.Close(context.Background()); err != nil {
				b.Fatal(err)
			}
			n := float64(settled.Load())
			if n != float64(b.N) || len(stigg.Usage()) != b.N {
				b.Fatalf("%v of %d settled, %d counted", n, b.N, len(stigg.Usage()))
			}
			b.ReportMetric(n/serving.Seconds(), "settled/s")
			b.ReportMetric(float64(left)/time.Since(begun).Seconds(), "delivered/s")
			b.ReportMetric(1000*float64(stigg.Requests()["reportUsageBulk"])/n, "calls/1000")
		})
	}
}
