package swr

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/stiggate/gate/internal/upstream"
)

const (
	// breakAfter is how many reads in a row must fail before no more are tried for a
	// while: from leastBreak, doubling up to longestBreak.
	breakAfter   = 5
	leastBreak   = time.Second
	longestBreak = 10 * time.Second
)

// breaker keeps reads from a Stigg that does not answer, so that nobody waits for what
// will fail and Stigg is not kept down. After a while one read is let through to try.
// One 429 with a Retry-After opens it for that time.
type breaker[K comparable] struct {
	mu        sync.Mutex
	failures  int
	pause     time.Duration
	openUntil time.Time // zero: closed
	asked     time.Time // until then Stigg itself asked for rest
	trying    bool      // the one read is under way
	// garbled are the keys whose last read brought what nobody understands, none else
	// having been read since.
	garbled map[K]bool
}

// brokenError is why a read was not tried.
type brokenError struct{ until time.Time }

func (e *brokenError) Error() string {
	return fmt.Sprintf("gate: Stigg is not asked until %s, since it fails", e.until.UTC().Format(time.RFC3339))
}

// allow is nil if a read may be tried; done must follow.
func (b *breaker[K]) allow(now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.openUntil.IsZero():
		return nil
	case now.Before(b.openUntil) || b.trying:
		return &brokenError{b.openUntil}
	}
	b.trying = true
	return nil
}

// hurry lets a read be tried at once, since Stigg is heard from, unless it asked for rest.
func (b *breaker[K]) hurry(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.openUntil.IsZero() {
		return
	}
	b.pause, b.openUntil = 0, now
	if now.Before(b.asked) {
		b.openUntil = b.asked
	}
}

// done tells what became of a read of a key.
func (b *breaker[K]) done(c K, err error, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	wait := upstream.RetryAfter(err)
	if until := now.Add(wait); wait > 0 && until.After(b.asked) {
		b.asked = until
	}
	switch {
	case err == nil:
		b.garbled = nil
		b.failures, b.pause, b.openUntil, b.trying = 0, 0, time.Time{}, false
		if now.Before(b.asked) { // the read began before Stigg asked
			b.openUntil = b.asked
		}
		return
	case (upstream.Garbled(err) || upstream.Refused(err)) && wait == 0:
		// One customer's answer that nobody understands is no outage, but those of many
		// in a row are.
		if b.garbled == nil {
			b.garbled = make(map[K]bool)
		}
		if b.garbled[c] = true; len(b.garbled) < breakAfter {
			b.trying = false
			return
		}
		clear(b.garbled)
		b.failures = breakAfter
	}
	if b.failures++; b.failures < breakAfter && wait == 0 && !b.trying {
		return
	}
	b.trying = false
	if now.Before(b.openUntil) && wait == 0 {
		return // of a read that began before
	}
	b.pause = min(max(leastBreak, 2*b.pause), longestBreak)
	if b.openUntil = now.Add(b.pause/2 + rand.N(b.pause/2+1)); b.openUntil.Before(b.asked) {
		b.openUntil = b.asked
	}
}

// rests reports whether a read would not be tried now.
func (b *breaker[K]) rests(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.openUntil.IsZero() && (b.trying || now.Before(b.openUntil))
}

// until is when no read is tried; zero if reads are.
func (b *breaker[K]) until() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.openUntil
}
