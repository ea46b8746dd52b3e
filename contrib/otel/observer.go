package gateotel

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/stiggate/gate"
)

// Observer is for gate.WithObserver.
func (t *Telemetry) Observer() gate.Observer {
	return gate.Observer{Decided: t.decided, Settled: t.settled, Reading: t.reading, Read: t.read, Waited: t.waited, Delivered: t.delivered}
}

func (t *Telemetry) decided(ctx context.Context, d gate.Decision) {
	outcome := attribute.String("gate.outcome", outcomeOf(d))
	attrs := func(code, feature, route string) []attribute.KeyValue {
		return []attribute.KeyValue{
			outcome, attribute.String("gate.code", code), attribute.String("gate.feature.id", feature), attribute.String("gate.origin", string(d.Origin)),
			attribute.String("http.route", route), attribute.String("http.request.method", method(d)),
		}
	}
	t.decisions.Add(ctx, 1, metric.WithAttributes(attrs(t.codes.Of(d.Code), t.features.Of(d.FeatureID), t.routes.Of(d.Route))...))
	t.waits.Record(ctx, d.Waited.Seconds(), metric.WithAttributes(outcome))
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	about := append(attrs(d.Code, d.FeatureID, d.Route), attribute.Float64("gate.waited", d.Waited.Seconds()))
	if d.Instance != "" {
		about = append(about, attribute.String("gate.instance", d.Instance))
	}
	span.AddEvent("gate.decision", trace.WithAttributes(about...))
	if d.Waited > 0 {
		now := time.Now()
		_, wait := t.tracer.Start(ctx, "gate.wait", trace.WithTimestamp(now.Add(-d.Waited)), trace.WithAttributes(outcome))
		wait.End(trace.WithTimestamp(now))
	}
}

func (t *Telemetry) settled(ctx context.Context, d gate.Decision, o gate.Outcome, _ []gate.Usage) {
	t.handlers.Record(ctx, o.Duration.Seconds(), metric.WithAttributes(
		attribute.String("http.route", t.routes.Of(d.Route)), attribute.String("http.request.method", method(d)), attribute.Int("http.response.status_code", o.Status)))
}

// readSpan is the key of this Telemetry's span in the context of a read.
type readSpan struct{ *Telemetry }

// reading begins the span of a read, in a trace of its own. The client's spans are its children.
func (t *Telemetry) reading(ctx context.Context) context.Context {
	ctx, span := t.tracer.Start(ctx, "gate.read")
	return context.WithValue(ctx, readSpan{t}, span)
}

func (t *Telemetry) spanOf(read context.Context) trace.Span {
	if span, ok := read.Value(readSpan{t}).(trace.Span); ok {
		return span
	}
	return trace.SpanFromContext(context.Background()) // reading was left out: a span that does nothing
}

func (t *Telemetry) read(ctx context.Context, took time.Duration, err error) {
	t.reads.Record(ctx, took.Seconds(), metric.WithAttributes(attribute.String("gate.outcome", failure(err))))
	end(t.spanOf(ctx), err)
}

// waited links the request's span to that of the read, which has mostly ended by now.
func (t *Telemetry) waited(ctx, read context.Context) {
	if of := t.spanOf(read).SpanContext(); of.IsValid() {
		trace.SpanFromContext(ctx).AddLink(trace.Link{SpanContext: of})
	}
}

func (t *Telemetry) delivered(batch []gate.Usage, took time.Duration, err error) {
	kind := attribute.String("gate.usage.kind", kindOf(batch))
	ctx := t.span("gate.deliver", took, err, kind, attribute.Int("gate.usage.count", len(batch)))
	t.deliveries.Record(ctx, took.Seconds(), metric.WithAttributes(kind, attribute.String("gate.outcome", failure(err))))
}

// span is one of a trace of its own that ends now; the context is for exemplars.
func (t *Telemetry) span(name string, took time.Duration, err error, attrs ...attribute.KeyValue) context.Context {
	now := time.Now()
	ctx, span := t.tracer.Start(context.Background(), name, trace.WithTimestamp(now.Add(-took)), trace.WithAttributes(attrs...))
	end(span, err, trace.WithTimestamp(now))
	return ctx
}

// end ends a span by what became of what it spans.
func end(span trace.Span, err error, opts ...trace.SpanEndOption) {
	span.SetAttributes(attribute.String("gate.outcome", failure(err)))
	if err != nil {
		span.SetStatus(codes.Error, failure(err)) // not the error's text, which a Source of the app's may have made
	}
	span.End(opts...)
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

// method is the request's, or what the conventions say of one that a client made up.
func method(d gate.Decision) string {
	registered := [...]string{"", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "QUERY"}
	if slices.Contains(registered[:], d.Method) {
		return d.Method
	}
	return "_OTHER"
}

// kindOf is what a batch is: usage (changes and totals), events or credits.
func kindOf(batch []gate.Usage) string {
	if len(batch) > 0 {
		switch batch[0].Kind {
		case gate.UsageEvent:
			return "event"
		case gate.UsageCredits:
			return "credits"
		}
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
