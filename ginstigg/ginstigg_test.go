package ginstigg_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/conformance"
	"github.com/stiggate/gate/ginstigg"
	"github.com/stiggate/gate/internal/stubstigg"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	gin.DefaultErrorWriter = io.Discard // panics are part of the tests
	os.Exit(m.Run())
}

var wildcard = regexp.MustCompile(`\{([^}]*)\}`)

// spell is net/http's pattern as gin spells it.
func spell(pattern string) string { return wildcard.ReplaceAllString(pattern, ":$1") }

// engine does what the suite asks of every router: 405, and a wildcard with a slash in it.
func engine() *gin.Engine {
	e := gin.New()
	e.HandleMethodNotAllowed, e.UseRawPath = true, true
	return e
}

func register(e gin.IRoutes, r conformance.Route, before ...gin.HandlerFunc) {
	h := func(c *gin.Context) { r.Handler(c.Writer, c.Request) }
	if r.Body != "" {
		h = func(c *gin.Context) { c.String(http.StatusOK, "%s", r.Body) }
	}
	switch r.Method {
	case "":
		e.Any(r.Pattern, append(before, h)...)
	case http.MethodOptions: // a handler of its own, as an app has one for preflights
		e.OPTIONS(r.Pattern, append(before, gin.WrapF(r.Handler))...)
	default:
		e.Handle(r.Method, r.Pattern, append(before, h)...)
	}
}

// chain is all that the suite asks for in front of a handler.
func chain(g *gate.Gate, r conformance.Route) []gin.HandlerFunc {
	var hs []gin.HandlerFunc
	recovery := gin.RecoveryWithWriter(io.Discard)
	if r.Recovery == conformance.RecoveryOutside {
		hs = append(hs, recovery)
	}
	if r.Before != nil {
		hs = append(hs, func(c *gin.Context) {
			r.Before(c.Writer, c.Request, func(req *http.Request) *http.Request {
				c.Request = req
				c.Next()
				return c.Request
			})
		})
	}
	for _, p := range r.Policies {
		hs = append(hs, ginstigg.Require(g, p))
	}
	if r.Recovery == conformance.RecoveryInside {
		hs = append(hs, recovery)
	}
	return hs
}

