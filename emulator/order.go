package emulator

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// order is what provisioning asks for, before it is checked.
type order struct {
	id, planID, resource string
	billingPeriod        string
	quantity             *float64
	units                map[string]float64
	addons               map[string]int
	overrides            map[string]*packageGrant
	metadata             map[string]any
	start, end           time.Time
	skipTrial            bool
	isTrial              *bool
	trialEnd             time.Time
	trialBehavior        string
	terms                terms
	// anchorNow: billing periods are counted from the start of the subscription, and
	// not from where those of the one that it replaces are.
	anchorNow bool
	// strategy is when it starts: IMMEDIATE, also when empty, END_OF_BILLING_PERIOD or
	// END_OF_BILLING_MONTH of the subscription that it replaces.
	strategy string
}

// prepare checks an order and builds its subscription without adding it.
func (w *world) prepare(c *customer, o order, now time.Time) (*subscription, error) {
	plan := w.catalog.planByID[o.planID]
	if plan == nil {
		return nil, refuse(CodePlanNotFound, "plan %q not found", o.planID)
	}
	if err := checkResourceID(o.resource); err != nil {
		return nil, err
	}
	if o.id == "" {
		o.id = "subscription-" + plan.ID + "-" + w.nextID("subscription")[:8]
	}
	if w.subscriptions[o.id] != nil {
		return nil, refuse(CodeDuplicatedEntity, "subscription %q exists already", o.id)
	}
	if o.billingPeriod == "" && len(plan.Prices) > 0 {
		return nil, refuse(CodeBillingPeriodMissing, "plan %q is paid: a billingPeriod is required", plan.ID)
	}
	if o.billingPeriod != "" && o.billingPeriod != "MONTHLY" && o.billingPeriod != "ANNUALLY" {
		return nil, refuse(CodeBadUserInput, "billingPeriod %q is neither MONTHLY nor ANNUALLY", o.billingPeriod)
	}
	s := &subscription{
		id: o.id, customer: c, resource: o.resource, plan: plan, metadata: o.metadata,
		billingPeriod: o.billingPeriod, createdAt: now, start: o.start, end: o.end,
		units: map[string]float64{}, overrides: map[string]*packageGrant{}, terms: o.terms,
	}
	if s.start.IsZero() {
		s.start = now
	}
	if err := cmp.Or(checkYear(s.start, lastStart), checkYear(s.end, lastEnd), checkYear(o.trialEnd, lastEnd)); err != nil {
		return nil, err
	}
	if err := w.fitToReplaced(s, o, now); err != nil {
		return nil, err
	}
	if !s.end.IsZero() && !s.end.After(s.start) {
		return nil, refuse(CodeInvalidCancellationDate, "the subscription would end before it begins")
	}
	if s.billingPeriod == "" {
		s.billingPeriod = "MONTHLY"
	}
	if err := s.checkCurrency(); err != nil {
		return nil, err
	}
	if err := s.setUnits(w.catalog, o.quantity, o.units); err != nil {
		return nil, err
	}
	if err := s.setAddons(w.catalog, o.addons); err != nil {
		return nil, err
	}
	if err := s.setOverrides(w.catalog, o.overrides); err != nil {
		return nil, err
	}
	if err := s.checkTerms(w.catalog); err != nil {
		return nil, err
	}
	return s, s.setTrial(o)
}

// Neither an answer nor a state file has a year of five digits. What begins so late that its periods
// would have one is refused.
const (
	lastStart = 9000
	lastEnd   = 9999
)

func checkYear(t time.Time, last int) error {
	if !t.IsZero() && (t.Year() < 1 || t.Year() > last) {
		return refuse(CodeBadUserInput, "the year %d is not between 1 and %d", t.Year(), last)
	}
	return nil
}

