package emulator

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// changingCatalog has what changes a set by the mere passing of time, beside features that nothing resets.
const changingCatalog = `{"product": {"id": "p"}, "currencies": [{"id": "tokens"}],
	"features": [{"id": "seats", "featureType": "NUMBER", "meterType": "FLUCTUATING"}, {"id": "calls", "featureType": "NUMBER", "meterType": "INCREMENTAL"},
		{"id": "size", "featureType": "NUMBER"}, {"id": "sso", "featureType": "BOOLEAN"}],
	"plans": [{"id": "free", "pricingType": "FREE", "entitlements": [{"featureId": "size", "usageLimit": 1}]},
		{"id": "team", "pricingType": "PAID", "basePlan": "free", "compatibleAddons": ["more"], "defaultTrialConfig": {"duration": 10, "units": "DAY", "trialEndBehavior": "CANCEL_SUBSCRIPTION"},
			"creditEntitlements": [{"currencyId": "tokens", "amount": 10, "cadence": "MONTH"}],
			"entitlements": [{"featureId": "calls", "hasUnlimitedUsage": true}, {"featureId": "sso"}],
			"prices": [{"billingModel": "PER_UNIT", "featureId": "seats", "billingPeriod": "MONTHLY", "amount": 6}, {"billingModel": "USAGE_BASED", "featureId": "calls", "billingPeriod": "MONTHLY", "amount": 0.1}]}],
	"addons": [{"id": "more", "pricingType": "PAID", "entitlements": [{"featureId": "size", "usageLimit": 5, "behavior": "Increment"}],
		"prices": [{"billingModel": "FLAT_FEE", "billingPeriod": "MONTHLY", "amount": 5}]}],
	"customers": [{"id": "c"}]}`

// TestASetStaysAsItIsUntilItSaysOtherwise: clients keep a set until its validUntil, so nothing of it may
// change before by itself.
func TestASetStaysAsItIsUntilItSaysOtherwise(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		e := newTest(t, WithCatalog(strings.NewReader(changingCatalog)))
		amount := func() float64 { return float64(rapid.IntRange(1, 20).Draw(r, "amount")) }
		later := func() string {
			return isoTime(e.Now().Add(time.Duration(rapid.IntRange(1, 60).Draw(r, "days")) * 24 * time.Hour))
		}
		when := rapid.SampledFrom([]string{"IMMEDIATE", "END_OF_BILLING_PERIOD"})
		acts := map[string]func(){
			"ProvisionSubscription": func() {
				in := vars{"customerId": "c", "planId": rapid.SampledFrom([]string{"free", "team"}).Draw(r, "plan"), "billingPeriod": "MONTHLY",
					"skipTrial": rapid.Bool().Draw(r, "skips the trial"), "scheduleStrategy": when.Draw(r, "when")}
				if in["planId"] == "team" {
					in["billableFeatures"] = []vars{{"featureId": "seats", "quantity": amount()}}
					in["budget"] = vars{"limit": amount() / 10, "hasSoftLimit": rapid.Bool().Draw(r, "soft")}
				}
				ask(t, e, official(t, "ProvisionSubscription"), vars{"input": in})
			},
			"UpdateSubscription": func() {
				in := vars{"subscriptionId": openIn(t, e), "scheduleStrategy": when.Draw(r, "when")}
				if rapid.Bool().Draw(r, "add-ons") {
					in["addons"] = []vars{{"addonId": "more", "quantity": int(amount())}}
				} else {
					in["unitQuantity"] = amount()
				}
				ask(t, e, official(t, "UpdateSubscription"), vars{"input": in})
			},
			"CancelSubscription": func() {
				ask(t, e, official(t, "CancelSubscription"), vars{"input": vars{"subscriptionRefId": openIn(t, e), "subscriptionCancellationTime": "END_OF_BILLING_PERIOD"}})
			},
			"GrantPromotionalEntitlements": func() {
				ask(t, e, official(t, "GrantPromotionalEntitlements"), vars{"input": vars{"customerId": "c", "promotionalEntitlements": []vars{
					{"featureId": "size", "usageLimit": amount(), "period": "CUSTOM", "customEndDate": later()}}}})
			},
			"GrantCredits": func() {
				ask(t, e, official(t, "GrantCredits"), vars{"input": vars{"customerId": "c", "currencyId": "tokens", "amount": amount(), "grantType": "PROMOTIONAL",
					"displayName": "d", "effectiveAt": later(), "expireAt": isoTime(e.Now().Add(61 * 24 * time.Hour))}})
			},
			"ReportUsage": func() { _ = e.Report(Measurement{CustomerID: "c", FeatureID: "calls", Value: amount()}) },
			"time":        func() { e.Advance(time.Duration(rapid.IntRange(1, 40).Draw(r, "days")) * 24 * time.Hour) },
		}
		for range rapid.IntRange(1, 12).Draw(r, "acts") {
			acts[rapid.SampledFrom(sortedKeys(acts)).Draw(r, "act")]()
			before, until := wholeSet(t, e)
			if until.IsZero() {
				until = e.Now().Add(400 * 24 * time.Hour)
			}
			if d := until.Sub(e.Now()) - time.Millisecond; d > 0 {
				e.Advance(d)
			}
			if after, _ := wholeSet(t, e); after != before && before != "" {
				r.Fatalf("it was valid until %s, and is before that\n%s\nand was\n%s", isoTime(until), after, before)
			}
		}
	})
}

