package ginstigg_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/ginstigg"
	"github.com/stiggate/gate/internal/stubstigg"
)

func brokenPipe() error {
	return &net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.EPIPE)}
}

func ok(c *gin.Context) { c.String(http.StatusOK, "ok") }

func options(c *gin.Context) { c.Status(http.StatusNoContent) }

// TestTables: nobody is billed for what gin answers itself, and none of it opens a route.
func TestTables(t *testing.T) {
	many, off := gate.Feature("many").Uses(1), gate.Feature("off")
	table := gate.Table{
		"GET /items/:item": many, "GET /off": off, "GET /dir/": off, "GET /v1/grouped": off,
		"GET /files/*path": off, "/any": off, "GET /static/*filepath": off, "HEAD /static/*filepath": off,
		"POST /many": many, "GET /public": gate.Public(),
	}
	build := func(t *testing.T, rest gate.Rest, set func(*gin.Engine)) (*gin.Engine, *gate.Gate, *stubstigg.Stigg) {
		g, s := stubstigg.NewGate(t)
		e := gin.New()
		set(e)
		e.Use(ginstigg.Routes(g, table, rest))
		e.GET("/items/:item", ok)
		e.GET("/off", ok)
		e.GET("/dir/", ok)
		e.Group("/v1", func(*gin.Context) {}).GET("/grouped", ok)
		e.GET("/files/*path", ok)
		e.Any("/any", ok)
		e.Static("/static", t.TempDir())
		e.POST("/many", ok)
		e.GET("/public", ok)
		e.GET("/forgotten", ok)
		if err := ginstigg.Verify(e, table, "/forgotten", "/v1/forgotten"); err != nil {
			t.Fatal(err)
		}
		return e, g, s
	}
	plain := func(*gin.Engine) {}
	strict := func(e *gin.Engine) { e.HandleMethodNotAllowed = true }
	fixed := func(e *gin.Engine) { e.RedirectFixedPath = true }
	tests := []struct {
		name           string
		set            func(*gin.Engine)
		method, target string
		denied, public int // the status with either rest
		billed         float64
	}{
		{"a route", plain, "GET", "/items/7", 200, 200, 1},
		{"a route that is not in the plan", plain, "GET", "/off", 402, 402, 0},
		{"a route of a group", plain, "GET", "/v1/grouped", 402, 402, 0},
		{"a catch-all", plain, "GET", "/files/a/b", 402, 402, 0},
		{"a route of all methods", plain, "TRACE", "/any", 402, 402, 0},
		{"a public route", plain, "GET", "/public", 200, 200, 0},
		{"a forgotten route", plain, "GET", "/forgotten", 403, 200, 0},
		{"a file that is not there", plain, "GET", "/static/none", 402, 402, 0},
		{"no such route", plain, "GET", "/nowhere", 404, 404, 0},
		{"no such route in a group", plain, "GET", "/v1/nowhere", 404, 404, 0},
		{"no such method, HandleMethodNotAllowed off", plain, "DELETE", "/off", 404, 404, 0},
		{"no such method, HandleMethodNotAllowed on", strict, "DELETE", "/off", 405, 405, 0},
		{"HEAD of a GET route", strict, "HEAD", "/off", 405, 405, 0},
		{"a trailing slash too much", plain, "GET", "/off/", 301, 301, 0},
		{"a trailing slash too little", plain, "GET", "/dir", 301, 301, 0},
		{"a trailing slash too much, metered", plain, "POST", "/many/", 307, 307, 0},
		{"a trailing slash, RedirectTrailingSlash off", func(e *gin.Engine) { e.RedirectTrailingSlash = false }, "GET", "/off/", 404, 404, 0},
		{"another case", plain, "GET", "/OFF", 404, 404, 0},
		{"another case, RedirectFixedPath on", fixed, "GET", "/OFF", 301, 301, 0},
		{"another case, metered, RedirectFixedPath on", fixed, "POST", "/MANY", 307, 307, 0},
		{"a way up, RedirectFixedPath on", fixed, "GET", "/x/../off", 301, 301, 0},
		{"a double slash", plain, "GET", "//off", 402, 402, 0},
		{"a double slash, RemoveExtraSlash on", func(e *gin.Engine) { e.RemoveExtraSlash = true }, "GET", "//off", 402, 402, 0},
		{"an escaped letter", plain, "GET", "/%6fff", 402, 402, 0},
		{"an escaped slash", plain, "GET", "/items/a%2Fb", 404, 404, 0},
		{"an escaped slash, UseRawPath on", func(e *gin.Engine) { e.UseRawPath = true }, "GET", "/items/a%2Fb", 200, 200, 1},
		{"a 200 of NoRoute", func(e *gin.Engine) { e.NoRoute(ok) }, "GET", "/nowhere", 200, 200, 0},
		{"a 200 of NoMethod", func(e *gin.Engine) { strict(e); e.NoMethod(ok) }, "DELETE", "/off", 200, 200, 0},
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

// TestOneRuleForEveryMethod: neither a preflight nor HEAD is worth more than the route it
// reaches, however that is registered.
func TestOneRuleForEveryMethod(t *testing.T) {
	many := gate.Feature("many").Uses(1)
	tests := []struct {
		name   string
		build  func(gin.IRoutes)
		method string
		status int // of a preflight by nobody, or of a HEAD by the payer
		billed float64
	}{
		{"a preflight to a route of all methods", func(r gin.IRoutes) { r.Any("/x", ok) }, "OPTIONS", 401, 0},
		{"a preflight to a handler of several methods", func(r gin.IRoutes) { r.Match([]string{"POST", "OPTIONS"}, "/x", ok) }, "OPTIONS", 401, 0},
		{"a preflight to a handler registered twice", func(r gin.IRoutes) { r.POST("/x", ok); r.OPTIONS("/x", ok) }, "OPTIONS", 401, 0},
		{"a preflight to a handler of its own", func(r gin.IRoutes) { r.POST("/x", ok); r.OPTIONS("/x", options) }, "OPTIONS", 401, 0},
		{"a preflight to OPTIONS alone", func(r gin.IRoutes) { r.OPTIONS("/x", options); r.POST("/x/y", options) }, "OPTIONS", 401, 0},
		{"HEAD of a route of all methods", func(r gin.IRoutes) { r.Any("/x", ok) }, "HEAD", 200, 1},
		{"HEAD of a handler that POST has too", func(r gin.IRoutes) { r.Match([]string{"GET", "POST", "HEAD"}, "/x", ok) }, "HEAD", 200, 1},
		{"HEAD of GET's handler", func(r gin.IRoutes) { r.Match([]string{"GET", "HEAD"}, "/x", ok) }, "HEAD", 200, 1},
		{"HEAD alone", func(r gin.IRoutes) { r.HEAD("/x", ok) }, "HEAD", 200, 1},
	}
	for _, tt := range tests {
		for _, kind := range []string{"Require", "Routes"} {
			g, s := stubstigg.NewGate(t)
			e := gin.New()
			if kind == "Require" {
				e.Use(ginstigg.Require(g, many))
			} else {
				e.Use(ginstigg.Routes(g, gate.Table{"/x": many}, gate.DenyRest))
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

// TestRequireOnTheEngineGuardsNoRouteToo: Require has no table, so it guards all behind it.
func TestRequireOnTheEngineGuardsNoRouteToo(t *testing.T) {
	g, s := stubstigg.NewGate(t)
	e := gin.New()
	e.Use(ginstigg.Require(g, gate.Feature("many").Uses(1)))
	e.GET("/x", ok)
	for _, tt := range []struct {
		r    *http.Request
		want int
	}{
		{stubstigg.Request("GET", "/nowhere"), 404},
		{httptest.NewRequest("GET", "/nowhere", nil), 401},
		{stubstigg.Preflight("/nowhere"), 401},
	} {
		if w := stubstigg.Serve(e, tt.r); w.Code != tt.want {
			t.Errorf("%s: got %d, want %d", tt.r.Method, w.Code, tt.want)
		}
	}
	if n := s.Billed(t, g); n != 0 {
		t.Errorf("%v reported for 404s, want none", n)
	}
}

func TestAWrongPolicyPanicsAtStartUp(t *testing.T) {
	g, _ := stubstigg.NewGate(t)
	for name, build := range map[string]func(){
		"Require": func() { ginstigg.Require(g, gate.Feature("")) },
		"Routes":  func() { ginstigg.Routes(g, gate.Table{"GET /": gate.Feature("")}, gate.DenyRest) },
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
	e := gin.New()
	e.Use(ginstigg.Routes(g, gate.Table{"POST /": many}, gate.DenyRest))
	e.POST("/", ginstigg.Require(g, many), ok)
	stubstigg.Send(e, "POST", "/")
	if n := s.Billed(t, g); n != 1 {
		t.Errorf("%v reported, want 1", n)
	}
}

func TestAHijackedConnectionIsASuccess(t *testing.T) {
	for name, status := range map[string]int{"hijacked": 200, "switched": 101} {
		g, s := stubstigg.NewGate(t)
		e := gin.New()
		e.GET("/", ginstigg.Require(g, gate.Feature("many").Uses(1)), func(c *gin.Context) {
			c.Status(status)
			conn, _, err := http.NewResponseController(c.Writer).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\nhello\n")
			_ = conn.Close()
			c.Status(500) // too late
		})
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
		if o := s.Outcomes()[0]; o.Status != 101 || !o.Hijacked {
			t.Errorf("%s: outcome %+v, want 101", name, o)
		}
	}
}

func TestServerSentEventsAreASuccessWhenTheClientLeaves(t *testing.T) {
	g, s := stubstigg.NewGate(t)
	done := make(chan struct{})
	e := gin.New()
	e.GET("/", func(c *gin.Context) { defer close(done); c.Next() }, ginstigg.Require(g, gate.Feature("many").Uses(1)), func(c *gin.Context) {
		c.SSEvent("message", "hello")
		c.Writer.Flush()
		<-c.Request.Context().Done()
		_ = c.Error(c.Request.Context().Err())
	})
	ctx, leave := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, stubstigg.Listen(t, e).URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Customer-ID", "payer")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(res.Body).ReadString('\n')
	leave()
	_ = res.Body.Close()
	<-done
	if line != "event:message\n" {
		t.Errorf("got %q", line)
	}
	if n := s.Billed(t, g); n != 1 {
		t.Errorf("%v reported, want 1", n)
	}
}

// TestHandleContextIsGuardedAnew: gin routes the rewritten request through the engine's
// middlewares again. Without the Abort it then goes on with the new route's chain, where the
// old one was, whoever aborted that (gin-gonic/gin#2944).
func TestHandleContextIsGuardedAnew(t *testing.T) {
	g, s := stubstigg.NewGate(t)
	e := gin.New()
	e.Use(ginstigg.Routes(g, gate.Table{"GET /old": gate.Public(), "GET /many": gate.Feature("many").Uses(1), "GET /off": gate.Feature("off")}, gate.DenyRest))
	e.GET("/old", func(c *gin.Context) {
		c.Request.URL.Path = c.Query("to")
		e.HandleContext(c)
		c.Abort()
	})
	ran := 0
	count := func(*gin.Context) { ran++ }
	e.GET("/many", count, count)
	e.GET("/off", count, count)
	for target, want := range map[string]int{"/old?to=/many": 200, "/old?to=/off": 402, "/old?to=/nowhere": 404} {
		if w := stubstigg.Send(e, "GET", target); w.Code != want {
			t.Errorf("%s: got %d, want %d", target, w.Code, want)
		}
	}
	if n := s.Billed(t, g); n != 1 || ran != 2 {
		t.Errorf("%v reported, %d handlers ran; want 1 and 2", n, ran)
	}
}
