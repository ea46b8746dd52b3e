package drill

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/emulator"
	"github.com/stiggate/gate/nethttp"
)

var phase = flag.Duration("phase", 200*time.Millisecond, "how long each weather of the chaos lasts")

// newEach is how many customers are new in each phase: fewer in a short one.
func newEach() int {
	if *phase < time.Second {
		return 4
	}
	return 12
}

const (
	// known customers are cached before the weather turns; of the others each phase has
	// new ones.
	known = 25
	// bound is what every answer is within: the decision timeout, and much patience with
	// a busy machine. What hangs, hangs for a minute.
	deadline, bound = 250 * time.Millisecond, 15 * time.Second
	// upstream is how many calls there may be in any second: of those refused by what is
	// stale one for each customer and TTL, 20 refreshes, 10 reports, and who is new.
	upstream = 100
)

// weathers are the states of Stigg and the network, by name.
func weathers() []struct {
	name  string
	turns func(t *testing.T, stigg *emulator.Server, until <-chan struct{})
} {
	faults := func(all ...emulator.Fault) func(*testing.T, *emulator.Server, <-chan struct{}) {
		return func(t *testing.T, stigg *emulator.Server, _ <-chan struct{}) {
			t.Helper()
			for _, f := range all {
				if err := stigg.Fault(f); err != nil {
					t.Error(err)
				}
			}
		}
	}
	sockets := func(all ...emulator.SocketFault) func(*testing.T, *emulator.Server, <-chan struct{}) {
		return func(t *testing.T, stigg *emulator.Server, _ <-chan struct{}) {
			t.Helper()
			for _, f := range all {
				if err := stigg.SocketFault(f); err != nil {
					t.Error(err)
				}
			}
		}
	}
	down := emulator.Fault{Status: 503}
	return []struct {
		name  string
		turns func(t *testing.T, stigg *emulator.Server, until <-chan struct{})
	}{
		{"calm", faults()},
		{"slow", faults(emulator.Fault{Latency: 400 * time.Millisecond})},
		{"hanging", faults(emulator.Fault{Latency: time.Minute})},
		{"down", faults(down)},
		{"dropping connections", faults(emulator.Fault{Drop: "before"})},
		{"losing answers", faults(emulator.Fault{Drop: "after"})},
		{"garbled", faults(emulator.Fault{Garbage: true})},
		{"cut off", faults(emulator.Fault{Truncate: true})},
		{"rate-limiting", faults(emulator.Fault{Status: 429, RetryAfter: time.Second})},
		{"refusing the key", faults(emulator.Fault{Status: 401})},
		{"forbidding", faults(emulator.Fault{Status: 403})},
		{"flapping", func(t *testing.T, stigg *emulator.Server, until <-chan struct{}) {
			t.Helper()
			for on := true; ; on = !on {
				if on {
					faults(down)(t, stigg, until)
				} else {
					stigg.ClearFaults()
				}
				select {
				case <-until:
					return
				case <-time.After(*phase / 10):
				}
			}
		}},
		{"half-open sockets", sockets(emulator.SocketFault{Do: emulator.SocketHalfOpen})},
		{"closing sockets", sockets(emulator.SocketFault{Do: emulator.SocketClose, Code: 1011})},
		{"sockets that talk nonsense", sockets(emulator.SocketFault{Do: emulator.SocketGarbage}, emulator.SocketFault{Do: emulator.SocketUnknown},
			emulator.SocketFault{Do: emulator.SocketNoIDs}, emulator.SocketFault{Do: emulator.SocketHuge, Size: 16 << 20})},
	}
}

