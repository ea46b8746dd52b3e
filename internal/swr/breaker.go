package swr

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/stiggate/gate/internal/upstream"
)

const (
	// breakAfter is how many reads in a row must fail, or how many parents must have
	// brought what nobody understands, before no more are tried for a while: from
	// leastBreak, doubling up to longestBreak.
	breakAfter   = 5
	leastBreak   = time.Second
	longestBreak = 10 * time.Second
	// garbledShare is the share of what is read within garbledWithin that must be garbled.
	// It is that high since one client can order as many garbled answers as it likes, and
	// a source that anybody understands is no outage.
	garbledShare  = 0.9
	garbledWithin = 10 * time.Second
)

// breaker keeps reads from a source that does not answer (a circuit breaker), so that nobody
// waits for what will fail and the source is not kept down. After a while one read is let
// through to try. One answer with a Retry-After opens it for that time.
type breaker[K comparable] struct {
	mu        sync.Mutex
	failures  int
	pause     time.Duration
	openUntil time.Time // zero: closed
	asked     time.Time // until then the source itself asked for rest
	trying    bool      // the one read is under way
	cause     error     // why it opened
	share     share[K]
}

// change is what a read has done to the breaker.
type change struct {
	opened, closed bool
	until          time.Time
	cause          error
}

// brokenError is why a read was not tried.
type brokenError struct {
	until time.Time
	cause error
}

func (e *brokenError) Error() string {
	return fmt.Sprintf("gate: Stigg is not asked until %s, since it fails", e.until.UTC().Format(time.RFC3339))
}

func (e *brokenError) Unwrap() error { return e.cause }

// allow is nil if a read may be tried; done must follow.
func (b *breaker[K]) allow(now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.resting(now); err != nil {
		return err
	}
	b.trying = !b.openUntil.IsZero()
	return nil
}

// rests is why a read would not be tried now, or nil.
func (b *breaker[K]) rests(now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.resting(now)
}

func (b *breaker[K]) resting(now time.Time) error {
	if !b.openUntil.IsZero() && (b.trying || within(now, b.openUntil, upstream.MaxRetryAfter)) {
		return &brokenError{b.openUntil, b.cause}
	}
	return nil
}

// hurry lets a read be tried at once, since the source is heard from, unless it asked for
// rest.
func (b *breaker[K]) hurry(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.openUntil.IsZero() {
		return
	}
	b.pause, b.openUntil = 0, now
	if within(now, b.asked, upstream.MaxRetryAfter) {
		b.openUntil = b.asked
	}
}

// done tells what became of a read of a parent's key, and for how long the source then asked
// not to be asked.
func (b *breaker[K]) done(parent K, o outcome, asked time.Duration, err error, now time.Time) (c change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	wasOpen := !b.openUntil.IsZero()
	defer func() {
		isOpen := !b.openUntil.IsZero()
		c = change{!wasOpen && isOpen, wasOpen && !isOpen, b.openUntil, b.cause}
	}()
	if until := now.Add(asked); asked > 0 && (until.After(b.asked) || !within(now, b.asked, upstream.MaxRetryAfter)) {
		b.asked = until
	}
	b.share.add(parent, o, now)
	switch {
	case o == understood:
		if wasOpen {
			b.share = share[K]{}
		}
		b.failures, b.pause, b.openUntil, b.trying = 0, 0, time.Time{}, false
		if within(now, b.asked, upstream.MaxRetryAfter) { // the read began before the source asked
			b.openUntil = b.asked
		}
		return c
	case o == garbled && asked == 0:
		if !b.share.tooGarbled() {
			if b.trying { // it answers
				b.openUntil, b.trying = time.Time{}, false
			}
			return c
		}
		b.failures = breakAfter
	}
	if b.failures++; b.failures < breakAfter && asked == 0 && !b.trying {
		return c
	}
	b.trying = false
	if within(now, b.openUntil, upstream.MaxRetryAfter) && asked == 0 {
		return c // of a read that began before
	}
	b.cause = err
	if asked > 0 && b.failures < breakAfter { // it is well, and says when to ask again
		b.openUntil = b.asked
		return c
	}
	b.pause = min(max(leastBreak, 2*b.pause), longestBreak)
	b.openUntil = now.Add(b.pause/2 + rand.N(b.pause/2+1))
	if b.openUntil.Before(b.asked) && within(now, b.asked, upstream.MaxRetryAfter) {
		b.openUntil = b.asked
	}
	return c
}

// until is when no read is tried; zero if reads are.
func (b *breaker[K]) until(now time.Time) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.openUntil.Sub(now) > upstream.MaxRetryAfter {
		return now // the clock was set back: the next read is tried
	}
	return b.openUntil
}

// share counts what was understood of late, and the parents of whom something was not: in
// two halves of the time, the older of which is dropped.
type share[K comparable] struct {
	since time.Time
	half  [2]struct {
		understood int
		garbled    map[K]bool
	}
}

func (s *share[K]) add(parent K, o outcome, now time.Time) {
	if passed(now, s.since, garbledWithin/2) {
		s.half[1] = s.half[0]
		if passed(now, s.since, garbledWithin) {
			clear(s.half[1:])
		}
		s.since = now
		s.half[0].understood, s.half[0].garbled = 0, nil
	}
	switch o {
	case understood:
		s.half[0].understood++
	case garbled:
		if s.half[0].garbled == nil {
			s.half[0].garbled = make(map[K]bool)
		}
		s.half[0].garbled[parent] = true
		delete(s.half[1].garbled, parent)
	}
}

func (s *share[K]) tooGarbled() bool {
	garbled := len(s.half[0].garbled) + len(s.half[1].garbled)
	all := garbled + s.half[0].understood + s.half[1].understood
	return garbled >= breakAfter && float64(garbled) >= garbledShare*float64(all)
}
