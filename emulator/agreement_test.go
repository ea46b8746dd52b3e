package emulator_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/emulator"
	"github.com/stiggate/gate/identity"
)

// inProcess carries requests to a handler without a socket.
type inProcess struct{ http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w.Result(), nil
}

var features = []string{
	"feature-01-templates", "feature-02-campaigns", "feature-03-custom-domain", "feature-04-analytics",
	"feature-05-integrations", "feature-06-max-file-size", "feature-08-cities",
}

// TestTheGateAndTheEmulatorAgree holds two implementations of the decision table
// against each other, through the client and the whole API: package gate decides
// from the set that it read, the emulator from its own world. They share no code.
func TestTheGateAndTheEmulatorAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stigg, err := emulator.New(emulator.WithoutDemo())
		if err != nil {
			t.Fatal(err)
		}
		source, err := client.New(emulator.DefaultKey, client.WithEndpoint("https://stigg.invalid"), client.WithHTTPClient(&http.Client{Transport: inProcess{stigg}}))
		if err != nil {
			t.Fatal(err)
		}
		customer := gate.Customer{ID: "customer", Resource: rapid.SampledFrom([]string{"", "site-1"}).Draw(t, "resource")}
		live(t, stigg, customer)
		g, err := gate.New(source, identity.FromTrustedHeader("X-Customer-ID", ""), gate.WithClock(stigg.Now), gate.WithDecisionTimeout(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = g.Close(context.Background()) }()
		for range 12 {
			agree(t, g, stigg, customer)
		}
	})
}

// TestTheGateAndTheEmulatorAgreeOnCredits does so for features that a wallet pays.
func TestTheGateAndTheEmulatorAgreeOnCredits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stigg, err := emulator.New(emulator.WithCreditsDemo())
		if err != nil {
			t.Fatal(err)
		}
		source, err := client.New(emulator.DefaultKey, client.WithEndpoint("https://stigg.invalid"), client.WithHTTPClient(&http.Client{Transport: inProcess{stigg}}))
		if err != nil {
			t.Fatal(err)
		}
		customer := gate.Customer{ID: rapid.SampledFrom([]string{"customer-tokens", "customer-tokens-free", "customer-tokens-none"}).Draw(t, "customer")}
		if rapid.Bool().Draw(t, "granted") {
			if _, err := stigg.GrantCredits(customer.ID, emulator.CreditGrant{CurrencyID: "currency-tokens", Amount: 0.5 + quantity(t, "grant")}); err != nil {
				t.Fatal(err)
			}
		}
		for i := range rapid.IntRange(0, 5).Draw(t, "consumptions") {
			use := client.CreditUse{Customer: customer, CurrencyID: "currency-tokens", Amount: 0.1 + 3*quantity(t, "consumed"), Key: fmt.Sprint(i), CreatedAt: stigg.Now()}
			if _, err := source.ConsumeCredits(context.Background(), use); err != nil {
				t.Fatal(err)
			}
		}
		g, err := gate.New(source, identity.FromTrustedHeader("X-Customer-ID", ""), gate.WithClock(stigg.Now), gate.WithDecisionTimeout(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = g.Close(context.Background()) }()
		for range 6 {
			id := rapid.SampledFrom([]string{"feature-generations", "feature-words", "feature-seats"}).Draw(t, "feature")
			n := 4 * quantity(t, "amount")
			granted, reason := stigg.Decide(customer.ID, "", id, &n, nil)
			if d := g.Check(context.Background(), customer, gate.Feature(id).Asks(n)); d.Allowed != granted || string(d.Reason) != reason {
				t.Fatalf("%v of %s: the gate says %v %q (%v), the emulator %v %q", n, id, d.Allowed, d.Reason, d.Err, granted, reason)
			}
		}
	})
}

