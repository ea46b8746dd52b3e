package client

import (
	"context"
	"errors"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/stiggate/gate"
)

const subscriptionJSON = `{"subscriptionId":"sub-1","status":"IN_TRIAL","pricingType":"PAID","billingPeriod":"ANNUALLY",
	"startDate":"2026-05-01T12:30:00Z","endDate":"2026-05-02T12:30:00Z","trialEndDate":"2026-05-03T12:30:00Z",
	"cancellationDate":"2026-05-04T12:30:00Z","effectiveEndDate":"2026-05-05T12:30:00Z",
	"currentBillingPeriodStart":"2026-05-06T12:30:00Z","currentBillingPeriodEnd":"2026-05-07T12:30:00Z",
	"customer":{"customerId":"acme"},"resource":{"resourceId":"site-1"},"plan":{"refId":"plan-a","displayName":"A"},
	"addons":[null,{"quantity":2,"addon":{"refId":"addon-b","displayName":"B"}}]}`

func trial() Subscription {
	return Subscription{ID: "sub-1", Customer: gate.Customer{ID: "acme", Resource: "site-1"}, Status: StatusInTrial,
		PricingType: PricingPaid, BillingPeriod: BilledAnnually, PlanID: "plan-a", PlanName: "A",
		Addons:    []SubscribedAddon{{ID: "addon-b", Name: "B", Quantity: 2}},
		StartDate: day(1), EndDate: day(2), TrialEndDate: day(3), CancellationDate: day(4), EffectiveEndDate: day(5),
		CurrentPeriodStart: day(6), CurrentPeriodEnd: day(7)}
}

const customerJSON = `{"customerId":"acme","name":"Acme","email":"a@acme.com","billingId":"cus_1",
	"createdAt":"2026-05-01T12:30:00Z","updatedAt":"2026-05-02T12:30:00Z"}`

func acmeCustomer() Customer {
	return Customer{ID: "acme", Name: "Acme", Email: "a@acme.com", BillingID: "cus_1", CreatedAt: day(1), UpdatedAt: day(2)}
}

func TestGetCustomer(t *testing.T) {
	t.Run("found", func(t *testing.T) {
		c, rec := serve(t, says(200, `{"data":{"getCustomerByRefId":`+customerJSON+`}}`))
		got, err := c.GetCustomer(context.Background(), "acme")
		if err != nil || !reflect.DeepEqual(got.Customer, acmeCustomer()) {
			t.Fatalf("got %+v, %v", got, err)
		}
		if sent := string(rec.last(t).body.Variables["input"]); sent != `{"customerId":"acme"}` {
			t.Errorf("sent %s", sent)
		}
	})
	for name, test := range map[string]struct {
		body string
		want Code
	}{
		"null":               {`{"data":{"getCustomerByRefId":null}}`, ErrCustomerNotFound},
		"not found by code":  {refusalJSON("CUSTOMER_NOT_FOUND"), ErrCustomerNotFound},
		"somebody else":      {`{"data":{"getCustomerByRefId":{"customerId":"evil"}}}`, ErrBadResponse},
		"the key is refused": {refusalJSON("Unauthenticated"), ErrUnauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := serve(t, says(200, test.body))
			got, err := c.GetCustomer(context.Background(), "acme")
			if got != nil || !errors.Is(err, test.want) {
				t.Errorf("got %v, %v, want %v", got, err, test.want)
			}
		})
	}
}

