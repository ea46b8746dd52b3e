package emulator

import (
	"slices"
	"time"
)

// entitlement is what a customer has of one feature, everything merged.
type entitlement struct {
	feature *feature
	// limit of a NUMBER; nil without unlimited counts as 0 (semantics "The data").
	limit           *float64
	unlimited, soft bool
	values          []string
	// reset and anchor are those of the source that gave the limit.
	reset  resetRule
	anchor time.Time
	// revoked: its subscription was cancelled with its entitlements.
	revoked     bool
	displayName *string
	// overBudget: what its usage costs has used up the subscription's budget.
	overBudget bool
	// rate is what a unit costs in credits, nil for a feature that costs none.
	rate *creditRate
	// updatedAt is when the set that it is in last changed.
	updatedAt time.Time

	// What follows is read at one moment, for metered features only.
	usage     float64
	usedAt    time.Time
	period    period
	changesAt time.Time
	// wallet pays the rate; nil if the customer has no such credits.
	wallet *wallet
}

func (e *entitlement) number() float64 {
	if e.limit == nil {
		return 0
	}
	return *e.limit
}

func newEntitlement(f *feature, g *packageGrant, anchor time.Time) *entitlement {
	return &entitlement{
		feature: f, limit: g.UsageLimit, unlimited: g.Unlimited, soft: g.SoftLimit,
		values: g.Values, reset: g.reset(), anchor: g.reset().anchorFor(anchor), displayName: g.DisplayName, rate: g.Rate,
	}
}

// state gives the effective set of a customer, or of one of its resources, in
// the catalog's order, and the reason why the set as a whole is denied, empty
// if it isn't. Promotional grants are in the set beside the reason
// NoActiveSubscription: they need no subscription.
func (w *world) state(customerID, resourceID string, now time.Time) ([]*entitlement, string) {
	c := w.customers[customerID]
	switch {
	case c == nil:
		return nil, reasonCustomerNotFound
	case c.archived():
		return nil, reasonCustomerIsArchived
	case !c.knows(resourceID):
		return nil, reasonNoActiveSubscription
	}
	subs := c.activeSubscriptions(now, func(r string) bool { return r == resourceID })
	var sets []map[string]*entitlement
	for _, s := range subs {
		sets = append(sets, w.granted(s, now))
	}
	sets = append(sets, c.promoted(sets, now))
	var all []*entitlement
	next, updatedAt := c.nextChange(resourceID, now), w.setUpdatedAt(c, resourceID, now)
	for _, f := range w.catalog.Features {
		if e := mostGenerous(f, sets); e != nil {
			c.measure(e, resourceID, now)
			e.changesAt, e.updatedAt = earliest(next, e.period.end), updatedAt
			w.price(c, e, resourceID, now)
			all = append(all, e)
		}
	}
	if len(subs) == 0 {
		return all, reasonNoActiveSubscription
	}
	return all, ""
}

func (c *customer) knows(resourceID string) bool {
	_, known := c.resources[resourceID]
	return known || resourceID == ""
}

// measure reads the usage of a metered feature in its present period.
func (c *customer) measure(e *entitlement, resourceID string, now time.Time) {
	if !e.feature.metered() {
		return
	}
	e.period = e.reset.periodAt(e.anchor, now)
	if ct := c.counters[counterKey{resourceID, e.feature.ID}]; ct != nil {
		e.usage, e.usedAt = ct.usage(e.period), ct.updatedAt
	}
}

// price finds the wallet that pays for a feature.
func (w *world) price(c *customer, e *entitlement, resourceID string, now time.Time) {
	if e.rate == nil {
		return
	}
	e.wallet = w.wallet(c, resourceID, w.catalog.currencyByID[e.rate.CurrencyID], now)
	if e.wallet != nil {
		e.changesAt = earliest(e.changesAt, e.wallet.changesAt)
	}
}

// granted gives what one subscription grants: its plan over the plan's
// ancestors, the units bought, the subscription's own values, the add-ons.
func (w *world) granted(s *subscription, now time.Time) map[string]*entitlement {
	set := map[string]*entitlement{}
	lineage := s.plan.lineage()
	for _, plan := range slices.Backward(lineage) {
		for _, g := range plan.Entitlements {
			set[g.FeatureID] = newEntitlement(w.catalog.featureByID[g.FeatureID], g, s.start)
		}
		for _, id := range plan.Inherited {
			if set[id] == nil {
				set[id] = newEntitlement(w.catalog.featureByID[id], &packageGrant{FeatureID: id}, s.start)
			}
		}
	}
	for id, n := range s.units {
		// An ancestor's value of a feature sold by the unit does not show through.
		set[id] = newEntitlement(w.catalog.featureByID[id], s.plan.grantOf(id), s.start)
		set[id].limit = &n
	}
	for id, g := range s.overrides {
		own := *g
		if base := set[id]; base != nil && own.ResetPeriod == "" {
			own.ResetPeriod, own.ResetConfig = base.reset.every, &resetConfig{base.reset.according}
		}
		if base := set[id]; base != nil && own.Rate == nil {
			own.Rate = base.rate
		}
		set[id] = newEntitlement(w.catalog.featureByID[id], &own, s.start)
	}
	for _, a := range s.addons {
		for _, g := range a.addon.Entitlements {
			set[g.FeatureID] = withAddon(set[g.FeatureID], newEntitlement(w.catalog.featureByID[g.FeatureID], g, s.start), g, a.quantity)
		}
	}
	for _, e := range set {
		e.revoked = s.revoked
	}
	for _, id := range w.overspent(s, now) {
		if set[id] != nil {
			set[id].overBudget = true
		}
	}
	return set
}

