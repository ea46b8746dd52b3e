package gateprometheus

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stiggate/gate"
)

// Observer is for gate.WithObserver. What it is told costs well under a microsecond.
func (m *Metrics) Observer() gate.Observer {
	return gate.Observer{Decided: m.decided, Settled: m.settled, Read: m.read, Delivered: m.delivered}
}

func (m *Metrics) decided(ctx context.Context, d gate.Decision) {
	outcome, with := outcomeOf(d), m.exemplar(ctx)
	count := m.decisions.WithLabelValues(outcome, m.codes.Of(d.Code), m.features.Of(d.FeatureID), string(d.Origin), m.routes.Of(d.Route), method(d))
	wait := m.waits.WithLabelValues(outcome)
	if with == nil {
		count.Inc()
		wait.Observe(d.Waited.Seconds())
		return
	}
	count.(prometheus.ExemplarAdder).AddWithExemplar(1, with)                        //nolint:forcetypeassert // a Counter is one
	wait.(prometheus.ExemplarObserver).ObserveWithExemplar(d.Waited.Seconds(), with) //nolint:forcetypeassert // a Histogram is one
}

func (m *Metrics) settled(ctx context.Context, d gate.Decision, o gate.Outcome, _ []gate.Usage) {
	took := m.handlers.WithLabelValues(m.routes.Of(d.Route), method(d), statusOf(o))
	if with := m.exemplar(ctx); with != nil {
		took.(prometheus.ExemplarObserver).ObserveWithExemplar(o.Duration.Seconds(), with) //nolint:forcetypeassert // a Histogram is one
		return
	}
	took.Observe(o.Duration.Seconds())
}

func (m *Metrics) read(_ context.Context, took time.Duration, err error) {
	m.reads.WithLabelValues(failure(err)).Observe(took.Seconds())
}

func (m *Metrics) delivered(batch []gate.Usage, took time.Duration, err error) {
	m.deliveries.WithLabelValues(kindOf(batch), failure(err)).Observe(took.Seconds())
}

// exemplar is the trace of a context, or nil.
func (m *Metrics) exemplar(ctx context.Context) prometheus.Labels {
	const most = 64 // prometheus panics at labels of more than 128 in all
	if m.traceID == nil {
		return nil
	}
	id := m.traceID(ctx)
	if id == "" || len(id) > most {
		return nil
	}
	return prometheus.Labels{"trace_id": id}
}

// outcomeOf is what became of the request.
func outcomeOf(d gate.Decision) string {
	switch {
	case d.Allowed:
		return "allowed"
	case d.Shadow:
		return "shadowed"
	case d.Reason == gate.ReasonUnavailable:
		return "unavailable"
	}
	return "denied"
}

// method is the request's; a client may make one up.
func method(d gate.Decision) string {
	registered := [...]string{"", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "QUERY"}
	if slices.Contains(registered[:], d.Method) {
		return d.Method
	}
	return "other"
}

// statusOf is the class of what was answered, such as 2xx; "none" if nothing was.
func statusOf(o gate.Outcome) string {
	if o.Status < 100 || o.Status > 999 {
		return "none"
	}
	return strconv.Itoa(o.Status/100) + "xx"
}

// kindOf is what a batch is: usage (changes and totals), events or credits.
func kindOf(batch []gate.Usage) string {
	if len(batch) == 0 {
		return "usage"
	}
	switch batch[0].Kind {
	case gate.UsageEvent:
		return "event"
	case gate.UsageCredits:
		return "credits"
	}
	return "usage"
}

// failure is the kind of an error, or ok.
func failure(err error) string {
	var e *gate.UpstreamError
	switch {
	case err == nil:
		return "ok"
	case !errors.As(err, &e):
		return gate.UpstreamDown.String()
	case e.Kind == gate.UpstreamRefusedAll:
		return gate.UpstreamRefused.String()
	}
	return e.Kind.String()
}
