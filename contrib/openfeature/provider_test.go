package gateprovider_test

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/open-feature/go-sdk/openfeature"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	gateprovider "github.com/stiggate/gate/contrib/openfeature"
	"github.com/stiggate/gate/emulator"
	"github.com/stiggate/gate/gatetest"
	"github.com/stiggate/gate/identity"
)

var nobody = identity.FromTrustedHeader("Unused", "")

// flags is OpenFeature with a provider over g, in a domain of the test's own.
func flags(t *testing.T, g *gate.Gate) *openfeature.Client {
	t.Helper()
	if err := openfeature.SetNamedProviderAndWait(t.Name(), gateprovider.New(g)); err != nil {
		t.Fatal(err)
	}
	return openfeature.NewClient(t.Name())
}

func of(customer string, attributes map[string]any) openfeature.EvaluationContext {
	return openfeature.NewEvaluationContext(customer, attributes)
}

// evaluation is what an app sees of one.
type evaluation struct {
	value   any
	reason  openfeature.Reason
	code    openfeature.ErrorCode
	variant string
}

// evaluate evaluates a flag as the type of the default value.
func evaluate(f *openfeature.Client, flag string, defaultValue any, who openfeature.EvaluationContext) evaluation {
	ctx := context.Background()
	var d openfeature.EvaluationDetails
	var value any
	switch defaultValue := defaultValue.(type) {
	case bool:
		v, _ := f.BooleanValueDetails(ctx, flag, defaultValue, who)
		value, d = v.Value, v.EvaluationDetails
	case int64:
		v, _ := f.IntValueDetails(ctx, flag, defaultValue, who)
		value, d = v.Value, v.EvaluationDetails
	case float64:
		v, _ := f.FloatValueDetails(ctx, flag, defaultValue, who)
		value, d = v.Value, v.EvaluationDetails
	case string:
		v, _ := f.StringValueDetails(ctx, flag, defaultValue, who)
		value, d = v.Value, v.EvaluationDetails
	default:
		v, _ := f.ObjectValueDetails(ctx, flag, defaultValue, who)
		value, d = v.Value, v.EvaluationDetails
	}
	return evaluation{value, d.Reason, d.ErrorCode, d.Variant}
}

