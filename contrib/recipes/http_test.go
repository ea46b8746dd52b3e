package recipes

import (
	"io"
	"net/http"
	"regexp"
	"testing"

	"github.com/gorilla/mux"
	"github.com/julienschmidt/httprouter"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/conformance"
)

// plain is a route's handler without its gates.
func plain(r conformance.Route) http.Handler {
	if r.Body == "" {
		return r.Handler
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, r.Body) })
}

// before is what a route has in front of its gates.
func before(r conformance.Route, gated http.Handler) http.Handler {
	h := gated
	if r.Before != nil {
		h = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			r.Before(w, req, func(req *http.Request) *http.Request {
				gated.ServeHTTP(w, req)
				return req
			})
		})
	}
	if r.Recovery == conformance.RecoveryOutside {
		h = conformance.Recover(h)
	}
	return h
}

func inside(r conformance.Route) http.Handler {
	if r.Recovery == conformance.RecoveryInside {
		return conformance.Recover(plain(r))
	}
	return plain(r)
}

func TestMux(t *testing.T) {
	build := func(routes []conformance.Route, handler func(conformance.Route) http.Handler, use ...mux.MiddlewareFunc) *mux.Router {
		m := mux.NewRouter().UseEncodedPath()
		m.Use(use...)
		for _, r := range routes {
			route := m.Handle(r.Pattern, handler(r))
			if r.Method != "" {
				route.Methods(r.Method)
			}
		}
		return m
	}
	conformance.RunAdapter(t, conformance.Adapter{
		Guarded: func(g *gate.Gate, routes []conformance.Route) http.Handler {
			return build(routes, func(r conformance.Route) http.Handler {
				h := inside(r)
				for i := range r.Policies {
					h = RequireMux(g, r.Policies[len(r.Policies)-1-i])(h)
				}
				return before(r, h)
			})
		},
		Tabled: func(g *gate.Gate, routes []conformance.Route, t gate.Table, rest gate.Rest) http.Handler {
			return build(routes, plain, MuxRoutes(g, t, rest))
		},
		Verify: func(routes []conformance.Route, t gate.Table) error { return VerifyMux(build(routes, plain), t) },
		Grouped: map[string]conformance.Group{
			"a subrouter": func(g *gate.Gate, prefix string, p gate.Policy, routes []conformance.Route) http.Handler {
				m := mux.NewRouter().UseEncodedPath()
				sub := m.PathPrefix(prefix).Subrouter()
				sub.Use(RequireMux(g, p))
				for _, r := range routes {
					route := sub.Handle(r.Pattern, plain(r))
					if r.Method != "" {
						route.Methods(r.Method)
					}
				}
				return m
			},
		},
	})
}

// TestARouteWithoutAHandlerIsNoMuxRoute: a subrouter's prefix, for one.
func TestARouteWithoutAHandlerIsNoMuxRoute(t *testing.T) {
	m := mux.NewRouter()
	m.PathPrefix("/v1").Subrouter().Handle("/items", http.NotFoundHandler()).Methods("GET")
	m.Path("/link").Name("link")
	if err := VerifyMux(m, gate.Table{"GET /v1/items": gate.Public()}); err != nil {
		t.Error(err)
	}
	for _, key := range []string{"/v1", "/link"} {
		if err := VerifyMux(m, gate.Table{"GET /v1/items": gate.Public(), key: gate.Public()}); err == nil {
			t.Errorf("%s is taken for a route", key)
		}
	}
	if err := VerifyMux(m, gate.Table{}); err == nil || err.Error() != `gate: route "GET /v1/items": the table names no policy for it` {
		t.Errorf("got %v", err)
	}
}

var wildcard = regexp.MustCompile(`\{([^}]*)\}`)

// unescaped: httprouter goes by the unescaped path, and answers one that is not clean by itself,
// with a redirect to the clean one, which is guarded.
const unescaped = "httprouter matches URL.Path (julienschmidt/httprouter#284)"

func TestHTTPRouter(t *testing.T) {
	// httprouter has no routes of all methods: they are one each.
	every := []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "TRACE", "OPTIONS"}
	register := func(handle func(method, path string, h httprouter.Handle), routes []conformance.Route, handler func(conformance.Route) http.Handler) {
		for _, r := range routes {
			methods := every
			if r.Method != "" {
				methods = []string{r.Method}
			}
			h := handler(r)
			for _, method := range methods {
				handle(method, r.Pattern, func(w http.ResponseWriter, req *http.Request, _ httprouter.Params) { h.ServeHTTP(w, req) })
			}
		}
	}
	tabled := func(g *gate.Gate, routes []conformance.Route, t gate.Table, rest gate.Rest) *Gated {
		router := NewGated(g, t, rest)
		register(router.Handle, routes, plain)
		return router
	}
	conformance.RunAdapter(t, conformance.Adapter{
		Guarded: func(g *gate.Gate, routes []conformance.Route) http.Handler {
			router := httprouter.New()
			register(router.Handle, routes, func(r conformance.Route) http.Handler {
				h := inside(r)
				for i := range r.Policies {
					next := h
					handle := RequireHandle(g, r.Policies[len(r.Policies)-1-i], r.Pattern, func(w http.ResponseWriter, req *http.Request, _ httprouter.Params) { next.ServeHTTP(w, req) })
					h = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { handle(w, req, nil) })
				}
				return before(r, h)
			})
			return router
		},
		Tabled: func(g *gate.Gate, routes []conformance.Route, t gate.Table, rest gate.Rest) http.Handler {
			return tabled(g, routes, t, rest)
		},
		Verify: func(routes []conformance.Route, t gate.Table) error {
			g, err := gate.New(nothing{}, gate.ResolverFunc(func(*http.Request) (gate.Customer, error) { return gate.Customer{}, gate.ErrNoCustomer }))
			if err != nil {
				return err
			}
			return tabled(g, routes, nil, gate.DenyRest).Verify(t)
		},
		Spell: func(pattern string) string { return wildcard.ReplaceAllString(pattern, ":$1") },
		Skip: map[string]string{
			"table: an escaped path":                   unescaped,
			"table: a way up on an open route":         unescaped,
			"table: an escaped slash by who may":       unescaped,
			"table: an escaped slash on an open route": unescaped,
			"table: an escaped slash on the open rest": unescaped,
		},
	})
}
