package emulator

import (
	"encoding/json"
	"net/url"
	"time"
)

// checkout is an order that waits for somebody to pay for it on the checkout's page.
type checkout struct {
	ID         string
	CustomerID string
	// Order is the input of the provisioning, as it is made again once it is paid.
	Order      json.RawMessage
	OrderType  string
	SuccessURL string
	CancelURL  string
	Plan       string
	Amount     string
	Currency   string
	CreatedAt  time.Time
	// State is OPEN, PAID, FAILED after a payment that failed (it may be tried again), or
	// CANCELED.
	State string
	// Subscription is what was provisioned.
	Subscription string
}

// openCheckout keeps the order of a prepared subscription and answers with the page that
// it is paid on. Nothing is provisioned.
func (v view) openCheckout(s *subscription, in input, cost due, success, cancel string) obj {
	order, err := json.Marshal(in.plain())
	if err != nil {
		panic(err)
	}
	c := checkout{
		ID: "cs_" + v.w.nextID("checkout"), CustomerID: s.customer.id, Order: order, OrderType: in.of, SuccessURL: success, CancelURL: cancel,
		Plan: s.plan.DisplayName, Amount: cost.total.FloatString(places(cost.currency)), Currency: cost.currency, CreatedAt: v.now, State: "OPEN",
	}
	v.w.checkouts[c.ID] = c
	return v.withEntitlements(obj{
		"id": uuidOf("provision", c.ID), "status": "PAYMENT_REQUIRED", "isScheduled": false,
		"checkoutUrl": v.base + "/checkout/" + c.ID, "checkoutBillingId": c.ID,
	}, s.customer, s.resource)
}

// plain gives the values of an input as JSON has them.
func (in *inputObject) plain() map[string]any {
	out := map[string]any{}
	for name, v := range in.values {
		out[name] = plainValue(v)
	}
	return out
}

func plainValue(v any) any {
	switch v := v.(type) {
	case input:
		return v.plain()
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plainValue(v[i])
		}
		return out
	case time.Time:
		return isoTime(v)
	}
	return v
}

// checkPageURLs: a browser is sent to these, so they must be pages.
func checkPageURLs(urls ...string) error {
	for _, raw := range urls {
		u, err := url.Parse(raw)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return refuse(CodeBadUserInput, "%q is no URL of a page", raw)
		}
	}
	return nil
}

// Outcomes of a payment on a checkout's page.
const (
	payPaid     = "pay"
	payFailed   = "fail"
	payCanceled = "cancel"
)

// Checkouts gives the orders that were answered with a checkout, the oldest first.
func (e *Emulator) Checkouts() []Checkout {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.world.shownCheckouts()
}

// Checkout is an order that has to be paid on a page; see [Emulator.CompleteCheckout].
type Checkout struct {
	ID         string `json:"id"`
	CustomerID string `json:"customerId"`
	Plan       string `json:"plan"`
	Amount     string `json:"amount"`
	Currency   string `json:"currency"`
	// State is OPEN, PAID, FAILED or CANCELED.
	State string `json:"state"`
	// SubscriptionID is what was provisioned when it was paid.
	SubscriptionID string `json:"subscriptionId,omitempty"`
}

// CompleteCheckout does what a person would on the page of a checkout: "pay", "fail" or
// "cancel". Paid, the order is provisioned, and the customer has a payment method from
// then on. It fails with an [*Error] if there is no such checkout, if it is over, or if
// the order can't be provisioned any more.
func (e *Emulator) CompleteCheckout(id, outcome string) error {
	e.mu.Lock()
	defer e.unlock()
	_, err := e.complete(id, outcome)
	return err
}

// complete ends a checkout. The caller holds the mutex.
func (e *Emulator) complete(id, outcome string) (checkout, error) {
	w, now := e.world, e.present()
	c, found := w.checkouts[id]
	switch {
	case !found:
		return c, refuse(CodeBadUserInput, "there is no checkout %q", id)
	case c.State == "PAID" || c.State == "CANCELED":
		return c, refuse(CodeBadUserInput, "checkout %q is over", id)
	}
	switch outcome {
	case payCanceled:
		c.State = "CANCELED"
	case payFailed:
		c.State = "FAILED"
		if cu := w.customers[c.CustomerID]; cu != nil {
			w.hook("customer.payment_failed", cu, "", func(view) obj {
				return obj{"checkoutId": c.ID, "amount": json.Number(c.Amount), "currency": c.Currency, "errorMessage": "the card was declined"}
			})
		}
	case payPaid:
		if err := e.fulfil(&c, now); err != nil {
			return c, err
		}
	default:
		return c, refuse(CodeBadUserInput, "%q is none of pay, fail, cancel", outcome)
	}
	w.checkouts[id] = c
	return c, nil
}

// fulfil provisions the order of a checkout, or changes nothing.
func (e *Emulator) fulfil(c *checkout, now time.Time) (err error) {
	w := e.world
	w.begin()
	defer func() {
		if err != nil {
			w.rollback()
			return
		}
		w.commit()
	}()
	var raw map[string]any
	if err := json.Unmarshal(c.Order, &raw); err != nil {
		return err
	}
	coerced, err := e.coerceObject(e.schema.Types[c.OrderType], raw, "order")
	if err != nil {
		return err
	}
	v := view{w: w, now: now}
	s, err := v.ordered(coerced.(input))
	if err != nil {
		return err
	}
	s.payer().payment = newPaymentMethod(methodVisa, now)
	w.customerChanged(s.payer(), "customer.updated")
	v.begin(s, w.dueForOrder(s, now))
	c.State, c.Subscription = "PAID", s.id
	return nil
}

func (w *world) shownCheckouts() []Checkout {
	out := []Checkout{}
	for _, c := range w.checkouts {
		out = append(out, Checkout{c.ID, c.CustomerID, c.Plan, c.Amount, c.Currency, c.State, c.Subscription})
	}
	sortBy(out, func(c Checkout) string { return isoTime(w.checkouts[c.ID].CreatedAt) + c.ID })
	return out
}
