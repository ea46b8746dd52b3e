package emulator

import (
	"cmp"
	"slices"
	"time"
)

// promotion is a promotional grant: a feature given to a customer beside its
// plan, at every level and for every resource it has, until it ends.
type promotion struct {
	id      string
	feature *feature
	grant   *packageGrant
	period  string
	visible bool
	// group is the feature group that it was granted with, empty for none.
	group      string
	start, end time.Time
	updatedAt  time.Time
}

func (p *promotion) active(now time.Time) bool {
	return !now.Before(p.start) && (p.end.IsZero() || now.Before(p.end))
}

// status gives the PromotionalEntitlementStatus of the schema.
func (p *promotion) status(now time.Time) string {
	if p.active(now) {
		return "Active"
	}
	return "Expired"
}

// promote grants a feature. A customer has at most one promotion of a feature:
// a second one replaces the first.
func (w *world) promote(c *customer, p *promotion, customEnd, now time.Time) error {
	if err := p.check(); err != nil {
		return err
	}
	if p.start.IsZero() {
		p.start = now
	}
	switch p.period {
	case "ONE_WEEK":
		p.end = p.start.AddDate(0, 0, 7)
	case "ONE_MONTH":
		p.end = addMonths(p.start, 1)
	case "SIX_MONTH":
		p.end = addMonths(p.start, 6)
	case "ONE_YEAR":
		p.end = addMonths(p.start, 12)
	case "CUSTOM":
		if !customEnd.After(p.start) {
			return refuse(CodeBadUserInput, "period CUSTOM needs a customEndDate in the future")
		}
		p.end = customEnd
	case "LIFETIME":
	default:
		return refuse(CodeBadUserInput, "%q is no promotional period", p.period)
	}
	if err := cmp.Or(checkYear(p.start, lastStart), checkYear(p.end, lastEnd)); err != nil {
		return err
	}
	p.id, p.updatedAt = w.nextID("promotion"), now
	kind := "promotional_entitlement.granted"
	if slices.ContainsFunc(c.promotions, func(old *promotion) bool { return old.feature == p.feature }) {
		kind = "promotional_entitlement.updated"
	}
	c.dropPromotion(p.feature)
	c.promotions = append(c.promotions, p)
	w.promotionChanged(c, p, kind)
	w.allEntitlementsChanged(c, "PROMOTIONAL_ENTITLEMENT_GRANTED", now)
	return nil
}

func (p *promotion) check() error {
	g := p.grant
	if err := p.feature.checkValues(g.Values); err != nil {
		return refuse(CodeBadUserInput, "%v", err)
	}
	if err := g.reset().check(); err != nil {
		return refuse(CodeBadUserInput, "%v", err)
	}
	if g.UsageLimit != nil && *g.UsageLimit < 0 {
		return refuse(CodeBadUserInput, "usageLimit %v is below 0", *g.UsageLimit)
	}
	return nil
}

// revoke takes a promotion back; an expired one is not found.
func (w *world) revoke(c *customer, f *feature, now time.Time) (*promotion, error) {
	for _, p := range c.promotions {
		if p.feature == f && p.active(now) {
			c.dropPromotion(f)
			p.end, p.updatedAt = now, now
			w.promotionChanged(c, p, "promotional_entitlement.revoked")
			w.allEntitlementsChanged(c, "PROMOTIONAL_ENTITLEMENT_REVOKED", now)
			return p, nil
		}
	}
	return nil, refuse(CodePromotionNotFound, "customer %q has no promotion of feature %q", c.id, f.ID)
}

func (c *customer) dropPromotion(f *feature) {
	kept := c.promotions[:0]
	for _, p := range c.promotions {
		if p.feature != f {
			kept = append(kept, p)
		}
	}
	c.promotions = kept
}
