package recorder

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

type writerOnly struct{ http.ResponseWriter }

type (
	flusher  struct{}
	hijacker struct{}
	reader   struct{ w io.Writer }
	pusher   struct{ pushed *string }
)

func (flusher) Flush() {}
func (hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, nil
}
func (r reader) ReadFrom(src io.Reader) (int64, error) { return io.Copy(r.w, src) }
func (p pusher) Push(target string, _ *http.PushOptions) error {
	*p.pushed = target
	return nil
}

// TestAbilitiesAreKeptExactly tries all sets of abilities that a writer may have.
func TestAbilitiesAreKeptExactly(t *testing.T) {
	for set := range 16 {
		f, h, r, p := set&1 != 0, set&2 != 0, set&4 != 0, set&8 != 0
		t.Run(fmt.Sprintf("flush %v, hijack %v, read %v, push %v", f, h, r, p), func(t *testing.T) {
			inner := httptest.NewRecorder()
			var pushed string
			w, seen := New(writerWith(inner, &pushed, f, h, r, p))
			flush, hasF := w.(http.Flusher)
			hijack, hasH := w.(http.Hijacker)
			read, hasR := w.(io.ReaderFrom)
			push, hasP := w.(http.Pusher)
			if hasF != f || hasH != h || hasR != r || hasP != p {
				t.Fatalf("has flush %v, hijack %v, read %v, push %v", hasF, hasH, hasR, hasP)
			}
			if r {
				if n, err := read.ReadFrom(strings.NewReader("abc")); n != 3 || err != nil || seen.Bytes() != 3 {
					t.Errorf("ReadFrom: %d, %v, %d counted", n, err, seen.Bytes())
				}
			}
			if f {
				flush.Flush()
			}
			if p {
				if err := push.Push("/style.css", nil); err != nil || pushed != "/style.css" {
					t.Errorf("Push: %v, %q", err, pushed)
				}
			}
			if h {
				if _, _, err := hijack.Hijack(); err != nil || !seen.Hijacked() {
					t.Errorf("Hijack: %v, seen %v", err, seen.Hijacked())
				}
			}
		})
	}
}

// writerWith is a writer with exactly these abilities.
func writerWith(inner http.ResponseWriter, pushed *string, f, h, r, p bool) http.ResponseWriter {
	w, fl, hi, re, pu := writerOnly{inner}, flusher{}, hijacker{}, reader{inner}, pusher{pushed}
	switch [4]bool{f, h, r, p} {
	case [4]bool{true, true, true, true}:
		return struct {
			writerOnly
			flusher
			hijacker
			reader
			pusher
		}{w, fl, hi, re, pu}
	case [4]bool{true, true, true, false}:
		return struct {
			writerOnly
			flusher
			hijacker
			reader
		}{w, fl, hi, re}
	case [4]bool{true, true, false, true}:
		return struct {
			writerOnly
			flusher
			hijacker
			pusher
		}{w, fl, hi, pu}
	case [4]bool{true, false, true, true}:
		return struct {
			writerOnly
			flusher
			reader
			pusher
		}{w, fl, re, pu}
	case [4]bool{false, true, true, true}:
		return struct {
			writerOnly
			hijacker
			reader
			pusher
		}{w, hi, re, pu}
	case [4]bool{true, true, false, false}:
		return struct {
			writerOnly
			flusher
			hijacker
		}{w, fl, hi}
	case [4]bool{true, false, true, false}:
		return struct {
			writerOnly
			flusher
			reader
		}{w, fl, re}
	case [4]bool{true, false, false, true}:
		return struct {
			writerOnly
			flusher
			pusher
		}{w, fl, pu}
	case [4]bool{false, true, true, false}:
		return struct {
			writerOnly
			hijacker
			reader
		}{w, hi, re}
	case [4]bool{false, true, false, true}:
		return struct {
			writerOnly
			hijacker
			pusher
		}{w, hi, pu}
	case [4]bool{false, false, true, true}:
		return struct {
			writerOnly
			reader
			pusher
		}{w, re, pu}
	case [4]bool{true, false, false, false}:
		return struct {
			writerOnly
			flusher
		}{w, fl}
	case [4]bool{false, true, false, false}:
		return struct {
			writerOnly
			hijacker
		}{w, hi}
	case [4]bool{false, false, true, false}:
		return struct {
			writerOnly
			reader
		}{w, re}
	case [4]bool{false, false, false, true}:
		return struct {
			writerOnly
			pusher
		}{w, pu}
	default:
		return w
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
		{"early hints do not count", func(w http.ResponseWriter) { w.WriteHeader(103); w.WriteHeader(404) }, 404},
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
