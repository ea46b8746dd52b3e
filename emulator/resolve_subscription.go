package emulator

import "slices"

// getActiveSubscriptions lists the active subscriptions of the resources that are
// named, of the customer's own level if none is. A single resource must be there, one
// of several need not, as Stigg's clients document it.
func (v view) getActiveSubscriptions(args input) (any, error) {
	in := args.object("input")
	c, err := v.w.liveCustomer(in.str("customerId"))
	if err != nil {
		return nil, err
	}
	wanted, single := in.strs("resourceIds"), in.str("resourceId")
	if !c.knows(single) {
		return nil, refuse(CodeResourceNotFound, "customer %q has no resource %q", c.id, single)
	}
	if single != "" || len(wanted) == 0 {
		wanted = append(wanted, single)
	}
	active := c.activeSubscriptions(v.now, func(r string) bool { return slices.Contains(wanted, r) })
	return listOf(active, v.subscription), nil
}

func (v view) getSubscription(args input) (any, error) {
	s, err := v.w.subscription(args.object("input").str("subscriptionId"))
	if err != nil {
		return nil, err
	}
	return v.subscription(s), nil
}

// ordered prepares the subscription of an order, of a customer who may have one.
func (v view) ordered(in input) (*subscription, error) {
	c, err := v.w.liveCustomer(in.str("customerId"))
	if err != nil {
		return nil, err
	}
	o, err := v.orderOf(in)
	if err != nil {
		return nil, err
	}
	return v.w.prepare(c, o, v.now)
}

// provisionSubscription provisions at once, but for an order with checkoutOptions of a
// customer who has to pay and has no payment method: it is answered with a checkout,
// and nothing is provisioned until that is paid.
func (v view) provisionSubscription(args input) (any, error) {
	in := args.object("input")
	s, err := v.ordered(in)
	if err != nil {
		return nil, err
	}
	cost := v.w.dueForOrder(s, v.now)
	if options := in.object("checkoutOptions"); options != nil {
		success, cancel := options.str("successUrl"), options.str("cancelUrl")
		if err := checkPageURLs(success, cancel); err != nil {
			return nil, err
		}
		if cost.total.Sign() > 0 && s.payer().payment == nil && s.collectionMethod != "INVOICE" && s.collectionMethod != "NONE" {
			return v.openCheckout(s, in, cost, success, cancel), nil
		}
	}
	v.begin(s, cost)
	shown := obj{
		"id": uuidOf("provision", s.id), "status": "SUCCESS",
		"isScheduled": v.now.Before(s.start), "subscription": v.subscription(s),
	}
	return v.withEntitlements(shown, s.customer, s.resource), nil
}

// begin bills a prepared subscription and makes it take effect.
func (v view) begin(s *subscription, cost due) {
	v.w.collect(s, cost.bill, "SUBSCRIPTION_CREATION", true, v.now)
	v.w.add(s)
}

func (v view) applySubscription(args input) (any, error) {
	in := args.object("input")
	s, err := v.ordered(in)
	if err != nil {
		return nil, err
	}
	if t := in.time("trialEndDate"); !t.IsZero() {
		wanted := true
		if err := s.setTrial(order{isTrial: &wanted, trialEnd: t}); err != nil {
			return nil, err
		}
	}
	if id := in.str("paymentMethodId"); id != "" {
		s.payer().payment = newPaymentMethod(id, v.now)
	}
	// The same plan with the same resource is changed and not replaced, so that what a
	// customer applies twice is one subscription.
	if old := v.w.replaced(s, v.now); old != nil && old.plan.ID == s.plan.ID && !s.trialEnd.After(v.now) && !s.start.After(v.now) {
		ch, err := v.changeOf(in)
		if err != nil {
			return nil, err
		}
		if s, err = v.w.update(old.id, ch, v.now); err != nil {
			return nil, err
		}
	} else {
		v.begin(s, v.w.dueForOrder(s, v.now))
	}
	return v.withEntitlements(obj{"subscription": v.subscription(s)}, s.customer, s.resource), nil
}

// createSubscription is the older way to provision, with the subscription alone as
// its answer.
func (v view) createSubscription(args input) (any, error) {
	in := args.object("subscription")
	c, err := v.w.liveCustomer(in.str("customerId"))
	if err != nil {
		return nil, err
	}
	o, err := v.orderOf(in)
	if err != nil {
		return nil, err
	}
	if end := in.time("endDate"); o.end.IsZero() {
		o.end = end
	}
	if in.has("isTrial") {
		wanted := in.flag("isTrial")
		o.isTrial = &wanted
	}
	if in.has("isOverridingTrialConfig") && !in.flag("isOverridingTrialConfig") {
		o.isTrial = nil
	}
	if behavior := in.str("trialEndBehavior"); o.trialBehavior == "" {
		o.trialBehavior = behavior
	}
	s, err := v.w.prepare(c, o, v.now)
	if err != nil {
		return nil, err
	}
	v.begin(s, v.w.dueForOrder(s, v.now))
	return v.subscription(s), nil
}

