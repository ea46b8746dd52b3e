package stubstigg

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stiggate/gate"
)

// Request is a request by a customer.
func Request(method, target string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	r.Header.Set("X-Customer-ID", "payer")
	return r
}

// Preflight is a request by nobody that looks like a preflight.
func Preflight(target string) *http.Request {
	r := httptest.NewRequest(http.MethodOptions, target, nil)
	r.Header.Set("Origin", "https://app.example.com")
	r.Header.Set("Access-Control-Request-Method", "POST")
	return r
}

// Serve answers with the status, 0 after a panic.
func Serve(h http.Handler, r *http.Request) (w *httptest.ResponseRecorder) {
	w = httptest.NewRecorder()
	defer func() {
		if recover() != nil {
			w.Code = 0
		}
	}()
	h.ServeHTTP(w, r)
	return w
}

// Send is [Serve] of a [Request].
func Send(h http.Handler, method, target string) *httptest.ResponseRecorder {
	return Serve(h, Request(method, target))
}

// Allocs is how many allocations one call of f makes at least. Routers take their contexts from
// a sync.Pool, which may be emptied at any time, and under the race detector loses one in four.
func Allocs(f func()) float64 {
	least := testing.AllocsPerRun(100, f)
	for range 200 {
		least = min(least, testing.AllocsPerRun(1, f))
	}
	return least
}

// AllocsOfSettling is how many allocations a gate adds to a request that reports: of what build makes
// with a gate, beyond what it makes with nil, which has a middleware that does nothing in its place.
func AllocsOfSettling(t *testing.T, build func(*gate.Gate, gate.Policy) http.Handler) float64 {
	t.Helper()
	s := New(gate.Entitlement{FeatureID: "many", Kind: gate.Metered, Granted: true, Limit: 1e9})
	g, err := gate.New(s, gate.ResolverFunc(byHeader), gate.WithBareRequests()) // and no observer, for whom there would be more
	if err != nil {
		t.Fatal(err)
	}
	r, w := Request(http.MethodPost, "/x"), httptest.NewRecorder()
	allocs := func(h http.Handler) float64 { return Allocs(func() { h.ServeHTTP(w, r) }) }
	policy := gate.Feature("many").Uses(1)
	added := allocs(build(g, policy)) - allocs(build(nil, policy))
	if s.Billed(t, g) == 0 {
		t.Fatal("nothing was reported")
	}
	return added
}

// Listen serves h over a real socket, and says nothing of panics.
func Listen(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	return s
}
