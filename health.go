package gate

import (
	"context"
	"errors"
	"time"

	"github.com/stiggate/gate/fleet"
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
	// TooSlow counts the requests that gave up waiting for the first read of a customer
	// (WithColdTimeout). OverBudget counts those that were refused since their customer had
	// too many resources read that have no entitlements.
	TooSlow, OverBudget uint64
	// Loading is the number of reads under way, Waiting the number of those that wait until
	// fewer are.
	Loading, Waiting int
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
	// QueuedBytes is what the queued take in memory (WithQueueBytes).
	QueuedBytes int
	// Acknowledged and Refused count usages that have left the queue; Retries the
	// attempts to deliver that failed.
	Acknowledged, Refused, Retries uint64
	// Unkept counts the usages that the outbox did not keep.
	Unkept uint64
	// Outbox is what the outbox holds, if there is one that tells (OutboxMeter).
	Outbox OutboxStats
	// BrokenUntil is until when Stigg is not asked, since it fails: the first read after
	// that shows whether it still does. Zero if it is asked.
	BrokenUntil time.Time
	// Live says that news arrive as they happen.
	Live bool
	// Fleet is this replica's part of WithFleet.
	Fleet fleet.Stats
}

// Stats returns the gate's counts at this moment.
func (g *Gate) Stats() Stats {
	k, of := g.cache.Stats(), func(o Origin) DecisionCounts { return DecisionCounts(g.counters.Of(string(o))) }
	s := Stats{
		Fresh: of(OriginFresh), Stale: of(OriginStale), Fallback: of(OriginFallback), Offline: of(OriginOffline), Early: of(""), Shadowed: g.counters.Shadowed(),
		Loads: k.Reads, LoadsFailed: k.Failed, Waited: k.Waited, Refreshing: k.Refreshing,
		TooSlow: k.TooSlow, OverBudget: k.OverBudget, Loading: k.UnderWay, Waiting: k.Waiting,
		Customers: k.Keys, Books: g.ledger.Len(), BrokenUntil: k.BrokenUntil, Live: k.Live, Fleet: g.fleet.Stats(),
	}
	if g.queue != nil {
		q := g.queue.Stats()
		s.Queued, s.QueuedBytes, s.Open, s.Oldest = q.Queued, q.Bytes, q.Reserved, q.Oldest
		s.Acknowledged, s.Refused, s.Retries, s.Unkept = q.Acknowledged, q.Refused, q.Retries, q.Unkept
	}
	if meter, ok := g.outbox.(OutboxMeter); ok {
		s.Outbox = meter.Stats()
	}
	return s
}

// Ready is for a readiness probe: nil while requests can be served, whatever else is amiss
// (Health). It is ErrClosed after Close; ErrUnauthorized for a minute after Stigg refused the
// API key, as long as nothing was ever read and no outage policy of the gate lets anybody
// in; or that ctx has ended.
//
// It asks nothing of Stigg, and an outage of Stigg makes no gate unready: all of them would
// be at the same time.
func (g *Gate) Ready(ctx context.Context) error {
	switch err := ctx.Err(); {
	case err != nil:
		return err
	case g.closer.Begun():
		return ErrClosed
	case !g.outage.Admits() && g.cache.key.Refused(g.now()):
		return ErrUnauthorized
	}
	return nil
}

// ErrUnauthorized is Ready's answer while Stigg refuses the API key and nothing is known.
var ErrUnauthorized = errors.New("gate: Stigg refuses the API key, and nothing was read before")

// Health tells what a gate goes without while it serves on.
type Health struct {
	// Degraded has a sentence for each thing, for people to read; none holds anything of a
	// customer's. It is empty if all is well.
	Degraded []string
}

// Health tells what the gate goes without at this moment. It asks nothing of Stigg.
func (g *Gate) Health() Health {
	h := Health{append(g.cache.Degraded(), g.fleet.Degraded()...)}
	if g.observers.Hang() {
		h.Degraded = append(h.Degraded, "a function of an observer does not return, and is not called meanwhile")
	}
	if g.queue != nil {
		h.Degraded = append(h.Degraded, g.queue.Degraded()...)
	}
	return h
}
