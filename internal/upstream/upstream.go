// Package upstream is what an error of Stigg's says to the engines: whose fault it is, and
// how long not to ask again. What is believed of it is bounded.
package upstream

import (
	"errors"
	"fmt"
	"time"
)

const (
	// MaxRetryAfter bounds what is believed of a Retry-After.
	MaxRetryAfter = time.Minute
	// MaxPace bounds what is believed of a pace.
	MaxPace = 5 * time.Second
)

// Kind says what a failure means. The values are those of gate.UpstreamKind.
type Kind uint8

// The kinds, as gate documents them.
const (
	KindDown Kind = iota
	KindRefused
	KindRefusedAll
	KindGarbled
	KindUnsent
	KindUnauthorized
)

func (k Kind) String() string {
	switch k {
	case KindDown:
		return "down"
	case KindRefused:
		return "refused"
	case KindRefusedAll:
		return "refused, and all alike"
	case KindGarbled:
		return "garbled"
	case KindUnsent:
		return "unsent"
	case KindUnauthorized:
		return "unauthorized"
	}
	return fmt.Sprintf("UpstreamKind(%d)", uint8(k))
}

// Error is a failure of a known kind. An error that is none, or of a kind
// that is not named here, means KindDown.
type Error struct {
	Kind       Kind
	RetryAfter time.Duration
	Err        error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns what was said.
func (e *Error) Unwrap() error { return e.Err }

// Refused reports whether the arguments were refused as they are, and nothing was done.
func Refused(err error) bool { return is(err, KindRefused) || RefusedAll(err) }

// RefusedAll reports whether any usage of the same customer and feature would be refused for
// the same reason.
func RefusedAll(err error) bool { return is(err, KindRefusedAll) }

// Garbled reports whether the answer can't be understood: what was asked may be at fault, and
// not Stigg or the network as a whole.
func Garbled(err error) bool { return is(err, KindGarbled) }

// Unsent reports whether the request surely never left.
func Unsent(err error) bool { return is(err, KindUnsent) }

// Unauthorized reports whether the API key is at fault, and not Stigg or the network.
func Unauthorized(err error) bool { return is(err, KindUnauthorized) }

func is(err error, kind Kind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == kind
}

// RetryAfter is how long Stigg asks not to be asked again; 0 if it doesn't.
func RetryAfter(err error) time.Duration {
	var e *Error
	if !errors.As(err, &e) {
		return 0
	}
	return min(e.RetryAfter, MaxRetryAfter)
}
