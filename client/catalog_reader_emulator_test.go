package client_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/emulator"
)

func catalogClient(t *testing.T, options ...emulator.Option) *client.Client {
	t.Helper()
	srv, err := emulator.Start("127.0.0.1:0", options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	c, err := client.New(emulator.DefaultKey, client.WithEndpoint(srv.URL()), client.WithoutRealtime())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTheCatalogIsWhatPlansAndAddonsHave(t *testing.T) {
	catalog, err := catalogClient(t).Catalog(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var features, plans []string
	for _, f := range catalog.Features {
		features = append(features, f.ID)
		if f.Name == "" || gate.ParseFeatureKind(f.Type, f.MeterType) == gate.KindUnknown {
			t.Errorf("%+v", f)
		}
	}
	for _, p := range catalog.Plans {
		plans = append(plans, p.ID)
	}
	if !slices.IsSorted(features) || !slices.Contains(features, "feature-02-campaigns") || slices.Contains(features, "feature-08-cities") {
		t.Errorf("features: %q", features)
	}
	if !slices.IsSorted(plans) || !slices.Contains(plans, "plan-revvenu-basic") || len(catalog.Addons) == 0 || len(catalog.Products) == 0 {
		t.Errorf("plans: %q; %d add-ons; %d products", plans, len(catalog.Addons), len(catalog.Products))
	}
	sold, err := catalogClient(t, emulator.WithCreditsDemo()).ReadCatalog(t.Context())
	if err != nil || !sold.Currencies["currency-tokens"] {
		t.Errorf("currencies: %v, %v", sold.Currencies, err)
	}
}

func TestAFeatureIsFoundWhoeverHasIt(t *testing.T) {
	c := catalogClient(t)
	for _, tt := range []struct {
		name, customer, id string
		kind               gate.FeatureKind
		err                error
	}{
		{"of the customer's plan", "customer-basic", "feature-02-campaigns", gate.Metered, nil},
		{"of no plan", "customer-basic", "feature-08-cities", gate.Enum, nil},
		{"of no plan, in anybody's name", "", "feature-08-cities", gate.Enum, nil},
		{"that there isn't", "customer-basic", "feature-x", gate.KindUnknown, gate.ErrUnknownFeature},
		{"that there isn't, in anybody's name", "", "feature-x", gate.KindUnknown, gate.ErrUnknownFeature},
	} {
		t.Run(tt.name, func(t *testing.T) {
			kind, err := c.FindFeature(t.Context(), gate.Customer{ID: tt.customer}, tt.id)
			if kind != tt.kind || !errors.Is(err, tt.err) {
				t.Errorf("got %v, %v", kind, err)
			}
		})
	}
	// Of a customer who can have nothing, Stigg says that, and not whether there is the feature.
	for _, customer := range []string{"customer-none", "customer-archived", "customer-x"} {
		if _, err := c.FindFeature(t.Context(), gate.Customer{ID: customer}, "feature-x"); err == nil || errors.Is(err, gate.ErrUnknownFeature) {
			t.Errorf("%s: %v", customer, err)
		}
	}
}

func TestACurrencyIsFoundWhoeverHasIt(t *testing.T) {
	c := catalogClient(t, emulator.WithCreditsDemo())
	for _, who := range []gate.Customer{{}, {ID: "customer-tokens"}} {
		if err := c.FindCurrency(t.Context(), who, "currency-tokens"); err != nil {
			t.Error(err)
		}
		if err := c.FindCurrency(t.Context(), who, "currency-x"); !errors.Is(err, gate.ErrUnknownCurrency) {
			t.Error(err)
		}
	}
}

func TestAGateNeverSellsWhatStiggHasNot(t *testing.T) {
	c := catalogClient(t)
	nobody := gate.ResolverFunc(func(*http.Request) (gate.Customer, error) { return gate.Customer{}, gate.ErrNoCustomer })
	g, err := gate.New(c, nobody, gate.WithDecisionTimeout(5*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close(t.Context())
	who := gate.Customer{ID: "customer-basic"}
	for id, status := range map[string]int{"feature-4-analytics": 403, "feature-04-analytics": 402, "feature-08-cities": 402} {
		if d := g.Check(t.Context(), who, gate.Feature(id)); d.Status != status {
			t.Errorf("%s: %d %s, want %d", id, d.Status, d.Reason, status)
		}
	}
	if err := g.Verify(t.Context(), gate.Feature("feature-04-analytics"), gate.Feature("feature-08-cities").Values("NY")); err != nil {
		t.Error(err)
	}
	err = g.Verify(t.Context(), gate.Feature("feature-4-analytics"), gate.Feature("feature-08-cities").Uses(1), gate.Credits("coins").Uses(1))
	if !errors.Is(err, gate.ErrUnknownFeature) || !errors.Is(err, gate.ErrUnknownCurrency) || !errors.Is(err, gate.ErrFeatureKind) {
		t.Errorf("got %v", err)
	}
}
