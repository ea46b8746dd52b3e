package chistigg_test

import (
	"io"
	"net/http"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/chistigg"
	"github.com/stiggate/gate/conformance"
	"github.com/stiggate/gate/internal/stubstigg"
)

func register(router chi.Router, r conformance.Route) {
	if r.Body != "" {
		r.Handler = func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, r.Body) }
	}
	if r.Method == "" {
		router.Handle(r.Pattern, r.Handler)
		return
	}
	router.Method(r.Method, r.Pattern, r.Handler)
}

// silent keeps chi's Recoverer from printing the panics that are part of the suite.
type silent struct{}

func (silent) Write(int, int, http.Header, time.Duration, any) {}
func (silent) Panic(any, []byte)                               {}

func quiet(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, middleware.WithLogEntry(r, silent{}))
	})
}

// behind is the router's part behind all that the suite asks for.
func behind(router chi.Router, g *gate.Gate, r conformance.Route) chi.Router {
	if r.Recovery == conformance.RecoveryOutside {
		router = router.With(quiet, middleware.Recoverer)
	}
	if r.Before != nil {
		router = router.With(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				r.Before(w, req, func(req *http.Request) *http.Request {
					next.ServeHTTP(w, req)
					return req
				})
			})
		})
	}
	for _, p := range r.Policies {
		router = router.With(chistigg.Require(g, p))
	}
	if r.Recovery == conformance.RecoveryInside {
		router = router.With(quiet, middleware.Recoverer)
	}
	return router
}

func TestAdapter(t *testing.T) {
	group := func(put func(root chi.Router, prefix string, fill func(chi.Router))) conformance.Group {
		return func(g *gate.Gate, prefix string, p gate.Policy, routes []conformance.Route) http.Handler {
			router := chi.NewRouter()
			put(router, prefix, func(group chi.Router) {
				group.Use(chistigg.Require(g, p))
				for _, r := range routes {
					register(group, r)
				}
			})
			return router
		}
	}
	tabled := func(g *gate.Gate, routes []conformance.Route, t gate.Routing, rest gate.Rest) http.Handler {
		router := chi.NewRouter()
		router.Use(chistigg.Routes(g, t, rest))
		for _, r := range routes {
			register(router, r)
		}
		return router
	}
	verify := func(routes []conformance.Route, t gate.Table, open ...string) error {
		router := chi.NewRouter()
		for _, r := range routes {
			register(router, r)
		}
		return chistigg.Verify(router, t, open...)
	}
	conformance.RunAdapter(t, conformance.Adapter{
		Guarded: func(g *gate.Gate, routes []conformance.Route) http.Handler {
			router := chi.NewRouter()
			for _, r := range routes {
				register(behind(router, g, r), r)
			}
			return router
		},
		Tabled: func(g *gate.Gate, routes []conformance.Route, t gate.Table, rest gate.Rest) http.Handler {
			return tabled(g, routes, t, rest)
		},
		Live: func(g *gate.Gate, routes []conformance.Route, t *gate.LiveTable, rest gate.Rest) http.Handler {
			return tabled(g, routes, t, rest)
		},
		Verify:    func(routes []conformance.Route, t gate.Table) error { return verify(routes, t) },
		VerifyAll: verify,
		Grouped: map[string]conformance.Group{
			"the root": func(g *gate.Gate, prefix string, p gate.Policy, routes []conformance.Route) http.Handler {
				router := chi.NewRouter()
				router.Use(chistigg.Require(g, p))
				for _, r := range routes {
					r.Pattern = prefix + r.Pattern
					register(router, r)
				}
				return router
			},
			"Route": group(func(root chi.Router, prefix string, fill func(chi.Router)) { root.Route(prefix, fill) }),
			"Group in Route": group(func(root chi.Router, prefix string, fill func(chi.Router)) {
				root.Route(prefix, func(r chi.Router) { r.Group(fill) })
			}),
			"a mount": group(func(root chi.Router, prefix string, fill func(chi.Router)) {
				mounted := chi.NewRouter()
				fill(mounted)
				root.Mount(prefix, mounted)
			}),
			"a mount in a mount": group(func(root chi.Router, prefix string, fill func(chi.Router)) {
				first, second := path.Split(prefix)
				outer, inner := chi.NewRouter(), chi.NewRouter()
				fill(inner)
				outer.Mount("/"+second, inner)
				root.Mount(strings.TrimSuffix(first, "/"), outer)
			}),
		},
	})
}

