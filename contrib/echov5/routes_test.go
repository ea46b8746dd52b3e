package echov5_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/contrib/echov5"
	"github.com/stiggate/gate/internal/stubstigg"
)

func ok(c *echo.Context) error { return c.String(http.StatusOK, "ok") }

func options(c *echo.Context) error { return c.NoContent(http.StatusNoContent) }

// TestTables: nobody is billed for what echo answers itself, and none of it opens a route.
func TestTables(t *testing.T) {
	many, off := gate.Feature("many").Uses(1), gate.Feature("off")
	table := gate.Table{
		"GET /items/:item": many, "GET /off": off, "GET /dir/": off, "GET /v1/grouped": off,
		"GET /files/*": off, "/any": off, "POST /many": many, "/both": off, "GET /public": gate.Public(),
	}
	build := func(t *testing.T, rest gate.Rest, set func(*echo.Echo)) (*echo.Echo, *gate.Gate, *stubstigg.Stigg) {
		g, s := stubstigg.NewGate(t)
		e := newEcho()
		if set != nil {
			set(e)
		}
		e.Use(echov5.Routes(g, table, rest))
		e.GET("/items/:item", ok)
		e.GET("/off", ok)
		e.GET("/dir/", ok)
		v1 := e.Group("/v1", middleware.RequestID()) // registers RouteNotFound
		v1.GET("/grouped", ok)
		v1.GET("/forgotten", ok)
		e.GET("/files/*", ok)
		e.Any("/any", ok)
		e.POST("/many", ok)
		e.GET("/both", ok)
		e.GET("/public", ok)
		e.GET("/forgotten", ok)
		if err := echov5.Verify(e, table, "/forgotten", "/v1/forgotten"); err != nil {
			t.Fatal(err)
		}
		return e, g, s
	}
	slashes := func(e *echo.Echo) { e.Pre(middleware.RemoveTrailingSlash()) }
	redirect := func(e *echo.Echo) {
		e.Pre(middleware.RemoveTrailingSlashWithConfig(middleware.RemoveTrailingSlashConfig{RedirectCode: 301}))
	}
	fallback := func(e *echo.Echo) { e.RouteNotFound("/*", ok) }
	tests := []struct {
		name           string
		set            func(*echo.Echo)
		method, target string
		denied, public int // the status with either rest
		billed         float64
	}{
		{"a route", nil, "GET", "/items/7", 200, 200, 1},
		{"a route that is not in the plan", nil, "GET", "/off", 402, 402, 0},
		{"a route of a group", nil, "GET", "/v1/grouped", 402, 402, 0},
		{"a catch-all", nil, "GET", "/files/a/b", 402, 402, 0},
		{"a catch-all of nothing", nil, "GET", "/files/", 402, 402, 0},
		{"a route of all methods", nil, "PROPFIND", "/any", 402, 402, 0},
		{"a public route", nil, "GET", "/public", 200, 200, 0},
		{"a forgotten route", nil, "GET", "/forgotten", 403, 200, 0},
		{"a forgotten route of a group", nil, "GET", "/v1/forgotten", 403, 200, 0},
		{"no such route", nil, "GET", "/nowhere", 404, 404, 0},
		{"no such route in a group", nil, "GET", "/v1/nowhere", 403, 404, 0},
		{"the group itself", nil, "GET", "/v1", 403, 404, 0},
		{"no such method", nil, "DELETE", "/off", 405, 405, 0},
		{"no such method of a route that the table names for all", nil, "DELETE", "/both", 405, 405, 0},
		{"HEAD of a GET route", nil, "HEAD", "/off", 405, 405, 0},
		{"OPTIONS that echo answers", nil, "OPTIONS", "/off", 204, 204, 0},
		{"a method that nobody has, of a route of all methods", nil, "PURGE", "/any", 402, 402, 0},
		{"a trailing slash too much", nil, "GET", "/off/", 404, 404, 0},
		{"a trailing slash too little", nil, "GET", "/dir", 404, 404, 0},
		{"a trailing slash removed before", slashes, "GET", "/off/", 402, 402, 0},
		{"a trailing slash redirected before", redirect, "POST", "/many/", 301, 301, 0},
		{"an escaped letter", nil, "GET", "/%6fff", 402, 402, 0},
		{"an escaped slash", nil, "GET", "/items/a%2Fb", 200, 200, 1},
		{"a double slash", nil, "GET", "//off", 402, 402, 0},
		{"a RouteNotFound that answers 200", fallback, "GET", "/nowhere", 403, 200, 0},
		{"a RouteNotFound, and a forgotten route", fallback, "GET", "/forgotten", 403, 200, 0},
		{"a RouteNotFound, and a guarded route", fallback, "GET", "/off", 402, 402, 0},
	}
	for _, tt := range tests {
		for rest, want := range map[gate.Rest]int{gate.DenyRest: tt.denied, gate.PublicRest: tt.public} {
			e, g, s := build(t, rest, tt.set)
			if w := stubstigg.Send(e, tt.method, tt.target); w.Code != want {
				t.Errorf("%s, rest %d: got %d, want %d", tt.name, rest, w.Code, want)
			}
			if n := s.Billed(t, g); n != tt.billed {
				t.Errorf("%s, rest %d: %v reported, want %v", tt.name, rest, n, tt.billed)
			}
		}
	}
}

