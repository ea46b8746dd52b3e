package conformance

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stiggate/gate"
)

// streamRows are answers that take their time, and clients that don't.
func streamRows(a Adapter) []row {
	return append(
		append(over("streams", "server-sent events until the client leaves", func(t testing.TB, p protocol) { events(t, a, p) }),
			over("streams", "a client that leaves before anything is decided", func(t testing.TB, p protocol) { gone(t, a, p) })...),
		over("streams", "a client that leaves before the handler answers", func(t testing.TB, p protocol) { goneInside(t, a, p) })...,
	)
}

// events: what was sent was sent. The usage is settled once, after the handler has
// seen that nobody listens any more.
func events(t testing.TB, a Adapter, p protocol) {
	left := make(chan struct{})
	b := a.guarded(t, p, route("GET", "/", manyTwo(), func(w http.ResponseWriter, r *http.Request) {
		defer close(left)
		w.Header().Set("Content-Type", "text/event-stream")
		for range 2 {
			_, _ = io.WriteString(w, "data: hello\n\n")
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Errorf("flush: %v", err)
			}
		}
		<-r.Context().Done()
	}))
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	res, err := b.server.Client().Do(b.new(t, "GET", "/", "payer", nil).WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	lines := bufio.NewReader(res.Body)
	for _, want := range []string{"data: hello\n", "\n", "data: hello\n"} {
		if line, err := lines.ReadString('\n'); line != want {
			t.Fatalf("got %q, %v, want %q", line, err, want)
		}
	}
	if n := b.stigg.reported("many"); n != 0 {
		t.Errorf("%v reported while the stream lasts", n)
	}
	leave()
	await(t, "the handler's end", left)
	b.bills(t, uses{"many": 2})
	if n := len(b.seen.settled); n != 1 {
		t.Errorf("settled %d times", n)
	}
}

// gone: the handler does not run, and it is no outage.
func gone(t testing.TB, a Adapter, p protocol) {
	ran := false
	b := a.guarded(t, p, route("GET", "/", manyTwo(), func(http.ResponseWriter, *http.Request) { ran = true }))
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.send(b.new(t, "GET", "/", "slow", nil).WithContext(ctx))
	}()
	eventually(t, "the question to Stigg", func() bool { return b.stigg.asked() == 1 })
	leave()
	await(t, "the client's end", done)
	eventually(t, "the decision", func() bool {
		b.seen.mu.Lock()
		defer b.seen.mu.Unlock()
		return len(b.seen.decided) == 1
	})
	close(b.stigg.slow)
	b.bills(t, nil)
	if d := b.seen.decided[0]; d.Reason != gate.ReasonClientGone || ran {
		t.Errorf("got the reason %q, handler ran %v", d.Reason, ran)
	}
}

// goneInside: the handler's context ends, what it then answers counts, and the report
// is not lost with the request.
func goneInside(t testing.TB, a Adapter, p protocol) {
	entered, left := make(chan struct{}), make(chan struct{})
	b := a.guarded(t, p, route("GET", "/", manyTwo(), func(w http.ResponseWriter, r *http.Request) {
		defer close(left)
		close(entered)
		<-r.Context().Done()
		w.WriteHeader(http.StatusCreated)
	}))
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	go func() {
		<-entered
		leave()
	}()
	if got := b.send(b.new(t, "GET", "/", "payer", nil).WithContext(ctx)); !got.broken {
		t.Errorf("got %d", got.status)
	}
	await(t, "the handler's end", left)
	b.bills(t, uses{"many": 2})
}

// bodyRows: the gate does not touch the request's body.
func bodyRows(a Adapter) []row {
	large := strings.Repeat("a body ", 1<<15)
	tests := []struct {
		name, body string
		chunked    bool
	}{
		{"no body", "", false},
		{"a body of a known length", large, false},
		{"a body in chunks", large, true},
	}
	var rows []row
	for _, tt := range tests {
		rows = append(rows, over("body", tt.name, func(t testing.TB, p protocol) {
			var body io.Reader
			if body = strings.NewReader(tt.body); tt.chunked {
				body = io.MultiReader(body)
			}
			untouched(t, a, p, body, tt.body)
		})...)
	}
	return rows
}

func untouched(t testing.TB, a Adapter, p protocol, body io.Reader, content string) {
	var before, inside io.ReadCloser
	var lengths [2]int64
	guarded := route("POST", "/", manyTwo(), func(w http.ResponseWriter, r *http.Request) {
		inside, lengths[1] = r.Body, r.ContentLength
		content, _ := io.ReadAll(r.Body)
		_, _ = w.Write(content)
	})
	guarded.Before = func(_ http.ResponseWriter, r *http.Request, next func(*http.Request) *http.Request) {
		before, lengths[0] = r.Body, r.ContentLength
		next(r)
	}
	b := a.guarded(t, p, guarded)
	got := b.send(b.new(t, "POST", "/", "payer", body))
	got.wants(t, 200)
	if string(got.body) != content {
		t.Errorf("%d bytes came back, want %d", len(got.body), len(content))
	}
	if inside != before || lengths[0] != lengths[1] || content == "" && p == http1 && inside != http.NoBody {
		t.Errorf("the body is a %T of %d bytes, without a gate %T of %d", inside, lengths[1], before, lengths[0])
	}
	b.bills(t, uses{"many": 2})
}
