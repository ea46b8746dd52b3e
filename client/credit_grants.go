package client

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client/gql"
	"github.com/stiggate/gate/client/internal/wire"
)

// CreditBalance is a wallet: the credits of one currency that a customer, or a resource, has.
type CreditBalance struct {
	Customer gate.Customer
	Currency CurrencyInfo
	// Current is Granted less Consumed; it is below 0 if the wallet is overdrawn.
	Current, Consumed, Granted float64
	// ValidUntil is until when this is so, zero if Stigg does not say.
	ValidUntil time.Time
}

// CreditBalance reads the wallets of a customer, or of its resource; currency narrows them to one
// and may be empty.
func (c *Client) CreditBalance(ctx context.Context, who gate.Customer, currency string) ([]CreditBalance, error) {
	const op = "GetCreditBalance"
	if err := customer(op, who); err != nil {
		return nil, err
	}
	var out struct {
		Found *struct {
			Balances []struct {
				CustomerID string       `json:"customerId"`
				ResourceID string       `json:"resourceId"`
				Currency   CurrencyInfo `json:"currency"`
				Current    float64      `json:"currentBalance"`
				Consumed   float64      `json:"totalConsumed"`
				Granted    float64      `json:"totalGranted"`
				ValidUntil *wire.Time   `json:"validUntil"`
			} `json:"balances"`
		} `json:"creditBalanceSummary"`
	}
	in := gql.CreditBalanceSummaryInput{CustomerID: who.ID, ResourceID: optional(who.Resource), CurrencyID: optional(currency)}
	if err := call(ctx, op, c.api.GetCreditBalance, in, &out); err != nil {
		return nil, err
	}
	if out.Found == nil {
		return nil, errNone(op, "balances")
	}
	balances := make([]CreditBalance, len(out.Found.Balances))
	for i, b := range out.Found.Balances {
		balances[i] = CreditBalance{gate.Customer{ID: b.CustomerID, Resource: b.ResourceID}, b.Currency, b.Current, b.Consumed, b.Granted, b.ValidUntil.Value()}
	}
	return balances, nil
}

// CreditGrant is credits that were given or sold.
type CreditGrant struct {
	ID         string `json:"grantId"`
	CustomerID string `json:"customerId"`
	ResourceID string `json:"resourceId"`
	CurrencyID string `json:"currencyId"`
	Name       string `json:"displayName"`
	Comment    string `json:"comment"`
	Type       string `json:"grantType"` // PAID, PROMOTIONAL, RECURRING, OVERDRAFT
	Status     string `json:"status"`    // ACTIVE, EXPIRED, PAYMENT_PENDING, SCHEDULED, VOIDED
	// Amount of credits, of which Consumed are used.
	Amount   float64 `json:"amount"`
	Consumed float64 `json:"consumedAmount"`
	// Priority decides which grant is used first: the lower.
	Priority float64 `json:"priority"`
	Cost     Money   `json:"cost"`
	// EffectiveAt and ExpireAt are from and until when they can be used; ExpireAt is zero for
	// ever.
	EffectiveAt time.Time      `json:"effectiveAt"`
	ExpireAt    time.Time      `json:"expireAt"`
	VoidedAt    time.Time      `json:"voidedAt"`
	CreatedAt   time.Time      `json:"createdAt"`
	UpdatedAt   time.Time      `json:"updatedAt"`
	Metadata    map[string]any `json:"additionalMetaData"`

	PaymentCollection PaymentCollection `json:"paymentCollection"`
	InvoiceID         string            `json:"invoiceId"`
	LatestInvoice     *Invoice          `json:"latestInvoice"`
}

// CreditQuery asks for grants or the ledger of a customer, or of its resource. CurrencyID may be
// empty.
type CreditQuery struct {
	Paging
	Customer   gate.Customer
	CurrencyID string
	// Types narrows a ledger to some of Stigg's event types, for instance CREDITS_GRANTED.
	Types []string
}

// CreditGrants reads one page of the grants.
func (c *Client) CreditGrants(ctx context.Context, q CreditQuery) (Page[CreditGrant], error) {
	const op = "GetCreditGrants"
	at, err := q.check(op)
	if err == nil && len(q.Types) > 0 {
		err = invalid(op, "the call takes no types", nil)
	}
	if err != nil {
		return Page[CreditGrant]{}, err
	}
	var out struct {
		Found *connection[CreditGrant] `json:"creditGrants"`
	}
	in := gql.GetCreditGrantsInput{CustomerID: q.Customer.ID, ResourceID: optional(q.Customer.Resource), CurrencyID: optional(q.CurrencyID), Paging: at}
	found, err := result(op, call(ctx, op, c.api.GetCreditGrants, in, &out), &out.Found)
	if err != nil {
		return Page[CreditGrant]{}, err
	}
	return found.page(), nil
}

// AllCreditGrants iterates over the grants of all pages from q's on. An error ends it.
func (c *Client) AllCreditGrants(ctx context.Context, q CreditQuery) iter.Seq2[CreditGrant, error] {
	return pages("GetCreditGrants", q.Paging, func(at Paging) (Page[CreditGrant], error) {
		q.Paging = at
		return c.CreditGrants(ctx, q)
	})
}

func (q CreditQuery) check(op string) (*gql.CursorPaging, error) {
	if err := customer(op, q.Customer); err != nil {
		return nil, err
	}
	return q.input(op)
}