func TestAdapter(t *testing.T) {
	group := func(of func(e *gin.Engine, prefix string, require gin.HandlerFunc) gin.IRoutes) conformance.Group {
		return func(g *gate.Gate, prefix string, p gate.Policy, routes []conformance.Route) http.Handler {
			e := engine()
			in := of(e, prefix, ginstigg.Require(g, p))
			for _, r := range routes {
				register(in, r)
			}
			return e
		}
	}
	tabled := func(g *gate.Gate, routes []conformance.Route, t gate.Routing, rest gate.Rest) http.Handler {
		e := engine()
		e.Use(ginstigg.Routes(g, t, rest))
		for _, r := range routes {
			register(e, r)
		}
		return e
	}
	verify := func(routes []conformance.Route, t gate.Table, open ...string) error {
		e := engine()
		for _, r := range routes {
			register(e, r)
		}
		return ginstigg.Verify(e, t, open...)
	}
	conformance.RunAdapter(t, conformance.Adapter{
		Guarded: func(g *gate.Gate, routes []conformance.Route) http.Handler {
			e := engine()
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
		Skip: map[string]string{ // the answer after them is right
			"early hints reach the client": "gin-gonic/gin#3289",
		},
		Grouped: map[string]conformance.Group{
			"a group": group(func(e *gin.Engine, prefix string, require gin.HandlerFunc) gin.IRoutes {
				return e.Group(prefix, require)
			}),
			"a group in a group": group(func(e *gin.Engine, prefix string, require gin.HandlerFunc) gin.IRoutes {
				first, second := path.Split(prefix)
				return e.Group(first).Group(second).Use(require)
			}),
			"the engine": func(g *gate.Gate, prefix string, p gate.Policy, routes []conformance.Route) http.Handler {
				e := engine()
				e.Use(ginstigg.Require(g, p))
				for _, r := range routes {
					register(e.Group(prefix), r)
				}
				return e
			},
		},
	})
}

func TestADenialAbortsWhateverComesAfter(t *testing.T) {
	g, s := stubstigg.NewGate(t)
	ran := false
	e := gin.New()
	var aborted bool
	e.Use(func(c *gin.Context) { c.Next(); aborted = c.IsAborted() && c.Writer.Written() })
	e.GET("/off", ginstigg.Require(g, gate.Feature("off").Uses(1)), func(*gin.Context) { ran = true }, func(*gin.Context) { ran = true })
	for _, method := range []string{"GET", "HEAD"} {
		if method == "HEAD" {
			e.HEAD("/off", ginstigg.Require(g, gate.Feature("off")), func(*gin.Context) { ran = true })
		}
		w := stubstigg.Send(e, method, "/off")
		if w.Code != http.StatusPaymentRequired || ran || !aborted {
			t.Errorf("%s: got %d, handler ran %v, aborted %v; want 402, false, true", method, w.Code, ran, aborted)
		}
		if (w.Body.Len() == 0) != (method == "HEAD") {
			t.Errorf("%s: %d bytes of a body", method, w.Body.Len())
		}
	}
	if n := s.Billed(t, g); n != 0 {
		t.Errorf("%v reported, want none", n)
	}
}

func TestWhatCountsAsSuccess(t *testing.T) {
	boom := errors.New("boom")
	recovery := gin.RecoveryWithWriter(io.Discard)
	// swallow is gin.Recovery of 1.11 and later, which takes http.ErrAbortHandler for a client
	// that left.
	swallow := func(c *gin.Context) {
		defer func() {
			if err, ok := recover().(error); ok {
				_ = c.Error(err)
				c.Abort()
			}
		}()
		c.Next()
	}
	// onError is the recipe of gin's documentation.
	onError := func(status int) gin.HandlerFunc {
		return func(c *gin.Context) {
			if c.Next(); len(c.Errors) > 0 {
				c.JSON(status, gin.H{"message": "sorry"})
			}
		}
	}
	late := func(status int) gin.HandlerFunc {
		return func(c *gin.Context) { c.Next(); c.Status(status) }
	}
	tests := []struct {
		name           string
		before, behind []gin.HandlerFunc // of the gate
		handler        gin.HandlerFunc
		status         int // 0: it panics; -1: gin's versions differ
		billed         float64
	}{
		{name: "a status that is only set", handler: func(c *gin.Context) { c.Status(204) }, status: 204, billed: 1},
		{name: "a JSON answer", handler: func(c *gin.Context) { c.JSON(201, gin.H{}) }, status: 201, billed: 1},
		{name: "a redirect", handler: func(c *gin.Context) { c.Redirect(303, "/") }, status: 303, billed: 1},
		{name: "nothing at all", handler: func(*gin.Context) {}, status: 200, billed: 1},
		{name: "a hint and nothing after it", handler: func(c *gin.Context) { c.Status(103) }, status: 103, billed: 1},
		{name: "an error on record with a 200", handler: func(c *gin.Context) { _ = c.Error(boom); c.String(200, "ok") }, status: 200, billed: 1},
		{name: "an abort with a 200", handler: func(c *gin.Context) { c.AbortWithStatus(200) }, status: 200, billed: 1},
		{name: "an abort with an error", handler: func(c *gin.Context) { _ = c.AbortWithError(500, boom) }, status: 500},
		{name: "a bad request of Bind", handler: func(c *gin.Context) { _ = c.Bind(&struct{ N int }{}); c.AbortWithStatus(400) }, status: 400},
		{name: "an abort by a middleware behind", behind: []gin.HandlerFunc{func(c *gin.Context) { c.AbortWithStatus(403) }}, handler: func(*gin.Context) {}, status: 403},
		{name: "a middleware behind that has the last word", behind: []gin.HandlerFunc{late(500)}, handler: func(*gin.Context) {}, status: 500},
		{name: "a status after the body", handler: func(c *gin.Context) { c.String(200, "ok"); c.Status(500) }, status: 200, billed: 1},
		{name: "a panic", handler: func(*gin.Context) { panic(boom) }},
		{name: "a panic after a body", handler: func(c *gin.Context) { c.String(200, "ok"); panic(boom) }},
		{name: "a panic with recovery outside", before: []gin.HandlerFunc{recovery}, handler: func(*gin.Context) { panic(boom) }, status: 500},
		{name: "a panic after a body with recovery outside", before: []gin.HandlerFunc{recovery}, handler: func(c *gin.Context) { c.String(200, "ok"); panic(boom) }, status: 200},
		{name: "a panic with recovery inside", behind: []gin.HandlerFunc{recovery}, handler: func(*gin.Context) { panic(boom) }, status: 500},
		{name: "ErrAbortHandler with recovery outside", before: []gin.HandlerFunc{recovery}, handler: func(*gin.Context) { panic(http.ErrAbortHandler) }, status: -1},
		{name: "ErrAbortHandler with recovery inside", behind: []gin.HandlerFunc{recovery}, handler: func(*gin.Context) { panic(http.ErrAbortHandler) }, status: -1},
		{name: "ErrAbortHandler swallowed outside", before: []gin.HandlerFunc{swallow}, handler: func(*gin.Context) { panic(http.ErrAbortHandler) }, status: 200},
		{name: "ErrAbortHandler swallowed inside", behind: []gin.HandlerFunc{swallow}, handler: func(*gin.Context) { panic(http.ErrAbortHandler) }, status: 200},
		{name: "ErrAbortHandler swallowed inside after a body", behind: []gin.HandlerFunc{swallow}, handler: func(c *gin.Context) { c.String(200, "ok"); panic(http.ErrAbortHandler) }, status: 200, billed: 1},
		{name: "a broken pipe that recovery swallowed inside", behind: []gin.HandlerFunc{recovery}, handler: func(*gin.Context) { panic(brokenPipe()) }, status: 200},
		{name: "a broken pipe on record", handler: func(c *gin.Context) { _ = c.Error(brokenPipe()) }, status: 200},
		{name: "a broken pipe on record after a body", handler: func(c *gin.Context) { c.String(200, "ok"); _ = c.Error(brokenPipe()) }, status: 200, billed: 1},
		{name: "an error on record and a status that is only set", handler: func(c *gin.Context) { c.Status(202); _ = c.Error(boom) }, status: 202},
		{name: "an error on record that a middleware in front answers", before: []gin.HandlerFunc{onError(422)}, handler: func(c *gin.Context) { _ = c.Error(boom) }, status: 422},
		{name: "an error on record after a status that is sent", handler: func(c *gin.Context) { c.Status(202); c.Writer.WriteHeaderNow(); _ = c.Error(boom) }, status: 202, billed: 1},
		{name: "an error from in front of the gate", before: []gin.HandlerFunc{func(c *gin.Context) { _ = c.Error(http.ErrAbortHandler) }}, handler: func(*gin.Context) {}, status: 200, billed: 1},
		{name: "settled early, then failed", handler: func(c *gin.Context) { _ = gate.TicketFrom(c.Request.Context()).Settle(); c.Status(500) }, status: 500, billed: 1},
		{name: "settled early, then panicked", handler: func(c *gin.Context) { _ = gate.TicketFrom(c.Request.Context()).Settle(); panic(boom) }, billed: 1},
		{name: "released early, then succeeded", handler: func(c *gin.Context) { gate.TicketFrom(c.Request.Context()).Release() }, status: 200},
		{name: "an amount of the handler's", handler: func(c *gin.Context) { _ = gate.TicketFrom(c.Request.Context()).Use(7) }, status: 200, billed: 7},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g, s := stubstigg.NewGate(t)
			e := gin.New()
			e.Use(tt.before...)
			chain := append([]gin.HandlerFunc{ginstigg.Require(g, gate.Feature("many").Uses(1))}, tt.behind...)
			e.POST("/", append(chain, tt.handler)...)
			if w := stubstigg.Send(e, "POST", "/"); w.Code != tt.status && tt.status >= 0 {
				t.Errorf("got %d, want %d", w.Code, tt.status)
			}
			if n := s.Billed(t, g); n != tt.billed {
				t.Errorf("%v reported, want %v; outcomes %+v", n, tt.billed, s.Outcomes())
			}
		})
	}
}

