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

// orderOf reads the fields that every input which asks for a subscription has.
func orderOf(in input) order {
	o := order{
		id: in.str("subscriptionId"), planID: in.str("planId"), resource: in.str("resourceId"),
		billingPeriod: in.str("billingPeriod"), quantity: in.num("unitQuantity"), units: unitsOf(in),
		addons: addonsOf(in), overrides: overridesOf(in), metadata: in.json("additionalMetaData"),
		start: in.time("startDate"), end: in.time("cancellationDate"), skipTrial: in.flag("skipTrial"),
	}
	if o.id == "" {
		o.id = in.str("refId")
	}
	if trial := in.object("trialOverrideConfiguration"); trial != nil {
		wanted := trial.flag("isTrial")
		o.isTrial, o.trialEnd, o.trialBehavior = &wanted, trial.time("trialEndDate"), trial.str("trialEndBehavior")
	}
	return o
}

// unitsOf reads bought units from billableFeatures and from FEATURE charges.
func unitsOf(in input) map[string]float64 {
	units := map[string]float64{}
	for _, b := range in.objects("billableFeatures") {
		units[b.str("featureId")] = *b.num("quantity")
	}
	for _, ch := range in.objects("charges") {
		if ch.str("type") == "FEATURE" {
			units[ch.str("id")] = *ch.num("quantity")
		}
	}
	return units
}

// addonsOf gives nil where the input doesn't speak of add-ons.
func addonsOf(in input) map[string]int {
	if !in.has("addons") {
		return nil
	}
	addons := map[string]int{}
	for _, a := range in.objects("addons") {
		n, given := a.whole("quantity")
		if !given {
			n = 1
		}
		addons[a.str("addonId")] = n
	}
	return addons
}

// overridesOf reads the subscription's own values of features, in the older
// form (subscriptionEntitlements) and in the newer one (entitlements).
func overridesOf(in input) map[string]*packageGrant {
	overrides := map[string]*packageGrant{}
	for _, asked := range in.objects("subscriptionEntitlements") {
		overrides[asked.str("featureId")] = grantFrom(asked)
	}
	for _, asked := range in.objects("entitlements") {
		if f := asked.object("feature"); f != nil {
			overrides[f.str("featureId")] = grantFrom(f)
		}
	}
	return overrides
}

func (v view) provisionSubscription(args input) (any, error) {
	in := args.object("input")
	c, err := v.w.liveCustomer(in.str("customerId"))
	if err != nil {
		return nil, err
	}
	if err := atOnce(in); err != nil {
		return nil, err
	}
	s, err := v.w.provision(c, orderOf(in), v.now)
	if err != nil {
		return nil, err
	}
	shown := obj{
		"id": uuidOf("provision", s.id), "status": "SUCCESS",
		"isScheduled": v.now.Before(s.start), "subscription": v.subscription(s),
	}
	return v.withEntitlements(shown, c, s.resource), nil
}

// atOnce refuses to schedule a change: only immediate ones are modelled.
func atOnce(in input) error {
	if s := in.str("scheduleStrategy"); s != "" && s != "IMMEDIATE" {
		return refuse(CodeUnsupported, "the emulator does not model scheduleStrategy %s", s)
	}
	return nil
}

// createSubscription is the older way to provision, with the subscription alone as
// its answer.
func (v view) createSubscription(args input) (any, error) {
	in := args.object("subscription")
	c, err := v.w.liveCustomer(in.str("customerId"))
	if err != nil {
		return nil, err
	}
	if err := atOnce(in); err != nil {
		return nil, err
	}
	o := orderOf(in)
	if o.end.IsZero() {
		o.end = in.time("endDate")
	}
	s, err := v.w.provision(c, o, v.now)
	if err != nil {
		return nil, err
	}
	return v.subscription(s), nil
}

