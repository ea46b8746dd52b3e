package echostigg

import (
	"cmp"
	"maps"

	"github.com/labstack/echo/v4"

	"github.com/stiggate/gate"
)

// Routes returns a middleware for e.Use that guards by a table of route patterns, groups'
// prefixes included ("GET /v1/items/:item"). It panics if a policy or a key is wrong; see
// Verify. A path that echo has no route for gets 404 at once: put middleware.Static in front.
// A group with middlewares answers whatever is below its prefix, by them if not by a route,
// and so does RouteNotFound: those are routes too, the rest's unless a key without a method
// names them ("/v1" and "/v1/*"). In e.Pre, all routes are denied.
func Routes(g *gate.Gate, t gate.Routing, rest gate.Rest, with ...Option) echo.MiddlewareFunc {
	guards, o := g.MustRouteGuards(t, rest), apply(g, with)
	closed, _ := g.MustRouteGuards(gate.Table{}, gate.DenyRest).Find("", "")
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			var guard *gate.Guard
			switch own := echos(c); {
			case own != nil:
				return own(c)
			case c.Path() != "":
				guard = guards.Match(c.Request(), c.Request().Method, c.Path())
			case find(c).Path() != "": // in e.Pre, echo has not looked yet
				guard = closed
			default:
				guard = guards.Missed(c.Request())
			}
			if guard == nil { // lest a middleware behind opens something
				return echo.NotFoundHandler(c)
			}
			return o.serve(guard, next, c)
		}
	}
}

// echos is echo's own answer to a method that the path has not: 405, or 204 to OPTIONS; nil if
// it has a handler of the app's.
func echos(c echo.Context) echo.HandlerFunc {
	if c.Get(echo.ContextKeyHeaderAllow) == nil {
		return nil
	}
	// What is in the context may be of an earlier path.
	if found := find(c); found.Path() == c.Path() && found.Get(echo.ContextKeyHeaderAllow) != nil {
		return found.Handler()
	}
	return nil
}

// find has echo look for the request's route, in a context of its own.
func find(c echo.Context) echo.Context {
	probe := c.Echo().NewContext(c.Request(), nil)
	router(c).Find(c.Request().Method, echo.GetPath(c.Request()), probe)
	return probe
}

func router(c echo.Context) *echo.Router {
	return cmp.Or(c.Echo().Routers()[c.Request().Host], c.Echo().Router())
}

// Verify reports which keys of the table name no route, and which routes the table forgets, once all
// are registered: nil, or an error that joins a *gate.PolicyError or a *gate.ForgottenRouteError for
// each. A route of all methods must be named without a method. open are paths below which routes
// are left to the rest on purpose: "/assets/", or "/" for all. What a group
// or RouteNotFound answers is not told as forgotten.
func Verify(e *echo.Echo, t gate.Table, open ...string) error {
	routers := maps.Clone(e.Routers())
	routers[""] = e.Router()
	var listed []string
	for _, router := range routers {
		for _, r := range router.Routes() {
			if _, named := t[r.Path]; named || r.Method != echo.RouteNotFound {
				listed = append(listed, r.Method+" "+r.Path)
			}
		}
	}
	return t.VerifyListed(listed, open...)
}
