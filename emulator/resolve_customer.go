package emulator

import (
	"maps"
	"slices"
)

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
	c, known, err := v.provisioned(in)
	if err != nil {
		return nil, err
	}
	if err := v.describe(c, in); err != nil {
		return nil, err
	}
	s, strategy, err := v.firstSubscription(c, in.object("subscriptionParams"))
	if err != nil {
		return nil, err
	}
	if known {
		v.w.customerChanged(c, "customer.updated")
	}
	resource := ""
	shown := obj{"customer": lazy(func() any { return v.customer(c) })}
	if s != nil {
		resource = s.resource
		shown["subscription"] = v.subscription(s)
	}
	shown["subscriptionDecisionStrategy"], shown["subscriptionStrategyDecision"] = strategy, strategy
	return v.withEntitlements(shown, c, resource), nil
}

// provisioned finds or makes the customer that an input names.
func (v view) provisioned(in input) (c *customer, known bool, err error) {
	id, err := v.newCustomerID(in)
	if err != nil {
		return nil, false, err
	}
	if err := v.w.checkNewcomer(id); err != nil {
		return nil, false, err
	}
	if c, known = v.w.customers[id]; known {
		return v.w.touch(c), true, nil
	}
	c, err = v.w.addCustomer(id, v.now)
	return c, false, err
}

// newCustomerID gives the id that was chosen for a customer, or makes one.
func (v view) newCustomerID(in input) (string, error) {
	id, err := oneID(in.str("customerId"), in.str("refId"))
	if id == "" && err == nil {
		id = "customer-" + v.w.nextID("customer")[:8]
	}
	return id, err
}

// oneID reads an id from where newer clients put it, or older ones.
func oneID(id, ref string) (string, error) {
	switch {
	case id != "" && ref != "" && id != ref:
		return "", refuse(CodeIDsDiffer, "the id %q is not the refId %q", id, ref)
	case id != "":
		return id, nil
	}
	return ref, nil
}

func (v view) updateCustomer(args input) (any, error) {
	in := args.object("input")
	id, err := oneID(in.str("customerId"), in.str("refId"))
	if err != nil {
		return nil, err
	}
	if id == "" {
		return nil, refuse(CodeBadUserInput, "updateOneCustomer needs a customerId")
	}
	c, err := v.w.liveCustomer(id)
	if err != nil {
		return nil, err
	}
	if err := v.describe(c, in); err != nil {
		return nil, err
	}
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
	if len(inputs) > maxImport {
		return nil, refuse(CodeBadUserInput, "%d customers in one call, at most %d are taken", len(inputs), maxImport)
	}
	all := make([]*customer, len(inputs))
	for i, in := range inputs {
		c, known, err := v.provisioned(in)
		if err != nil {
			return nil, err
		}
		if err := v.describe(c, in); err != nil {
			return nil, err
		}
		if known {
			v.w.customerChanged(c, "customer.updated")
		}
		all[i] = c
	}
	return all, nil
}

// firstSubscription makes the subscription of a provisioned customer: what was asked
// for, or what the product begins with if nothing was, and nil if one is there already.
func (v view) firstSubscription(c *customer, params input) (*subscription, string, error) {
	const skipped = "SKIPPED_SUBSCRIPTION_CREATION"
	resource := params.str("resourceId")
	if len(c.activeSubscriptions(v.now, func(r string) bool { return r == resource })) > 0 {
		params.readAll()
		return nil, skipped, nil
	}
	o, strategy, err := v.firstOrder(params)
	if err != nil || o.planID == "" {
		return nil, skipped, err
	}
	s, err := v.w.prepare(c, o, v.now)
	if err != nil {
		return nil, skipped, err
	}
	v.begin(s, v.w.dueForOrder(s, v.now))
	return s, strategy, nil
}

// firstOrder: a product may begin with its first free plan, or a trial of its first plan
// that has one, where nothing else is asked for.
func (v view) firstOrder(params input) (order, string, error) {
	if params != nil {
		o, err := v.orderOf(params)
		return o, "REQUESTED_PLAN", err
	}
	for _, p := range v.w.catalog.Plans {
		switch start := v.w.catalog.Product.Settings.Start; {
		case start == "FREE_PLAN" && p.PricingType == "FREE":
			return order{planID: p.ID}, "PREDEFINED_FREE_PLAN", nil
		case start == "TRIAL_PERIOD" && p.Trial != nil:
			o := order{planID: p.ID}
			if len(p.Prices) > 0 {
				o.billingPeriod = p.Prices[0].BillingPeriod
			}
			return o, "PREDEFINED_TRIAL_PLAN", nil
		}
	}
	return order{}, "", nil
}

// describe takes over what was given of a customer's description.
func (v view) describe(c *customer, in input) error {
	for name, field := range map[string]**string{
		"name": &c.name, "email": &c.email, "billingId": &c.billing, "salesforceId": &c.salesforceID, "crmId": &c.crmID,
		"awsMarketplaceCustomerId": &c.awsID,
	} {
		if given := in.optStr(name); given != nil {
			*field = given
		}
	}
	if m := in.json("additionalMetaData"); m != nil {
		c.metadata = m
	}
	if t := in.time("createdAt"); !t.IsZero() {
		c.createdAt = t
	}
	billing := in.object("billingInformation")
	if currency := billing.str("currency"); currency != "" {
		c.currency = currency
	}
	for _, id := range []string{billing.str("paymentMethodId"), in.str("paymentMethodId")} {
		if id != "" {
			c.payment = newPaymentMethod(id, v.now)
		}
	}
	if id := in.str("couponRefId"); id != "" && (c.coupon == nil || c.coupon.coupon.ID != id) {
		coupon, err := v.w.coupon(id)
		if err != nil {
			return err
		}
		c.coupon = &redeemed{coupon, v.now}
	}
	c.updatedAt = v.now
	return nil
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
	shown := v.paymentMethod(c)
	if c.coupon != nil {
		shown["coupon"] = v.coupon(c.coupon.coupon)
	}
	maps.Copy(shown, v.describedCustomer(c))
	return shown
}

// paymentMethod shows how a customer pays, nothing where it has no payment method.
func (v view) paymentMethod(c *customer) obj {
	p := c.payment
	if p == nil {
		return obj{}
	}
	return obj{
		"defaultPaymentMethodId": p.ID, "defaultPaymentMethodType": p.Type, "defaultPaymentMethodLast4Digits": p.Last4,
		"defaultPaymentExpirationMonth": p.ExpireMonth, "defaultPaymentExpirationYear": p.ExpYear,
	}
}

func (v view) describedCustomer(c *customer) obj {
	active := c.activeSubscriptions(v.now, func(string) bool { return true })
	live := slices.DeleteFunc(slices.Clone(c.promotions), func(p *promotion) bool { return !p.active(v.now) })
	return obj{
		"id": uuidOf("customer", c.id), "refId": c.id, "customerId": c.id, "environmentId": environmentID(),
		"name": c.name, "email": c.email, "billingId": c.billing, "additionalMetaData": metadata(c.metadata),
		"createdAt": c.createdAt, "updatedAt": c.updatedAt, "deletedAt": c.archivedAt,
		"salesforceId": c.salesforceID, "crmId": c.crmID, "awsMarketplaceCustomerId": c.awsID, "billingCurrency": text(c.currency),
		"hasPaymentMethod":                   c.payment != nil,
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
	return append([]obj{}, out...)
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
