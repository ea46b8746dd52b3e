package nethttp_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/nethttp"
)

type tenOfF struct{}

func (tenOfF) Entitlements(context.Context, gate.Customer) (gate.EntitlementSet, error) {
	return gate.EntitlementSet{Features: []gate.Entitlement{{
		FeatureID: "f", Kind: gate.Metered, Granted: true, Limit: 10, Usage: 3, PeriodEnd: time.Unix(2e9, 0), Reset: gate.ResetMonth,
	}}}, nil
}

func (tenOfF) Report(_ context.Context, batch []gate.Usage) ([]gate.Ack, error) {
	return make([]gate.Ack, len(batch)), nil
}

func TestQuotaHeadersAreThereBeforeTheHandler(t *testing.T) {
	g, err := gate.New(tenOfF{}, gate.FromTrustedHeader("X-Customer-ID", ""), gate.WithQuotaHeaders(gate.QuotaHeadersX))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = g.Close(t.Context()) }()
	w, r := httptest.NewRecorder(), httptest.NewRequest("POST", "/", nil)
	r.Header.Set("X-Customer-ID", "c")
	nethttp.Require(g, gate.Feature("f").Uses(2))(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if got := w.Header().Get("X-RateLimit-Remaining"); got != "5" {
			t.Errorf("the handler sees %q left, want 5", got)
		}
	})).ServeHTTP(w, r)
	if w.Code != 200 || w.Header().Get("X-RateLimit-Reset") != "2000000000" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
}