// openIn is the id of a subscription of the customer c that is not over, or one that there is none of.
func openIn(t testing.TB, e *Emulator) string {
	t.Helper()
	all, _ := dig(t, ask(t, e, `{ getCustomerByRefId(input: {customerId: "c"}) { subscriptions { subscriptionId status } } }`, nil).Data, "getCustomerByRefId", "subscriptions").([]any)
	for _, s := range all {
		if status := dig(t, s, "status"); status != "CANCELED" && status != "EXPIRED" {
			id, _ := dig(t, s, "subscriptionId").(string)
			return id
		}
	}
	return "none"
}

// wholeSet is what the customer c has, "" for nothing, and until when that is valid.
func wholeSet(t testing.TB, e *Emulator) (set string, until time.Time) {
	t.Helper()
	a := ask(t, e, `{ entitlementsState(query: {customerId: "c"}) { entitlementsV2 {
		... on FeatureEntitlement { feature { refId } isGranted accessDeniedReason usageLimit currentUsage hasUnlimitedUsage validUntil }
		... on CreditEntitlement { currency { currencyId } isGranted accessDeniedReason usageLimit currentUsage validUntil } } } }`, nil)
	members, _ := dig(t, a.Data, "entitlementsState", "entitlementsV2").([]any)
	for _, m := range members {
		if text, ok := dig(t, m, "validUntil").(string); ok {
			at, err := time.Parse(time.RFC3339, text)
			must(t, err)
			until = earliest(until, at)
		}
		if m, ok := m.(map[string]any); ok {
			delete(m, "validUntil")
		}
	}
	if len(members) == 0 {
		return "", until
	}
	return format(members), until
}

func TestASetSaysWhenItChangesByItself(t *testing.T) {
	seats := vars{"customerId": "c", "planId": "seats", "billingPeriod": "MONTHLY", "skipTrial": true, "billableFeatures": []vars{{"featureId": "seats", "quantity": 2}}}
	soon := testNow.Add(48 * time.Hour)
	for name, c := range map[string]struct {
		order, act vars
		operation  string
		want       time.Time
	}{
		"a change for later":                 {seats, vars{"unitQuantity": 3, "scheduleStrategy": "END_OF_BILLING_PERIOD"}, "UpdateSubscription", testNow.AddDate(0, 1, 0)},
		"credits that are in force later":    {vars{"customerId": "c", "planId": "free"}, vars{"customerId": "c", "currencyId": "tokens", "amount": 1, "grantType": "PROMOTIONAL", "displayName": "d", "effectiveAt": isoTime(soon)}, "GrantCredits", soon},
		"a promotion that ends":              {vars{"customerId": "c", "planId": "free"}, vars{"customerId": "c", "promotionalEntitlements": []vars{{"featureId": "size", "usageLimit": 9, "period": "CUSTOM", "customEndDate": isoTime(soon)}}}, "GrantPromotionalEntitlements", soon},
		"nothing that changes":               {vars{"customerId": "c", "planId": "free"}, nil, "", time.Time{}},
		"a budget that is whole again later": {vars{"customerId": "c", "planId": "usage", "billingPeriod": "MONTHLY", "budget": vars{"limit": 1, "hasSoftLimit": false}}, nil, "", testNow.AddDate(0, 1, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			e := newTest(t, WithCatalog(strings.NewReader(strings.Replace(changingCatalog, `"plans": [`, `"plans": [{"id": "seats", "pricingType": "PAID", "prices": [{"billingModel": "PER_UNIT", "featureId": "seats", "billingPeriod": "MONTHLY", "amount": 6}]},
				{"id": "usage", "pricingType": "PAID",
				"entitlements": [{"featureId": "calls", "hasUnlimitedUsage": true}], "prices": [{"billingModel": "USAGE_BASED", "featureId": "calls", "billingPeriod": "MONTHLY", "amount": 0.1}]}, `, 1))))
			run(t, e, "ProvisionSubscription", c.order)
			if c.operation == "UpdateSubscription" {
				c.act["subscriptionId"] = openIn(t, e)
			}
			if c.operation != "" {
				run(t, e, c.operation, c.act)
			}
			if _, got := wholeSet(t, e); !got.Equal(c.want) {
				t.Errorf("valid until %s, want %s", isoTime(got), isoTime(c.want))
			}
		})
	}
}
