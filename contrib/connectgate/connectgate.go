// Package connectgate puts a gate in front of the procedures of Connect handlers, by whichever
// of its protocols they are called: Connect, gRPC, gRPC-Web.
//
//	gates, err := connectgate.New(g, gate.Table{
//		campaignsv1connect.CampaignServiceCreateProcedure: gate.Feature("feature-02-campaigns").Uses(1),
//	}, gate.DenyRest)
//	mux.Handle(campaignsv1connect.NewCampaignServiceHandler(campaigns, connect.WithInterceptors(auth, gates)))
//
// The order is recovery, authentication, gate, the rest: recovery behind the gate hides panics.
// A gate of package nethttp in front of the same handler would charge again, and would take an
// error of gRPC, which is answered with 200, for a success.
//
// # Who calls
//
// The gate's own Resolver is asked. It is given each call as an HTTP request: POST, the procedure
// as the path, the call's host, its header and its context. So identity.FromContext finds what an
// interceptor or a middleware in front has put there. An app whose callers are named here in
// another way says so by WithCustomer.
//
// # What is billed
//
// The usage of a call whose handler returns no error, once. One that returns an error, panics
// or runs past the client's deadline is released. Of one whose client has left, and whose handler
// returns no error all the same, a policy's OnClientGone says what is billed. No bytes are seen: where
// gate.ResponseBytes would bill nothing, say by the Ticket what was used. ReportIf sees the code as the HTTP
// status that google.rpc.Code documents for it, and 304 of a not-modified error in answer to
// GET. A stream is one call: it is asked for when it begins, and gate.TicketFrom(ctx).Use says
// how much it used in the end. An amount that the message tells comes from Message:
//
//	gate.Feature("feature-rows").UsesFunc(func(r *http.Request) (float64, error) {
//		return float64(len(connectgate.Message(r.Context()).(*acmev1.InsertRequest).GetRows())), nil
//	})
//
// # Denials
//
//	resource_exhausted   a limit or the credits are used up, or running calls may use them up
//	permission_denied    the plan does not have it, or nobody may (a procedure that no policy names)
//	failed_precondition  the customer has no subscription, or is archived
//	unauthenticated      nobody could be named
//	invalid_argument     the amount or the values can't be read from the call
//	unavailable          nothing could be known in time
//	canceled             the client left before it was decided
//
// The error has an ErrorInfo, whose reason is the denial's code in upper case and whose metadata
// has feature, usage, limit, requested, resetsAt, accessDeniedReason and instance as far as they
// apply; a QuotaFailure where a limit was met; a RetryInfo where asking again may help; and a
// Help with the gate's upgrade link. A policy's Status, which is HTTP's, changes nothing here.
package connectgate

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"connectrpc.com/connect"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/internal/rpc"
)

// Gates is a table of procedures bound to a gate. It is a connect.Interceptor for any number of
// handlers, and leaves clients alone.
type Gates struct{ gates *rpc.Gates }

var _ connect.Interceptor = (*Gates)(nil)

// Option changes what New returns.
type Option func(*options)

type options struct{ who rpc.Who }

// WithCustomer says which customer calls, in place of the gate's own Resolver. Take it from what
// authentication has verified. An error denies with unauthenticated, gate.ErrCustomerConflict
// with permission_denied.
func WithCustomer(who func(ctx context.Context) (gate.Customer, error)) Option {
	return func(o *options) { o.who = who }
}

// New binds a table whose keys are procedures, as the generated constants have them:
// "/acme.v1.CampaignService/Create". rest says what becomes of the procedures that it does not
// name, of handlers that have the interceptor. The error joins a *gate.PolicyError for each entry
// that is wrong.
func New(g *gate.Gate, t gate.Table, rest gate.Rest, with ...Option) (*Gates, error) {
	var o options
	for _, set := range with {
		if set == nil {
			return nil, errors.New("connectgate: new: an option is nil")
		}
		set(&o)
		if o.who == nil {
			return nil, errors.New("connectgate: new: the function of WithCustomer is nil")
		}
	}
	gates, err := rpc.New(g, t, rest, o.who)
	if err != nil {
		return nil, fmt.Errorf("connectgate: new: %w", err)
	}
	return &Gates{gates}, nil
}

// host is where Connect puts a request's host, in place of whatever a client sends by that name.
const host = "Host"

// WrapUnary is connect.Interceptor's.
func (gs *Gates) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (res connect.AnyResponse, err error) {
		if req.Spec().IsClient {
			return next(ctx, req)
		}
		c := rpc.Call{Procedure: req.Spec().Procedure, Host: req.Header().Get(host), Header: req.Header(), Message: req.Any()}
		status := httpStatus
		if req.HTTPMethod() == http.MethodGet {
			status = statusOfGet
		}
		err = gs.serve(ctx, c, status, func(ctx context.Context) (err error) {
			res, err = next(ctx, req)
			return err
		})
		return res, err
	}
}

// WrapStreamingHandler is connect.Interceptor's.
func (gs *Gates) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		c := rpc.Call{Procedure: conn.Spec().Procedure, Host: conn.RequestHeader().Get(host), Header: conn.RequestHeader()}
		return gs.serve(ctx, c, httpStatus, func(ctx context.Context) error { return next(ctx, conn) })
	}
}

// WrapStreamingClient is connect.Interceptor's. It changes nothing.
func (*Gates) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

func (gs *Gates) serve(ctx context.Context, c rpc.Call, status func(error) int, handler func(context.Context) error) error {
	denied, err := gs.gates.Serve(ctx, c, handler, status)
	if denied != nil {
		return errorOf(denied)
	}
	return err
}

// httpStatus is the HTTP status of what a handler returned, by the code that Connect gives it.
func httpStatus(err error) int {
	var known *connect.Error
	code := connect.CodeOf(err)
	switch {
	case err == nil:
		code = 0
	case errors.As(err, &known):
	case errors.Is(err, context.Canceled):
		code = connect.CodeCanceled
	case errors.Is(err, context.DeadlineExceeded):
		code = connect.CodeDeadlineExceeded
	}
	return rpc.Code(code).Status()
}

// statusOfGet is httpStatus of what answers GET, by which nothing may have changed.
func statusOfGet(err error) int {
	if connect.IsNotModifiedError(err) {
		return http.StatusNotModified
	}
	return httpStatus(err)
}

// Message is the request's message of the unary call that ctx belongs to, nil of a stream. It is
// for the functions of a policy, which have ctx as their request's context.
func Message(ctx context.Context) any { return rpc.Message(ctx) }
