package emulator

import "math/big"

// orderOf reads the fields that every input which asks for a subscription has.
func (v view) orderOf(in input) (order, error) {
	o := order{
		id: in.str("subscriptionId"), planID: in.str("planId"), resource: in.str("resourceId"),
		billingPeriod: in.str("billingPeriod"), quantity: in.num("unitQuantity"), units: unitsOf(in),
		addons: addonsOf(in), overrides: overridesOf(in), metadata: in.json("additionalMetaData"),
		start: in.time("startDate"), end: in.time("cancellationDate"), skipTrial: in.flag("skipTrial"),
		anchorNow: in.str("billingCycleAnchor") == "NOW", strategy: in.str("scheduleStrategy"),
	}
	var err error
	if o.id, err = oneID(o.id, in.str("refId")); err != nil {
		return o, err
	}
	if trial := in.object("trialOverrideConfiguration"); trial != nil {
		wanted := trial.flag("isTrial")
		o.isTrial, o.trialEnd, o.trialBehavior = &wanted, trial.time("trialEndDate"), trial.str("trialEndBehavior")
	}
	o.terms, err = v.termsOf(in)
	return o, err
}

// termsOf reads what an order or an update agrees on beside the plan.
func (v view) termsOf(in input) (terms, error) {
	t := terms{
		billingID: in.optStr("billingId"), salesforceID: in.optStr("salesforceId"), crmID: in.optStr("crmId"),
		collectionMethod: in.str("paymentCollectionMethod"), country: in.str("billingCountryCode"), credits: creditTermsOf(in),
	}
	if id := in.str("payingCustomerId"); id != "" {
		payer, err := v.w.liveCustomer(id)
		if err != nil {
			return t, err
		}
		t.paying = payer
	}
	if in.has("isCustomPriceSubscription") {
		custom := in.flag("isCustomPriceSubscription")
		t.customPrice = &custom
	}
	if b := in.object("budget"); b != nil {
		t.budget = &budget{Limit: *b.num("limit"), Soft: b.flag("hasSoftLimit")}
	}
	var err error
	if t.coupon, err = v.appliedCoupon(in); err != nil {
		return t, err
	}
	if t.unitAmount, err = rat(in, "priceUnitAmount"); err != nil {
		return t, err
	}
	if t.taxRate, err = rat(in.object("billingInformation"), "taxPercentage"); err != nil {
		return t, err
	}
	if minimum := in.object("minimumSpend").object("minimum"); minimum != nil {
		if t.minimumSpend, err = v.amountIn(minimum); err != nil {
			return t, err
		}
	}
	for _, asked := range in.objects("priceOverrides") {
		made := priceOverride{addonID: asked.str("addonId"), featureID: asked.str("featureId")}
		if asked.flag("baseCharge") && made.featureID != "" {
			return t, refuse(CodeBadUserInput, "a price override is of a base charge or of a feature, not of both")
		}
		if !asked.has("price") {
			return t, refuse(CodeUnsupported, "the emulator models no price override without a price")
		}
		if made.amount, err = v.amountIn(asked.object("price")); err != nil {
			return t, err
		}
		t.priceOverrides = append(t.priceOverrides, made)
	}
	return t, nil
}

// amountIn reads money in a currency that the catalog sells in.
func (v view) amountIn(in input) (*big.Rat, error) {
	if currency := in.str("currency"); currency != "" && !v.w.catalog.sellsIn(currency) {
		return nil, refuse(CodePriceNotFound, "nothing is sold in %s", currency)
	}
	return rat(in, "amount")
}

// creditTermsOf reads a subscription's own credits, nil where none are named.
func creditTermsOf(in input) []*creditPackage {
	var out []*creditPackage
	for _, asked := range in.objects("entitlements") {
		if c := asked.object("credit"); c != nil {
			out = append(out, &creditPackage{
				CurrencyID: c.str("customCurrencyId"), Amount: *c.num("amount"), Cadence: c.str("cadence"), SoftLimit: c.flag("hasSoftLimit"),
			})
		}
	}
	return out
}

// unitsOf reads bought units from billableFeatures and from FEATURE charges.
func unitsOf(in input) map[string]float64 {
	units := map[string]float64{}
	for _, b := range in.objects("billableFeatures") {
		units[b.str("featureId")] = *b.num("quantity")
	}
	for _, ch := range in.objects("charges") {
		// A charge of credits is not modelled: its id and quantity stay unread.
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
		addons[a.str("addonId")] += n
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
