package echostigg_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/conformance"
	"github.com/stiggate/gate/echostigg"
	"github.com/stiggate/gate/internal/stubstigg"
)

var wildcard = regexp.MustCompile(`\{([^}]*)\}`)

// spell is net/http's pattern as echo spells it.
func spell(pattern string) string { return wildcard.ReplaceAllString(pattern, ":$1") }

// newEcho is quiet about what the tests make happen.
func newEcho() *echo.Echo {
	e := echo.New()
	e.Logger.SetOutput(io.Discard)
	e.StdLogger.SetOutput(io.Discard)
	return e
}

// adder is an Echo or a Group.
type adder interface {
	Add(method, path string, h echo.HandlerFunc, m ...echo.MiddlewareFunc) *echo.Route
	Any(path string, h echo.HandlerFunc, m ...echo.MiddlewareFunc) []*echo.Route
}

func register(e adder, r conformance.Route, m ...echo.MiddlewareFunc) {
	h := func(c echo.Context) error {
		switch {
		case r.Body != "":
			return c.String(http.StatusOK, r.Body)
		case r.Err != nil:
			return r.Err(c.Response(), c.Request())
		}
		r.Handler(c.Response(), c.Request())
		return nil
	}
	switch r.Method {
	case "":
		e.Any(r.Pattern, h, m...)
	case http.MethodOptions: // a handler of its own, as an app has one for preflights
		e.Add(r.Method, r.Pattern, echo.WrapHandler(r.Handler), m...)
	default:
		e.Add(r.Method, r.Pattern, h, m...)
	}
}

// chain is all that the suite asks for in front of a handler.
func chain(g *gate.Gate, r conformance.Route) []echo.MiddlewareFunc {
	var ms []echo.MiddlewareFunc
	recovery := middleware.RecoverWithConfig(middleware.RecoverConfig{DisablePrintStack: true})
	if r.Recovery == conformance.RecoveryOutside {
		ms = append(ms, recovery)
	}
	if r.Before != nil {
		ms = append(ms, func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c echo.Context) (err error) {
				r.Before(c.Response(), c.Request(), func(req *http.Request) *http.Request {
					c.SetRequest(req)
					err = next(c)
					return c.Request()
				})
				return err
			}
		})
	}
	for _, p := range r.Policies {
		ms = append(ms, echostigg.Require(g, p))
	}
	if r.Recovery == conformance.RecoveryInside {
		ms = append(ms, recovery)
	}
	return ms
}

func TestAdapter(t *testing.T) {
	group := func(of func(e *echo.Echo, prefix string, require echo.MiddlewareFunc) adder) conformance.Group {
		return func(g *gate.Gate, prefix string, p gate.Policy, routes []conformance.Route) http.Handler {
			e := newEcho()
			in := of(e, prefix, echostigg.Require(g, p))
			for _, r := range routes {
				register(in, r)
			}
			return e
		}
	}
	tabled := func(g *gate.Gate, routes []conformance.Route, t gate.Routing, rest gate.Rest) http.Handler {
		e := newEcho()
		e.Use(echostigg.Routes(g, t, rest))
		for _, r := range routes {
			register(e, r)
		}
		return e
	}
	verify := func(routes []conformance.Route, t gate.Table, open ...string) error {
		e := newEcho()
		for _, r := range routes {
			register(e, r)
		}
		return echostigg.Verify(e, t, open...)
	}
	conformance.RunAdapter(t, conformance.Adapter{
		Guarded: func(g *gate.Gate, routes []conformance.Route) http.Handler {
			e := newEcho()
			for _, r := range routes {
				register(e, r, chain(g, r)...)
			}
			return e
		},
		Tabled: func(g *gate.Gate, routes []conformance.Route, t gate.Table, rest gate.Rest) http.Handler {
			return tabled(g, routes, t, rest)
		},
		Live: func(g *gate.Gate, routes []conformance.Route, t *gate.LiveTable, rest gate.Rest) http.Handler {
			return tabled(g, routes, t, rest)
		},
		Verify:    func(routes []conformance.Route, t gate.Table) error { return verify(routes, t) },
		VerifyAll: verify,
		Spell:     spell,
		Error:     func(status int) error { return echo.NewHTTPError(status) },
		Grouped: map[string]conformance.Group{
			"a group": group(func(e *echo.Echo, prefix string, require echo.MiddlewareFunc) adder {
				return e.Group(prefix, require)
			}),
			"a group in a group": group(func(e *echo.Echo, prefix string, require echo.MiddlewareFunc) adder {
				first, second := path.Split(prefix)
				return e.Group(strings.TrimSuffix(first, "/")).Group("/"+second, require)
			}),
			"the root": func(g *gate.Gate, prefix string, p gate.Policy, routes []conformance.Route) http.Handler {
				e := newEcho()
				e.Use(echostigg.Require(g, p))
				for _, r := range routes {
					register(e.Group(prefix), r)
				}
				return e
			},
		},
		Skip: map[string]string{
			"early hints, then success": "labstack/echo#3106",
			"early hints, then failure": "labstack/echo#3106",
		},
	})
}

