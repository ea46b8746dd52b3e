package chistigg_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/chistigg"
	"github.com/stiggate/gate/internal/stubstigg"
)

// TestARewrittenPathIsGuardedAsTheOneThatIsServed: chi routes by a path of its own, which
// some middlewares change.
func TestARewrittenPathIsGuardedAsTheOneThatIsServed(t *testing.T) {
	many := gate.Feature("many").Uses(1)
	goods := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "PAID") }
	for target, rewrite := range map[string]func(http.Handler) http.Handler{
		"/any/": middleware.StripSlashes, "//any": middleware.CleanPath, "/any.json": middleware.URLFormat,
	} {
		for _, kind := range []string{"Require", "Routes", "Routes, the rest open"} {
			g, s := stubstigg.NewGate(t)
			r := chi.NewRouter()
			r.Use(rewrite)
			switch kind {
			case "Require":
				r.With(chistigg.Require(g, many)).HandleFunc("/any", goods)
			case "Routes":
				r.Use(chistigg.Routes(g, gate.Table{"/any": many}, gate.DenyRest))
				r.HandleFunc("/any", goods)
			default:
				r.Use(chistigg.Routes(g, gate.Table{"/any": many}, gate.PublicRest))
				r.HandleFunc("/any", goods)
			}
			if w := stubstigg.Serve(r, stubstigg.Preflight(target)); w.Code != 401 {
				t.Errorf("%s: OPTIONS %s by nobody: %d %s", kind, target, w.Code, w.Body)
			}
			for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
				if w := stubstigg.Send(r, method, target); w.Code != 200 {
					t.Errorf("%s: %s %s: %d %s", kind, method, target, w.Code, w.Body)
				}
			}
			if n := s.Billed(t, g); n != 3 {
				t.Errorf("%s, %s: %v reported, want 3", kind, target, n)
			}
		}
	}
}

// TestATableInAMountGoesByTheRouteThatIsServed: the URL's path may name an open route, where
// chi serves a guarded one.
func TestATableInAMountGoesByTheRouteThatIsServed(t *testing.T) {
	g, _ := stubstigg.NewGate(t)
	inner := chi.NewRouter()
	inner.Use(chistigg.Routes(g, gate.Table{"GET /v1/{name}": gate.Public(), "GET /v1/paid": gate.Feature("on")}, gate.PublicRest))
	inner.Get("/{name}", noContent)
	inner.Get("/paid", noContent)
	outer := chi.NewRouter()
	outer.Use(middleware.URLFormat)
	outer.Mount("/v1", inner)
	for target, want := range map[string]int{"/v1/open": 204, "/v1/paid": 401, "/v1/paid.json": 403, "/v1/open.json": 403} {
		if w := stubstigg.Serve(outer, httptest.NewRequest("GET", target, nil)); w.Code != want {
			t.Errorf("%s: got %d, want %d", target, w.Code, want)
		}
	}
}

