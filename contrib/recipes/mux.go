package recipes

import (
	"net/http"

	"github.com/gorilla/mux"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/nethttp"
)

// recipe: gorilla/mux

// RequireMux is for router.Use of a subrouter, or around one handler.
func RequireMux(g *gate.Gate, p gate.Policy) mux.MiddlewareFunc {
	guard := g.MustGuard(p)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			nethttp.Serve(g, guard, gate.Call{Request: r, Writer: w, Route: template(mux.CurrentRoute(r))}, next)
		})
	}
}

// MuxRoutes is for router.Use: a table of the paths' templates, "GET /items/{id}". mux runs it
// for what matches a route alone, so 404 and 405 stay its own.
func MuxRoutes(g *gate.Gate, t gate.Routing, rest gate.Rest) mux.MiddlewareFunc {
	guards := g.MustRouteGuards(t, rest)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			route := template(mux.CurrentRoute(r))
			nethttp.Serve(g, guards.Match(r, r.Method, route), gate.Call{Request: r, Writer: w, Route: route}, next)
		})
	}
}

// VerifyMux says which keys of the table name no route, and which routes below none of open the
// table forgets, once all are registered.
func VerifyMux(router *mux.Router, t gate.Table, open ...string) error {
	var listed []string
	_ = router.Walk(func(registered *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		if registered.GetHandler() == nil { // a subrouter, whose routes are walked by themselves
			return nil
		}
		methods, err := registered.GetMethods()
		if err != nil {
			listed = append(listed, template(registered)) // of all methods
		}
		for _, method := range methods {
			listed = append(listed, method+" "+template(registered))
		}
		return nil
	})
	return t.VerifyListed(listed, open...)
}

func template(registered *mux.Route) string {
	if registered == nil { // not behind a router
		return ""
	}
	path, _ := registered.GetPathTemplate()
	return path
}

// end of recipe
