package recorder

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
	"time"
)

type writerOnly struct{ http.ResponseWriter }

// able has all abilities, and notes which were used.
type able struct {
	http.ResponseWriter
	used string
}

func (a *able) Flush() { a.used += "flush " }
func (a *able) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	a.used += "hijack "
	return nil, nil, nil
}

func (a *able) ReadFrom(src io.Reader) (int64, error) {
	a.used += "read "
	return io.Copy(a.ResponseWriter, src)
}

func (a *able) Push(string, *http.PushOptions) error {
	a.used += "push "
	return nil
}

func (a *able) CloseNotify() <-chan bool {
	a.used += "notify "
	return nil
}

// TestAbilitiesAreKeptExactly tries all sets of abilities that a writer may have: the
// recorder's writer has these, no more and no less, and each does what the inner one does.
func TestAbilitiesAreKeptExactly(t *testing.T) {
	for set, build := range shapes {
		w := build()
		if got := abilities(w); got != set {
			t.Errorf("the writer for the set %05b has %05b", set, got)
			continue
		}
		inner := &able{ResponseWriter: httptest.NewRecorder()}
		rec, want := w.recorder(), ""
		rec.inner = inner
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
			want += "flush "
		}
		if r, ok := w.(io.ReaderFrom); ok {
			if n, err := r.ReadFrom(strings.NewReader("abc")); n != 3 || err != nil || rec.Bytes() != 3 {
				t.Errorf("set %05b: ReadFrom: %d, %v, %d counted", set, n, err, rec.Bytes())
			}
			want += "read "
		}
		if p, ok := w.(http.Pusher); ok {
			_ = p.Push("/style.css", nil)
			want += "push "
		}
		if c, ok := w.(http.CloseNotifier); ok { //nolint:staticcheck // who asks for it must get it
			c.CloseNotify()
			want += "notify "
		}
		if h, ok := w.(http.Hijacker); ok {
			if _, _, err := h.Hijack(); err != nil || !rec.Hijacked() {
				t.Errorf("set %05b: Hijack: %v, seen %v", set, err, rec.Hijacked())
			}
			want += "hijack "
		}
		if inner.used != want {
			t.Errorf("set %05b: used %q, want %q", set, inner.used, want)
		}
	}
	for _, w := range []http.ResponseWriter{httptest.NewRecorder(), writerOnly{httptest.NewRecorder()}, &able{ResponseWriter: httptest.NewRecorder()}} {
		if got, rec := New(w); abilities(got) != abilities(w) || Of(got) != rec {
			t.Errorf("%T has %05b, its recorder's writer %05b", w, abilities(w), abilities(got))
		}
	}
	if Of(httptest.NewRecorder()) != nil {
		t.Error("a writer that is none of New's has a recorder")
	}
}

// unwraps can do nothing itself, and says whom to ask.
type unwraps struct{ http.ResponseWriter }

func (u unwraps) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// TestAHijackIsSeenByWhateverWay, also past a writer that only unwraps.
func TestAHijackIsSeenByWhateverWay(t *testing.T) {
	all := &able{ResponseWriter: httptest.NewRecorder()}
	for name, w := range map[string]http.ResponseWriter{"itself": all, "one that unwraps": unwraps{all}, "two that unwrap": unwraps{unwraps{all}}} {
		out, rec := New(w)
		if _, _, err := http.NewResponseController(out).Hijack(); err != nil || !rec.Hijacked() || rec.Status() != 101 || !rec.Sent() {
			t.Errorf("%s: %v, seen %v with %d", name, err, rec.Hijacked(), rec.Status())
		}
		inner := out.(interface{ Unwrap() http.ResponseWriter }).Unwrap()
		if b, between := inner.(beneath); between {
			inner = b.Unwrap()
		}
		if inner != w {
			t.Errorf("%s: unwraps to %T", name, inner)
		}
	}
	out, rec := New(unwraps{httptest.NewRecorder()})
	if _, _, err := http.NewResponseController(out).Hijack(); !errors.Is(err, http.ErrNotSupported) || rec.Hijacked() {
		t.Errorf("a connection that can't be taken over: %v", err)
	}
}

// TestWhatCanHaveReachedTheClient counts when a handler panics.
func TestWhatCanHaveReachedTheClient(t *testing.T) {
	for name, tt := range map[string]struct {
		write func(http.ResponseWriter)
		sent  bool
	}{
		"nothing":            {func(http.ResponseWriter) {}, false},
		"a status":           {func(w http.ResponseWriter) { w.WriteHeader(200) }, false},
		"a little of a body": {func(w http.ResponseWriter) { _, _ = w.Write(make([]byte, 1000)) }, false},
		"more than is kept":  {func(w http.ResponseWriter) { _, _ = w.Write(make([]byte, buffered+1)) }, true},
		"a flush":            {func(w http.ResponseWriter) { w.(http.Flusher).Flush() }, true},
	} {
		w, rec := New(httptest.NewRecorder())
		if tt.write(w); rec.Sent() != tt.sent {
			t.Errorf("%s: sent %v", name, rec.Sent())
		}
	}
}

