package gateprometheus_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	gateprometheus "github.com/stiggate/gate/contrib/prometheus"
	"github.com/stiggate/gate/emulator"
	"github.com/stiggate/gate/fleet"
	fleetmemory "github.com/stiggate/gate/fleet/memory"
	"github.com/stiggate/gate/identity"
	"github.com/stiggate/gate/nethttp"
)

const customer = "customer-demo-01"

// scrape is what a gate in front of an emulator exposes after requests: some let in and reported,
// one refused, one of a method that nobody registered, one while Stigg is down.
func scrape(t *testing.T) string {
	t.Helper()
	stigg, err := emulator.Start("127.0.0.1:0", emulator.WithKey("key"))
	if err != nil {
		t.Fatal(err)
	}
	defer stigg.Close()
	source, err := client.New("key", client.WithEndpoint(stigg.URL()+"/graphql"), client.WithoutRealtime())
	if err != nil {
		t.Fatal(err)
	}
	m := gateprometheus.New(gateprometheus.WithTraceID(func(ctx context.Context) string {
		id, _ := ctx.Value(traceID{}).(string)
		return id
	}))
	store, err := fleetmemory.New()
	if err != nil {
		t.Fatal(err)
	}
	g, err := gate.New(source, identity.FromTrustedHeader("X-Customer-ID", ""), gate.WithObserver(m.Observer()), gate.WithFleet(store))
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewPedanticRegistry()
	if err := errors.Join(m.Watch(g), registry.Register(m)); err != nil {
		t.Fatal(err)
	}
	done := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) })
	mux := http.NewServeMux()
	mux.Handle("/templates/{id}", nethttp.Require(g, gate.Feature("feature-01-templates").Uses(1))(done))
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mux.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), traceID{}, "4bf92f3577b34da6a3ce929d0e0e4736")))
	}))
	defer app.Close()
	send := func(method, who string) {
		r, _ := http.NewRequestWithContext(t.Context(), method, app.URL+"/templates/secret-path", nil)
		r.Header.Set("X-Customer-ID", who)
		resp, err := app.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	for range 3 { // 3 of 5 are used
		send("POST", customer)
	}
	send("BREW", customer)
	if err := stigg.Fault(emulator.Fault{Status: 500}); err != nil {
		t.Fatal(err)
	}
	send("POST", "customer-basic")
	stigg.ClearFaults()
	if err := g.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, w := httptest.NewRequest("GET", "/metrics", nil), httptest.NewRecorder()
	r.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}).ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatal(w.Body)
	}
	text, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

type traceID struct{}

