package rpc

import (
	"net/http"

	"github.com/stiggate/gate"
)

// Code is a canonical code (google.rpc.Code): gRPC's and Connect's.
type Code uint32

// The codes.
const (
	OK Code = iota
	Canceled
	Unknown
	InvalidArgument
	DeadlineExceeded
	NotFound
	AlreadyExists
	PermissionDenied
	ResourceExhausted
	FailedPrecondition
	Aborted
	OutOfRange
	Unimplemented
	Internal
	Unavailable
	DataLoss
	Unauthenticated
)

// Status is the HTTP status of a code, as google.rpc.Code says it and gateways answer it.
func (c Code) Status() int {
	switch c {
	case OK:
		return http.StatusOK
	case Canceled:
		return 499 // the client has closed the request
	case InvalidArgument, FailedPrecondition, OutOfRange:
		return http.StatusBadRequest
	case DeadlineExceeded:
		return http.StatusGatewayTimeout
	case NotFound:
		return http.StatusNotFound
	case AlreadyExists, Aborted:
		return http.StatusConflict
	case PermissionDenied:
		return http.StatusForbidden
	case ResourceExhausted:
		return http.StatusTooManyRequests
	case Unimplemented:
		return http.StatusNotImplemented
	case Unavailable:
		return http.StatusServiceUnavailable
	case Unauthenticated:
		return http.StatusUnauthorized
	}
	return http.StatusInternalServerError
}

// codeOf is the code that a reason is answered with.
func codeOf(r gate.Reason) Code {
	switch r {
	case gate.ReasonLimitExceeded, gate.ReasonInsufficientCredits, gate.ReasonBudgetExceeded, gate.ReasonPending:
		return ResourceExhausted
	case gate.ReasonNoSubscription, gate.ReasonCustomerIsArchived:
		return FailedPrecondition // it is the customer's state that must be mended
	case gate.ReasonUnresolved:
		return Unauthenticated
	case gate.ReasonBadRequest:
		return InvalidArgument
	case gate.ReasonUnavailable:
		return Unavailable
	case gate.ReasonClientGone:
		return Canceled
	}
	return PermissionDenied
}
