package swr

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/stiggate/gate/internal/upstream"
)

const (
	// logPause keeps what comes and goes from being logged each time.
	logPause = time.Minute
	// logAgain is how often what lasts is logged.
	logAgain = 10 * time.Minute
)

// log tells what makes requests fail: when it begins, now and then while it lasts, and when
// it is over. It names no key and nothing that a key's owner chose.
type log struct {
	*slog.Logger
	failing, unauthorized, refused, broken, slow, budget episode
}

// episode is one trouble from its beginning to its end.
type episode struct {
	quiets bool // it has no other end than that it did not happen for long

	mu     sync.Mutex
	active bool
	began  time.Time
	told   time.Time
	last   time.Time
	times  int
}

// happens counts, and says whether to tell, since when it has been so, and how often.
func (e *episode) happens(now time.Time) (tell bool, since time.Duration, times int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.quiets && passed(now, e.last, logAgain) {
		e.active = false
	}
	e.last = now
	if !e.active {
		if !e.told.IsZero() && !passed(now, e.told, logPause) {
			return false, 0, 0
		}
		e.active, e.began, e.told, e.times = true, now, now, 1
		return true, 0, 1
	}
	e.times++
	if !passed(now, e.told, logAgain) {
		return false, 0, 0
	}
	e.told = now
	return true, max(0, now.Sub(e.began)), e.times
}

// ends says whether it was told and is over now, how long it lasted, and how often it was.
func (e *episode) ends(now time.Time) (tell bool, lasted time.Duration, times int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.active {
		return false, 0, 0
	}
	e.active = false
	return true, max(0, now.Sub(e.began)), e.times
}

// read tells what became of a read.
func (l *log) read(now time.Time, err error) {
	var panicked *panicError
	switch {
	case err == nil:
		if tell, lasted, times := l.failing.ends(now); tell {
			l.Info("gate: entitlements are read again", "after", lasted, "failed", times)
		}
		if tell, lasted, times := l.unauthorized.ends(now); tell {
			l.Info("gate: Stigg takes the API key", "after", lasted, "refused", times)
		}
	case upstream.Unauthorized(err):
		if tell, since, times := l.unauthorized.happens(now); tell {
			l.Error("gate: Stigg refuses the API key; no customer can be read, and only what is cached is served; give the process the server key of its environment", "error", err, "since", since, "refused", times)
		}
	case upstream.Refused(err):
		if tell, _, times := l.refused.happens(now); tell {
			l.Warn("gate: Stigg refuses to tell entitlements of a customer as it was asked; that customer gets 503, others are not concerned; compare the customer and resource ids that the resolver makes with those in Stigg",
				"error", err, "times", times)
		}
	case errors.As(err, &panicked):
		if tell, since, times := l.failing.happens(now); tell {
			l.Error("gate: the source panicked while it read entitlements; it counts as an answer that nobody understands; mend the source", "error", err, "since", since, "failed", times, "stack", string(panicked.stack))
		}
	default:
		if tell, since, times := l.failing.happens(now); tell {
			l.Warn("gate: entitlements can't be read; what is cached is served, other customers as the outage policy says", "error", err, "since", since, "failed", times)
		}
	}
}

// breaker tells that the source is not asked any more, or again.
func (l *log) breaker(now time.Time, c change) {
	switch {
	case c.opened:
		if tell, _, _ := l.broken.happens(now); tell {
			l.Warn("gate: Stigg is not asked for a while, since reads fail; then one read at a time shows whether it answers", "until", c.until, "error", c.cause)
		}
	case c.closed:
		if tell, lasted, _ := l.broken.ends(now); tell {
			l.Info("gate: Stigg is asked again", "after", lasted)
		}
	}
}

// tooSlow tells that a caller gave up waiting for a cold key.
func (l *log) tooSlow(now time.Time, waited time.Duration) {
	if tell, since, times := l.slow.happens(now); tell {
		l.Warn("gate: customers that are not cached waited too long for their first read, and were answered as the outage policy says; raise WithColdTimeout if Stigg is far, or read them before with Warm",
			"waited", waited, "times", times, "since", since)
	}
}

// overBudget tells that a parent's budget is spent.
func (l *log) overBudget(now time.Time) {
	if tell, since, times := l.budget.happens(now); tell {
		l.Warn("gate: requests of one customer name more resources that have no entitlements than Stigg is asked for; those get 503, other customers are not concerned; see where their ids come from",
			"times", times, "since", since)
	}
}
