package gate

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/stiggate/gate/recorder"
)

// Outcome is what became of a request that was let in. What was answered counts, not how
// the handler ended.
type Outcome struct {
	// Status is what was answered: the first status of 200 or above, or 101; 101 for a
	// connection that was taken over before there was one. A handler that returns and wrote
	// nothing has answered 200, unless its request's deadline has passed, which is a 504, or
	// the router knows of an error, whose status it is: somebody in front answers then. It
	// is 0 if the handler panicked and nothing of an answer can have reached the client.
	Status int
	// Bytes is how much of a body was written, 0 in answer to HEAD.
	Bytes int64
	// Hijacked says that the handler took the connection over, as websockets do.
	Hijacked bool
	// Panicked says that the handler did not return: it panicked, also with
	// http.ErrAbortHandler, or ended its goroutine.
	Panicked bool
	// Err is what the handler returned, in routers whose handlers return errors.
	Err error
	// ClientGone says that the client had left before the handler was done. A client that
	// has closed only its own side, and was answered all the same, has not. Duration is
	// the time from admission to the handler's end. The gate fills both.
	ClientGone bool
	Duration   time.Duration
}

// Succeeded is the rule for reporting usage where a policy has none of its own: the
// client was answered with a status below 400.
func (o Outcome) Succeeded() bool { return o.Status > 0 && o.Status < 400 }

// run calls the handler and settles, exactly once, whatever way it ends. There is no
// recover: a panic, http.ErrAbortHandler and runtime.Goexit keep their stack.
func (t *Ticket) run(c Call, next func(http.ResponseWriter, *http.Request) bool, outcome func(Outcome) Outcome) {
	r := c.Request
	w, rec := recorder.New(c.Writer)
	rec.Follow(r.Context())
	if t.gate.denials.quota != QuotaHeadersNone {
		rec.BeforeHeader(func(h http.Header) { t.gate.SetQuotaHeaders(h, t.decision) })
	}
	t.within = ticketContext{r.Context(), t}
	handed := r.WithContext(&t.within)
	returned, done := false, true
	defer func() {
		o := Outcome{Panicked: true}
		defer func() { t.conclude(o) }() // even if outcome panics
		if done {
			handBack(r, handed)
		}
		if returned {
			o = answered(rec, r, outcome)
		} else {
			o = cutShort(rec, r)
		}
		if isHead(r) {
			o.Bytes = 0
		}
	}()
	done = next(w, handed)
	returned = true
	if done {
		rec.Finish()
	}
}

// answered is the outcome of a handler that has returned.
func answered(rec *recorder.Recorder, r *http.Request, outcome func(Outcome) Outcome) Outcome {
	o := Outcome{Status: rec.Status(), Bytes: rec.Bytes(), Hijacked: rec.Hijacked()}
	if outcome != nil {
		o = outcome(o)
	}
	err := r.Context().Err()
	switch {
	case errors.Is(rec.Failed(), http.ErrHandlerTimeout):
		o.Status = http.StatusServiceUnavailable // http.TimeoutHandler has answered
	case o.Status != 0:
	case errors.Is(err, context.DeadlineExceeded):
		o.Status = http.StatusGatewayTimeout
	default:
		o.Status = http.StatusOK // net/http's own
	}
	o.ClientGone = gone(rec, r)
	return o
}

// cutShort is the outcome of a handler that has not returned. A client that left has had
// what was written; if it is still there, it has had what was sent.
func cutShort(rec *recorder.Recorder, r *http.Request) Outcome {
	o := Outcome{Panicked: true, ClientGone: gone(rec, r)}
	if rec.Sent() || o.ClientGone {
		o.Status, o.Bytes, o.Hijacked = rec.Status(), rec.Bytes(), rec.Hijacked()
	}
	return o
}

// gone reports whether the client has left. With HTTP/1 net/http also ends the context of a
// client that has closed only its own side; if it was answered after that, it was there.
// With HTTP/2 a write may fail before the context ends.
func gone(rec *recorder.Recorder, r *http.Request) bool {
	if errors.Is(r.Context().Err(), context.Canceled) {
		return r.ProtoMajor >= 2 || !rec.Late()
	}
	switch err := rec.Failed(); {
	case err == nil, errors.Is(err, http.ErrHandlerTimeout), errors.Is(err, http.ErrBodyNotAllowed),
		errors.Is(err, http.ErrContentLength), errors.Is(err, http.ErrHijacked):
		return false
	default:
		return true
	}
}

// handBack tells the request of those in front what routers and handlers have put into
// the one that was handed on: they see the same behind a gate as without one, and
// net/http removes the temporary files of its own request's forms, not of copies.
func handBack(r, handed *http.Request) {
	r.Form, r.PostForm = handed.Form, handed.PostForm
	r.MultipartForm = cmp.Or(handed.MultipartForm, r.MultipartForm)
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

// Observer has functions that are told what the gate does, for metrics, traces and logs.
// Those that are nil are not called. They are called on the request's own goroutine and must
// return at once.
type Observer struct {
	// Decided is called once for each request, when its decision is made.
	Decided func(ctx context.Context, d Decision)
	// Settled is called once for each request that was let in by a policy that
	// reports, when its handler is done; reported is empty if it was released.
	Settled func(ctx context.Context, d Decision, o Outcome, reported []Usage)
}

// observers are told in the order in which they were given.
type observers []Observer

func (all observers) decided(ctx context.Context, d *Decision) {
	for i := range all {
		if all[i].Decided != nil {
			all[i].Decided(ctx, *d)
		}
	}
}

func (all observers) settled(ctx context.Context, d *Decision, o Outcome, reported []Usage) {
	for i := range all {
		if all[i].Settled != nil {
			all[i].Settled(ctx, *d, o, reported)
		}
	}
}
