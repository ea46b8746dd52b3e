// Package grpcgate puts a gate in front of the methods of a gRPC server.
//
//	gates, err := grpcgate.New(g, gate.Table{
//		"/acme.v1.Campaigns/Create":    gate.Feature("feature-02-campaigns").Uses(1),
//		"/grpc.health.v1.Health/Check": gate.Public(),
//	}, gate.DenyRest)
//	server := grpc.NewServer(grpc.ChainUnaryInterceptor(auth, gates.Unary()), grpc.ChainStreamInterceptor(authStream, gates.Stream()))
//
// The order is recovery, authentication, gate, the rest: recovery behind the gate hides panics.
//
// # Who calls
//
// The gate's own Resolver is asked. It is given each call as the HTTP request that it is: POST,
// the method's full name as the path, the incoming metadata as header fields, and the call's
// context. So identity.FromContext finds what an interceptor in front has put there. An app
// whose gRPC callers are named in another way says so by WithCustomer.
//
// # What is billed
//
// The usage of a call whose handler returns no error, once. One that returns an error, panics
// or runs past the client's deadline is released. Of one whose client has left, and whose handler
// returns no error all the same, a policy's OnClientGone says what is billed. No bytes are seen: where
// gate.ResponseBytes would bill nothing, say by the Ticket what was used. ReportIf sees the code as the HTTP
// status that google.rpc.Code documents for it. A stream is one call: it is asked for when it
// begins, and gate.TicketFrom(stream.Context()).Use says how much it used in the end. An amount
// that the message tells comes from Message:
//
//	gate.Feature("feature-rows").UsesFunc(func(r *http.Request) (float64, error) {
//		return float64(len(grpcgate.Message(r.Context()).(*acmev1.InsertRequest).GetRows())), nil
//	})
//
// # Denials
//
//	RESOURCE_EXHAUSTED   a limit or the credits are used up, or running calls may use them up
//	PERMISSION_DENIED    the plan does not have it, or nobody may (a method that no policy names)
//	FAILED_PRECONDITION  the customer has no subscription, or is archived
//	UNAUTHENTICATED      nobody could be named
//	INVALID_ARGUMENT     the amount or the values can't be read from the call
//	UNAVAILABLE          nothing could be known in time
//	CANCELLED            the client left before it was decided
//
// The status has an ErrorInfo, whose reason is the denial's code in upper case and whose
// metadata has feature, usage, limit, requested, resetsAt, accessDeniedReason and instance as
// far as they apply; a QuotaFailure where a limit was met; a RetryInfo where asking again may
// help; and a Help with the gate's upgrade link. A policy's Status, which is HTTP's, changes
// nothing here.
package grpcgate

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/internal/rpc"
)

// Gates is a table of methods bound to a gate. Its interceptors may serve several servers.
type Gates struct{ gates *rpc.Gates }

// Option changes what New returns.
type Option func(*options)

type options struct{ who rpc.Who }

// WithCustomer says which customer calls, in place of the gate's own Resolver. Take it from what
// authentication has verified. An error denies with UNAUTHENTICATED, gate.ErrCustomerConflict
// with PERMISSION_DENIED.
func WithCustomer(who func(ctx context.Context) (gate.Customer, error)) Option {
	return func(o *options) { o.who = who }
}

// New binds a table whose keys are full names of methods, as the generated constants have them:
// "/acme.v1.Campaigns/Create". rest says what becomes of the methods that it does not name, those
// of health checks and reflection among them. The error joins a *gate.PolicyError for each entry
// that is wrong.
func New(g *gate.Gate, t gate.Table, rest gate.Rest, with ...Option) (*Gates, error) {
	var o options
	for _, set := range with {
		if set == nil {
			return nil, errors.New("grpcgate: new: an option is nil")
		}
		set(&o)
		if o.who == nil {
			return nil, errors.New("grpcgate: new: the function of WithCustomer is nil")
		}
	}
	gates, err := rpc.New(g, t, rest, o.who)
	if err != nil {
		return nil, fmt.Errorf("grpcgate: new: %w", err)
	}
	return &Gates{gates}, nil
}

// Unary is the interceptor of unary calls.
func (gs *Gates) Unary() grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (res any, err error) {
		err = gs.serve(ctx, info.FullMethod, req, func(ctx context.Context) (err error) {
			res, err = handler(ctx, req)
			return err
		})
		return res, err
	}
}

// Stream is the interceptor of streams.
func (gs *Gates) Stream() grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		return gs.serve(stream.Context(), info.FullMethod, nil, func(ctx context.Context) error {
			return handler(srv, &within{stream, ctx})
		})
	}
}

// within is a stream with another context.
type within struct {
	grpc.ServerStream
	ctx context.Context
}

// Context is the stream's, with the ticket.
func (s *within) Context() context.Context { return s.ctx }

func (gs *Gates) serve(ctx context.Context, method string, message any, handler func(context.Context) error) error {
	c := rpc.Call{Procedure: method, Header: http.Header{}, Message: message}
	md, _ := metadata.FromIncomingContext(ctx)
	for key, values := range md {
		if key == ":authority" && len(values) > 0 {
			c.Host = values[0]
			continue
		}
		c.Header[http.CanonicalHeaderKey(key)] = values
	}
	denied, err := gs.gates.Serve(ctx, c, handler, httpStatus)
	if denied != nil {
		return statusOf(denied).Err()
	}
	return err
}

// httpStatus is the HTTP status of what a handler returned, by the code that gRPC gives it.
func httpStatus(err error) int {
	s, known := status.FromError(err)
	if !known {
		s = status.FromContextError(err)
	}
	return rpc.Code(s.Code()).Status()
}

// Message is the request's message of the unary call that ctx belongs to, nil of a stream. It is
// for the functions of a policy, which have ctx as their request's context.
func Message(ctx context.Context) any { return rpc.Message(ctx) }

// Verify reports which keys of the table name no method of the server, and which methods the table
// forgets, once all services are registered: nil, or an error that joins a *gate.PolicyError or a
// *gate.ForgottenRouteError for each. open are services whose methods are left to the rest on
// purpose: "/grpc.health.v1.Health/", or "/" for all.
func Verify(server interface {
	GetServiceInfo() map[string]grpc.ServiceInfo
}, t gate.Table, open ...string) error {
	var methods []string
	for service, info := range server.GetServiceInfo() {
		for _, m := range info.Methods {
			methods = append(methods, "/"+service+"/"+m.Name)
		}
	}
	return rpc.Verify(t, methods, open...)
}
