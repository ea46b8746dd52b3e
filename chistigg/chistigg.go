// Package chistigg puts a gate in front of chi routes.
//
//	r.With(chistigg.Require(g, gate.Feature("feature-02-campaigns").Uses(1))).Post("/campaigns", createCampaign)
//
// The order is recovery, authentication, gate, handler. Two gates on one request charge twice.
// gatetest.Run holds the adapter to all this: go test -race ./chistigg.
package chistigg

import (
	"cmp"
	"net/http"
	"strings"

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
			nethttp.Serve(g, guard, called(r), w, next)
		})
	}
}

// Routes returns a middleware for the root router's Use, before routes are registered, that
// guards by a table of route patterns ("GET /v1/cities/{city}", through groups and mounts). It
// panics if a policy or a key is wrong; see Verify. What matches no route gets chi's 404 or 405
// at once: put StripSlashes, GetHead, CORS and the like before it. In a mount the rest is denied.
func Routes(g *gate.Gate, t gate.Table, rest gate.Rest) func(http.Handler) http.Handler {
	root, mounted := g.MustRouteGuards(t, rest), g.MustRouteGuards(t, gate.DenyRest)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			call, guards := called(r), mounted
			c, verb, path := at(r)
			if len(c.RoutePatterns) == 0 {
				if guards = root; call.Route == "" {
					miss(w, r, c.Routes.(*chi.Mux), path)
					return
				}
			}
			guard, named := guards.Find(verb, call.Route)
			for i := 0; i < 3 && !named; i++ { // chi's tree has a mount's own path, its list has not
				guard, named = guards.Find(verb, call.Route+[]string{"/", "/*", "*"}[i])
			}
			nethttp.Serve(g, guard, call, w, next)
		})
	}
}

// at is chi's context, and what its root router matches: in a mount chi has but a part of the path.
func at(r *http.Request) (c *chi.Context, verb, path string) {
	c = cmp.Or(chi.RouteContext(r.Context()), &chi.Context{}) // an empty one outside chi
	if path = c.RoutePath; len(c.RoutePatterns) > 0 || path == "" {
		path = cmp.Or(r.URL.RawPath, r.URL.Path, "/")
	}
	return c, cmp.Or(c.RouteMethod, r.Method), path
}

// called is the request with its whole pattern, of which chi knows a part at most in mounts
// (go-chi/chi#692, #872), and its route's method, "" if that is not surely one.
func called(r *http.Request) gate.Call {
	c, verb, path := at(r)
	route := strings.Join(c.RoutePatterns, "")
	if c.Routes != nil && (len(c.RoutePatterns) != 1 || strings.HasSuffix(route, "*")) {
		route = c.Routes.Find(chi.NewRouteContext(), verb, path)
	}
	if (r.Method == "HEAD" || r.Method == "OPTIONS") && (route == "" || c.Routes.Match(chi.NewRouteContext(), "TRACE", path)) {
		verb = ""
	}
	return gate.Call{Request: r, Route: route, Method: verb}
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