func (v view) updateSubscription(args input) (any, error) {
	in := args.object("input")
	id := in.str("subscriptionId")
	if id == "" {
		id = in.str("refId")
	}
	if err := atOnce(in); err != nil {
		return nil, err
	}
	s, err := v.w.update(id, change{
		billingPeriod: in.str("billingPeriod"), quantity: in.num("unitQuantity"), units: unitsOf(in),
		addons: addonsOf(in), overrides: overridesOf(in), metadata: in.json("additionalMetaData"),
		trialEnd: in.time("trialEndDate"), end: in.time("cancellationDate"),
	}, v.now)
	if err != nil {
		return nil, err
	}
	return v.subscription(s), nil
}

func (v view) cancelSubscription(args input) (any, error) {
	in := args.object("input")
	revoke := in.str("subscriptionCancellationAction") == "REVOKE_ENTITLEMENTS"
	s, err := v.w.cancel(in.str("subscriptionRefId"), in.str("subscriptionCancellationTime"), in.time("endDate"), revoke, v.now)
	if err != nil {
		return nil, err
	}
	return v.subscription(s), nil
}

func (v view) subscription(s *subscription) obj {
	billing := s.billing(laterOf(v.now, s.start))
	shown := obj{
		"id": uuidOf("subscription", s.id), "subscriptionId": s.id, "refId": s.id, "environmentId": environmentID(),
		"status": s.status(v.now), "pricingType": s.plan.PricingType, "billingPeriod": s.billingPeriod,
		"startDate": s.start, "endDate": s.end, "effectiveEndDate": s.stops(), "cancellationDate": s.cancelledAt,
		"cancelReason": text(s.cancelReason), "createdAt": s.createdAt, "billingCycleAnchor": s.start,
		"currentBillingPeriodStart": billing.start, "currentBillingPeriodEnd": billing.end,
		"trialEndDate": s.trialEnd, "wasInTrial": !s.trialEnd.IsZero(),
		"additionalMetaData": metadata(s.metadata), "paymentCollection": "NOT_REQUIRED",
		"customerId": s.customer.id, "payingCustomerId": s.customer.id, "resourceId": text(s.resource),
		"customer": lazy(func() any { return v.customer(s.customer) }),
		"plan":     lazy(func() any { return v.plan(s.plan) }),
		"addons":   lazy(func() any { return listOf(s.addons, s.shownAddon(v)) }),
		"prices":   lazy(func() any { return v.subscriptionPrices(s) }), "totalPrice": v.totalPrice(s),
		"futureUpdates": []obj{}, "scheduledUpdates": []obj{},
	}
	if s.resource != "" {
		shown["resource"] = obj{
			"resourceId": s.resource, "createdAt": s.customer.resources[s.resource], "environmentId": environmentID(),
		}
	}
	if !s.trialEnd.IsZero() {
		shown["trialConfiguration"] = obj{"trialEndBehavior": s.trialBehavior}
	}
	return shown
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
	for i, p := range s.plan.Prices {
		if p.BillingPeriod != s.billingPeriod {
			continue
		}
		shown := obj{
			"id": uuidOf("subscription-price", s.id+"/"+v.priceID(s.plan, i)), "subscriptionId": uuidOf("subscription", s.id),
			"environmentId": environmentID(), "billingModel": p.Model, "price": v.price(s.plan, i),
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
	currency := ""
	sum := func(prices []*price, times float64) float64 {
		total := 0.0
		for _, p := range prices {
			if p.BillingPeriod != s.billingPeriod {
				continue
			}
			currency = p.Currency
			n := times
			if p.Model == "PER_UNIT" {
				n = s.units[p.FeatureID]
			}
			total += p.Amount * n
		}
		return total
	}
	total, addons := sum(s.plan.Prices, 1), 0.0
	for _, a := range s.addons {
		addons += sum(a.addon.Prices, float64(a.quantity))
	}
	if currency == "" {
		return nil
	}
	money := func(amount float64) obj { return obj{"amount": amount, "currency": currency} }
	return obj{"addonsTotal": money(addons), "subTotal": money(total + addons), "total": money(total + addons)}
}
