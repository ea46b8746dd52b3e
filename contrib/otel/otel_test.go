package gateotel_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	gateotel "github.com/stiggate/gate/contrib/otel"
	"github.com/stiggate/gate/emulator"
	"github.com/stiggate/gate/identity"
	"github.com/stiggate/gate/nethttp"
)

const customer = "customer-demo-01"

// holdThePage holds the table of docs/metrics.md against the instruments, both ways.
func holdThePage(t *testing.T, instruments []string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "\n| instrument |")
	table, _, _ = strings.Cut(table, "\n\n")
	var named []string
	for _, row := range strings.Split(table, "\n") {
		first, _, _ := strings.Cut(strings.TrimPrefix(row, "|"), "|")
		for _, m := range regexp.MustCompile("`(gate\\.[a-z_.]+)`").FindAllStringSubmatch(first, -1) {
			named = append(named, m[1])
		}
	}
	var gates []string
	for _, name := range instruments {
		if strings.HasPrefix(name, "gate.") {
			gates = append(gates, name)
		}
	}
	slices.Sort(named)
	slices.Sort(gates)
	if !slices.Equal(named, gates) {
		t.Errorf("docs/metrics.md has %q, and a gate tells %q", named, gates)
	}
}

// TestAGateOverTheEmulatorIsTold sends a request that is let in and one that is refused, each in
// a trace, and reads back what was measured and traced.
func TestAGateOverTheEmulatorIsTold(t *testing.T) {
	reader, spans := sdkmetric.NewManualReader(), tracetest.NewSpanRecorder()
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	stigg, err := emulator.Start("127.0.0.1:0", emulator.WithKey("key"))
	if err != nil {
		t.Fatal(err)
	}
	defer stigg.Close()
	transport := gateotel.Transport(nil, otelhttp.WithTracerProvider(tracers), otelhttp.WithMeterProvider(meters))
	source, err := client.New("key", client.WithEndpoint(stigg.URL()+"/graphql"), client.WithHTTPClient(&http.Client{Transport: transport}))
	if err != nil {
		t.Fatal(err)
	}
	tel, err := gateotel.New(gateotel.WithMeterProvider(meters), gateotel.WithTracerProvider(tracers))
	if err != nil {
		t.Fatal(err)
	}
	g, err := gate.New(source, identity.FromTrustedHeader("X-Customer-ID", ""), gate.WithObserver(tel.Observer()))
	if err != nil {
		t.Fatal(err)
	}
	if tel.Watch(nil) == nil {
		t.Error("no gate is taken for one")
	}
	if err := tel.Watch(g); err != nil {
		t.Fatal(err)
	}
	if err := tel.Watch(g); !errors.Is(err, gateotel.ErrWatching) {
		t.Errorf("a second Watch: %v", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/templates/{id}", nethttp.Require(g, gate.Feature("feature-01-templates").Uses(2))(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	for _, method := range []string{"POST", "BREW"} {
		ctx, span := tracers.Tracer("test").Start(t.Context(), "request "+method)
		r := httptest.NewRequest(method, "/templates/secret-path", nil).WithContext(ctx)
		r.Header.Set("X-Customer-ID", customer)
		mux.ServeHTTP(httptest.NewRecorder(), r)
		span.End()
	}
	if err := g.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var told metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &told); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range told.ScopeMetrics {
		for _, m := range s.Metrics {
			names = append(names, m.Name)
		}
	}
	holdThePage(t, names)
	ended := spans.Ended()
	find := func(name string) sdktrace.ReadOnlySpan {
		for _, s := range ended {
			if s.Name() == name {
				return s
			}
		}
		t.Fatalf("no span %q", name)
		return nil
	}
	request, refused, wait := find("request POST"), find("request BREW"), find("gate.wait")
	if wait.Parent().SpanID() != request.SpanContext().SpanID() {
		t.Error("the wait is not the request's")
	}
	if events := fmt.Sprint(request.Events()); !strings.Contains(events, "gate.decision") || !strings.Contains(events, "allowed") {
		t.Errorf("the request has the events %s", events)
	}
	if events := fmt.Sprint(refused.Events()); !strings.Contains(events, "usage_limit_exceeded") || !strings.Contains(events, "_OTHER") {
		t.Errorf("the refused request has the events %s", events)
	}
	read := find("gate.read").SpanContext()
	find("gate.deliver")
	if links := request.Links(); len(links) != 1 || links[0].SpanContext.SpanID() != read.SpanID() {
		t.Errorf("the request that waited has the links %v, and the read is %s", links, read.SpanID())
	}
	if parent := find("GetEntitlementsState").Parent(); parent.SpanID() != read.SpanID() || parent.TraceID() == request.SpanContext().TraceID() {
		t.Errorf("the client's call has the parent %v, and the read is %v", parent, read)
	}
	if call := find("GetEntitlementsState"); !strings.Contains(fmt.Sprint(call.Attributes()), "graphql.operation.name") {
		t.Errorf("the client's span has %v", call.Attributes())
	}
	text := fmt.Sprintf("%+v", told.ScopeMetrics)
	for _, s := range ended {
		text += fmt.Sprint(s.Name(), s.Attributes(), s.Events())
	}
	for _, never := range []string{customer, "secret-path"} {
		if strings.Contains(text, never) {
			t.Errorf("%q is told", never)
		}
	}
	if err := errors.Join(tel.Close(), tel.Close()); err != nil {
		t.Error(err)
	}
}

