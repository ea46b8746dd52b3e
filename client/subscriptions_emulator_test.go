package client_test

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
)

// essentials is a paid subscription as the samples make it: 5 templates of 6 and 5 add-ons of 5 a
// month.
func essentials(customer string) client.ProvisionSubscriptionInput {
	yes := true
	return client.ProvisionSubscriptionInput{CustomerID: customer, SkipTrial: &yes, SubscriptionParams: client.SubscriptionParams{
		PlanID: "plan-revvenu-essentials", ResourceID: "site-1", BillingPeriod: client.BilledMonthly, BillingCountryCode: "DK",
		BillableFeatures: []client.FeatureQuantity{{FeatureID: templates, Quantity: 5}},
		Addons:           []client.AddonQuantity{{AddonID: "addon-10-campaigns", Quantity: 5}},
		Metadata:         map[string]any{"key": "value"}}}
}

var site1 = gate.Customer{ID: demo.ID, Resource: "site-1"}

func provisioned(t *testing.T, c *client.Client, in client.ProvisionSubscriptionInput) *client.Subscription {
	t.Helper()
	done, err := c.ProvisionSubscription(t.Context(), in)
	if err != nil || done.Outcome() != client.OutcomeDone || done.Subscription == nil {
		t.Fatalf("got %+v, %v", done, err)
	}
	return done.Subscription
}

func TestProvisionUpdateAndCancelASubscriptionAsTheSamplesDo(t *testing.T) {
	c, _ := emulated(t)
	ctx := t.Context()
	s := provisioned(t, c, essentials(demo.ID))
	if s.Customer != site1 || s.TotalPrice == nil || s.TotalPrice.Total != (client.Money{Amount: 55, Currency: "USD"}) || s.Metadata["key"] != "value" ||
		len(s.Addons) != 1 || s.Addons[0].Quantity != 5 || s.PricingType != client.PricingPaid {
		t.Errorf("got %+v", s)
	}
	updated, err := c.UpdateSubscription(ctx, client.UpdateSubscriptionInput{SubscriptionParams: client.SubscriptionParams{SubscriptionID: s.ID,
		BillableFeatures: []client.FeatureQuantity{{FeatureID: templates, Quantity: 7}},
		Addons:           []client.AddonQuantity{{AddonID: "addon-10-campaigns", Quantity: 2}}}})
	if err != nil || updated.TotalPrice.Total.Amount != 52 {
		t.Errorf("got %+v, %v", updated, err)
	}
	bare, err := c.UpdateSubscription(ctx, client.UpdateSubscriptionInput{SubscriptionParams: client.SubscriptionParams{SubscriptionID: s.ID, Addons: []client.AddonQuantity{}}})
	if err != nil || len(bare.Addons) != 0 || bare.TotalPrice.Total.Amount != 42 {
		t.Errorf("without add-ons: %+v, %v", bare, err)
	}
	found, err := c.GetSubscription(ctx, s.ID)
	if err != nil || found.Customer != site1 || found.TotalPrice.Total.Amount != 42 {
		t.Errorf("got %+v, %v", found, err)
	}
	canceled, err := c.CancelSubscription(ctx, client.CancelSubscriptionInput{SubscriptionID: s.ID, Action: client.CancelDefault, Time: client.CancelAtEndOfPeriod})
	if err != nil || canceled.CancellationDate.IsZero() && canceled.EffectiveEndDate.IsZero() {
		t.Errorf("got %+v, %v", canceled, err)
	}
	if canceled, err = c.CancelSubscription(ctx, client.CancelSubscriptionInput{SubscriptionID: s.ID, Time: client.CancelImmediately}); err != nil || canceled.Status != client.StatusCanceled {
		t.Errorf("got %+v, %v", canceled, err)
	}
	if active, err := c.ActiveSubscriptions(ctx, site1); err != nil || len(active) != 0 {
		t.Errorf("active are %+v, %v", active, err)
	}
	if _, err := c.GetSubscription(ctx, "subscription-id"); !errors.Is(err, client.ErrSubscriptionNotFound) {
		t.Errorf("the error is %v", err)
	}
}

