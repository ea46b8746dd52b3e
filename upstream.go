package gate

import (
	"errors"
	"time"

	"github.com/stiggate/gate/internal/upstream"
)

// UpstreamError is how a Source or a Reporter says what a failure means. It may be wrapped.
// Any other error, http.Client's among them, means UpstreamDown.
type UpstreamError struct {
	Kind UpstreamKind
	// RetryAfter is how long Stigg asks not to be asked again; 0 if it does not say. The
	// gate believes up to a minute.
	RetryAfter time.Duration
	// Err is what happened. It is logged, so it must hold no secret and nothing of a
	// customer's.
	Err error
}

// UpstreamKind says what a failure means.
type UpstreamKind uint8

const (
	// UpstreamDown says that Stigg or the network as a whole is at fault, or the time was up. It is
	// not known whether the usage of a report was counted.
	UpstreamDown UpstreamKind = iota
	// UpstreamRefused says that Stigg refused the arguments as they are, would do so again, and
	// counted nothing of the report.
	UpstreamRefused
	// UpstreamRefusedAll is UpstreamRefused for a reason that holds for any usage of that
	// customer and feature (or event, or currency), whatever its value: an archived customer,
	// a feature that is not metered. A report that is all of one customer and feature is
	// set aside as a whole; in another, the gate looks for the one at fault. Either
	// way, usage of a customer and feature that was refused travels in batches of its own
	// for some minutes.
	UpstreamRefusedAll
	// UpstreamGarbled says that the answer can't be understood. What was asked may be the cause, so
	// a report that meets it again and again is split until the one at fault stands alone,
	// and a read says nothing about other customers.
	UpstreamGarbled
	// UpstreamUnsent is UpstreamDown, and the request surely never left: there was no
	// connection, or the rate limit left nothing.
	UpstreamUnsent
	// UpstreamUnauthorized is UpstreamDown, and the API key is at fault.
	UpstreamUnauthorized
)

func (k UpstreamKind) String() string { return upstream.Kind(k).String() }

func (e *UpstreamError) Error() string {
	if e.Err == nil {
		return "gate: upstream: " + e.Kind.String()
	}
	return e.Err.Error()
}

// Unwrap returns what happened.
func (e *UpstreamError) Unwrap() error { return e.Err }

// ofUpstream gives an error of a Source's or a Reporter's to the engines.
func ofUpstream(err error) error {
	var e *UpstreamError
	if !errors.As(err, &e) {
		return err
	}
	return &upstream.Error{Kind: upstream.Kind(e.Kind), RetryAfter: e.RetryAfter, Err: err}
}
