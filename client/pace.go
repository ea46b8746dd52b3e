package client

import (
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/stiggate/gate"
)

// longestSpent bounds for how long a limit is believed to be spent: Stigg counts by the
// minute, and a header may be of something else on the way.
const longestSpent = time.Minute

// pace is what Stigg's rate limit leaves of one operation, as its last answer said.
//
// What holds: while that answer's window lasts, no more calls are under way than it
// leaves. Calls that Stigg would refuse stay here, so that they delay nobody and don't
// keep Stigg busy.
type pace struct {
	mu        sync.Mutex
	remaining float64
	reset     time.Time // zero: Stigg has not said
	noted     time.Time
	flying    float64
}

// paces are those of the operations that a gate calls by itself.
type paces map[string]*pace

func newPaces() paces {
	all := make(paces)
	for _, op := range [...]string{opEntitlementsState, opReportUsage, opReportUsageBulk, opReportEvent, opConsumeCredits, opConsumeCreditsAsync} {
		all[op] = &pace{}
	}
	return all
}

// begin takes a call of what is left; end must follow. If nothing is, it returns the
// error instead.
func (p *pace) begin(op string, now time.Time) *Error {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lasts(now) && p.flying+1 > p.remaining {
		e := &Error{Operation: op, Code: ErrRateLimited, Retryable: true, unsent: true, detail: "not sent, since Stigg's rate limit leaves no call"}
		if p.remaining < 1 {
			e.retryAfter = min(p.reset.Sub(now), p.noted.Add(longestSpent).Sub(now))
		}
		return e
	}
	p.flying++
	return nil
}

// end ends a call.
func (p *pace) end() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flying--
}

// lasts reports whether what is left is of a window that is not over. Call it under the
// lock.
func (p *pace) lasts(now time.Time) bool {
	return now.Before(p.reset) && now.Before(p.noted.Add(longestSpent))
}

// note keeps what an answer's header says, or that a refusal for the limit, whatever its HTTP status, asks
// to wait.
func (p *pace) note(refused bool, h http.Header, now time.Time) {
	if p == nil {
		return
	}
	remaining, err := strconv.ParseFloat(h.Get("X-RateLimit-Remaining"), 64)
	wait := parseWait(h.Get("X-RateLimit-Reset"), now)
	if refused {
		remaining, err, wait = 0, nil, askedWait(h, true, now)
	}
	if err == nil && !math.IsNaN(remaining) && wait > 0 {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.remaining, p.reset, p.noted = max(0, remaining), now.Add(wait), now
	}
}

// between is how long to wait between two calls so that what those under way leave lasts until
// the reset; 0 if Stigg has not said.
func (p *pace) between(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.lasts(now) {
		return 0
	}
	return time.Duration(float64(p.reset.Sub(now)) / max(1, p.remaining-p.flying))
}

// Pace is how long to wait between two calls of Report with usage of a kind so that what
// the rate limit leaves lasts until it is reset; 0 if Stigg has not said. The gate asks it
// before each batch.
func (c *Client) Pace(kind gate.UsageKind) time.Duration {
	return c.paces[reportOperation(kind)].between(c.now())
}

// ReadPace is Pace of reads of entitlements. The gate asks it before it reads again what
// is cached; checks that wait for a read come first.
func (c *Client) ReadPace() time.Duration { return c.paces[opEntitlementsState].between(c.now()) }
