package emulator

import "time"

// accountID is the same for every emulator: it has one account.
func accountID() string { return uuidOf("account", "emulator") }

// eventsOf gives the values of the fields of Subscription that a piece of news is
// an event of, by field.
func (v view) eventsOf(n news) map[string]obj {
	switch n.kind {
	case newsEntitlements:
		return v.entitlementEvents(n)
	case newsUsage:
		return v.usageEvents(n)
	case newsCredits:
		return v.creditEvents(n)
	case newsPackage:
		return v.packageEvents(n)
	}
	return nil
}

func (v view) about(n news) obj {
	return obj{
		"accountId": accountID(), "environmentId": environmentID(),
		"customerId": n.customer, "resourceId": text(n.resource),
	}
}

func (v view) entitlementEvents(n news) map[string]obj {
	set, reason := v.w.state(n.customer, n.resource, v.now)
	older, newer := v.about(n), v.about(n)
	for _, event := range []obj{older, newer} {
		event["accessDeniedReason"] = text(reason)
	}
	older["entitlements"] = listOf(set, v.granted)
	newer["entitlements"] = append(listOf(set, v.grantedV2), listOf(v.w.wallets(n.customer, n.resource, v.now), v.wallet)...)
	return map[string]obj{"entitlementsUpdated": older, "entitlementsUpdatedV2": newer}
}

// usageEvents: the older event carries the entitlement, one that the customer
// hasn't got if usage of a feature beyond the plan was reported.
func (v view) usageEvents(n news) map[string]obj {
	c := v.w.customers[n.customer]
	if c == nil {
		return nil
	}
	shown := v.missing(n.feature)
	var p period
	if e := v.w.entitled(c, n.resource, n.feature, v.now); e != nil {
		shown, p = v.granted(e), e.period
	}
	ct := c.counter(n.resource, n.feature)
	used := ct.usage(p)
	older := v.about(n)
	older["featureId"], older["currentUsage"] = n.feature, used
	older["usagePeriodStart"], older["usagePeriodEnd"], older["nextResetDate"] = millis(p.start), millis(p.end), millis(p.end)
	newer := v.about(n)
	newer["entitlementReference"] = obj{"id": n.feature, "type": "FEATURE"}
	newer["usage"] = obj{
		"currentUsage": used, "usageUpdatedAt": ct.updatedAt, "usagePeriodStart": p.start, "usagePeriodEnd": p.end,
	}
	return map[string]obj{"usageUpdated": {"usage": older, "entitlement": shown}, "usageUpdatedV2": newer}
}

// creditEvents: a wallet that the customer no longer has is empty.
func (v view) creditEvents(n news) map[string]obj {
	c, cur := v.w.customers[n.customer], v.w.catalog.currencyByID[n.currency]
	if c == nil || cur == nil {
		return nil
	}
	wa := v.w.wallet(c, n.resource, cur, v.now)
	if wa == nil {
		wa = &wallet{currency: cur, updatedAt: c.purse.updatedAt[walletKey{n.resource, cur.ID}]}
	}
	balance := v.about(n)
	balance["currency"], balance["currencyId"] = showCurrency(cur), cur.ID
	balance["currentBalance"], balance["totalConsumed"], balance["totalGranted"] = wa.limit-wa.used, wa.used, wa.limit
	balance["validUntil"] = millis(wa.changesAt)
	usage := v.about(n)
	usage["entitlementReference"] = obj{"id": cur.ID, "type": "CREDIT"}
	usage["usage"] = obj{"currentUsage": wa.used, "usageUpdatedAt": wa.updatedAt, "usagePeriodEnd": wa.periodEnd}
	return map[string]obj{"creditBalanceUpdated": balance, "usageUpdatedV2": usage}
}

func (v view) packageEvents(n news) map[string]obj {
	p, kind := v.w.catalog.planByID[n.packageID], "Plan"
	if p == nil {
		p, kind = v.w.catalog.addonByID[n.packageID], "Addon"
	}
	return map[string]obj{"packagePublished": {
		"accountId": accountID(), "environmentId": environmentID(), "packageType": kind,
		"packageRefId": p.ID, "packageVersion": p.Version, "migrationType": n.audience,
	}}
}

// millis shows a time as the milliseconds since 1970 that a Float holds.
func millis(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return float64(t.UnixMilli())
}
