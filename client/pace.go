package client

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// pace is what Stigg's rate-limit headers last said to reports.
type pace struct {
	mu        sync.Mutex
	remaining float64
	reset     time.Time
}

// reports says which operations' headers count: the others have limits of their own.
func reports(op string) bool {
	switch op {
	case opReportUsage, opReportUsageBulk, opReportEvent, opConsumeCredits, opConsumeCreditsAsync:
		return true
	}
	return false
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

// Pace is how long to wait between two reports so that what the rate limit leaves lasts
// until it is reset; 0 if Stigg has not said. The gate asks it before each batch.
func (c *Client) Pace() time.Duration {
	c.pace.mu.Lock()
	defer c.pace.mu.Unlock()
	left := c.pace.reset.Sub(c.now())
	if left <= 0 {
		return 0
	}
	return time.Duration(float64(left) / max(1, c.pace.remaining))
}
