package client

import (
	"context"
	"iter"
	"net/http"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client/gql"
)

// Customer is a customer as Stigg keeps it. Name and Email are personal data.
type Customer struct {
	ID                       string         `json:"customerId"`
	Name                     string         `json:"name"`
	Email                    string         `json:"email"`
	BillingID                string         `json:"billingId"`
	AWSMarketplaceCustomerID string         `json:"awsMarketplaceCustomerId"`
	Metadata                 map[string]any `json:"additionalMetaData"`
	HasPaymentMethod         bool           `json:"hasPaymentMethod"`
	HasActiveSubscription    bool           `json:"hasActiveSubscription"`
	PaymentMethod
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
}

// PaymentMethod is what a customer pays with by default, at its zero if that is unknown.
type PaymentMethod struct {
	Type            string `json:"defaultPaymentMethodType"` // CARD, BANK, CASH_APP
	Last4           string `json:"defaultPaymentMethodLast4Digits"`
	ExpirationMonth int    `json:"defaultPaymentExpirationMonth"`
	ExpirationYear  int    `json:"defaultPaymentExpirationYear"`
}

// CustomerDetails is a customer with all that belongs to it.
type CustomerDetails struct {
	Customer
	Coupon                  *Coupon                  `json:"coupon"`
	Subscriptions           []Subscription           `json:"subscriptions"`
	PromotionalEntitlements []PromotionalEntitlement `json:"promotionalEntitlements"`
	TrialedPlans            []TrialedPlan            `json:"trialedPlans"`
	TrialEligibility        []TrialEligibility       `json:"eligibleForTrial"`
	Statistics              CustomerStatistics       `json:"statistics"`
}

// TrialedPlan is a plan that the customer has tried.
type TrialedPlan struct {
	ProductID string `json:"productRefId"`
	PlanID    string `json:"planRefId"`
}

// TrialEligibility says whether the customer may have a trial of a product.
type TrialEligibility struct {
	ProductID string `json:"productRefId"`
	Eligible  bool   `json:"eligible"`
}

// CustomerStatistics counts a customer's subscriptions.
type CustomerStatistics struct {
	ActiveSubscriptions []SubscriptionCount `json:"activeSubscriptionsByPricingType"`
}

// SubscriptionCount is how many active subscriptions are of a pricing type.
type SubscriptionCount struct {
	PricingType PricingType `json:"pricingType"`
	Count       float64     `json:"totalCount"`
}

// GetCustomer reads the customer with Stigg's customerId id, its subscriptions, promotional
// entitlements and statistics. A customer that does not exist, or is archived, is
// [ErrCustomerNotFound].
func (c *Client) GetCustomer(ctx context.Context, id string) (*CustomerDetails, error) {
	const op = "GetCustomerById"
	if err := customerID(op, id); err != nil {
		return nil, err
	}
	var out struct {
		Found *CustomerDetails `json:"getCustomerByRefId"`
	}
	// No data at all is how the answer of a customer that does not exist looks.
	if err := call(ctx, op, c.api.GetCustomerByID, gql.GetCustomerByRefIDInput{CustomerID: id}, &out); err != nil {
		return nil, err
	}
	switch {
	case out.Found == nil:
		return nil, &Error{Operation: op, Code: ErrCustomerNotFound, HTTPStatus: http.StatusOK, permanent: true}
	case out.Found.ID != id:
		return nil, badResponse(op, "the answer is for another customer")
	}
	return out.Found, nil
}

// TextFilter compares a text; what is empty asks nothing. Like and ILike take SQL's % and _,
// ILike in any case.
type TextFilter struct {
	Eq    string   `json:"eq,omitzero"`
	Neq   string   `json:"neq,omitzero"`
	Like  string   `json:"like,omitzero"`
	ILike string   `json:"iLike,omitzero"`
	In    []string `json:"in,omitzero"`
	NotIn []string `json:"notIn,omitzero"`
}

// TimeFilter compares a time; what is zero asks nothing.
type TimeFilter struct {
	Eq  time.Time `json:"eq,omitzero"`
	Gt  time.Time `json:"gt,omitzero"`
	Gte time.Time `json:"gte,omitzero"`
	Lt  time.Time `json:"lt,omitzero"`
	Lte time.Time `json:"lte,omitzero"`
}

// CustomerFilter picks customers; all that it asks must hold. What is nil asks nothing.
type CustomerFilter struct {
	CustomerID   *TextFilter         `json:"customerId,omitzero"`
	Name         *TextFilter         `json:"name,omitzero"`
	Email        *TextFilter         `json:"email,omitzero"`
	BillingID    *TextFilter         `json:"billingId,omitzero"`
	CreatedAt    *TimeFilter         `json:"createdAt,omitzero"`
	UpdatedAt    *TimeFilter         `json:"updatedAt,omitzero"`
	Subscription *CustomerPlanFilter `json:"subscriptions,omitzero"`
	Search       *SearchFilter       `json:"searchQuery,omitzero"`
	And          []CustomerFilter    `json:"and,omitzero"`
	Or           []CustomerFilter    `json:"or,omitzero"`
}

