package emulator

import (
	"math"
	"slices"
	"time"
)

// customerPortal is what Stigg's widget for customers shows: subscriptions with their
// next invoice, usage and how the customer pays. There is no billing portal.
func (v view) customerPortal(args input) (any, error) {
	in := args.object("input")
	c, err := v.w.liveCustomer(in.str("customerId"))
	if err != nil {
		return nil, err
	}
	if err := v.checkProduct(in.str("productId")); err != nil {
		return nil, err
	}
	resource := in.str("resourceId")
	if !c.knows(resource) {
		return nil, refuse(CodeResourceNotFound, "customer %q has no resource %q", c.id, resource)
	}
	active := c.activeSubscriptions(v.now, func(r string) bool { return r == resource })
	billing := v.paymentMethod(c)
	billing["name"], billing["email"] = c.name, c.email
	live := slices.DeleteFunc(slices.Clone(c.promotions), func(p *promotion) bool { return !p.active(v.now) || !p.visible })
	shown := obj{
		"subscriptions": listOf(active, v.portalSubscription), "billingInformation": billing, "showWatermark": false,
		"canUpgradeSubscription": v.canUpgrade(active), "promotionalEntitlements": listOf(live, portalPromotion),
		"configuration": v.portalLooks(),
	}
	if resource != "" {
		shown["resource"] = v.resource(c, resource)
	}
	return v.withEntitlements(shown, c, resource), nil
}

// canUpgrade says whether there is a plan after the present one in the catalog.
func (v view) canUpgrade(active []*subscription) bool {
	last := len(v.w.catalog.Plans) - 1
	return !slices.ContainsFunc(active, func(s *subscription) bool { return last >= 0 && v.w.catalog.Plans[last].ID == s.plan.ID })
}

func portalPromotion(p *promotion) obj {
	return obj{
		"displayName": p.feature.DisplayName, "description": p.feature.Description, "hasUnlimitedUsage": onlyTrue(p.grant.Unlimited),
		"hasSoftLimit": onlyTrue(p.grant.SoftLimit), "usageLimit": p.grant.UsageLimit, "period": p.period,
		"startDate": p.start, "endDate": p.end,
	}
}

func (v view) portalSubscription(s *subscription) obj {
	p := s.billing(laterOf(v.now, s.start))
	shown := obj{
		"subscriptionId": s.id, "planId": s.plan.ID, "planName": s.plan.DisplayName, "pricingType": s.plan.PricingType,
		"status": s.status(v.now), "billingPeriodRange": obj{"start": p.start, "end": p.end}, "totalPrice": v.totalPrice(s),
		"scheduledUpdates": listOf(s.schedule, v.scheduled),
		"addons": listOf(s.addons, func(a addonCount) obj {
			return obj{"addonId": a.addon.ID, "displayName": a.addon.DisplayName, "description": a.addon.Description, "quantity": a.quantity}
		}),
		"prices":  listOf(s.pricesOf(s.plan), func(pr *price) obj { return v.portalPrice(s, pr) }),
		"pricing": obj{"pricingType": s.plan.PricingType},
	}
	if s.priced() {
		shown["previewNextInvoice"] = v.nextInvoice(s)
	}
	if prices := s.pricesOf(s.plan); len(prices) > 0 {
		pricing := v.portalPrice(s, prices[0])
		pricing["pricingType"], pricing["billingCountryCode"] = s.plan.PricingType, text(s.country)
		if n, bought := s.units[prices[0].FeatureID]; bought {
			pricing["unitQuantity"] = int(n)
		}
		if used := v.w.usageLines(s, v.now); len(used) > 0 {
			sum := zero()
			for _, l := range used {
				sum = plus(sum, l.amount)
			}
			pricing["usageBasedEstimatedBill"] = shownDecimal(sum)
		}
		shown["pricing"] = pricing
	}
	if s.inTrial(v.now) {
		shown["trialRemainingDays"] = int(math.Ceil(float64(s.trialEnd.Sub(v.now)) / float64(24*time.Hour)))
	}
	return shown
}

func (v view) portalPrice(s *subscription, pr *price) obj {
	shown := obj{"billingModel": pr.Model, "billingPeriod": pr.BillingPeriod, "price": money(s.charge(s.plan, pr), pr.Currency)}
	if f := v.w.catalog.featureByID[pr.FeatureID]; f != nil {
		shown["feature"] = v.entitlementFeature(f)
	}
	return shown
}

// mockPaywall is the paywall for somebody who is nobody's customer yet: the plans, with
// what they grant as entitlements.
func (v view) mockPaywall(args input) (any, error) {
	in := args.object("input")
	if err := v.checkProduct(in.str("productId")); err != nil {
		return nil, err
	}
	for _, name := range []string{"customerId", "resourceId"} {
		// A mock has no customer: whoever is named changes nothing in it.
		in.str(name)
	}
	v.country = in.str("billingCountryCode")
	return obj{"plans": listOf(v.w.catalog.Plans, v.mockPlan), "configuration": v.paywallLooks()}, nil
}

func (v view) mockPlan(p *pkg) obj {
	shown := v.plan(p)
	shown["entitlements"], shown["inheritedEntitlements"] = listOf(p.Entitlements, v.mockEntitlement), listOf(v.inheritedGrants(p), v.mockEntitlement)
	shown["compatibleAddons"] = listOf(p.CompatibleAddons, func(id string) obj { return v.mockAddon(v.w.catalog.addonByID[id]) })
	shown["prices"] = v.mockPrices(p)
	return shown
}

func (v view) mockAddon(p *pkg) obj {
	shown := v.addon(p)
	shown["entitlements"], shown["prices"] = listOf(p.Entitlements, v.mockEntitlement), v.mockPrices(p)
	shown["dependencies"] = listOf(p.Dependencies, func(id string) obj { return v.mockAddon(v.w.catalog.addonByID[id]) })
	return shown
}

// mockPrices shows a feature of a price as entitlements do.
func (v view) mockPrices(p *pkg) []obj {
	all := v.prices(p)
	for _, shown := range all {
		if f, ok := shown["feature"].(obj); ok {
			shown["feature"], shown["featureId"] = f, f["refId"]
		}
	}
	return all
}

func (v view) mockEntitlement(g *packageGrant) obj {
	f := v.w.catalog.featureByID[g.FeatureID]
	return obj{
		"isGranted": true, "feature": v.entitlementFeature(f), "usageLimit": g.UsageLimit, "hasUnlimitedUsage": g.Unlimited,
		"hasSoftLimit": g.SoftLimit, "enumValues": g.Values, "resetPeriod": text(g.ResetPeriod),
		"displayNameOverride": g.DisplayName, "hiddenFromWidgets": []string{},
	}
}

// checkRequested takes the news of a check that a client made on its own. Nothing here
// counts checks.
func (v view) checkRequested(args input) (any, error) {
	in := args.object("entitlementCheckRequested")
	c, err := v.w.liveCustomer(in.str("customerId"))
	if err != nil {
		return nil, err
	}
	if _, err := v.w.feature(in.str("featureId")); err != nil {
		return nil, err
	}
	if resource := in.str("resourceId"); !c.knows(resource) {
		return nil, refuse(CodeResourceNotFound, "customer %q has no resource %q", c.id, resource)
	}
	if check := in.object("entitlementCheckResult"); !check.flag("hasAccess") {
		reason := check.str("accessDeniedReason")
		if reason == "" {
			reason = reasonUnknown
		}
		v.denied(c.id, in.str("resourceId"), in.str("featureId"), reason)
	}
	return true, nil
}
