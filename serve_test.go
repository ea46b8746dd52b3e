package gate

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// envServe makes the test's program the server of TestSignals.
const envServe = "GATE_TEST_SERVE"

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // what gates log by default
	if os.Getenv(envServe) == "" {
		os.Exit(m.Run())
	}
	if err := serveProgram(os.Getenv(envServe)); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

// serveProgram serves POST /, which uses 1, and says at its end what was reported. Its
// Stigg is down if it is told so.
func serveProgram(stigg string) error {
	s := &stub{set: features(metered("jobs", 0, 1000))}
	if stigg == "down" {
		s.report = func([]Usage) ([]Ack, error) { return nil, errStubDown }
	}
	g, err := New(s, fromHeader("X-Customer-ID", ""), WithLogger(slog.New(slog.NewTextHandler(os.Stdout, nil))))
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + l.Addr().String())
	err = Serve(context.Background(), &http.Server{Handler: jobs(g), ReadHeaderTimeout: time.Minute}, g, ServeOn(l),
		ShutdownWithin(time.Minute), DeliverWithin(time.Minute))
	fmt.Println("reported:", len(s.usages()))
	return err
}

// jobs answers 201 when the request's body has ended, and uses 1.
func jobs(g *Gate) http.Handler {
	guard, err := g.Guard(Feature("jobs").Uses(1))
	if err != nil {
		panic(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		guard.Serve(Call{Request: r, Writer: w}, func(d Decision) { g.WriteDenial(w, r, d) }, func(w http.ResponseWriter, r *http.Request) bool {
			status := http.StatusCreated
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				status = http.StatusBadRequest
			}
			w.WriteHeader(status)
			return true
		}, nil)
	})
}

// job posts a body and returns the answer's status, 0 if there is none.
func job(url string, body io.Reader) int {
	r, err := http.NewRequest(http.MethodPost, url, body) //nolint:noctx // the server's end ends it
	if err != nil {
		panic(err)
	}
	r.Header.Set("X-Customer-ID", "acme")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// slowJob posts a job that runs until finish is called, and says then what is answered: 0
// if nothing is.
func slowJob(t *testing.T, url string) (finish func() int) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: test\r\nX-Customer-ID: acme\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")
	in := bufio.NewReader(c)
	res, err := http.ReadResponse(in, nil)
	if err != nil || res.StatusCode != http.StatusContinue { // the handler reads
		t.Fatal(res, err)
	}
	return func() int {
		_, _ = io.WriteString(c, "0\r\n\r\n") // fails if the connection is closed
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			return 0
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
}

// program is the server in a process of its own.
type program struct {
	*exec.Cmd
	url   string
	lines *bufio.Scanner
}

func startProgram(t *testing.T, stigg string) *program {
	t.Helper()
	p := &program{Cmd: exec.CommandContext(t.Context(), os.Args[0])}
	p.Env = append(os.Environ(), envServe+"="+stigg)
	p.Stderr = os.Stderr
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	p.lines = bufio.NewScanner(out)
	p.lines.Scan()
	p.url = p.lines.Text()
	return p
}

// signal sends sig again and again until the program prints a line with the text. What comes within
// half a second of another is its echo, so it sends none more often: one that is on its way when
// the line is printed would be a signal too much.
func (p *program) signal(t *testing.T, text string, sig os.Signal) {
	t.Helper()
	told := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			_ = p.Process.Signal(sig)
			select {
			case <-told:
				return
			case <-time.After(600 * time.Millisecond):
			}
		}
	})
	p.expect(t, text)
	close(told)
	wait.Wait()
}

// expect reads what the program prints up to a line with the text.
func (p *program) expect(t *testing.T, text string) {
	t.Helper()
	for p.lines.Scan() {
		if strings.Contains(p.lines.Text(), text) {
			return
		}
	}
	t.Fatalf("the program has ended and not said %q", text)
}

func TestSignals(t *testing.T) {
	t.Parallel()
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(sig.String()+" ends the process when running requests are answered and all usage is delivered", func(t *testing.T) {
			p := startProgram(t, "up")
			for range 20 {
				if got := job(p.url, nil); got != 201 {
					t.Fatalf("got %d", got)
				}
			}
			finish := slowJob(t, p.url)
			for range 2 { // the second is an echo, as from a supervisor that passes it on
				if err := p.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
			}
			p.expect(t, "stopping")
			untilRefused(t, p.url)
			if got := finish(); got != 201 {
				t.Errorf("the request that was running: got %d", got)
			}
			p.expect(t, "reported: 21")
			if err := p.Wait(); err != nil {
				t.Errorf("it ends with %v", err)
			}
		})
	}
	t.Run("a second signal cuts running requests off and delivers what the others used", func(t *testing.T) {
		p := startProgram(t, "up")
		if got := job(p.url, nil); got != 201 {
			t.Fatalf("got %d", got)
		}
		finish := slowJob(t, p.url)
		p.signal(t, "are cut off", syscall.SIGTERM)
		p.expect(t, "reported: 1")
		if got := finish(); got != 0 {
			t.Errorf("the request that never ends: got %d", got)
		}
		p.expect(t, "error: gate: serve: requests were cut off: context canceled")
		if err := p.Wait(); err == nil {
			t.Error("it ends well")
		}
	})
	t.Run("a third signal ends the delivery", func(t *testing.T) {
		p := startProgram(t, "down")
		if got := job(p.url, nil); got != 201 {
			t.Fatalf("got %d", got)
		}
		p.signal(t, "the delivery of usage ends now", syscall.SIGTERM)
		p.expect(t, "reported: 0")
		p.expect(t, "1 usages undelivered")
		if err := p.Wait(); err == nil {
			t.Error("it ends well")
		}
	})
}

