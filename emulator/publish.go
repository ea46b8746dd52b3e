package emulator

import (
	"slices"
	"time"
)

// Publish publishes a plan or an add-on of the catalog anew, under the next version
// number, which packagePublished tells to every subscriber. migration is
// ALL_CUSTOMERS or NEW_CUSTOMERS, empty for the latter. With ALL_CUSTOMERS the
// package may be given other values of features, which count at once for everyone
// who has it, without entitlementsUpdated: Stigg tells nobody one by one. It fails
// with an [*Error].
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
	case len(grants) > 0 && migration != "ALL_CUSTOMERS":
		return refuse(CodeUnsupported, "the emulator keeps one version of a package: only ALL_CUSTOMERS can change it")
	}
	next := slices.Clone(p.Entitlements)
	for _, g := range grants {
		f, err := w.feature(g.FeatureID)
		if err != nil {
			return err
		}
		made := g.internal()
		if err := (&promotion{feature: f, grant: made}).check(); err != nil {
			return err
		}
		i := slices.IndexFunc(next, func(old *packageGrant) bool { return old.FeatureID == g.FeatureID })
		if i < 0 {
			next = append(next, made)
			continue
		}
		made.Behavior, made.Rate = next[i].Behavior, next[i].Rate
		next[i] = made
	}
	p.Entitlements = next
	if len(grants) > 0 {
		w.publishedAt = now
	}
	p.Version++
	w.news.add(news{kind: newsPackage, packageID: packageID, audience: migration, cause: kind})
	return nil
}
