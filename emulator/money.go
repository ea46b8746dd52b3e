package emulator

import (
	"math/big"
	"time"
)

// priceOverride is a price that was agreed for one subscription.
type priceOverride struct {
	// addonID is empty for a price of the plan; featureID is empty for a base charge.
	addonID, featureID string
	amount             *big.Rat
}

// line is one charge of an invoice.
type line struct {
	kind, name string
	pkg        *pkg
	price      *price
	// key is the same for the same charge of two subscriptions.
	key      string
	quantity *big.Rat
	unit     *big.Rat
	amount   *big.Rat
}

// bill is what one billing period costs.
type bill struct {
	currency string
	lines    []line
	addons   *big.Rat
	subTotal *big.Rat
	// minimum is what a minimum spend adds; it is in the subTotal.
	minimum  *big.Rat
	coupon   *redeemed
	discount *big.Rat
	taxRate  *big.Rat
	tax      *big.Rat
	total    *big.Rat
}

// prices gives the prices of a package for a subscription: those of its billing period,
// and of its country where the package has some for it.
func (s *subscription) pricesOf(p *pkg) []*price {
	var everywhere, there []*price
	for _, pr := range p.Prices {
		switch {
		case pr.BillingPeriod != s.billingPeriod:
		case pr.Country == "":
			everywhere = append(everywhere, pr)
		case pr.Country == s.country:
			there = append(there, pr)
		}
	}
	if len(there) > 0 {
		return there
	}
	return everywhere
}

// charge gives the amount of a price, as agreed or as in the catalog.
func (s *subscription) charge(p *pkg, pr *price) *big.Rat {
	for _, o := range s.priceOverrides {
		ofAddon := p.isAddon && o.addonID == p.ID || !p.isAddon && o.addonID == ""
		if ofAddon && o.featureID == pr.FeatureID {
			return o.amount
		}
	}
	if s.unitAmount != nil && !p.isAddon && pr.Model == "PER_UNIT" {
		return s.unitAmount
	}
	return exactly(pr.Amount)
}

// linesOf gives the charges of a subscription that are known before the period begins.
func (w *world) linesOf(s *subscription) []line {
	var out []line
	add := func(p *pkg, pr *price, kind string, n *big.Rat) {
		unit := s.charge(p, pr)
		out = append(out, line{
			kind: kind, name: w.lineName(p, pr), pkg: p, price: pr, key: p.ID + "\x00" + pr.Model + "\x00" + pr.FeatureID,
			quantity: n, unit: unit, amount: rounded(times(unit, n), pr.Currency),
		})
	}
	one := big.NewRat(1, 1)
	for _, pr := range s.pricesOf(s.plan) {
		switch pr.Model {
		case "FLAT_FEE":
			add(s.plan, pr, "BaseCharge", one)
		case "PER_UNIT":
			add(s.plan, pr, "InAdvanceCommitmentCharge", exactly(s.units[pr.FeatureID]))
		}
	}
	for _, a := range s.addons {
		n := big.NewRat(int64(a.quantity), 1)
		for _, pr := range s.pricesOf(a.addon) {
			if pr.Model != "USAGE_BASED" {
				add(a.addon, pr, "AddonCharge", n)
			}
		}
	}
	return out
}

// usageLines gives the charges for what was used in the period that contains t.
func (w *world) usageLines(s *subscription, t time.Time) []line {
	var out []line
	p := s.billing(t)
	for _, pr := range s.pricesOf(s.plan) {
		if pr.Model != "USAGE_BASED" {
			continue
		}
		used := zero()
		if ct := s.customer.counters[counterKey{s.resource, pr.FeatureID}]; ct != nil {
			used = exactly(ct.usage(p))
		}
		unit := s.charge(s.plan, pr)
		out = append(out, line{
			kind: "PayAsYouGoCharge", name: w.lineName(s.plan, pr), pkg: s.plan, price: pr,
			key: s.plan.ID + "\x00" + pr.Model + "\x00" + pr.FeatureID, quantity: used, unit: unit,
			amount: rounded(times(unit, used), pr.Currency),
		})
	}
	return out
}

