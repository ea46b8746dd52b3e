package client_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
)

// The samples of Stigg's Java page (docs/stigg-api.md says which), with their own values.

func TestProvisionUpdateAndReadACustomerAsTheSamplesDo(t *testing.T) {
	c, _ := emulated(t)
	ctx := t.Context()
	made, err := c.ProvisionCustomer(ctx, client.CustomerInput{ID: "customer-81726628184", Name: "Acme", Email: "mail@acme.com",
		Billing: &client.CustomerBilling{BillingAddress: &client.Address{Country: "US", City: "New York", State: "NY",
			Line1: "123 Main Street", Line2: "Apt. 1", PhoneNumber: "+1 212-499-5321", PostalCode: "10164"}},
		Metadata: map[string]any{"key": "value"}, Subscription: &client.SubscriptionParams{PlanID: "plan-revvenu-basic"}})
	if err != nil {
		t.Fatal(err)
	}
	if made.Customer.Name != "Acme" || made.Customer.Metadata["key"] != "value" || made.Decision != client.DecidedRequestedPlan {
		t.Errorf("got %+v", made)
	}
	s := made.Subscription
	if s == nil || s.Status != client.StatusActive || s.PricingType != client.PricingFree || s.PaymentCollection != client.PaymentNotRequired ||
		s.PlanID != "plan-revvenu-basic" || len(s.Prices) != 0 || len(s.Addons) != 0 || s.CurrentPeriodEnd.IsZero() {
		t.Errorf("got %+v", s)
	}
	changed, err := c.UpdateCustomer(ctx, client.CustomerInput{ID: "customer-demo-01", Name: "Acme", Email: "mail@acme.com",
		Metadata: map[string]any{"key": "value"},
		Billing:  &client.CustomerBilling{Language: "en", Timezone: "America/New_York", Currency: "USD", TaxIDs: []client.TaxID{{Type: "vat", Value: "123456789"}}}})
	if err != nil || changed.Name != "Acme" || changed.Email != "mail@acme.com" || changed.Metadata["key"] != "value" {
		t.Errorf("got %+v, %v", changed, err)
	}
	found, err := c.GetCustomer(ctx, "customer-demo-01")
	if err != nil {
		t.Fatal(err)
	}
	onEssentials := slices.ContainsFunc(found.Subscriptions, func(s client.Subscription) bool {
		return s.PlanID == "plan-revvenu-essentials" && s.Status == client.StatusActive && s.Customer.ID == demo.ID
	})
	if !onEssentials || !found.HasActiveSubscription || !slices.ContainsFunc(found.Statistics.ActiveSubscriptions, func(n client.SubscriptionCount) bool { return n.PricingType == client.PricingPaid && n.Count >= 1 }) {
		t.Errorf("got %+v", found)
	}
	if changed, err = c.UpdateCustomer(ctx, client.CustomerInput{ID: "customer-demo-01", Email: "new@acme.com"}); err != nil || changed.Name != "Acme" || changed.Email != "new@acme.com" {
		t.Errorf("an update of the email alone: %+v, %v", changed, err)
	}
}