func TestProvisioningThatMustBePaidLeadsToACheckout(t *testing.T) {
	c, stigg := emulated(t)
	in, site9 := essentials(demo.ID), gate.Customer{ID: demo.ID, Resource: "site-9"}
	in.ResourceID = site9.Resource
	in.Checkout = &client.CheckoutOptions{SuccessURL: "https://example.com/ok", CancelURL: "https://example.com/no"}
	done, err := c.ProvisionSubscription(t.Context(), in)
	if err != nil || done.Outcome() != client.OutcomeCheckout || done.CheckoutURL == "" {
		t.Fatalf("got %+v, %v", done, err)
	}
	if active, err := c.ActiveSubscriptions(t.Context(), site9); !errors.Is(err, client.ErrResourceNotFound) {
		t.Errorf("before it is paid: %+v, %v", active, err)
	}
	if err := stigg.CompleteCheckout(stigg.Checkouts()[0].ID, "pay"); err != nil {
		t.Fatal(err)
	}
	if active, err := c.ActiveSubscriptions(t.Context(), site9); err != nil || len(active) != 1 || active[0].PlanID != "plan-revvenu-essentials" {
		t.Errorf("after it was paid: %+v, %v", active, err)
	}
	found, err := c.GetCustomer(t.Context(), demo.ID)
	if err != nil || !found.HasPaymentMethod || found.Last4 == "" {
		t.Errorf("got %+v, %v", found, err)
	}
}

