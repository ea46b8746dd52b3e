package emulator

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// complete checks the catalog, fills in what may be left out and indexes it.
func (c *catalog) complete() error {
	if c.Product.ID == "" {
		return fmt.Errorf("product.id is missing")
	}
	if err := oneOf("product.settings.subscriptionCancellationTime", &c.Product.Settings.Cancellation,
		"END_OF_BILLING_PERIOD", "IMMEDIATE"); err != nil {
		return err
	}
	if err := c.completeSettings(); err != nil {
		return err
	}
	if err := c.completeFeatures(); err != nil {
		return err
	}
	if err := c.completeCurrencies(); err != nil {
		return err
	}
	if err := c.indexPackages(); err != nil {
		return err
	}
	for i, p := range c.Addons {
		if err := c.completePackage(fmt.Sprintf("addons[%d]", i), p); err != nil {
			return err
		}
	}
	for i, p := range c.Plans {
		if err := c.completePlan(fmt.Sprintf("plans[%d]", i), p); err != nil {
			return err
		}
	}
	if err := c.completeAddons(); err != nil {
		return err
	}
	if err := c.completeCoupons(); err != nil {
		return err
	}
	if err := c.completeGroups(); err != nil {
		return err
	}
	if d := c.Product.DowngradePlan; d != nil && c.planByID[*d] == nil {
		return fmt.Errorf("product.downgradePlan: no plan %q in this catalog", *d)
	}
	return nil
}

// completeAddons checks what add-ons say of plans and of each other.
func (c *catalog) completeAddons() error {
	for i, a := range c.Addons {
		for j, id := range a.CompatibleWith {
			if c.planByID[id] == nil {
				return fmt.Errorf("addons[%d].compatibleWith[%d]: no plan %q in this catalog", i, j, id)
			}
		}
		for j, id := range a.Dependencies {
			if c.addonByID[id] == nil || id == a.ID {
				return fmt.Errorf("addons[%d].dependencies[%d]: no other add-on %q in this catalog", i, j, id)
			}
		}
		if a.BasePlan != nil || a.Trial != nil || len(a.CompatibleAddons) > 0 {
			return fmt.Errorf("addons[%d]: an add-on has no basePlan, defaultTrialConfig or compatibleAddons", i)
		}
	}
	return nil
}

func (c *catalog) completeCoupons() error {
	seen := map[string]bool{}
	for i, cp := range c.Coupons {
		at := fmt.Sprintf("coupons[%d]", i)
		switch {
		case cp == nil || cp.ID == "":
			return fmt.Errorf("%s.id is missing", at)
		case seen[cp.ID]:
			return fmt.Errorf("%s.id: %q stands twice", at, cp.ID)
		}
		seen[cp.ID], cp.createdAt = true, catalogTime()
		if err := cp.complete(at); err != nil {
			return err
		}
	}
	return nil
}

func (c *catalog) completeGroups() error {
	for i, g := range c.FeatureGroups {
		at := fmt.Sprintf("featureGroups[%d]", i)
		if g == nil || g.ID == "" {
			return fmt.Errorf("%s.id is missing", at)
		}
		if g.DisplayName == "" {
			g.DisplayName = g.ID
		}
		for j, id := range g.Features {
			if c.featureByID[id] == nil {
				return fmt.Errorf("%s.features[%d]: no feature %q in this catalog", at, j, id)
			}
		}
	}
	return nil
}

func (c *catalog) completeSettings() error {
	s := &c.Product.Settings
	if err := oneOf("product.settings.subscriptionStartSetup", &s.Start,
		"PLAN_SELECTION", "FREE_PLAN", "TRIAL_PERIOD"); err != nil {
		return err
	}
	// What happens at an end by downgrade needs billing, which is not modelled.
	return oneOf("product.settings.subscriptionEndSetup", &s.End, "CANCEL_SUBSCRIPTION")
}

func (c *catalog) completeFeatures() error {
	c.featureByID = map[string]*feature{}
	for i, f := range c.Features {
		at := fmt.Sprintf("features[%d]", i)
		if f == nil || f.ID == "" {
			return fmt.Errorf("%s.id is missing", at)
		}
		if c.featureByID[f.ID] != nil {
			return fmt.Errorf("%s.id: %q stands twice", at, f.ID)
		}
		c.featureByID[f.ID] = f
		if err := f.complete(at); err != nil {
			return err
		}
	}
	return nil
}

