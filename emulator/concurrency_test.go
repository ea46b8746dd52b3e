package emulator

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

func TestEverythingAtOnce(t *testing.T) {
	e := newTest(t)
	const workers, each = 8, 25
	doc := official(t, "GetEntitlementsState")
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				key := fmt.Sprintf("%d-%d", w, i)
				m := Measurement{CustomerID: "customer-pro", FeatureID: campaigns, Value: 1, IdempotencyKey: key}
				if err := e.Report(m, m); err != nil {
					t.Error(err)
				}
				ask(t, e, doc, map[string]any{"query": map[string]any{"customerId": "customer-pro"}})
				e.Decide("customer-pro", "", campaigns, ptr(1.0), nil)
				if err := e.Grant("customer-none", Grant{FeatureID: campaigns, UsageLimit: ptr(float64(i))}, time.Time{}); err != nil {
					t.Error(err)
				}
				e.Advance(time.Millisecond)
				if err := e.Fault(Fault{Operation: "edge.entitlements", Status: 500, Count: 1}); err != nil {
					t.Error(err)
				}
				e.Faults()
				if i%10 == 0 {
					e.ClearFaults()
				}
				e.Requests()
				e.Usage()
			}
		})
	}
	wg.Wait()
	if got := usageNow(t, e, "customer-pro", "", campaigns); got != workers*each {
		t.Errorf("%v counted, want %d", got, workers*each)
	}
	if got := len(e.Usage()); got != 2*workers*each {
		t.Errorf("%d recorded, want %d", got, 2*workers*each)
	}
}

func TestCreditsAndFaultsAtOnce(t *testing.T) {
	srv := crediting(t, WithCountingDelay(time.Second))
	const workers, each = 8, 10
	must(t, srv.Fault(Fault{Operation: "consumeCredits", Latency: time.Millisecond, Count: workers}))
	must(t, srv.Fault(Fault{Operation: "consumeCredits", Code: "RateLimitExceeded", Count: workers}))
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				for {
					in := use(fmt.Sprintf("%d-%d", w, i), 0.1)
					a := creditOperation(t, srv, "ConsumeCredits", in)
					creditOperation(t, srv, "ConsumeCreditsAsync", map[string]any{"consumptions": []any{in}})
					if len(a.Errors) == 0 {
						break
					}
				}
				srv.Advance(time.Millisecond)
				srv.CreditUses()
			}
		})
	}
	wg.Wait()
	srv.Advance(time.Minute)
	wantCredits(t, srv.Emulator, "", 120, workers*each*0.1)
}