func TestFlags(t *testing.T) {
	stigg := gatetest.New(t).Plan("team",
		gatetest.Boolean("sso"), gatetest.Metered("seats", 5).Named("Seats"), gatetest.Metered("spent", 2), gatetest.Metered("halves", 2.5), gatetest.Unlimited("calls"),
		gatetest.Metered("soft", 2).Soft(), gatetest.Configuration("size", 100), gatetest.Configuration("ratio", 0.5),
		gatetest.Enum("region", "eu"), gatetest.Enum("models", "small", "large"),
		gatetest.Unlimited("words").Costs("tokens", 2), gatetest.Credits("tokens", 9))
	stigg.Customer("acme").Used("seats", 2).Used("spent", 2).Used("soft", 7).Used("tokens", 1)
	stigg.Customer("poor").Denied(gate.ReasonNoSubscription)
	stigg.Customer("acme").Resource("site").Has(gatetest.Configuration("size", 7))
	f := flags(t, stigg.Gate(nobody))
	const (
		cached  = openfeature.CachedReason
		failure = openfeature.ErrorReason
		wrong   = openfeature.TypeMismatchCode
	)
	acme, site, poor := of("acme", nil), of("acme", map[string]any{"resource": "site"}), of("poor", nil)
	for _, who := range []openfeature.EvaluationContext{acme, site, poor} { // so that all is cached
		evaluate(f, "sso", false, who)
	}
	for _, tt := range []struct {
		name         string
		flag         string
		defaultValue any
		who          openfeature.EvaluationContext
		want         evaluation
	}{
		{"a feature that is on", "sso", false, acme, evaluation{true, cached, "", "on"}},
		{"a feature that the plan does not have", "audit", true, acme, evaluation{false, cached, "", "off"}},
		{"a metered feature of which nothing is left is in the plan", "spent", false, acme, evaluation{true, cached, "", "on"}},
		{"a customer without a subscription", "sso", true, poor, evaluation{false, cached, "", "off"}},
		{"what is left", "seats", int64(-1), acme, evaluation{int64(3), cached, "", "on"}},
		{"nothing is left", "spent", int64(-1), acme, evaluation{int64(0), cached, "", "on"}},
		{"what is left, in whole units", "halves", int64(-1), acme, evaluation{int64(2), cached, "", "on"}},
		{"what is left, with fractions", "halves", -1.0, acme, evaluation{2.5, cached, "", "on"}},
		{"without a limit", "calls", int64(-1), acme, evaluation{int64(math.MaxInt64), cached, "", "on"}},
		{"without a limit, as a float", "calls", -1.0, acme, evaluation{math.Inf(1), cached, "", "on"}},
		{"behind a soft limit", "soft", -1.0, acme, evaluation{math.Inf(1), cached, "", "on"}},
		{"paid in credits", "words", int64(-1), acme, evaluation{int64(4), cached, "", "on"}},
		{"a number that the plan does not have", "audit", int64(-1), acme, evaluation{int64(0), cached, "", "off"}},
		{"a configuration", "size", int64(-1), acme, evaluation{int64(100), cached, "", "on"}},
		{"a resource's", "size", int64(-1), site, evaluation{int64(7), cached, "", "on"}},
		{"a configuration with a fraction", "ratio", -1.0, acme, evaluation{0.5, cached, "", "on"}},
		{"a configuration with a fraction as an int", "ratio", int64(-1), acme, evaluation{int64(-1), failure, wrong, ""}},
		{"a boolean as a number", "sso", int64(-1), acme, evaluation{int64(-1), failure, wrong, ""}},
		{"an enum", "region", "us", acme, evaluation{"eu", cached, "", "eu"}},
		{"an enum of several values", "models", "none", acme, evaluation{"none", failure, wrong, ""}},
		{"a number as a string", "size", "none", acme, evaluation{"none", failure, wrong, ""}},
		{"a string that the plan does not have", "audit", "none", acme, evaluation{"none", failure, openfeature.FlagNotFoundCode, ""}},
		{"what is no feature's id", "no such id", true, acme, evaluation{true, failure, openfeature.FlagNotFoundCode, ""}},
		{"nobody", "sso", true, of("", nil), evaluation{true, failure, openfeature.TargetingKeyMissingCode, ""}},
		{"an id that Stigg does not take", "sso", true, of("a/b", nil), evaluation{true, failure, openfeature.InvalidContextCode, ""}},
		{"a resource that is no string", "sso", true, of("acme", map[string]any{"resource": 7}), evaluation{true, failure, openfeature.InvalidContextCode, ""}},
		{"an object", "seats", gateprovider.Object{}, acme, evaluation{gateprovider.Object{
			"featureId": "seats", "displayName": "Seats", "granted": true, "kind": "metered",
			"usage": 2.0, "unlimited": false, "softLimit": false, "limit": 5.0, "left": 3.0,
		}, cached, "", "on"}},
		{"an object of an enum", "models", gateprovider.Object{}, acme, evaluation{gateprovider.Object{
			"featureId": "models", "displayName": "models", "granted": true, "kind": "enum", "values": []any{"small", "large"},
		}, cached, "", "on"}},
		{"an object that the plan does not have", "audit", gateprovider.Object{}, acme, evaluation{gateprovider.Object{
			"featureId": "audit", "displayName": "audit", "granted": false, "accessDeniedReason": "NoFeatureEntitlementInSubscription",
		}, cached, "", "off"}},
	} {
		got := evaluate(f, tt.flag, tt.defaultValue, tt.who)
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %#v, want %#v", tt.name, got, tt.want)
		}
	}
	stigg.Reported(t, "acme", "seats", 0) // nothing is billed
}

