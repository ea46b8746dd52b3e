package client

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stiggate/gate"
)

// sample reads the answer of one of the samples of Stigg's Java page, in the form in which GraphQL
// has it: without that page's fragments, and with times as text.
func sample(t *testing.T, name string, into any) any {
	t.Helper()
	text, err := os.ReadFile("testdata/samples/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var whole map[string]json.RawMessage
	if err := json.Unmarshal(text, &whole); err != nil || len(whole) != 1 {
		t.Fatalf("the sample has %d roots: %v", len(whole), err)
	}
	var plain any
	for _, raw := range whole {
		if err := json.Unmarshal(raw, into); err != nil {
			t.Fatal(err)
		}
		_ = json.Unmarshal(raw, &plain)
	}
	return plain
}

func TestTheSamplesAnswersKeepTheirValues(t *testing.T) {
	for name, into := range map[string]any{
		"provisionCustomer": &ProvisionedCustomer{}, "updateCustomer": &Customer{}, "getCustomer": &CustomerDetails{},
		"getActiveSubscriptions": &[]Subscription{}, "getSubscription": &[]Subscription{}, "updateSubscription": &Subscription{},
		"provisionSubscription": &ProvisionedSubscription{}, "provisionSubscription-checkout": &ProvisionedSubscription{},
		"provisionSubscription-action": &ProvisionedSubscription{}, "provisionSubscription-failed": &ProvisionedSubscription{},
		"estimateSubscription": &Estimate{}, "estimateSubscriptionUpdate": &Estimate{},
		"paywall": &Paywall{}, "coupons": &connection[Coupon]{}, "grantPromotionalEntitlements": &[]PromotionalEntitlement{},
	} {
		t.Run(name, func(t *testing.T) {
			compared := 0
			kept(t, name, sample(t, name, into), reflect.ValueOf(into).Elem(), &compared)
			if compared < 3 && !strings.Contains(name, "-") || compared == 0 {
				t.Errorf("only %d values were compared", compared)
			}
		})
	}
}

// kept holds what was decoded against a sample, wherever the type has a place.
func kept(t *testing.T, path string, want any, got reflect.Value, compared *int) {
	t.Helper()
	for got.Kind() == reflect.Pointer {
		if got.IsNil() {
			if want != nil {
				t.Errorf("%s: %v is lost", path, want)
			}
			return
		}
		got = got.Elem()
	}
	switch want := want.(type) {
	case nil:
	case []any:
		if got.Len() != len(want) {
			t.Errorf("%s: %d of %d members", path, got.Len(), len(want))
			return
		}
		for i, one := range want {
			kept(t, fmt.Sprint(path, "[", i, "]"), one, got.Index(i), compared)
		}
	case map[string]any:
		if got.Kind() == reflect.Map {
			*compared++
			if fmt.Sprint(got.Interface()) != fmt.Sprint(want) {
				t.Errorf("%s: got %v, want %v", path, got.Interface(), want)
			}
			return
		}
		for name, value := range want {
			if field, ok := place(got, name); ok {
				kept(t, path+"."+name, value, field, compared)
			}
		}
	default:
		*compared++
		have := fmt.Sprint(got.Interface())
		if at, ok := reflect.TypeAssert[time.Time](got); ok {
			have = at.Format("2006-01-02T15:04:05.000Z")
		}
		if have != fmt.Sprint(want) {
			t.Errorf("%s: got %s, want %v", path, have, want)
		}
	}
}

// place is the field of a struct with a JSON name.
func place(v reflect.Value, name string) (reflect.Value, bool) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == name {
			return v.Field(i), true
		}
		if f.Anonymous && tag == "" {
			if inner, ok := place(v.Field(i), name); ok {
				return inner, true
			}
		}
	}
	return reflect.Value{}, false
}

func TestTheSamplesAnswersAboutMoney(t *testing.T) {
	var checkout, action, failed ProvisionedSubscription
	sample(t, "provisionSubscription-checkout", &checkout)
	sample(t, "provisionSubscription-action", &action)
	sample(t, "provisionSubscription-failed", &failed)
	action.Status, failed.Status = ProvisionSuccess, ProvisionSuccess // which the samples leave out
	if checkout.Outcome() != OutcomeCheckout || checkout.CheckoutURL == "" || checkout.Subscription != nil {
		t.Errorf("the checkout is %+v", checkout)
	}
	if action.Outcome() != OutcomeActionRequired || action.Subscription.LatestInvoice.PaymentSecret != "secret" {
		t.Errorf("the action required is %+v", action)
	}
	if failed.Outcome() != OutcomePaymentFailed || failed.Subscription.LatestInvoice.ErrorMessage != "no sufficient funds" {
		t.Errorf("the failure is %+v", failed)
	}
	var estimate Estimate
	sample(t, "estimateSubscription", &estimate)
	if estimate.Total.Amount != 2.89 || estimate.Recurring.Total.Amount != 55 || estimate.Proration.Debit.Amount != 24.88 || estimate.Credits.Used.Amount != 21.99 {
		t.Errorf("the estimate is %+v", estimate)
	}
	var active []Subscription
	sample(t, "getActiveSubscriptions", &active)
	if active[0].Customer != (gate.Customer{ID: "customer-demo-01"}) || active[0].PlanName != "Plan name" || active[0].Status != StatusActive {
		t.Errorf("the subscription is %+v", active[0])
	}
}