// CreditEvent is an entry of a wallet's ledger.
type CreditEvent struct {
	At time.Time `json:"-"`
	// Type is Stigg's eventType: CREDITS_GRANTED, CREDITS_CONSUMED, CREDITS_EXPIRED,
	// CREDITS_VOIDED, CREDITS_UPDATED and others.
	Type       string  `json:"eventType"`
	CustomerID string  `json:"customerId"`
	ResourceID string  `json:"resourceId"`
	CurrencyID string  `json:"creditCurrencyId"`
	GrantID    string  `json:"creditGrantId"`
	Amount     float64 `json:"amount"`
	// FeatureID and EventID are of the usage that consumed them, if any.
	FeatureID string `json:"featureId"`
	EventID   string `json:"eventId"`
}

// UnmarshalJSON reads Stigg's form, in which the time is text: what is no time is zero.
func (e *CreditEvent) UnmarshalJSON(raw []byte) error {
	type plain CreditEvent
	*e = CreditEvent{}
	var whole struct {
		*plain
		At wire.Time `json:"timestamp"`
	}
	whole.plain = (*plain)(e)
	err := json.Unmarshal(raw, &whole)
	e.At = whole.At.Value()
	return err
}

// CreditLedger reads one page of what happened to a customer's credits.
func (c *Client) CreditLedger(ctx context.Context, q CreditQuery) (Page[CreditEvent], error) {
	const op = "GetCreditLedger"
	at, err := q.check(op)
	if err != nil {
		return Page[CreditEvent]{}, err
	}
	var out struct {
		Found *connection[CreditEvent] `json:"creditsLedger"`
	}
	in := gql.CreditLedgerInput{CustomerID: q.Customer.ID, ResourceID: optional(q.Customer.Resource), CurrencyID: optional(q.CurrencyID), Paging: at, EventType: q.Types}
	found, err := result(op, call(ctx, op, c.api.GetCreditLedger, in, &out), &out.Found)
	if err != nil {
		return Page[CreditEvent]{}, err
	}
	return found.page(), nil
}

// AllCreditLedger iterates over the ledger of all pages from q's on. An error ends it.
func (c *Client) AllCreditLedger(ctx context.Context, q CreditQuery) iter.Seq2[CreditEvent, error] {
	return pages("GetCreditLedger", q.Paging, func(at Paging) (Page[CreditEvent], error) {
		q.Paging = at
		return c.CreditLedger(ctx, q)
	})
}

// GrantCreditsInput describes credits to give or to sell. Customer, CurrencyID, Amount and Name
// are required; with a Cost above 0 they are sold.
type GrantCreditsInput struct {
	Customer   gate.Customer `json:"-"`
	CurrencyID string        `json:"currencyId"`
	Amount     float64       `json:"amount"`
	Name       string        `json:"displayName"`
	Comment    string        `json:"comment,omitzero"`
	// Paid makes them a sale; promotional otherwise.
	Paid        bool           `json:"-"`
	Cost        *Money         `json:"cost,omitzero"`
	Priority    *float64       `json:"priority,omitzero"`
	EffectiveAt time.Time      `json:"effectiveAt,omitzero"`
	ExpireAt    time.Time      `json:"expireAt,omitzero"`
	Metadata    map[string]any `json:"additionalMetaData,omitzero"`

	PaymentCollectionMethod  PaymentCollectionMethod `json:"paymentCollectionMethod,omitzero"`
	AwaitPaymentConfirmation *bool                   `json:"awaitPaymentConfirmation,omitzero"`
	Billing                  *CreditBilling          `json:"billingInformation,omitzero"`
}

// CreditBilling goes to the billing provider with a sale of credits.
type CreditBilling struct {
	BillingAddress      *BillingAddress `json:"billingAddress,omitzero"`
	InvoiceDaysUntilDue *float64        `json:"invoiceDaysUntilDue,omitzero"`
	IsInvoicePaid       *bool           `json:"isInvoicePaid,omitzero"`
}

// GrantCredits gives or sells credits. The answer's PaymentCollection and LatestInvoice say how a
// payment goes. After an error that is not Permanent it is unknown whether it was done; ask
// CreditGrants.
func (c *Client) GrantCredits(ctx context.Context, in GrantCreditsInput) (*CreditGrant, error) {
	const op = "GrantCredits"
	err := customer(op, in.Customer)
	if err == nil {
		err = given(op, "currency", in.CurrencyID, "name", in.Name)
	}
	if err == nil {
		err = amount(op, "amount", in.Amount)
	}
	if err != nil {
		return nil, err
	}
	input := struct {
		GrantCreditsInput
		CustomerID string `json:"customerId"`
		ResourceID string `json:"resourceId,omitzero"`
		Type       string `json:"grantType"`
	}{in, in.Customer.ID, in.Customer.Resource, "PROMOTIONAL"}
	if in.Paid {
		input.Type = "PAID"
	}
	var out struct {
		Done *CreditGrant `json:"createCreditGrant"`
	}
	err = call(ctx, op, c.api.GrantCredits, input, &out)
	c.changed(in.Customer, err)
	return result(op, err, &out.Done)
}

// VoidCreditGrant takes back what is left of a grant.
func (c *Client) VoidCreditGrant(ctx context.Context, grantID string) (*CreditGrant, error) {
	const op = "VoidCreditGrant"
	if err := given(op, "grant id", grantID); err != nil {
		return nil, err
	}
	var out struct {
		Done *CreditGrant `json:"voidCreditGrant"`
	}
	err := call(ctx, op, c.api.VoidCreditGrant, gql.VoidCreditGrantInput{ID: grantID}, &out)
	g, err := result(op, err, &out.Done)
	if err == nil {
		c.changed(gate.Customer{ID: g.CustomerID, Resource: g.ResourceID}, nil)
	}
	return g, err
}
