package recipes

import (
	"net/http"

	"github.com/julienschmidt/httprouter"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/nethttp"
)

// recipe: httprouter

// Gated is an httprouter whose routes are behind a table, "GET /items/:id". httprouter has no
// middlewares and can't list its routes, so a route is bound when it is registered.
type Gated struct {
	*httprouter.Router
	gate   *gate.Gate
	guards *gate.RouteGuards
	listed []string
}

// NewGated returns an empty router. It panics if a policy or a key is wrong.
func NewGated(g *gate.Gate, t gate.Routing, rest gate.Rest) *Gated {
	return &Gated{Router: httprouter.New(), gate: g, guards: g.MustRouteGuards(t, rest)}
}

// Handle is to be used for all routes: httprouter's GET, POST and so on would pass it by.
func (router *Gated) Handle(method, path string, h httprouter.Handle) {
	router.listed = append(router.listed, method+" "+path)
	router.Router.Handle(method, path, func(w http.ResponseWriter, r *http.Request, ps httprouter.Params) {
		guard := router.guards.Match(r, method, path)
		nethttp.Serve(router.gate, guard, gate.Call{Request: r, Writer: w, Route: path}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h(w, r, ps)
		}))
	})
}

// Verify says which keys of the table name no route, and which routes below none of open the table
// forgets, once all are registered.
func (router *Gated) Verify(t gate.Table, open ...string) error {
	return t.VerifyListed(router.listed, open...)
}

// RequireHandle is a policy in front of one handler, without a table; route is its path.
func RequireHandle(g *gate.Gate, p gate.Policy, route string, h httprouter.Handle) httprouter.Handle {
	guard := g.MustGuard(p)
	return func(w http.ResponseWriter, r *http.Request, ps httprouter.Params) {
		nethttp.Serve(g, guard, gate.Call{Request: r, Writer: w, Route: route}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h(w, r, ps)
		}))
	}
}

// end of recipe
