package ginstigg_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/ginstigg"
	"github.com/stiggate/gate/internal/stubstigg"
)

// timeoutWriter keeps an answer back, and takes nothing more once its time is over.
type timeoutWriter struct {
	gin.ResponseWriter
	kept chan []byte
	over chan struct{}
}

func (w *timeoutWriter) Write(b []byte) (int, error) {
	select {
	case <-w.over:
		return 0, http.ErrHandlerTimeout
	case w.kept <- b: // as much as the test needs
	default:
	}
	return len(b), nil
}

func (w *timeoutWriter) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

// timeout is as gin-contrib/timeout: it runs the handler on a goroutine of its own, answers
// 408 when the time is over, and leaves its writer to the handler that still runs.
func timeout(after <-chan struct{}, h gin.HandlerFunc) gin.HandlerFunc {
	return func(c *gin.Context) {
		front := c.Writer
		w := &timeoutWriter{ResponseWriter: front, kept: make(chan []byte, 1), over: make(chan struct{})}
		c.Writer = w
		done := make(chan struct{})
		go func() { h(c); close(done) }()
		select {
		case <-done:
			c.Writer = front
			_, _ = front.Write(<-w.kept)
		case <-after:
			close(w.over)
			front.WriteHeader(http.StatusRequestTimeout)
			_, _ = io.WriteString(front, "sorry")
		}
	}
}

// TestAHandlerLeftBehindKeepsItsContext: what the gate would put back, a handler that a
// timeout has left behind may be using. The race detector tells.
func TestAHandlerLeftBehindKeepsItsContext(t *testing.T) {
	for _, late := range []bool{true, false} {
		g, s := stubstigg.NewGate(t)
		over, entered, wrote := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		var own bool
		e := gin.New()
		e.Use(func(c *gin.Context) { c.Next() })
		e.GET("/", ginstigg.Require(g, gate.Feature("many").Uses(1)), timeout(over, func(c *gin.Context) {
			if late {
				close(entered)
				for { // uses what the gate has handed on, whatever became of the request
					if _, err := io.WriteString(c.Writer, "SECRET"); err != nil {
						own = gate.TicketFrom(c.Request.Context()) != nil
						wrote <- err
						return
					}
				}
			}
			_, _ = io.WriteString(c.Writer, "ok")
		}))
		if late {
			go func() { <-entered; time.Sleep(time.Millisecond); close(over) }()
		}
		w := stubstigg.Serve(e, stubstigg.Request("GET", "/"))
		want, billed := "ok", 1.0
		if late {
			want, billed = "sorry", 0
			if err := <-wrote; !errors.Is(err, http.ErrHandlerTimeout) || !own {
				t.Errorf("the handler that was left behind got %v, and has its request: %v", err, own)
			}
		}
		if w.Body.String() != want {
			t.Errorf("got %q, want %q", w.Body, want)
		}
		if n := s.Billed(t, g); n != billed {
			t.Errorf("%v reported, want %v", n, billed)
		}
	}
}

type zipped struct {
	gin.ResponseWriter
	z *gzip.Writer
}

func (z *zipped) Write(b []byte) (int, error)       { return z.z.Write(b) }
func (z *zipped) WriteString(s string) (int, error) { return z.z.Write([]byte(s)) }

// gzipped is a middleware as gin-contrib/gzip.
func gzipped(c *gin.Context) {
	z := gzip.NewWriter(c.Writer)
	c.Writer = &zipped{c.Writer, z}
	c.Header("Content-Encoding", "gzip")
	c.Next()
	_ = z.Close()
}

// TestBytesAreCountedAtTheGate, not where a buffer in front has let them through.
func TestBytesAreCountedAtTheGate(t *testing.T) {
	g, s := stubstigg.NewGate(t)
	e := gin.New()
	e.Use(gzipped)
	e.GET("/", ginstigg.Require(g, gate.Feature("many").Uses(0).MeasuredBy(gate.ResponseBytes(1))), func(c *gin.Context) {
		c.String(200, "%s", strings.Repeat("0123456789", 1000))
	})
	stubstigg.Send(e, "GET", "/")
	if n := s.Billed(t, g); n != 10_000 {
		t.Errorf("%v billed, want 10000", n)
	}
}

// TestWhoLeavesDuringAWriteOfGinsIsBilled: gin makes an error of it and aborts.
func TestWhoLeavesDuringAWriteOfGinsIsBilled(t *testing.T) {
	big := strings.Repeat("row\n", 4<<20)
	for name, h := range map[string]gin.HandlerFunc{
		"Data":   func(c *gin.Context) { c.Data(200, "text/plain", []byte(big)) },
		"String": func(c *gin.Context) { c.String(200, "%s", big) },
		"DataFromReader": func(c *gin.Context) {
			c.DataFromReader(200, int64(len(big)), "text/plain", strings.NewReader(big), nil)
		},
		"AbortWithError": func(c *gin.Context) {
			for {
				if _, err := io.WriteString(c.Writer, "row\n"); err != nil {
					_ = c.AbortWithError(500, err)
					return
				}
				c.Writer.Flush()
			}
		},
	} {
		g, s := stubstigg.NewGate(t)
		e := gin.New()
		e.GET("/", ginstigg.Require(g, gate.Feature("many").Uses(1).OnClientGone(gate.BillAsked)), h)
		srv := stubstigg.Listen(t, e)
		ctx, leave := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Customer-ID", "payer")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = bufio.NewReader(res.Body).ReadString('\n')
		leave()
		_ = res.Body.Close()
		srv.Close()
		if n := s.Billed(t, g); n != 1 {
			t.Errorf("%s: %v reported, want 1: %+v", name, n, s.Outcomes())
		}
	}
}

