package redisgate

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/stiggate/gate"
)

// readRate is how many reads a second Stigg allows a whole environment.
const readRate = 100

// spacing is the time between two reads of one of so many replicas.
func spacing(replicas int) time.Duration {
	return time.Duration(max(1, replicas)) * time.Second / readRate
}

// pace is that of reads without Redis: at most what a replica's part of readRate is, and the part of a
// second at once.
type pace struct {
	mu  sync.Mutex
	due time.Time // of the next read, were there no burst
}

// wait waits for the turn of a read.
func (p *pace) wait(ctx context.Context, now time.Time, replicas int) error {
	every := spacing(replicas)
	p.mu.Lock()
	if earliest := now.Add(every - time.Second); p.due.Before(earliest) {
		p.due = earliest
	}
	wait := p.due.Sub(now)
	if end, ok := ctx.Deadline(); ok && now.Add(wait).After(end) {
		p.mu.Unlock()
		return &gate.UpstreamError{Kind: gate.UpstreamUnsent, RetryAfter: time.Second, Err: fmt.Errorf("redisgate: %d reads a second for all replicas, while Redis can't be used", readRate)}
	}
	p.due = p.due.Add(every)
	p.mu.Unlock()
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("redisgate: wait for a turn to read: %w", ctx.Err())
	}
}
