// Package nethttp puts a gate in front of net/http handlers.
//
//	mux.Handle("POST /campaigns", nethttp.Require(g, gate.Feature("feature-02-campaigns").Uses(1))(createCampaign))
//
// Put recovery outside, then CORS, then authentication, then the gate, then the handler. It works for every router whose middlewares
// are of net/http's shape; chi has an adapter of its own that knows chi's routes.
// conformance.RunAdapter holds the adapter to all this: go test -race ./nethttp.
package nethttp

import (
	"cmp"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"strings"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/internal/option"
)

// Require returns a middleware that lets a request through if the policy does. It
// panics with a *gate.PolicyError if the policy is wrong, since that is a mistake of
// the program, and so it does where the handler is nil.
func Require(g *gate.Gate, p gate.Policy) func(http.Handler) http.Handler {
	guard := g.MustGuard(p)
	return func(next http.Handler) http.Handler {
		option.Must("nethttp", "handler", next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			Serve(g, guard, gate.Call{Request: r, Writer: w, Route: r.Pattern}, next)
		})
	}
}

// Routes returns mux behind a table of policies, whose keys are patterns as mux was
// given them. It panics if a policy or a key is wrong; see Verify for keys that name
// no route. What mux itself answers (404, 405, a redirect to the clean path) is not
// guarded.
func Routes(g *gate.Gate, mux *http.ServeMux, t gate.Routing, rest gate.Rest) http.Handler {
	option.Must("nethttp", "mux", mux)
	guards := g.MustRouteGuards(t, rest)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		registered := matched(mux, r)
		if registered == "" {
			mux.ServeHTTP(w, r)
			return
		}
		method, pattern := split(registered)
		Serve(g, guards.Match(r, method, pattern), gate.Call{Request: r, Writer: w, Route: registered}, mux)
	})
}

// redirect is the type of mux's redirects to the clean path.
var redirect = reflect.TypeOf(http.RedirectHandler("/", http.StatusFound))

// matched is the pattern that mux has for r, "" if mux answers by itself.
func matched(mux *http.ServeMux, r *http.Request) string {
	h, registered := mux.Handler(r)
	if reflect.TypeOf(h) != redirect {
		return registered
	}
	if again, _ := mux.Handler(r); h != again { // mux makes its own redirects anew
		return ""
	}
	return registered
}

// Verify reports which keys of the table name no route of mux: nil, or an error that
// names them all. Call it when all routes are registered. net/http can't list its
// routes, so each key is tried with a request that it would match. To be told of the routes that
// the table forgets, too, keep the patterns that mux is given, for gate.Table's VerifyListed.
func Verify(mux *http.ServeMux, t gate.Table) error {
	wildcard := regexp.MustCompile(`\{[^/]*\}`)
	return t.Verify(func(method, pattern string) bool {
		host, path, _ := strings.Cut(pattern, "/")
		path = "/" + wildcard.ReplaceAllString(strings.TrimSuffix(path, "{$}"), "gate-probe")
		u := &url.URL{Path: path, RawPath: path}
		u.Path, _ = url.PathUnescape(path)
		_, registered := mux.Handler(&http.Request{Method: cmp.Or(method, "GATE-PROBE"), Host: cmp.Or(host, "gate-probe.invalid"), URL: u})
		gotMethod, gotPattern := split(registered)
		return gotMethod == method && gotPattern == pattern
	})
}

// Serve takes one call through a guard, for adapters of routers of net/http's shape.
func Serve(g *gate.Gate, guard *gate.Guard, c gate.Call, next http.Handler) {
	guard.Serve(c,
		func(d gate.Decision) { g.WriteDenial(c.Writer, c.Request, d) },
		func(w http.ResponseWriter, r *http.Request) bool { next.ServeHTTP(w, r); return true },
		nil)
}

func split(registered string) (method, pattern string) {
	if method, pattern, ok := strings.Cut(registered, " "); ok {
		return method, strings.TrimLeft(pattern, " \t")
	}
	return "", registered
}
