package conformance

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stiggate/gate"
)

// manyRows are requests that come together.
func manyRows(a Adapter) []row {
	return append(
		over("many", "500 at once against a limit of 12", func(t testing.TB, p protocol) { concurrent(t, a, p) }),
		row{"many", "300 at once at each of two replicas, against one limit of 100", func(t testing.TB) { burst(t, a, inMemory(t)) }},
		row{"many", "no goroutine is left", func(t testing.TB) { leaks(t, a, patience) }},
	)
}

func concurrent(t testing.TB, a Adapter, p protocol) {
	b := a.guarded(t, p, route("POST", "/{n}", gate.Feature("twelve").Uses(1), func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
	}))
	b.server.Client().Transport.(*http.Transport).MaxConnsPerHost = 64
	var created, other atomic.Int64
	var wait sync.WaitGroup
	for n := range 500 {
		wait.Go(func() {
			switch got := b.get(t, "POST", "/"+strconv.Itoa(n)); got.status {
			case http.StatusCreated:
				created.Add(1)
			case http.StatusPaymentRequired, http.StatusTooManyRequests:
			default:
				other.Add(1)
			}
		})
	}
	wait.Wait()
	b.bills(t, uses{"twelve": 12})
	if created.Load() != 12 || other.Load() != 0 {
		t.Errorf("%d created, %d neither created nor denied; want 12 and 0", created.Load(), other.Load())
	}
	if n := b.stigg.asked(); n != 1 {
		t.Errorf("%d upstream reads, want 1", n)
	}
}

// leaks counts goroutines around a server's whole life: requests of all ends, among
// them clients that leave. It waits so long for the last ones to end.
func leaks(t testing.TB, a Adapter, wait time.Duration) {
	before := runtime.NumGoroutine()
	b := a.guarded(t, http1,
		route("POST", "/answer", manyTwo(), answerStatus),
		route("POST", "/panic", manyTwo(), func(http.ResponseWriter, *http.Request) { panic("boom") }),
		route("POST", "/wait", manyTwo(), func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}),
		route("POST", "/off", gate.Feature("off").Uses(1), answerStatus))
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for _, target := range []string{"/answer", "/answer?status=500", "/panic", "/off", "/nowhere"} {
				b.get(t, "POST", target)
			}
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			res, err := b.server.Client().Do(b.new(t, "POST", "/wait", "payer", nil).WithContext(ctx))
			if err != nil {
				t.Error(err)
				return
			}
			leave()
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		})
	}
	clients.Wait()
	b.bills(t, uses{"many": 32})
	for end := time.Now().Add(wait); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}
