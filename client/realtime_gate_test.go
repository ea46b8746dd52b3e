package client_test

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/emulator"
	"github.com/stiggate/gate/identity"
)

// granted reports what a gate says of a feature of the demo customer.
func granted(t *testing.T, g *gate.Gate, feature string) bool {
	t.Helper()
	return g.Check(t.Context(), demo, gate.Feature(feature)).Allowed
}

// TestAnUpgradeIsFelt: a gate whose cache would serve for an hour.
func TestAnUpgradeIsFelt(t *testing.T) {
	const integrations = "feature-05-integrations"
	for name, test := range map[string]struct {
		opts    []client.Option
		upgrade func(*client.Client, *emulator.Emulator) error
		atOnce  bool
	}{
		"through realtime": {nil, func(_ *client.Client, stigg *emulator.Emulator) error {
			_, err := stigg.Subscribe(demo.ID, "plan-revvenu-pro", emulator.Subscription{})
			return err
		}, false},
		"by what the client itself provisioned": {[]client.Option{client.WithoutRealtime()}, func(c *client.Client, _ *emulator.Emulator) error {
			_, err := c.ProvisionSubscription(context.Background(), client.ProvisionSubscriptionInput{
				CustomerID: demo.ID, SubscriptionParams: client.SubscriptionParams{PlanID: "plan-revvenu-pro", BillingPeriod: client.BilledMonthly}})
			return err
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			server, err := emulator.Start("127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = server.Close() })
			c, err := client.New(emulator.DefaultKey, append(test.opts, client.WithEndpoint(server.URL()))...)
			if err != nil {
				t.Fatal(err)
			}
			g, err := gate.New(c, identity.FromTrustedHeader("X-Customer", ""), gate.WithTTL(time.Hour), gate.WithLiveTTL(time.Hour), gate.WithDecisionTimeout(20*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = g.Close(context.Background()) })
			deadline := time.Now().Add(20 * time.Second)
			for len(test.opts) == 0 && c.RealtimeStats().Live == 0 && time.Now().Before(deadline) {
				time.Sleep(time.Millisecond)
			}
			if granted(t, g, integrations) {
				t.Fatal("the feature is granted before the upgrade")
			}
			if err := test.upgrade(c, server.Emulator); err != nil {
				t.Fatal(err)
			}
			for !granted(t, g, integrations) {
				if test.atOnce || time.Now().After(deadline) {
					t.Fatal("the upgrade is not felt")
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
}

// BenchmarkAnUpgradeOverRealtime is the time from an upgrade in Stigg to the first request
// that feels it.
func BenchmarkAnUpgradeOverRealtime(b *testing.B) {
	server, err := emulator.Start("127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	c, err := client.New(emulator.DefaultKey, client.WithEndpoint(server.URL()))
	if err != nil {
		b.Fatal(err)
	}
	g, err := gate.New(c, identity.FromTrustedHeader("X-Customer", ""), gate.WithDecisionTimeout(20*time.Second))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = g.Close(context.Background()) }()
	for c.RealtimeStats().Live == 0 {
		time.Sleep(time.Millisecond)
	}
	feature := gate.Feature("feature-05-integrations")
	var took []time.Duration
	for n := 0; b.Loop(); n++ {
		who := gate.Customer{ID: "bench-" + strconv.Itoa(n)}
		if err := server.AddCustomer(who.ID); err != nil {
			b.Fatal(err)
		}
		if _, err := server.Subscribe(who.ID, "plan-revvenu-basic", emulator.Subscription{}); err != nil {
			b.Fatal(err)
		}
		g.Check(b.Context(), who, feature)
		start := time.Now()
		if _, err := server.Subscribe(who.ID, "plan-revvenu-pro", emulator.Subscription{}); err != nil {
			b.Fatal(err)
		}
		for !g.Check(b.Context(), who, feature).Allowed {
			time.Sleep(50 * time.Microsecond)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms/median")
}
