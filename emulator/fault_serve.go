package emulator

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"
)

// garbage is what a proxy might answer in Stigg's place.
const garbage = "<html><body><h1>This is no JSON</h1></body></html>\n"

// serve answers an operation, or breaks as a fault has it.
func (e *Emulator) serve(w http.ResponseWriter, r *http.Request, req graphRequest, edge string) {
	p, refusal := e.overPost(e.prepare(req))
	p.edge = edge
	if p.x != nil {
		p.x.base = baseOf(r)
	}
	watched, done := e.watch(w, p, edge)
	var answered *reply
	faulty := false
	defer func() { done(answered, faulty) }()
	w = watched
	work := func() reply {
		out := reply{}
		if refusal != nil {
			out = *refusal
		} else {
			out = e.perform(p)
		}
		answered = &out
		return out
	}
	if refusal == nil {
		if over := e.pass(w.Header(), p); over != nil {
			answered = over
			e.write(w, *over)
			return
		}
	}
	f := e.faults.take(p)
	faulty = f != nil
	if f == nil {
		e.write(w, work())
		return
	}
	e.fail(w, r, f, p, work)
}

// baseOf gives the URL that a caller knows the emulator by.
func baseOf(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// fail does what a fault says. It panics with http.ErrAbortHandler to close the
// connection, which is what net/http offers for that.
func (e *Emulator) fail(w http.ResponseWriter, r *http.Request, f *faultState, p *prepared, work func() reply) {
	var done reply
	worked := f.After || f.Drop == dropAfter
	if worked {
		done = work()
	}
	if !f.hang(r.Context()) || f.Drop != "" {
		panic(http.ErrAbortHandler)
	}
	f.addHeaders(w.Header())
	switch {
	case f.Garbage:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(f.status())
		_, _ = io.WriteString(w, garbage)
	case f.Truncate:
		f.truncate(w, done)
	case f.Status != 0 || f.Code != "":
		e.write(w, e.broken(f, p))
	case worked:
		e.write(w, done)
	default:
		e.write(w, work())
	}
}

// hang waits for the latency and says whether the caller is still there.
func (f *faultState) hang(ctx context.Context) bool {
	if f.Latency == 0 {
		return true
	}
	t := time.NewTimer(f.Latency)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-f.cleared:
		return true
	case <-ctx.Done():
		return false
	}
}

func (f *faultState) addHeaders(h http.Header) {
	for name, value := range f.Headers {
		h.Set(name, value)
	}
	if f.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(seconds(f.RetryAfter), 10))
	}
}

// seconds rounds up to whole ones, without overflow.
func seconds(d time.Duration) int64 {
	whole := int64(d / time.Second)
	if d%time.Second > 0 {
		whole++
	}
	return whole
}

func (f *faultState) status() int {
	if f.Status == 0 {
		return http.StatusOK
	}
	return f.Status
}

// broken is a refusal in the shape of Stigg's.
func (e *Emulator) broken(f *faultState, p *prepared) reply {
	code := f.Code
	if code == "" {
		code = codeOf(f.status())
	}
	out := e.failed(f.status(), code, "a fault that the emulator was told to have")
	if f.IsValidationError {
		out.errors[0].Extensions["isValidationError"] = true
	}
	if len(p.fields) > 0 {
		out.errors[0].Path = []string{p.fields[0].Alias}
	}
	if out.status == http.StatusOK {
		out.data = []byte("null")
	}
	return out
}

// codeOf gives a code of Stigg's that goes with an HTTP status.
func codeOf(status int) Code {
	switch {
	case status == http.StatusUnauthorized:
		return CodeUnauthenticated
	case status == http.StatusForbidden:
		return "IdentityForbidden"
	case status == http.StatusTooManyRequests:
		return "RateLimitExceeded"
	case status >= 400 && status < 500:
		return CodeBadUserInput
	}
	return CodeUnexpected
}

// truncate sends the first half of an answer under the length of the whole. Where
// no work was done the answer is a made-up one.
func (f *faultState) truncate(w http.ResponseWriter, done reply) {
	body := done.data
	if body == nil {
		body = []byte(`{"errors":[],"unfinished":true}`)
	}
	whole, _ := json.Marshal(map[string]json.RawMessage{"data": body})
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(whole)))
	w.WriteHeader(f.status())
	_, _ = w.Write(whole[:len(whole)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}