func TestTheOutcomeIsWhatGinKnows(t *testing.T) {
	boom := errors.New("boom")
	g, s := stubstigg.NewGate(t)
	e := gin.New()
	e.POST("/", ginstigg.Require(g, gate.Feature("many").Uses(1).ReportIf(func(o gate.Outcome) bool { return o.Err == nil })),
		func(c *gin.Context) { _ = c.Error(boom); c.String(201, "four") })
	stubstigg.Send(e, "POST", "/")
	if n := s.Billed(t, g); n != 0 {
		t.Errorf("%v reported, want none: the policy says so", n)
	}
	if o := s.Outcomes()[0]; o.Status != 201 || o.Bytes != 4 || !errors.Is(o.Err, boom) || o.Panicked {
		t.Errorf("got %+v", o)
	}
}

func TestTheRequestIsRestored(t *testing.T) {
	for _, p := range []gate.Policy{gate.Feature("many").Uses(1), gate.Feature("on"), gate.Public()} {
		g, _ := stubstigg.NewGate(t)
		type key struct{}
		var before, after, inside *http.Request
		e := gin.New()
		e.Use(gin.RecoveryWithWriter(io.Discard), func(c *gin.Context) {
			c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), key{}, "kept"))
			before = c.Request
			defer func() { after = c.Request }()
			c.Next()
		}, ginstigg.Require(g, p))
		e.GET("/", func(c *gin.Context) { inside = c.Request })
		e.GET("/panic", func(*gin.Context) { panic("boom") })
		for _, target := range []string{"/", "/panic"} {
			stubstigg.Send(e, "GET", target)
			if after != before {
				t.Errorf("%s: another request after the gate than before", target)
			}
			if inside.Context().Value(key{}) != "kept" {
				t.Errorf("%s: the context lost a value", target)
			}
		}
	}
}