// TestChaos holds what is promised whatever the weather: every request is answered within
// the bound; none is let in against its policy; none is denied with 402, 403, 401 or 429
// for a fault that is ours or Stigg's; Stigg is not flooded; and afterwards all is well
// again by itself, with every unit counted once.
func TestChaos(t *testing.T) {
	w := weathers()
	calls := &calls{}
	var log bytes.Buffer
	stigg, g := gated{
		stigg: []emulator.Option{emulator.WithCatalog(bytes.NewReader(catalog(t, known+newEach()*len(w))))},
		client: []client.Option{client.WithHTTPClient(&http.Client{Transport: calls}), client.WithTimeout(2 * time.Second),
			client.WithPing(200*time.Millisecond, 200*time.Millisecond), client.WithReconnect(500 * time.Millisecond)},
		gate: []gate.Option{gate.WithDecisionTimeout(deadline), gate.WithTTL(2 * time.Second), gate.WithLiveTTL(3 * time.Second),
			gate.WithQueueSize(5_000_000), // a long weather brings more than the default, and a full queue is no weather
			gate.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))},
	}.start(t)
	storm := &storm{T: t, gate: g, server: httptest.NewServer(app(g)), promised: map[string]float64{}}
	defer storm.server.Close()
	storm.server.Client().Transport.(*http.Transport).MaxIdleConnsPerHost = 32

	storm.warm()
	for i, weather := range w {
		storm.phase(i, weather.name, func(until <-chan struct{}) { weather.turns(t, stigg, until) })
		stigg.ClearFaults()
	}
	storm.recovers(known + newEach()*len(w))
	storm.server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := g.Close(ctx); err != nil {
		t.Error(err)
	}
	storm.compare(stigg)
	if most := calls.most(); most > upstream {
		t.Errorf("%d upstream calls within a second, want at most %d", most, upstream)
	}
	t.Logf("%d upstream calls for %d requests, at most %d within a second; %+v", calls.count(), storm.requests.Load(), calls.most(), g.Stats())
	if t.Failed() {
		t.Logf("the gate said:\n%s", &log)
	}
}

// app is the routes of the chaos; see storm.expect.
func app(g *gate.Gate) http.Handler {
	mux := http.NewServeMux()
	for path, policy := range map[string]gate.Policy{
		"/units": gate.Feature("feature-units").Uses(1),
		"/few":   gate.Feature("feature-few").Uses(1),
		"/off":   gate.Feature("feature-off").Uses(1),
		"/open":  gate.Feature("feature-units").Uses(1).OnOutage(gate.OutageAllow),
	} {
		mux.Handle("POST "+path, nethttp.Require(g, policy)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusCreated)
		})))
	}
	return mux
}

// storm is the load and its books.
type storm struct {
	*testing.T
	gate     *gate.Gate
	server   *httptest.Server
	requests atomic.Int64

	mu       sync.Mutex
	promised map[string]float64 // by customer and feature
}

// warm has the known customers cached, and the sockets up.
func (s *storm) warm() {
	s.Helper()
	s.soon("the sockets are up", func() bool { return s.gate.Stats().Live })
	for i := range known {
		s.soon("the customer is cached", func() bool { return s.send("/units", i) == http.StatusCreated })
	}
}

// phase drives the server in one weather.
func (s *storm) phase(i int, name string, turns func(until <-chan struct{})) {
	until := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() { turns(until) })
	for worker := range 8 {
		r := rand.New(rand.NewPCG(uint64(i), uint64(worker)))
		wait.Go(func() {
			for {
				select {
				case <-until:
					return
				case <-time.After(time.Millisecond): // a steady load, not a race
				}
				path := []string{"/units", "/few", "/off", "/open"}[r.IntN(4)]
				who := r.IntN(known)
				isNew := r.IntN(10) == 0
				if isNew {
					who = known + i*newEach() + r.IntN(newEach())
				}
				s.expect(name, path, isNew, s.send(path, who))
			}
		})
	}
	time.Sleep(*phase) // the weather lasts
	close(until)
	wait.Wait()
}

