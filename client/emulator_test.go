package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/emulator"
)

// emulated is a client of an emulated Stigg, over a real connection.
func emulated(t *testing.T, opts ...emulator.Option) (*client.Client, *emulator.Emulator) {
	t.Helper()
	stigg, err := emulator.New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(stigg)
	t.Cleanup(server.Close)
	c, err := client.New(emulator.DefaultKey, client.WithEndpoint(server.URL), client.WithHTTPClient(server.Client()))
	if err != nil {
		t.Fatal(err)
	}
	return c, stigg
}

var demo = gate.Customer{ID: "customer-demo-01"}

const (
	templates = "feature-01-templates"
	campaigns = "feature-02-campaigns"
)

func TestEmulatedEntitlements(t *testing.T) {
	c, _ := emulated(t)
	set, err := c.Entitlements(context.Background(), demo)
	if err != nil || set.Denied != "" {
		t.Fatalf("got %+v, %v", set, err)
	}
	kinds := map[string]gate.FeatureKind{}
	for _, e := range set.Features {
		kinds[e.FeatureID] = e.Kind
		if e.FeatureID == templates && (e.Limit != 5 || e.Usage != 3 || !e.Granted) {
			t.Errorf("templates are %+v", e)
		}
		if e.FeatureID == campaigns && (e.Reset == gate.ResetNever || e.PeriodEnd.IsZero() || e.Anchor.IsZero()) {
			t.Errorf("campaigns have no period: %+v", e)
		}
	}
	for id, want := range map[string]gate.FeatureKind{
		templates: gate.Metered, "feature-03-custom-domain": gate.Boolean, "feature-06-max-file-size": gate.Configuration,
	} {
		if kinds[id] != want {
			t.Errorf("%s is of kind %d, want %d", id, kinds[id], want)
		}
	}
	for id, want := range map[string]gate.Reason{
		"customer-none":     gate.ReasonNoSubscription,
		"customer-archived": gate.ReasonCustomerIsArchived,
		"customer-x":        gate.ReasonCustomerNotFound,
	} {
		set, err := c.Entitlements(context.Background(), gate.Customer{ID: id})
		if err != nil || set.Denied != want {
			t.Errorf("%s: %+v, %v, want %s", id, set, err, want)
		}
	}
}

func TestEmulatedEntitlement(t *testing.T) {
	c, _ := emulated(t)
	pro := gate.Customer{ID: "customer-pro"}
	for name, test := range map[string]struct {
		query client.EntitlementQuery
		want  gate.Reason
	}{
		"two templates of two": {client.EntitlementQuery{FeatureID: templates, RequestedUsage: amount(2)}, ""},
		"three of two":         {client.EntitlementQuery{FeatureID: templates, RequestedUsage: amount(3)}, gate.ReasonLimitExceeded},
		"a plain switch":       {client.EntitlementQuery{FeatureID: "feature-03-custom-domain"}, ""},
		"a city":               {client.EntitlementQuery{Customer: pro, FeatureID: "feature-08-cities", RequestedValues: []string{"NY"}}, ""},
		"a city not in it":     {client.EntitlementQuery{Customer: pro, FeatureID: "feature-08-cities", RequestedValues: []string{"TLV"}}, gate.ReasonValueNotAllowed},
		"what is not in it":    {client.EntitlementQuery{FeatureID: "feature-05-integrations"}, gate.ReasonNotInPlan},
	} {
		t.Run(name, func(t *testing.T) {
			if test.query.Customer.ID == "" {
				test.query.Customer = demo
			}
			got, err := c.Entitlement(context.Background(), test.query)
			if err != nil || got.Denied != test.want || got.Granted != (test.want == "") || got.FeatureID != test.query.FeatureID {
				t.Errorf("got %+v, %v, want %q", got, err, test.want)
			}
		})
	}
}

func amount(n float64) *float64 { return &n }

func TestEmulatedUsageCountsOnce(t *testing.T) {
	c, stigg := emulated(t)
	ctx := context.Background()
	ack, err := c.ReportUsage(ctx, client.Measurement{Customer: demo, FeatureID: templates, Value: 1, Key: "k1", CreatedAt: stigg.Now()})
	if err != nil || !ack.Known || ack.Usage != 4 || ack.At.IsZero() {
		t.Fatalf("got %+v, %v", ack, err)
	}
	batch := []gate.Usage{
		{Customer: demo, FeatureID: templates, Value: 1, Key: "k2", CreatedAt: stigg.Now()},
		{Customer: demo, FeatureID: campaigns, Value: 2.5, Key: "k3", CreatedAt: stigg.Now()},
		{Customer: demo, FeatureID: templates, Value: -2, Key: "k4", CreatedAt: stigg.Now()},
	}
	for range 2 {
		acks, err := c.Report(ctx, batch)
		if err != nil || len(acks) != 3 || acks[2].Usage != 3 || acks[1].Usage != 2.5 || acks[1].PeriodEnd.IsZero() {
			t.Fatalf("got %+v, %v", acks, err)
		}
	}
	if n := len(stigg.Usage()); n < 4 {
		t.Errorf("%d measurements are recorded", n)
	}
	if used, err := stigg.CurrentUsage(demo.ID, "", templates); err != nil || used != 3 {
		t.Errorf("Stigg counts %v, %v", used, err)
	}
}

