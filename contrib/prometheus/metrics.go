package gateprometheus

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/internal/counters"
	"github.com/stiggate/gate/internal/option"
)

// Metrics are those of one gate. Make it with [New], give its [Metrics.Observer] to gate.New,
// tell it of the gate by [Metrics.Watch], and register it: it is a prometheus.Collector. An app of
// several gates makes one for each and registers it through prometheus.WrapRegistererWith.
// It needs no closing.
type Metrics struct {
	gate    atomic.Pointer[gate.Gate]
	traceID func(context.Context) string

	decisions  *prometheus.CounterVec
	waits      *prometheus.HistogramVec
	handlers   *prometheus.HistogramVec
	reads      *prometheus.HistogramVec
	deliveries *prometheus.HistogramVec
	all        []prometheus.Collector

	codes, features, routes counters.Labels
}

// Option changes Metrics at New.
type Option func(*Metrics)

// WithTraceID adds exemplars: f is the id of the trace that a context is a part of, empty where
// there is none. With OpenTelemetry:
//
//	func(ctx context.Context) string {
//		if s := trace.SpanContextFromContext(ctx); s.IsSampled() {
//			return s.TraceID().String()
//		}
//		return ""
//	}
//
// Exemplars are in the OpenMetrics format only (promhttp.HandlerOpts.EnableOpenMetrics). An id of
// more than 64 bytes is left out. It panics if f is nil.
func WithTraceID(f func(context.Context) string) Option {
	option.Must("gateprometheus", "function of WithTraceID", f)
	return func(m *Metrics) { m.traceID = f }
}

// The buckets, in seconds. A wait of 0 is a bucket of its own: what was decided at once.
var (
	waitBuckets    = []float64{0, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5}
	requestBuckets = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}
)

// New makes the metrics of one gate.
func New(opts ...Option) *Metrics {
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	}
	m := &Metrics{
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gate_decisions_total", Help: "Decisions, by what became of the request.",
		}, []string{"outcome", "code", "feature", "origin", "route", "method"}),
		waits:      histogram("gate_decision_wait_seconds", "How long decisions waited for Stigg, 0 where what is cached decided.", waitBuckets, "outcome"),
		handlers:   histogram("gate_handler_seconds", "How long requests whose policies report usage took, from admission to the handler's end.", requestBuckets, "route", "method", "status"),
		reads:      histogram("gate_read_seconds", "How long reads of a customer's entitlements took.", requestBuckets, "outcome"),
		deliveries: histogram("gate_delivery_seconds", "How long attempts to deliver a batch of usage took.", requestBuckets, "kind", "outcome"),
	}
	m.all = []prometheus.Collector{m.decisions, m.waits, m.handlers, m.reads, m.deliveries}
	for _, opt := range opts {
		option.Must("gateprometheus", "option", opt)
		opt(m)
	}
	return m
}

// ErrWatching is Watch's answer if a gate is watched already.
var ErrWatching = errors.New("gateprometheus: these metrics are another gate's already; make others with New")

// ErrNoGate is what a scrape fails with before Watch.
var ErrNoGate = errors.New("gateprometheus: these metrics have no gate: call Watch")

// Watch tells of the gate, which has these metrics' Observer.
func (m *Metrics) Watch(g *gate.Gate) error {
	if g == nil {
		return errors.New("gateprometheus: the gate is nil")
	}
	if !m.gate.CompareAndSwap(nil, g) {
		return ErrWatching
	}
	return nil
}

// Describe is a prometheus.Collector's.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	for _, c := range m.all {
		c.Describe(to)
	}
	for _, s := range figures {
		to <- s.desc
	}
	to <- degraded
	to <- degradedReasons
}

// Collect is a prometheus.Collector's. It asks nothing of Stigg.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	g := m.gate.Load()
	if g == nil {
		to <- prometheus.NewInvalidMetric(degraded, ErrNoGate)
		return
	}
	for _, c := range m.all {
		c.Collect(to)
	}
	collect(g, to)
}