func TestWhatCountsAsSuccess(t *testing.T) {
	boom := errors.New("boom")
	mapped := func(e *echo.Echo) {
		e.HTTPErrorHandler = func(err error, c echo.Context) {
			if errors.Is(err, boom) {
				_ = c.String(http.StatusConflict, "")
				return
			}
			_ = c.String(http.StatusAccepted, "")
		}
	}
	returns := func(err error) echo.HandlerFunc { return func(echo.Context) error { return err } }
	quiet := middleware.RecoverWithConfig(middleware.RecoverConfig{DisablePrintStack: true})
	honest := middleware.RecoverWithConfig(middleware.RecoverConfig{DisablePrintStack: true, DisableErrorHandler: true})
	writes := func(c echo.Context) { _ = c.String(200, "ok") }
	tests := []struct {
		name           string
		set            func(*echo.Echo)
		before, behind []echo.MiddlewareFunc // of the gate
		with           []echostigg.Option
		handler        echo.HandlerFunc
		status         int // 0: it panics
		billed         float64
	}{
		{name: "a 204", handler: func(c echo.Context) error { return c.NoContent(204) }, status: 204, billed: 1},
		{name: "a JSON answer", handler: func(c echo.Context) error { return c.JSON(201, "ok") }, status: 201, billed: 1},
		{name: "nothing at all", handler: returns(nil), status: 200, billed: 1},
		{name: "a 404 that is written", handler: func(c echo.Context) error { return c.NoContent(404) }, status: 404},
		{name: "a plain error", handler: returns(boom), status: 500},
		{name: "an HTTPError", handler: returns(echo.NewHTTPError(418)), status: 418},
		{name: "an HTTPError in an HTTPError", handler: returns(echo.NewHTTPError(418).SetInternal(echo.ErrNotFound)), status: 404},
		{name: "a wrapped HTTPError", handler: returns(fmt.Errorf("in vain: %w", echo.ErrNotFound)), status: 500},
		{name: "a wrapped redirect as an error", handler: returns(fmt.Errorf("in vain: %w", echo.NewHTTPError(304))), status: 500},
		{name: "a failure in a success as an error", handler: returns(echo.NewHTTPError(200).SetInternal(echo.ErrServiceUnavailable)), status: 503},
		{name: "ErrNotFound", handler: returns(echo.ErrNotFound), status: 404},
		{name: "a redirect as an error", handler: returns(echo.NewHTTPError(304)), status: 304, billed: 1},
		{name: "c.Error of the handler's", handler: func(c echo.Context) error { c.Error(boom); return nil }, status: 500},
		{name: "an error after the body", handler: func(c echo.Context) error { writes(c); return boom }, status: 200, billed: 1},
		{name: "an error after a flush", handler: func(c echo.Context) error { c.Response().Flush(); return boom }, status: 200, billed: 1},
		{name: "a status after a flush", handler: func(c echo.Context) error { c.Response().Flush(); return c.NoContent(500) }, status: 200, billed: 1},
		{name: "a status after the body", handler: func(c echo.Context) error { writes(c); return c.NoContent(500) }, status: 200, billed: 1},
		{name: "an error of a middleware behind", behind: []echo.MiddlewareFunc{func(echo.HandlerFunc) echo.HandlerFunc { return returns(echo.ErrForbidden) }}, handler: returns(nil), status: 403},
		{name: "an error that a middleware behind answers", behind: []echo.MiddlewareFunc{func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c echo.Context) error { _ = next(c); return c.NoContent(202) }
		}}, handler: returns(boom), status: 202, billed: 1},
		{name: "an error that the app answers with 409", set: mapped, handler: returns(boom), status: 409},
		{name: "an error that the app answers with 202, and does not say so", set: mapped, handler: returns(errors.New("later")), status: 202},
		{name: "an error that the app answers with 202", set: mapped, with: []echostigg.Option{echostigg.WithStatus(func(error) int { return 202 })}, handler: returns(errors.New("later")), status: 202, billed: 1},
		{name: "an error that the app knows no status of", with: []echostigg.Option{echostigg.WithStatus(func(error) int { return 0 })}, handler: returns(boom), status: 500},
		{name: "an HTTPError that the app answers with 409", with: []echostigg.Option{echostigg.WithStatus(func(error) int { return 409 })}, handler: returns(echo.NewHTTPError(304)), status: 304},
		{name: "early hints in echo, whose answer they become (labstack/echo#3106)", handler: func(c echo.Context) error { c.Response().WriteHeader(103); return c.NoContent(500) }, status: 103, billed: 1}, // on the wire, net/http makes it 200
		{name: "a panic", handler: func(echo.Context) error { panic(boom) }},
		{name: "a panic after a body", handler: func(c echo.Context) error { writes(c); panic(boom) }},
		{name: "ErrAbortHandler", handler: func(echo.Context) error { panic(http.ErrAbortHandler) }},
		{name: "a panic with recovery outside", before: []echo.MiddlewareFunc{quiet}, handler: func(echo.Context) error { panic(boom) }, status: 500},
		{name: "a panic after a body with recovery outside", before: []echo.MiddlewareFunc{quiet}, handler: func(c echo.Context) error { writes(c); panic(boom) }, status: 200},
		{name: "a panic with recovery inside", behind: []echo.MiddlewareFunc{quiet}, handler: func(echo.Context) error { panic(boom) }, status: 500},
		{name: "a panic after a body with recovery inside that returns it", behind: []echo.MiddlewareFunc{honest}, handler: func(c echo.Context) error { writes(c); panic(boom) }, status: 200, billed: 1},
		{name: "ErrAbortHandler with recovery outside", before: []echo.MiddlewareFunc{quiet}, handler: func(echo.Context) error { panic(http.ErrAbortHandler) }},
		{name: "ErrAbortHandler with recovery inside", behind: []echo.MiddlewareFunc{quiet}, handler: func(echo.Context) error { panic(http.ErrAbortHandler) }},
		{name: "a response replaced behind", behind: []echo.MiddlewareFunc{echo.WrapMiddleware(func(h http.Handler) http.Handler { return h })}, handler: func(c echo.Context) error { return c.NoContent(500) }, status: 500},
		{name: "gzip behind", behind: []echo.MiddlewareFunc{middleware.Gzip()}, handler: func(c echo.Context) error { return c.String(201, "ok") }, status: 201, billed: 1},
		{name: "settled early, then failed", handler: func(c echo.Context) error { _ = gate.TicketFrom(c.Request().Context()).Settle(); return boom }, status: 500, billed: 1},
		{name: "settled early, then panicked", handler: func(c echo.Context) error { _ = gate.TicketFrom(c.Request().Context()).Settle(); panic(boom) }, billed: 1},
		{name: "released early, then succeeded", handler: func(c echo.Context) error { gate.TicketFrom(c.Request().Context()).Release(); return nil }, status: 200},
		{name: "an amount of the handler's", handler: func(c echo.Context) error { return gate.TicketFrom(c.Request().Context()).Use(7) }, status: 200, billed: 7},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g, s := stubstigg.NewGate(t)
			e := newEcho()
			if tt.set != nil {
				tt.set(e)
			}
			calls := 0
			e.Use(tt.before...)
			e.Use(echostigg.Require(g, gate.Feature("many").Uses(1), tt.with...))
			e.Use(tt.behind...)
			e.POST("/", func(c echo.Context) error { calls++; return tt.handler(c) })
			if w := stubstigg.Send(e, "POST", "/"); w.Code != tt.status {
				t.Errorf("got %d, want %d", w.Code, tt.status)
			}
			if n := s.Billed(t, g); n != tt.billed {
				t.Errorf("%v reported, want %v; outcomes %+v", n, tt.billed, s.Outcomes())
			}
			if calls > 1 {
				t.Errorf("the handler ran %d times", calls)
			}
		})
	}
}

