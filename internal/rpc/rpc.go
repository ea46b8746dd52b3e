// Package rpc puts a gate in front of remote procedures. It is what the interceptors of gRPC
// and Connect share, which differ in how they spell an error. It imports neither.
//
// A call of a procedure is an HTTP request of its own kind, "POST /acme.v1.Campaigns/Create"
// with its metadata as header fields. As such the gate sees it: Guard.Serve admits, runs and
// settles it as any other, with one rule for all doors.
package rpc

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/stiggate/gate"
)

// Gates is a table of procedures bound to a gate.
type Gates struct {
	gate   *gate.Gate
	guards *gate.RouteGuards
	who    gate.Resolver // nil: the gate's own
}

// Who says which customer calls; it is given the call's context.
type Who func(ctx context.Context) (gate.Customer, error)

// New binds a table, whose keys are full names of procedures, "/acme.v1.Campaigns/Create". who
// is nil for the gate's own Resolver. The error joins a *gate.PolicyError for each entry that
// is wrong.
func New(g *gate.Gate, t gate.Table, rest gate.Rest, who Who) (*Gates, error) {
	if g == nil {
		return nil, errors.New("the gate is nil")
	}
	var problems []error
	for _, key := range slices.Sorted(maps.Keys(t)) {
		if service, method, ok := strings.Cut(strings.TrimPrefix(key, "/"), "/"); !strings.HasPrefix(key, "/") || !ok || service == "" || method == "" {
			problems = append(problems, &gate.PolicyError{Route: key, Err: errors.New(`a procedure is named "/package.Service/Method"`)})
		}
	}
	guards, err := g.RouteGuards(t, rest)
	if err := errors.Join(append(problems, err)...); err != nil {
		return nil, err
	}
	gates := &Gates{gate: g, guards: guards}
	if who != nil {
		gates.who = gate.ResolverFunc(func(r *http.Request) (gate.Customer, error) { return who(r.Context()) })
	}
	return gates, nil
}

// Call is one call of a procedure.
type Call struct {
	Procedure string
	// Host is whom the client wanted to reach.
	Host string
	// Header is the call's metadata.
	Header http.Header
	// Message is the request of a unary call, nil for a stream.
	Message any
}

type messageKey struct{}

// Message is the request's message of the call that ctx belongs to, nil of a stream.
func Message(ctx context.Context) any { return ctx.Value(messageKey{}) }

// Serve takes one call through its gate. It runs the handler with a context that has the
// ticket, or returns the denial. A call whose status is below 400 settles; status says which
// status the handler's error has, 200 for none. A call whose deadline has passed was answered
// with that, whatever its handler returns.
func (s *Gates) Serve(ctx context.Context, c Call, handler func(context.Context) error, status func(error) int) (denied *Denial, err error) {
	guard, _ := s.guards.Find("", c.Procedure)
	if c.Message != nil {
		ctx = context.WithValue(ctx, messageKey{}, c.Message)
	}
	r := (&http.Request{
		Method: http.MethodPost, URL: &url.URL{Path: c.Procedure}, RequestURI: c.Procedure,
		Proto: "HTTP/2.0", ProtoMajor: 2, Header: c.Header, Host: c.Host, Body: http.NoBody,
	}).WithContext(ctx)
	guard.Serve(gate.Call{Request: r, Writer: unwritten{}, Route: c.Procedure, Who: s.who},
		func(d gate.Decision) { denied = denialOf(s.gate, d) },
		func(_ http.ResponseWriter, handed *http.Request) bool {
			err = handler(handed.Context())
			return true
		},
		func(out gate.Outcome) gate.Outcome {
			out.Err, out.Status = err, status(err)
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				out.Status = DeadlineExceeded.Status()
			}
			return out
		})
	return denied, err
}

// unwritten is the writer of a call, which nobody writes to: it is answered by its error.
type unwritten struct{}

func (unwritten) Header() http.Header         { return http.Header{} }
func (unwritten) Write(p []byte) (int, error) { return len(p), nil }
func (unwritten) WriteHeader(int)             {}

// Verify says which keys of the table name no procedure, and which procedures the table forgets.
func Verify(t gate.Table, procedures []string, open ...string) error {
	return t.VerifyListed(procedures, open...)
}