// SearchFilter searches ids, names and emails.
type SearchFilter struct {
	ILike string `json:"iLike"`
}

// CustomerPlanFilter picks customers by a subscription of theirs.
type CustomerPlanFilter struct {
	SubscriptionID *TextFilter `json:"subscriptionId,omitzero"`
	Status         *TextFilter `json:"status,omitzero"`
	PricingType    *TextFilter `json:"pricingType,omitzero"`
	StartDate      *TimeFilter `json:"startDate,omitzero"`
}

// CustomerQuery asks for customers. Without a Sort the newest come first.
type CustomerQuery struct {
	Paging
	Filter CustomerFilter
	Sort   []Sort
}

// Customers reads one page of the customers. Archived ones are not among them.
func (c *Client) Customers(ctx context.Context, q CustomerQuery) (Page[Customer], error) {
	return list[Customer](ctx, "GetCustomers", "customers", q.Paging, q.Filter, q.Sort, c.api.GetCustomers)
}

// AllCustomers iterates over the customers of all pages from q's on, reading each page when it is
// reached. An error ends it.
func (c *Client) AllCustomers(ctx context.Context, q CustomerQuery) iter.Seq2[Customer, error] {
	return pages("GetCustomers", q.Paging, func(at Paging) (Page[Customer], error) {
		q.Paging = at
		return c.Customers(ctx, q)
	})
}

// CustomerBilling goes to the billing provider. Stigg does not keep it, so an update replaces it
// as a whole. It is personal data.
type CustomerBilling struct {
	CustomerName        string         `json:"customerName,omitzero"`
	Currency            string         `json:"currency,omitzero"`
	Language            string         `json:"language,omitzero"`
	Timezone            string         `json:"timezone,omitzero"`
	BillingAddress      *Address       `json:"billingAddress,omitzero"`
	ShippingAddress     *Address       `json:"shippingAddress,omitzero"`
	TaxIDs              []TaxID        `json:"taxIds,omitzero"`
	PaymentMethodID     string         `json:"paymentMethodId,omitzero"`
	IntegrationID       string         `json:"integrationId,omitzero"`
	InvoiceCustomFields map[string]any `json:"invoiceCustomFields,omitzero"`
	Metadata            map[string]any `json:"metadata,omitzero"`
}

// CustomerInput describes a customer to provision or to update. Only ID is required; in an update,
// what is empty is left as it is.
type CustomerInput struct {
	// ID is Stigg's customerId.
	ID    string `json:"customerId"`
	Name  string `json:"name,omitzero"`
	Email string `json:"email,omitzero"`
	// CouponID is the id of a coupon for the customer.
	CouponID string `json:"couponRefId,omitzero"`
	// BillingID links a customer of the billing provider.
	BillingID string           `json:"billingId,omitzero"`
	Billing   *CustomerBilling `json:"billingInformation,omitzero"`
	// Metadata is kept with the customer; values must be encodable as JSON.
	Metadata                 map[string]any `json:"additionalMetaData,omitzero"`
	AWSMarketplaceCustomerID string         `json:"awsMarketplaceCustomerId,omitzero"`
	SalesforceID             string         `json:"salesforceId,omitzero"`
	CRMID                    string         `json:"crmId,omitzero"`
	// Subscription asks for a first subscription; ProvisionCustomer alone takes it. Stigg's
	// setting for new customers may override it: see ProvisionedCustomer.Decision.
	Subscription *SubscriptionParams `json:"subscriptionParams,omitzero"`
}

// ProvisionDecision says which subscription a new customer was given and why.
type ProvisionDecision string

// Stigg's decisions (enum SubscriptionDecisionStrategy). A value that is none of
// these is kept.
const (
	DecidedFreePlan      ProvisionDecision = "PREDEFINED_FREE_PLAN"
	DecidedTrialPlan     ProvisionDecision = "PREDEFINED_TRIAL_PLAN"
	DecidedRequestedPlan ProvisionDecision = "REQUESTED_PLAN"
	DecidedNone          ProvisionDecision = "SKIPPED_SUBSCRIPTION_CREATION"
)

// ProvisionedCustomer is the answer to ProvisionCustomer.
type ProvisionedCustomer struct {
	Customer Customer          `json:"customer"`
	Decision ProvisionDecision `json:"subscriptionDecisionStrategy"`
	// Subscription is nil if none was created.
	Subscription *Subscription `json:"subscription"`
}

