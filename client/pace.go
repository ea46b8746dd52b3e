package client

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// pace is what Stigg's rate-limit headers last said to one sort of operations.
type pace struct {
	mu        sync.Mutex
	remaining float64
	reset     time.Time
}

// paceOf is the pace of an operation; nil for those whose headers nobody asks for.
func (c *Client) paceOf(op string) *pace {
	switch op {
	case opReportUsage, opReportUsageBulk, opReportEvent, opConsumeCredits, opConsumeCreditsAsync:
		return c.pace
	case opEntitlementsState:
		return c.readPace
	}
	return nil
}

// note keeps what an answer's header says.
func (p *pace) note(h http.Header, now time.Time) {
	remaining, err := strconv.ParseFloat(h.Get("X-RateLimit-Remaining"), 64)
	if wait := parseWait(h.Get("X-RateLimit-Reset"), now); err == nil && wait > 0 {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.remaining, p.reset = max(0, remaining), now.Add(wait)
	}
}

// between is how long to wait between two calls so that what is left lasts until the
// reset; 0 if Stigg has not said.
func (p *pace) between(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := p.reset.Sub(now)
	if left <= 0 {
		return 0
	}
	return time.Duration(float64(left) / max(1, p.remaining))
}

// Pace is how long to wait between two reports so that what the rate limit leaves lasts
// until it is reset; 0 if Stigg has not said. The gate asks it before each batch.
func (c *Client) Pace() time.Duration { return c.pace.between(c.now()) }

// ReadPace is Pace of reads of entitlements. The gate asks it before it reads again what
// is cached; checks that wait for a read come first.
func (c *Client) ReadPace() time.Duration { return c.readPace.between(c.now()) }
