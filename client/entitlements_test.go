package client

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stiggate/gate"
)

// setWith is a set of one metered feature with further members.
func setWith(members ...string) string {
	all := append([]string{
		`"__typename":"FeatureEntitlement"`,
		`"isGranted":true`,
		`"hasUnlimitedUsage":false`,
		`"feature":{"refId":"feature-a","displayName":"A","featureType":"NUMBER","meterType":"Incremental"}`,
	}, members...)
	return `{"data":{"entitlementsState":{"entitlementsV2":[{` + strings.Join(all, ",") + `}]}}}`
}

func day(n int) time.Time { return time.Date(2026, 5, n, 12, 30, 0, 0, time.UTC) }

func TestEntitlementsReadsEveryField(t *testing.T) {
	c, _ := serve(t, says(200, `{"data":{"entitlementsState":{"accessDeniedReason":null,"entitlementsV2":[
		{"__typename":"FeatureEntitlement","isGranted":true,"accessDeniedReason":null,
		 "feature":{"refId":"feature-campaigns","displayName":"Campaigns","featureType":"NUMBER","meterType":"Fluctuating"},
		 "usageLimit":10.5,"hasUnlimitedUsage":false,"hasSoftLimit":true,"currentUsage":3.25,"enumValues":null,
		 "resetPeriod":"MONTH","usagePeriodAnchor":"2026-05-01T12:30:00.000Z","usagePeriodStart":"2026-05-02T14:30:00+02:00",
		 "usagePeriodEnd":"2026-05-03T12:30:00Z","validUntil":"2026-05-04T12:30:00.000Z",
		 "creditRate":{"currencyId":"tokens","amount":0.0000001,"costFormula":null}},
		{"__typename":"FeatureEntitlement","isGranted":false,"accessDeniedReason":"Revoked",
		 "feature":{"refId":"feature-b","displayName":"B","featureType":"BOOLEAN","meterType":"None"},"hasUnlimitedUsage":true},
		{"__typename":"FeatureEntitlement","isGranted":true,"enumValues":["a","b"],
		 "feature":{"refId":"feature-c","displayName":"C","featureType":"ENUM","meterType":null},
		 "hasUnlimitedUsage":false,"creditRate":{"currencyId":"tokens","amount":1,"costFormula":"x*2"}},
		{"__typename":"CreditEntitlement","isGranted":true,"accessDeniedReason":"BudgetExceeded",
		 "currency":{"currencyId":"tokens","displayName":"Tokens"},"usageLimit":100,"currentUsage":40,"hasSoftLimit":true,
		 "usagePeriodEnd":"2026-05-05T12:30:00Z","validUntil":"2026-05-06T12:30:00Z"}]}}}`))
	got, err := c.Entitlements(context.Background(), acme)
	if err != nil {
		t.Fatal(err)
	}
	want := gate.EntitlementSet{
		Features: []gate.Entitlement{
			{FeatureID: "feature-campaigns", DisplayName: "Campaigns", Kind: gate.Metered, Granted: true, Limit: 10.5,
				SoftLimit: true, Usage: 3.25, Reset: gate.ResetMonth, Anchor: day(1), PeriodStart: day(2), PeriodEnd: day(3),
				ValidUntil: day(4), CreditRate: &gate.CreditRate{CurrencyID: "tokens", Amount: 0.0000001}},
			{FeatureID: "feature-b", DisplayName: "B", Kind: gate.Boolean, Denied: gate.ReasonRevoked, Unlimited: true},
			{FeatureID: "feature-c", DisplayName: "C", Kind: gate.Enum, Granted: true, Values: []string{"a", "b"},
				CreditRate: &gate.CreditRate{CurrencyID: "tokens", Amount: 1, Formula: true}},
		},
		Credits: []gate.Credit{{CurrencyID: "tokens", DisplayName: "Tokens", Granted: true, Denied: gate.ReasonBudgetExceeded,
			Limit: 100, Usage: 40, SoftLimit: true, PeriodEnd: day(5), ValidUntil: day(6)}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestEntitlementsBearsWhatIsNew(t *testing.T) {
	for name, members := range map[string]string{
		"an unknown enum value":     `"resetPeriod":"FORTNIGHT","accessDeniedReason":"BrandNew"`,
		"fields nobody asked for":   `"brandNew":{"deep":[1,{"x":null}]},"environmentId":7`,
		"a date that is no date":    `"validUntil":"tomorrow","usagePeriodEnd":""`,
		"a date that is a number":   `"validUntil":1777638600000`,
		"a date that is an object":  `"validUntil":{"at":1}`,
		"a date beyond all years":   `"validUntil":1e300,"usagePeriodEnd":"99999-01-01T00:00:00Z"`,
		"null for what has no null": `"isGranted":null,"hasUnlimitedUsage":null`,
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := serve(t, says(200, setWith(members)))
			set, err := c.Entitlements(context.Background(), acme)
			if err != nil || len(set.Features) != 1 || set.Features[0].FeatureID != "feature-a" {
				t.Fatalf("got %+v, %v", set, err)
			}
		})
	}
}

func TestDatesAreReadLeniently(t *testing.T) {
	for text, want := range map[string]time.Time{
		`"2026-05-04T12:30:00Z"`:       day(4),
		`"2026-05-04T12:30:00.000Z"`:   day(4),
		`"2026-05-04T14:30:00+02:00"`:  day(4),
		`"2026-05-04T14:30:00+0200"`:   day(4),
		`"2026-05-04T12:30:00.0+0000"`: day(4),
		`"2026-05-04T12:30:00\u005A"`:  day(4),
		`1777897800000`:                day(4),
		`null`:                         {},
		`"no date"`:                    {},
		`"2026-05-04"`:                 {},
		`""`:                           {},
		`true`:                         {},
		`[1]`:                          {},
		`1e300`:                        {},
		`-1e300`:                       {},
		`"0000-01-01T00:00:00Z"`:       {},
		`"9999-12-31T23:59:59-10:00"`:  {},
		`"\ud800"`:                     {},
		`"2026-05-04T12:30:00.000 ZZ"`: {},
	} {
		c, _ := serve(t, says(200, setWith(`"validUntil":`+text)))
		set, err := c.Entitlements(context.Background(), acme)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := set.Features[0].ValidUntil; !got.Equal(want) {
			t.Errorf("%s is %v, want %v", text, got, want)
		}
	}
}

func TestEntitlementsSkipsMembersItCantUnderstand(t *testing.T) {
	c, _ := serve(t, says(200, `{"data":{"entitlementsState":{"entitlementsV2":[
		null,
		{"__typename":"QuotaEntitlement"},
		{},
		{"__typename":"FeatureEntitlement","isGranted":true,"feature":null},
		{"__typename":"FeatureEntitlement","isGranted":true,"feature":{"refId":""}},
		{"__typename":"CreditEntitlement","isGranted":true,"currency":{}},
		{"__typename":"FeatureEntitlement","isGranted":true,"feature":{"refId":"feature-a","featureType":"BOOLEAN"}}]}}}`))
	set, err := c.Entitlements(context.Background(), acme)
	if err != nil || len(set.Features) != 1 || len(set.Credits) != 0 || !set.Features[0].Granted {
		t.Fatalf("got %+v, %v", set, err)
	}
}

func TestACustomerWhoHasNothingIsASetAndNoError(t *testing.T) {
	for name, test := range map[string]struct {
		body string
		want gate.Reason
	}{
		"no subscription, in the set": {`{"data":{"entitlementsState":{"accessDeniedReason":"NoActiveSubscription","entitlementsV2":[]}}}`,
			gate.ReasonNoSubscription},
		"archived, in the set": {`{"data":{"entitlementsState":{"accessDeniedReason":"CustomerIsArchived","entitlementsV2":null}}}`,
			gate.ReasonCustomerIsArchived},
		"archived, as an error":           {refusalJSON("EntityIsArchivedError"), gate.ReasonCustomerIsArchived},
		"a reason that is new":            {`{"data":{"entitlementsState":{"accessDeniedReason":"OnHoliday","entitlementsV2":[]}}}`, "OnHoliday"},
		"unknown, as an error":            {refusalJSON("CustomerNotFound"), gate.ReasonCustomerNotFound},
		"unknown, in upper snake":         {refusalJSON("CUSTOMER_NOT_FOUND"), gate.ReasonCustomerNotFound},
		"unknown, with a trailing Error":  {refusalJSON("CustomerNotFoundError"), gate.ReasonCustomerNotFound},
		"unknown, beside null":            {strings.Replace(refusalJSON("CustomerNotFound"), "null", `{"entitlementsState":null}`, 1), gate.ReasonCustomerNotFound},
		"an unknown resource":             {refusalJSON("CustomerResourceNotFound"), gate.ReasonResourceNotFound},
		"an unknown resource, snake":      {refusalJSON("CUSTOMER_RESOURCE_NOT_FOUND"), gate.ReasonResourceNotFound},
		"no subscription, as an error":    {refusalJSON("NoActiveSubscriptionForCustomer"), gate.ReasonNoSubscription},
		"unknown, and so twice":           {`{"errors":[{"extensions":{"code":"CustomerNotFound"}},{"extensions":{"code":"CUSTOMER_NOT_FOUND"}}]}`, gate.ReasonCustomerNotFound},
		"unknown, no subscription either": {`{"data":{"entitlementsState":{"accessDeniedReason":"CustomerNotFound","entitlementsV2":[]}}}`, gate.ReasonCustomerNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := serve(t, says(200, test.body))
			set, err := c.Entitlements(context.Background(), acme)
			if err != nil || set.Denied != test.want || len(set.Features) != 0 {
				t.Fatalf("got %+v, %v, want %s", set, err, test.want)
			}
		})
	}
}

