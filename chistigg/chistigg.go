// Package chistigg puts a gate in front of chi routes.
//
//	r.With(chistigg.Require(g, gate.Feature("feature-02-campaigns").Uses(1))).Post("/campaigns", createCampaign)
//
// The order is recovery, CORS, whatever rewrites paths or methods, authentication, gate,
// handler. conformance.RunAdapter holds the adapter to all
// this: go test -race ./chistigg.
package chistigg

import (
	"cmp"
	"net/http"
	"strings"
	"sync"

	"github.com/go-chi/chi/v5"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/internal/option"
	"github.com/stiggate/gate/nethttp"
)

// Require returns a middleware for With or a group that lets a request through if the
// policy does. It panics with a *gate.PolicyError if the policy is wrong, a program's mistake, and
// where the handler is nil.
func Require(g *gate.Gate, p gate.Policy) func(http.Handler) http.Handler {
	guard := g.MustGuard(p)
	return func(next http.Handler) http.Handler {
		option.Must("chistigg", "handler", next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			nethttp.Serve(g, guard, gate.Call{Request: r, Writer: w, Route: named(r)}, next)
		})
	}
}

// Routes returns a middleware for the root router's Use, before routes are registered, that
// guards by a table of route patterns ("GET /v1/cities/{city}", through groups and mounts). It
// panics if a policy or a key is wrong; see Verify. What matches no route gets chi's 404 or 405
// at once, the root router's: put StripSlashes, GetHead, CORS and the like before it. In a mount
// the rest is denied, and so is a path that was rewritten on its way there.
func Routes(g *gate.Gate, t gate.Routing, rest gate.Rest) func(http.Handler) http.Handler {
	root, mounted := g.MustRouteGuards(t, rest), g.MustRouteGuards(t, gate.DenyRest)
	var known listing
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := chi.RouteContext(r.Context())
			guards, verb, path, matched := root, method(c, r), whole(r), ""
			switch {
			case c == nil || c.Routes == nil: // not in a router of chi's
				guards = mounted
			case len(c.RoutePatterns) > 0: // in a mount chi tells but the rest of the path
				if guards = mounted; strings.HasSuffix(path, c.RoutePath) {
					matched = find(c.Routes, verb, path)
				}
			default:
				path = cmp.Or(c.RoutePath, path)
				matched = find(c.Routes, verb, path)
			}
			var guard *gate.Guard
			if matched == "" && guards == root {
				guard = guards.Missed(r)
			} else {
				listed := matched
				if matched != "" {
					listed = known.name(c.Routes, verb, matched)
				}
				guard = guards.Match(r, verb, matched, listed)
				matched = listed
			}
			if guard == nil {
				miss(w, r, c.Routes.(*chi.Mux), path)
				return
			}
			nethttp.Serve(g, guard, gate.Call{Request: r, Writer: w, Route: matched}, next)
		})
	}
}

// listing is the routes of a router, as chi's Walk lists them.
type listing struct {
	once   sync.Once
	routes map[string]bool // "METHOD pattern"
}

// name is what Walk calls a route that Find has found. They differ in a mount's own path,
// which Find knows without what is mounted there.
func (l *listing) name(routes chi.Routes, verb, pattern string) string {
	l.once.Do(func() {
		l.routes = make(map[string]bool)
		for _, route := range list(routes) {
			l.routes[route] = true
		}
	})
	for _, more := range []string{"", "/", "/*", "*"} {
		if l.routes[verb+" "+pattern+more] {
			return pattern + more
		}
	}
	return pattern
}

func list(routes chi.Routes) (listed []string) {
	_ = chi.Walk(routes, func(m, pattern string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		listed = append(listed, m+" "+pattern)
		return nil
	})
	return listed
}

// named is the pattern of the request's route, for those who read of it. chi knows the whole
// of it behind the last router only (go-chi/chi#692, #872).
func named(r *http.Request) string {
	c := chi.RouteContext(r.Context())
	if c == nil {
		return ""
	}
	route := strings.Join(c.RoutePatterns, "")
	if c.Routes != nil && (len(c.RoutePatterns) != 1 || strings.HasSuffix(route, "*")) {
		path := whole(r)
		if len(c.RoutePatterns) == 0 {
			path = cmp.Or(c.RoutePath, path)
		}
		route = find(c.Routes, method(c, r), path)
	}
	return route
}

// whole is the path that chi's root router goes by, unless something has rewritten it.
func whole(r *http.Request) string { return cmp.Or(r.URL.RawPath, r.URL.Path, "/") }

// method is the one that chi's root router goes by.
func method(c *chi.Context, r *http.Request) string {
	if c != nil && c.RouteMethod != "" {
		return c.RouteMethod
	}
	return r.Method
}

var contexts = sync.Pool{New: func() any { return chi.NewRouteContext() }}

// find is the pattern that a router has for a path, "" without one.
func find(routes chi.Routes, verb, path string) string {
	c := contexts.Get().(*chi.Context)
	defer contexts.Put(c)
	c.Reset()
	return routes.Find(c, verb, path)
}

// miss is chi's own answer to what matches no route.
func miss(w http.ResponseWriter, r *http.Request, mux *chi.Mux, path string) {
	answer := mux.NotFoundHandler()
	for _, m := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "TRACE", "OPTIONS"} {
		if find(mux, m, path) != "" {
			w.Header().Add("Allow", m)
			answer = mux.MethodNotAllowedHandler()
		}
	}
	answer(w, r)
}

// Verify reports which keys of the table name no route, and which routes the table forgets, once all
// are registered: nil, or an error that joins a *gate.PolicyError or a *gate.ForgottenRouteError for
// each. A route of all methods must be named without a method. open are paths below which routes
// are left to the rest on purpose: "/assets/", or "/" for all.
func Verify(routes chi.Routes, t gate.Table, open ...string) error {
	return t.VerifyListed(list(routes), open...)
}
