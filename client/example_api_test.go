package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/emulator"
)

// demoStigg is a Stigg in this process, and a client of it. In production: client.New(key).
func demoStigg() (*client.Client, func()) {
	stigg, err := emulator.New()
	if err != nil {
		panic(err)
	}
	server := httptest.NewServer(stigg)
	c, err := client.New(emulator.DefaultKey, client.WithEndpoint(server.URL))
	if err != nil {
		panic(err)
	}
	return c, server.Close
}

func ExampleClient_ProvisionCustomer() {
	c, stop := demoStigg()
	defer stop()
	made, err := c.ProvisionCustomer(context.Background(), client.CustomerInput{
		ID: "customer-7", Name: "Acme", Email: "mail@acme.com",
		Billing:      &client.CustomerBilling{Currency: "USD", BillingAddress: &client.Address{Country: "US", City: "New York"}},
		Subscription: &client.SubscriptionParams{PlanID: "plan-revvenu-basic"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(made.Customer.Name, made.Decision, made.Subscription.PlanName)
	// Output: Acme REQUESTED_PLAN Basic
}

func ExampleClient_ProvisionSubscription() {
	c, stop := demoStigg()
	defer stop()
	done, err := c.ProvisionSubscription(context.Background(), client.ProvisionSubscriptionInput{
		CustomerID: "customer-basic",
		Checkout:   &client.CheckoutOptions{SuccessURL: "https://example.com/ok", CancelURL: "https://example.com/no"},
		SubscriptionParams: client.SubscriptionParams{PlanID: "plan-revvenu-essentials", BillingPeriod: client.BilledMonthly,
			BillableFeatures: []client.FeatureQuantity{{FeatureID: "feature-01-templates", Quantity: 5}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	switch done.Outcome() {
	case client.OutcomeDone:
		fmt.Println("subscribed to", done.Subscription.PlanName)
	case client.OutcomeCheckout:
		fmt.Println("send the customer to the checkout:", done.CheckoutURL != "")
	case client.OutcomeActionRequired:
		fmt.Println("the payment must be confirmed at", done.Subscription.LatestInvoice.PaymentURL)
	case client.OutcomePaymentFailed:
		fmt.Println("not paid:", done.Subscription.LatestInvoice.ErrorMessage)
	default:
		fmt.Println("the payment is under way")
	}
	// Output: send the customer to the checkout: true
}

func ExampleClient_EstimateSubscription() {
	c, stop := demoStigg()
	defer stop()
	estimate, err := c.EstimateSubscription(context.Background(), client.EstimateInput{
		CustomerID: "customer-basic",
		SubscriptionParams: client.SubscriptionParams{
			PlanID: "plan-revvenu-essentials", BillingPeriod: client.BilledMonthly,
			BillableFeatures: []client.FeatureQuantity{{FeatureID: "feature-01-templates", Quantity: 5}},
			Addons:           []client.AddonQuantity{{AddonID: "addon-10-campaigns", Quantity: 5}},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%g %s each month\n", estimate.Recurring.Total.Amount, estimate.Recurring.Total.Currency)
	// Output: 55 USD each month
}

func ExampleClient_AllCustomers() {
	c, stop := demoStigg()
	defer stop()
	q := client.CustomerQuery{
		Filter: client.CustomerFilter{CustomerID: &client.TextFilter{In: []string{"customer-basic", "customer-pro"}}},
		Sort:   []client.Sort{{Field: "customerId"}},
	}
	for customer, err := range c.AllCustomers(context.Background(), q) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(customer.ID)
	}
	// Output:
	// customer-basic
	// customer-pro
}

func ExampleClient_Paywall() {
	c, stop := demoStigg()
	defer stop()
	wall, err := c.Paywall(context.Background(), client.PaywallQuery{Customer: gate.Customer{ID: "customer-basic"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, plan := range wall.Plans {
		fmt.Println(plan.Name, plan.PricingType)
	}
	// Output:
	// Basic FREE
	// Essentials PAID
	// Professional CUSTOM
}

func ExampleClient_Do() {
	c, stop := demoStigg()
	defer stop()
	var out struct {
		Products struct{ TotalCount int }
	}
	err := c.Do(context.Background(), `query CountOfProducts { products { totalCount } }`, nil, &out)
	fmt.Println(out.Products.TotalCount, err)
	// Output: 1 <nil>
}

func ExampleError() {
	c, stop := demoStigg()
	defer stop()
	_, err := c.GetSubscription(context.Background(), "subscription-of-nobody")
	var e *client.Error
	if errors.Is(err, client.ErrSubscriptionNotFound) && errors.As(err, &e) {
		fmt.Println(e.Operation, "may be repeated:", !e.Permanent())
	}
	// Output: GetSubscription may be repeated: false
}

// The key is read from a file that a secret store keeps up to date.
func ExampleWithKeyFunc() {
	key := func(context.Context) (string, error) {
		text, err := os.ReadFile("/run/secrets/stigg")
		return strings.TrimSpace(string(text)), err
	}
	c, err := client.New("", client.WithKeyFunc(key))
	fmt.Println(c, err)
	// Output: client.Client(https://api.stigg.io/graphql) <nil>
}