// TestNoRouteOpensNoGuardedPath: a file server behind NoRoute reads what gin has not matched.
func TestNoRouteOpensNoGuardedPath(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "premium"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "premium", "report.txt"), []byte("the goods"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, raw := range []bool{false, true} {
		g, _ := stubstigg.NewGate(t)
		files := http.FileServer(http.Dir(dir))
		e := gin.New()
		e.UseRawPath = raw
		e.Use(ginstigg.Routes(g, gate.Table{"GET /premium/*path": gate.Feature("on")}, gate.PublicRest))
		e.GET("/premium/*path", gin.WrapH(files))
		e.NoRoute(gin.WrapH(files))
		for _, target := range []string{"/premium/report.txt", "/premium%2Freport.txt", "/x/..%2fpremium%2freport.txt", "//premium/report.txt", "/%70remium/report.txt"} {
			if w := stubstigg.Serve(e, httptest.NewRequest("GET", target, nil)); strings.Contains(w.Body.String(), "the goods") {
				t.Errorf("raw %v, %s by nobody: %d %s", raw, target, w.Code, w.Body)
			}
		}
	}
}

// TestAllocsDoNotGrowWithTheRoutes, whatever the method.
func TestAllocsDoNotGrowWithTheRoutes(t *testing.T) {
	allocs := func(routes int, method string) float64 {
		g, _ := stubstigg.NewGate(t, gate.WithBareRequests())
		e := gin.New()
		e.Use(ginstigg.Routes(g, gate.Table{"/0": gate.Feature("on")}, gate.PublicRest))
		for i := range routes {
			e.Any("/"+strconv.Itoa(i), options)
		}
		r, w := stubstigg.Request(method, "/0"), httptest.NewRecorder()
		return stubstigg.Allocs(func() { e.ServeHTTP(w, r) })
	}
	for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
		if few, many := allocs(1, method), allocs(500, method); few != many || many != 0 {
			t.Errorf("%s: %v allocations with one path, %v with 500, want none", method, few, many)
		}
	}
}

// TestAllocsOfASettledRequest are the ticket with the request that carries it, the recorder, and gin's
// kind of writer around that.
func TestAllocsOfASettledRequest(t *testing.T) {
	added := stubstigg.AllocsOfSettling(t, func(g *gate.Gate, p gate.Policy) http.Handler {
		e := gin.New()
		if g != nil {
			e.Use(ginstigg.Require(g, p))
		}
		e.POST("/x", func(*gin.Context) {})
		return e
	})
	if added > 3 {
		t.Errorf("a gate adds %v allocations, want at most 3", added)
	}
}

// TestHandleContextIsBilledByItsAnswer: gin then answers by a writer that the gate does not watch.
func TestHandleContextIsBilledByItsAnswer(t *testing.T) {
	byBytes := gate.Feature("many").Uses(0).MeasuredBy(gate.ResponseBytes(1))
	for _, tt := range []struct {
		name    string
		policy  gate.Policy
		handler gin.HandlerFunc
		billed  float64
	}{
		{"a success", gate.Feature("many").Uses(2), func(c *gin.Context) { c.String(201, "ok") }, 2},
		{"a status alone", gate.Feature("many").Uses(2), func(c *gin.Context) { c.Status(204) }, 2},
		{"a failure", gate.Feature("many").Uses(2), func(c *gin.Context) { c.String(500, "sorry") }, 0},
		{"a failure without a body", gate.Feature("many").Uses(2), func(c *gin.Context) { c.Status(404) }, 0},
		{"the bytes of a success", byBytes, func(c *gin.Context) { c.String(200, "%s", strings.Repeat("x", 100)) }, 100},
	} {
		for _, guarded := range []bool{false, true} {
			g, s := stubstigg.NewGate(t)
			e := gin.New()
			e.POST("/old", ginstigg.Require(g, tt.policy), func(c *gin.Context) {
				c.Request.URL.Path = "/new"
				e.HandleContext(c)
				c.Abort()
			})
			chain := []gin.HandlerFunc{tt.handler}
			if guarded { // the two charge once
				chain = []gin.HandlerFunc{ginstigg.Require(g, gate.Feature("many").Uses(1)), tt.handler}
			}
			e.POST("/new", chain...)
			stubstigg.Send(e, "POST", "/old")
			if n := s.Billed(t, g); n != tt.billed {
				t.Errorf("%s, the route guarded too: %v: %v reported, want %v: %+v", tt.name, guarded, n, tt.billed, s.Outcomes())
			}
		}
	}
}