func TestActiveSubscriptions(t *testing.T) {
	t.Run("one", func(t *testing.T) {
		c, rec := serve(t, says(200, `{"data":{"getActiveSubscriptions":[`+subscriptionJSON+`]}}`))
		got, err := c.ActiveSubscriptions(context.Background(), gate.Customer{ID: "acme", Resource: "site-1"})
		if err != nil || !reflect.DeepEqual(got, []Subscription{trial()}) {
			t.Fatalf("got %+v, %v", got, err)
		}
		if sent := string(rec.last(t).body.Variables["input"]); sent != `{"customerId":"acme","resourceId":"site-1"}` {
			t.Errorf("sent %s", sent)
		}
	})
	t.Run("none", func(t *testing.T) {
		c, _ := serve(t, says(200, `{"data":{"getActiveSubscriptions":[]}}`))
		got, err := c.ActiveSubscriptions(context.Background(), acme)
		if err != nil || len(got) != 0 {
			t.Errorf("got %v, %v", got, err)
		}
	})
	for name, list := range map[string]string{"null": "null", "a null in the list": "[null]"} {
		t.Run(name, func(t *testing.T) {
			c, _ := serve(t, says(200, `{"data":{"getActiveSubscriptions":`+list+`}}`))
			if _, err := c.ActiveSubscriptions(context.Background(), acme); !errors.Is(err, ErrBadResponse) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// params has every field set.
func params() SubscriptionParams {
	yes := true
	return SubscriptionParams{PlanID: "plan-a", ResourceID: "site-1", SubscriptionID: "sub-1", BillingPeriod: BilledMonthly,
		BillingCountryCode: "DE", Addons: []AddonQuantity{{"addon-b", 2}}, BillableFeatures: []FeatureQuantity{{"feature-a", 0.5}},
		StartDate: day(1), PromotionCode: "MAY", AwaitPaymentConfirmation: &yes,
		Trial: &TrialOverride{IsTrial: true, EndDate: day(2), EndBehavior: "CONVERT_TO_PAID"}, Metadata: map[string]any{"m": 1}}
}

const paramsJSON = `"additionalMetaData":{"m":1},"addons":[{"addonId":"addon-b","quantity":2}],"awaitPaymentConfirmation":true,` +
	`"billableFeatures":[{"featureId":"feature-a","quantity":0.5}],"billingCountryCode":"DE","billingPeriod":"MONTHLY"`

const trialJSON = `"trialOverrideConfiguration":{"isTrial":true,"trialEndBehavior":"CONVERT_TO_PAID","trialEndDate":"2026-05-02T12:30:00.000Z"}`

func TestProvisionCustomer(t *testing.T) {
	c, rec := serve(t, says(200, `{"data":{"provisionCustomer":{"customer":`+customerJSON+`,
		"subscriptionDecisionStrategy":"REQUESTED_PLAN","subscription":`+subscriptionJSON+`}}}`))
	p := params()
	got, err := c.ProvisionCustomer(context.Background(), CustomerInput{ID: "acme", Name: "Acme", Email: "a@acme.com",
		CouponID: "coupon-1", BillingID: "cus_1", Metadata: map[string]any{"tier": "gold"}, Subscription: &p})
	subscription := trial()
	want := &ProvisionedCustomer{Customer: acmeCustomer(), Decision: DecidedRequestedPlan, Subscription: &subscription}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, %v", got, err)
	}
	sent := `{"additionalMetaData":{"tier":"gold"},"billingId":"cus_1","couponRefId":"coupon-1","customerId":"acme","email":"a@acme.com","name":"Acme",` +
		`"subscriptionParams":{` + paramsJSON + `,"planId":"plan-a","promotionCode":"MAY","resourceId":"site-1",` +
		`"startDate":"2026-05-01T12:30:00.000Z","subscriptionId":"sub-1",` + trialJSON + `}}`
	if have := string(rec.last(t).body.Variables["input"]); have != sent {
		t.Errorf("sent %s\nwant %s", have, sent)
	}
}

func TestProvisionCustomerWithoutASubscription(t *testing.T) {
	c, rec := serve(t, says(200, `{"data":{"provisionCustomer":{"customer":{"customerId":"acme"},
		"subscriptionDecisionStrategy":"SKIPPED_SUBSCRIPTION_CREATION","subscription":null}}}`))
	got, err := c.ProvisionCustomer(context.Background(), CustomerInput{ID: "acme"})
	if err != nil || got.Subscription != nil || got.Decision != DecidedNone {
		t.Fatalf("got %+v, %v", got, err)
	}
	if sent := string(rec.last(t).body.Variables["input"]); sent != `{"customerId":"acme"}` {
		t.Errorf("sent %s", sent)
	}
}

func TestProvisionSubscription(t *testing.T) {
	yes := true
	in := ProvisionSubscriptionInput{CustomerID: "acme", PayingCustomerID: "payer@x", SkipTrial: &yes, ScheduleStrategy: "IMMEDIATE",
		Checkout:           &CheckoutOptions{SuccessURL: "https://a/ok", CancelURL: "https://a/no", ReferenceID: "r", AllowPromoCodes: &yes},
		SubscriptionParams: params()}
	c, rec := serve(t, says(200, `{"data":{"provisionSubscriptionV2":{"status":"PAYMENT_REQUIRED","checkoutUrl":"https://pay",
		"checkoutBillingId":"cs_1","isScheduled":true,"subscription":`+subscriptionJSON+`}}}`))
	got, err := c.ProvisionSubscription(context.Background(), in)
	subscription := trial()
	want := &ProvisionedSubscription{Status: ProvisionPaymentRequired, CheckoutURL: "https://pay", CheckoutBillingID: "cs_1",
		IsScheduled: true, Subscription: &subscription}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, %v", got, err)
	}
	sent := `{` + paramsJSON + `,"checkoutOptions":{"allowPromoCodes":true,"cancelUrl":"https://a/no","referenceId":"r","successUrl":"https://a/ok"},` +
		`"customerId":"acme","payingCustomerId":"payer@x","planId":"plan-a","promotionCode":"MAY","resourceId":"site-1","scheduleStrategy":"IMMEDIATE",` +
		`"skipTrial":true,"startDate":"2026-05-01T12:30:00.000Z","subscriptionId":"sub-1",` + trialJSON + `}`
	if have := string(rec.last(t).body.Variables["input"]); have != sent {
		t.Errorf("sent %s\nwant %s", have, sent)
	}
}

func TestProvisioningNeedsAnAnswer(t *testing.T) {
	ctx := context.Background()
	for _, body := range []string{`{}`, `{"data":{"provisionCustomer":null,"provisionSubscriptionV2":null}}`,
		`{"data":{"provisionCustomer":{"customer":null},"provisionSubscriptionV2":{}}}`,
		`{"data":{"provisionCustomer":{"customer":{"customerId":"evil"}},"provisionSubscriptionV2":{"status":7}}}`} {
		c, _ := serve(t, says(200, body))
		if _, err := c.ProvisionCustomer(ctx, CustomerInput{ID: "acme"}); !errors.Is(err, ErrBadResponse) {
			t.Errorf("%s: the error is %v", body, err)
		}
		in := ProvisionSubscriptionInput{CustomerID: "acme", SubscriptionParams: SubscriptionParams{PlanID: "p"}}
		if _, err := c.ProvisionSubscription(ctx, in); !errors.Is(err, ErrBadResponse) {
			t.Errorf("%s: the error is %v", body, err)
		}
	}
}

func TestMalformedProvisioningIsNotSent(t *testing.T) {
	c, rec := serve(t, says(200, "{}"))
	ctx := context.Background()
	for name, spoil := range map[string]func(*ProvisionSubscriptionInput){
		"no customer":       func(in *ProvisionSubscriptionInput) { in.CustomerID = "" },
		"a bad customer":    func(in *ProvisionSubscriptionInput) { in.CustomerID = "vic tim" },
		"a bad payer":       func(in *ProvisionSubscriptionInput) { in.PayingCustomerID = "vic tim" },
		"no plan":           func(in *ProvisionSubscriptionInput) { in.PlanID = "" },
		"a bad resource":    func(in *ProvisionSubscriptionInput) { in.ResourceID = "victim@" },
		"a far start":       func(in *ProvisionSubscriptionInput) { in.StartDate = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"a far trial end":   func(in *ProvisionSubscriptionInput) { in.Trial.EndDate = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"no add-on id":      func(in *ProvisionSubscriptionInput) { in.Addons[0].AddonID = "" },
		"no add-on":         func(in *ProvisionSubscriptionInput) { in.Addons[0].Quantity = 0 },
		"a bad feature":     func(in *ProvisionSubscriptionInput) { in.BillableFeatures[0].FeatureID = "vic tim" },
		"NaN of a feature":  func(in *ProvisionSubscriptionInput) { in.BillableFeatures[0].Quantity = math.NaN() },
		"a negative amount": func(in *ProvisionSubscriptionInput) { in.BillableFeatures[0].Quantity = -1 },
		"odd metadata":      func(in *ProvisionSubscriptionInput) { in.Metadata = map[string]any{"x": make(chan int)} },
		"a dead checkout":   func(in *ProvisionSubscriptionInput) { in.Checkout = &CheckoutOptions{SuccessURL: "victim"} },
	} {
		t.Run(name, func(t *testing.T) {
			in := ProvisionSubscriptionInput{CustomerID: "acme", SubscriptionParams: params()}
			spoil(&in)
			_, err := c.ProvisionSubscription(ctx, in)
			refusedHere(t, err)
		})
	}
	for name, in := range map[string]CustomerInput{
		"a new customer without an id":         {},
		"a new customer with odd metadata":     {ID: "acme", Metadata: map[string]any{"x": math.Inf(1)}},
		"a new customer subscribed to nothing": {ID: "acme", Subscription: &SubscriptionParams{}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.ProvisionCustomer(ctx, in)
			refusedHere(t, err)
		})
	}
	if rec.count() != 0 {
		t.Errorf("%d requests were made", rec.count())
	}
}
