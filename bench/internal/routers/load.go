package routers

import (
	"net/http"
	"net/http/httptest"

	"github.com/stiggate/gate"
)

// Load are the requests that workers send to a handler, without a socket.
type Load struct {
	requests [][]*http.Request // of each worker, since routers write into them
	writers  []*sink
}

// NewLoad has each of so many workers send requests of the customers, one after the other.
func NewLoad(workers int, method, path string, customers []gate.Customer) *Load {
	l := &Load{}
	for range workers {
		var rs []*http.Request
		for _, c := range customers {
			r := httptest.NewRequest(method, path, nil)
			r.Header.Set("X-Customer-Id", c.ID)
			rs = append(rs, r)
		}
		l.requests = append(l.requests, rs)
		l.writers = append(l.writers, &sink{header: http.Header{}})
	}
	return l
}

// Set sets a field of all requests.
func (l *Load) Set(name, value string) {
	for _, rs := range l.requests {
		for _, r := range rs {
			r.Header.Set(name, value)
		}
	}
}

// To sends n requests as a worker.
func (l *Load) To(h http.Handler) func(worker, n int) {
	return func(worker, n int) {
		w, rs := l.writers[worker], l.requests[worker]
		for i := range n {
			clear(w.header)
			h.ServeHTTP(w, rs[i%len(rs)])
		}
	}
}

// Status is what the handler answers to the first request.
func (l *Load) Status(h http.Handler) int {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, l.requests[0][0])
	return w.Code
}

// sink takes an answer and keeps nothing of it.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }
func (s *sink) WriteHeader(int)             {}
