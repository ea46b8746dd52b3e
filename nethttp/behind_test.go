package nethttp_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/internal/stubstigg"
	"github.com/stiggate/gate/nethttp"
)

// TestThoseInFrontSeeTheRoute, as without a gate, whether the policy reports or not.
func TestThoseInFrontSeeTheRoute(t *testing.T) {
	for _, p := range []gate.Policy{gate.Feature("on"), gate.Feature("many").Uses(1)} {
		g, _ := stubstigg.NewGate(t)
		mux := http.NewServeMux()
		mux.HandleFunc("GET /items/{id}/{rest...}", func(_ http.ResponseWriter, r *http.Request) { _ = r.FormValue("q") })
		for name, h := range map[string]http.Handler{
			"Routes":  nethttp.Routes(g, mux, gate.Table{"GET /items/{id}/{rest...}": p}, gate.DenyRest),
			"Require": nethttp.Require(g, p)(mux),
		} {
			r := stubstigg.Request("GET", "/items/7/a/b?q=x")
			stubstigg.Serve(h, r)
			if got := fmt.Sprintf("%q %q %q %q", r.Pattern, r.PathValue("id"), r.PathValue("rest"), r.Form.Get("q")); got != `"GET /items/{id}/{rest...}" "7" "a/b" "x"` {
				t.Errorf("%s: a middleware in front sees %v", name, got)
			}
		}
	}
}

// TestOneRequestMayHaveSeveralHandlers, as http.Handler allows to those that don't change it. The race
// detector tells.
func TestOneRequestMayHaveSeveralHandlers(t *testing.T) {
	for _, p := range []gate.Policy{gate.Feature("on"), gate.Feature("many").Uses(1)} {
		g, _ := stubstigg.NewGate(t)
		r := stubstigg.Request("GET", "/")
		h := nethttp.Require(g, p)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() { stubstigg.Serve(h, r) })
		}
		both.Wait()
	}
}

// TestAnOpenRouteOpensNoGuardedPath: mux compares what is escaped, a file server reads what is
// unescaped.
func TestAnOpenRouteOpensNoGuardedPath(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "premium"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "premium", "report.txt"), []byte("the goods"), 0o600); err != nil {
		t.Fatal(err)
	}
	files := http.FileServer(http.Dir(dir))
	mux := http.NewServeMux()
	mux.Handle("/premium/", files)
	mux.Handle("/", files)
	for name, h := range map[string]func(*gate.Gate) http.Handler{
		"a public route": func(g *gate.Gate) http.Handler {
			return nethttp.Routes(g, mux, gate.Table{"/premium/": gate.Feature("on"), "/": gate.Public()}, gate.DenyRest)
		},
		"the open rest": func(g *gate.Gate) http.Handler {
			return nethttp.Routes(g, mux, gate.Table{"/premium/": gate.Feature("on")}, gate.PublicRest)
		},
	} {
		g, _ := stubstigg.NewGate(t)
		for _, target := range []string{"/premium/report.txt", "/premium%2Freport.txt", "/x/..%2fpremium%2freport.txt", "//premium/report.txt", "/%70remium%2freport.txt"} {
			r := httptest.NewRequest("GET", target, nil)
			if w := stubstigg.Serve(h(g), r); strings.Contains(w.Body.String(), "the goods") {
				t.Errorf("%s, %s by nobody: %d %s", name, target, w.Code, w.Body)
			}
		}
		if w := stubstigg.Send(h(g), "GET", "/premium%2Freport.txt"); w.Code != 200 {
			t.Errorf("%s, by a customer who may: %d", name, w.Code)
		}
	}
}

// TestAllocsOfAnUnmeteredRequest are those of a request that tells how it was decided (a copy with the
// decision in its context, and a writer), and none if it is handed on as it came.
func TestAllocsOfAnUnmeteredRequest(t *testing.T) {
	telling, _ := stubstigg.NewGate(t)
	bare, _ := stubstigg.NewGate(t, gate.WithBareRequests())
	r, w := stubstigg.Request("GET", "/x"), httptest.NewRecorder()
	allocs := func(h http.Handler) float64 {
		mux := http.NewServeMux()
		mux.Handle("GET /x", h)
		return stubstigg.Allocs(func() { mux.ServeHTTP(w, r) })
	}
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for g, want := range map[*gate.Gate]float64{telling: 2, bare: 0} {
		if none, gated := allocs(ok), allocs(nethttp.Require(g, gate.Feature("on"))(ok)); gated != none+want {
			t.Errorf("%v allocations, %v without a gate, want %v more", gated, none, want)
		}
	}
}

// TestAllocsOfASettledRequest are the ticket with the request that carries it, and the recorder.
func TestAllocsOfASettledRequest(t *testing.T) {
	added := stubstigg.AllocsOfSettling(t, func(g *gate.Gate, p gate.Policy) http.Handler {
		var h http.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
		if g != nil {
			h = nethttp.Require(g, p)(h)
		}
		mux := http.NewServeMux()
		mux.Handle("POST /x", h)
		return mux
	})
	if added > 2 {
		t.Errorf("a gate adds %v allocations, want at most 2", added)
	}
}
