// Package upstream reads what Stigg asks of us: errors say more by methods that they may
// have (gate.Source, gate.Reporter). What is believed of it is bounded.
package upstream

import (
	"errors"
	"time"
)

const (
	// MaxRetryAfter bounds what is believed of a Retry-After.
	MaxRetryAfter = time.Minute
	// MaxPace bounds what is believed of a pace.
	MaxPace = 5 * time.Second
)

// Permanent reports whether Stigg refused a batch as it is and counted none of it.
func Permanent(err error) bool {
	var e interface{ Permanent() bool }
	return errors.As(err, &e) && e.Permanent()
}

// Unintelligible reports whether err may be about what was asked, and not about Stigg or the
// network as a whole: an answer that nobody understands.
func Unintelligible(err error) bool {
	var e interface{ Temporary() bool }
	return errors.As(err, &e) && !e.Temporary()
}

// Unsent reports whether the request surely never left.
func Unsent(err error) bool {
	var e interface{ Unsent() bool }
	return errors.As(err, &e) && e.Unsent()
}

// OfSeries reports whether any usage of the same customer and feature would be refused for
// the same reason.
func OfSeries(err error) bool {
	var e interface{ OfAll() bool }
	return errors.As(err, &e) && e.OfAll()
}

// RetryAfter is how long Stigg asks not to be asked again; 0 if it doesn't.
func RetryAfter(err error) time.Duration {
	var e interface{ RetryAfter() time.Duration }
	if !errors.As(err, &e) {
		return 0
	}
	return min(e.RetryAfter(), MaxRetryAfter)
}