// ProvisionCustomer creates a customer and, if asked, its first subscription. Stigg
// takes 250 a minute. After an error that is not Permanent it is unknown whether it
// was done; ask GetCustomer.
func (c *Client) ProvisionCustomer(ctx context.Context, in CustomerInput) (*ProvisionedCustomer, error) {
	const op = "ProvisionCustomer"
	if err := customerID(op, in.ID); err != nil {
		return nil, err
	}
	if in.Subscription != nil {
		if err := in.Subscription.check(op, true); err != nil {
			return nil, err
		}
	}
	var out struct {
		Done ProvisionedCustomer `json:"provisionCustomer"`
	}
	err := call(ctx, op, c.api.ProvisionCustomer, in, &out)
	c.changed(gate.Customer{ID: in.ID}, err)
	if err == nil && out.Done.Customer.ID != in.ID {
		err = badResponse(op, "the answer is for another customer")
	}
	if err != nil {
		return nil, err
	}
	return &out.Done, nil
}

// UpdateCustomer changes what in gives and leaves the rest.
func (c *Client) UpdateCustomer(ctx context.Context, in CustomerInput) (*Customer, error) {
	const op = "UpdateCustomer"
	var out struct {
		Done Customer `json:"updateOneCustomer"`
	}
	return changeCustomer(ctx, c, op, in.ID, c.api.UpdateCustomer, in, &out, &out.Done)
}

// ArchiveCustomer archives a customer: its subscriptions end, its name and email are forgotten,
// and it is not read or listed any more.
func (c *Client) ArchiveCustomer(ctx context.Context, id string) error {
	const op = "ArchiveCustomer"
	var out struct {
		Done Customer `json:"archiveCustomer"`
	}
	_, err := changeCustomer(ctx, c, op, id, c.api.ArchiveCustomer, gql.ArchiveCustomerInput{CustomerID: id}, &out, &out.Done)
	return err
}

// UnarchiveCustomer brings an archived customer back, without what was forgotten of it.
func (c *Client) UnarchiveCustomer(ctx context.Context, id string) (*Customer, error) {
	const op = "UnarchiveCustomer"
	var out struct {
		Done Customer `json:"unarchiveCustomer"`
	}
	return changeCustomer(ctx, c, op, id, c.api.UnarchiveCustomer, gql.UnarchiveCustomerInput{CustomerID: id}, &out, &out.Done)
}

// DetachPaymentMethod has a customer's default payment method forgotten.
func (c *Client) DetachPaymentMethod(ctx context.Context, id string) (*Customer, error) {
	const op = "DetachCustomerPaymentMethod"
	var out struct {
		Done Customer `json:"detachCustomerPaymentMethod"`
	}
	return changeCustomer(ctx, c, op, id, c.api.DetachCustomerPaymentMethod, gql.DetachCustomerPaymentMethodInput{CustomerID: id}, &out, &out.Done)
}

// ImportedCustomer is a customer that another system has already. Only ID is required.
type ImportedCustomer struct {
	ID              string         `json:"customerId"`
	Name            string         `json:"name,omitzero"`
	Email           string         `json:"email,omitzero"`
	BillingID       string         `json:"billingId,omitzero"`
	PaymentMethodID string         `json:"paymentMethodId,omitzero"`
	SalesforceID    string         `json:"salesforceId,omitzero"`
	Metadata        map[string]any `json:"additionalMetaData,omitzero"`
	UpdatedAt       time.Time      `json:"updatedAt,omitzero"`
}

// ImportCustomer creates a customer, or updates it, as another system has it.
func (c *Client) ImportCustomer(ctx context.Context, in ImportedCustomer) (*Customer, error) {
	const op = "ImportCustomer"
	var out struct {
		Done Customer `json:"importOneCustomer"`
	}
	return changeCustomer(ctx, c, op, in.ID, c.api.ImportCustomer, in, &out, &out.Done)
}

// ImportCustomers is ImportCustomer of many in one request, of whom none may be malformed. It
// returns the id of Stigg's task, which may go on after the call; empty if there is none.
func (c *Client) ImportCustomers(ctx context.Context, all []ImportedCustomer) (string, error) {
	const op = "ImportCustomerBulk"
	for _, in := range all {
		if err := customerID(op, in.ID); err != nil {
			return "", err
		}
	}
	if len(all) == 0 {
		return "", nil
	}
	var out struct {
		Task string `json:"importCustomersBulk"`
	}
	in := struct {
		Customers []ImportedCustomer `json:"customers"`
	}{all}
	err := call(ctx, op, c.api.ImportCustomerBulk, in, &out)
	for _, in := range all {
		c.changed(gate.Customer{ID: in.ID}, err)
	}
	return out.Task, err
}

// changeCustomer makes a call that changes one customer, which done holds afterwards.
func changeCustomer[In, Res any](ctx context.Context, c *Client, op, id string, f generated[In, Res], in, out any, done *Customer) (*Customer, error) {
	if err := customerID(op, id); err != nil {
		return nil, err
	}
	err := call(ctx, op, f, in, out)
	c.changed(gate.Customer{ID: id}, err)
	if err == nil && done.ID != id {
		err = badResponse(op, "the answer is for another customer")
	}
	if err != nil {
		return nil, err
	}
	return done, nil
}
