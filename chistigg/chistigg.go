// Package chistigg puts a gate in front of chi routes.
//
//	r.With(chistigg.Require(g, gate.Feature("feature-02-campaigns").Uses(1))).Post("/campaigns", createCampaign)
//
// The order is recovery, authentication, gate, handler. Two gates on one request charge twice.
package chistigg

import (
	"cmp"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/stiggate/gate"
	"github.com/stiggate/gate/nethttp"
)

// Require returns a middleware for With or a group that lets a request through if the
// policy does. It panics with a *gate.PolicyError if the policy is wrong: a program's mistake.
func Require(g *gate.Gate, p gate.Policy) func(http.Handler) http.Handler {
	guard := g.MustGuard(p)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			nethttp.Serve(g, guard, gate.Call{Request: r, Method: method(r)}, w, next)
		})
	}
}

// Routes returns a middleware for the root router's Use, before routes are registered,
// that guards by a table of route patterns ("GET /v1/cities/{city}", through groups and
// mounts). It panics if a policy or a key is wrong; see Verify. A request that matches no
// route gets chi's 404 or 405 at once, so that no rewriting behind the gate opens one: put
// CORS, StripSlashes, GetHead and the like before it. In a mount the rest is denied.
func Routes(g *gate.Gate, t gate.Table, rest gate.Rest) func(http.Handler) http.Handler {
	root, mounted := g.MustGuards(t, rest), g.MustGuards(t, gate.DenyRest)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, guards := chi.RouteContext(r.Context()), root
			verb := cmp.Or(c.RouteMethod, r.Method)
			pattern := c.Routes.Find(chi.NewRouteContext(), verb, path(r, c))
			if len(c.RoutePatterns) > 0 {
				guards = mounted
			} else if pattern == "" {
				miss(w, r, c.Routes.(*chi.Mux), path(r, c))
				return
			}
			guard, named := guards.Find(verb, pattern)
			for i := 0; i < 3 && !named; i++ { // chi's tree has a mount's own path, its list has not
				guard, named = guards.Find(verb, pattern+[]string{"/", "/*", "*"}[i])
			}
			nethttp.Serve(g, guard, gate.Call{Request: r, Route: pattern, Method: method(r)}, w, next)
		})
	}
}

// path is what the root router matches: StripSlashes and the like rewrite it, and inside a
// mount chi's context has only the mount's part (go-chi/chi#270, #872).
func path(r *http.Request, c *chi.Context) string {
	if full := cmp.Or(r.URL.RawPath, r.URL.Path, "/"); len(c.RoutePatterns) > 0 || c.RoutePath == "" {
		return full
	}
	return c.RoutePath
}

// method is what the route is registered for, "" if that is not surely one method.
func method(r *http.Request) string {
	c := cmp.Or(chi.RouteContext(r.Context()), chi.NewRouteContext())
	matches := func(m string) bool { return c.Routes != nil && c.Routes.Match(chi.NewRouteContext(), m, path(r, c)) }
	verb := cmp.Or(c.RouteMethod, r.Method)
	if (r.Method == "HEAD" || r.Method == "OPTIONS") && (!matches(verb) || matches("TRACE")) {
		return ""
	}
	return verb
}

// miss is chi's own answer to what matches no route.
func miss(w http.ResponseWriter, r *http.Request, mux *chi.Mux, path string) {
	answer := mux.NotFoundHandler()
	for _, m := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "TRACE", "OPTIONS"} {
		if mux.Match(chi.NewRouteContext(), m, path) {
			w.Header().Add("Allow", m)
			answer = mux.MethodNotAllowedHandler()
		}
	}
	answer(w, r)
}

// Verify reports which keys of the table name no route, once all are registered: nil, or an
// error that names them all. A route of all methods must be named without a method.
func Verify(routes chi.Routes, t gate.Table) error {
	var listed []string
	_ = chi.Walk(routes, func(m, pattern string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		listed = append(listed, m+" "+pattern)
		return nil
	})
	return t.VerifyListed(listed)
}