// newGate returns a gate over a Stigg where nobody's plan has anything.
func newGate(t *testing.T) *gate.Gate {
	t.Helper()
	return stubstigg.New().Gate(t)
}

func TestTablesReachThroughGroupsAndMounts(t *testing.T) {
	ok := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }
	table := gate.Table{"GET /v1/items/{item}": gate.Feature("off"), "GET /v1/grouped": gate.Feature("off"), "GET /v1/": gate.Public()}
	items := chi.NewRouter()
	items.Get("/", ok)
	items.Get("/items/{item}", ok)
	items.Group(func(r chi.Router) { r.Get("/grouped", ok) })
	router := chi.NewRouter()
	router.Use(chistigg.Routes(newGate(t), table, gate.DenyRest))
	router.Mount("/v1", items)
	if err := chistigg.Verify(router, table); err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]int{"/v1/items/7": 402, "/v1/grouped": 402, "/v1/": 204, "/v1/nowhere": 404} {
		if got := get(router, target); got != want {
			t.Errorf("%s: got %d, want %d", target, got, want)
		}
	}
}

func noContent(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

// TestNothingOpensAGuardedRoute: neither rewriting behind the gate, nor a mount, nor a
// path that only chi's tree knows, whatever becomes of the rest.
func TestNothingOpensAGuardedRoute(t *testing.T) {
	off := gate.Feature("off")
	for _, rest := range []gate.Rest{gate.DenyRest, gate.PublicRest} {
		behind := chi.NewRouter()
		behind.Use(chistigg.Routes(newGate(t), gate.Table{"GET /off": off}, rest), middleware.StripSlashes, middleware.GetHead)
		behind.Get("/off", noContent)

		before := chi.NewRouter()
		before.Use(middleware.StripSlashes, middleware.GetHead, chistigg.Routes(newGate(t), gate.Table{"GET /off": off}, rest))
		before.Get("/off", noContent)

		mounts := chi.NewRouter()
		table := gate.Table{"/files/*": off, "GET /v1/": off, "GET /": off}
		mounts.Use(chistigg.Routes(newGate(t), table, rest))
		mounts.Get("/", noContent)
		mounts.Mount("/files", http.HandlerFunc(noContent))
		sub := chi.NewRouter()
		sub.Get("/", noContent)
		mounts.Mount("/v1", sub)
		if err := chistigg.Verify(mounts, table); err != nil {
			t.Fatal(err)
		}

		inner := chi.NewRouter()
		inner.Use(chistigg.Routes(newGate(t), gate.Table{"GET /off": off}, rest))
		inner.Get("/off", noContent)
		outer := chi.NewRouter()
		outer.Use(middleware.StripSlashes)
		outer.Mount("/v1", inner)

		tests := []struct {
			name   string
			router http.Handler
			method string
			target string
			want   int
		}{
			{"the route itself", behind, "GET", "/off", 402},
			{"slashes stripped behind the gate", behind, "GET", "/off/", 404},
			{"HEAD made GET behind the gate", behind, "HEAD", "/off", 405},
			{"slashes stripped before the gate", before, "GET", "/off/", 402},
			{"HEAD made GET before the gate", before, "HEAD", "/off", 402},
			{"below a mounted handler", mounts, "GET", "/files/x", 402},
			{"a mounted handler's own path", mounts, "GET", "/files", 402},
			{"a mounted handler's own path with a slash", mounts, "GET", "/files/", 402},
			{"a mounted router's own path", mounts, "GET", "/v1", 402},
			{"a mounted router's own path with a slash", mounts, "GET", "/v1/", 402},
			{"an empty path", mounts, "GET", "", 402},
			{"a table in a mount", outer, "GET", "/v1/off", 403},
			{"a table in a mount behind StripSlashes", outer, "GET", "/v1/off/", 403},
		}
		for _, tt := range tests {
			r := stubstigg.Request(tt.method, "/")
			r.URL.Path = tt.target
			if w := stubstigg.Serve(tt.router, r); w.Code != tt.want {
				t.Errorf("%s, rest %d: got %d, want %d", tt.name, rest, w.Code, tt.want)
			}
		}
	}
}

func TestRequireWorksWithoutChi(t *testing.T) {
	h := chistigg.Require(newGate(t), gate.Feature("off"))(http.HandlerFunc(noContent))
	if got := get(h, "/off"); got != http.StatusPaymentRequired {
		t.Errorf("got %d, want 402", got)
	}
}
