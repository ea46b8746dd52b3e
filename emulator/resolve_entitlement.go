package emulator

func (v view) entitlementsState(args input) (any, error) {
	q := args.object("query")
	set, reason := v.w.state(q.str("customerId"), q.str("resourceId"), v.now)
	wallets := v.w.wallets(q.str("customerId"), q.str("resourceId"), v.now)
	return obj{
		"entitlements":       listOf(set, v.granted),
		"entitlementsV2":     append(listOf(set, v.grantedV2), listOf(wallets, v.wallet)...),
		"accessDeniedReason": text(reason),
	}, nil
}

// entitlementList answers cachedEntitlements and entitlements. The list has no
// place for a reason: of a customer who can't have entitlements it is empty, which
// the official clients take for a customer that isn't there.
func (v view) entitlementList(args input) (any, error) {
	q := args.object("query")
	set, _ := v.w.state(q.str("customerId"), q.str("resourceId"), v.now)
	return listOf(set, v.granted), nil
}

func (v view) entitlement(args input) (any, error) {
	q := args.object("query")
	r, err := requestOf(q.object("options"))
	if err != nil {
		return nil, err
	}
	decided, e := v.w.check(q.str("customerId"), q.str("resourceId"), q.str("featureId"), r, v.now)
	v.denied(q.str("customerId"), q.str("resourceId"), q.str("featureId"), decided.reason)
	shown := v.missing(q.str("featureId"))
	if e != nil {
		shown = v.granted(e)
	}
	shown["isGranted"], shown["accessDeniedReason"] = decided.granted, text(decided.reason)
	shown["requestedUsage"] = r.usage
	if len(r.values) > 0 {
		shown["requestedValues"] = r.values
	}
	return shown, nil
}

func (v view) entitlementV2(args input) (any, error) {
	q := args.object("query")
	switch {
	case q.str("currencyId") != "":
		return v.creditEntitlement(q)
	case q.str("featureId") == "":
		return nil, refuse(CodeBadUserInput, "entitlementV2 needs a featureId or a currencyId")
	}
	r, err := requestOf(q.object("options"))
	if err != nil {
		return nil, err
	}
	decided, e := v.w.check(q.str("customerId"), q.str("resourceId"), q.str("featureId"), r, v.now)
	v.denied(q.str("customerId"), q.str("resourceId"), q.str("featureId"), decided.reason)
	shown := v.missing(q.str("featureId"))
	if e != nil {
		shown = v.grantedV2(e)
	}
	shown["isGranted"], shown["accessDeniedReason"] = decided.granted, text(decided.reason)
	return shown, nil
}

func requestOf(options input) (request, error) {
	r := request{usage: options.num("requestedUsage"), values: options.strs("requestedValues")}
	if r.usage != nil && *r.usage < 0 {
		return r, refuse(CodeBadUserInput, "requestedUsage %v is below 0", *r.usage)
	}
	return r, nil
}

// granted shows an Entitlement as Stigg's documented answers do: without the
// customer's id, with Stigg's own verdict for no requested amount.
func (v view) granted(e *entitlement) obj {
	shown := v.common(e)
	shown["displayNameOverride"] = e.displayName
	shown["nextResetDate"] = e.period.end
	if !e.changesAt.IsZero() {
		shown["validUntil"] = float64(e.changesAt.UnixMilli())
	}
	return shown
}

// grantedV2 shows a FeatureEntitlement, whose validUntil is a DateTime.
func (v view) grantedV2(e *entitlement) obj {
	shown := v.common(e)
	shown["validUntil"] = e.changesAt
	return shown
}

func (v view) common(e *entitlement) obj {
	decided := e.decide(request{})
	shown := obj{
		"__typename":         "FeatureEntitlement",
		"isGranted":          decided.granted,
		"accessDeniedReason": text(decided.reason),
		"feature":            v.entitlementFeature(e.feature),
		"hasUnlimitedUsage":  e.unlimited,
		"hasSoftLimit":       e.soft,
		"hiddenFromWidgets":  []string{},

		"entitlementUpdatedAt": e.updatedAt,
	}
	switch e.feature.Type {
	case "ENUM":
		shown["enumValues"] = append([]string{}, e.values...)
	case "NUMBER":
		shown["usageLimit"] = e.limit
	}
	if !e.feature.metered() {
		return shown
	}
	if e.rate != nil {
		shown["creditRate"] = obj{"currencyId": e.rate.CurrencyID, "amount": e.rate.Amount, "costFormula": e.rate.CostFormula}
	}
	shown["currentUsage"] = e.usage
	shown["usageUpdatedAt"] = e.usedAt
	shown["resetPeriod"] = text(e.reset.every)
	shown["resetPeriodConfiguration"] = resetConfiguration(e.reset)
	shown["usagePeriodAnchor"] = e.period.anchor
	shown["usagePeriodStart"] = e.period.start
	shown["usagePeriodEnd"] = e.period.end
	return shown
}

// missing shows the entitlement of a feature that the customer doesn't have.
func (v view) missing(featureID string) obj {
	shown := obj{"__typename": "FeatureEntitlement", "hasUnlimitedUsage": false}
	if f := v.w.catalog.featureByID[featureID]; f != nil {
		shown["feature"] = v.entitlementFeature(f)
	}
	return shown
}

// resetConfiguration shows what periods are counted from; days and hours have
// no such configuration in the schema.
func resetConfiguration(r resetRule) any {
	according := r.according
	if according == "" {
		according = "SubscriptionStart"
	}
	switch r.every {
	case "YEAR":
		return obj{"__typename": "YearlyResetPeriodConfig", "yearlyAccordingTo": according}
	case "MONTH":
		return obj{"__typename": "MonthlyResetPeriodConfig", "monthlyAccordingTo": according}
	case "WEEK":
		return obj{"__typename": "WeeklyResetPeriodConfig", "weeklyAccordingTo": according}
	}
	return nil
}

func (v view) entitlementFeature(f *feature) obj {
	return obj{
		"id": uuidOf("feature", f.ID), "refId": f.ID, "displayName": f.DisplayName,
		"description": f.Description, "featureStatus": f.Status, "featureType": f.Type,
		"meterType": f.MeterType, "featureUnits": f.Unit, "featureUnitsPlural": f.Units,
		"additionalMetaData": metadata(f.Metadata),
	}
}
