package drill

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"testing"
)

// few is the limit of feature-few, for each customer.
const few = 25

const customers = 6

func customer(i int) string { return fmt.Sprint("customer-", i) }

// catalog is a catalog in which everything is plenty but feature-few, and feature-off is
// in no plan.
func catalog(t *testing.T, customers int) []byte {
	t.Helper()
	type object map[string]any
	metered := func(id string, more object) object {
		f := object{"id": id, "displayName": id, "featureType": "NUMBER", "meterType": "INCREMENTAL"}
		maps.Copy(f, more)
		return f
	}
	calls := object{"filters": []object{{"conditions": []object{{"field": "eventName", "operation": "EQUALS", "value": "call"}}}}, "aggregation": object{"function": "COUNT"}}
	c := object{
		"product":    object{"id": "product-drill", "displayName": "Drill"},
		"currencies": []object{{"id": "currency-coins", "displayName": "Coins", "unit": "coin", "units": "coins"}},
		"features": []object{metered("feature-units", nil), metered("feature-few", nil), metered("feature-calls", object{"meter": calls}),
			metered("feature-off", nil)},
		"plans": []object{{
			"id": "plan-drill", "displayName": "Drill", "pricingType": "FREE",
			"creditEntitlements": []object{{"currencyId": "currency-coins", "amount": 1e9, "cadence": "MONTH"}},
			"entitlements": []object{
				{"featureId": "feature-units", "hasUnlimitedUsage": true},
				{"featureId": "feature-few", "usageLimit": few},
				{"featureId": "feature-calls", "hasUnlimitedUsage": true},
			},
		}},
	}
	var all []object
	for i := range customers {
		all = append(all, object{"id": customer(i), "createdAt": "2024-01-01T00:00:00Z", "subscriptions": []object{
			{"id": fmt.Sprint("subscription-", i), "planId": "plan-drill", "startDate": "2024-01-01T00:00:00Z"},
		}})
	}
	c["customers"] = all
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// stigg is the emulator's operator's side.
type stigg struct {
	*testing.T
	url string
}

func (s stigg) call(method, path string, body any, into any) {
	s.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		s.Fatal(err)
	}
	r, err := http.NewRequestWithContext(s.Context(), method, s.url+"/_emulator/"+path, bytes.NewReader(b))
	if err != nil {
		s.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if b, err = io.ReadAll(res.Body); err != nil || res.StatusCode > 299 {
		s.Fatalf("%s %s: %d %v\n%s", method, path, res.StatusCode, err, b)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(b, into); err != nil {
		s.Fatalf("%s %s: %v\n%s", method, path, err, b)
	}
}

// breaks makes Stigg break in one way.
func (s stigg) breaks(fault map[string]any) { s.call("POST", "faults", fault, nil) }

func (s stigg) mends() { s.call("DELETE", "faults", nil, nil) }

// account is what a count belongs to.
type account struct{ customer, path string }

// counted is all that Stigg has counted, by account, and how often it was sent again.
func (s stigg) counted() (sums map[account]float64, again int) {
	s.Helper()
	sums = make(map[account]float64)
	add := func(a account, n float64, duplicate bool) {
		if duplicate {
			again++
		} else {
			sums[a] += n
		}
	}
	var usages []struct {
		CustomerID, FeatureID string
		Value                 float64
		Duplicate             bool
	}
	s.call("GET", "usage", nil, &usages)
	for _, u := range usages {
		add(account{u.CustomerID, "/" + u.FeatureID[len("feature-"):]}, u.Value, u.Duplicate)
	}
	var events []struct {
		CustomerID string
		Duplicate  bool
	}
	s.call("GET", "events", nil, &events)
	for _, e := range events {
		add(account{e.CustomerID, "/calls"}, 1, e.Duplicate)
	}
	var credits []struct {
		CustomerID string
		Amount     float64
		Duplicate  bool
	}
	s.call("GET", "credits", nil, &credits)
	for _, c := range credits {
		add(account{c.CustomerID, "/coins"}, c.Amount, c.Duplicate)
	}
	return sums, again
}
