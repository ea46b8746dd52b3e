// Package echostigg puts a gate in front of echo routes.
//
//	e.POST("/campaigns", createCampaign, echostigg.Require(g, gate.Feature("feature-02-campaigns").Uses(1)))
//
// The order is recovery, CORS, authentication, gate, handler: recovery behind the gate hides
// panics. Methods and paths are rewritten in e.Pre. A time limit is echo's ContextTimeout; its
// Timeout, which echo advises against, leaves handlers running with a context that others
// use. conformance.RunAdapter holds the adapter to all
// this: go test -race ./echostigg.
package echostigg

import (
	"cmp"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/internal/option"
	"github.com/stiggate/gate/recorder"
)

// Option is DenyAsError or WithStatus.
type Option func(*options)
type options struct {
	gate    *gate.Gate
	asError bool
	status  func(error) int
}

// Denied is a decision as an error. It is for the app's own eyes.
type Denied struct{ gate.Decision }

func (d *Denied) Error() string { return "gate: denied: " + d.Code }

// DenyAsError leaves denials to the HTTPErrorHandler, as *echo.HTTPError with *Denied in it.
func DenyAsError() Option { return func(o *options) { o.asError = true } }

// WithStatus tells which status the HTTPErrorHandler gives a returned error: it counts, unless
// the handler has answered already. By default it is what echo's own HTTPErrorHandler gives it: the code
// of an *echo.HTTPError, or of the one that is its Internal, and 500 to any other error, one that wraps an
// *echo.HTTPError too. A handler of your own that unwraps needs this option.
func WithStatus(status func(error) int) Option { return func(o *options) { o.status = status } }

// Require returns a middleware for a route or a group that lets a request through if the
// policy does. It panics with a *gate.PolicyError if the policy is wrong, a program's mistake, and
// at the first request of a route whose handler is nil.
func Require(g *gate.Gate, p gate.Policy, with ...Option) echo.MiddlewareFunc {
	guard, o := g.MustGuard(p), apply(g, with)
	return func(next echo.HandlerFunc) echo.HandlerFunc { // which echo calls for each request
		option.Must("echostigg", "handler", next)
		return func(c echo.Context) error { return o.serve(guard, next, c) }
	}
}

func apply(g *gate.Gate, with []Option) *options {
	o := &options{gate: g, status: status}
	for _, set := range with {
		option.Must("echostigg", "option", set)
		set(o)
	}
	option.Must("echostigg", "function of WithStatus", o.status)
	return o
}

// status is the one that echo's own HTTPErrorHandler answers an error with. It unwraps nothing but the
// HTTPError in an HTTPError.
func status(err error) int {
	he, ok := err.(*echo.HTTPError) //nolint:errorlint // as echo has it
	if !ok {
		return http.StatusInternalServerError
	}
	if internal, ok := he.Internal.(*echo.HTTPError); ok { //nolint:errorlint // as echo has it
		return internal.Code
	}
	return he.Code
}

func (o *options) serve(guard *gate.Guard, handler echo.HandlerFunc, c echo.Context) error {
	var err error
	res, r := c.Response(), c.Request()
	guard.Serve(gate.Call{Request: r, Writer: res.Writer, Route: c.Path()},
		func(d gate.Decision) {
			if o.asError {
				err = echo.NewHTTPError(d.Status, d.Code).SetInternal(&Denied{d})
			} else {
				o.gate.WriteDenial(res, r, d)
			}
		},
		func(w http.ResponseWriter, handed *http.Request) bool {
			rec := recorder.Of(w)
			if rec == nil {
				err = handler(c)
				return true
			}
			var done bool
			done, err = watched(c, w, handed, handler)
			return done
		},
		func(out gate.Outcome) gate.Outcome {
			if out.Err = err; err != nil && out.Status == 0 {
				out.Status = cmp.Or(o.status(err), http.StatusInternalServerError)
			}
			return out
		})
	return err
}

// watched runs the handler with the gate's writer and request. It then gives those in front
// what is theirs, as far as it is still the gate's, and reports whether the handler is done.
func watched(c echo.Context, w http.ResponseWriter, handed *http.Request, handler echo.HandlerFunc) (done bool, err error) {
	res, r := c.Response(), c.Request()
	front := res.Writer
	res.Writer = w
	c.SetRequest(handed)
	defer func() {
		if done = !abandoned(recorder.Of(w).Status()); !done {
			return
		}
		if res.Writer == w {
			res.Writer = front
		}
		if c.Request() == handed {
			c.SetRequest(r)
		}
	}()
	return true, handler(c)
}

// abandoned reports whether a timeout may have answered with this status, in place of a
// handler that is still at work and goes on to use echo's context. Not even to look at the
// context is safe then, so it keeps the gate's writer and request: they do no harm, and
// echo resets it for the next request.
func abandoned(status int) bool {
	return status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout || status == http.StatusRequestTimeout
}
