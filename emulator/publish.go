package emulator

import (
	"slices"
	"time"
)

// Publish publishes the next version of a plan or an add-on, which packagePublished
// tells to every subscriber: the catalog's draft of it if there is one, with other
// values of features if some are given. migration is ALL_CUSTOMERS or NEW_CUSTOMERS,
// empty for the latter.
//
// With ALL_CUSTOMERS the version counts at once for everyone who has the package,
// without entitlementsUpdated: Stigg tells nobody one by one. With NEW_CUSTOMERS those
// who have it keep the version that they have until migrateSubscriptionToLatest. It
// fails with an [*Error].
func (e *Emulator) Publish(packageID, migration string, grants ...Grant) error {
	e.mu.Lock()
	defer e.unlock()
	return e.world.publish(packageID, migration, grants, e.present())
}

func (w *world) publish(packageID, migration string, grants []Grant, now time.Time) error {
	if migration == "" {
		migration = "NEW_CUSTOMERS"
	}
	p, kind := w.catalog.planByID[packageID], "plan.updated"
	if p == nil {
		p, kind = w.catalog.addonByID[packageID], "addon.updated"
	}
	switch {
	case migration != "NEW_CUSTOMERS" && migration != "ALL_CUSTOMERS":
		return refuse(CodeBadUserInput, "migration %q is neither ALL_CUSTOMERS nor NEW_CUSTOMERS", migration)
	case p == nil:
		return refuse(CodePlanNotFound, "there is no plan and no add-on %q", packageID)
	}
	next := p.next()
	for _, g := range grants {
		f, err := w.feature(g.FeatureID)
		if err != nil {
			return err
		}
		made := g.internal()
		if err := (&promotion{feature: f, grant: made}).check(); err != nil {
			return err
		}
		next.setGrant(made)
	}
	if next.base != nil {
		next.base = w.catalog.latest(next.base)
	}
	if (len(grants) > 0 || p.Draft != nil) && migration == "ALL_CUSTOMERS" {
		w.publishedAt = now
	}
	w.catalog.replace(p, next)
	if migration == "ALL_CUSTOMERS" {
		w.migrateAll(next)
	}
	w.news.add(news{kind: newsPackage, packageID: packageID, audience: migration, cause: kind})
	return nil
}

// next makes the version of a package that follows it, from its draft.
func (p *pkg) next() *pkg {
	next := *p
	next.Version, next.Draft = p.Version+1, nil
	next.Entitlements = slices.Clone(p.Entitlements)
	d := p.Draft
	if d == nil {
		return &next
	}
	if d.Version != 0 {
		next.Version = d.Version
	}
	if d.DisplayName != "" {
		next.DisplayName = d.DisplayName
	}
	if d.Description != nil {
		next.Description = d.Description
	}
	if d.Prices != nil {
		next.Prices = d.Prices
	}
	if d.Entitlements != nil {
		next.Entitlements = slices.Clone(d.Entitlements)
	}
	if d.Credits != nil {
		next.Credits = d.Credits
	}
	return &next
}

// setGrant gives a package a value of a feature, in the place of the one it has.
func (p *pkg) setGrant(made *packageGrant) {
	i := slices.IndexFunc(p.Entitlements, func(old *packageGrant) bool { return old.FeatureID == made.FeatureID })
	if i < 0 {
		p.Entitlements = append(p.Entitlements, made)
		return
	}
	made.Behavior, made.Rate = p.Entitlements[i].Behavior, p.Entitlements[i].Rate
	p.Entitlements[i] = made
}

// latest gives the newest published version of a package.
func (c *catalog) latest(p *pkg) *pkg {
	if p.isAddon {
		return c.addonByID[p.ID]
	}
	return c.planByID[p.ID]
}

// replace makes a version the newest one.
func (c *catalog) replace(old, next *pkg) {
	list, index := c.Plans, c.planByID
	if old.isAddon {
		list, index = c.Addons, c.addonByID
	}
	list[slices.Index(list, old)], index[old.ID] = next, next
}

// migrateAll gives a version to everyone who has the package, by itself or through a
// plan that inherits from it.
func (w *world) migrateAll(next *pkg) {
	rebase := func(p *pkg) {
		for ; p != nil; p = p.base {
			if p.base != nil && p.base.ID == next.ID {
				p.base = next
			}
		}
	}
	for _, p := range w.catalog.Plans {
		rebase(p)
	}
	for _, s := range w.subscriptions {
		if !next.isAddon && s.plan.ID == next.ID {
			s.plan = next
		}
		rebase(s.plan)
		for i, a := range s.addons {
			if next.isAddon && a.addon.ID == next.ID {
				s.addons[i].addon = next
			}
		}
	}
}

// isLatest says whether a version of a package is the newest one.
func (c *catalog) isLatest(p *pkg) bool { return c.latest(p).Version == p.Version }

// outdated says whether a subscription has an older version of its plan, or of one that
// the plan inherits from, or of an add-on.
func (w *world) outdated(s *subscription) bool {
	for _, p := range s.plan.lineage() {
		if !w.catalog.isLatest(p) {
			return true
		}
	}
	return slices.ContainsFunc(s.addons, func(a addonCount) bool { return !w.catalog.isLatest(a.addon) })
}

// migrate gives a subscription the newest versions of its plan and add-ons: at once, or
// when its billing period is over.
func (w *world) migrate(id, when string, now time.Time) (*subscription, error) {
	s, err := w.openSubscription(id, now)
	if err != nil {
		return nil, err
	}
	if !w.outdated(s) {
		return nil, refuse(CodeAlreadyLatest, "subscription %q has the latest version of its plan", id)
	}
	if when == "END_OF_BILLING_PERIOD" {
		s.plans(w, &scheduled{kind: "MigrateToLatest", at: s.billing(laterOf(now, s.start)).end, createdAt: now})
		w.subscriptionChanged(s, "subscription.updated")
		return s, nil
	}
	before := *s
	w.toLatest(s)
	w.billChange(&before, s, now)
	w.subscriptionChanged(s, "subscription.updated")
	w.entitlementsChanged(s.customer, s.resource, "SUBSCRIPTION_MIGRATED", now)
	return s, nil
}

func (w *world) toLatest(s *subscription) {
	s.plan = w.catalog.newest(s.plan)
	addons := slices.Clone(s.addons)
	for i := range addons {
		addons[i].addon = w.catalog.latest(addons[i].addon)
	}
	s.addons = addons
}

// newest gives the newest version of a plan, on the newest versions of what it inherits
// from: its own may have been published before those.
func (c *catalog) newest(p *pkg) *pkg {
	own := *c.latest(p)
	if own.base != nil {
		own.base = c.newest(own.base)
	}
	return &own
}

// SetFeatureStatus makes a feature ACTIVE, NEW or SUSPENDED, which webhooks hear of as
// feature.updated. It changes what is shown of the feature and no entitlement. It fails
// with an [*Error].
func (e *Emulator) SetFeatureStatus(featureID, status string) error {
	e.mu.Lock()
	defer e.unlock()
	e.present()
	f, err := e.world.feature(featureID)
	if err != nil {
		return err
	}
	if !slices.Contains([]string{"ACTIVE", "NEW", "SUSPENDED"}, status) {
		return refuse(CodeBadUserInput, "%q is none of ACTIVE, NEW, SUSPENDED", status)
	}
	f.Status = status
	e.world.news.add(news{kind: newsFeature, feature: f.ID, cause: "feature.updated"})
	return nil
}