// untilRefused returns when nobody listens at the URL any more.
func untilRefused(t *testing.T, url string) {
	t.Helper()
	for {
		c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			return
		}
		_ = c.Close()
		if t.Context().Err() != nil {
			t.Fatal("connections are still taken")
		}
	}
}

// running is a Serve under way.
type running struct {
	*stub
	gate  *Gate
	url   string
	stop  context.CancelFunc
	ended chan error
}

func startServe(t *testing.T, s *stub, server *http.Server, options ...ServeOption) *running {
	t.Helper()
	s.set = features(metered("jobs", 0, 1000))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	r := &running{stub: s, gate: gateOf(t, s), url: "http://" + l.Addr().String(), stop: stop, ended: make(chan error, 1)}
	server.Handler, server.ErrorLog = jobs(r.gate), slog.NewLogLogger(slog.DiscardHandler, 0)
	go func() { r.ended <- Serve(ctx, server, r.gate, append(options, ServeOn(l))...) }()
	return r
}

func TestServe(t *testing.T) {
	closed := func(t *testing.T, g *Gate) {
		t.Helper()
		if err := g.Ready(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("the gate is not closed: %v", err)
		}
	}
	t.Run("a context that ends lets running requests finish and delivers what they used", func(t *testing.T) {
		r := startServe(t, &stub{}, &http.Server{})
		finish := slowJob(t, r.url)
		r.stop()
		untilRefused(t, r.url)
		if got := finish(); got != 201 {
			t.Errorf("got %d", got)
		}
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
		if n := len(r.usages()); n != 1 {
			t.Errorf("%d usages are reported, want 1", n)
		}
		closed(t, r.gate)
	})
	t.Run("a request that takes too long is cut off, and costs the others no usage", func(t *testing.T) {
		r := startServe(t, &stub{}, &http.Server{}, ShutdownWithin(time.Millisecond))
		if got := job(r.url, nil); got != 201 {
			t.Fatalf("got %d", got)
		}
		finish := slowJob(t, r.url)
		r.stop()
		if err := <-r.ended; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if got := finish(); got != 0 {
			t.Errorf("got %d", got)
		}
		if n := len(r.usages()); n != 1 {
			t.Errorf("%d usages are reported, want 1", n)
		}
	})
	t.Run("usage that can't be delivered in time is counted in the error", func(t *testing.T) {
		down := &stub{report: func([]Usage) ([]Ack, error) { return nil, errStubDown }}
		r := startServe(t, down, &http.Server{}, DeliverWithin(time.Millisecond))
		if got := job(r.url, nil); got != 201 {
			t.Fatalf("got %d", got)
		}
		r.stop()
		var undelivered *UndeliveredError
		if err := <-r.ended; !errors.As(err, &undelivered) || undelivered.Queued != 1 {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a port that is taken is an error at once, and the gate is closed", func(t *testing.T) {
		taken := httptest.NewServer(http.NotFoundHandler())
		defer taken.Close()
		g := gateOf(t, &stub{})
		err := Serve(t.Context(), &http.Server{Addr: taken.Listener.Addr().String()}, g)
		if !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("got %v", err)
		}
		closed(t, g)
	})
	t.Run("a server that somebody else shuts down ends well", func(t *testing.T) {
		server := &http.Server{}
		r := startServe(t, &stub{}, server)
		if got := job(r.url, nil); got != 201 {
			t.Fatalf("got %d", got)
		}
		if err := server.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-r.ended; err != nil || len(r.usages()) != 1 {
			t.Errorf("got %v, and %d usages are reported", err, len(r.usages()))
		}
		closed(t, r.gate)
	})
	t.Run("a context that has ended before ends it at once", func(t *testing.T) {
		g := gateOf(t, &stub{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := Serve(ctx, &http.Server{Addr: "127.0.0.1:0"}, g); err != nil {
			t.Error(err)
		}
		closed(t, g)
	})
	t.Run("a server with certificates speaks TLS", func(t *testing.T) {
		model := httptest.NewTLSServer(http.NotFoundHandler())
		defer model.Close()
		r := startServe(t, &stub{}, &http.Server{TLSConfig: &tls.Config{Certificates: model.TLS.Certificates}})
		res, err := model.Client().Get("https" + strings.TrimPrefix(r.url, "http")) //nolint:noctx // the server's end ends it
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.TLS == nil || res.StatusCode != http.StatusUnauthorized {
			t.Errorf("got %s, TLS %v", res.Status, res.TLS)
		}
		r.stop()
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
	})
	t.Run("what can't be served is an error that says why", func(t *testing.T) {
		for want, serve := range map[string]func(g *Gate) error{
			"the gate is nil":     func(*Gate) error { return Serve(t.Context(), &http.Server{}, nil) },
			"the server is nil":   func(g *Gate) error { return Serve(t.Context(), nil, g) },
			"the listener is nil": func(g *Gate) error { return Serve(t.Context(), &http.Server{}, g, ServeOn(nil)) },
			"the time for running requests must be positive":     func(g *Gate) error { return Serve(t.Context(), nil, g, ShutdownWithin(0)) },
			"the time for the delivery must be positive, not -1": func(g *Gate) error { return Serve(t.Context(), nil, g, DeliverWithin(-1)) },
		} {
			g := gateOf(t, &stub{})
			if err := serve(g); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %s", err, want)
			}
			if want != "the gate is nil" {
				closed(t, g)
			}
		}
	})
}