func TestAGateOverTheEmulatorIsMeasured(t *testing.T) {
	text := scrape(t)
	for _, want := range []string{
		`gate_decisions_total{code="",feature="feature-01-templates",method="POST",origin="fresh",outcome="allowed",route="/templates/{id}"} 2.0 # {trace_id="4bf92f3577b34da6a3ce929d0e0e4736"} 1.0`,
		`gate_decisions_total{code="usage_limit_exceeded",feature="feature-01-templates",method="POST",origin="fresh",outcome="denied",route="/templates/{id}"} 1.0`,
		`method="other"`, `outcome="unavailable"`,
		`gate_handler_seconds_count{method="POST",route="/templates/{id}",status="2xx"} 2`,
		`gate_read_seconds_count{outcome="ok"} 1`, `gate_read_seconds_count{outcome="down"}`,
		`gate_delivery_seconds_count{kind="usage",outcome="ok"}`,
		"gate_fleet_granted_total 2.0", "gate_fleet_refused_total 0.0", "gate_fleet_failed_total 0.0", "gate_fleet_lost_total 0.0", "gate_fleet_down 0.0",
		"gate_usage_delivered_total 2.0", "gate_usage_refused_total 0.0", "gate_queue_length 0.0", "gate_customers_cached 1.0",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %s", want)
		}
	}
	for _, never := range []string{customer, "customer-basic", "secret-path", "BREW"} {
		if strings.Contains(text, never) {
			t.Errorf("%q is in it", never)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// names are the metrics that a text names; those of a histogram's series are the histogram.
func names(text string) map[string]bool {
	all := map[string]bool{}
	for _, name := range regexp.MustCompile(`\bgate_[a-z_]+\b`).FindAllString(text, -1) {
		for _, series := range []string{"_bucket", "_count", "_sum"} {
			name = strings.TrimSuffix(name, series)
		}
		all[name] = true
	}
	return all
}

// TestWhatIsNamedIsExposed holds the dashboard, the alerts and docs/metrics.md against what a gate
// exposes; the page has all of it.
func TestWhatIsNamedIsExposed(t *testing.T) {
	exposed := map[string]bool{"gate_degraded_info": true} // only while something is amiss: TestWhatIsAmissIsTold
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)`).FindAllStringSubmatch(scrape(t), -1) {
		name := m[1]
		if m[2] == "counter" {
			name += "_total" // OpenMetrics names the family without it
		}
		exposed[name] = true
	}
	for _, file := range []string{"dashboard.json", "alerts.yml", "../../docs/metrics.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		named := names(string(text))
		if len(named) == 0 {
			t.Errorf("%s names no metric", file)
		}
		for name := range named {
			if !exposed[name] {
				t.Errorf("%s names %s, which no gate exposes", file, name)
			}
		}
		if strings.HasSuffix(file, ".md") {
			for _, name := range slices.Sorted(maps.Keys(exposed)) {
				if !named[name] {
					t.Errorf("%s does not name %s", file, name)
				}
			}
		}
	}
	var dashboard struct{ Panels []any }
	text, _ := os.ReadFile("dashboard.json")
	if err := json.Unmarshal(text, &dashboard); err != nil || len(dashboard.Panels) == 0 {
		t.Errorf("the dashboard: %d panels, %v", len(dashboard.Panels), err)
	}
}

// down is a Stigg that refuses the key.
type down struct{}

func (down) Entitlements(context.Context, gate.Customer) (gate.EntitlementSet, error) {
	return gate.EntitlementSet{}, &gate.UpstreamError{Kind: gate.UpstreamUnauthorized, Err: errors.New("401")}
}

// gone is the store of a fleet that can't be asked.
type gone struct{ fleet.Fleet }

func (gone) Sync(context.Context, []fleet.State) ([]fleet.Grant, error) {
	return nil, errors.New("gone")
}

// plan is a Stigg where everybody has 10 of a feature.
type plan struct{}

func (plan) Entitlements(context.Context, gate.Customer) (gate.EntitlementSet, error) {
	return gate.EntitlementSet{Features: []gate.Entitlement{{FeatureID: "f", Kind: gate.Metered, Granted: true, Limit: 10}}}, nil
}

func (plan) Report(_ context.Context, batch []gate.Usage) ([]gate.Ack, error) {
	return make([]gate.Ack, len(batch)), nil
}

func TestWhatIsAmissOfAFleetIsTold(t *testing.T) {
	m := gateprometheus.New()
	store, err := fleetmemory.New()
	if err != nil {
		t.Fatal(err)
	}
	g, err := gate.New(plan{}, identity.FromTrustedHeader("X-Customer-ID", ""), gate.WithObserver(m.Observer()), gate.WithFleet(gone{store}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = g.Close(t.Context()) }()
	registry := prometheus.NewPedanticRegistry()
	if err := errors.Join(m.Watch(g), registry.Register(m)); err != nil {
		t.Fatal(err)
	}
	if _, d := g.Admit(t.Context(), gate.Customer{ID: "c"}, gate.Feature("f").Uses(1)); d.Allowed {
		t.Error("it is allowed")
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, metric := range f.GetMetric() {
			got[f.GetName()] = metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
		}
	}
	for name, want := range map[string]float64{"gate_fleet_down": 1, "gate_fleet_calls_total": 1, "gate_fleet_failed_total": 1, "gate_fleet_granted_total": 0, "gate_fleet_refused_total": 0} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
}

func TestWhatIsAmissIsTold(t *testing.T) {
	m := gateprometheus.New()
	g, err := gate.New(down{}, identity.FromTrustedHeader("X-Customer-ID", ""), gate.WithObserver(m.Observer()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = g.Close(t.Context()) }()
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(m); err != nil {
		t.Fatal(err)
	}
	if _, err := registry.Gather(); !errors.Is(err, gateprometheus.ErrNoGate) && (err == nil || !strings.Contains(err.Error(), gateprometheus.ErrNoGate.Error())) {
		t.Errorf("before Watch: %v", err)
	}
	if m.Watch(nil) == nil {
		t.Error("no gate is taken for one")
	}
	if err := m.Watch(g); err != nil {
		t.Fatal(err)
	}
	if err := m.Watch(g); !errors.Is(err, gateprometheus.ErrWatching) {
		t.Errorf("a second Watch: %v", err)
	}
	g.Check(t.Context(), gate.Customer{ID: "c"}, gate.Feature("f"))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range families {
		got[f.GetName()] = f.String()
	}
	for name, want := range map[string]string{
		"gate_degraded_info": "entitlements can't be read", "gate_read_seconds": `value:"unauthorized"`,
	} {
		if !strings.Contains(got[name], want) {
			t.Errorf("%s has no %s: %s", name, want, got[name])
		}
	}
}

// TestClientsMakeNoLabelsUp: an app may name a feature by what a request says, and gRPC's handler of unknown
// services has the routes that clients name.
func TestClientsMakeNoLabelsUp(t *testing.T) {
	m := gateprometheus.New()
	decided, settled := m.Observer().Decided, m.Observer().Settled
	for i := range 5000 {
		name := strconv.Itoa(i)
		d := gate.Decision{FeatureID: "model-" + name, Code: "code-" + name, Route: "/" + name}
		decided(t.Context(), d)
		settled(t.Context(), gate.Decision{Route: "/" + name}, gate.Outcome{Status: 200}, nil)
	}
	series := make(chan prometheus.Metric, 20_000)
	g, err := gate.New(nil, identity.FromTrustedHeader("X-Customer-ID", ""), gate.WithOffline(), gate.WithOutage(gate.OutageAllow))
	if err := errors.Join(err, m.Watch(g)); err != nil {
		t.Fatal(err)
	}
	m.Collect(series)
	if n := len(series); n > 2*1001+100 {
		t.Errorf("%d series", n)
	}
}
