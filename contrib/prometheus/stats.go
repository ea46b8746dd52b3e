package gateprometheus

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stiggate/gate"
)

// figure is a metric that is one of the gate's Stats.
type figure struct {
	desc  *prometheus.Desc
	typ   prometheus.ValueType
	value func(gate.Stats) float64
}

func counter(name, help string, of func(gate.Stats) uint64) figure {
	return figure{prometheus.NewDesc(name, help, nil, nil), prometheus.CounterValue, func(s gate.Stats) float64 { return float64(of(s)) }}
}

func gauge(name, help string, of func(gate.Stats) float64) figure {
	return figure{prometheus.NewDesc(name, help, nil, nil), prometheus.GaugeValue, of}
}

var figures = []figure{
	counter("gate_decisions_waited_total", "Decisions that waited for a read or an acknowledgement.", func(s gate.Stats) uint64 { return s.Waited }),
	counter("gate_decisions_too_slow_total", "Requests that gave up waiting for a customer's first read.", func(s gate.Stats) uint64 { return s.TooSlow }),
	counter("gate_decisions_over_budget_total", "Requests refused since their customer asks for too many resources that have nothing.", func(s gate.Stats) uint64 { return s.OverBudget }),
	counter("gate_reads_total", "Reads of entitlements that were begun.", func(s gate.Stats) uint64 { return s.Loads }),
	counter("gate_reads_failed_total", "Reads of entitlements that brought nothing.", func(s gate.Stats) uint64 { return s.LoadsFailed }),
	counter("gate_usage_delivered_total", "Usages that Stigg acknowledged.", func(s gate.Stats) uint64 { return s.Acknowledged }),
	counter("gate_usage_refused_total", "Usages that Stigg refused for good.", func(s gate.Stats) uint64 { return s.Refused }),
	counter("gate_usage_unkept_total", "Usages that the outbox did not keep.", func(s gate.Stats) uint64 { return s.Unkept }),
	counter("gate_delivery_retries_total", "Attempts to deliver usage that failed.", func(s gate.Stats) uint64 { return s.Retries }),
	counter("gate_fleet_calls_total", "States of accounts that the store of the fleet was told.", func(s gate.Stats) uint64 { return s.Fleet.Calls }),
	counter("gate_fleet_granted_total", "Those by which it gave units.", func(s gate.Stats) uint64 { return s.Fleet.Granted }),
	counter("gate_fleet_refused_total", "Those by which it did not give what was needed.", func(s gate.Stats) uint64 { return s.Fleet.Refused }),
	counter("gate_fleet_failed_total", "Those that it did not answer in time.", func(s gate.Stats) uint64 { return s.Fleet.Failed }),
	counter("gate_fleet_recalled_total", "Requests of other replicas to give back what is in hand.", func(s gate.Stats) uint64 { return s.Fleet.Recalled }),
	counter("gate_fleet_lost_total", "Answers by which the store had lost something.", func(s gate.Stats) uint64 { return s.Fleet.Lost }),
	counter("gate_fleet_dropped_total", "Answers by which this replica was taken for dead.", func(s gate.Stats) uint64 { return s.Fleet.Dropped }),

	gauge("gate_reads_running", "Reads under way.", func(s gate.Stats) float64 { return float64(s.Loading) }),
	gauge("gate_reads_waiting", "Reads that wait for their turn.", func(s gate.Stats) float64 { return float64(s.Waiting) }),
	gauge("gate_refreshes_waiting", "Stale customers that wait to be read again.", func(s gate.Stats) float64 { return float64(s.Refreshing) }),
	gauge("gate_customers_cached", "Customers and resources whose entitlements are cached.", func(s gate.Stats) float64 { return float64(s.Customers) }),
	gauge("gate_customers_tracked", "Customers and resources whose usage is kept track of.", func(s gate.Stats) float64 { return float64(s.Books) }),
	gauge("gate_queue_length", "Usages that Stigg has not acknowledged.", func(s gate.Stats) float64 { return float64(s.Queued) }),
	gauge("gate_queue_bytes", "What the queue of usage takes in memory.", func(s gate.Stats) float64 { return float64(s.QueuedBytes) }),
	gauge("gate_queue_oldest_age_seconds", "How long ago the oldest usage of the queue was made; 0 if none waits.", func(s gate.Stats) float64 {
		if s.Oldest.IsZero() {
			return 0
		}
		return max(0, time.Since(s.Oldest).Seconds())
	}),
	gauge("gate_tickets_open", "Usages that running requests may report.", func(s gate.Stats) float64 { return float64(s.Open) }),
	gauge("gate_outbox_pending", "Usages in the outbox that wait to be delivered.", func(s gate.Stats) float64 { return float64(s.Outbox.Pending) }),
	gauge("gate_outbox_set_aside", "Usages in the outbox that Stigg refused for good.", func(s gate.Stats) float64 { return float64(s.Outbox.SetAside) }),
	gauge("gate_outbox_bytes", "What the outbox takes of its bound.", func(s gate.Stats) float64 { return float64(s.Outbox.Bytes) }),
	gauge("gate_outbox_max_bytes", "The bound of the outbox; 0 without one.", func(s gate.Stats) float64 { return float64(s.Outbox.MaxBytes) }),
	gauge("gate_outbox_sync_seconds", "How long the outbox's last write to the disk took.", func(s gate.Stats) float64 { return s.Outbox.Sync.Seconds() }),
	gauge("gate_outbox_failing", "1 while the outbox keeps nothing.", func(s gate.Stats) float64 { return is(s.Outbox.Err != nil) }),
	gauge("gate_breaker_open", "1 while Stigg is not asked, since it fails.", func(s gate.Stats) float64 { return is(s.BrokenUntil.After(time.Now())) }),
	gauge("gate_fleet_down", "1 while the store of the fleet can't be asked.", func(s gate.Stats) float64 { return is(s.Fleet.Down) }),
	gauge("gate_realtime_live", "1 while changes in Stigg are told as they happen.", func(s gate.Stats) float64 { return is(s.Live) }),
}

func is(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// How much the gate goes without, and each sentence of its Health, for people to read.
var (
	degraded        = prometheus.NewDesc("gate_degraded", "How many things the gate goes without while it serves; 0 if all is well.", nil, nil)
	degradedReasons = prometheus.NewDesc("gate_degraded_info", "1 for each thing that the gate goes without, in words.", []string{"what"}, nil)
)

// collect takes a gate's figures at this moment.
func collect(g *gate.Gate, to chan<- prometheus.Metric) {
	s := g.Stats()
	for _, f := range figures {
		to <- prometheus.MustNewConstMetric(f.desc, f.typ, f.value(s))
	}
	without := g.Health().Degraded
	to <- prometheus.MustNewConstMetric(degraded, prometheus.GaugeValue, float64(len(without)))
	for _, sentence := range without {
		to <- prometheus.MustNewConstMetric(degradedReasons, prometheus.GaugeValue, 1, sentence)
	}
}
