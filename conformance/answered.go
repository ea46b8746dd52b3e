package conformance

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stiggate/gate"
)

// answeredRows: what the client was answered counts, not how the handler ended.
func answeredRows(a Adapter) []row {
	many := manyTwo()
	leaving := []struct {
		name   string
		policy gate.Policy
		uses   uses
	}{
		{"", many, uses{"many": 2}},
		{", and all that was asked is billed", many.OnClientGone(gate.BillAsked), uses{"many": 2}},
		{", and nothing is billed", many.OnClientGone(gate.BillNothing), nil},
		{", and the app's own rule says so", many.ReportIf(func(o gate.Outcome) bool { return o.ClientGone && o.Status == 200 }), uses{"many": 2}},
		{", and the bytes are billed", gate.Feature("many").Uses(0).MeasuredBy(gate.ResponseBytes(int64(len(streamed)))), uses{"many": 1}},
	}
	var rows []row
	for _, tt := range leaving {
		rows = append(rows, over("answered", "a proxied stream that the client closes"+tt.name, func(t testing.TB, p protocol) {
			proxied(t, a, p, tt.policy, tt.uses)
		})...)
	}
	rows = append(rows, over("answered", "a client that leaves during a write of the router's own", func(t testing.TB, p protocol) { leavesDuringWrite(t, a, p) })...)
	rows = append(rows, over("answered", "an upstream that can't be reached", func(t testing.TB, p protocol) { deadUpstream(t, a, p) })...)
	rows = append(rows, over("answered", "a deadline in front that passes, and nothing written", func(t testing.TB, p protocol) { deadline(t, a, p, false) })...)
	rows = append(rows, over("answered", "a deadline in front that passes after the answer", func(t testing.TB, p protocol) { deadline(t, a, p, true) })...)
	rows = append(rows, over("answered", "http.TimeoutHandler behind the gate answers", func(t testing.TB, p protocol) { timeoutBehind(t, a, p) })...)
	for name, write := range map[string][2]http.HandlerFunc{
		"":                               {nothing, writeOn},
		", and a status comes after it":  {nothing, noContent},
		", and a status was on its way":  {noContent, nothing},
		", and a body was on its way":    {answerStatus, nothing},
		", and a failure was on its way": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, nothing},
	} {
		rows = append(rows, over("answered", "http.TimeoutHandler in front of the gate has answered"+name, func(t testing.TB, p protocol) {
			timeoutInFront(t, a, p, write[0], write[1])
		})...)
	}
	rows = append(rows, over("answered", "a panic behind an http.TimeoutHandler, which has kept all back", func(t testing.TB, p protocol) { panicKeptBack(t, a, p) })...)
	rows = append(rows, over("answered", "the app ends the request, and nothing is written", func(t testing.TB, p protocol) { endedByApp(t, a, p, false) })...)
	rows = append(rows, over("answered", "the app ends the request after the answer", func(t testing.TB, p protocol) { endedByApp(t, a, p, true) })...)
	return append(rows,
		row{"answered", "a client that has closed only its own side", func(t testing.TB) { halfClosed(t, a) }},
		row{"answered", "the server's own context ends before anything is decided", func(t testing.TB) { serverStops(t, a) }},
	)
}

// streamed is what the upstream of proxied sends.
const streamed = "data: the answer\n\ndata: [DONE]\n\n"

// forward is a proxy to an upstream of this handler's.
func forward(t testing.TB, h http.HandlerFunc) http.HandlerFunc {
	t.Helper()
	up := httptest.NewServer(h)
	t.Cleanup(up.Close)
	u, err := url.Parse(up.URL)
	if err != nil {
		t.Fatal(err)
	}
	return httputil.NewSingleHostReverseProxy(u).ServeHTTP
}

// proxied: the proxy ends a stream whose client has left by http.ErrAbortHandler.
func proxied(t testing.TB, a Adapter, p protocol, policy gate.Policy, want uses) {
	b := a.guarded(t, p, route("GET", "/", policy, forward(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, streamed)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})))
	b.leavesAfter(t, "data: [DONE]\n")
	b.bills(t, want)
	if n := len(b.seen.settled); n != 1 || t.Failed() {
		t.Errorf("settled %d times: %+v", n, b.seen.settled)
	}
}

