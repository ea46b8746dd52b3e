package client

import (
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

const testKey = "server-%41%zz-8f1d7c52-KEY"

// received is one request as the server saw it.
type received struct {
	header http.Header
	path   string
	body   struct {
		Query         string                     `json:"query"`
		OperationName string                     `json:"operationName"`
		Variables     map[string]json.RawMessage `json:"variables"`
	}
	raw string
}

// recorder keeps the requests of a server.
type recorder struct {
	mu   sync.Mutex
	list []received
}

func (r *recorder) take(req *http.Request) received {
	raw, _ := io.ReadAll(req.Body)
	got := received{header: req.Header.Clone(), path: req.URL.Path, raw: string(raw)}
	_ = json.Unmarshal(raw, &got.body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, got)
	return got
}

func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.list)
}

func (r *recorder) last(t *testing.T) received {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) == 0 {
		t.Fatal("the server got no request")
	}
	return r.list[len(r.list)-1]
}

// serve starts a server and a client of it that tries once, unless opts say more.
func serve(t *testing.T, h http.HandlerFunc, opts ...Option) (*Client, *recorder) {
	t.Helper()
	rec := &recorder{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec.take(r)
		h(w, r)
	}))
	t.Cleanup(server.Close)
	return dial(t, server, opts...), rec
}

func dial(t *testing.T, server *httptest.Server, opts ...Option) *Client {
	t.Helper()
	opts = append([]Option{WithEndpoint(server.URL), WithHTTPClient(server.Client()), WithRetry(1, 0)}, opts...)
	c, err := New(testKey, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// says answers every request with one status and body.
func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// errorOf is err as an *Error.
func errorOf(t *testing.T, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got error %v (%T), want an *Error", err, err)
	}
	return e
}

// quiet drops what a server logs of its clients' failures.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
