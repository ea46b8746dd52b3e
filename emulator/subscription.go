package emulator

import (
	"slices"
	"strings"
	"time"
)

// subscription is a customer's plan, at the customer's level or for one of its
// resources.
type subscription struct {
	id            string
	customer      *customer
	resource      string
	plan          *pkg
	billingPeriod string
	units         map[string]float64
	addons        []addonCount
	overrides     map[string]*packageGrant
	metadata      map[string]any

	createdAt, start time.Time
	// end is when it stops; zero while nothing ends it.
	end          time.Time
	cancelledAt  time.Time
	cancelReason string
	// revoked: cancelled with REVOKE_ENTITLEMENTS, which takes the access at once.
	revoked bool

	trialEnd      time.Time
	trialBehavior string
}

type addonCount struct {
	addon    *pkg
	quantity int
}

// stops gives the moment at which the subscription is over, zero for never: its
// end, or the end of a trial that isn't converted.
func (s *subscription) stops() time.Time {
	stop := s.end
	if !s.trialEnd.IsZero() && s.trialBehavior == "CANCEL_SUBSCRIPTION" {
		stop = earliest(stop, s.trialEnd)
	}
	return stop
}

func (s *subscription) over(now time.Time) bool {
	stop := s.stops()
	return !stop.IsZero() && !now.Before(stop)
}

func (s *subscription) active(now time.Time) bool { return !now.Before(s.start) && !s.over(now) }

func (s *subscription) inTrial(now time.Time) bool {
	return !s.trialEnd.IsZero() && now.Before(s.trialEnd) && s.active(now)
}

// status gives the SubscriptionStatus of the schema.
func (s *subscription) status(now time.Time) string {
	switch {
	case s.over(now) && s.cancelReason == "":
		return "EXPIRED"
	case s.over(now):
		return "CANCELED"
	case now.Before(s.start):
		return "NOT_STARTED"
	case s.inTrial(now):
		return "IN_TRIAL"
	}
	return "ACTIVE"
}

func (s *subscription) endAt(t time.Time, reason string) {
	s.end, s.cancelReason = t, reason
}

// billing gives the billing period that contains t. Free plans have one too, as
// in Stigg's own answers.
func (s *subscription) billing(t time.Time) period {
	rule := resetRule{every: "MONTH"}
	if s.billingPeriod == "ANNUALLY" {
		rule.every = "YEAR"
	}
	return rule.periodAt(s.start, t)
}

// unitPrice gives the PER_UNIT price of a feature for the billing period.
func (s *subscription) unitPrice(featureID string) *price {
	for _, p := range s.plan.Prices {
		if p.Model == "PER_UNIT" && p.FeatureID == featureID && p.BillingPeriod == s.billingPeriod {
			return p
		}
	}
	return nil
}

// activeSubscriptions lists what is active now; want decides by resource.
func (c *customer) activeSubscriptions(now time.Time, want func(resource string) bool) []*subscription {
	var active []*subscription
	for _, s := range c.subscriptions {
		if s.active(now) && want(s.resource) {
			active = append(active, s)
		}
	}
	return active
}

func (w *world) subscription(id string) (*subscription, error) {
	if s := w.subscriptions[id]; s != nil {
		return s, nil
	}
	return nil, refuse(CodeSubscriptionNotFound, "subscription %q not found", id)
}

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
		units: map[string]float64{}, overrides: map[string]*packageGrant{},
	}
	if s.start.IsZero() {
		s.start = now
	}
	if !s.end.IsZero() && !s.end.After(s.start) {
		return nil, refuse(CodeInvalidCancellationDate, "the subscription would end before it begins")
	}
	if s.billingPeriod == "" {
		s.billingPeriod = "MONTHLY"
	}
	if err := s.setUnits(o.quantity, o.units); err != nil {
		return nil, err
	}
	if err := s.setAddons(w.catalog, o.addons); err != nil {
		return nil, err
	}
	if err := s.setOverrides(w.catalog, o.overrides); err != nil {
		return nil, err
	}
	s.setTrial(o)
	return s, nil
}

// setUnits sets how many units of each PER_UNIT charge were bought: at least
// the price's minimum, as in Stigg's documented answer to an order of 2 of 5.
func (s *subscription) setUnits(quantity *float64, units map[string]float64) error {
	for id := range units {
		if s.unitPrice(id) == nil {
			return refuse(CodeInvalidQuantity, "plan %q sells no units of feature %q", s.plan.ID, id)
		}
	}
	for _, p := range s.plan.Prices {
		if p.Model != "PER_UNIT" || p.BillingPeriod != s.billingPeriod {
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
		case !slices.Contains(s.plan.CompatibleAddons, id):
			return refuse(CodeIncompatibleAddon, "add-on %q does not fit plan %q", id, s.plan.ID)
		case n < 0 || a.MaxQuantity != nil && float64(n) > *a.MaxQuantity:
			return refuse(CodeInvalidQuantity, "%d of add-on %q can't be bought", n, id)
		case n > 0:
			s.addons = append(s.addons, addonCount{a, n})
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
func (s *subscription) setTrial(o order) {
	s.trialBehavior = strings.ToUpper(o.trialBehavior)
	wanted := s.plan.Trial != nil && !o.skipTrial && !s.customer.tried(s.plan)
	if o.isTrial != nil {
		wanted = *o.isTrial
	}
	if !wanted {
		return
	}
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
}

func (c *customer) tried(plan *pkg) bool {
	return slices.ContainsFunc(c.subscriptions, func(s *subscription) bool {
		return s.plan == plan && !s.trialEnd.IsZero()
	})
}
