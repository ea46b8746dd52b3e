package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/identity"
)

// patience bounds every wait. It is how long a suite hangs that will fail anyway, not
// how fast an adapter must be.
const patience = time.Minute

// protocol is what a server speaks.
type protocol int

const (
	http1 protocol = 1
	http2 protocol = 2
)

// bench is a gate and a server under test.
type bench struct {
	stigg  *stigg
	seen   *witness
	gate   *gate.Gate
	server *httptest.Server
	active atomic.Int64 // the requests that are being served

	mu      sync.Mutex
	answers []string // what the clients have seen, for a row that fails
}

// saw keeps what a client has seen.
func (b *bench) saw(r *http.Request, a answer) {
	what := fmt.Sprintf("%s %s: %d, %d bytes", r.Method, r.URL.Path, a.status, len(a.body))
	if a.code != "" {
		what += ", " + a.code
	}
	if a.broken {
		what += ", and the connection broke"
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers = append(b.answers, what)
}

// showAnswers shows a few of the answers if the row fails.
func (b *bench) showAnswers(t testing.TB) {
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if t.Failed() && len(b.answers) > 0 {
			t.Logf("the client saw: %s", strings.Join(b.answers[:min(len(b.answers), 5)], "; "))
		}
	})
}

// witness is told what the gate does.
type witness struct {
	mu       sync.Mutex
	decided  []gate.Decision
	settled  []gate.Outcome
	reported []gate.Usage
}

func (w *witness) decide(_ context.Context, d gate.Decision) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.decided = append(w.decided, d)
}

func (w *witness) settle(_ context.Context, _ gate.Decision, o gate.Outcome, reported []gate.Usage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.settled = append(w.settled, o)
	w.reported = append(w.reported, reported...)
}

// start serves what build makes of a new gate.
func start(t testing.TB, p protocol, build func(*gate.Gate) http.Handler, options ...gate.Option) *bench {
	t.Helper()
	return startOn(t, newStigg(), p, build, options...)
}

// startOn is start in front of a stigg that others may have, too.
func startOn(t testing.TB, s *stigg, p protocol, build func(*gate.Gate) http.Handler, options ...gate.Option) *bench {
	t.Helper()
	b := &bench{stigg: s, seen: &witness{}}
	b.showAnswers(t)
	options = append([]gate.Option{
		gate.WithDecisionTimeout(patience), gate.WithObserver(gate.Observer{Decided: b.seen.decide, Settled: b.seen.settle}),
		gate.WithUpgradeLink("https://app.example.com/upgrade?feature={feature}"),
	}, options...)
	var err error
	if b.gate, err = gate.New(b.stigg, identity.FromTrustedHeader("X-Customer-ID", "X-Resource-ID"), options...); err != nil {
		t.Fatal(err)
	}
	router := build(b.gate)
	b.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.active.Add(1)
		defer b.active.Add(-1)
		router.ServeHTTP(w, r)
	}))
	b.server.Config.ErrorLog = log.New(io.Discard, "", 0) // panics are part of the suite
	if b.server.EnableHTTP2 = p == http2; p == http2 {
		b.server.StartTLS()
	} else {
		b.server.Start()
	}
	b.server.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	t.Cleanup(b.server.Close)
	return b
}

// guarded serves routes.
func (a Adapter) guarded(t testing.TB, p protocol, routes ...Route) *bench {
	t.Helper()
	return start(t, p, func(g *gate.Gate) http.Handler { return a.Guarded(g, a.routes(routes...)) })
}

// finish stops the server, then the gate, and waits for all usage to be counted.
func (b *bench) finish(t testing.TB) {
	t.Helper()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		b.server.Close()
	}()
	await(t, "the end of all connections", closed)
	eventually(t, "the end of all handlers", func() bool { return b.active.Load() == 0 }) // no server waits for hijacked ones
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := b.gate.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if s := b.gate.Stats(); s.Open != 0 || s.Queued != 0 {
		t.Errorf("left behind: %+v", s)
	}
}

// uses is what is to be reported, by feature.
type uses map[string]float64

// bills finishes, and holds what was reported to want and to what the observer saw.
func (b *bench) bills(t testing.TB, want uses) {
	t.Helper()
	b.finish(t)
	for _, feature := range []string{"many", "near", "twelve", "monthly", "other"} {
		if n := b.stigg.reported(feature); n != want[feature] {
			t.Errorf("%v of %s reported, want %v", n, feature, want[feature])
		}
		observed := 0.0
		for _, u := range b.seen.reported {
			if u.FeatureID == feature {
				observed += u.Value
			}
		}
		if observed != want[feature] {
			t.Errorf("%v of %s reported to the observer, want %v", observed, feature, want[feature])
		}
	}
}

// answer is what came back.
type answer struct {
	status   int
	protocol int
	code     string // of a denial
	header   http.Header
	trailer  http.Header
	body     []byte
	hints    []http.Header // the 103s before it
	broken   bool          // the connection broke
}

// new makes a request to the server, with a time limit.
func (b *bench) new(t testing.TB, method, target, customer string, body io.Reader) *http.Request {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, method, b.server.URL+target, body)
	if err != nil {
		t.Fatal(err)
	}
	if customer != "" {
		r.Header.Set("X-Customer-ID", customer)
	}
	return r
}

// send sends a request and reads the whole answer.
func (b *bench) send(r *http.Request) (a answer) {
	trace := &httptrace.ClientTrace{Got1xxResponse: func(status int, h textproto.MIMEHeader) error {
		if status == http.StatusEarlyHints {
			a.hints = append(a.hints, http.Header(h).Clone())
		}
		return nil
	}}
	defer func() { b.saw(r, a) }()
	res, err := b.server.Client().Do(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	if err != nil {
		return answer{broken: true}
	}
	defer func() { _ = res.Body.Close() }()
	a.status, a.protocol, a.header = res.StatusCode, res.ProtoMajor, res.Header
	a.body, err = io.ReadAll(res.Body)
	a.trailer, a.broken = res.Trailer, err != nil
	var problem struct{ Code string }
	if res.Header.Get("Content-Type") == "application/problem+json" && json.Unmarshal(a.body, &problem) == nil {
		a.code = problem.Code
	}
	return a
}

// get sends the payer's request.
func (b *bench) get(t testing.TB, method, target string) answer {
	t.Helper()
	return b.send(b.new(t, method, target, "payer", nil))
}

// wants holds an answer to a status; 0 is a broken connection.
func (a answer) wants(t testing.TB, status int) {
	t.Helper()
	if a.broken != (status == 0) || !a.broken && a.status != status {
		t.Errorf("got %d %q (broken %v), want %d\n%s", a.status, a.code, a.broken, status, a.body)
	}
}

// dial opens a connection of HTTP/1.1 and sends a request's head as it is. Lines end
// with \n here.
func (b *bench) dial(t testing.TB, head string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(t.Context(), "tcp", b.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, strings.ReplaceAll(head, "\n", "\r\n")+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	return conn
}

// await waits for what must happen, and fails if it does not.
func await(t testing.TB, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%s has not happened", what)
	}
}

// eventually asks until it is so, and fails if it never is.
func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s has not happened", what)
		}
	}
}
