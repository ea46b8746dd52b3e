package gate

import (
	"context"
	"strings"
	"sync/atomic"
	"time"
)

// Stats is what the gate counts.
type Stats struct {
	// Fresh, Stale, Fallback and Offline count decisions by what they rest on; Early
	// those made before anything was asked for: no customer, or no such route.
	Fresh, Stale, Fallback, Offline, Early DecisionCounts
	// Shadowed counts those of the above that a policy in the shadow would have refused.
	Shadowed uint64
	// Loads is the number of reads of a customer's set that were begun, LoadsFailed how
	// many of them brought nothing.
	Loads, LoadsFailed uint64
	// Waited counts the decisions that had to wait, for a load or an acknowledgement.
	Waited uint64
	// Refreshing is the number of stale customers that wait to be read again.
	Refreshing int
	// Customers is the number of customers (and resources) cached.
	Customers int
	// Books is the number of customers (and resources) whose usage is kept track of:
	// those cached and those with requests or reports under way.
	Books int
	// Queued is the number of usages that are settled and not yet acknowledged; Open
	// the number that running requests may report. Oldest is the CreatedAt of the
	// oldest queued; zero if there is none.
	Queued, Open int
	Oldest       time.Time
	// Acknowledged and Refused count usages that have left the queue; Retries the
	// attempts to deliver that failed.
	Acknowledged, Refused, Retries uint64
	// Unkept counts the usages that the outbox did not keep.
	Unkept uint64
	// BrokenUntil is until when Stigg is not asked, since it fails: the first read after
	// that shows whether it still does. Zero if it is asked.
	BrokenUntil time.Time
	// Live says that news arrive as they happen.
	Live bool
}

// DecisionCounts counts decisions by their outcome: let in, refused (4xx), and not decided
// (503).
type DecisionCounts struct{ Allowed, Denied, Unavailable uint64 }

// tallies counts decisions.
type tallies struct {
	counts   [5][3]atomic.Uint64
	shadowed atomic.Uint64
}

func (t *tallies) count(d *Decision) {
	origin, outcome := 4, 1
	switch d.Origin {
	case OriginFresh:
		origin = 0
	case OriginStale:
		origin = 1
	case OriginFallback:
		origin = 2
	case OriginOffline:
		origin = 3
	}
	switch {
	case d.Allowed:
		outcome = 0
	case d.Reason == ReasonUnavailable:
		outcome = 2
	}
	t.counts[origin][outcome].Add(1)
	if d.Shadow && !d.Allowed {
		t.shadowed.Add(1)
	}
}

func (t *tallies) of(origin int) DecisionCounts {
	c := &t.counts[origin]
	return DecisionCounts{c[0].Load(), c[1].Load(), c[2].Load()}
}

// Stats returns the gate's counts at this moment.
func (g *Gate) Stats() Stats {
	k, t := g.cache.Stats(), &g.tallies
	s := Stats{
		Fresh: t.of(0), Stale: t.of(1), Fallback: t.of(2), Offline: t.of(3), Early: t.of(4), Shadowed: t.shadowed.Load(),
		Loads: k.Reads, LoadsFailed: k.Failed, Waited: k.Waited, Refreshing: k.Refreshing,
		Customers: k.Keys, Books: g.ledger.Len(), BrokenUntil: k.BrokenUntil, Live: k.Live,
	}
	if g.queue != nil {
		q := g.queue.Stats()
		s.Queued, s.Open, s.Oldest = q.Queued, q.Reserved, q.Oldest
		s.Acknowledged, s.Refused, s.Retries, s.Unkept = q.Acknowledged, q.Refused, q.Retries, q.Unkept
	}
	return s
}

// DegradedError says what a gate goes without while it serves on.
type DegradedError struct {
	// Problems are for a person to read; none holds anything of a customer's.
	Problems []string
}

func (e *DegradedError) Error() string { return "gate: degraded: " + strings.Join(e.Problems, "; ") }

// Ready is for a readiness probe. It is nil if all is well, and a *DegradedError if the
// gate serves on without something: keep the process in service, and look. Any other
// error means that requests are refused for a reason of this process's own, and the probe
// should fail: ErrClosed, ErrQueueFull, an *OutboxError; or ctx has ended.
//
// It asks nothing of Stigg: an outage of Stigg is no reason to restart anything.
func (g *Gate) Ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if g.closing.Load() {
		return ErrClosed
	}
	if q := g.queue; q != nil {
		if err := q.Ready(); err != nil {
			return ofQueue(err)
		}
		if q.Stats().Places <= 0 {
			return ErrQueueFull
		}
	}
	if problems := g.problems(); len(problems) > 0 {
		return &DegradedError{problems}
	}
	return nil
}

func (g *Gate) problems() (problems []string) {
	add := func(is bool, problem string) {
		if is {
			problems = append(problems, problem)
		}
	}
	k := g.cache.Stats()
	add(k.Down, "entitlements can't be read from Stigg")
	add(k.Lost, "changes in Stigg are not told as they happen any more")
	if g.queue != nil {
		h := g.queue.Health()
		add(h.Failing, "usage can't be reported to Stigg and waits")
		add(h.Refusing, "Stigg refuses usage for good, and it is set aside")
		add(h.Unkept, "the outbox does not keep usage, and a crash loses it")
	}
	return problems
}
