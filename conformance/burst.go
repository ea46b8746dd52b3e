package conformance

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/fleet"
	"github.com/stiggate/gate/fleet/memory"
)

// RunBurst has two replicas of an app, which share a store and one limit of 100, get 300 requests each
// at once, over sockets. They must let in exactly 100, answer 402 or 429 to all others, and bill 100.
// Who is answered 429, or 503 since the machine is too slow for the store, tries again, as clients do,
// and must be answered 402 in the end.
//
// open opens the store for one replica, whose gate closes it. Of the Adapter, Guarded and Spell are
// enough.
func RunBurst(t *testing.T, a Adapter, open func(t testing.TB) fleet.Fleet) {
	burst(t, a, open)
}

const (
	burstLimit = 100 // that of the feature "hundred"
	burstSize  = 300 // requests to each replica
)

func burst(t testing.TB, a Adapter, open func(t testing.TB) fleet.Fleet) {
	billed := newStigg()
	created := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) }
	var replicas [2]*bench
	for i := range replicas {
		replicas[i] = startOn(t, billed, http1, func(g *gate.Gate) http.Handler {
			return a.Guarded(g, a.routes(route("POST", "/", gate.Feature("hundred").Uses(1), created)))
		}, gate.WithFleet(open(t)))
		replicas[i].server.Client().Transport.(*http.Transport).MaxConnsPerHost = 32
	}
	first, last := &tally{}, &tally{}
	var wait sync.WaitGroup
	for _, b := range replicas {
		for range burstSize {
			wait.Go(func() {
				status := b.get(t, "POST", "/").status
				first.add(status)
				for end := time.Now().Add(patience); mayRetry(status) && time.Now().Before(end); {
					time.Sleep(50 * time.Millisecond)
					status = b.get(t, "POST", "/").status
				}
				last.add(status)
			})
		}
	}
	wait.Wait()
	t.Logf("at first: %v; in the end: %v", first, last)
	if created, denied := last.of(http.StatusCreated), last.of(http.StatusPaymentRequired); created != burstLimit || denied != 2*burstSize-burstLimit {
		t.Errorf("%v, want %d × 201 and %d × 402", last, burstLimit, 2*burstSize-burstLimit)
	}
	for _, b := range replicas {
		b.finish(t)
	}
	if n := billed.reported("hundred"); n != burstLimit {
		t.Errorf("%v are billed, want %d", n, burstLimit)
	}
}

// mayRetry reports whether an answer says that another one may come.
func mayRetry(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
}

// tally counts answers by their status.
type tally struct {
	mu    sync.Mutex
	count map[int]int
}

func (c *tally) add(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count == nil {
		c.count = make(map[int]int)
	}
	c.count[status]++
}

func (c *tally) of(status int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count[status]
}

func (c *tally) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprint(c.count)
}

// inMemory opens one store for all who ask, which stays open.
func inMemory(t testing.TB) func(testing.TB) fleet.Fleet {
	t.Helper()
	store, err := memory.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return func(testing.TB) fleet.Fleet { return stillOpen{store} }
}

// stillOpen is a store that does not close with one of those who have it.
type stillOpen struct{ fleet.Fleet }

func (stillOpen) Close() error { return nil }
