// Package echov5 puts a gate in front of the routes of echo v5, as echostigg does for echo v4.
//
//	e.POST("/campaigns", createCampaign, echov5.Require(g, gate.Feature("feature-02-campaigns").Uses(1)))
//
// The order is recovery, CORS, authentication, gate, handler: recovery behind the gate hides
// panics. Methods and paths are rewritten in e.Pre. A time limit is echo's ContextTimeout. conformance.RunAdapter holds the adapter to all this:
// go test -race, in contrib/echov5.
package echov5

import (
	"cmp"
	"net/http"

	"github.com/labstack/echo/v5"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/internal/option"
	"github.com/stiggate/gate/recorder"
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
// the handler has answered already. By default it is what echo.StatusCode says, or 500.
func WithStatus(status func(error) int) Option { return func(o *options) { o.status = status } }

// Require returns a middleware for a route or a group that lets a request through if the
// policy does. It panics with a *gate.PolicyError if the policy is wrong, a program's mistake, and
// where the handler is nil.
func Require(g *gate.Gate, p gate.Policy, with ...Option) echo.MiddlewareFunc {
	guard, o := g.MustGuard(p), apply(with)
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		option.Must("echov5", "handler", next)
		return func(c *echo.Context) error { return serve(g, guard, &o, next, c) }
	}
}

func apply(with []Option) options {
	o := options{status: func(err error) int {
		if status := echo.StatusCode(err); status != 0 {
			return status
		}
		return http.StatusInternalServerError
	}}
	for _, set := range with {
		option.Must("echov5", "option", set)
		set(&o)
	}
	option.Must("echov5", "function of WithStatus", o.status)
	return o
}

func serve(g *gate.Gate, guard *gate.Guard, o *options, handler echo.HandlerFunc, c *echo.Context) error {
	var err error
	r := c.Request()
	guard.Serve(gate.Call{Request: r, Writer: writer(c), Route: c.Path()},
		func(d gate.Decision) {
			if o.asError {
				err = echo.NewHTTPError(d.Status, d.Code).Wrap(&Denied{d})
			} else {
				g.WriteDenial(c.Response(), r, d)
			}
		},
		func(w http.ResponseWriter, handed *http.Request) bool {
			if recorder.Of(w) == nil {
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

// writer is what the gate watches: the writer beneath echo's Response, which handlers look for
// and which may still change a status. A middleware in front that has put a writer of its own
// before the Response, such as Gzip, keeps what is written; there it is that one.
func writer(c *echo.Context) http.ResponseWriter {
	if res, plain := c.Response().(*echo.Response); plain {
		return res.ResponseWriter
	}
	return c.Response()
}

func setWriter(c *echo.Context, w http.ResponseWriter) {
	if res, plain := c.Response().(*echo.Response); plain {
		res.ResponseWriter = w
		return
	}
	c.SetResponse(w)
}

// watched runs the handler with the gate's writer and request. It then gives those in front
// what is theirs, as far as it is still the gate's, and reports whether the handler is done.
func watched(c *echo.Context, w http.ResponseWriter, handed *http.Request, handler echo.HandlerFunc) (done bool, err error) {
	front, r := writer(c), c.Request()
	setWriter(c, w)
	c.SetRequest(handed)
	defer func() {
		if done = !abandoned(recorder.Of(w).Status()); !done {
			return
		}
		if writer(c) == w {
			setWriter(c, front)
		}
		if c.Request() == handed {
			c.SetRequest(r)
		}
	}()
	return true, handler(c)
}

// abandoned reports whether an http.TimeoutHandler may have answered with this status, in
// place of a handler that is still at work and goes on to use echo's context. Not even to look
// at the context is safe then, so it keeps the gate's writer and request: they do no harm, and
// echo resets it for the next request.
func abandoned(status int) bool {
	return status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout || status == http.StatusRequestTimeout
}
