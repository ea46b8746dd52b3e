package emulator

import (
	"math/big"
	"time"
)

// Estimates prepare what an order or an update would make, and show what it would cost;
// they change nothing.

func (v view) estimateSubscription(args input) (any, error) {
	s, err := v.ordered(args.object("input"))
	if err != nil {
		return nil, err
	}
	return v.preview(s, v.w.dueForOrder(s, v.now), v.w.replaced(s, v.now)), nil
}

func (v view) estimateSubscriptionUpdate(args input) (any, error) {
	in := args.object("input")
	s, err := v.w.openSubscription(in.str("subscriptionId"), v.now)
	if err != nil {
		return nil, err
	}
	ch, err := v.changeOf(in)
	if err != nil {
		return nil, err
	}
	next, err := v.w.changed(s, ch, v.now)
	if err != nil {
		return nil, err
	}
	return v.preview(next, v.w.dueForUpdate(s, next, v.now), s), nil
}

// dueForUpdate: a change during a trial, or before the start, costs nothing yet.
func (w *world) dueForUpdate(s, next *subscription, now time.Time) due {
	if !s.active(now) || s.inTrial(now) {
		return due{bill: w.bill(next, nil, now)}
	}
	return w.dueForChange(s, next, now)
}

// preview shows a SubscriptionPreview: what is due now, and in subscription what every
// period costs. old is what the subscription takes the place of, nil for nothing.
func (v view) preview(s *subscription, cost due, old *subscription) obj {
	recurring := v.w.recurring(s, laterOf(v.now, s.start))
	period := s.billing(laterOf(v.now, s.start))
	shown := showTotals(cost.bill)
	whole := showTotals(recurring)
	whole["tax"] = money(recurring.tax, recurring.currency)
	shown["subscription"] = whole
	shown["billingPeriodRange"] = obj{"start": period.start, "end": period.end}
	if s.trialEnd.After(v.now) {
		shown["billingPeriodRange"] = obj{"start": s.start, "end": s.trialEnd}
	}
	shown["isPlanDowngrade"] = v.isDowngrade(s, old)
	shown["hasScheduledUpdates"] = old != nil && len(old.schedule) > 0
	if cost.prorated != nil {
		shown["proration"] = showProration(cost)
	}
	return shown
}

// isDowngrade says whether the plan is another one and costs less.
func (v view) isDowngrade(s, old *subscription) bool {
	if old == nil || old.plan.ID == s.plan.ID {
		return false
	}
	monthly := func(s *subscription) *big.Rat {
		sum := v.w.recurring(s, v.now).subTotal
		if s.billingPeriod == "ANNUALLY" {
			return times(sum, big.NewRat(1, 12))
		}
		return sum
	}
	return monthly(s).Cmp(monthly(old)) < 0
}

func showProration(cost due) obj {
	p := cost.prorated
	return obj{
		"prorationDate": p.at, "credit": money(p.credit, cost.currency), "debit": money(p.debit, cost.currency),
		"netAmount": money(p.net, cost.currency), "hasProrations": p.credit.Sign() != 0 || p.debit.Sign() != 0,
	}
}

// showTotals shows what bills of all kinds have in common. No coupon and no tax are
// null, as in Stigg's documented answers.
func showTotals(b bill) obj {
	shown := obj{
		"subTotal": money(b.subTotal, b.currency), "totalExcludingTax": money(minus(b.total, b.tax), b.currency),
		"total": money(b.total, b.currency), "tax": money(b.tax, b.currency),
		"discount": showDiscount(b.coupon, b.currency),
	}
	if b.coupon != nil {
		shown["discountAmount"] = money(b.discount, b.currency)
	}
	if b.taxRate.Sign() > 0 {
		shown["taxDetails"] = obj{"displayName": "Tax", "percentage": shownDecimal(b.taxRate), "inclusive": false}
	}
	return shown
}

// showInvoice shows what previews of invoices have in common: there discount is the
// amount, and discountDetails the coupon.
func showInvoice(b bill) obj {
	shown := showTotals(b)
	shown["discountDetails"], shown["discount"] = shown["discount"], shown["discountAmount"]
	return shown
}

func (v view) previewSubscription(args input) (any, error) {
	s, err := v.ordered(args.object("input"))
	if err != nil {
		return nil, err
	}
	old, cost := v.w.replaced(s, v.now), v.w.dueForOrder(s, v.now)
	period := s.billing(laterOf(v.now, s.start))
	immediate := showInvoice(cost.bill)
	if cost.prorated != nil {
		immediate["proration"] = showProration(cost)
	}
	shown := obj{
		"immediateInvoice": immediate, "billingPeriodRange": obj{"start": period.start, "end": period.end},
		"isPlanDowngrade": v.isDowngrade(s, old), "hasScheduledUpdates": old != nil && len(old.schedule) > 0,
	}
	if s.priced() {
		shown["recurringInvoice"] = showInvoice(v.w.recurring(s, laterOf(v.now, s.start)))
	}
	return shown, nil
}

// previewNextInvoice shows the invoice that comes when the present period is over, as
// things stand: the next period, and the usage of this one.
func (v view) previewNextInvoice(args input) (any, error) {
	s, err := v.w.openSubscription(args.object("input").str("subscriptionId"), v.now)
	if err != nil {
		return nil, err
	}
	return v.nextInvoice(s), nil
}

func (v view) nextInvoice(s *subscription) obj {
	p := s.billing(laterOf(v.now, s.start))
	at := p.end
	if s.inTrial(v.now) {
		at = s.trialEnd
	}
	next := *s
	for _, d := range s.schedule {
		if changed, err := v.w.changed(&next, d.change, d.at); err == nil && !d.at.After(at) {
			next = *changed
		}
	}
	var lines []line
	if stop := s.stops(); stop.IsZero() || stop.After(at) {
		lines = v.w.linesOf(&next)
	}
	lines = append(lines, v.w.usageLines(s, laterOf(v.now, s.start))...)
	b := v.w.bill(&next, lines, at)
	shown := showInvoice(b)
	shown["subTotalExcludingTax"], shown["amountDue"] = money(b.subTotal, b.currency), money(b.total, b.currency)
	shown["minimumSpendAdjustment"], shown["lastUpdatedAt"] = money(b.minimum, b.currency), v.now
	ahead := next.billing(at)
	shown["lines"] = listOf(lines, func(l line) obj {
		of := ahead
		if l.kind == "PayAsYouGoCharge" {
			of = p
		}
		return v.invoiceLine(l, of)
	})
	return shown
}

func (v view) invoiceLine(l line, p period) obj {
	shown := obj{
		"type": l.kind, "description": l.name, "proration": false, "lines": []obj{},
		"costDescription": string(shownDecimal(l.quantity)) + " x " + string(shownDecimal(l.unit)) + " " + l.price.Currency,
		"amount":          money(l.amount, l.price.Currency), "unitPrice": money(l.unit, l.price.Currency),
		"period": obj{"start": p.start, "end": p.end}, "hasSoftLimit": false,
	}
	if n, _ := l.quantity.Float64(); n == float64(int(n)) {
		shown["quantity"] = int(n)
	}
	for i, pr := range l.pkg.Prices {
		if pr == l.price {
			shown["price"] = v.price(l.pkg, i)
		}
	}
	return shown
}