// lineage gives a plan and its ancestors, the plan first.
func (p *pkg) lineage() []*pkg {
	line := []*pkg{p}
	for p = p.base; p != nil; p = p.base {
		line = append(line, p)
	}
	return line
}

// grantOf gives the package's own entitlement of a feature, an empty one if it
// has none.
func (p *pkg) grantOf(featureID string) *packageGrant {
	for _, g := range p.Entitlements {
		if g.FeatureID == featureID {
			return g
		}
	}
	return &packageGrant{FeatureID: featureID}
}

// withAddon adds an add-on's entitlement to what the plan gives: Increment adds
// its limit once for each one bought, Override counts if it is more generous.
func withAddon(base, addon *entitlement, g *packageGrant, quantity int) *entitlement {
	if g.Behavior != "Increment" || addon.limit == nil {
		return moreGenerous(base, addon)
	}
	total := *addon.limit * float64(quantity)
	if base == nil {
		addon.limit = &total
		return addon
	}
	total += base.number()
	base.limit = &total
	base.unlimited = base.unlimited || addon.unlimited
	return base
}

// promoted gives what the promotions of the present grant, beside what subscriptions
// do. A promotion of a feature that a subscription has raises its limit and leaves
// its usage periods alone, unless it names periods of another length: a grant must
// not count last month's usage, nor forget this month's.
func (c *customer) promoted(subscribed []map[string]*entitlement, now time.Time) map[string]*entitlement {
	set := map[string]*entitlement{}
	for _, p := range c.promotions {
		if !p.active(now) {
			continue
		}
		e := newEntitlement(p.feature, p.grant, p.start)
		if base := mostGenerous(p.feature, subscribed); base != nil && (e.reset.every == "" || e.reset.every == base.reset.every) {
			e.reset, e.anchor = base.reset, base.anchor
		}
		set[p.feature.ID] = e
	}
	return set
}

func mostGenerous(f *feature, sets []map[string]*entitlement) *entitlement {
	var best *entitlement
	for _, set := range sets {
		best = moreGenerous(best, set[f.ID])
	}
	return best
}

// moreGenerous merges two sources of one feature, either of which may be nil:
// unlimited before the larger limit, the limit's reset period with it, values
// united. The first wins a draw, and what is revoked gives nothing.
func moreGenerous(a, b *entitlement) *entitlement {
	switch {
	case a == nil, b != nil && a.revoked && !b.revoked:
		return b
	case b == nil, b.revoked && !a.revoked:
		return a
	}
	best, other := *a, b
	if b.unlimited && !a.unlimited || b.unlimited == a.unlimited && b.number() > a.number() {
		best, other = *b, a
	}
	best.soft = a.soft || b.soft
	best.values = nil
	for _, v := range best.feature.Values {
		if slices.Contains(a.values, v.Value) || slices.Contains(b.values, v.Value) {
			best.values = append(best.values, v.Value)
		}
	}
	if best.rate == nil {
		best.rate = other.rate
	}
	if best.displayName == nil {
		best.displayName = other.displayName
	}
	return &best
}

// nextChange gives the next time at which the set changes by itself: a subscription, a promotion or a
// grant of credits begins or ends, a scheduled change is made, or a budget is whole again. Zero for never.
func (c *customer) nextChange(resourceID string, now time.Time) time.Time {
	all := c.turns(resourceID)
	for _, s := range c.activeSubscriptions(now, func(r string) bool { return r == resourceID }) {
		for _, d := range s.schedule {
			all = append(all, d.at)
		}
		if s.budget != nil {
			all = append(all, s.billing(now).end)
		}
	}
	for _, g := range c.purse.grants {
		if g.resource == resourceID && g.voidedAt.IsZero() && g.sub == nil { // those of a plan end with its periods
			all = append(all, g.effective, g.ends())
		}
	}
	var next time.Time
	for _, t := range all {
		if t.After(now) {
			next = earliest(next, t)
		}
	}
	return next
}

// setUpdatedAt gives when a set last changed: it was changed, or a subscription or
// a promotion began or ended, or a package was published with other values. Usage
// changes no set.
func (w *world) setUpdatedAt(c *customer, resourceID string, now time.Time) time.Time {
	last := laterOf(c.changedAt[resourceID], w.publishedAt)
	for _, t := range c.turns(resourceID) {
		if !t.After(now) {
			last = laterOf(last, t)
		}
	}
	return w.coarse(last)
}

// turns gives the times, past and to come, at which the set changes by itself; zero
// stands for never.
func (c *customer) turns(resourceID string) []time.Time {
	var all []time.Time
	for _, s := range c.subscriptions {
		stops := s.stops()
		if s.resource == resourceID && (stops.IsZero() || s.start.Before(stops)) {
			all = append(all, s.start, stops)
		}
	}
	for _, p := range c.promotions {
		all = append(all, p.start, p.end)
	}
	return all
}