// TestNothingOpensARoute: neither Pre, where echo knows no route yet, nor what rewrites or
// serves behind the gate.
func TestNothingOpensARoute(t *testing.T) {
	for _, rest := range []gate.Rest{gate.DenyRest, gate.PublicRest} {
		g, _ := stubstigg.NewGate(t)
		routes := echov5.Routes(g, gate.Table{"GET /off": gate.Feature("off"), "GET /on": gate.Feature("on")}, rest)
		claims := func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c *echo.Context) error {
				c.Set(echo.ContextKeyHeaderAllow, "GET")
				return next(c)
			}
		}
		pre, static, claimed := newEcho(), newEcho(), newEcho()
		pre.Pre(routes, middleware.RemoveTrailingSlash())
		static.Use(routes, middleware.Static("."))
		claimed.Use(claims, routes)
		for _, e := range []*echo.Echo{pre, static, claimed} {
			e.GET("/off", ok)
			e.GET("/on", ok)
		}
		tests := []struct {
			name   string
			e      *echo.Echo
			target string
			want   int
		}{
			{"a route in Pre", pre, "/off", 403},
			{"a granted route in Pre", pre, "/on", 403},
			{"a path that Pre rewrites behind the gate", pre, "/off/", 404},
			{"no route in Pre", pre, "/nowhere", 404},
			{"a file behind the gate", static, "/echov5.go", 404},
			{"a route that says to be none", claimed, "/off", 402},
		}
		for _, tt := range tests {
			if w := stubstigg.Send(tt.e, "GET", tt.target); w.Code != tt.want {
				t.Errorf("%s, rest %d: got %d, want %d", tt.name, rest, w.Code, tt.want)
			}
		}
	}
}

// TestOneRuleForEveryMethod: neither a preflight nor HEAD is worth more than the route it
// reaches, however that is registered.
func TestOneRuleForEveryMethod(t *testing.T) {
	many := gate.Feature("many").Uses(1)
	tests := []struct {
		name   string
		build  func(*echo.Echo)
		method string
		status int // of a preflight by nobody, or of a HEAD by the payer
		billed float64
	}{
		{"a preflight to a route of all methods", func(e *echo.Echo) { e.Any("/x", ok) }, "OPTIONS", 401, 0},
		{"a preflight to a handler of several methods", func(e *echo.Echo) { e.Match([]string{"POST", "OPTIONS"}, "/x", ok) }, "OPTIONS", 401, 0},
		{"a preflight to a handler of its own", func(e *echo.Echo) { e.POST("/x", ok); e.OPTIONS("/x", options) }, "OPTIONS", 401, 0},
		{"a preflight to OPTIONS alone", func(e *echo.Echo) { e.OPTIONS("/x", options) }, "OPTIONS", 401, 0},
		{"HEAD of a route of all methods", func(e *echo.Echo) { e.Any("/x", ok) }, "HEAD", 200, 1},
		{"HEAD of a handler that POST has too", func(e *echo.Echo) { e.Match([]string{"GET", "POST", "HEAD"}, "/x", ok) }, "HEAD", 200, 1},
		{"HEAD of GET's handler", func(e *echo.Echo) { e.Match([]string{"GET", "HEAD"}, "/x", ok) }, "HEAD", 200, 1},
		{"HEAD alone", func(e *echo.Echo) { e.HEAD("/x", ok) }, "HEAD", 200, 1},
		{"HEAD that only the router knows", func(e *echo.Echo) { _, _ = e.Router().Add(echo.Route{Method: "HEAD", Path: "/x", Handler: ok}) }, "HEAD", 200, 1},
	}
	for _, tt := range tests {
		for _, kind := range []string{"Require", "Routes"} {
			g, s := stubstigg.NewGate(t)
			e := newEcho()
			if kind == "Require" {
				e.Use(echov5.Require(g, many))
			} else {
				e.Use(echov5.Routes(g, gate.Table{"/x": many}, gate.DenyRest))
			}
			tt.build(e)
			r := stubstigg.Request(tt.method, "/x")
			if tt.method == http.MethodOptions {
				r = stubstigg.Preflight("/x")
			}
			if w := stubstigg.Serve(e, r); w.Code != tt.status {
				t.Errorf("%s, %s: got %d, want %d", tt.name, kind, w.Code, tt.status)
			}
			if n := s.Billed(t, g); n != tt.billed {
				t.Errorf("%s, %s: %v reported, want %v", tt.name, kind, n, tt.billed)
			}
		}
	}
}