// expect holds an answer against the promises.
func (s *storm) expect(weather, path string, isNew bool, status int) {
	allowed := map[string][]int{
		"/units": {201},
		"/few":   {201, 402, 429}, // it is used up, or running requests have it
		"/off":   {402},
		"/open":  {201},
	}[path]
	if path != "/open" && isNew { // nothing is known, so nothing is decided
		allowed = append(allowed, 503)
	}
	if !slices.Contains(allowed, status) {
		s.Errorf("%s: POST %s of a customer (new: %v) is answered %d, want one of %v", weather, path, isNew, status, allowed)
	}
}

// send sends a request and keeps the books.
func (s *storm) send(path string, who int) int {
	s.requests.Add(1)
	r, err := http.NewRequestWithContext(s.Context(), http.MethodPost, s.server.URL+path, http.NoBody)
	if err != nil {
		s.Error(err)
		return 0
	}
	r.Header.Set("X-Customer-ID", customer(who))
	begun := time.Now()
	res, err := s.server.Client().Do(r)
	if err != nil {
		s.Error(err)
		return 0
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	if took := time.Since(begun); took > bound {
		s.Errorf("POST %s took %v", path, took)
	}
	if res.StatusCode == http.StatusCreated {
		feature := map[string]string{"/units": "feature-units", "/open": "feature-units", "/few": "feature-few", "/off": "feature-off"}[path]
		s.mu.Lock()
		defer s.mu.Unlock()
		s.promised[customer(who)+" "+feature]++
	}
	return res.StatusCode
}

// recovers waits until all is fresh and delivered again.
func (s *storm) recovers(customers int) {
	s.Helper()
	s.soon("the sockets are up", func() bool { return s.gate.Stats().Live })
	for i := range customers {
		time.Sleep(30 * time.Millisecond) // the unknown ones are asked for at once: no flood of our own
		c := gate.Customer{ID: customer(i)}
		s.soon("everything is fresh", func() bool {
			d := s.gate.Check(s.Context(), c, gate.Feature("feature-units"))
			return d.Allowed && d.Origin == gate.OriginFresh
		})
	}
	for queued := s.gate.Stats().Queued; queued > 0; queued = s.gate.Stats().Queued {
		s.soon("usage is delivered", func() bool { return s.gate.Stats().Queued < queued })
	}
	s.soon("the gate is ready and misses nothing", func() bool { return s.gate.Ready(s.Context()) == nil && len(s.gate.Health().Degraded) == 0 })
}

// soon waits for what must become true by itself.
func (s *storm) soon(what string, is func() bool) {
	s.Helper()
	for end := time.Now().Add(time.Minute); !is(); {
		if time.Now().After(end) {
			s.Fatalf("it does not come true that %s: %+v; %+v", what, s.gate.Stats(), s.gate.Health())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// compare holds Stigg's count against the books.
func (s *storm) compare(stigg *emulator.Server) {
	s.Helper()
	counted := map[string]float64{}
	for _, m := range stigg.Usage() {
		if !m.Duplicate {
			counted[m.CustomerID+" "+m.FeatureID] += m.Value
		}
	}
	for a, want := range s.promised {
		if counted[a] != want {
			s.Errorf("%s: Stigg counts %v, want %v", a, counted[a], want)
		}
	}
	for a, n := range counted {
		if s.promised[a] == 0 {
			s.Errorf("%s: Stigg counts %v, and nothing was answered with success", a, n)
		}
	}
	for i := range known {
		if n := counted[fmt.Sprint(customer(i), " feature-few")]; n > few {
			s.Errorf("%s: Stigg counts %v of a limit of %d", customer(i), n, few)
		}
	}
}

// calls counts upstream calls as they are made.
type calls struct {
	mu sync.Mutex
	at []time.Time
}

func (c *calls) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	c.at = append(c.at, time.Now())
	c.mu.Unlock()
	return http.DefaultTransport.RoundTrip(r)
}

func (c *calls) count() int { c.mu.Lock(); defer c.mu.Unlock(); return len(c.at) }

// most is the largest number of calls within any second.
func (c *calls) most() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.SortFunc(c.at, time.Time.Compare)
	most, first := 0, 0
	for i, at := range c.at {
		for at.Sub(c.at[first]) > time.Second {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}
