package emulator

import (
	"fmt"
	"slices"
	"time"
)

// pkg shows what a Plan and an Addon have in common.
func (v view) pkg(p *pkg, kind string) obj {
	own := v.packageGrants(p, p.Entitlements)
	return obj{
		"id": uuidOf(kind, p.ID), "refId": p.ID, "environmentId": environmentID(),
		"displayName": p.DisplayName, "description": p.Description, "versionNumber": p.Version,
		"pricingType": p.PricingType, "additionalMetaData": metadata(p.Metadata),
		"status": "PUBLISHED", "isLatest": v.w.catalog.isLatest(p), "productId": v.w.catalog.Product.ID,
		"hiddenFromWidgets": []string{}, "entitlements": own,
		"packageEntitlements": append(own, v.packageCredits(p)...),
		"createdAt":           catalogTime(), "updatedAt": catalogTime(),
		"prices": lazy(func() any { return v.prices(p) }), "overagePrices": []obj{},
	}
}

// packageCredits shows the credits that a package gives in every period.
func (v view) packageCredits(p *pkg) []obj {
	return listOf(p.Credits, func(c *creditPackage) obj {
		cur := showCurrency(v.w.catalog.currencyByID[c.CurrencyID])
		cur["id"], cur["createdAt"], cur["updatedAt"] = uuidOf("currency", c.CurrencyID), catalogTime(), catalogTime()
		return obj{
			"__typename": "PackageCreditEntitlement", "id": uuidOf("credit-entitlement", p.ID+"\x00"+c.CurrencyID),
			"environmentId": environmentID(), "packageId": uuidOf("package", p.ID), "isGranted": true,
			"amount": c.Amount, "cadence": c.Cadence, "behavior": c.Behavior, "hasSoftLimit": c.SoftLimit,
			"customCurrencyId": c.CurrencyID, "customCurrency": cur,
		}
	})
}

func (v view) plan(p *pkg) obj {
	c := v.w.catalog
	shown := v.pkg(p, "plan")
	inherited := v.inherited(p)
	shown["type"] = "Plan"
	shown["isParent"] = slices.ContainsFunc(c.Plans, func(q *pkg) bool { return q.BasePlan != nil && *q.BasePlan == p.ID })
	shown["inheritedEntitlements"], shown["inheritedPackageEntitlements"] = inherited, inherited
	shown["compatiblePackageGroups"] = []obj{}
	shown["product"] = lazy(func() any { return v.product() })
	shown["compatibleAddons"] = lazy(func() any {
		return listOf(p.CompatibleAddons, func(id string) obj { return v.addon(c.addonByID[id]) })
	})
	if p.base != nil {
		shown["basePlan"] = lazy(func() any { return v.plan(p.base) })
	}
	if p.Trial != nil {
		shown["defaultTrialConfig"] = obj{
			"duration": p.Trial.Duration, "units": p.Trial.Units, "trialEndBehavior": p.Trial.EndBehavior,
		}
	}
	return shown
}

func (v view) addon(p *pkg) obj {
	shown := v.pkg(p, "addon")
	shown["type"] = "Addon"
	shown["maxQuantity"] = p.MaxQuantity
	shown["dependencies"] = lazy(func() any {
		return listOf(p.Dependencies, func(id string) obj { return v.addon(v.w.catalog.addonByID[id]) })
	})
	shown["hasSubscriptions"] = false
	return shown
}

// inherited lists what a plan has from its ancestors: neither what it grants
// itself nor what it sells by the unit.
func (v view) inherited(p *pkg) []obj { return v.packageGrants(p, v.inheritedGrants(p)) }

func (v view) inheritedGrants(p *pkg) []*packageGrant {
	have := map[string]bool{}
	for _, g := range p.Entitlements {
		have[g.FeatureID] = true
	}
	for _, pr := range p.Prices {
		have[pr.FeatureID] = true
	}
	var grants []*packageGrant
	keep := func(g *packageGrant) {
		if !have[g.FeatureID] {
			have[g.FeatureID] = true
			grants = append(grants, g)
		}
	}
	for i, plan := range p.lineage() {
		for _, id := range plan.Inherited {
			keep(&packageGrant{FeatureID: id, Behavior: "Override"})
		}
		if i > 0 {
			for _, g := range plan.Entitlements {
				keep(g)
			}
		}
	}
	return grants
}