// TestAKeyGuardsWhatTheRouterListsUnderIt, and opens no forgotten route beside it.
func TestAKeyGuardsWhatTheRouterListsUnderIt(t *testing.T) {
	for _, tt := range []struct {
		name  string
		table gate.Table
		build func(chi.Router)
		want  map[string]int // to nobody
	}{
		{"a catch-all", gate.Table{"GET /files/*": gate.Public()}, func(r chi.Router) {
			r.Get("/files", noContent)
			r.Get("/files/*", noContent)
		}, map[string]int{"/files": 403, "/files/": 204, "/files/x": 204}},
		{"a tail", gate.Table{"GET /doc*": gate.Public()}, func(r chi.Router) {
			r.Get("/doc", noContent)
			r.Get("/doc*", noContent)
		}, map[string]int{"/doc": 403, "/docs": 204}},
		{"a mount", gate.Table{"GET /files/*": gate.Public()}, func(r chi.Router) {
			sub := chi.NewRouter()
			sub.Get("/", noContent)
			sub.Get("/*", noContent)
			r.Mount("/files", sub)
		}, map[string]int{"/files": 403, "/files/": 403, "/files/x": 204}},
		{"a mount of a handler", gate.Table{"/files/*": gate.Public()}, func(r chi.Router) {
			r.Mount("/files", http.HandlerFunc(noContent))
		}, map[string]int{"/files": 204, "/files/": 204, "/files/x": 204}},
		{"a mount that has the other method", gate.Table{"GET /files/*": gate.Public(), "POST /files/": gate.Feature("on")}, func(r chi.Router) {
			sub := chi.NewRouter()
			sub.Post("/", noContent)
			sub.Get("/*", noContent)
			r.Mount("/files", sub)
		}, map[string]int{"/files/x": 204, "/files": 204}},
	} {
		g, _ := stubstigg.NewGate(t)
		r := chi.NewRouter()
		r.Use(chistigg.Routes(g, tt.table, gate.DenyRest))
		tt.build(r)
		if err := chistigg.Verify(r, tt.table, "/"); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		for target, want := range tt.want {
			if w := stubstigg.Serve(r, httptest.NewRequest("GET", target, nil)); w.Code != want {
				t.Errorf("%s, %s: got %d, want %d", tt.name, target, w.Code, want)
			}
		}
	}
}

// TestNotFoundOpensNoGuardedPath: a file server there reads what chi has not matched.
func TestNotFoundOpensNoGuardedPath(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "premium"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "premium", "report.txt"), []byte("the goods"), 0o600); err != nil {
		t.Fatal(err)
	}
	files := http.FileServer(http.Dir(dir))
	for _, rest := range []gate.Rest{gate.DenyRest, gate.PublicRest} {
		g, _ := stubstigg.NewGate(t)
		missing := chi.NewRouter()
		missing.Use(chistigg.Routes(g, gate.Table{"GET /premium/*": gate.Feature("on")}, rest))
		missing.Handle("/premium/*", files)
		missing.NotFound(files.ServeHTTP)
		open := chi.NewRouter()
		open.Use(chistigg.Routes(g, gate.Table{"/premium/*": gate.Feature("on"), "/*": gate.Public()}, rest))
		open.Handle("/premium/*", files)
		open.Handle("/*", files)
		for name, r := range map[string]http.Handler{"NotFound": missing, "an open route": open} {
			for _, target := range []string{"/premium/report.txt", "/premium%2Freport.txt", "/x/..%2fpremium%2freport.txt", "//premium/report.txt", "/%70remium/report.txt"} {
				if w := stubstigg.Serve(r, httptest.NewRequest("GET", target, nil)); strings.Contains(w.Body.String(), "the goods") {
					t.Errorf("%s, rest %d, %s by nobody: %d %s", name, rest, target, w.Code, w.Body)
				}
			}
		}
	}
}

func TestAllocsOfAnUnmeteredRequest(t *testing.T) {
	g, _ := stubstigg.NewGate(t, gate.WithBareRequests())
	r, w := stubstigg.Request("GET", "/x/7"), httptest.NewRecorder()
	allocs := func(with ...func(http.Handler) http.Handler) float64 {
		router := chi.NewRouter()
		router.With(with...).Get("/x/{id}", func(http.ResponseWriter, *http.Request) {})
		return stubstigg.Allocs(func() { router.ServeHTTP(w, r) })
	}
	if bare, gated := allocs(), allocs(chistigg.Require(g, gate.Feature("on"))); gated != bare {
		t.Errorf("%v allocations, %v without a gate", gated, bare)
	}
}

// TestAllocsOfASettledRequest are the ticket with the request that carries it, and the recorder.
func TestAllocsOfASettledRequest(t *testing.T) {
	added := stubstigg.AllocsOfSettling(t, func(g *gate.Gate, p gate.Policy) http.Handler {
		r := chi.NewRouter()
		var with []func(http.Handler) http.Handler
		if g != nil {
			with = append(with, chistigg.Require(g, p))
		}
		r.With(with...).Post("/x", func(http.ResponseWriter, *http.Request) {})
		return r
	})
	if added > 2 {
		t.Errorf("a gate adds %v allocations, want at most 2", added)
	}
}
