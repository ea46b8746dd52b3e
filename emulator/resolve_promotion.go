package emulator

import "slices"

func (v view) grantPromotions(args input) (any, error) {
	in := args.object("input")
	c, err := v.w.liveCustomer(in.str("customerId"))
	if err != nil {
		return nil, err
	}
	var made []*promotion
	for _, asked := range in.objects("promotionalEntitlements") {
		p, err := v.grantPromotion(c, asked, "")
		if err != nil {
			return nil, err
		}
		made = append(made, p)
	}
	return listOf(made, v.promotion), nil
}

func (v view) grantPromotion(c *customer, asked input, group string) (*promotion, error) {
	f, err := v.w.feature(asked.str("featureId"))
	if err != nil {
		return nil, err
	}
	p := &promotion{feature: f, grant: grantFrom(asked), period: asked.str("period"), visible: true, group: group}
	if asked.has("isVisible") {
		p.visible = asked.flag("isVisible")
	}
	return p, v.w.promote(c, p, asked.time("customEndDate"), v.now)
}

func (v view) revokePromotion(args input) (any, error) {
	in := args.object("input")
	c, err := v.w.liveCustomer(in.str("customerId"))
	if err != nil {
		return nil, err
	}
	f, err := v.w.feature(in.str("featureId"))
	if err != nil {
		return nil, err
	}
	p, err := v.w.revoke(c, f, v.now)
	if err != nil {
		return nil, err
	}
	return v.promotion(p), nil
}

func (v view) promotion(p *promotion) obj {
	shown := obj{
		"id": p.id, "environmentId": environmentID(), "status": p.status(v.now), "period": p.period,
		"feature": v.feature(p.feature), "featureId": uuidOf("feature", p.feature.ID),
		"usageLimit": p.grant.UsageLimit, "hasUnlimitedUsage": onlyTrue(p.grant.Unlimited),
		"hasSoftLimit": onlyTrue(p.grant.SoftLimit), "enumValues": p.grant.Values,
		"resetPeriod": text(p.grant.ResetPeriod), "isVisible": p.visible,
		"startDate": p.start, "endDate": p.end, "createdAt": p.start, "updatedAt": p.updatedAt,
		"unlimited": p.grant.Unlimited, "featureGroupIds": []string{},
	}
	if p.group != "" {
		shown["featureGroupIds"] = []string{p.group}
	}
	return shown
}

// onlyTrue shows false as null, as Stigg's answers do for package entitlements.
func onlyTrue(b bool) any {
	if !b {
		return nil
	}
	return true
}

// grantFrom reads the value of a feature from any input object that sets one.
func grantFrom(in input) *packageGrant {
	g := &packageGrant{
		FeatureID: in.str("featureId"), UsageLimit: in.num("usageLimit"),
		Unlimited: in.flag("hasUnlimitedUsage"), SoftLimit: in.flag("hasSoftLimit"),
		Values: in.strs("enumValues"), ResetPeriod: in.str("resetPeriod"),
	}
	for period, name := range map[string]string{
		"MONTH": "monthlyResetPeriodConfiguration", "WEEK": "weeklyResetPeriodConfiguration", "YEAR": "yearlyResetPeriodConfiguration",
	} {
		if config := in.object(name); config != nil && period == g.ResetPeriod {
			g.ResetConfig = &resetConfig{config.str("accordingTo")}
		}
	}
	return g
}

// grantGroup grants all features of a group: with the values that are given for them, and
// those that need none, with none.
func (v view) grantGroup(args input) (any, error) {
	in := args.object("input")
	c, g, err := v.ofGroup(in)
	if err != nil {
		return nil, err
	}
	var made []*promotion
	given := map[string]bool{}
	for _, asked := range in.objects("promotionalEntitlements") {
		id := asked.str("featureId")
		if !slices.Contains(g.Features, id) {
			return nil, refuse(CodeFeatureNotInGroup, "feature %q is not of the group %q", id, g.ID)
		}
		p, err := v.grantPromotion(c, asked, g.ID)
		if err != nil {
			return nil, err
		}
		given[id], made = true, append(made, p)
	}
	for _, id := range g.Features {
		if !given[id] {
			return nil, refuse(CodeGroupMissingFeatures, "the group %q has feature %q too, of which nothing is granted", g.ID, id)
		}
	}
	return listOf(made, v.promotion), nil
}

func (v view) ofGroup(in input) (*customer, *featureGroup, error) {
	c, err := v.w.liveCustomer(in.str("customerId"))
	if err != nil {
		return nil, nil, err
	}
	id := in.str("featureGroupId")
	for _, g := range v.w.catalog.FeatureGroups {
		if g.ID == id {
			return c, g, nil
		}
	}
	return nil, nil, refuse(CodeFeatureGroupNotFound, "feature group %q not found", id)
}

// promotionsOf gives a customer's active promotions that were granted with a group.
func (v view) promotionsOf(c *customer, g *featureGroup) ([]*promotion, error) {
	var out []*promotion
	for _, p := range c.promotions {
		if p.group == g.ID && p.active(v.now) {
			out = append(out, p)
		}
	}
	if len(out) == 0 {
		return nil, refuse(CodePromotionNotFound, "customer %q has no promotion of the group %q", c.id, g.ID)
	}
	return out, nil
}

func (v view) revokeGroup(args input) (any, error) {
	c, g, err := v.ofGroup(args.object("input"))
	if err != nil {
		return nil, err
	}
	all, err := v.promotionsOf(c, g)
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		if _, err := v.w.revoke(c, p.feature, v.now); err != nil {
			return nil, err
		}
	}
	return listOf(all, v.promotion), nil
}

// unlinkGroup leaves the promotions as they are, each on its own.
func (v view) unlinkGroup(args input) (any, error) {
	c, g, err := v.ofGroup(args.object("input"))
	if err != nil {
		return nil, err
	}
	all, err := v.promotionsOf(c, g)
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		p.group, p.updatedAt = "", v.now
		v.w.promotionChanged(c, p, "promotional_entitlement.updated")
	}
	return listOf(all, v.promotion), nil
}