func (w *world) lineName(p *pkg, pr *price) string {
	if f := w.catalog.featureByID[pr.FeatureID]; f != nil {
		return p.DisplayName + ": " + f.DisplayName
	}
	return p.DisplayName
}

// bill adds lines up, with the coupon that is in force at t.
func (w *world) bill(s *subscription, lines []line, t time.Time) bill {
	b := bill{lines: lines, addons: zero(), subTotal: zero(), minimum: zero(), discount: zero(), taxRate: zero(), currency: s.currency()}
	for _, l := range lines {
		b.subTotal = plus(b.subTotal, l.amount)
		if l.pkg.isAddon {
			b.addons = plus(b.addons, l.amount)
		}
	}
	if s.minimumSpend != nil && b.subTotal.Cmp(s.minimumSpend) < 0 {
		b.minimum = minus(s.minimumSpend, b.subTotal)
		b.subTotal = s.minimumSpend
	}
	if r := s.discount(t); r != nil {
		b.coupon, b.discount = r, r.coupon.off(b.subTotal, b.currency)
	}
	if s.taxRate != nil {
		b.taxRate = s.taxRate
	}
	net := minus(b.subTotal, b.discount)
	b.tax = rounded(percent(net, b.taxRate), b.currency)
	b.total = plus(net, b.tax)
	return b
}

// recurring is what a whole period costs that begins or goes on at t.
func (w *world) recurring(s *subscription, t time.Time) bill { return w.bill(s, w.linesOf(s), t) }

// discount gives the coupon that a subscription has at t: its own, or that of who pays.
func (s *subscription) discount(t time.Time) *redeemed {
	if s.coupon != nil && s.coupon.inForce(t) {
		return s.coupon
	}
	if c := s.payer().coupon; c != nil && c.inForce(t) {
		return c
	}
	return nil
}

// payer is who pays: another customer if one was named.
func (s *subscription) payer() *customer {
	if s.paying != nil {
		return s.paying
	}
	return s.customer
}

// currency gives what a subscription is paid in, US dollars if nothing is to be paid.
func (s *subscription) currency() string {
	for _, pr := range s.pricesOf(s.plan) {
		return pr.Currency
	}
	for _, a := range s.addons {
		for _, pr := range s.pricesOf(a.addon) {
			return pr.Currency
		}
	}
	return "USD"
}

// prices says whether anything of a subscription is for money.
func (s *subscription) priced() bool {
	if len(s.pricesOf(s.plan)) > 0 {
		return true
	}
	for _, a := range s.addons {
		if len(s.pricesOf(a.addon)) > 0 {
			return true
		}
	}
	return false
}

// prorated is what a change in the middle of a period costs at once.
type prorated struct {
	at            time.Time
	credit, debit *big.Rat
	net           *big.Rat
}

// prorate compares two states of a subscription: charges that grow cost the part of
// the period that is left, those that shrink or go are credited for it.
func prorate(before, after []line, p period, at time.Time, currency string) prorated {
	left := share(p.start, p.end, at)
	change := map[string]*big.Rat{}
	keys := map[string]bool{}
	sum := func(lines []line, sign int64) {
		for _, l := range lines {
			if change[l.key] == nil {
				change[l.key] = zero()
			}
			keys[l.key] = true
			change[l.key] = plus(change[l.key], times(l.amount, big.NewRat(sign, 1)))
		}
	}
	sum(before, -1)
	sum(after, 1)
	out := prorated{at: at, credit: zero(), debit: zero()}
	for _, key := range sortedKeys(keys) {
		part := rounded(times(change[key], left), currency)
		if part.Sign() > 0 {
			out.debit = plus(out.debit, part)
		} else {
			out.credit = minus(out.credit, part)
		}
	}
	out.net = minus(out.debit, out.credit)
	return out
}