// live gives the customer a history.
func live(t *rapid.T, stigg *emulator.Emulator, c gate.Customer) {
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if rapid.IntRange(0, 19).Draw(t, "known") == 0 {
		return
	}
	must(stigg.AddCustomer(c.ID))
	subscription := ""
	if rapid.IntRange(0, 9).Draw(t, "subscribed") > 0 {
		s := emulator.Subscription{Resource: c.Resource, Units: float64(rapid.IntRange(0, 9).Draw(t, "units"))}
		for _, id := range rapid.SliceOfNDistinct(rapid.SampledFrom(features), 0, 3, rapid.ID).Draw(t, "own") {
			s.Entitlements = append(s.Entitlements, grant(t, id))
		}
		plan := rapid.SampledFrom([]string{"plan-revvenu-basic", "plan-revvenu-essentials", "plan-revvenu-pro"}).Draw(t, "plan")
		if plan == "plan-revvenu-essentials" && rapid.Bool().Draw(t, "addon") {
			s.Addons = map[string]int{"addon-10-campaigns": rapid.IntRange(1, 3).Draw(t, "addons")}
		}
		var err error
		subscription, err = stigg.Subscribe(c.ID, plan, s)
		must(err)
	}
	for range rapid.IntRange(0, 3).Draw(t, "promotions") {
		until := time.Time{}
		if rapid.Bool().Draw(t, "expires") {
			until = stigg.Now().Add(48 * time.Hour)
		}
		must(stigg.Grant(c.ID, grant(t, rapid.SampledFrom(features).Draw(t, "promoted")), until))
	}
	for i := range rapid.IntRange(0, 6).Draw(t, "measurements") {
		must(stigg.Report(emulator.Measurement{
			CustomerID: c.ID, ResourceID: c.Resource, FeatureID: rapid.SampledFrom(features[:2]).Draw(t, "used"),
			IdempotencyKey: fmt.Sprint("key-", i), Value: quantity(t, "value"),
		}))
	}
	if rapid.IntRange(0, 3).Draw(t, "time passes") == 0 {
		stigg.Advance(time.Duration(rapid.IntRange(1, 100*24).Draw(t, "hours")) * time.Hour)
	}
	switch rapid.IntRange(0, 14).Draw(t, "end") {
	case 0:
		must(stigg.Archive(c.ID))
	case 1:
		if subscription != "" {
			must(stigg.Cancel(subscription))
		}
	}
}

func quantity(t *rapid.T, name string) float64 {
	if rapid.Bool().Draw(t, name+" is whole") {
		return float64(rapid.IntRange(0, 15).Draw(t, name))
	}
	return float64(rapid.IntRange(0, 150).Draw(t, name)) / 10
}

func grant(t *rapid.T, id string) emulator.Grant {
	g := emulator.Grant{FeatureID: id}
	switch id {
	case "feature-08-cities":
		g.EnumValues = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"NY", "LA", "TLV"}), 1, 3, rapid.ID).Draw(t, "cities")
	case "feature-01-templates", "feature-02-campaigns", "feature-06-max-file-size":
		limit := quantity(t, "limit")
		g.UsageLimit = &limit
		switch rapid.IntRange(0, 5).Draw(t, "kind of limit") {
		case 0:
			g.Unlimited, g.UsageLimit = true, nil
		case 1:
			g.SoftLimit = id != "feature-06-max-file-size"
		}
		if id == "feature-02-campaigns" {
			g.ResetPeriod = rapid.SampledFrom([]string{"HOUR", "DAY", "WEEK", "MONTH", "YEAR"}).Draw(t, "reset")
		}
	}
	return g
}

// agree asks both the same question.
func agree(t *rapid.T, g *gate.Gate, stigg *emulator.Emulator, c gate.Customer) {
	id := rapid.SampledFrom(features).Draw(t, "feature")
	policy, question := gate.Feature(id), "has"
	var amount *float64
	var values []string
	switch rapid.IntRange(0, 2).Draw(t, "question") {
	case 0:
		n := quantity(t, "amount")
		policy, amount, question = policy.Asks(n), &n, fmt.Sprint("asks ", n)
	case 1:
		values = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"NY", "LA", "TLV", "ny"}), 1, 2, rapid.ID).Draw(t, "values")
		policy, question = policy.Values(values...), fmt.Sprint("values ", values)
	default:
		if id == features[0] || id == features[1] {
			one := 1.0 // the gate's rule for a metered feature
			amount = &one
		}
	}
	granted, reason := stigg.Decide(c.ID, c.Resource, id, amount, values)
	d := g.Check(context.Background(), c, policy)
	if reason == string(gate.ReasonResourceNotFound) && d.Reason == gate.ReasonNoSubscription {
		return // a set says no more of a resource than that it has no subscription
	}
	if d.Allowed != granted || string(d.Reason) != reason {
		t.Fatalf("%s %s: the gate says %v %q (%v), the emulator %v %q", id, question, d.Allowed, d.Reason, d.Err, granted, reason)
	}
}
