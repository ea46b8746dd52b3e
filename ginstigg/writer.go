package ginstigg

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/stiggate/gate/recorder"
)

// writer is the gate's writer in gin's shape. A status is only set at first, as gin has it, and
// told to the gate with the first byte. What it is asked of gin's own, such as Size, the
// writer in front answers; the gate asks nothing of that one, for it may be a compression's
// or a timeout's that keeps the answer back.
type writer struct {
	gin.ResponseWriter                     // the one in front
	out                http.ResponseWriter // the gate's, which goes on to the one in front
	rec                *recorder.Recorder
	status             int
	committed          bool
}

// WriteHeader sets the status.
func (w *writer) WriteHeader(status int) {
	if status > 0 && !w.committed {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// WriteHeaderNow sends it.
func (w *writer) WriteHeaderNow() {
	w.commit()
	w.ResponseWriter.WriteHeaderNow()
}

func (w *writer) commit() {
	if !w.committed {
		w.committed = true
		w.out.WriteHeader(w.status)
	}
}

// unwritten is the status of an answer of which nothing was written: gin sends what was
// set, unless somebody in front sees to the error that a handler has put on record, or to
// its deadline. It is 0 if nothing was set, or may be sent.
func (w *writer) unwritten(ctx context.Context, err error) int {
	switch {
	case w.status >= http.StatusBadRequest:
		return w.status
	case err != nil:
		return http.StatusInternalServerError
	case w.status > http.StatusOK && !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return w.status
	}
	return 0
}

func (w *writer) Write(p []byte) (int, error) {
	w.commit()
	return w.out.Write(p)
}

// WriteString is io.StringWriter's.
func (w *writer) WriteString(s string) (int, error) {
	w.commit()
	return w.rec.WriteString(s)
}

// Flush is http.Flusher's.
func (w *writer) Flush() {
	w.commit()
	_ = w.rec.FlushError()
}

// Hijack is http.Hijacker's.
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if w.status == http.StatusSwitchingProtocols {
		w.commit()
	}
	return w.out.(http.Hijacker).Hijack()
}

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.out }
