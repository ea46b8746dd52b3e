package client

import "time"

// Money is an amount of a currency, which is an ISO 4217 code.
type Money struct {
	Amount   float64 `json:"amount"`
	Currency string  `json:"currency,omitzero"`
}

// Invoice is the bill of a subscription or a credit grant. Its amounts are in Currency.
type Invoice struct {
	BillingID string        `json:"billingId"`
	Status    InvoiceStatus `json:"status"`
	CreatedAt time.Time     `json:"createdAt"`
	DueDate   time.Time     `json:"dueDate"`
	// ErrorMessage is why a payment failed, in the billing provider's words.
	ErrorMessage string `json:"errorMessage"`
	// RequiresAction says that the customer must confirm the payment, at PaymentURL or with
	// PaymentSecret, which is for the customer's browser only.
	RequiresAction bool   `json:"requiresAction"`
	PaymentURL     string `json:"paymentUrl"`
	PaymentSecret  string `json:"paymentSecret"`
	PDFURL         string `json:"pdfUrl"`
	// Reason is Stigg's billingReason, for instance SUBSCRIPTION_CREATION.
	Reason       string  `json:"billingReason"`
	Currency     string  `json:"currency"`
	SubTotal     float64 `json:"subTotal"`
	Tax          float64 `json:"tax"`
	Total        float64 `json:"total"`
	AmountDue    float64 `json:"amountDue"`
	AttemptCount float64 `json:"attemptCount"`
}

// InvoiceStatus is where an invoice stands.
type InvoiceStatus string

// Stigg's statuses of invoices. A value that is none of these is kept.
const (
	InvoiceOpen     InvoiceStatus = "OPEN"
	InvoicePaid     InvoiceStatus = "PAID"
	InvoiceCanceled InvoiceStatus = "CANCELED"
)

// PaymentCollection says how the payment of a subscription or a credit grant goes.
type PaymentCollection string

// Stigg's values. A value that is none of these is kept.
const (
	PaymentNotRequired    PaymentCollection = "NOT_REQUIRED"
	PaymentProcessing     PaymentCollection = "PROCESSING"
	PaymentActionRequired PaymentCollection = "ACTION_REQUIRED"
	PaymentFailed         PaymentCollection = "FAILED"
)

// PaymentCollectionMethod is how a payment is asked for.
type PaymentCollectionMethod string

// Stigg's methods.
const (
	CollectByCharge  PaymentCollectionMethod = "CHARGE"
	CollectByInvoice PaymentCollectionMethod = "INVOICE"
	CollectNothing   PaymentCollectionMethod = "NONE"
)

// Address is a postal address. Country is an ISO 3166-1 alpha-2 code. It is personal data.
type Address struct {
	Line1       string `json:"addressLine1,omitzero"`
	Line2       string `json:"addressLine2,omitzero"`
	City        string `json:"city,omitzero"`
	State       string `json:"state,omitzero"`
	PostalCode  string `json:"postalCode,omitzero"`
	Country     string `json:"country,omitzero"`
	PhoneNumber string `json:"phoneNumber,omitzero"`
}

// TaxID is a customer's id for taxes, Type for instance "vat".
type TaxID struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// Period is from Start to End; a time that Stigg does not give is zero.
type Period struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}