func TestDataBesideErrorsIsNotBelieved(t *testing.T) {
	for _, code := range []string{"UnexpectedError", "CustomerNotFound", "BrandNew", "BadUserInput"} {
		t.Run(code, func(t *testing.T) {
			body := strings.TrimSuffix(setWith(), "}") + fmt.Sprintf(`,"errors":[{"extensions":{"code":%q}}]}`, code)
			c, _ := serve(t, says(200, body))
			set, err := c.Entitlements(context.Background(), acme)
			if e := errorOf(t, err); e.Permanent() || string(e.Code) != code {
				t.Errorf("the error is %v, permanent: %t", e, e.Permanent())
			}
			if len(set.Features) != 0 {
				t.Error("the data came with the error")
			}
		})
	}
}

func TestMalformedIdsAreNotSent(t *testing.T) {
	c, rec := serve(t, says(200, emptySet))
	ctx := context.Background()
	bad := gate.Customer{ID: "victim/../x"}
	badResource := gate.Customer{ID: "acme", Resource: "a@victim"}
	nan, inf, minus := math.NaN(), math.Inf(1), -1.0
	for name, call := range map[string]func() error{
		"Entitlements":               func() error { _, err := c.Entitlements(ctx, bad); return err },
		"Entitlements of a resource": func() error { _, err := c.Entitlements(ctx, badResource); return err },
		"Entitlement": func() error {
			_, err := c.Entitlement(ctx, EntitlementQuery{Customer: bad, FeatureID: "feature-a"})
			return err
		},
		"Entitlement of a feature": func() error {
			_, err := c.Entitlement(ctx, EntitlementQuery{Customer: acme, FeatureID: "victim@"})
			return err
		},
		"Entitlement of no feature": func() error { _, err := c.Entitlement(ctx, EntitlementQuery{Customer: acme}); return err },
		"Entitlement for NaN": func() error {
			_, err := c.Entitlement(ctx, EntitlementQuery{Customer: acme, FeatureID: "f", RequestedUsage: &nan})
			return err
		},
		"Entitlement for infinity": func() error {
			_, err := c.Entitlement(ctx, EntitlementQuery{Customer: acme, FeatureID: "f", RequestedUsage: &inf})
			return err
		},
		"Entitlement for less than nothing": func() error {
			_, err := c.Entitlement(ctx, EntitlementQuery{Customer: acme, FeatureID: "f", RequestedUsage: &minus})
			return err
		},
		"GetCustomerByRefID":     func() error { _, err := c.GetCustomer(ctx, "vic tim"); return err },
		"GetActiveSubscriptions": func() error { _, err := c.ActiveSubscriptions(ctx, bad); return err },
	} {
		t.Run(name, func(t *testing.T) { refusedHere(t, call()) })
	}
	if rec.count() != 0 {
		t.Errorf("%d requests were made", rec.count())
	}
}

