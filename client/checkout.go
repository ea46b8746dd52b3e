package client

import (
	"context"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client/gql"
)

// CheckoutState is what a checkout page needs.
type CheckoutState struct {
	// SetupSecret is the billing provider's, for the customer's browser only.
	SetupSecret        string        `json:"setupSecret"`
	Customer           Customer      `json:"customer"`
	Resource           *ResourceRef  `json:"resource"`
	ActiveSubscription *Subscription `json:"activeSubscription"`
	Plan               Plan          `json:"plan"`
	Billing            struct {
		Provider    string              `json:"billingIdentifier"` // STRIPE, ZUORA, RECEIVED
		Credentials CheckoutCredentials `json:"billingCredentials"`
	} `json:"billingIntegration"`
	Look *Look `json:"configuration"`
}

// CheckoutCredentials let a browser talk to the billing provider. Which are filled depends on it:
// AccountID, PublicKey and SetupSecret are Stripe's, PublishableKey is Zuora's, ClientSecret and
// Metadata are Airwallex's.
type CheckoutCredentials struct {
	AccountID      string `json:"accountId"`
	PublicKey      string `json:"publicKey"`
	SetupSecret    string `json:"setupSecret"`
	PublishableKey string `json:"publishableKey"`
	ClientSecret   string `json:"clientSecret"`
	Metadata       *struct {
		IntentID   string `json:"intentId"`
		Env        string `json:"env"`
		Currency   string `json:"currency"`
		CustomerID string `json:"customerId"`
	} `json:"metadata"`
}

// CheckoutQuery asks for the checkout of a plan. Customer and PlanID are required.
type CheckoutQuery struct {
	Customer           gate.Customer
	PlanID             string
	ProductID          string
	BillingCountryCode string
}

// CheckoutState reads what a checkout page needs.
func (c *Client) CheckoutState(ctx context.Context, q CheckoutQuery) (*CheckoutState, error) {
	const op = "GetCheckoutState"
	if err := customer(op, q.Customer); err != nil {
		return nil, err
	}
	if err := given(op, "plan id", q.PlanID); err != nil {
		return nil, err
	}
	var out struct {
		Found *CheckoutState `json:"checkoutState"`
	}
	in := gql.CheckoutStateInput{CustomerID: q.Customer.ID, ResourceID: optional(q.Customer.Resource), PlanID: q.PlanID,
		ProductID: optional(q.ProductID), BillingCountryCode: optional(q.BillingCountryCode)}
	return result(op, call(ctx, op, c.api.GetCheckoutState, in, &out), &out.Found)
}

// CreatePaymentSession begins a payment of a plan and returns its token, for the customer's
// browser only. country picks localized prices and may be empty.
func (c *Client) CreatePaymentSession(ctx context.Context, customer, plan, country string) (token string, err error) {
	const op = "CreatePaymentSession"
	if err := customerID(op, customer); err != nil {
		return "", err
	}
	if err := given(op, "plan id", plan); err != nil {
		return "", err
	}
	var out struct {
		Done struct {
			Token string `json:"token"`
		} `json:"createPaymentSession"`
	}
	in := gql.PaymentSessionInput{CustomerID: customer, PlanID: plan, BillingCountryCode: optional(country)}
	if err := call(ctx, op, c.api.CreatePaymentSession, in, &out); err != nil {
		return "", err
	}
	if out.Done.Token == "" {
		return "", errNone(op, "token")
	}
	return out.Done.Token, nil
}