// importSubscriptions takes subscriptions that another system has made: nothing is
// billed. It answers null: the mutation has no result.
func (v view) importSubscriptions(args input) (any, error) {
	all := args.object("input").objects("subscriptions")
	if len(all) > maxImport {
		return nil, refuse(CodeBadUserInput, "%d subscriptions in one call, at most %d are taken", len(all), maxImport)
	}
	for _, in := range all {
		c, err := v.w.liveCustomer(in.str("customerId"))
		if err != nil {
			return nil, err
		}
		o, err := v.orderOf(in)
		if err != nil {
			return nil, err
		}
		o.end, o.skipTrial = in.time("endDate"), true
		if _, err := v.w.provision(c, o, v.now); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// maxImport bounds what one import takes.
const maxImport = 1000

// changeOf reads what an update asks for.
func (v view) changeOf(in input) (change, error) {
	t, err := v.termsOf(in)
	return change{
		billingPeriod: in.str("billingPeriod"), quantity: in.num("unitQuantity"), units: unitsOf(in),
		addons: addonsOf(in), overrides: overridesOf(in), metadata: in.json("additionalMetaData"),
		trialEnd: in.time("trialEndDate"), end: in.time("cancellationDate"), terms: t,
		anchorNow: in.str("billingCycleAnchor") == "NOW",
	}, err
}

func (v view) updateSubscription(args input) (any, error) {
	in := args.object("input")
	id, err := oneID(in.str("subscriptionId"), in.str("refId"))
	if err != nil {
		return nil, err
	}
	ch, err := v.changeOf(in)
	if err != nil {
		return nil, err
	}
	if strategy := in.str("scheduleStrategy"); strategy != "" && strategy != "IMMEDIATE" {
		return v.updateLater(id, strategy, ch)
	}
	s, err := v.w.update(id, ch, v.now)
	if err != nil {
		return nil, err
	}
	return v.subscription(s), nil
}

// updateLater schedules a change: it is checked now and made when it is due.
func (v view) updateLater(id, strategy string, ch change) (any, error) {
	s, err := v.w.openSubscription(id, v.now)
	if err != nil {
		return nil, err
	}
	if _, err := v.w.changed(s, ch, v.now); err != nil {
		return nil, err
	}
	at := s.endOf(strategy, v.now)
	for _, part := range ch.parts(s) {
		part.at, part.createdAt = at, v.now
		s.plans(v.w, part)
	}
	v.w.subscriptionChanged(s, "subscription.updated")
	return v.subscription(s), nil
}

func (v view) cancelSubscription(args input) (any, error) {
	in := args.object("input")
	revoke := in.str("subscriptionCancellationAction") == "REVOKE_ENTITLEMENTS"
	when, end := in.str("subscriptionCancellationTime"), in.time("endDate")
	if when != "SPECIFIC_DATE" && !end.IsZero() {
		return nil, refuse(CodeBadUserInput, "an endDate is for the cancellation time SPECIFIC_DATE")
	}
	s, err := v.w.cancel(in.str("subscriptionRefId"), when, end, revoke, v.now)
	if err != nil {
		return nil, err
	}
	if in.flag("prorate") {
		v.creditRest(s)
	}
	return v.subscription(s), nil
}

// creditRest credits what is left of a period that was paid whole. There is no balance
// to keep it in: it is on the subscription's invoice.
func (v view) creditRest(s *subscription) {
	if !s.over(v.now) || !s.priced() {
		return
	}
	p := prorate(v.w.linesOf(s), nil, s.billing(v.now), v.now, s.currency())
	if p.credit.Sign() == 0 {
		return
	}
	owed := minus(zero(), p.credit)
	s.invoice = &invoice{
		ID: "in_" + v.w.nextID("invoice")[:8], CreatedAt: v.now, Total: owed, SubTotal: owed, Tax: zero(),
		Currency: s.currency(), Paid: true, Reason: "SUBSCRIPTION_UPDATE", Attempts: 1,
	}
}

func (v view) migrateSubscription(args input) (any, error) {
	in := args.object("input")
	s, err := v.w.migrate(in.str("subscriptionId"), in.str("subscriptionMigrationTime"), v.now)
	if err != nil {
		return nil, err
	}
	return v.subscription(s), nil
}

func (v view) subscription(s *subscription) obj {
	billing := s.billing(laterOf(v.now, s.start))
	collection := s.collection
	if collection == "" {
		collection = "NOT_REQUIRED"
	}
	shown := obj{
		"id": uuidOf("subscription", s.id), "subscriptionId": s.id, "refId": s.id, "environmentId": environmentID(),
		"status": s.status(v.now), "pricingType": s.plan.PricingType, "billingPeriod": s.billingPeriod,
		"startDate": s.start, "endDate": s.end, "effectiveEndDate": s.stops(), "cancellationDate": s.cancelledAt,
		"cancelReason": text(s.cancelReason), "createdAt": s.createdAt, "billingCycleAnchor": s.anchor,
		"currentBillingPeriodStart": billing.start, "currentBillingPeriodEnd": billing.end,
		"trialEndDate": s.trialEnd, "wasInTrial": !s.trialEnd.IsZero(),
		"additionalMetaData": metadata(s.metadata), "paymentCollection": collection,
		"paymentCollectionMethod": text(s.collectionMethod), "billingId": s.billingID, "salesforceId": s.salesforceID,
		"crmId": s.crmID, "isCustomPriceSubscription": s.customPrice, "latestInvoice": v.invoice(s),
		"budgetExceeded": v.w.overBudget(s, v.now), "outdatedPricePackages": v.outdatedPackages(s),
		"customerId": s.customer.id, "payingCustomerId": s.payer().id, "resourceId": text(s.resource),
		"customer":       lazy(func() any { return v.customer(s.customer) }),
		"payingCustomer": lazy(func() any { return v.customer(s.payer()) }),
		"plan":           lazy(func() any { return v.plan(s.plan) }),
		"addons":         lazy(func() any { return listOf(s.addons, s.shownAddon(v)) }),
		"prices":         lazy(func() any { return v.subscriptionPrices(s) }),
		"totalPrice":     lazy(func() any { return v.totalPrice(s) }),
		"futureUpdates":  listOf(s.schedule, v.scheduled), "scheduledUpdates": listOf(s.schedule, v.scheduled),
	}
	if s.resource != "" {
		shown["resource"] = v.resource(s.customer, s.resource)
	}
	if !s.trialEnd.IsZero() {
		shown["trialConfiguration"] = obj{"trialEndBehavior": s.trialBehavior}
	}
	return shown
}

func (v view) resource(c *customer, id string) obj {
	return obj{"resourceId": id, "createdAt": c.resources[id], "environmentId": environmentID()}
}

// outdatedPackages names what a subscription has in an older version, null for nothing.
func (v view) outdatedPackages(s *subscription) any {
	var out []string
	if !v.w.catalog.isLatest(s.plan) {
		out = append(out, s.plan.ID)
	}
	for _, a := range s.addons {
		if !v.w.catalog.isLatest(a.addon) {
			out = append(out, a.addon.ID)
		}
	}
	return out
}

func (s *subscription) shownAddon(v view) func(addonCount) obj {
	return func(a addonCount) obj {
		return obj{
			"id": uuidOf("subscription-addon", s.id+"/"+a.addon.ID), "quantity": a.quantity,
			"addonId": uuidOf("addon", a.addon.ID), "addon": v.addon(a.addon),
			"createdAt": s.createdAt, "updatedAt": s.createdAt,
		}
	}
}

// subscriptionPrices lists the plan's prices in the subscription's billing
// period, with the units that were bought of each.
func (v view) subscriptionPrices(s *subscription) []obj {
	out := []obj{}
	for _, p := range s.pricesOf(s.plan) {
		i := slices.Index(s.plan.Prices, p)
		price := v.price(s.plan, i)
		if agreed := s.charge(s.plan, p); agreed.Cmp(exactly(p.Amount)) != 0 {
			price["price"], price["isOverridePrice"] = money(agreed, p.Currency), true
		}
		shown := obj{
			"id": uuidOf("subscription-price", s.id+"/"+v.priceID(s.plan, i)), "subscriptionId": uuidOf("subscription", s.id),
			"environmentId": environmentID(), "billingModel": p.Model, "price": price,
			"createdAt": s.createdAt, "updatedAt": s.createdAt,
		}
		if p.Model == "PER_UNIT" {
			shown["featureId"], shown["usageLimit"] = p.FeatureID, s.units[p.FeatureID]
		}
		out = append(out, shown)
	}
	return out
}

// totalPrice is null where nothing is to be paid, as for Stigg's free plans.
func (v view) totalPrice(s *subscription) any {
	if !s.priced() {
		return nil
	}
	b := v.w.recurring(s, laterOf(v.now, s.start))
	return obj{
		"addonsTotal": money(b.addons, b.currency), "subTotal": money(b.subTotal, b.currency),
		"total": money(minus(b.subTotal, b.discount), b.currency),
	}
}