func TestTheErrorGoesOnUnchanged(t *testing.T) {
	boom := errors.New("boom")
	g, s := stubstigg.NewGate(t)
	e := newEcho()
	var got error
	var committed bool
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			got = next(c)
			committed = c.Response().Committed
			return got
		}
	}, echostigg.Require(g, gate.Feature("many").Uses(1)))
	e.POST("/", func(echo.Context) error { return boom })
	w := stubstigg.Send(e, "POST", "/")
	if w.Code != 500 || got != boom || committed { //nolint:errorlint // the very same
		t.Errorf("got %d, error %v, committed %v", w.Code, got, committed)
	}
	if s.Billed(t, g); s.Outcomes()[0].Err != boom || s.Outcomes()[0].Status != 500 { //nolint:errorlint // the very same
		t.Errorf("got %+v", s.Outcomes()[0])
	}
}

func TestADenialIsWrittenOrReturned(t *testing.T) {
	g, s := stubstigg.NewGate(t)
	off := gate.Feature("off").Uses(1)
	ran := false
	handler := func(echo.Context) error { ran = true; return nil }
	e := newEcho()
	e.GET("/written", handler, echostigg.Require(g, off))
	e.HEAD("/written", handler, echostigg.Require(g, off))
	e.GET("/returned", handler, echostigg.Require(g, off, echostigg.DenyAsError()))
	e.GET("/allowed", func(echo.Context) error { return nil }, echostigg.Require(g, gate.Feature("on"), echostigg.DenyAsError()))
	own := newEcho()
	own.Use(echostigg.Routes(g, gate.Table{"GET /": off}, gate.DenyRest, echostigg.DenyAsError()))
	own.GET("/", handler)
	own.HTTPErrorHandler = func(err error, c echo.Context) {
		var denied *echostigg.Denied
		if errors.As(err, &denied) {
			_ = c.String(denied.Status, denied.FeatureID+" "+denied.Code+" for "+denied.Customer.ID)
		}
	}
	tests := []struct {
		name           string
		router         http.Handler
		method, target string
		status         int
		kind, body     string
	}{
		{"written", e, "GET", "/written", 402, "application/problem+json", ""},
		{"written without a body", e, "HEAD", "/written", 402, "application/problem+json", ""},
		{"echo's own error handler", e, "GET", "/returned", 402, "application/json", `{"message":"feature_not_in_plan"}` + "\n"},
		{"the app's error handler", own, "GET", "/", 402, "text/plain; charset=UTF-8", "off feature_not_in_plan for payer"},
		{"allowed", e, "GET", "/allowed", 200, "", ""},
	}
	for _, tt := range tests {
		w := stubstigg.Send(tt.router, tt.method, tt.target)
		if w.Code != tt.status || w.Header().Get("Content-Type") != tt.kind || tt.body != "" && w.Body.String() != tt.body || ran {
			t.Errorf("%s: got %d %q %q, handler ran %v; want %d %q %q", tt.name, w.Code, w.Header().Get("Content-Type"), w.Body, ran, tt.status, tt.kind, tt.body)
		}
		if (w.Body.Len() == 0) != (tt.method == "HEAD" || tt.status == 200) {
			t.Errorf("%s: %d bytes of a body", tt.name, w.Body.Len())
		}
	}
	if n := s.Billed(t, g); n != 0 {
		t.Errorf("%v reported, want none", n)
	}
}

