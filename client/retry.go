package client

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	firstWait = 100 * time.Millisecond
	// longestAsk bounds what is believed of a Retry-After.
	longestAsk = 24 * time.Hour
)

// retryPolicy is what WithRetry says.
type retryPolicy struct {
	attempts int
	maxWait  time.Duration
}

// wait is how long to wait after the n-th failed attempt, n from 1; false means
// that there is no other attempt. random is in [0,1).
func (p retryPolicy) wait(n int, e *Error, random float64) (time.Duration, bool) {
	if n >= p.attempts || !e.Retryable || e.Code == ErrTimeout || e.retryAfter > p.maxWait {
		return 0, false
	}
	if e.retryAfter > 0 {
		return e.retryAfter, true
	}
	full := min(firstWait<<(n-1), p.maxWait)
	return full/2 + time.Duration(random*float64(full/2)), true
}

// pause waits for d, or until ctx ends. It returns false, without waiting, if ctx
// is known to end first.
func pause(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return true
}

// askedWait is how long an answer asks to wait, 0 if it does not say. The reset
// time of the rate limit counts only for an answer that the limit refused.
func askedWait(h http.Header, limited bool, now time.Time) time.Duration {
	if d := parseWait(h.Get("Retry-After"), now); d > 0 {
		return d
	}
	if limited {
		return parseWait(h.Get("X-RateLimit-Reset"), now)
	}
	return 0
}

// parseWait takes seconds, a date, or a moment in seconds or milliseconds since
// 1970: Stigg documents a "timestamp" and not which.
func parseWait(s string, now time.Time) time.Duration {
	s = strings.TrimSpace(s)
	if s == "" {
		return 0
	}
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		return bounded(secondsFrom(n, now))
	}
	for _, layout := range []string{http.TimeFormat, time.RFC850, time.ANSIC, time.RFC3339} {
		if at, err := time.Parse(layout, s); err == nil {
			return bounded(at.Sub(now).Seconds())
		}
	}
	return 0
}

// secondsFrom reads n as seconds, or, if that were years, as a moment.
func secondsFrom(n float64, now time.Time) float64 {
	const secondsSince1970, millisecondsSince1970 = 1e9, 1e12
	ms := float64(now.UnixMilli())
	switch {
	case n >= millisecondsSince1970:
		return (n - ms) / 1000
	case n >= secondsSince1970:
		return n - ms/1000
	default:
		return n
	}
}

func bounded(seconds float64) time.Duration {
	if math.IsNaN(seconds) || seconds <= 0 {
		return 0
	}
	return time.Duration(min(seconds, longestAsk.Seconds()) * float64(time.Second))
}