// TestNothingOfGinIsKept reuses contexts while usage is still on its way; the race detector
// tells.
func TestNothingOfGinIsKept(t *testing.T) {
	g, s := stubstigg.NewGate(t)
	e := gin.New()
	e.POST("/:n", ginstigg.Require(g, gate.Feature("many").Uses(1)), func(c *gin.Context) { c.String(200, c.Param("n")) })
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 200 {
				if w := stubstigg.Send(e, "POST", "/"+strings.Repeat("n", 20)); w.Code != 200 {
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

// TestATicketOutlivesItsContext: what settles late, and who watches, finds nothing of gin,
// whose contexts serve other requests by then. The race detector tells.
func TestATicketOutlivesItsContext(t *testing.T) {
	g, s := stubstigg.NewGate(t)
	e := gin.New()
	var late sync.WaitGroup
	begin := make(chan struct{})
	e.POST("/:n", ginstigg.Require(g, gate.Feature("many").Uses(1)), func(c *gin.Context) {
		ticket, ctx := gate.TicketFrom(c.Request.Context()), c.Request.Context()
		if err := ticket.Settle(); err != nil {
			t.Error(err)
		}
		late.Go(func() {
			<-begin
			if d := ticket.Decision(); d.Route != "/:n" || gate.TicketFrom(ctx) != ticket {
				t.Errorf("late, the route is %q", d.Route)
			}
			if err := ticket.Use(7); !errors.Is(err, gate.ErrSettled) {
				t.Errorf("got %v", err)
			}
			ticket.Release()
		})
	})
	for range 100 {
		stubstigg.Send(e, "POST", "/n")
	}
	close(begin)
	for range 100 {
		stubstigg.Send(e, "POST", "/m")
	}
	late.Wait()
	if n := s.Billed(t, g); n != 200 {
		t.Errorf("%v reported, want 200", n)
	}
}
