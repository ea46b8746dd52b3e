// Package chistigg puts a gate in front of chi routes.
//
//	r.With(chistigg.Require(g, gate.Feature("feature-02-campaigns").Uses(1))).Post("/campaigns", createCampaign)
//
// Put recovery outside, then authentication, then the gate, then the handler. Two
// gates on one request charge twice: a Require inside a router that has Routes, say.
package chistigg

import (
	"cmp"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/stiggate/gate"
	"github.com/stiggate/gate/nethttp"
)

// Require returns a middleware that lets a request through if the policy does. Use
// it with With or in a group, where the route is known to exist. It panics with a
// *gate.PolicyError if the policy is wrong, since that is a mistake of the program.
func Require(g *gate.Gate, p gate.Policy) func(http.Handler) http.Handler {
	return nethttp.Require(g, p)
}

// Routes returns a middleware for the root router's Use, before routes are
// registered, that guards by a table of route patterns ("GET /v1/cities/{city}",
// through groups and mounts). It panics if a policy or a key is wrong; see Verify for
// keys that name no route.
//
// Middlewares that rewrite the path or the method (StripSlashes, GetHead) go before
// it. With DenyRest a request that matches no route gets chi's own 404 or 405 at once,
// so that no rewriting behind the gate can open a route; an OPTIONS goes on, for CORS.
func Routes(g *gate.Gate, t gate.Table, rest gate.Rest) func(http.Handler) http.Handler {
	guards := g.MustGuards(t, rest)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := chi.RouteContext(r.Context())
			method := cmp.Or(c.RouteMethod, r.Method)
			pattern := c.Routes.Find(chi.NewRouteContext(), method, path(r, c))
			switch {
			case pattern != "":
				nethttp.Serve(g, guards.Find(method, pattern), pattern, w, r, next)
			case rest == gate.PublicRest || method == http.MethodOptions:
				next.ServeHTTP(w, r)
			default:
				miss(w, r, c)
			}
		})
	}
}

// path is what the root router matches: StripSlashes and the like rewrite it, and
// inside a mount chi's context has only the mount's part. (The context knows the
// pattern only after the handler: go-chi/chi#270, #872.)
func path(r *http.Request, c *chi.Context) string {
	if len(c.RoutePatterns) == 0 && c.RoutePath != "" {
		return c.RoutePath
	}
	return cmp.Or(r.URL.RawPath, r.URL.Path)
}

// miss answers as chi does when no route matches.
func miss(w http.ResponseWriter, r *http.Request, c *chi.Context) {
	root, ok := c.Routes.(*chi.Mux)
	if !ok {
		http.NotFound(w, r)
		return
	}
	answer := root.NotFoundHandler()
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "TRACE", "OPTIONS"} {
		if root.Match(chi.NewRouteContext(), method, path(r, c)) {
			w.Header().Add("Allow", method)
			answer = root.MethodNotAllowedHandler()
		}
	}
	answer(w, r)
}

// Verify reports which keys of the table name no route: nil, or an error that names
// them all. Call it when all routes are registered.
func Verify(routes chi.Routes, t gate.Table) error {
	known := make(map[string]bool)
	err := chi.Walk(routes, func(method, pattern string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		known[method+" "+pattern], known[" "+pattern] = true, true
		return nil
	})
	if err != nil {
		return err
	}
	return t.Verify(func(method, pattern string) bool { return known[method+" "+pattern] })
}