func TestEmulatedRefusalsOfUsageArePermanent(t *testing.T) {
	c, stigg := emulated(t)
	for name, test := range map[string]struct {
		customer, feature string
		want              client.Code
	}{
		"an unknown feature":  {demo.ID, "feature-x", client.ErrFeatureNotFound},
		"an unknown customer": {"customer-x", templates, client.ErrCustomerNotFound},
		"a switch":            {demo.ID, "feature-03-custom-domain", "MeteringNotAvailableForFeatureType"},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(stigg.Usage())
			_, err := c.Report(context.Background(), []gate.Usage{
				{Customer: demo, FeatureID: templates, Value: 1, Key: name + "1", CreatedAt: stigg.Now()},
				{Customer: gate.Customer{ID: test.customer}, FeatureID: test.feature, Value: 1, Key: name + "2", CreatedAt: stigg.Now()},
			})
			var e *client.Error
			if !errors.As(err, &e) || !errors.Is(err, test.want) || !e.Permanent() {
				t.Errorf("the error is %v", err)
			}
			if len(stigg.Usage()) != before {
				t.Error("a part of the batch was counted")
			}
		})
	}
}

func TestEmulatedEvents(t *testing.T) {
	c, stigg := emulated(t)
	events := make([]client.Event, 3)
	for i := range events {
		events[i] = client.Event{Customer: demo, Name: "user_login", Key: fmt.Sprint(i), At: stigg.Now(),
			Dimensions: map[string]any{"user_id": fmt.Sprint("u", i%2)}}
	}
	for range 2 {
		if err := c.ReportEvent(context.Background(), events); err != nil {
			t.Fatal(err)
		}
	}
	counted := 0
	for _, e := range stigg.Events() {
		if !e.Duplicate {
			counted++
		}
	}
	if counted != 3 {
		t.Errorf("%d events were counted, want 3", counted)
	}
}

func TestEmulatedSignUpAndUpgrade(t *testing.T) {
	c, _ := emulated(t)
	ctx := context.Background()
	_, err := c.GetCustomer(ctx, "newcomer")
	if !errors.Is(err, client.ErrCustomerNotFound) {
		t.Fatalf("the error is %v", err)
	}
	made, err := c.ProvisionCustomer(ctx, client.CustomerInput{ID: "newcomer", Name: "New", Email: "new@example.com",
		Metadata: map[string]any{"tier": "gold"}, Subscription: &client.SubscriptionParams{PlanID: "plan-revvenu-basic"}})
	if err != nil || made.Customer.ID != "newcomer" || made.Subscription == nil || made.Subscription.PlanID != "plan-revvenu-basic" {
		t.Fatalf("got %+v, %v", made, err)
	}
	found, err := c.GetCustomer(ctx, "newcomer")
	if err != nil || found.Name != "New" || found.Email != "new@example.com" || found.CreatedAt.IsZero() {
		t.Fatalf("got %+v, %v", found, err)
	}
	done, err := c.ProvisionSubscription(ctx, client.ProvisionSubscriptionInput{CustomerID: "newcomer",
		SubscriptionParams: client.SubscriptionParams{PlanID: "plan-revvenu-pro", BillingPeriod: client.BilledMonthly,
			StartDate: time.Time{}}})
	if err != nil || done.Status != client.ProvisionSuccess || done.Subscription == nil || done.Subscription.Customer.ID != "newcomer" {
		t.Fatalf("got %+v, %v", done, err)
	}
	active, err := c.ActiveSubscriptions(ctx, gate.Customer{ID: "newcomer"})
	if err != nil || !slices.ContainsFunc(active, func(s client.Subscription) bool { return s.PlanID == "plan-revvenu-pro" }) {
		t.Fatalf("got %+v, %v", active, err)
	}
}

func TestEmulatedRefusalOfTheKey(t *testing.T) {
	stigg, err := emulator.New(emulator.WithKey("another-key"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(stigg)
	defer server.Close()
	c, err := client.New("wrong-key-%41", client.WithEndpoint(server.URL), client.WithHTTPClient(server.Client()))
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Entitlements(context.Background(), demo)
	var e *client.Error
	if !errors.Is(err, client.ErrUnauthenticated) || !errors.As(err, &e) || e.Permanent() || e.Retryable {
		t.Errorf("the error is %v", err)
	}
}