// packageGrants shows entitlements of a package: the same fields serve
// PackageEntitlement and PackageFeatureEntitlement.
func (v view) packageGrants(p *pkg, grants []*packageGrant) []obj {
	out := []obj{}
	for i, g := range grants {
		f := v.w.catalog.featureByID[g.FeatureID]
		out = append(out, obj{
			"__typename": "PackageFeatureEntitlement",
			"id":         uuidOf("package-entitlement", p.ID+"/"+g.FeatureID), "packageId": uuidOf("package", p.ID),
			"environmentId": environmentID(), "feature": v.feature(f), "featureId": uuidOf("feature", f.ID),
			"usageLimit": g.UsageLimit, "hasUnlimitedUsage": onlyTrue(g.Unlimited), "hasSoftLimit": onlyTrue(g.SoftLimit),
			"isCustom": onlyTrue(g.Custom), "isGranted": true, "behavior": g.Behavior, "order": i,
			"enumValues": g.Values, "resetPeriod": text(g.ResetPeriod), "displayNameOverride": g.DisplayName,
			"hiddenFromWidgets": []string{}, "createdAt": catalogTime(), "updatedAt": catalogTime(),
		})
	}
	return out
}

func (v view) feature(f *feature) obj {
	shown := v.entitlementFeature(f)
	shown["environmentId"], shown["hasMeter"] = environmentID(), f.Meter != nil
	shown["createdAt"], shown["updatedAt"] = catalogTime(), catalogTime()
	return shown
}

func (v view) product() obj {
	p := v.w.catalog.Product
	settings := obj{
		"subscriptionStartSetup": p.Settings.Start, "subscriptionEndSetup": p.Settings.End,
		"subscriptionCancellationTime": p.Settings.Cancellation,
	}
	shown := obj{
		"id": uuidOf("product", p.ID), "refId": p.ID, "environmentId": environmentID(),
		"displayName": text(p.DisplayName), "description": p.Description, "additionalMetaData": metadata(p.Metadata),
		"status": "PUBLISHED", "multipleSubscriptions": p.MultipleSubscriptions, "isDefaultProduct": true,
		"hasSubscriptions": len(v.w.subscriptions) > 0, "productSettings": settings,
		"createdAt": catalogTime(), "updatedAt": catalogTime(),
	}
	if p.DowngradePlan != nil {
		plan := lazy(func() any { return v.plan(v.w.catalog.planByID[*p.DowngradePlan]) })
		shown["downgradePlan"], settings["downgradePlan"] = plan, plan
		settings["downgradePlanId"] = *p.DowngradePlan
	}
	return shown
}

func (v view) priceID(p *pkg, i int) string { return fmt.Sprintf("%s/%d", p.ID, i) }

func (v view) prices(p *pkg) []obj {
	out := []obj{}
	for i, pr := range p.Prices {
		if pr.Country == "" || pr.Country == v.country {
			out = append(out, v.price(p, i))
		}
	}
	return out
}

func (v view) price(p *pkg, i int) obj {
	pr := p.Prices[i]
	shown := obj{
		"id": uuidOf("price", v.priceID(p, i)), "packageId": uuidOf("package", p.ID), "environmentId": environmentID(),
		"billingModel": pr.Model, "billingPeriod": pr.BillingPeriod, "billingCadence": "RECURRING",
		"price": money(exactly(pr.Amount), pr.Currency), "billingCountryCode": text(pr.Country),
		"minUnitQuantity": pr.MinUnits, "maxUnitQuantity": pr.MaxUnits, "isOverridePrice": false,
		"createdAt": catalogTime(),
	}
	if f := v.w.catalog.featureByID[pr.FeatureID]; f != nil {
		shown["feature"], shown["featureId"] = v.feature(f), uuidOf("feature", f.ID)
	}
	return shown
}

// catalogTime is when everything in the catalog was made, which it doesn't say.
func catalogTime() time.Time { return time.Date(2023, 10, 21, 0, 0, 0, 0, time.UTC) }