func TestTheOutcomesOfProvisioning(t *testing.T) {
	for name, test := range map[string]struct {
		done client.ProvisionedSubscription
		want client.ProvisionOutcome
	}{
		"a status of another version": {client.ProvisionedSubscription{Status: "LATER"}, client.OutcomeUnknown},
		"a checkout":                  {client.ProvisionedSubscription{Status: client.ProvisionPaymentRequired}, client.OutcomeCheckout},
		"scheduled":                   {client.ProvisionedSubscription{Status: client.ProvisionSuccess, IsScheduled: true}, client.OutcomeDone},
		"nothing to pay":              {success(client.PaymentNotRequired), client.OutcomeDone},
		"a payment under way":         {success(client.PaymentProcessing), client.OutcomeProcessing},
		"a payment to confirm":        {success(client.PaymentActionRequired), client.OutcomeActionRequired},
		"a payment that failed":       {success(client.PaymentFailed), client.OutcomePaymentFailed},
	} {
		if got := test.done.Outcome(); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

func success(p client.PaymentCollection) client.ProvisionedSubscription {
	return client.ProvisionedSubscription{Status: client.ProvisionSuccess, Subscription: &client.Subscription{PaymentCollection: p}}
}

func TestASubscriptionIsCreatedAndApplied(t *testing.T) {
	c, _ := emulated(t)
	ctx := t.Context()
	params := essentials("customer-none").SubscriptionParams
	params.ResourceID = ""
	made, err := c.CreateSubscription(ctx, client.CreateSubscriptionInput{CustomerID: "customer-none", SubscriptionParams: params})
	if err != nil || made.Status != client.StatusActive || made.Customer.ID != "customer-none" {
		t.Errorf("got %+v, %v", made, err)
	}
	params.Trial = &client.TrialOverride{IsTrial: true, EndBehavior: "CANCEL_SUBSCRIPTION"}
	made, err = c.CreateSubscription(ctx, client.CreateSubscriptionInput{CustomerID: "customer-none", SubscriptionParams: params})
	if err != nil || made.Status != client.StatusInTrial || made.TrialEndBehavior != "CANCEL_SUBSCRIPTION" || made.TrialEndDate.IsZero() {
		t.Errorf("a trial: %+v, %v", made, err)
	}
	params.Trial.EndDate = time.Now().Add(time.Hour)
	if _, err := c.CreateSubscription(ctx, client.CreateSubscriptionInput{CustomerID: "customer-none", SubscriptionParams: params}); !errors.Is(err, client.ErrInvalidInput) {
		t.Errorf("what the call does not take: %v", err)
	}
	params = essentials(demo.ID).SubscriptionParams
	applied, err := c.ApplySubscription(ctx, client.ApplySubscriptionInput{CustomerID: demo.ID, SubscriptionParams: params})
	if err != nil || applied == nil || applied.PlanID != "plan-revvenu-essentials" || applied.Customer != site1 {
		t.Errorf("got %+v, %v", applied, err)
	}
	params.SubscriptionID = "of-my-own"
	if _, err := c.ApplySubscription(ctx, client.ApplySubscriptionInput{CustomerID: demo.ID, SubscriptionParams: params}); !errors.Is(err, client.ErrInvalidInput) {
		t.Errorf("what the call does not take: %v", err)
	}
}

func TestASubscriptionMoves(t *testing.T) {
	c, _ := emulated(t)
	ctx := t.Context()
	s := provisioned(t, c, essentials(demo.ID))
	moved, err := c.TransferSubscription(ctx, site1, "site-2")
	if err != nil || moved.Customer != (gate.Customer{ID: demo.ID, Resource: "site-2"}) {
		t.Errorf("got %+v, %v", moved, err)
	}
	if moved, err = c.TransferSubscriptionToResource(ctx, moved.ID, "site-3"); err != nil || moved.Customer.Resource != "site-3" {
		t.Errorf("got %+v, %v", moved, err)
	}
	given, err := c.DelegateSubscription(ctx, s.ID, "customer-none")
	if err != nil || given.Customer.ID != demo.ID || given.PayingCustomerID != "customer-none" {
		t.Errorf("got %+v, %v", given, err)
	}
	if _, err := c.TransferSubscription(ctx, gate.Customer{ID: demo.ID, Resource: "nowhere"}, "site-2"); err == nil {
		t.Error("a subscription of nothing was moved")
	}
	if _, err := c.TransferSubscription(ctx, demo, "site-2"); !errors.Is(err, client.ErrInvalidInput) {
		t.Errorf("from no resource: %v", err)
	}
}

func TestASubscriptionMigratesAndItsUpdatesAreCanceled(t *testing.T) {
	c, _ := emulated(t)
	ctx := t.Context()
	s := provisioned(t, c, essentials(demo.ID))
	if got, err := c.MigrateSubscription(ctx, s.ID, false); err != nil && !errors.Is(err, client.Code("SubscriptionAlreadyOnLatestPlanError")) || err == nil && got.ID != s.ID {
		t.Errorf("got %+v, %v", got, err)
	}
	scheduled, err := c.UpdateSubscription(ctx, client.UpdateSubscriptionInput{ScheduleStrategy: client.ScheduleEndOfBillingPeriod,
		SubscriptionParams: client.SubscriptionParams{SubscriptionID: s.ID, BillableFeatures: []client.FeatureQuantity{{FeatureID: templates, Quantity: 6}}}})
	if err != nil || len(scheduled.ScheduledUpdates) == 0 || scheduled.ScheduledUpdates[0].Change == nil {
		t.Fatalf("got %+v, %v", scheduled, err)
	}
	if err := c.CancelSubscriptionUpdates(ctx, s.ID); err != nil {
		t.Fatal(err)
	}
	if found, err := c.GetSubscription(ctx, s.ID); err != nil || slices.ContainsFunc(found.ScheduledUpdates, func(u client.ScheduledUpdate) bool { return u.Status == "Scheduled" }) {
		t.Errorf("got %+v, %v", found, err)
	}
}

func TestSubscriptionsAreImportedAndListed(t *testing.T) {
	c, _ := emulated(t)
	ctx := t.Context()
	_, err := c.ImportSubscriptions(ctx, []client.ImportedSubscription{{CustomerID: "customer-none", PlanID: "plan-revvenu-basic", SubscriptionID: "imported-1",
		StartDate: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.ImportSubscriptions(ctx, []client.ImportedSubscription{{CustomerID: "customer-none"}}); !errors.Is(err, client.ErrInvalidInput) {
		t.Errorf("without a plan: %v", err)
	}
	q := client.SubscriptionQuery{Paging: client.Paging{Size: 2}, Filter: client.SubscriptionFilter{Status: &client.TextFilter{In: []string{"ACTIVE", "IN_TRIAL"}}}}
	page, err := c.Subscriptions(ctx, q)
	if err != nil || len(page.Items) != 2 || page.Total < 3 {
		t.Fatalf("got %+v, %v", page, err)
	}
	seen := map[string]bool{}
	for s, err := range c.AllSubscriptions(ctx, q) {
		if err != nil {
			t.Fatal(err)
		}
		if seen[s.ID] || s.Customer.ID == "" || s.PlanID == "" {
			t.Errorf("listed %+v", s)
		}
		seen[s.ID] = true
	}
	if len(seen) != page.Total || !seen["imported-1"] {
		t.Errorf("%d of %d subscriptions were listed: %v", len(seen), page.Total, seen)
	}
}

func TestEstimatesAsTheSamplesDo(t *testing.T) {
	c, _ := emulated(t)
	ctx := t.Context()
	in := essentials(demo.ID)
	estimate := client.EstimateInput{CustomerID: demo.ID, SkipTrial: in.SkipTrial, SubscriptionParams: in.SubscriptionParams}
	if _, err := c.EstimateSubscription(ctx, estimate); !errors.Is(err, client.ErrInvalidInput) {
		t.Errorf("an estimate takes no metadata: %v", err)
	}
	estimate.Metadata = nil
	got, err := c.EstimateSubscription(ctx, estimate)
	if err != nil || got.Recurring == nil || got.Recurring.Total != (client.Money{Amount: 55, Currency: "USD"}) || got.BillingPeriod.End.IsZero() {
		t.Fatalf("got %+v, %v", got, err)
	}
	estimate.Coupon = &client.CouponChoice{CouponID: "coupon-vip"}
	if got, err = c.EstimateSubscription(ctx, estimate); err != nil || got.Recurring.Total.Amount != 44 || got.Recurring.Discount == nil || got.Recurring.Discount.Value != 20 {
		t.Errorf("with 20 percent off: %+v, %v", got, err)
	}
	s := provisioned(t, c, in)
	update := client.SubscriptionParams{SubscriptionID: s.ID, BillableFeatures: []client.FeatureQuantity{{FeatureID: templates, Quantity: 7}},
		Addons: []client.AddonQuantity{{AddonID: "addon-10-campaigns", Quantity: 2}}}
	if got, err = c.EstimateSubscriptionUpdate(ctx, update); err != nil || got.Recurring == nil || got.Recurring.Total.Amount != 52 || got.Proration == nil {
		t.Errorf("an update: %+v, %v", got, err)
	} else if net := got.Proration.Debit.Amount - got.Proration.Credit.Amount; math.Abs(net-got.Proration.Net.Amount) > 0.005 {
		t.Errorf("the proration is %+v", got.Proration)
	}
	if found, err := c.GetSubscription(ctx, s.ID); err != nil || found.TotalPrice.Total.Amount != 55 {
		t.Errorf("the estimate changed something: %+v, %v", found, err)
	}
	params := in.SubscriptionParams
	params.Metadata = nil
	preview, err := c.PreviewSubscription(ctx, client.PreviewInput{CustomerID: "customer-none", SubscriptionParams: params})
	if err != nil || preview.Recurring == nil || preview.Recurring.Total.Amount != 55 {
		t.Errorf("got %+v, %v", preview, err)
	}
	next, err := c.PreviewNextInvoice(ctx, s.ID)
	if err != nil || next.Total.Amount != 55 || len(next.Lines) == 0 || next.Lines[0].Amount.Amount == 0 {
		t.Errorf("got %+v, %v", next, err)
	}
	if _, err := c.EstimateSubscription(ctx, client.EstimateInput{CustomerID: demo.ID, SubscriptionParams: client.SubscriptionParams{PlanID: "plan-of-nobody"}}); !errors.Is(err, client.ErrPlanNotFound) {
		t.Errorf("the error is %v", err)
	}
}