// TestReasons: read now, cached, stale in an outage, unknown, and by a fallback.
func TestReasons(t *testing.T) {
	stigg, err := emulator.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stigg.Close() })
	newGate := func(options ...gate.Option) *gate.Gate {
		source, err := client.New(emulator.DefaultKey, client.WithEndpoint(stigg.URL()), client.WithoutRealtime())
		if err != nil {
			t.Fatal(err)
		}
		g, err := gate.New(source, nobody, append([]gate.Option{gate.WithColdTimeout(time.Minute), gate.WithDecisionTimeout(time.Minute)}, options...)...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = g.Close(context.Background()) })
		return g
	}
	g := newGate()
	f := flags(t, g)
	basic, pro := of("customer-basic", nil), of("customer-pro", nil)
	const size = "feature-06-max-file-size"
	for i, want := range []openfeature.Reason{openfeature.TargetingMatchReason, openfeature.CachedReason} {
		if got := evaluate(f, size, int64(-1), basic); got.value != int64(5) || got.reason != want {
			t.Errorf("%d: got %+v, want %s", i, got, want)
		}
	}
	if got := evaluate(f, size, 0.0, pro); !reflect.DeepEqual(got.value, math.Inf(1)) {
		t.Errorf("without a limit: got %+v", got)
	}
	if err := stigg.Fault(emulator.Fault{Status: http.StatusServiceUnavailable}); err != nil {
		t.Fatal(err)
	}
	g.InvalidateAll()
	if got := evaluate(f, size, int64(-1), basic); got.value != int64(5) || got.reason != gateprovider.StaleReason {
		t.Errorf("in an outage: got %+v", got)
	}
	cold := newGate(gate.WithColdTimeout(50 * time.Millisecond))
	f = flags(t, cold)
	if got := evaluate(f, size, int64(-1), basic); got.value != int64(-1) || got.code != openfeature.ProviderNotReadyCode {
		t.Errorf("nothing is known: got %+v", got)
	}
	fallback, err := gate.ParseFallback([]byte(`{"feature-05-integrations": {"hasAccess": true}}`))
	if err != nil {
		t.Fatal(err)
	}
	f = flags(t, newGate(gate.WithColdTimeout(50*time.Millisecond), gate.WithFallback(fallback)))
	if got := evaluate(f, "feature-05-integrations", false, basic); got.value != true || got.reason != openfeature.DefaultReason {
		t.Errorf("by a fallback: got %+v", got)
	}
	if n := len(stigg.Usage()); n != 0 {
		t.Errorf("%d measurements, want none", n)
	}
}

// TestAFlagFollowsWhatIsUsed at the same time, and what is left is never told as less than 0.
func TestAFlagFollowsWhatIsUsed(t *testing.T) {
	stigg := gatetest.New(t).Plan("team", gatetest.Metered("seats", 5))
	g := stigg.Gate(nobody)
	f := flags(t, g)
	var wait sync.WaitGroup
	for range 10 {
		wait.Go(func() {
			if ticket, d := g.Admit(t.Context(), gate.Customer{ID: "acme"}, gate.Feature("seats").Uses(1)); d.Allowed {
				_ = ticket.Settle()
			}
			if got := evaluate(f, "seats", int64(-1), of("acme", nil)); got.value.(int64) < 0 || got.value.(int64) > 5 {
				t.Errorf("got %+v", got)
			}
		})
	}
	wait.Wait()
	stigg.Reported(t, "acme", "seats", 5)
	if got := evaluate(f, "seats", int64(-1), of("acme", nil)); got.value != int64(0) {
		t.Errorf("got %+v, want 0 left", got)
	}
}

// TestAClosedGateIsNotReady.
func TestAClosedGateIsNotReady(t *testing.T) {
	g := gatetest.New(t).AllowAll().Gate(nobody)
	_ = g.Close(t.Context())
	if err := openfeature.SetNamedProviderAndWait(t.Name(), gateprovider.New(g)); err == nil {
		t.Error("it is ready")
	}
	if err := gateprovider.New(nil).Init(openfeature.EvaluationContext{}); err == nil {
		t.Error("a provider without a gate is ready")
	}
}

// plan is a Stigg where everybody has the same plan. An app uses client.New.
type plan struct{}

func (plan) Entitlements(context.Context, gate.Customer) (gate.EntitlementSet, error) {
	return gate.EntitlementSet{Features: []gate.Entitlement{
		{FeatureID: "sso", Kind: gate.Boolean, Granted: true},
		{FeatureID: "seats", Kind: gate.Metered, Granted: true, Limit: 5, Usage: 2},
	}}, nil
}

func Example() {
	g, err := gate.New(plan{}, identity.FromContext(gate.CustomerFromContext))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := openfeature.SetNamedProviderAndWait("example", gateprovider.New(g)); err != nil {
		fmt.Println(err)
		return
	}
	flags, ctx := openfeature.NewClient("example"), context.Background()
	who := openfeature.NewEvaluationContext("customer-1", nil)
	fmt.Println(flags.Boolean(ctx, "sso", false, who), flags.Boolean(ctx, "audit", true, who), flags.Int(ctx, "seats", 0, who))
	// Output: true false 3
}
