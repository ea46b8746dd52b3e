package echostigg_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/echostigg"
	"github.com/stiggate/gate/internal/stubstigg"
)

// TestLateBytesReachNobodyElse: echo's Timeout answers for a handler that goes on to write.
// With a page this long net/http has given the buffer to another answer by then.
func TestLateBytesReachNobodyElse(t *testing.T) {
	for range 5 {
		g, s := stubstigg.NewGate(t)
		late, wrote, entered, finish := make(chan struct{}), make(chan error, 1), make(chan struct{}), make(chan struct{})
		e := newEcho()
		e.GET("/slow", func(c echo.Context) error {
			<-late
			_, err := io.WriteString(c.Response(), "SECRET OF ONE CUSTOMER")
			wrote <- err
			return err
		}, echostigg.Require(g, gate.Feature("many").Uses(1)), middleware.TimeoutWithConfig(middleware.TimeoutConfig{ //nolint:staticcheck // apps have it
			Timeout: 10 * time.Millisecond, ErrorMessage: strings.Repeat("sorry ", 1000),
		}))
		srv := stubstigg.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				e.ServeHTTP(w, r)
				return
			}
			_, _ = io.WriteString(w, "hello ")
			close(entered)
			<-finish
			_, _ = io.WriteString(w, "world")
		}))
		if status, _ := fetch(t, srv.URL+"/slow"); status != http.StatusServiceUnavailable {
			t.Errorf("got %d, want 503", status)
		}
		got := make(chan string)
		go func() { _, body := fetch(t, srv.URL+"/other"); got <- body }()
		<-entered
		close(late)
		if err := <-wrote; !errors.Is(err, http.ErrHandlerTimeout) {
			t.Errorf("the late write has got %v", err)
		}
		close(finish)
		if body := <-got; body != "hello world" {
			t.Fatalf("somebody else got %q", body)
		}
		if n := s.Billed(t, g); n != 0 {
			t.Errorf("%v reported of a 503", n)
		}
	}
}

func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Customer-ID", "payer")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	return res.StatusCode, string(body)
}

// TestAGroupsMiddlewareIsTheRests: a middleware that answers, such as a proxy, is open to
// nobody whom the table has not let in.
func TestAGroupsMiddlewareIsTheRests(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the goods") }))
	defer up.Close()
	u, err := url.Parse(up.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		table gate.Table
		rest  gate.Rest
		want  int // to nobody, below the group's prefix and at it
	}{
		{"the rest is denied", gate.Table{"GET /health": gate.Public()}, gate.DenyRest, 403},
		{"the rest is open", gate.Table{"GET /health": gate.Public()}, gate.PublicRest, 200},
		{"keys guard it", gate.Table{"/paid": gate.Feature("on"), "/paid/*": gate.Feature("on")}, gate.PublicRest, 401},
	} {
		g, _ := stubstigg.NewGate(t)
		e := newEcho()
		e.Use(echostigg.Routes(g, tt.table, tt.rest))
		e.GET("/health", func(c echo.Context) error { return c.NoContent(204) })
		e.Group("/paid").Use(middleware.Proxy(middleware.NewRoundRobinBalancer([]*middleware.ProxyTarget{{URL: u}})))
		if err := echostigg.Verify(e, tt.table, "/health"); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		srv := stubstigg.Listen(t, e)
		for _, target := range []string{"/paid", "/paid/", "/paid/x", "/paid/x/y"} {
			res, err := http.Get(srv.URL + target)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != tt.want {
				t.Errorf("%s, %s: got %d, want %d", tt.name, target, res.StatusCode, tt.want)
			}
		}
	}
}

// TestAnEarlierPathOpensNothing: what echo has noted of a path, before a middleware of
// e.Pre has rewritten it, is not this path's.
func TestAnEarlierPathOpensNothing(t *testing.T) {
	g, _ := stubstigg.NewGate(t)
	e := newEcho()
	e.Pre(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error { c.Set(echo.ContextKeyHeaderAllow, "POST"); return next(c) }
	})
	e.Use(echostigg.Routes(g, gate.Table{"POST /x": gate.Public()}, gate.DenyRest))
	e.GET("/forgotten", ok)
	e.POST("/x", ok)
	for target, want := range map[string]int{"/forgotten": 403, "/x": 405} {
		if w := stubstigg.Send(e, "GET", target); w.Code != want {
			t.Errorf("%s: got %d, want %d", target, w.Code, want)
		}
	}
}

type unwraps struct{ http.ResponseWriter }

func (u unwraps) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// TestAHijackThroughUnwrapIsSeen: a logging writer in front that only unwraps.
func TestAHijackThroughUnwrapIsSeen(t *testing.T) {
	g, s := stubstigg.NewGate(t)
	e := newEcho()
	e.GET("/", func(c echo.Context) error {
		conn, _, err := c.Response().Hijack()
		if err != nil {
			return err
		}
		_, _ = io.WriteString(conn, "hello")
		_ = conn.Close()
		return errors.New("closed") // as websocket loops end
	}, echostigg.Require(g, gate.Feature("many").Uses(1)))
	srv := stubstigg.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { e.ServeHTTP(unwraps{w}, r) }))
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\nX-Customer-ID: payer\r\n\r\n")
	if got, _ := io.ReadAll(conn); string(got) != "hello" {
		t.Errorf("got %q", got)
	}
	_ = conn.Close()
	s.AwaitOutcome(t)
	if n := s.Billed(t, g); n != 1 || !s.Outcomes()[0].Hijacked || s.Outcomes()[0].Status != 101 {
		t.Errorf("%v reported, want 1: %+v", n, s.Outcomes())
	}
}

// TestAllocsOfAnUnmeteredRequest are the router's alone, however many routes it has: echo
// makes a function of each middleware for each request.
func TestAllocsOfAnUnmeteredRequest(t *testing.T) {
	g, _ := stubstigg.NewGate(t, gate.WithBareRequests())
	allocs := func(method string, routes int, gates ...echo.MiddlewareFunc) float64 {
		e := newEcho()
		e.Use(gates...)
		for i := range routes {
			e.Any("/"+strconv.Itoa(i), func(echo.Context) error { return nil })
		}
		r, w := stubstigg.Request(method, "/0"), httptest.NewRecorder()
		return stubstigg.Allocs(func() { e.ServeHTTP(w, r) })
	}
	nothing := func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error { return next(c) }
	}
	for name, gate := range map[string]echo.MiddlewareFunc{
		"Require": echostigg.Require(g, gate.Feature("on")), "Routes": echostigg.Routes(g, gate.Table{"/0": gate.Feature("on")}, gate.PublicRest),
	} {
		for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
			if bare, gated := allocs(method, 500, nothing), allocs(method, 500, gate); gated != bare {
				t.Errorf("%s, %s: %v allocations, %v of a middleware that does nothing", name, method, gated, bare)
			}
		}
	}
}

// TestAllocsOfASettledRequest are the ticket with the request that carries it, and the recorder.
func TestAllocsOfASettledRequest(t *testing.T) {
	added := stubstigg.AllocsOfSettling(t, func(g *gate.Gate, p gate.Policy) http.Handler {
		e := newEcho()
		if g == nil {
			e.Use(func(next echo.HandlerFunc) echo.HandlerFunc { return func(c echo.Context) error { return next(c) } })
		} else {
			e.Use(echostigg.Require(g, p))
		}
		e.POST("/x", func(echo.Context) error { return nil })
		return e
	})
	if added > 2 {
		t.Errorf("a gate adds %v allocations, want at most 2", added)
	}
}
