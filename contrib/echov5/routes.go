package echov5

import (
	"net/http"

	"github.com/labstack/echo/v5"

	"github.com/stiggate/gate"
)

// Routes returns a middleware for e.Use that guards by a table of route patterns, groups'
// prefixes included ("GET /v1/items/:item"). It panics if a policy or a key is wrong; see
// Verify. A path that echo has no route for gets 404 at once: put middleware.Static in front.
// A group with middlewares answers whatever is below its prefix, by them if not by a route,
// and so does RouteNotFound: those are routes too, the rest's unless a key without a method
// names them ("/v1" and "/v1/*"). What RouterConfig.AutoHandleHEAD makes of a GET is guarded as
// that. In e.Pre, all routes are denied. Of several virtual hosts, each is an Echo of its own.
func Routes(g *gate.Gate, t gate.Routing, rest gate.Rest, with ...Option) echo.MiddlewareFunc {
	guards, o := g.MustRouteGuards(t, rest), apply(with)
	closed, _ := g.MustRouteGuards(gate.Table{}, gate.DenyRest).Find("", "")
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			if own := echos(c); own != nil {
				return own(c)
			}
			if c.Path() != "" {
				return serve(g, guards.Match(c.Request(), method(c), c.Path()), &o, next, c)
			}
			guard := guards.Missed(c.Request())
			found, own := find(c)
			if found.Path() != "" { // in e.Pre, echo has not looked yet
				guard = closed
			}
			if guard == nil { // lest a middleware behind opens something
				return own(c)
			}
			return serve(g, guard, &o, next, c)
		}
	}
}

// method is the one that the matched route is registered with, if that is one.
func method(c *echo.Context) string {
	if c.Request().Method == http.MethodHead && c.RouteInfo().Method == http.MethodGet {
		return http.MethodGet
	}
	return c.Request().Method
}

// echos is echo's own answer to a method that the path has not: 405, or 204 to OPTIONS; nil if
// it has a handler of the app's.
func echos(c *echo.Context) echo.HandlerFunc {
	if c.Get(echo.ContextKeyHeaderAllow) == nil {
		return nil
	}
	// What is in the context may be of an earlier path.
	if found, own := find(c); found.Path() == c.Path() && found.Get(echo.ContextKeyHeaderAllow) != nil {
		return own
	}
	return nil
}

// find has echo look for the request's route, in a context and a request of its own.
func find(c *echo.Context) (*echo.Context, echo.HandlerFunc) {
	probe := c.Echo().NewContext(c.Request().WithContext(c.Request().Context()), nil)
	handler := c.Echo().Router().Route(probe)
	return probe, handler
}

// Verify reports which keys of the table name no route, and which routes the table forgets, once all
// are registered: nil, or an error that joins a *gate.PolicyError or a *gate.ForgottenRouteError for
// each. A route of all methods must be named without a method. open are paths below which routes
// are left to the rest on purpose: "/assets/", or "/" for all. What a group
// or RouteNotFound answers is not told as forgotten.
func Verify(e *echo.Echo, t gate.Table, open ...string) error {
	var listed []string
	for _, r := range e.Router().Routes() {
		switch _, named := t[r.Path]; {
		case r.Method == echo.RouteAny:
			listed = append(listed, r.Path)
		case named || r.Method != echo.RouteNotFound:
			listed = append(listed, r.Method+" "+r.Path)
		}
	}
	return t.VerifyListed(listed, open...)
}
