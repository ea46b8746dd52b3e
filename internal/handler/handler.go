// Package handler runs a handler and tells what was answered, whatever way it ends. There is no
// recover: a panic, http.ErrAbortHandler and runtime.Goexit keep their stack.
package handler

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/stiggate/gate/recorder"
)

// Outcome is what became of a request. Package gate documents it.
type Outcome struct {
	Status     int
	Bytes      int64
	Hijacked   bool
	Panicked   bool
	Err        error
	ClientGone bool
	Duration   time.Duration
}

// Run is one call of a handler.
type Run struct {
	*recorder.Recorder
	request, handed *http.Request
	returned        bool
	atWork          bool // behind a timeout that has answered in its place
}

// New prepares a call; the handler's writer is w, and its request will be handed.
func New(to http.ResponseWriter, r, handed *http.Request) (w http.ResponseWriter, run Run) {
	w, rec := recorder.New(to)
	return w, Run{Recorder: rec, request: r, handed: handed}
}

// Call calls next with the request, in the context ctx. Run is filled before and after, so that a
// deferred call sees how it went.
func (run *Run) Call(ctx context.Context, w http.ResponseWriter, next func(http.ResponseWriter, *http.Request) bool) {
	run.Follow(run.request.Context())
	*run.handed = *run.request.WithContext(ctx) // whose own copy needs no allocation
	run.atWork = !next(w, run.handed)
	run.returned = true
	if !run.atWork {
		run.Finish()
	}
}

// Seen is what the writer has seen. It hands back, first, what the handler has put into its request.
// A client that left has had what was written; if it is still there when a handler has not
// returned, it has had what was sent.
func (run *Run) Seen() Outcome {
	if run.atWork {
		// net/http removes its own request's files now, whoever may still be at work; else nobody does.
		handBackFiles(run.request, run.handed)
	} else {
		handBack(run.request, run.handed)
	}
	if run.returned {
		return Outcome{Status: run.Status(), Bytes: run.Bytes(), Hijacked: run.Hijacked()}
	}
	o := Outcome{Panicked: true, ClientGone: run.gone()}
	if run.Sent() || o.ClientGone {
		o.Status, o.Bytes, o.Hijacked = run.Status(), run.Bytes(), run.Hijacked()
	}
	return o
}

// Outcome is what became of the request, by what was seen and what a router knows beside.
func (run *Run) Outcome(o Outcome) Outcome {
	if IsHead(run.request) {
		o.Bytes = 0
	}
	if !run.returned {
		return o
	}
	switch {
	case errors.Is(run.Failed(), http.ErrHandlerTimeout):
		o.Status = http.StatusServiceUnavailable // http.TimeoutHandler has answered
	case o.Status != 0:
	case errors.Is(run.request.Context().Err(), context.DeadlineExceeded):
		o.Status = http.StatusGatewayTimeout
	case ended(run.request.Context()):
		o.Status = http.StatusServiceUnavailable
	default:
		o.Status = http.StatusOK // net/http's own
	}
	o.ClientGone = run.gone()
	return o
}

// gone reports whether the client has left. With HTTP/1 net/http also ends the context of a
// client that has closed only its own side; if it was answered after that, it was there.
// With HTTP/2 a write may fail before the context ends.
func (run *Run) gone() bool {
	if r := run.request; errors.Is(r.Context().Err(), context.Canceled) && !ended(r.Context()) {
		return r.ProtoMajor >= 2 || !run.Late()
	}
	switch err := run.Failed(); {
	case err == nil, errors.Is(err, http.ErrHandlerTimeout), errors.Is(err, http.ErrBodyNotAllowed),
		errors.Is(err, http.ErrContentLength), errors.Is(err, http.ErrHijacked):
		return false
	default:
		return true
	}
}

// ended reports whether the app has ended the context, and said why: net/http gives no cause.
func ended(ctx context.Context) bool {
	return errors.Is(ctx.Err(), context.Canceled) && !errors.Is(context.Cause(ctx), context.Canceled)
}

// handBack tells the request of those in front what routers and handlers have put into
// the one that was handed on: they see the same behind a gate as without one, and
// net/http removes the temporary files of its own request's forms, not of copies. Nothing is
// written but what is new: several handlers that change nothing may have one request.
func handBack(r, handed *http.Request) {
	if r.Form == nil && handed.Form != nil {
		r.Form = handed.Form
	}
	if r.PostForm == nil && handed.PostForm != nil {
		r.PostForm = handed.PostForm
	}
	handBackFiles(r, handed)
	if r.Pattern == handed.Pattern {
		return
	}
	r.Pattern = handed.Pattern
	for _, part := range strings.Split(handed.Pattern, "{")[1:] {
		name, _, _ := strings.Cut(part, "}")
		name, _, _ = strings.Cut(name, ":") // chi's, with an expression behind it
		if name = strings.TrimSuffix(name, "..."); name != "$" {
			r.SetPathValue(name, handed.PathValue(name))
		}
	}
}

func handBackFiles(r, handed *http.Request) {
	if handed.MultipartForm != nil && handed.MultipartForm != r.MultipartForm {
		r.MultipartForm = handed.MultipartForm
	}
}

// IsHead reports whether the answer to r is sent without its body. A method override in
// front makes a HEAD of a request whose client gets the body all the same: net/http goes by
// the request that it made, of which r may be a copy.
func IsHead(r *http.Request) bool {
	if r.Method != http.MethodHead {
		return false
	}
	for _, field := range [...]string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override"} {
		if len(r.Header[field]) > 0 {
			return false
		}
	}
	return true
}