// TestAGatedGroupsOwn404 is behind the group's middlewares, so Require guards it; it uses
// nothing.
func TestAGatedGroupsOwn404(t *testing.T) {
	g, s := stubstigg.NewGate(t)
	e := newEcho()
	group := e.Group("/v1", echov5.Require(g, gate.Feature("many").Uses(1)))
	group.POST("/x", ok)
	for _, tt := range []struct {
		r    *http.Request
		want int
	}{
		{stubstigg.Request("GET", "/v1/nowhere"), 404},
		{stubstigg.Request("PUT", "/v1/x"), 404}, // echo's group has a catch-all, which it prefers to a 405
		{httptest.NewRequest("GET", "/v1/nowhere", nil), 401},
		{stubstigg.Preflight("/v1/nowhere"), 401},
		{stubstigg.Preflight("/v1/x"), 401},
	} {
		if w := stubstigg.Serve(e, tt.r); w.Code != tt.want {
			t.Errorf("%s %s: got %d, want %d", tt.r.Method, tt.r.URL, w.Code, tt.want)
		}
	}
	if n := s.Billed(t, g); n != 0 {
		t.Errorf("%v reported for 404s, want none", n)
	}
}

// TestAGroupsMiddlewareIsARoute of no method: what it answers can be named.
func TestAGroupsMiddlewareIsARoute(t *testing.T) {
	e := newEcho()
	e.Group("/v1", middleware.RequestID())
	for key, fine := range map[string]bool{"/v1": true, "/v1/*": true, "GET /v1/*": false, "/v2/*": false} {
		if err := echov5.Verify(e, gate.Table{key: gate.Feature("on")}); (err == nil) != fine {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestAWrongPolicyPanicsAtStartUp(t *testing.T) {
	g, _ := stubstigg.NewGate(t)
	for name, build := range map[string]func(){
		"Require": func() { echov5.Require(g, gate.Feature("")) },
		"Routes":  func() { echov5.Routes(g, gate.Table{"GET /": gate.Feature("")}, gate.DenyRest) },
	} {
		func() {
			defer func() {
				err, _ := recover().(error)
				if wrong := new(*gate.PolicyError); !errors.As(err, wrong) {
					t.Errorf("%s: got %v, want a panic with a *gate.PolicyError", name, err)
				}
			}()
			build()
		}()
	}
}

func TestTwoGatesChargeOnce(t *testing.T) {
	g, s := stubstigg.NewGate(t)
	many := gate.Feature("many").Uses(1)
	e := newEcho()
	e.Use(echov5.Routes(g, gate.Table{"POST /": many}, gate.DenyRest))
	e.POST("/", ok, echov5.Require(g, many))
	stubstigg.Send(e, "POST", "/")
	if n := s.Billed(t, g); n != 1 {
		t.Errorf("%v reported, want 1", n)
	}
}

func TestAHijackedConnectionIsASuccess(t *testing.T) {
	for name, switched := range map[string]bool{"hijacked": false, "switched": true} {
		g, s := stubstigg.NewGate(t)
		e := newEcho()
		e.GET("/", func(c *echo.Context) error {
			if switched {
				c.Response().Header().Set("Connection", "Upgrade")
				c.Response().Header().Set("Upgrade", "test")
				c.Response().WriteHeader(http.StatusSwitchingProtocols)
			}
			conn, _, err := http.NewResponseController(c.Response()).Hijack()
			if err != nil {
				t.Error(err)
				return err
			}
			_, _ = io.WriteString(conn, "hello\n")
			_ = conn.Close()
			return errors.New("closed") // as websocket loops end
		}, echov5.Require(g, gate.Feature("many").Uses(1)))
		conn, err := net.Dial("tcp", stubstigg.Listen(t, e).Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: example.com\r\nX-Customer-ID: payer\r\n\r\n")
		got, _ := io.ReadAll(conn)
		_ = conn.Close()
		if !strings.HasSuffix(string(got), "hello\n") {
			t.Errorf("%s: got %q", name, got)
		}
		s.AwaitOutcome(t)
		if n := s.Billed(t, g); n != 1 {
			t.Errorf("%s: %v reported, want 1", name, n)
		}
		if o := s.Outcomes()[0]; !o.Hijacked || o.Status != http.StatusSwitchingProtocols {
			t.Errorf("%s: got %+v", name, o)
		}
	}
}

// TestServerSentEventsAreASuccessWhenTheClientLeaves, whatever the handler then returns: what
// was sent was sent. A client that left before anything was gets nothing and pays nothing.
func TestServerSentEventsAreASuccessWhenTheClientLeaves(t *testing.T) {
	for _, sends := range []bool{true, false} {
		g, s := stubstigg.NewGate(t)
		reached, done := make(chan struct{}), make(chan struct{})
		e := newEcho()
		e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c *echo.Context) error { defer close(done); return next(c) }
		}, echov5.Require(g, gate.Feature("many").Uses(1)))
		e.GET("/", func(c *echo.Context) error {
			if sends {
				_, _ = io.WriteString(c.Response(), "data: hello\n\n")
				_ = http.NewResponseController(c.Response()).Flush()
			}
			close(reached)
			<-c.Request().Context().Done()
			return c.Request().Context().Err()
		})
		ctx, leave := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, stubstigg.Listen(t, e).URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Customer-ID", "payer")
		go func() {
			<-reached
			if !sends {
				leave()
			}
		}()
		if res, err := http.DefaultClient.Do(r); err == nil {
			if line, _ := bufio.NewReader(res.Body).ReadString('\n'); line != "data: hello\n" {
				t.Errorf("got %q", line)
			}
			leave()
			_ = res.Body.Close()
		}
		<-done
		want := 0.0
		if sends {
			want = 1
		}
		if n := s.Billed(t, g); n != want {
			t.Errorf("sends %v: %v reported, want %v", sends, n, want)
		}
		leave()
	}
}

// TestAHEADThatEchoMakesOfAGETIsGuardedAsThat, also where the rest is open.
func TestAHEADThatEchoMakesOfAGETIsGuardedAsThat(t *testing.T) {
	for _, rest := range []gate.Rest{gate.DenyRest, gate.PublicRest} {
		g, s := stubstigg.NewGate(t)
		e := echo.NewWithConfig(echo.Config{Router: echo.NewRouter(echo.RouterConfig{AutoHandleHEAD: true})})
		table := gate.Table{"GET /off": gate.Feature("off"), "GET /many/:n": gate.Feature("many").Uses(1)}
		e.Use(echov5.Routes(g, table, rest))
		e.GET("/off", ok)
		e.GET("/many/:n", ok)
		if err := echov5.Verify(e, table, "/forgotten", "/v1/forgotten"); err != nil {
			t.Fatal(err)
		}
		for target, want := range map[string]int{"/off": 402, "/many/1": 200} {
			if w := stubstigg.Send(e, http.MethodHead, target); w.Code != want || w.Body.Len() > 0 {
				t.Errorf("rest %d, %s: got %d and %q, want %d", rest, target, w.Code, w.Body, want)
			}
		}
		if n := s.Billed(t, g); n != 1 {
			t.Errorf("rest %d: %v reported, want 1", rest, n)
		}
	}
}

// TestARouteOfAllMethodsIsNamedWithoutOne: a key for one method would leave the others to the rest.
func TestARouteOfAllMethodsIsNamedWithoutOne(t *testing.T) {
	e := newEcho()
	e.Any("/any", ok)
	for key, fine := range map[string]bool{"/any": true, "GET /any": false, "TRACE /any": false} {
		if err := echov5.Verify(e, gate.Table{key: gate.Feature("on")}); (err == nil) != fine {
			t.Errorf("%s: %v", key, err)
		}
	}
}
