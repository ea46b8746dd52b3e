// Package recorder watches what a handler answers: its status, how many bytes of a body,
// whether it took the connection over, and whether any of it can have reached the client.
// It imports the standard library only.
//
//	w, rec := recorder.New(w)
//	next.ServeHTTP(w, r)
//	log.Print(rec.Status(), rec.Bytes())
//
// What a handler may ask of its writer stays as it was. A writer says by its methods what
// it can do, so the one that New returns has exactly those of http.Flusher, http.Hijacker,
// io.ReaderFrom, http.Pusher and http.CloseNotifier that it was given: it hides none
// (go-chi/chi#562) and invents none (gin-gonic/gin#4460). What can also say that it is not
// supported, by an error, it always has: FlushError, SetReadDeadline, SetWriteDeadline and
// EnableFullDuplex, for http.ResponseController. A writer of a type of its own is reached
// by Unwrap, and what http.ResponseController does beneath the recorder is seen, too.
package recorder

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// buffered is the largest part of an answer that net/http keeps back: 2 kB of a body and
// 4 kB of a connection with HTTP/1, 4 kB with HTTP/2.
const buffered = 2<<10 + 4<<10

// Recorder is what was seen of an answer. It is for one request, and like a
// http.ResponseWriter not for several goroutines at once.
type Recorder struct {
	inner    http.ResponseWriter
	before   func(http.Header)
	ctx      context.Context
	failed   error
	bytes    int64
	status   int
	hijacked bool
	flushed  bool
	late     bool
	cut      bool
}

// BeforeHeader has f called once, just before the header of the answer is written, to
// set fields in it. Finish calls it if nothing was written. It is not called when the
// connection is taken over, nor for informational answers (1xx).
func (r *Recorder) BeforeHeader(f func(http.Header)) { r.before = f }

// Follow says which context Late speaks of.
func (r *Recorder) Follow(ctx context.Context) { r.ctx = ctx }

// Status is the status that counts: the first of 200 or above, or 101; 200 if a body or
// a flush came first; 101 if the connection was taken over before. It is 0 if there was
// none of that: net/http answers 200 when such a handler returns.
func (r *Recorder) Status() int {
	if r.status == 0 && r.hijacked {
		return http.StatusSwitchingProtocols
	}
	return r.status
}

// Bytes is how much of a body the writer took. That of a taken-over connection is not
// seen.
func (r *Recorder) Bytes() int64 { return r.bytes }

// Hijacked says that the connection was taken over, by whatever way.
func (r *Recorder) Hijacked() bool { return r.hijacked }

// Failed is the first error of a write or a flush, nil if there was none. One of
// io.ReaderFrom is not told: it may be the source's.
func (r *Recorder) Failed() error { return r.failed }

// Sent says that something of the answer has left for the client: a flush, a connection
// that was taken over, or more of a body than net/http keeps back. What is kept back
// gets lost if the handler panics: all of it, if http.TimeoutHandler is in front.
func (r *Recorder) Sent() bool {
	return r.hijacked || r.flushed || r.bytes > buffered && !keepsAll(r.inner)
}

// keepsAll reports whether a writer is http.TimeoutHandler's, or leads to one. No other writer of
// net/http's pushes and can't flush.
func keepsAll(w http.ResponseWriter) bool {
	for {
		_, pushes := w.(http.Pusher)
		if _, flushes := w.(http.Flusher); pushes && !flushes {
			return true
		}
		inner, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return false
		}
		w = inner.Unwrap()
	}
}

// Late says that the answer went on after the context of Follow had ended, and that
// nothing has failed.
func (r *Recorder) Late() bool { return r.late && r.failed == nil && !r.cut }

// Finish is called when the handler has returned. If the deadline of Follow's context has passed by
// then, http.TimeoutHandler may have answered in its place, which keeps back whatever was written
// before; Failed then is its http.ErrHandlerTimeout, as if the handler had gone on to write.
func (r *Recorder) Finish() {
	switch {
	case r.hijacked:
	case r.status == 0:
		r.setHeader()
	case r.ctx != nil && errors.Is(r.ctx.Err(), context.DeadlineExceeded):
		_, err := r.inner.Write(nil)
		r.wrote(0, err)
	}
}

func (r *Recorder) setHeader() {
	if before := r.before; before != nil {
		r.before = nil
		before(r.inner.Header())
	}
}

// commit takes note of a final status.
func (r *Recorder) commit(status int) {
	if r.status == 0 && !r.hijacked {
		r.status = status
		r.setHeader()
	}
}

