package gateotel

import (
	"net/http"
	"net/url"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// operation is the header that names a GraphQL operation of package client's.
const operation = "X-Graphql-Operation-Name"

// Transport is for client.WithHTTPClient: a span for each request to Stigg, named after its
// operation. base sends them; nil is a transport like http.DefaultTransport whose HTTP/2
// connections are pinged and which asks no proxy for what goes by http, as the client's own are. The realtime connection has no span, since it
// lasts for hours, and no trace context is sent to Stigg. More options are otelhttp's.
func Transport(base http.RoundTripper, opts ...otelhttp.Option) http.RoundTripper {
	if base == nil {
		base = pinged()
	}
	return otelhttp.NewTransport(named{base}, append([]otelhttp.Option{
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string {
			if name := r.Header.Get(operation); name != "" {
				return name
			}
			return r.Method
		}),
		otelhttp.WithFilter(func(r *http.Request) bool { return r.Header.Get("Upgrade") == "" }),
		otelhttp.WithPropagators(propagation.NewCompositeTextMapPropagator()),
	}, opts...)...)
}

// named notes the operation on the request's span.
type named struct{ base http.RoundTripper }

func (n named) RoundTrip(r *http.Request) (*http.Response, error) {
	if name := r.Header.Get(operation); name != "" {
		trace.SpanFromContext(r.Context()).SetAttributes(attribute.String("graphql.operation.name", name))
	}
	return n.base.RoundTrip(r)
}

func pinged() http.RoundTripper {
	base, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	t := base.Clone()
	if t.HTTP2 == nil {
		t.HTTP2 = &http.HTTP2Config{}
	}
	if t.HTTP2.SendPingTimeout == 0 {
		t.HTTP2.SendPingTimeout, t.HTTP2.PingTimeout = 5e9, 5e9
	}
	if proxy := t.Proxy; proxy != nil {
		t.Proxy = func(r *http.Request) (*url.URL, error) {
			if r.URL.Scheme == "http" { // the key would be read on the way
				return nil, nil //nolint:nilnil // no proxy
			}
			return proxy(r)
		}
	}
	return t
}
