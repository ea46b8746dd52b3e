package gate

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
)

// Recorder watches what a handler answers, for adapters of net/http's shape. Use it
// only in front of handlers whose policy reports, and not after the handler.
type Recorder struct {
	inner    http.ResponseWriter
	status   int
	bytes    int64
	hijacked bool
}

// Record returns a writer to hand on in place of w, and what watches it. The writer
// has exactly those of http.Flusher, http.Hijacker, io.ReaderFrom and http.Pusher
// that w has; it hides none and invents none (go-chi/chi#562, gin-gonic/gin#4460),
// and unwraps for http.ResponseController (go-chi/chi#818).
func Record(w http.ResponseWriter) (http.ResponseWriter, *Recorder) {
	_, flush := w.(http.Flusher)
	_, hijack := w.(http.Hijacker)
	_, read := w.(io.ReaderFrom)
	_, push := w.(http.Pusher)
	return shaped(w, flush, hijack, read, push)
}

// Outcome is what became of the request, once the handler has returned.
func (r *Recorder) Outcome() Outcome {
	o := Outcome{Status: r.status, Bytes: r.bytes, Hijacked: r.hijacked}
	if o.Status == 0 {
		o.Status = http.StatusOK // net/http's own, and that of a hijacked connection
	}
	return o
}

// Header is http.ResponseWriter's.
func (r *Recorder) Header() http.Header { return r.inner.Header() }

// WriteHeader is http.ResponseWriter's. The first status of 200 or above, or 101,
// counts: what comes before is informational (felixge/httpsnoop#23). A second one is
// passed on, so that net/http logs it.
func (r *Recorder) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		r.final(status)
	}
	r.inner.WriteHeader(status)
}

func (r *Recorder) final(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *Recorder) Write(p []byte) (int, error) {
	r.final(http.StatusOK)
	n, err := r.inner.Write(p)
	r.bytes += int64(n)
	return n, err
}

// WriteString is io.StringWriter's.
func (r *Recorder) WriteString(s string) (int, error) {
	r.final(http.StatusOK)
	n, err := io.WriteString(r.inner, s)
	r.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (r *Recorder) Unwrap() http.ResponseWriter { return r.inner }

// FlushError is for http.ResponseController, which would otherwise unwrap past the
// recorder and commit a 200 that it never saw (caddyserver/caddy#6144).
func (r *Recorder) FlushError() error {
	err := http.NewResponseController(r.inner).Flush()
	if !errors.Is(err, http.ErrNotSupported) {
		r.final(http.StatusOK)
	}
	return err
}

func (r *Recorder) hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(r.inner).Hijack()
	r.hijacked = r.hijacked || err == nil
	return c, rw, err
}

func (r *Recorder) readFrom(src io.Reader) (int64, error) {
	n, err := r.inner.(io.ReaderFrom).ReadFrom(src)
	if n > 0 { // a source that fails at once commits nothing
		r.final(http.StatusOK)
	}
	r.bytes += n
	return n, err
}

func (r *Recorder) push(target string, o *http.PushOptions) error {
	return r.inner.(http.Pusher).Push(target, o)
}