// setUnits sets how many units of each PER_UNIT charge were bought: at least
// the price's minimum, as in Stigg's documented answer to an order of 2 of 5. A plan
// without such charges takes an order of units and sells none, as in the documented
// answer to an order of the free plan.
func (s *subscription) setUnits(c *catalog, quantity *float64, units map[string]float64) error {
	sold := slices.ContainsFunc(s.plan.Prices, func(p *price) bool { return p.Model == "PER_UNIT" })
	for id := range units {
		switch {
		case c.featureByID[id] == nil:
			return refuse(CodeFeatureNotFound, "feature %q not found", id)
		case sold && s.unitPrice(id) == nil:
			return refuse(CodeInvalidQuantity, "plan %q sells no units of feature %q", s.plan.ID, id)
		case units[id] < 0 || units[id] > maxValue:
			return refuse(CodeInvalidQuantity, "%v units of feature %q can't be bought", units[id], id)
		}
	}
	if quantity != nil && (*quantity < 0 || *quantity > maxValue) {
		return refuse(CodeInvalidQuantity, "%v units can't be bought", *quantity)
	}
	for _, p := range s.pricesOf(s.plan) {
		if p.Model != "PER_UNIT" {
			continue
		}
		n, asked := units[p.FeatureID]
		if !asked && quantity != nil {
			n, asked = *quantity, true
		}
		if !asked {
			n = s.units[p.FeatureID]
		}
		if n < 0 || p.MaxUnits != nil && n > *p.MaxUnits {
			return refuse(CodeInvalidQuantity, "%v units of feature %q can't be bought", n, p.FeatureID)
		}
		if p.MinUnits != nil {
			n = max(n, *p.MinUnits)
		}
		s.units[p.FeatureID] = n
	}
	return nil
}

// setAddons replaces the add-ons.
func (s *subscription) setAddons(c *catalog, addons map[string]int) error {
	s.addons = nil
	for _, id := range sortedKeys(addons) {
		a, n := c.addonByID[id], addons[id]
		switch {
		case a == nil:
			return refuse(CodeAddonNotFound, "add-on %q not found", id)
		case !slices.Contains(s.plan.CompatibleAddons, id) && !slices.Contains(a.CompatibleWith, s.plan.ID):
			return refuse(CodeIncompatibleAddon, "add-on %q does not fit plan %q", id, s.plan.ID)
		case n < 0 || a.MaxQuantity != nil && float64(n) > *a.MaxQuantity:
			return refuse(CodeInvalidQuantity, "%d of add-on %q can't be bought", n, id)
		case n > 0:
			s.addons = append(s.addons, addonCount{a, n})
		}
	}
	for _, a := range s.addons {
		for _, id := range a.addon.Dependencies {
			if addons[id] < 1 {
				return refuse(CodeAddonDependency, "add-on %q needs add-on %q beside it", a.addon.ID, id)
			}
		}
	}
	return nil
}

// setOverrides sets the subscription's own values of features: what a custom
// plan leaves open, or what was agreed beside the plan.
func (s *subscription) setOverrides(c *catalog, overrides map[string]*packageGrant) error {
	for id, g := range overrides {
		f := c.featureByID[id]
		if f == nil {
			return refuse(CodeFeatureNotFound, "feature %q not found", id)
		}
		if err := f.checkValues(g.Values); err != nil {
			return refuse(CodeBadUserInput, "%v", err)
		}
		if err := g.reset().check(); err != nil {
			return refuse(CodeBadUserInput, "%v", err)
		}
		if g.UsageLimit != nil && *g.UsageLimit < 0 {
			return refuse(CodeBadUserInput, "usageLimit %v of feature %q is below 0", *g.UsageLimit, id)
		}
		s.overrides[id] = g
	}
	return nil
}

// setTrial: an explicit wish wins; else a plan with a trial gives it once to
// each customer, unless the trial is skipped.
func (s *subscription) setTrial(o order) error {
	wanted := s.plan.Trial != nil && !o.skipTrial && !s.customer.tried(s.plan)
	if o.isTrial != nil {
		wanted = *o.isTrial
	}
	if !wanted {
		return nil
	}
	s.trialBehavior = strings.ToUpper(o.trialBehavior)
	if s.trialBehavior == "" && s.plan.Trial != nil {
		s.trialBehavior = s.plan.Trial.EndBehavior
	}
	if s.trialBehavior == "" {
		s.trialBehavior = "CANCEL_SUBSCRIPTION"
	}
	s.trialEnd = o.trialEnd
	if s.trialEnd.IsZero() && s.plan.Trial != nil {
		s.trialEnd = s.plan.Trial.end(s.start)
	}
	if s.trialEnd.IsZero() {
		s.trialEnd = s.start.AddDate(0, 0, 14)
	}
	if !s.trialEnd.After(s.start) {
		return refuse(CodeBadUserInput, "the trial would end before the subscription begins")
	}
	return nil
}