func TestArchivedCustomersAreGoneUntilTheyAreUnarchived(t *testing.T) {
	c, _ := emulated(t)
	ctx := t.Context()
	if err := c.ArchiveCustomer(ctx, demo.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := c.GetCustomer(ctx, demo.ID); !errors.Is(err, client.ErrCustomerNotFound) {
		t.Errorf("an archived customer is read: %v", err)
	}
	for one, err := range c.AllCustomers(ctx, client.CustomerQuery{}) {
		if err != nil || one.ID == demo.ID {
			t.Errorf("listed %+v, %v", one, err)
		}
	}
	back, err := c.UnarchiveCustomer(ctx, demo.ID)
	if err != nil || back.ID != demo.ID || back.Name != "" || back.Email != "" {
		t.Errorf("got %+v, %v", back, err)
	}
	if _, err := c.GetCustomer(ctx, demo.ID); err != nil {
		t.Error(err)
	}
}

func TestCustomersArePagedFilteredAndSorted(t *testing.T) {
	c, _ := emulated(t)
	ctx := t.Context()
	var all []client.ImportedCustomer
	for i := range 25 {
		all = append(all, client.ImportedCustomer{ID: fmt.Sprintf("imported-%02d", i), Name: fmt.Sprintf("Name %02d", i), Email: "i@example.com"})
	}
	if _, err := c.ImportCustomers(ctx, all); err != nil {
		t.Fatal(err)
	}
	q := client.CustomerQuery{Paging: client.Paging{Size: 10}, Sort: []client.Sort{{Field: "customerId"}},
		Filter: client.CustomerFilter{CustomerID: &client.TextFilter{Like: "imported-%"}}}
	first, err := c.Customers(ctx, q)
	if err != nil || len(first.Items) != 10 || !first.HasNext || first.HasPrevious || first.Total != 25 || first.Items[0].ID != "imported-00" {
		t.Fatalf("the first page is %+v, %v", first, err)
	}
	var ids []string
	for one, err := range c.AllCustomers(ctx, q) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, one.ID)
	}
	if len(ids) != 25 || !slices.IsSorted(ids) || ids[24] != "imported-24" {
		t.Errorf("listed %v", ids)
	}
	q.Paging = client.Paging{Size: 5, After: first.End}
	second, err := c.Customers(ctx, q)
	if err != nil || second.Items[0].ID != "imported-10" || !second.HasPrevious {
		t.Errorf("the second page is %+v, %v", second, err)
	}
	q.Paging = client.Paging{Size: 5, Before: second.Start}
	if back, err := c.Customers(ctx, q); err != nil || len(back.Items) != 5 || back.Items[4].ID != "imported-09" {
		t.Errorf("the page before it is %+v, %v", back, err)
	}
	q.Paging, q.Sort[0].Descending = client.Paging{Size: 1}, true
	if last, err := c.Customers(ctx, q); err != nil || last.Items[0].ID != "imported-24" {
		t.Errorf("the last is %+v, %v", last, err)
	}
	q.Paging = client.Paging{After: "no-cursor-of-this-list"}
	if _, err := c.Customers(ctx, q); !errors.Is(err, client.ErrInvalidInput) {
		t.Errorf("with a cursor of another list: %v", err)
	}
	q.Paging, q.Sort = client.Paging{}, []client.Sort{{Field: "shoeSize"}}
	if _, err := c.Customers(ctx, q); err == nil {
		t.Error("sorted by what there is not")
	}
}

func TestCustomersAreImported(t *testing.T) {
	c, _ := emulated(t)
	ctx := t.Context()
	one, err := c.ImportCustomer(ctx, client.ImportedCustomer{ID: "old-1", Name: "Old", Email: "o@example.com", BillingID: "cus_9",
		Metadata: map[string]any{"n": 12345678901234567}})
	if err != nil || one.ID != "old-1" || one.BillingID != "cus_9" {
		t.Fatalf("got %+v, %v", one, err)
	}
	if _, err := c.ImportCustomers(ctx, []client.ImportedCustomer{{ID: "old-2"}, {ID: "b a d"}}); !errors.Is(err, client.ErrInvalidInput) {
		t.Errorf("the error is %v", err)
	}
	if _, err := c.GetCustomer(ctx, "old-2"); !errors.Is(err, client.ErrCustomerNotFound) {
		t.Errorf("a part of a malformed batch was sent: %v", err)
	}
	if task, err := c.ImportCustomers(ctx, nil); task != "" || err != nil {
		t.Errorf("none: %q, %v", task, err)
	}
}

func TestAPaymentMethodIsDetached(t *testing.T) {
	c, _ := emulated(t)
	made, err := c.ProvisionCustomer(t.Context(), client.CustomerInput{ID: demo.ID + "-payer", Billing: &client.CustomerBilling{PaymentMethodID: "pm_card_visa"}})
	if err != nil || !made.Customer.HasPaymentMethod || made.Customer.Last4 == "" {
		t.Fatalf("got %+v, %v", made, err)
	}
	got, err := c.DetachPaymentMethod(t.Context(), demo.ID+"-payer")
	if err != nil || got.ID != demo.ID+"-payer" || got.HasPaymentMethod || got.PaymentMethod != (client.PaymentMethod{}) {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := c.DetachPaymentMethod(t.Context(), "nobody"); !errors.Is(err, client.ErrCustomerNotFound) {
		t.Errorf("the error is %v", err)
	}
}

func TestACustomersCoupon(t *testing.T) {
	c, _ := emulated(t)
	ctx := t.Context()
	if _, err := c.ProvisionCustomer(ctx, client.CustomerInput{ID: "vip", CouponID: "coupon-vip"}); err != nil {
		t.Fatal(err)
	}
	found, err := c.GetCustomer(ctx, "vip")
	if err != nil || found.Coupon == nil || found.Coupon.ID != "coupon-vip" || found.Coupon.PercentOff != 20 {
		t.Errorf("got %+v, %v", found, err)
	}
	_, err = c.ProvisionCustomer(ctx, client.CustomerInput{ID: "vip-2", CouponID: "coupon-of-nobody"})
	if !errors.Is(err, client.ErrCouponNotFound) {
		t.Errorf("the error is %v", err)
	}
	if _, err := c.GetCustomer(ctx, "vip-2"); !errors.Is(err, client.ErrCustomerNotFound) {
		t.Errorf("a customer whose coupon was refused: %v", err)
	}
}

var customerBasic = gate.Customer{ID: "customer-basic"}
