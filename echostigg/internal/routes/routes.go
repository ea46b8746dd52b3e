// Package routes finds the guard of a request, by what echo's Context tells of its route and,
// where that is not enough, echo's list of routes.
package routes

import (
	"cmp"
	"maps"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/stiggate/gate"
)

// Find binds a table. What it returns finds a request's guard: nil if there is no route and
// nothing behind may be asked, lest a middleware of e.Pre rewrites the path and opens one.
func Find(g *gate.Gate, t gate.Table, rest gate.Rest) func(echo.Context) *gate.Guard {
	guards, open := g.MustRouteGuards(t, rest), g.MustGuard(gate.Public())
	closed, _ := g.MustRouteGuards(nil, gate.DenyRest).Find("", "")
	return func(c echo.Context) *gate.Guard {
		guard, named := guards.Find(c.Request().Method, c.Path())
		switch {
		case c.Path() == "" && early(c):
			return closed
		case c.Path() == "":
			return nil
		case (!named && rest == gate.DenyRest || c.Get(echo.ContextKeyHeaderAllow) != nil) && missed(c):
			return open
		}
		return guard
	}
}

// early tells whether there is a route that echo has not looked for yet, as in e.Pre.
func early(c echo.Context) bool {
	probe := c.Echo().NewContext(c.Request(), nil)
	router(c).Find(c.Request().Method, echo.GetPath(c.Request()), probe)
	return probe.Path() != ""
}

// missed tells whether echo has found no route and answers by itself: with 404, by what is
// registered as RouteNotFound (every group with a middleware is, as "/*"), or with 405, or
// OPTIONS with the methods that there are.
func missed(c echo.Context) bool {
	known := names(c)
	_, own := known[c.Request().Method]
	_, fallback := known[echo.RouteNotFound]
	return !own && (fallback || c.Get(echo.ContextKeyHeaderAllow) != nil)
}

// Method is what the route is registered for. For HEAD and OPTIONS it is "", so that they are
// guarded like any request, if the route's handler has other methods of the path too (Any,
// Match), but for the GET of a HEAD; or if echo does not list the route. Echo lists handlers by
// name. Two that one function made may have the same: then they count as one, unless the app
// gives their routes names of their own.
func Method(c echo.Context) string {
	verb := c.Request().Method
	if verb != http.MethodHead && verb != http.MethodOptions {
		return verb
	}
	known := names(c)
	own, ok := known[verb]
	if !ok {
		return ""
	}
	for method, name := range known {
		other := method != verb && (verb == http.MethodOptions || method != http.MethodGet)
		if other && (name == own || method == http.MethodTrace) {
			return ""
		}
	}
	return verb
}

// names is the routes of the path that echo matched: the handlers' names by method.
func names(c echo.Context) map[string]string {
	known := make(map[string]string)
	for _, r := range router(c).Routes() {
		if r.Path == c.Path() {
			known[r.Method] = r.Name
		}
	}
	return known
}

func router(c echo.Context) *echo.Router {
	return cmp.Or(c.Echo().Routers()[c.Request().Host], c.Echo().Router())
}

// Verify says which keys of the table name no route.
func Verify(e *echo.Echo, t gate.Table) error {
	routers := maps.Clone(e.Routers())
	routers[""] = e.Router()
	var listed []string
	for _, router := range routers {
		for _, r := range router.Routes() {
			if r.Method != echo.RouteNotFound {
				listed = append(listed, r.Method+" "+r.Path)
			}
		}
	}
	return t.VerifyListed(listed)
}
