package client_test

import (
	"context"
	"testing"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/emulator"
	"github.com/stiggate/gate/identity"
)

func TestAMutationIsFeltByTheNextCheckOfThatCustomerAlone(t *testing.T) {
	const analytics = "feature-04-analytics"
	basic, site := gate.Customer{ID: "customer-basic"}, gate.Customer{ID: demo.ID, Resource: "site-1"}
	for name, test := range map[string]struct {
		who     gate.Customer
		feature string
		before  bool
		mutate  func(context.Context, *client.Client) error
	}{
		"a promotional grant": {basic, analytics, false, func(ctx context.Context, c *client.Client) error {
			_, err := c.GrantPromotionalEntitlements(ctx, basic.ID, []client.PromotionalGrant{{FeatureID: analytics, Period: client.ForOneWeek}})
			return err
		}},
		"an upgrade of a resource": {site, "feature-05-integrations", false, func(ctx context.Context, c *client.Client) error {
			_, err := c.ProvisionSubscription(ctx, client.ProvisionSubscriptionInput{CustomerID: site.ID,
				SubscriptionParams: client.SubscriptionParams{PlanID: "plan-revvenu-pro", ResourceID: site.Resource, BillingPeriod: client.BilledMonthly}})
			return err
		}},
		"a cancellation": {site, templates, true, func(ctx context.Context, c *client.Client) error {
			active, err := c.ActiveSubscriptions(ctx, site)
			if err != nil || len(active) != 1 {
				return err
			}
			_, err = c.CancelSubscription(ctx, client.CancelSubscriptionInput{SubscriptionID: active[0].ID, Time: client.CancelImmediately, Action: client.CancelRevokesEntitlements})
			return err
		}},
		"an archived customer": {basic, templates, true, func(ctx context.Context, c *client.Client) error { return c.ArchiveCustomer(ctx, basic.ID) }},
	} {
		t.Run(name, func(t *testing.T) {
			server, err := emulator.Start("127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = server.Close() })
			c, err := client.New(emulator.DefaultKey, client.WithEndpoint(server.URL()), client.WithoutRealtime())
			if err != nil {
				t.Fatal(err)
			}
			g, err := gate.New(c, identity.FromTrustedHeader("X-Customer", ""), gate.WithTTL(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = g.Close(context.Background()) })
			all := []gate.Customer{demo, basic, site, {ID: "customer-pro"}}
			for _, who := range all {
				g.Check(t.Context(), who, gate.Feature(templates))
			}
			allowed := func() bool { return g.Check(t.Context(), test.who, gate.Feature(test.feature)).Allowed }
			if allowed() != test.before {
				t.Fatalf("before it, the check is %t", !test.before)
			}
			reads := server.Requests()["entitlementsState"]
			if err := test.mutate(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			if allowed() == test.before {
				t.Error("it is not felt")
			}
			for _, who := range all {
				if who != test.who {
					g.Check(t.Context(), who, gate.Feature(templates))
				}
			}
			if n := server.Requests()["entitlementsState"] - reads; reads == 0 || n != 1 {
				t.Errorf("%d customers were read again after %d reads, want the one", n, reads)
			}
		})
	}
}