// begin takes note of the time of a write, before it: once it is done the client may have
// had all that it wanted, and have left. A flush is no write: httputil.ReverseProxy flushes
// once more when it is over.
func (r *Recorder) begin() {
	if r.ctx != nil && !r.late {
		r.late = r.ctx.Err() != nil
	}
}

// wrote takes note of what a write has come to.
func (r *Recorder) wrote(n int64, err error) {
	r.bytes += n
	if err != nil && r.failed == nil {
		r.failed = err
	}
}

// Header is http.ResponseWriter's.
func (r *Recorder) Header() http.Header { return r.inner.Header() }

// WriteHeader is http.ResponseWriter's. What comes before the final status is
// informational (felixge/httpsnoop#23). A second final one is passed on, so that net/http
// logs it.
func (r *Recorder) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		r.begin()
		r.commit(status)
	}
	r.inner.WriteHeader(status)
}

// Write is http.ResponseWriter's.
func (r *Recorder) Write(p []byte) (int, error) {
	r.begin()
	r.commit(http.StatusOK)
	n, err := r.inner.Write(p)
	r.wrote(int64(n), err)
	return n, err
}

// WriteString is io.StringWriter's.
func (r *Recorder) WriteString(s string) (int, error) {
	r.begin()
	r.commit(http.StatusOK)
	n, err := io.WriteString(r.inner, s)
	r.wrote(int64(n), err)
	return n, err
}

// Unwrap returns the writer that New was given, for http.ResponseController and for
// whoever looks for a writer of their own. Only if a writer further down can be taken
// over, and the given one can't, there is one in between that sees it.
func (r *Recorder) Unwrap() http.ResponseWriter {
	if _, here := r.inner.(http.Hijacker); here || !hijackable(r.inner) {
		return r.inner
	}
	return beneath{r}
}

// hijackable reports whether http.ResponseController finds a Hijacker in w.
func hijackable(w http.ResponseWriter) bool {
	for {
		switch inner := w.(type) {
		case http.Hijacker:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = inner.Unwrap()
		default:
			return false
		}
	}
}

// FlushError is for http.ResponseController, which would otherwise unwrap past the
// recorder and commit a 200 that it never saw (caddyserver/caddy#6144).
func (r *Recorder) FlushError() error {
	r.setHeader()
	err := http.NewResponseController(r.inner).Flush()
	switch {
	case err == nil:
		r.commit(http.StatusOK)
		r.flushed = true
	case !errors.Is(err, http.ErrNotSupported):
		r.commit(http.StatusOK)
		r.wrote(0, err)
	}
	return err
}

// SetReadDeadline is http.ResponseController's.
func (r *Recorder) SetReadDeadline(t time.Time) error {
	return http.NewResponseController(r.inner).SetReadDeadline(t)
}

// SetWriteDeadline is http.ResponseController's.
func (r *Recorder) SetWriteDeadline(t time.Time) error {
	return http.NewResponseController(r.inner).SetWriteDeadline(t)
}

// EnableFullDuplex is http.ResponseController's.
func (r *Recorder) EnableFullDuplex() error {
	return http.NewResponseController(r.inner).EnableFullDuplex()
}

func (r *Recorder) hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(r.inner).Hijack()
	r.hijacked = r.hijacked || err == nil
	return c, rw, err
}

func (r *Recorder) readFrom(src io.Reader) (int64, error) {
	r.begin()
	r.setHeader()
	n, err := r.inner.(io.ReaderFrom).ReadFrom(src)
	if n > 0 { // a source that fails at once commits nothing
		r.commit(http.StatusOK)
	}
	r.bytes += n
	r.cut = r.cut || err != nil
	return n, err
}

func (r *Recorder) push(target string, o *http.PushOptions) error {
	return r.inner.(http.Pusher).Push(target, o)
}

func (r *Recorder) closeNotify() <-chan bool {
	return r.inner.(http.CloseNotifier).CloseNotify() //nolint:staticcheck // who asks for it must get it
}

// beneath stands between a recorder and a writer that unwraps to one that can be taken
// over, where http.ResponseController would pass the recorder by.
type beneath struct{ *Recorder }

// Unwrap returns the writer that New was given.
func (b beneath) Unwrap() http.ResponseWriter { return b.inner }

// Hijack is http.Hijacker's.
func (b beneath) Hijack() (net.Conn, *bufio.ReadWriter, error) { return b.hijack() }
