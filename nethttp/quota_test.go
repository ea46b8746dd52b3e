package nethttp_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/internal/stubstigg"
	"github.com/stiggate/gate/nethttp"
)

func TestQuotaHeadersAreSetWithTheHeader(t *testing.T) {
	stigg := stubstigg.New(gate.Entitlement{
		FeatureID: "f", Kind: gate.Metered, Granted: true, Limit: 10, Usage: 3, PeriodEnd: time.Unix(2e9, 0), Reset: gate.ResetMonth,
	})
	g := stigg.Gate(t, gate.WithQuotaHeaders(gate.QuotaHeadersLegacy))
	w := stubstigg.Send(nethttp.Require(g, gate.Feature("f").Uses(2))(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("X-RateLimit-Remaining", "60") // as a proxy adds what its upstream says
	})), "POST", "/")
	if w.Code != 200 || len(w.Header().Values("X-RateLimit-Remaining")) != 1 || w.Header().Get("X-RateLimit-Remaining") != "5" || w.Header().Get("X-RateLimit-Reset") != "2000000000" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
}
