package gateotel

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/stiggate/gate"
)

// figure is an instrument of one of the gate's Stats.
type figure struct {
	name, unit, what string
	of               func(gate.Stats) int64
}

var counters = []figure{
	{"gate.decisions.waited", "{decision}", "Decisions that waited for Stigg.", func(s gate.Stats) int64 { return int64(s.Waited) }},
	{"gate.decisions.too_slow", "{decision}", "Requests that gave up waiting for a customer's first read.", func(s gate.Stats) int64 { return int64(s.TooSlow) }},
	{"gate.reads", "{read}", "Reads of entitlements that were begun.", func(s gate.Stats) int64 { return int64(s.Loads) }},
	{"gate.reads.failed", "{read}", "Reads that brought nothing.", func(s gate.Stats) int64 { return int64(s.LoadsFailed) }},
	{"gate.usage.delivered", "{usage}", "Usages that Stigg acknowledged.", func(s gate.Stats) int64 { return int64(s.Acknowledged) }},
	{"gate.usage.refused", "{usage}", "Usages that Stigg refused for good.", func(s gate.Stats) int64 { return int64(s.Refused) }},
	{"gate.usage.unkept", "{usage}", "Usages that the outbox did not keep.", func(s gate.Stats) int64 { return int64(s.Unkept) }},
	{"gate.delivery.retries", "{attempt}", "Attempts to deliver usage that failed.", func(s gate.Stats) int64 { return int64(s.Retries) }},
	{"gate.fleet.calls", "{call}", "States of accounts that the store of the fleet was told.", func(s gate.Stats) int64 { return int64(s.Fleet.Calls) }},
	{"gate.fleet.granted", "{call}", "Those by which it gave units.", func(s gate.Stats) int64 { return int64(s.Fleet.Granted) }},
	{"gate.fleet.refused", "{call}", "Those by which it did not give what was needed.", func(s gate.Stats) int64 { return int64(s.Fleet.Refused) }},
	{"gate.fleet.failed", "{call}", "Those that it did not answer in time.", func(s gate.Stats) int64 { return int64(s.Fleet.Failed) }},
	{"gate.fleet.recalled", "{recall}", "Requests of other replicas to give back what is in hand.", func(s gate.Stats) int64 { return int64(s.Fleet.Recalled) }},
	{"gate.fleet.lost", "{call}", "Answers by which the store had lost something.", func(s gate.Stats) int64 { return int64(s.Fleet.Lost) }},
	{"gate.fleet.dropped", "{call}", "Answers by which this replica was taken for dead.", func(s gate.Stats) int64 { return int64(s.Fleet.Dropped) }},
}

var gauges = []figure{
	{"gate.customers.cached", "{customer}", "Customers whose entitlements are cached.", func(s gate.Stats) int64 { return int64(s.Customers) }},
	{"gate.reads.running", "{read}", "Reads under way.", func(s gate.Stats) int64 { return int64(s.Loading) }},
	{"gate.queue.length", "{usage}", "Usages that are not acknowledged.", func(s gate.Stats) int64 { return int64(s.Queued) }},
	{"gate.queue.size", "By", "What the queue of usage takes in memory.", func(s gate.Stats) int64 { return int64(s.QueuedBytes) }},
	{"gate.tickets.open", "{usage}", "Usages that running requests may report.", func(s gate.Stats) int64 { return int64(s.Open) }},
	{"gate.outbox.pending", "{usage}", "Usages in the outbox that wait to be delivered.", func(s gate.Stats) int64 { return int64(s.Outbox.Pending) }},
	{"gate.outbox.set_aside", "{usage}", "Usages in the outbox that Stigg refused for good.", func(s gate.Stats) int64 { return int64(s.Outbox.SetAside) }},
	{"gate.outbox.size", "By", "What the outbox takes of its bound.", func(s gate.Stats) int64 { return s.Outbox.Bytes }},
	{"gate.outbox.limit", "By", "The bound of the outbox, 0 without one.", func(s gate.Stats) int64 { return s.Outbox.MaxBytes }},
	{"gate.outbox.sync.duration", "us", "How long the outbox's last write to the disk took.", func(s gate.Stats) int64 { return s.Outbox.Sync.Microseconds() }},
	{"gate.outbox.failing", "1", "1 while the outbox keeps nothing.", func(s gate.Stats) int64 { return is(s.Outbox.Err != nil) }},
	{"gate.breaker.open", "1", "1 while Stigg is not asked, since it fails.", func(s gate.Stats) int64 { return is(s.BrokenUntil.After(time.Now())) }},
	{"gate.fleet.down", "1", "1 while the store of the fleet can't be asked.", func(s gate.Stats) int64 { return is(s.Fleet.Down) }},
	{"gate.realtime.live", "1", "1 while changes in Stigg are told as they happen.", func(s gate.Stats) int64 { return is(s.Live) }},
}

func is(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// observe has the figures taken at each collection, all of one moment.
func observe(m metric.Meter, g *gate.Gate) (metric.Registration, error) {
	var all []metric.Observable
	var tell []func(metric.Observer, gate.Stats)
	var errs []error
	add := func(i metric.Int64Observable, err error, f figure) {
		errs, all = append(errs, err), append(all, i)
		tell = append(tell, func(o metric.Observer, s gate.Stats) { o.ObserveInt64(i, f.of(s)) })
	}
	for _, f := range counters {
		i, err := m.Int64ObservableCounter(f.name, metric.WithUnit(f.unit), metric.WithDescription(f.what))
		add(i, err, f)
	}
	for _, f := range gauges {
		i, err := m.Int64ObservableGauge(f.name, metric.WithUnit(f.unit), metric.WithDescription(f.what))
		add(i, err, f)
	}
	degraded, err := m.Int64ObservableGauge("gate.degraded", metric.WithUnit("1"), metric.WithDescription("How many things the gate goes without."))
	age, ageErr := m.Float64ObservableGauge("gate.queue.oldest.age", metric.WithUnit("s"), metric.WithDescription("Age of the oldest usage of the queue, 0 if none waits."))
	if err := errors.Join(append(errs, err, ageErr)...); err != nil {
		return nil, err
	}
	return m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := g.Stats()
		for _, f := range tell {
			f(o, s)
		}
		o.ObserveInt64(degraded, int64(len(g.Health().Degraded)))
		var old time.Duration
		if !s.Oldest.IsZero() {
			old = max(0, time.Since(s.Oldest))
		}
		o.ObserveFloat64(age, old.Seconds())
		return nil
	}, append(all, degraded, age)...)
}
