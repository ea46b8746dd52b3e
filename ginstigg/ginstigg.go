// Package ginstigg puts a gate in front of gin routes.
//
//	r.POST("/campaigns", ginstigg.Require(g, gate.Feature("feature-02-campaigns").Uses(1)), createCampaign)
//
// The order is recovery, CORS, authentication, gate, handler: recovery behind the gate hides
// panics. What rewrites methods goes in front of the engine, and after HandleContext comes
// c.Abort (gin-gonic/gin#2944). conformance.RunAdapter holds it to all
// this: go test -race ./ginstigg.
package ginstigg

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/internal/option"
	"github.com/stiggate/gate/recorder"
)

// Require returns a middleware for a route or a group that lets a request through if the
// policy does. It panics with a *gate.PolicyError if the policy is wrong, a program's mistake, and
// at the first request of a route whose handler is nil. A handler finds its ticket with gate.TicketFrom(c.Request.Context()).
func Require(g *gate.Gate, p gate.Policy) gin.HandlerFunc {
	guard := g.MustGuard(p)
	return func(c *gin.Context) { serve(g, guard, c) }
}

// Routes returns a middleware for the engine's Use, before routes are registered (gin lets
// earlier ones through unguarded), that guards by a table of route patterns, groups' prefixes
// included ("GET /v1/items/:item"). It panics if a policy or a key is wrong; see Verify. What
// matches no route is left to NoRoute, NoMethod and gin's own redirects.
func Routes(g *gate.Gate, t gate.Routing, rest gate.Rest) gin.HandlerFunc {
	guards := g.MustRouteGuards(t, rest)
	return func(c *gin.Context) {
		var guard *gate.Guard
		if c.FullPath() == "" {
			guard = guards.Missed(c.Request)
		} else {
			guard = guards.Match(c.Request, c.Request.Method, c.FullPath())
		}
		if guard != nil {
			serve(g, guard, c)
		}
	}
}

// Verify reports which keys of the table name no route, and which routes the table forgets, once all
// are registered: nil, or an error that joins a *gate.PolicyError or a *gate.ForgottenRouteError for
// each. A route of all methods must be named without a method. open are paths below which routes
// are left to the rest on purpose: "/assets/", or "/" for all.
func Verify(engine *gin.Engine, t gate.Table, open ...string) error {
	var listed []string
	for _, r := range engine.Routes() {
		listed = append(listed, r.Method+" "+r.Path)
	}
	return t.VerifyListed(listed, open...)
}

func serve(g *gate.Gate, guard *gate.Guard, c *gin.Context) {
	if c.FullPath() != "" { // gin tells nobody of a route's handler before
		option.Must("ginstigg", "handler", c.Handler())
	}
	front, r, told, begun := c.Writer, c.Request, len(c.Errors), c.Writer.Written()
	var watched *writer // nil if the answer is not watched
	done := true
	guard.Serve(gate.Call{Request: r, Writer: front, Route: c.FullPath()},
		func(d gate.Decision) {
			c.Abort() // not to call Next would stop nothing (gin-gonic/gin#287)
			g.WriteDenial(front, r, d)
			front.WriteHeaderNow()
		},
		func(w http.ResponseWriter, handed *http.Request) bool {
			rec := recorder.Of(w)
			if rec == nil {
				c.Next()
				return true
			}
			watched = &writer{ResponseWriter: front, out: w, rec: rec, status: front.Status()}
			c.Writer, c.Request = watched, handed
			defer func() { done = restore(c, watched, handed, r) }()
			c.Next()
			return true
		},
		func(o gate.Outcome) gate.Outcome {
			if done {
				for _, e := range c.Errors[min(told, len(c.Errors)):] {
					o.Err = e.Err
				}
			}
			switch {
			case o.Status != 0:
			case done && !begun && c.Writer.Written(): // HandleContext has put gin's own writer in its place
				o.Status, o.Bytes = c.Writer.Status(), int64(c.Writer.Size())
			default:
				o.Status = watched.unwritten(r.Context(), o.Err)
			}
			return o
		})
}

// restore gives those in front what is theirs, as far as it is still the gate's, and reports
// whether the handler is done. A timeout that answers for a handler that is still at work
// leaves a writer of its own behind: what such a handler may use is left alone.
func restore(c *gin.Context, watched *writer, handed, r *http.Request) (done bool) {
	own := c.Writer == gin.ResponseWriter(watched)
	if !own && watched.rec.Status() >= http.StatusBadRequest {
		return false
	}
	if own {
		c.Writer = watched.ResponseWriter
	}
	if c.Request == handed {
		c.Request = r
	}
	return true
}
