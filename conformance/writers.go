package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stiggate/gate"
)

// abilities tells what a writer can do beyond http.ResponseWriter, layer by layer, for
// as long as it unwraps. A layer that can do what the one below it can is not told.
func abilities(w http.ResponseWriter) string {
	var layers []string
	for w != nil {
		layer := fmt.Sprintf("{flush %v, hijack %v, read from %v, push %v}", is[http.Flusher](w), is[http.Hijacker](w), is[io.ReaderFrom](w), is[http.Pusher](w))
		if len(layers) == 0 || layers[len(layers)-1] != layer {
			layers = append(layers, layer)
		}
		inner, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		w = inner.Unwrap()
	}
	return strings.Join(layers, " over ")
}

func is[T any](v any) bool {
	_, ok := v.(T)
	return ok
}

// writerRows hold the writer that handlers get behind a gate.
func writerRows(a Adapter) []row {
	rows := append(
		over("writer", "the writer hides no ability and invents none", func(t testing.TB, p protocol) { sameAbilities(t, a, p) }),
		over("writer", "deadlines by ResponseController", func(t testing.TB, p protocol) { deadlines(t, a, p) })...,
	)
	tests := []struct {
		name    string
		handler http.HandlerFunc
		status  int
		uses    uses
	}{
		{"a flush by assertion commits the success", func(w http.ResponseWriter, _ *http.Request) {
			if f, ok := w.(http.Flusher); ok {
				f.Flush()
			}
			w.WriteHeader(http.StatusInternalServerError) // too late: 200 is on the wire
		}, 200, uses{"many": 2}},
		{"a flush by ResponseController commits the success", func(w http.ResponseWriter, _ *http.Request) {
			if http.NewResponseController(w).Flush() == nil {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}, 200, uses{"many": 2}},
		{"a body commits the success", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("ok"))
			w.WriteHeader(http.StatusInternalServerError)
		}, 200, uses{"many": 2}},
		{"a body by io.Copy commits the success", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.Copy(w, strings.NewReader("ok"))
			w.WriteHeader(http.StatusInternalServerError)
		}, 200, uses{"many": 2}},
		{"a failure that is flushed", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			_ = http.NewResponseController(w).Flush()
			w.WriteHeader(http.StatusOK)
		}, 502, nil},
		{"trailers", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Sum")
			_, _ = io.WriteString(w, "a body")
			_ = http.NewResponseController(w).Flush()
			w.Header().Set("X-Sum", "7")
		}, 200, uses{"many": 2}},
	}
	for _, tt := range tests {
		rows = append(rows, over("writer", tt.name, func(t testing.TB, p protocol) {
			b := a.guarded(t, p, route("POST", "/", manyTwo(), tt.handler))
			got := b.get(t, "POST", "/")
			got.wants(t, tt.status)
			if tt.name == "trailers" && got.trailer.Get("X-Sum") != "7" {
				t.Errorf("got the trailers %v", got.trailer)
			}
			b.bills(t, tt.uses)
		})...)
	}
	return rows
}

// sameAbilities compares the writer behind gates of all kinds with the one behind a
// gate that does nothing.
func sameAbilities(t testing.TB, a Adapter, p protocol) {
	seen := make(map[string]string)
	see := func(w http.ResponseWriter, r *http.Request) { seen[r.URL.Path] = abilities(w) }
	b := a.guarded(t, p,
		route("GET", "/nothing", gate.Public(), see),
		route("GET", "/asks", gate.Feature("on"), see),
		route("GET", "/uses", manyTwo(), see))
	ask := map[string]func(string){
		"the server":                func(target string) { b.get(t, "GET", target).wants(t, 200) },
		"httptest.ResponseRecorder": func(target string) { b.record(target, httptest.NewRecorder()) },
		"a bare writer":             func(target string) { b.record(target, bare{httptest.NewRecorder()}) },
	}
	for name, get := range ask {
		for _, target := range []string{"/nothing", "/asks", "/uses"} {
			get(target)
			if seen[target] == "" && target == "/nothing" && name == "the server" || seen[target] != seen["/nothing"] {
				t.Errorf("%s behind %s can: %q, without a gate: %q", target, name, seen[target], seen["/nothing"])
			}
		}
	}
	b.bills(t, uses{"many": 6})
}

// deadlines sets those of the connection, and waits for one of a body that never comes.
func deadlines(t testing.TB, a Adapter, p protocol) {
	unsent, end := io.Pipe()
	defer func() { _ = end.Close() }()
	b := a.guarded(t, p, route("POST", "/", manyTwo(), func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		if err := errors.Join(c.SetReadDeadline(time.Now().Add(-time.Second)), c.SetWriteDeadline(time.Now().Add(patience)), c.EnableFullDuplex()); err != nil {
			_ = end.Close() // the server would wait for the rest
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		if _, err := r.Body.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			http.Error(w, "the deadline is not felt", http.StatusInternalServerError)
		}
	}))
	b.send(b.new(t, "POST", "/", "payer", unsent)).wants(t, 200)
	_ = end.Close()
	b.bills(t, uses{"many": 2})
}

// bare is a writer without any further ability.
type bare struct{ http.ResponseWriter }

// record serves one request without a server.
func (b *bench) record(target string, w http.ResponseWriter) {
	r := httptest.NewRequest("GET", target, nil)
	r.Header.Set("X-Customer-ID", "payer")
	b.server.Config.Handler.ServeHTTP(w, r)
}

// fileRows are http.ServeContent's ways to answer, which lean on io.ReaderFrom.
func fileRows(a Adapter) []row {
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<12)
	tests := []struct {
		name, field, value string
		status             int
		body               []byte
		uses               uses
	}{
		{"a file", "", "", 200, content, uses{"many": 2}},
		{"a range of a file", "Range", "bytes=10-19", 206, content[10:20], uses{"many": 2}},
		{"a file that has not changed", "If-None-Match", `"v1"`, 304, nil, uses{"many": 2}},
		{"a range that the file has not", "Range", "bytes=100000-", 416, nil, nil},
	}
	var rows []row
	for _, tt := range tests {
		rows = append(rows, over("files", tt.name, func(t testing.TB, p protocol) {
			name := filepath.Join(t.TempDir(), "file.bin")
			if err := os.WriteFile(name, content, 0o600); err != nil {
				t.Fatal(err)
			}
			b := a.guarded(t, p, route("GET", "/", manyTwo(), func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Etag", `"v1"`)
				http.ServeFile(w, r, name)
			}))
			r := b.new(t, "GET", "/", "payer", nil)
			if tt.field != "" {
				r.Header.Set(tt.field, tt.value)
			}
			got := b.send(r)
			got.wants(t, tt.status)
			if tt.status < 400 && !bytes.Equal(got.body, tt.body) {
				t.Errorf("got %d bytes, want the %d of the file", len(got.body), len(tt.body))
			}
			b.bills(t, tt.uses)
		})...)
	}
	return rows
}
