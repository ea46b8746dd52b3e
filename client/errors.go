package client

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/stiggate/gate"
)

// Error is what every method of the Client fails with; Entitlements and Report wrap it in a
// *gate.UpstreamError. Its text is made of the
// operation, the code, the HTTP status and Stigg's trace id, and is the same for
// every verb of fmt: it holds no API key, no request, no answer, and nothing of a
// customer.
//
// It unwraps to the context's error when the context ended, to a *gate.InvalidIDError
// for a malformed id, and to what the network said where that is known to be
// harmless.
type Error struct {
	// Operation is the GraphQL operation that failed.
	Operation string
	// Code is Stigg's extensions.code verbatim, or one of this package's. Compare it
	// with errors.Is, which knows the spellings and families of Stigg's codes.
	Code Code
	// Message is Stigg's free text. It may hold a customer's data, so it is no part
	// of Error; mind where you print it.
	Message string `json:"-"`
	// Validation is Stigg's isValidationError: it says that the arguments are at fault.
	Validation bool
	// TraceID is what Stigg's support asks for.
	TraceID string
	// HTTPStatus is the status of the answer, 0 if there was none.
	HTTPStatus int
	// Retryable says that the failure is of a kind that passes. It does not say that
	// the call may be repeated: see the method.
	Retryable bool

	permanent  bool
	ofAll      bool // permanent, and any value of who or what was named would be refused, too
	unsent     bool // the call surely never left
	retryAfter time.Duration
	detail     string
	cause      error
}

// Error names the operation, the code, the HTTP status and the trace id.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("stigg: ")
	if e.Operation != "" {
		b.WriteString(e.Operation + ": ")
	}
	b.WriteString(string(e.Code))
	if e.HTTPStatus != 0 {
		b.WriteString(", HTTP " + strconv.Itoa(e.HTTPStatus))
	}
	if e.TraceID != "" {
		b.WriteString(", trace " + e.TraceID)
	}
	if e.detail != "" {
		b.WriteString(": " + e.detail)
	}
	if e.cause != nil {
		b.WriteString(": " + e.cause.Error())
	}
	return b.String()
}

// Format renders Error for every verb; %q quotes it.
func (e Error) Format(f fmt.State, verb rune) {
	text := e.Error()
	if verb == 'q' {
		text = strconv.Quote(text)
	}
	_, _ = io.WriteString(f, text)
}

// Unwrap returns the cause, if there is one to show.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is a Code that means this error, so that
// errors.Is(err, ErrUnauthenticated) holds for each of Stigg's codes of that
// family, in each of its spellings, and for HTTP 401.
func (e *Error) Is(target error) bool {
	code, ok := target.(Code)
	return ok && code != "" && (sameCode(e.Code, code) || family(e.Code) == code || statusCode(e.HTTPStatus) == code)
}

// Permanent reports whether the same call will fail for ever and has surely
// changed and counted nothing: this package or Stigg itself refused the arguments
// as they are. It is false for everything that might pass or might have been
// counted: a key or a permission refused, a rate limit, an outage, a lost answer,
// an answer that can't be understood.
func (e *Error) Permanent() bool { return e.permanent }

// RetryAfter is how long Stigg asked to wait before the next call; 0 if it did not
// say, and never more than a day.
func (e *Error) RetryAfter() time.Duration { return e.retryAfter }

// upstream is what an error says to a gate; the *Error is inside.
func upstream(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	return &gate.UpstreamError{Kind: e.kind(), RetryAfter: e.retryAfter, Err: e}
}

// kind is what the failure means. It is garbled if Stigg gave an answer that can't be
// understood, for which the arguments may be the cause; and down, which says nothing
// against them, if Stigg, the network, the rate limit or the API key is at fault, if Stigg
// does not know this package's operations any more, or if the caller's context ended.
func (e *Error) kind() gate.UpstreamKind {
	switch {
	case e.permanent && e.ofAll:
		return gate.UpstreamRefusedAll
	case e.permanent:
		return gate.UpstreamRefused
	case e.unsent:
		return gate.UpstreamUnsent
	case e.Is(ErrUnauthenticated), e.Is(ErrForbidden):
		return gate.UpstreamUnauthorized
	case ofDocument(e.Code), e.Retryable, e.Is(ErrRateLimited), e.Is(ErrUnavailable),
		e.Code == ErrCanceled, e.Code == ErrTimeout, e.Code == ErrNetwork:
		return gate.UpstreamDown
	}
	return gate.UpstreamGarbled
}

// invalid is the error of arguments that are not sent. detail must hold nothing of
// the arguments themselves.
func invalid(op, detail string, cause error) *Error {
	return &Error{Operation: op, Code: ErrInvalidInput, permanent: true, detail: detail, cause: cause}
}

// badResponse is the error of an answer that can't be understood.
func badResponse(op, detail string) *Error {
	return &Error{Operation: op, Code: ErrBadResponse, detail: detail}
}

// typed makes an *Error of whatever a generated call returned. What is not one
// yet comes from the generated encoder and may quote the arguments.
func typed(op string, err error) error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return invalid(op, "the arguments can't be encoded", nil)
}