func (f *feature) complete(at string) error {
	if f.DisplayName == "" {
		f.DisplayName = f.ID
	}
	if f.Type == "" {
		return fmt.Errorf("%s.featureType is missing", at)
	}
	if err := oneOf(at+".featureType", &f.Type, "BOOLEAN", "NUMBER", "ENUM"); err != nil {
		return err
	}
	if err := oneOf(at+".meterType", &f.MeterType, "None", "Fluctuating", "Incremental"); err != nil {
		return err
	}
	if err := oneOf(at+".featureStatus", &f.Status, "ACTIVE", "NEW", "SUSPENDED"); err != nil {
		return err
	}
	if f.Type != "NUMBER" && f.MeterType != "None" {
		return fmt.Errorf("%s.meterType: a %s feature can't be metered", at, f.Type)
	}
	if f.Type == "ENUM" && len(f.Values) == 0 {
		return fmt.Errorf("%s.configuration: an ENUM feature needs its values", at)
	}
	if f.Meter == nil {
		return nil
	}
	if !f.metered() {
		return fmt.Errorf("%s.meter: the feature is not metered", at)
	}
	return f.Meter.complete(at + ".meter")
}

func (m *meter) complete(at string) error {
	if err := oneOf(at+".aggregation.function", &m.Aggregation.Function, "COUNT", "SUM", "UNIQUE", "MAX", "MIN"); err != nil {
		return err
	}
	if m.Aggregation.Function != "COUNT" && m.Aggregation.Field == "" {
		return fmt.Errorf("%s.aggregation.field is missing", at)
	}
	for i := range m.Filters {
		for j := range m.Filters[i].Conditions {
			cond := &m.Filters[i].Conditions[j]
			where := fmt.Sprintf("%s.filters[%d].conditions[%d]", at, i, j)
			if cond.Field == "" {
				return fmt.Errorf("%s.field is missing", where)
			}
			if err := oneOf(where+".operation", &cond.Operation, "EQUALS", "NOT_EQUALS"); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *catalog) indexPackages() error {
	c.planByID, c.addonByID = map[string]*pkg{}, map[string]*pkg{}
	for _, list := range []struct {
		name  string
		all   []*pkg
		index map[string]*pkg
	}{{"plans", c.Plans, c.planByID}, {"addons", c.Addons, c.addonByID}} {
		for i, p := range list.all {
			if p == nil || p.ID == "" {
				return fmt.Errorf("%s[%d].id is missing", list.name, i)
			}
			if list.index[p.ID] != nil {
				return fmt.Errorf("%s[%d].id: %q stands twice", list.name, i, p.ID)
			}
			p.isAddon = list.name == "addons"
			list.index[p.ID] = p
		}
	}
	return nil
}

func (c *catalog) completePackage(at string, p *pkg) error {
	if p.DisplayName == "" {
		p.DisplayName = p.ID
	}
	p.Version = max(p.Version, 1)
	if err := oneOf(at+".pricingType", &p.PricingType, "FREE", "PAID", "CUSTOM"); err != nil {
		return err
	}
	for i, e := range p.Entitlements {
		if e == nil {
			return fmt.Errorf("%s.entitlements[%d] is null", at, i)
		}
		if err := c.completeGrant(fmt.Sprintf("%s.entitlements[%d]", at, i), e); err != nil {
			return err
		}
	}
	for i, cp := range p.Credits {
		if err := c.completeCredits(fmt.Sprintf("%s.creditEntitlements[%d]", at, i), cp); err != nil {
			return err
		}
	}
	if p.Draft != nil {
		next := p.next()
		if next.Version <= p.Version {
			return fmt.Errorf("%s.draft.versionNumber: %d is not above %d", at, next.Version, p.Version)
		}
		if err := c.completePackage(at+".draft", next); err != nil {
			return err
		}
	}
	for i, pr := range p.Prices {
		if pr == nil {
			return fmt.Errorf("%s.prices[%d] is null", at, i)
		}
		if err := c.completePrice(fmt.Sprintf("%s.prices[%d]", at, i), pr); err != nil {
			return err
		}
	}
	return nil
}

func (c *catalog) completeGrant(at string, e *packageGrant) error {
	f := c.featureByID[e.FeatureID]
	if f == nil {
		return fmt.Errorf("%s.featureId: no feature %q in this catalog", at, e.FeatureID)
	}
	if e.UsageLimit != nil && *e.UsageLimit < 0 {
		return fmt.Errorf("%s.usageLimit: %v is below 0", at, *e.UsageLimit)
	}
	if err := f.checkValues(e.Values); err != nil {
		return fmt.Errorf("%s.enumValues: %w", at, err)
	}
	if err := c.checkRate(at+".creditRate", f, e.Rate); err != nil {
		return err
	}
	if err := oneOf(at+".behavior", &e.Behavior, "Override", "Increment"); err != nil {
		return err
	}
	if e.ResetConfig != nil && e.ResetPeriod == "" {
		return fmt.Errorf("%s.resetPeriodConfig stands without a resetPeriod", at)
	}
	rule := e.reset()
	if err := rule.check(); err != nil {
		return fmt.Errorf("%s.%w", at, err)
	}
	return nil
}

// check names the field of the rule that is wrong.
func (r resetRule) check() error {
	switch r.every {
	case "":
		return nil
	case "HOUR", "DAY", "WEEK", "MONTH", "YEAR":
	default:
		return fmt.Errorf("resetPeriod: %q is none of HOUR, DAY, WEEK, MONTH, YEAR", r.every)
	}
	_, weekday := r.weekday()
	switch {
	case r.according == "", r.according == "SubscriptionStart",
		r.according == "StartOfTheMonth" && r.every == "MONTH",
		weekday && r.every == "WEEK":
		return nil
	}
	return fmt.Errorf("resetPeriodConfig.accordingTo: %q does not fit the period %s", r.according, r.every)
}

// checkValues refuses values that an ENUM feature does not have.
func (f *feature) checkValues(values []string) error {
	if f.Type != "ENUM" && len(values) > 0 {
		return fmt.Errorf("feature %q is not an ENUM", f.ID)
	}
	for _, v := range values {
		if !slices.ContainsFunc(f.Values, func(e enumValue) bool { return e.Value == v }) {
			return fmt.Errorf("feature %q has no value %q", f.ID, v)
		}
	}
	return nil
}

func (c *catalog) completePrice(at string, p *price) error {
	if err := oneOf(at+".billingModel", &p.Model, "FLAT_FEE", "PER_UNIT", "USAGE_BASED"); err != nil {
		return err
	}
	if err := oneOf(at+".billingPeriod", &p.BillingPeriod, "MONTHLY", "ANNUALLY"); err != nil {
		return err
	}
	if p.Currency == "" {
		p.Currency = "USD"
	}
	if len(p.Currency) != 3 || p.Currency != strings.ToUpper(p.Currency) {
		return fmt.Errorf("%s.currency: %q is no code such as USD", at, p.Currency)
	}
	if p.Amount < 0 {
		return fmt.Errorf("%s.amount: %v is below 0", at, p.Amount)
	}
	if p.Model == "FLAT_FEE" {
		return nil
	}
	if f := c.featureByID[p.FeatureID]; f == nil || f.Type != "NUMBER" {
		return fmt.Errorf("%s.featureId: %q is no NUMBER feature of this catalog", at, p.FeatureID)
	}
	if p.MinUnits != nil && p.MaxUnits != nil && *p.MinUnits > *p.MaxUnits {
		return fmt.Errorf("%s.minUnitQuantity is above maxUnitQuantity", at)
	}
	return nil
}

func (c *catalog) completePlan(at string, p *pkg) error {
	if err := c.completePackage(at, p); err != nil {
		return err
	}
	seen := map[string]bool{p.ID: true}
	for base := p; base.BasePlan != nil; {
		next := c.planByID[*base.BasePlan]
		if next == nil {
			return fmt.Errorf("%s.basePlan: no plan %q in this catalog", at, *base.BasePlan)
		}
		if seen[next.ID] {
			return fmt.Errorf("%s.basePlan: %q is its own ancestor", at, next.ID)
		}
		base.base = next
		seen[next.ID], base = true, next
	}
	for i, id := range p.CompatibleAddons {
		if c.addonByID[id] == nil {
			return fmt.Errorf("%s.compatibleAddons[%d]: no add-on %q in this catalog", at, i, id)
		}
	}
	for i, id := range p.Inherited {
		if c.featureByID[id] == nil {
			return fmt.Errorf("%s.inheritedEntitlements[%d]: no feature %q in this catalog", at, i, id)
		}
	}
	if p.Trial == nil {
		return nil
	}
	if p.Trial.Duration <= 0 || p.Trial.Duration > math.MaxInt16 {
		return fmt.Errorf("%s.defaultTrialConfig.duration: %v is no length of a trial", at, p.Trial.Duration)
	}
	if err := oneOf(at+".defaultTrialConfig.units", &p.Trial.Units, "DAY", "MONTH"); err != nil {
		return err
	}
	return oneOf(at+".defaultTrialConfig.trialEndBehavior", &p.Trial.EndBehavior, "CANCEL_SUBSCRIPTION", "CONVERT_TO_PAID")
}

// oneOf replaces *value by the word of allowed that it is but for case (Stigg's
// own spellings differ there), and by the first one if it is empty.
func oneOf(at string, value *string, allowed ...string) error {
	if *value == "" {
		*value = allowed[0]
		return nil
	}
	for _, word := range allowed {
		if strings.EqualFold(word, *value) {
			*value = word
			return nil
		}
	}
	return fmt.Errorf("%s: %q is none of %s", at, *value, strings.Join(allowed, ", "))
}