// TestFieldsAreSetWithTheHeader, once, whatever is written first.
func TestFieldsAreSetWithTheHeader(t *testing.T) {
	for name, write := range map[string]func(http.ResponseWriter, *Recorder){
		"a status": func(w http.ResponseWriter, _ *Recorder) { w.WriteHeader(404) },
		"a body":   func(w http.ResponseWriter, _ *Recorder) { _, _ = w.Write([]byte("ok")); _, _ = io.WriteString(w, "ok") },
		"a flush":  func(w http.ResponseWriter, _ *Recorder) { w.(http.Flusher).Flush(); w.WriteHeader(200) },
		"nothing":  func(_ http.ResponseWriter, rec *Recorder) { rec.Finish() },
	} {
		inner := httptest.NewRecorder()
		w, rec := New(inner)
		calls := 0
		rec.BeforeHeader(func(h http.Header) { calls++; h.Set("X-Left", "7") })
		write(w, rec)
		if rec.Finish(); calls != 1 || inner.Result().Header.Get("X-Left") != "7" {
			t.Errorf("%s: called %d times, header %v", name, calls, inner.Result().Header)
		}
	}
}

type failing struct{ http.ResponseWriter }

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestWhatIsWrittenLate tells a client that has closed only its own side from one that left.
func TestWhatIsWrittenLate(t *testing.T) {
	for name, tt := range map[string]struct {
		inner         http.ResponseWriter
		early, status bool
		late          bool
	}{
		"after the end":           {inner: httptest.NewRecorder(), late: true},
		"a status after the end":  {inner: httptest.NewRecorder(), status: true, late: true},
		"before the end":          {inner: httptest.NewRecorder(), early: true},
		"after the end, it fails": {inner: failing{httptest.NewRecorder()}},
	} {
		ctx, end := context.WithCancel(t.Context())
		w, rec := New(tt.inner)
		rec.Follow(ctx)
		if !tt.early {
			end()
		}
		if tt.status {
			w.WriteHeader(201)
		} else {
			_, _ = w.Write([]byte("ok"))
		}
		if end(); rec.Late() != tt.late {
			t.Errorf("%s: late %v", name, rec.Late())
		}
	}
}

func TestTheStatusThatCounts(t *testing.T) {
	tests := []struct {
		name  string
		write func(http.ResponseWriter)
		want  int
	}{
		{"nothing", func(http.ResponseWriter) {}, 0},
		{"a body", func(w http.ResponseWriter) { _, _ = w.Write(nil) }, 200},
		{"a string", func(w http.ResponseWriter) { _, _ = io.WriteString(w, "x") }, 200},
		{"a status", func(w http.ResponseWriter) { w.WriteHeader(404) }, 404},
		{"the first of two", func(w http.ResponseWriter) { w.WriteHeader(201); w.WriteHeader(500) }, 201},
		{"early hints do not count", func(w http.ResponseWriter) { w.WriteHeader(404) }, 404},
		{"100 does not count", func(w http.ResponseWriter) { w.WriteHeader(100); w.WriteHeader(201) }, 201},
		{"101 counts", func(w http.ResponseWriter) { w.WriteHeader(101) }, 101},
		{"a flush commits 200", func(w http.ResponseWriter) { w.(http.Flusher).Flush(); w.WriteHeader(500) }, 200},
		{"a controller's flush commits 200", func(w http.ResponseWriter) {
			if err := http.NewResponseController(w).Flush(); err != nil {
				panic(err)
			}
			w.WriteHeader(500)
		}, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, seen := New(httptest.NewRecorder())
			tt.write(w)
			if got := seen.Status(); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestAControllerMeetsTheInnerWriter(t *testing.T) {
	inner := writerOnly{httptest.NewRecorder()} // no abilities
	w, seen := New(inner)
	if got := w.(interface{ Unwrap() http.ResponseWriter }).Unwrap(); got != http.ResponseWriter(inner) {
		t.Errorf("unwraps to %T", got)
	}
	if err := http.NewResponseController(w).Flush(); !errors.Is(err, http.ErrNotSupported) {
		t.Errorf("a flush that can't be: %v", err)
	}
	if seen.status != 0 {
		t.Error("a flush that can't be commits a status")
	}
}

func TestDeadlinesThroughARealServer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		out, _ := New(w)
		c := http.NewResponseController(out)
		if err := errors.Join(c.SetReadDeadline(time.Time{}), c.SetWriteDeadline(time.Time{}), c.EnableFullDuplex()); err != nil {
			t.Errorf("through the recorder: %v", err)
		}
		_, _ = io.WriteString(out, "ok")
	}))
	defer server.Close()
	res, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); string(body) != "ok" {
		t.Errorf("got %q", body)
	}
}