// slow is a Stigg that answers after a second, and fails for one customer.
type slow struct{}

func (slow) Entitlements(ctx context.Context, c gate.Customer) (gate.EntitlementSet, error) {
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
	}
	if c.ID == "unread" {
		return gate.EntitlementSet{}, errors.New(c.ID)
	}
	return gate.EntitlementSet{Features: []gate.Entitlement{{FeatureID: "sso", Granted: true}}}, nil
}

// TestRequestsAreLinkedToTheReadsThatTheyWaitFor: all that wait for one read to the same span, also
// who gives up, and who finds it cached to none.
func TestRequestsAreLinkedToTheReadsThatTheyWaitFor(t *testing.T) { synctest.Test(t, linked) }

func linked(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	var options []gate.Option
	for range 2 { // each links its own span
		tel, err := gateotel.New(gateotel.WithTracerProvider(tracers))
		if err != nil {
			t.Fatal(err)
		}
		options = append(options, gate.WithObserver(tel.Observer()))
	}
	g, err := gate.New(slow{}, identity.FromTrustedHeader("X-Customer-ID", ""), options...)
	if err != nil {
		t.Fatal(err)
	}
	check := func(name, customer string, patience time.Duration) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		ctx, span := tracers.Tracer("test").Start(ctx, name)
		defer span.End()
		g.Check(ctx, gate.Customer{ID: customer}, gate.Feature("sso"))
	}
	go check("first", customer, time.Minute)
	go check("second", customer, time.Minute)
	go check("impatient", customer, time.Millisecond)
	time.Sleep(2 * time.Second)
	check("cached", customer, time.Minute)
	check("failed", "unread", time.Minute)
	_ = g.Close(t.Context())

	reads, links := map[trace.SpanID]bool{}, map[string][]trace.SpanID{}
	for _, s := range spans.GetSpans() {
		if s.Name == "gate.read" {
			reads[s.SpanContext.SpanID()] = s.Status.Code == codes.Error
		}
		for _, link := range s.Links {
			links[s.Name] = append(links[s.Name], link.SpanContext.SpanID())
		}
	}
	if len(reads) != 4 {
		t.Fatalf("%d spans of reads, want two of each telemetry", len(reads))
	}
	for name, want := range map[string]int{"first": 2, "second": 2, "impatient": 2, "cached": 0, "failed": 2, "gate.read": 0} {
		if len(links[name]) != want {
			t.Errorf("%s has the links %v, want %d", name, links[name], want)
		}
		for _, to := range links[name] {
			if failed, ok := reads[to]; !ok || failed != (name == "failed") {
				t.Errorf("%s is linked to %s, which failed: %v; there are the reads %v", name, to, failed, reads)
			}
		}
	}
	if !slices.Equal(links["first"], links["second"]) || !slices.Equal(links["first"], links["impatient"]) || slices.Equal(links["first"], links["failed"]) {
		t.Errorf("the links are %v", links)
	}
}

// TestClientsMakeNoAttributesUp: an app may name a feature by what a request says, and gRPC's handler of
// unknown services has the routes that clients name.
func TestClientsMakeNoAttributesUp(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	tel, err := gateotel.New(gateotel.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithCardinalityLimit(0))))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5000 {
		tel.Observer().Decided(t.Context(), gate.Decision{FeatureID: fmt.Sprint("model-", i), Code: fmt.Sprint("code-", i), Route: fmt.Sprint("/", i)})
		tel.Observer().Settled(t.Context(), gate.Decision{Route: fmt.Sprint("/", i)}, gate.Outcome{Status: 200}, nil)
	}
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	for _, m := range all.ScopeMetrics[0].Metrics {
		n := 0
		switch data := m.Data.(type) {
		case metricdata.Sum[int64]:
			n = len(data.DataPoints)
		case metricdata.Histogram[float64]:
			n = len(data.DataPoints)
		}
		if n == 0 || n > 1001 {
			t.Errorf("%s has %d series", m.Name, n)
		}
	}
}

// TestNoProxyIsGivenTheKeyInTheClear: the system's settings exempt "localhost" alone from a proxy, as it
// is written, and not the other names of this machine.
func TestNoProxyIsGivenTheKeyInTheClear(t *testing.T) {
	var asked atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer proxy.Close()
	to, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	before := http.DefaultTransport
	defer func() { http.DefaultTransport = before }()
	system := http.DefaultTransport.(*http.Transport).Clone()
	system.Proxy = http.ProxyURL(to)
	http.DefaultTransport = system
	for endpoint, want := range map[string]int32{"http://stigg.localhost:1": 0, "https://stigg.invalid": 1} {
		asked.Store(0)
		h := &http.Client{Transport: gateotel.Transport(nil)}
		resp, err := h.Get(endpoint)
		if err == nil {
			_ = resp.Body.Close()
			t.Errorf("%s: answered", endpoint)
		}
		if n := asked.Load(); min(n, 1) != want {
			t.Errorf("%s: the proxy is asked %d times", endpoint, n)
		}
	}
}
