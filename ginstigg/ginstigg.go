// Package ginstigg puts a gate in front of gin routes.
//
//	r.POST("/campaigns", ginstigg.Require(g, gate.Feature("feature-02-campaigns").Uses(1)), createCampaign)
//
// The order is recovery, CORS, authentication, gate, handler: recovery behind the gate hides
// panics. What rewrites methods goes in front of the engine, and after HandleContext comes
// c.Abort (gin-gonic/gin#2944). Two gates charge twice. gatetest.Run holds it to all
// this: go test -race ./ginstigg.
package ginstigg

import (
	"errors"
	"net"
	"net/http"
	"reflect"

	"github.com/gin-gonic/gin"
	"github.com/stiggate/gate"
)

// Require returns a middleware for a route or a group that lets a request through if the
// policy does. It panics with a *gate.PolicyError if the policy is wrong, a program's mistake.
// A handler finds its ticket with gate.TicketFrom(c.Request.Context()).
func Require(g *gate.Gate, p gate.Policy) gin.HandlerFunc {
	guard := g.MustGuard(p)
	return func(c *gin.Context) { serve(g, guard, c) }
}

// Routes returns a middleware for the engine's Use, before routes are registered (gin lets
// earlier ones through unguarded), that guards by a table of route patterns, groups' prefixes
// included ("GET /v1/items/:item"). It panics if a policy or a key is wrong; see Verify. What
// matches no route is left to NoRoute, NoMethod and gin's own redirects.
func Routes(g *gate.Gate, t gate.Table, rest gate.Rest) gin.HandlerFunc {
	guards := g.MustRouteGuards(t, rest)
	return func(c *gin.Context) {
		if c.FullPath() != "" {
			guard, _ := guards.Find(c.Request.Method, c.FullPath())
			serve(g, guard, c)
		}
	}
}

// Verify reports which keys of the table name no route, once all are registered: nil, or an
// error that names them all. A route of all methods must be named without a method.
func Verify(engine *gin.Engine, t gate.Table) error {
	var listed []string
	for _, r := range engine.Routes() {
		listed = append(listed, r.Method+" "+r.Path)
	}
	return t.VerifyListed(listed)
}

func serve(g *gate.Gate, guard *gate.Guard, c *gin.Context) {
	w, old, told := c.Writer, c.Request, len(c.Errors)
	guard.Serve(gate.Call{Request: old, Route: c.FullPath(), Method: method(c), Header: w.Header()},
		func(d gate.Decision) {
			c.Abort() // not to call Next would stop nothing (gin-gonic/gin#287)
			g.WriteDenial(w, old, d)
			w.WriteHeaderNow()
		},
		func(r *http.Request) {
			if r != old {
				c.Request = r
				defer func() { c.Request = old }()
			}
			c.Next()
		},
		func() gate.Outcome {
			o := gate.Outcome{Status: w.Status(), Bytes: int64(max(0, w.Size()))}
			if o.Status == http.StatusEarlyHints { // and nothing behind it
				o.Status = http.StatusOK
			}
			for _, e := range c.Errors[min(told, len(c.Errors)):] {
				o.Err = e.Err // gin.Recovery makes two kinds of panic an error, with status 200
				o.Panicked = o.Panicked || errors.Is(e, http.ErrAbortHandler) || c.IsAborted() && errors.As(e, new(*net.OpError))
			}
			return o
		})
}

// method is what the route is registered for: "" for HEAD and OPTIONS if their handler, by its
// name, has other methods of the path (GET for HEAD apart). gin gives nobody its engine.
func method(c *gin.Context) string {
	verb, engine := c.Request.Method, reflect.ValueOf(c).Elem().FieldByName("engine")
	if verb != http.MethodHead && verb != http.MethodOptions {
		return verb
	} else if c.FullPath() == "" || !engine.IsValid() || engine.Type() != reflect.TypeFor[*gin.Engine]() {
		return ""
	}
	for _, r := range (*gin.Engine)(engine.UnsafePointer()).Routes() {
		other := r.Method != verb && (verb == http.MethodOptions || r.Method != http.MethodGet)
		if other && r.Path == c.FullPath() && r.Handler == c.HandlerName() {
			return ""
		}
	}
	return verb
}