func (c *customer) tried(plan *pkg) bool {
	return slices.ContainsFunc(c.subscriptions, func(s *subscription) bool {
		return s.plan.ID == plan.ID && !s.trialEnd.IsZero()
	})
}

// fitToReplaced lets a subscription begin when the one that it replaces is to end, and
// go on with its billing periods, as far as the order asks for that.
func (w *world) fitToReplaced(s *subscription, o order, now time.Time) error {
	s.anchor = s.start
	old := w.replaced(s, now)
	switch o.strategy {
	case "", "IMMEDIATE":
	case "END_OF_BILLING_PERIOD", "END_OF_BILLING_MONTH":
		if old == nil {
			return refuse(CodeNoActiveSubscription, "customer %q has no subscription whose period could be waited for", s.customer.id)
		}
		s.start = old.endOf(o.strategy, now)
		s.anchor = s.start
	default:
		return refuse(CodeUnsupported, "the emulator does not model scheduleStrategy %s", o.strategy)
	}
	if old != nil && !o.anchorNow && old.priced() && old.billingPeriod == s.billingPeriod && !old.inTrial(now) {
		s.anchor = old.anchor
	}
	return nil
}

// endOf gives when the present billing period is over, or the month of it.
func (s *subscription) endOf(strategy string, now time.Time) time.Time {
	now = laterOf(now, s.start)
	if strategy == "END_OF_BILLING_MONTH" {
		return resetRule{every: "MONTH"}.periodAt(s.anchor, now).end
	}
	return s.billing(now).end
}

// replaced gives the paid-for subscription that a new one takes the place of, nil if
// there is none.
func (w *world) replaced(s *subscription, now time.Time) *subscription {
	if w.catalog.Product.MultipleSubscriptions {
		return nil
	}
	for _, old := range s.customer.subscriptions {
		if old != s && old.resource == s.resource && old.active(now) && !old.inTrial(now) {
			return old
		}
	}
	return nil
}

// checkCurrency refuses a plan that isn't sold in the currency that the customer pays in.
func (s *subscription) checkCurrency() error {
	want := s.payer().currency
	if want == "" || len(s.plan.Prices) == 0 {
		return nil
	}
	if !slices.ContainsFunc(s.plan.Prices, func(p *price) bool { return p.Currency == want }) {
		return refuse(CodePriceNotFound, "plan %q has no price in %s, the currency of customer %q", s.plan.ID, want, s.payer().id)
	}
	return nil
}

// checkTerms refuses what can't be agreed on with this plan and these add-ons.
func (s *subscription) checkTerms(c *catalog) error {
	for _, o := range s.priceOverrides {
		p := s.plan
		if o.addonID != "" {
			i := slices.IndexFunc(s.addons, func(a addonCount) bool { return a.addon.ID == o.addonID })
			if i < 0 {
				return refuse(CodeAddonNotFound, "a price of add-on %q is agreed on, which the order doesn't have", o.addonID)
			}
			p = s.addons[i].addon
		}
		if !slices.ContainsFunc(s.pricesOf(p), func(pr *price) bool { return pr.FeatureID == o.featureID }) {
			return refuse(CodePriceNotFound, "%q has no price of %q that another could stand for", p.ID, o.featureID)
		}
	}
	for _, credit := range s.credits {
		if c.currencyByID[credit.CurrencyID] == nil {
			return refuse(CodeCurrencyNotFound, "currency %q not found", credit.CurrencyID)
		}
	}
	if s.budget != nil && s.budget.Limit < 0 {
		return refuse(CodeBadUserInput, "the budget %v is below 0", s.budget.Limit)
	}
	return nil
}

// sellsIn says whether anything of the catalog has a price in a currency.
func (c *catalog) sellsIn(currency string) bool {
	for _, p := range slices.Concat(c.Plans, c.Addons) {
		if slices.ContainsFunc(p.Prices, func(pr *price) bool { return pr.Currency == currency }) {
			return true
		}
	}
	return false
}
