package emulator

import (
	"math/big"
	"net/url"
	"time"
)

// paymentMethod is how a customer pays. No money moves: its id says how payments end.
type paymentMethod struct {
	ID, Type, Last4      string
	ExpireMonth, ExpYear int
}

// Ids of payment methods that fail, in the words of the test cards that payment
// providers know. Every other id pays.
const (
	methodDeclined    = "pm_card_chargeDeclined"
	methodNeedsAction = "pm_card_authenticationRequired"
	methodVisa        = "pm_card_visa"
)

func newPaymentMethod(id string, now time.Time) *paymentMethod {
	last4 := "4242"
	switch id {
	case methodDeclined:
		last4 = "0002"
	case methodNeedsAction:
		last4 = "3155"
	}
	return &paymentMethod{ID: id, Type: "CARD", Last4: last4, ExpireMonth: 12, ExpYear: now.Year() + 3}
}

// collect makes the invoice of a subscription for an amount that is due now, and says
// by the subscription's collection how its payment went. A subscription that can't be
// paid for waits for its payment if it is new. A customer without a payment method
// pays somehow: that checkouts are needed is for who orders to say.
func (w *world) collect(s *subscription, due bill, reason string, isNew bool, now time.Time) {
	if due.total.Sign() <= 0 || s.collectionMethod == "NONE" {
		return
	}
	inv := &invoice{
		ID: "in_" + w.nextID("invoice")[:8], CreatedAt: now, Total: due.total, SubTotal: due.subTotal, Tax: due.tax,
		Currency: due.currency, Paid: true, Reason: reason, Attempts: 1,
	}
	s.invoice, s.collection = inv, ""
	method := s.payer().payment
	if method == nil || s.collectionMethod == "INVOICE" {
		return
	}
	switch method.ID {
	case methodDeclined:
		s.collection, inv.Err = "FAILED", "the card was declined"
	case methodNeedsAction:
		s.collection = "ACTION_REQUIRED"
	default:
		return
	}
	inv.Paid, s.pending = false, isNew
	if s.collection == "FAILED" {
		w.hook("customer.payment_failed", s.payer(), s.resource, func(view) obj {
			return obj{"subscriptionId": s.id, "invoiceId": inv.ID, "amount": shownDecimal(inv.Total), "currency": inv.Currency, "errorMessage": inv.Err}
		})
	}
}

// paid records that the open invoice of a subscription was paid, which gives the access
// that waited for it.
func (w *world) paid(s *subscription, now time.Time) {
	s.collection = ""
	if s.invoice != nil {
		was := *s.invoice
		was.Paid, was.Err, was.Attempts = true, "", was.Attempts+1
		s.invoice = &was
	}
	if s.pending {
		s.pending = false
		s.start = laterOf(s.start, now)
		w.displace(s)
	}
	w.subscriptionChanged(s, "subscription.updated")
	w.entitlementsChanged(s.customer, s.resource, "SUBSCRIPTION_UPDATED", now)
}

// billChange bills what a change costs for the rest of the period.
func (w *world) billChange(before, after *subscription, now time.Time) {
	if !after.active(now) || after.inTrial(now) {
		return
	}
	w.collect(after, w.dueForChange(before, after, now).bill, "SUBSCRIPTION_UPDATE", false, now)
}

// due is what an order or a change costs at once.
type due struct {
	bill
	// prorated is nil where nothing was there before.
	prorated *prorated
}

// dueForChange gives what a change costs at once: the part of the present period that
// is left of what it costs more, less that of what it costs less.
func (w *world) dueForChange(before, after *subscription, now time.Time) due {
	p := prorate(w.linesOf(before), w.linesOf(after), before.billing(laterOf(now, before.start)), now, after.currency())
	return due{w.prorationBill(after, p, now), &p}
}

func (w *world) prorationBill(s *subscription, p prorated, now time.Time) bill {
	b := bill{addons: zero(), minimum: zero(), discount: zero(), taxRate: zero(), currency: s.currency(), subTotal: p.net}
	if s.taxRate != nil {
		b.taxRate = s.taxRate
	}
	charged := notNegative(p.net)
	if r := s.discount(now); r != nil && charged.Sign() > 0 {
		b.coupon, b.discount = r, r.coupon.off(charged, b.currency)
	}
	net := minus(charged, b.discount)
	b.tax = rounded(percent(net, b.taxRate), b.currency)
	b.total = plus(net, b.tax)
	return b
}

// dueForOrder gives what a prepared subscription costs at once.
func (w *world) dueForOrder(s *subscription, now time.Time) due {
	old := w.replaced(s, now)
	switch {
	case s.trialEnd.After(now) || s.start.After(now):
		return due{bill: w.bill(s, nil, now)}
	case old != nil && old.priced() && old.anchor.Equal(s.anchor):
		return w.dueForChange(old, s, now)
	case old != nil && old.priced():
		return w.dueForNewCycle(old, s, now)
	}
	return due{bill: w.recurring(s, now)}
}

// dueForNewCycle: the new subscription's first period is paid whole, and what is left of
// the old one's is credited.
func (w *world) dueForNewCycle(old, s *subscription, now time.Time) due {
	credit := prorate(w.linesOf(old), nil, old.billing(laterOf(now, old.start)), now, s.currency()).credit
	whole := w.recurring(s, now)
	p := prorated{at: now, credit: credit, debit: whole.subTotal, net: minus(whole.subTotal, credit)}
	return due{w.prorationBill(s, p, now), &p}
}

// show gives a SubscriptionInvoice, null where nothing was billed.
func (v view) invoice(s *subscription) any {
	i := s.invoice
	if i == nil {
		return nil
	}
	shown := obj{
		"billingId": i.ID, "status": "PAID", "createdAt": i.CreatedAt, "updatedAt": i.CreatedAt, "dueDate": i.CreatedAt,
		"requiresAction": s.collection == "ACTION_REQUIRED", "billingReason": i.Reason, "currency": i.Currency,
		"subTotal": shownDecimal(i.SubTotal), "subTotalExcludingTax": shownDecimal(i.SubTotal), "tax": shownDecimal(i.Tax),
		"total": shownDecimal(i.Total), "totalExcludingTax": shownDecimal(minus(i.Total, i.Tax)), "amountDue": shownDecimal(i.Total),
		"attemptCount": i.Attempts, "errorMessage": text(i.Err),
		"pdfUrl": v.invoiceURL(s), "paymentUrl": v.invoiceURL(s),
	}
	if !i.Paid {
		shown["status"] = "OPEN"
		shown["paymentSecret"] = "secret_" + i.ID
	}
	return shown
}

// rat reads an optional amount that may not be below 0.
func rat(in input, name string) (*big.Rat, error) {
	n := in.num(name)
	if n == nil {
		return nil, nil
	}
	if *n < 0 || *n > maxValue {
		return nil, refuse(CodeBadUserInput, "%s %v is no amount", name, *n)
	}
	return exactly(*n), nil
}

// invoiceURL is the page of a subscription's invoice.
func (v view) invoiceURL(s *subscription) string {
	return v.base + "/checkout/invoice/" + url.PathEscape(s.id)
}