// refusedHere checks the error of arguments that are not sent.
func refusedHere(t *testing.T, err error) {
	t.Helper()
	e := errorOf(t, err)
	if !errors.Is(err, ErrInvalidInput) || !e.Permanent() || e.Retryable || e.HTTPStatus != 0 {
		t.Errorf("the error is %v", err)
	}
	for _, text := range renderings(err) {
		noSecret(t, text)
	}
}

func TestEntitlementAsksWhatItIsAsked(t *testing.T) {
	tiny, none := 0.0000001, 0.0
	for name, test := range map[string]struct {
		query EntitlementQuery
		want  string
	}{
		"nothing asked": {EntitlementQuery{}, ``},
		"nothing of it": {EntitlementQuery{RequestedUsage: &none}, `,"options":{"requestedUsage":0}`},
		"a tiny amount": {EntitlementQuery{RequestedUsage: &tiny}, `,"options":{"requestedUsage":1e-7}`},
		"values":        {EntitlementQuery{RequestedValues: []string{"a"}}, `,"options":{"requestedValues":["a"]}`},
	} {
		t.Run(name, func(t *testing.T) {
			c, rec := serve(t, says(200, `{"data":{"entitlementV2":{"__typename":"FeatureEntitlement","isGranted":true,
				"usageLimit":5,"feature":{"refId":"feature-a","displayName":"A","featureType":"NUMBER","meterType":"Incremental"}}}}`))
			test.query.Customer, test.query.FeatureID = gate.Customer{ID: "acme", Resource: "r"}, "feature-a"
			got, err := c.Entitlement(context.Background(), test.query)
			if err != nil || !got.Granted || got.Limit != 5 || got.Kind != gate.Metered {
				t.Fatalf("got %+v, %v", got, err)
			}
			want := `{"customerId":"acme","featureId":"feature-a"` + test.want + `,"resourceId":"r"}`
			if have := string(rec.last(t).body.Variables["query"]); have != want {
				t.Errorf("sent %s, want %s", have, want)
			}
		})
	}
}

func TestEntitlementRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		body string
		want gate.Reason
		code Code
	}{
		"a refusal":           {`{"data":{"entitlementV2":{"__typename":"FeatureEntitlement","isGranted":false,"accessDeniedReason":"FeatureNotFound","feature":null}}}`, gate.ReasonFeatureNotFound, ""},
		"no such customer":    {refusalJSON("CustomerNotFound"), gate.ReasonCustomerNotFound, ""},
		"no such feature":     {refusalJSON("FEATURE_NOT_FOUND"), gate.ReasonFeatureNotFound, ""},
		"not in the plan":     {refusalJSON("NoFeatureEntitlementError"), gate.ReasonNotInPlan, ""},
		"another feature":     {`{"data":{"entitlementV2":{"__typename":"FeatureEntitlement","isGranted":true,"feature":{"refId":"feature-z"}}}}`, "", ErrBadResponse},
		"another kind":        {`{"data":{"entitlementV2":{"__typename":"CreditEntitlement","isGranted":true}}}`, "", ErrBadResponse},
		"nothing":             {`{"data":{"entitlementV2":null}}`, "", ErrBadResponse},
		"the key was refused": {refusalJSON("Unauthenticated"), "", ErrUnauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := serve(t, says(200, test.body))
			got, err := c.Entitlement(context.Background(), EntitlementQuery{Customer: acme, FeatureID: "feature-a"})
			if test.code != "" {
				if !errors.Is(err, test.code) {
					t.Fatalf("the error is %v, want %v", err, test.code)
				}
				return
			}
			if err != nil || got.Granted || got.Denied != test.want || got.FeatureID != "feature-a" {
				t.Fatalf("got %+v, %v", got, err)
			}
		})
	}
}
