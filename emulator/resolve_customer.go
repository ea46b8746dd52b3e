package emulator

import "slices"

// getCustomer answers null for a customer who doesn't exist or is archived:
// archived customers are "no longer returned by the Stigg API" (GraphQL guide).
func (v view) getCustomer(args input) (any, error) {
	c, err := v.w.liveCustomer(args.object("input").str("customerId"))
	if err != nil {
		return nil, nil
	}
	return v.customer(c), nil
}

// provisionCustomer creates a customer, or changes the one that is there. The
// subscription that comes with it is made only where the customer has none that
// is active at the same level, so that provisioning twice changes nothing.
func (v view) provisionCustomer(args input) (any, error) {
	in := args.object("input")
	id := v.newCustomerID(in)
	if err := v.w.checkNewcomer(id); err != nil {
		return nil, err
	}
	c, known := v.w.customers[id]
	if !known {
		var err error
		if c, err = v.w.addCustomer(id, v.now); err != nil {
			return nil, err
		}
	}
	s, err := v.firstSubscription(c, in.object("subscriptionParams"))
	if err != nil {
		if !known {
			delete(v.w.customers, id)
			v.w.news.forget(id)
		}
		return nil, err
	}
	v.describe(c, in)
	if known {
		v.w.customerChanged(c, "customer.updated")
	}
	strategy, resource := "SKIPPED_SUBSCRIPTION_CREATION", ""
	shown := obj{"customer": lazy(func() any { return v.customer(c) })}
	if s != nil {
		strategy, resource = "REQUESTED_PLAN", s.resource
		shown["subscription"] = v.subscription(s)
	}
	shown["subscriptionDecisionStrategy"], shown["subscriptionStrategyDecision"] = strategy, strategy
	return v.withEntitlements(shown, c, resource), nil
}

// newCustomerID gives the id that was chosen for a customer, or makes one.
func (v view) newCustomerID(in input) string {
	if id := chosenCustomerID(in); id != "" {
		return id
	}
	return "customer-" + v.w.nextID("customer")[:8]
}

// chosenCustomerID reads an id from where newer clients put it, or older ones.
func chosenCustomerID(in input) string {
	if id := in.str("customerId"); id != "" {
		return id
	}
	return in.str("refId")
}

func (v view) updateCustomer(args input) (any, error) {
	in := args.object("input")
	id := chosenCustomerID(in)
	if id == "" {
		return nil, refuse(CodeBadUserInput, "updateOneCustomer needs a customerId")
	}
	c, err := v.w.liveCustomer(id)
	if err != nil {
		return nil, err
	}
	v.describe(c, in)
	v.w.customerChanged(c, "customer.updated")
	return v.customer(c), nil
}

func (v view) importCustomer(args input) (any, error) {
	all, err := v.importAll([]input{args.object("input")})
	if err != nil {
		return nil, err
	}
	return v.customer(all[0]), nil
}

// importCustomers answers null: the mutation has no result.
func (v view) importCustomers(args input) (any, error) {
	_, err := v.importAll(args.object("input").objects("customers"))
	return nil, err
}

// importAll makes customers, or changes those that are there: all of them or none.
func (v view) importAll(inputs []input) ([]*customer, error) {
	ids := make([]string, len(inputs))
	for i, in := range inputs {
		ids[i] = v.newCustomerID(in)
		if err := v.w.checkNewcomer(ids[i]); err != nil {
			return nil, err
		}
	}
	all := make([]*customer, len(inputs))
	for i, in := range inputs {
		c, known := v.w.customers[ids[i]]
		if !known {
			var err error
			if c, err = v.w.addCustomer(ids[i], v.now); err != nil {
				return nil, err
			}
		}
		v.describe(c, in)
		if known {
			v.w.customerChanged(c, "customer.updated")
		}
		all[i] = c
	}
	return all, nil
}

// firstSubscription makes the subscription of a provisioned customer, nil if
// none was asked for or one is there already.
func (v view) firstSubscription(c *customer, params input) (*subscription, error) {
	if params == nil {
		return nil, nil
	}
	same := func(r string) bool { return r == params.str("resourceId") }
	if len(c.activeSubscriptions(v.now, same)) > 0 {
		return nil, nil
	}
	return v.w.provision(c, orderOf(params), v.now)
}

// describe takes over what was given of a customer's description.
func (v view) describe(c *customer, in input) {
	if in.has("name") {
		c.name = in.optStr("name")
	}
	if in.has("email") {
		c.email = in.optStr("email")
	}
	if in.has("billingId") {
		c.billing = in.optStr("billingId")
	}
	if m := in.json("additionalMetaData"); m != nil {
		c.metadata = m
	}
	if t := in.time("createdAt"); !t.IsZero() {
		c.createdAt = t
	}
	c.updatedAt = v.now
}