func TestTheRequestAndTheWriterAreRestored(t *testing.T) {
	for _, p := range []gate.Policy{gate.Feature("many").Uses(1), gate.Feature("on"), gate.Public()} {
		g, _ := stubstigg.NewGate(t)
		type key struct{}
		var before, after, inside *http.Request
		var writer, writerAfter http.ResponseWriter
		e := newEcho()
		e.Use(middleware.RecoverWithConfig(middleware.RecoverConfig{DisablePrintStack: true}), func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c echo.Context) error {
				c.SetRequest(c.Request().WithContext(context.WithValue(c.Request().Context(), key{}, "kept")))
				before, writer = c.Request(), c.Response().Writer
				defer func() { after, writerAfter = c.Request(), c.Response().Writer }()
				return next(c)
			}
		}, echostigg.Require(g, p))
		e.GET("/", func(c echo.Context) error { inside = c.Request(); return nil })
		e.GET("/panic", func(echo.Context) error { panic("boom") })
		for _, target := range []string{"/", "/panic"} {
			stubstigg.Send(e, "GET", target)
			if after != before || writerAfter != writer {
				t.Errorf("%s: another request or writer after the gate than before", target)
			}
			if inside.Context().Value(key{}) != "kept" {
				t.Errorf("%s: the context lost a value", target)
			}
		}
	}
}

// TestNothingOfEchoIsKept reuses contexts while usage is still on its way; the race detector
// tells.
func TestNothingOfEchoIsKept(t *testing.T) {
	g, s := stubstigg.NewGate(t)
	e := newEcho()
	e.POST("/:n", func(c echo.Context) error { return c.String(200, c.Param("n")) }, echostigg.Require(g, gate.Feature("many").Uses(1)))
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 200 {
				if w := stubstigg.Send(e, "POST", "/n"); w.Code != 200 {
					t.Errorf("got %d", w.Code)
				}
			}
		})
	}
	wait.Wait()
	if n := s.Billed(t, g); n != 1600 {
		t.Errorf("%v reported, want 1600", n)
	}
}
