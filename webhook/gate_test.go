package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/identity"
	"github.com/stiggate/gate/webhook"
)

// stigg counts one feature with a limit of 10.
type stigg struct {
	mu    sync.Mutex
	used  float64
	reads int
}

func (s *stigg) Entitlements(context.Context, gate.Customer) (gate.EntitlementSet, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	return gate.EntitlementSet{Features: []gate.Entitlement{{FeatureID: "seats", Kind: gate.Metered, Granted: true, Usage: s.used, Limit: 10}}, Credits: []gate.Credit{}}, nil
}

// hooked is a gate over it, and what delivers to its webhooks.
func hooked(t *testing.T, s *stigg) (g *gate.Gate, deliver func(format string, args ...any)) {
	t.Helper()
	g, err := gate.New(s, identity.FromTrustedHeader("X-Customer-ID", ""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close(context.Background()) })
	hooks, err := webhook.New(g.Sink(), []string{"s"})
	if err != nil {
		t.Fatal(err)
	}
	return g, func(format string, args ...any) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(fmt.Sprintf(format, args...)))
		r.Header.Set(webhook.SecretHeader, "s")
		hooks.ServeHTTP(httptest.NewRecorder(), r)
	}
}

func TestAnEventOfOneResourceHasNoOtherReadAgain(t *testing.T) {
	for _, kind := range []string{"entitlement.usage_exceeded", "subscription.updated", "credit.balance.low", "trial.expired", "promotionalEntitlement.granted"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &stigg{}
				g, deliver := hooked(t, s)
				all := func() {
					for i := range 300 {
						if d := g.Check(t.Context(), gate.Customer{ID: "acme", Resource: fmt.Sprint("site-", i)}, gate.Feature("seats")); !d.Allowed {
							t.Fatalf("site %d: %s", i, d.Reason)
						}
					}
				}
				all()
				for i := range 10 {
					deliver(`{"type":%q,"messageId":"%d","customer":{"id":"acme"},"resource":{"id":"site-7"},"feature":{"id":"seats"}}`, kind, i)
					all()
				}
				if n := s.reads - 300; n != 10 {
					t.Errorf("10 events of one site had Stigg asked %d times", n)
				}
			})
		})
	}
}

func TestASetThatIsOlderThanAMeasurementDoesNotLower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stigg{used: 6}
		g, deliver := hooked(t, s)
		asks := func() gate.Decision {
			return g.Check(t.Context(), gate.Customer{ID: "acme"}, gate.Feature("seats").Asks(4))
		}
		asks()
		time.Sleep(20 * time.Second)
		made := time.Now().Format(time.RFC3339Nano)
		time.Sleep(100 * time.Millisecond)
		s.used = 10
		deliver(`{"type":"measurement.reported","messageId":"2","timestamp":%q,"customer":{"id":"acme"},"feature":{"id":"seats"},"currentUsage":10}`, time.Now().Format(time.RFC3339Nano))
		deliver(`{"type":"entitlements.updated","messageId":"1","entitlementsUpdatedAt":%q,"customer":{"id":"acme"},"entitlements":[
			{"feature":{"id":"seats","featureType":"NUMBER","meterType":"FLUCTUATING"},"usageLimit":10,"currentUsage":6}]}`, made)
		time.Sleep(20 * time.Second)
		if d := asks(); d.Allowed {
			t.Errorf("4 more are let in at %v of 10 here, %v of 10 there; %d reads", d.Usage, s.used, s.reads)
		}
	})
}