// withEntitlements adds the effective set that an answer to a change carries.
func (v view) withEntitlements(shown obj, c *customer, resource string) obj {
	set, _ := v.w.state(c.id, resource, v.now)
	shown["entitlements"] = listOf(set, v.granted)
	shown["entitlementsV2"] = append(listOf(set, v.grantedV2), listOf(v.w.wallets(c.id, resource, v.now), v.wallet)...)
	return shown
}

func (v view) archiveCustomer(args input) (any, error) {
	c, err := v.w.archive(args.object("input").str("customerId"), v.now)
	if err != nil {
		return nil, err
	}
	return v.customer(c), nil
}

func (v view) unarchiveCustomer(args input) (any, error) {
	c, err := v.w.unarchive(args.object("input").str("customerId"), v.now)
	if err != nil {
		return nil, err
	}
	return v.customer(c), nil
}

func (v view) customer(c *customer) obj {
	active := c.activeSubscriptions(v.now, func(string) bool { return true })
	live := slices.DeleteFunc(slices.Clone(c.promotions), func(p *promotion) bool { return !p.active(v.now) })
	return obj{
		"id": uuidOf("customer", c.id), "refId": c.id, "customerId": c.id, "environmentId": environmentID(),
		"name": c.name, "email": c.email, "billingId": c.billing, "additionalMetaData": metadata(c.metadata),
		"createdAt": c.createdAt, "updatedAt": c.updatedAt, "deletedAt": c.archivedAt,
		"hasPaymentMethod":                   false,
		"hasActiveSubscription":              len(active) > 0,
		"hasActiveResource":                  slices.ContainsFunc(active, func(s *subscription) bool { return s.resource != "" }),
		"totalActiveSubscription":            len(active),
		"totalActivePromotionalEntitlements": len(live),
		"trialedPlans":                       v.trialedPlans(c),
		"eligibleForTrial":                   []obj{},
		"promotionalEntitlements":            lazy(func() any { return listOf(live, v.promotion) }),
		"subscriptions":                      lazy(func() any { return listOf(active, v.subscription) }),
		"statistics":                         v.statistics(active),
	}
}

func (v view) trialedPlans(c *customer) []obj {
	product := v.w.catalog.Product.ID
	var out []obj
	for _, s := range c.subscriptions {
		if !s.trialEnd.IsZero() {
			out = append(out, obj{
				"planId": uuidOf("plan", s.plan.ID), "planRefId": s.plan.ID,
				"productId": uuidOf("product", product), "productRefId": product,
			})
		}
	}
	return slices.Concat([]obj{}, out)
}

func (v view) statistics(active []*subscription) obj {
	count := map[string]int{}
	for _, s := range active {
		count[s.plan.PricingType]++
	}
	return obj{"activeSubscriptionsByPricingType": listOf(sortedKeys(count), func(kind string) obj {
		return obj{"pricingType": kind, "totalCount": count[kind]}
	})}
}

func (v view) grantPromotions(args input) (any, error) {
	in := args.object("input")
	c, err := v.w.liveCustomer(in.str("customerId"))
	if err != nil {
		return nil, err
	}
	before := slices.Clone(c.promotions)
	var made []*promotion
	for _, asked := range in.objects("promotionalEntitlements") {
		p, err := v.grantPromotion(c, asked)
		if err != nil {
			c.promotions = before
			return nil, err
		}
		made = append(made, p)
	}
	return listOf(made, v.promotion), nil
}

func (v view) grantPromotion(c *customer, asked input) (*promotion, error) {
	f, err := v.w.feature(asked.str("featureId"))
	if err != nil {
		return nil, err
	}
	p := &promotion{feature: f, grant: grantFrom(asked), period: asked.str("period"), visible: true}
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
	status := "Active"
	if !p.active(v.now) {
		status = "Expired"
	}
	return obj{
		"id": p.id, "environmentId": environmentID(), "status": status, "period": p.period,
		"feature": v.feature(p.feature), "featureId": uuidOf("feature", p.feature.ID),
		"usageLimit": p.grant.UsageLimit, "hasUnlimitedUsage": onlyTrue(p.grant.Unlimited),
		"hasSoftLimit": onlyTrue(p.grant.SoftLimit), "enumValues": p.grant.Values,
		"resetPeriod": text(p.grant.ResetPeriod), "isVisible": p.visible,
		"startDate": p.start, "endDate": p.end, "createdAt": p.start, "updatedAt": p.updatedAt,
		"unlimited": p.grant.Unlimited,
	}
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
