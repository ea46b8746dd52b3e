// Package echostigg puts a gate in front of echo routes.
//
//	e.POST("/campaigns", createCampaign, echostigg.Require(g, gate.Feature("feature-02-campaigns").Uses(1)))
//
// The order is recovery, CORS, authentication, gate, handler: recovery behind the gate hides
// panics. Methods and paths are rewritten in e.Pre. Two gates on one request charge twice.
// gatetest.Run holds the adapter to all this: go test -race ./echostigg.
package echostigg

import (
	"context"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/stiggate/gate"
	"github.com/stiggate/gate/echostigg/internal/routes"
)

// Option is DenyAsError or WithStatus.
type Option func(*options)
type options struct {
	asError bool
	status  func(error) int
}

// Denied is a decision as an error. It is for the app's own eyes.
type Denied struct{ gate.Decision }

func (d *Denied) Error() string { return "gate: denied: " + d.Code }

// DenyAsError leaves denials to the HTTPErrorHandler, as *echo.HTTPError with *Denied in it.
func DenyAsError() Option { return func(o *options) { o.asError = true } }

// WithStatus tells which status the HTTPErrorHandler gives a returned error: it counts, unless
// the client left in mid-answer. By default it is the code of an *echo.HTTPError, or 500.
func WithStatus(status func(error) int) Option { return func(o *options) { o.status = status } }

// Require returns a middleware for a route or a group that lets a request through if the
// policy does. It panics with a *gate.PolicyError if the policy is wrong, a program's mistake.
func Require(g *gate.Gate, p gate.Policy, with ...Option) echo.MiddlewareFunc {
	guard := g.MustGuard(p)
	return guarded(g, with, func(echo.Context) *gate.Guard { return guard })
}

// Routes returns a middleware for e.Use that guards by a table of route patterns, groups'
// prefixes included ("GET /v1/items/:item"). It panics if a policy or a key is wrong; see
// Verify. What matches no route is echo's, or RouteNotFound's; where there is no path it gets
// 404 at once: put middleware.Static in front. In e.Pre, all routes are denied.
func Routes(g *gate.Gate, t gate.Table, rest gate.Rest, with ...Option) echo.MiddlewareFunc {
	return guarded(g, with, routes.Find(g, t, rest))
}

// Verify reports which keys of the table name no route, once all are registered: nil, or an
// error that names them all. A route of all methods must be named without a method.
func Verify(e *echo.Echo, t gate.Table) error { return routes.Verify(e, t) }

func guarded(g *gate.Gate, with []Option, find func(echo.Context) *gate.Guard) echo.MiddlewareFunc {
	o := options{status: func(err error) int {
		he := echo.ErrInternalServerError
		_ = errors.As(err, &he)
		return he.Code
	}}
	for _, option := range with {
		option(&o)
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) (err error) {
			guard, r, res, seen := find(c), c.Request(), c.Response(), (*gate.Recorder)(nil)
			if guard == nil {
				return echo.NotFoundHandler(c)
			}
			guard.Serve(gate.Call{Request: r, Route: c.Path(), Method: routes.Method(c), Header: res.Header()},
				func(d gate.Decision) {
					if !o.asError {
						g.WriteDenial(res, r, d)
						return
					}
					err = echo.NewHTTPError(d.Status, d.Code).SetInternal(&Denied{d})
				},
				func(handed *http.Request) {
					if handed != r {
						defer func(w http.ResponseWriter) { res.Writer = w; c.SetRequest(r) }(res.Writer)
						res.Writer, seen = gate.Record(res.Writer)
						c.SetRequest(handed)
					}
					err = next(c)
				},
				func() gate.Outcome {
					out, left := seen.Outcome(), res.Committed && errors.Is(r.Context().Err(), context.Canceled)
					if out.Err = err; err != nil && !out.Hijacked && !left {
						out.Status = o.status(err)
					}
					return out
				})
			return err
		}
	}
}
