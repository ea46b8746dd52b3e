package gateotel

import (
	"errors"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/stiggate/gate"
	count "github.com/stiggate/gate/internal/counters"
	"github.com/stiggate/gate/internal/option"
)

const scope = "github.com/stiggate/gate/contrib/otel"

// Telemetry is that of one gate. Make it with [New], give its [Telemetry.Observer] to gate.New, tell
// it of the gate by [Telemetry.Watch], and close it when the gate is closed.
type Telemetry struct {
	meter  metric.Meter
	tracer trace.Tracer

	decisions  metric.Int64Counter
	waits      metric.Float64Histogram
	handlers   metric.Float64Histogram
	reads      metric.Float64Histogram
	deliveries metric.Float64Histogram

	codes, features, routes count.Labels

	mu       sync.Mutex
	watching metric.Registration
}

// Option changes a Telemetry at New.
type Option func(*Telemetry)

// WithMeterProvider makes the instruments of p instead of the global provider's. It panics if p is nil.
func WithMeterProvider(p metric.MeterProvider) Option {
	option.Must("gateotel", "meter provider", p)
	return func(t *Telemetry) { t.meter = p.Meter(scope) }
}

// WithTracerProvider makes the spans by p instead of the global provider. It panics if p is nil.
func WithTracerProvider(p trace.TracerProvider) Option {
	option.Must("gateotel", "tracer provider", p)
	return func(t *Telemetry) { t.tracer = p.Tracer(scope) }
}

// New makes the instruments; the error is the provider's.
func New(opts ...Option) (*Telemetry, error) {
	t := &Telemetry{meter: otel.Meter(scope), tracer: otel.Tracer(scope)}
	for _, opt := range opts {
		option.Must("gateotel", "option", opt)
		opt(t)
	}
	var errs [5]error
	seconds := func(name, what string, err *error) (h metric.Float64Histogram) {
		h, *err = t.meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(what),
			metric.WithExplicitBucketBoundaries(0, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30))
		return h
	}
	t.decisions, errs[0] = t.meter.Int64Counter("gate.decisions", metric.WithUnit("{decision}"), metric.WithDescription("Decisions, by what became of the request."))
	t.waits = seconds("gate.decision.wait", "How long decisions waited for Stigg, 0 where what is cached decided.", &errs[1])
	t.handlers = seconds("gate.handler.duration", "How long requests whose policies report usage took.", &errs[2])
	t.reads = seconds("gate.read.duration", "How long reads of a customer's entitlements took.", &errs[3])
	t.deliveries = seconds("gate.delivery.duration", "How long attempts to deliver a batch of usage took.", &errs[4])
	return t, errors.Join(errs[:]...)
}

// ErrWatching is Watch's answer if a gate is watched already.
var ErrWatching = errors.New("gateotel: this telemetry is another gate's already; make another with New")

// Watch observes what g counts, which has this Telemetry's Observer, until Close.
func (t *Telemetry) Watch(g *gate.Gate) error {
	if g == nil {
		return errors.New("gateotel: the gate is nil")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.watching != nil {
		return ErrWatching
	}
	registration, err := observe(t.meter, g)
	if err == nil {
		t.watching = registration
	}
	return err
}

// Close ends Watch.
func (t *Telemetry) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.watching == nil {
		return nil
	}
	registration := t.watching
	t.watching = nil
	return registration.Unregister()
}