// leavesAfter reads an answer up to a line and leaves.
func (b *bench) leavesAfter(t testing.TB, last string) {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	res, err := b.server.Client().Do(b.new(t, "GET", "/", "payer", nil).WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	for in := bufio.NewReader(res.Body); ; {
		switch line, err := in.ReadString('\n'); {
		case err != nil:
			t.Fatalf("the answer ends before %q: %v", last, err)
		case line == last:
			return
		}
	}
}

// leavesDuringWrite: the router finds out while it writes, and whatever it makes of that, the
// client has had what it wanted.
func leavesDuringWrite(t testing.TB, a Adapter, p protocol) {
	body := strings.Repeat("row\n", 1<<16) + "end\n" + strings.Repeat("pad\n", 8<<20)
	for policy, want := range map[gate.Billing]uses{gate.BillUsed: {"many": 2}, gate.BillAsked: {"many": 2}, gate.BillNothing: nil} {
		b := a.guarded(t, p, Route{Method: "GET", Pattern: "/", Policies: []gate.Policy{manyTwo().OnClientGone(policy)}, Body: body})
		b.leavesAfter(t, "end\n")
		b.bills(t, want)
	}
}

func deadUpstream(t testing.TB, a Adapter, p protocol) {
	b := a.guarded(t, p, route("GET", "/", manyTwo(), forward(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })))
	b.get(t, "GET", "/").wants(t, http.StatusBadGateway)
	b.bills(t, nil)
}

// deadline is a middleware in front that answers for handlers that have returned without an
// answer when their time was over.
func deadline(t testing.TB, a Adapter, p protocol, answers bool) {
	guarded := route("GET", "/", manyTwo(), func(w http.ResponseWriter, r *http.Request) {
		if answers {
			_, _ = io.WriteString(w, "ok")
		}
		<-r.Context().Done()
	})
	guarded.Before = func(w http.ResponseWriter, r *http.Request, next func(*http.Request) *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), time.Millisecond)
		defer cancel()
		next(r.WithContext(ctx))
		if !answers {
			w.WriteHeader(http.StatusGatewayTimeout)
		}
	}
	b := a.guarded(t, p, guarded)
	want, status := uses(nil), http.StatusGatewayTimeout
	_ = b.gate.Check(t.Context(), gate.Customer{ID: "payer"}, manyTwo()) // so that the deadline is the handler's
	if answers {
		want, status = uses{"many": 2}, http.StatusOK
	}
	b.get(t, "GET", "/").wants(t, status)
	b.bills(t, want)
}

func timeoutBehind(t testing.TB, a Adapter, p protocol) {
	wrote := make(chan error, 1)
	late := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		for {
			if _, err := io.WriteString(w, "late"); err != nil {
				wrote <- err
				return
			}
		}
	})
	b := a.guarded(t, p, route("GET", "/", manyTwo(), http.TimeoutHandler(late, time.Millisecond, "sorry").ServeHTTP))
	b.get(t, "GET", "/").wants(t, http.StatusServiceUnavailable)
	if <-wrote == nil {
		t.Error("a handler behind its timeout goes on writing")
	}
	b.bills(t, nil)
}

func nothing(http.ResponseWriter, *http.Request) {}

func noContent(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

// writeOn writes for as long as somebody takes it.
func writeOn(w http.ResponseWriter, _ *http.Request) {
	for {
		if _, err := io.WriteString(w, "late"); err != nil {
			return
		}
	}
}

// timeoutInFront: whatever the handler writes before and after, the client has had the 503.
func timeoutInFront(t testing.TB, a Adapter, p protocol, before, after http.HandlerFunc) {
	answered, ended := make(chan struct{}), make(chan struct{})
	b := start(t, p, func(g *gate.Gate) http.Handler {
		router := a.Guarded(g, a.routes(route("GET", "/", manyTwo(), func(w http.ResponseWriter, r *http.Request) {
			before(w, r)
			<-answered
			after(w, r)
		})))
		inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { defer close(ended); router.ServeHTTP(w, r) })
		return http.TimeoutHandler(inner, 50*time.Millisecond, "sorry")
	})
	_ = b.gate.Check(t.Context(), gate.Customer{ID: "payer"}, manyTwo())
	b.get(t, "GET", "/").wants(t, http.StatusServiceUnavailable)
	close(answered)
	await(t, "the end of the handler that was left behind", ended)
	b.bills(t, nil)
}

