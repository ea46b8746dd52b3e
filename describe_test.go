package gate_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/gatetest"
	"github.com/stiggate/gate/identity"
)

// TestDescribeSaysWhatWriteDenialWrites, the instance apart.
func TestDescribeSaysWhatWriteDenialWrites(t *testing.T) {
	stigg := gatetest.New(t).Plan("free", gatetest.Metered("seats", 3).Named("Seats"))
	stigg.Customer("acme").Used("seats", 3)
	g := stigg.Gate(identity.FromTrustedHeader("X-Customer-ID", ""), gate.WithUpgradeLink("https://acme.example/{feature}"))
	d := g.Check(t.Context(), gate.Customer{ID: "acme"}, gate.Feature("seats").Asks(1))
	told := g.Describe(d)
	w := httptest.NewRecorder()
	g.WriteDenial(w, httptest.NewRequest(http.MethodGet, "/", nil), d)
	var body struct {
		Type, Title, Detail, Code, AccessDeniedReason, Instance string
		Status                                                  int
		RequestedUsage, CurrentUsage, UsageLimit                json.Number
		Feature                                                 struct{ ID, DisplayName string }
		Upgrade                                                 struct{ URL string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	want := gate.DenialPage{
		Status: 402, Type: body.Type, Title: body.Title, Detail: body.Detail, Code: "usage_limit_exceeded", Reason: body.AccessDeniedReason,
		Instance: told.Instance, FeatureID: "seats", FeatureName: "Seats", Requested: "1", Used: "3", Limit: "3", Meter: true, UpgradeURL: "https://acme.example/seats",
	}
	if !reflect.DeepEqual(told, want) || told.Instance == body.Instance || body.Upgrade.URL != told.UpgradeURL || body.Status != told.Status ||
		body.RequestedUsage.String() != told.Requested || body.CurrentUsage.String() != told.Used || body.UsageLimit.String() != told.Limit || body.Feature.DisplayName != told.FeatureName {
		t.Errorf("got\n%+v\nof\n%s", told, w.Body)
	}
}

// TestACallMayNameItsCustomerItself, in place of the gate's own Resolver.
func TestACallMayNameItsCustomerItself(t *testing.T) {
	stigg := gatetest.New(t).Plan("free", gatetest.Metered("seats", 3))
	g := stigg.Gate(identity.FromTrustedHeader("X-Customer-ID", ""))
	guard := g.MustGuard(gate.Feature("seats").Uses(1))
	type key struct{}
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Header.Set("X-Customer-ID", "byheader")
	r = r.WithContext(context.WithValue(r.Context(), key{}, "bycontext"))
	byContext := gate.ResolverFunc(func(r *http.Request) (gate.Customer, error) {
		id, _ := r.Context().Value(key{}).(string)
		return gate.Customer{ID: id}, nil
	})
	for _, who := range []gate.Resolver{nil, byContext} {
		guard.Serve(gate.Call{Request: r, Writer: httptest.NewRecorder(), Who: who},
			func(d gate.Decision) { t.Errorf("denied: %+v", d) },
			func(http.ResponseWriter, *http.Request) bool { return true }, nil)
	}
	stigg.Reported(t, "byheader", "seats", 1)
	stigg.Reported(t, "bycontext", "seats", 1)
}