// panicKeptBack: what is written to http.TimeoutHandler is lost when the handler panics, however much it is.
func panicKeptBack(t testing.TB, a Adapter, p protocol) {
	b := start(t, p, func(g *gate.Gate) http.Handler {
		router := a.Guarded(g, a.routes(route("GET", "/", manyTwo(), func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("much ", 10_000))
			panic(http.ErrAbortHandler)
		})))
		return http.TimeoutHandler(router, time.Minute, "sorry")
	})
	b.get(t, "GET", "/").wants(t, 0)
	b.bills(t, nil)
}

// endedByApp: a context that ends for a reason of the app's tells nothing of the client.
func endedByApp(t testing.TB, a Adapter, p protocol, answers bool) {
	guarded := route("GET", "/", manyTwo().OnClientGone(gate.BillNothing), func(w http.ResponseWriter, r *http.Request) {
		if answers {
			_, _ = io.WriteString(w, "ok")
		}
		<-r.Context().Done()
	})
	guarded.Before = func(w http.ResponseWriter, r *http.Request, next func(*http.Request) *http.Request) {
		ctx, end := context.WithCancelCause(r.Context())
		time.AfterFunc(time.Millisecond, func() { end(errors.New("the app stops")) })
		next(r.WithContext(ctx))
		if !answers {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}
	want, status := uses(nil), http.StatusServiceUnavailable
	if answers {
		want, status = uses{"many": 2}, http.StatusOK
	}
	b := a.guarded(t, p, guarded)
	_ = b.gate.Check(t.Context(), gate.Customer{ID: "payer"}, manyTwo())
	b.get(t, "GET", "/").wants(t, status)
	b.bills(t, want)
	if o := b.seen.settled; len(o) != 1 || o[0].ClientGone || o[0].Status != status {
		t.Errorf("settled %+v, want once, with %d and a client that is there", o, status)
	}
}

// halfClosed: net/http ends the context of a request whose client has said that it will
// send no more (golang/go#18527), but that client reads on.
func halfClosed(t testing.TB, a Adapter) {
	b := a.guarded(t, http1, route("GET", "/", manyTwo().OnClientGone(gate.BillNothing), func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		_, _ = io.WriteString(w, "the goods")
	}))
	_ = b.gate.Check(t.Context(), gate.Customer{ID: "payer"}, manyTwo())
	conn := b.dial(t, "GET / HTTP/1.1\nHost: example.com\nX-Customer-ID: payer")
	_ = conn.(*net.TCPConn).CloseWrite()
	if got, _ := io.ReadAll(conn); !strings.HasSuffix(string(got), "the goods") {
		t.Errorf("got %q", got)
	}
	b.bills(t, uses{"many": 2})
}

// serverStops: whose requests are ended by the server is told to come again.
func serverStops(t testing.TB, a Adapter) {
	base, stop := context.WithCancel(context.Background())
	defer stop()
	b := a.guarded(t, http1, route("GET", "/", manyTwo(), answerStatus))
	server := httptest.NewUnstartedServer(b.server.Config.Handler)
	server.Config.BaseContext = func(net.Listener) context.Context { return base }
	server.Start()
	defer server.Close()
	answered := make(chan answer)
	go func() {
		r := b.new(t, "GET", "/", "slow", nil)
		r.URL.Host = strings.TrimPrefix(server.URL, "http://")
		answered <- b.send(r)
	}()
	eventually(t, "the question to Stigg", func() bool { return b.stigg.asked() == 1 })
	stop()
	got := <-answered
	got.wants(t, http.StatusServiceUnavailable)
	if got.header.Get("Retry-After") == "" || got.code != "entitlements_unavailable" {
		t.Errorf("got %v %s", got.header, got.body)
	}
	close(b.stigg.slow)
	b.bills(t, nil)
}
