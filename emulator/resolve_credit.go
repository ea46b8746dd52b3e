package emulator

import (
	"fmt"
	"slices"
	"time"
)

func useOf(in input) CreditUse {
	return CreditUse{
		IdempotencyKey: in.str("idempotencyKey"), CustomerID: in.str("customerId"), ResourceID: in.str("resourceId"),
		CurrencyID: in.str("currencyId"), Amount: *in.num("amount"), CreatedAt: in.time("createdAt"),
	}
}

func (v view) consumeCredits(args input) (any, error) {
	u := useOf(args.object("input"))
	if err := v.w.checkUse(u); err != nil {
		return nil, err
	}
	ack := v.w.consume(u, v.now)
	shown := obj{
		"customerId": u.CustomerID, "currencyId": u.CurrencyID, "resourceId": text(u.ResourceID),
		"amount": ack.use.Amount, "timestamp": ack.timestamp,
	}
	if ack.wallet != nil {
		shown["credit"] = showBalance(u.CurrencyID, ack.wallet, ack.timestamp)
	}
	return shown, nil
}

// consumeCreditsAsync takes all or none, and answers null: the mutation has no
// result.
func (v view) consumeCreditsAsync(args input) (any, error) {
	var all []CreditUse
	for _, in := range args.object("input").objects("consumptions") {
		all = append(all, useOf(in))
	}
	if len(all) > maxConsumptions {
		return nil, refuse(CodeBadUserInput, "%d consumptions in one call, at most %d are taken", len(all), maxConsumptions)
	}
	for _, u := range all {
		if err := v.w.checkUse(u); err != nil {
			return nil, err
		}
	}
	for _, u := range all {
		if u.CreatedAt.IsZero() {
			u.CreatedAt = v.now
		}
		v.w.later(pending{Use: &u}, v.now)
	}
	return nil, nil
}

// showBalance shows an OptimisticCreditBalance; a wallet that isn't there has
// nothing and used nothing.
func showBalance(currencyID string, wa *wallet, stamp time.Time) obj {
	shown := obj{"currencyId": currencyID, "timestamp": stamp, "currentUsage": 0.0, "usageLimit": 0.0}
	if wa != nil {
		shown["currentUsage"], shown["usageLimit"], shown["usagePeriodEnd"] = wa.used, wa.limit, wa.periodEnd
	}
	return shown
}

// wallets gives what a customer, or a resource, has of each currency.
func (w *world) wallets(customerID, resourceID string, now time.Time) []*wallet {
	c, err := w.liveCustomer(customerID)
	if err != nil || !c.knows(resourceID) {
		return nil
	}
	var all []*wallet
	for _, cur := range w.catalog.Currencies {
		if wa := w.wallet(c, resourceID, cur, now); wa != nil {
			all = append(all, wa)
		}
	}
	return all
}

// wallet shows a CreditEntitlement.
func (v view) wallet(wa *wallet) obj {
	decided := wa.decide(0)
	return obj{
		"__typename": "CreditEntitlement", "isGranted": decided.granted, "accessDeniedReason": text(decided.reason),
		"currency": showCurrency(wa.currency), "currentUsage": wa.used, "usageLimit": wa.limit, "hasSoftLimit": wa.soft,
		"usagePeriodEnd": wa.periodEnd, "usageUpdatedAt": wa.updatedAt, "validUntil": wa.changesAt,
		"entitlementUpdatedAt": wa.setUpdatedAt,
	}
}

func showCurrency(c *currency) obj {
	return obj{
		"currencyId": c.ID, "displayName": c.DisplayName, "description": c.Description, "symbol": c.Symbol,
		"unitSingular": c.Unit, "unitPlural": c.Units, "units": obj{"singular": c.Unit, "plural": c.Units},
		"additionalMetaData": metadata(c.Metadata),
	}
}

// creditEntitlement answers entitlementV2 of a currency.
func (v view) creditEntitlement(q input) (any, error) {
	if q.str("featureId") != "" {
		return nil, refuse(CodeBadUserInput, "entitlementV2 takes a featureId or a currencyId, not both")
	}
	r, err := requestOf(q.object("options"))
	if err != nil {
		return nil, err
	}
	cur, err := v.w.currency(q.str("currencyId"))
	if err != nil {
		return nil, err
	}
	asked := 0.0
	if r.usage != nil {
		asked = *r.usage
	}
	customerID, resourceID := q.str("customerId"), q.str("resourceId")
	for _, wa := range v.w.wallets(customerID, resourceID, v.now) {
		if wa.currency == cur {
			decided := wa.decide(asked)
			v.denied(customerID, resourceID, cur.ID, decided.reason)
			shown := v.wallet(wa)
			shown["isGranted"], shown["accessDeniedReason"] = decided.granted, text(decided.reason)
			return shown, nil
		}
	}
	_, reason := v.w.state(customerID, resourceID, v.now)
	if reason == "" {
		reason = reasonEntitlementNotFound
	}
	return obj{"__typename": "CreditEntitlement", "currency": showCurrency(cur), "accessDeniedReason": reason}, nil
}

func (v view) createCreditGrant(args input) (any, error) {
	in := args.object("input")
	c, err := v.w.liveCustomer(in.str("customerId"))
	if err != nil {
		return nil, err
	}
	cur, err := v.w.currency(in.str("currencyId"))
	if err != nil {
		return nil, err
	}
	g := &creditGrant{
		currency: cur, resource: in.str("resourceId"), amount: *in.num("amount"), kind: in.str("grantType"),
		displayName: in.str("displayName"), comment: in.optStr("comment"), metadata: in.json("additionalMetaData"),
		effective: in.time("effectiveAt"), expire: in.time("expireAt"),
	}
	if cost := in.object("cost"); cost != nil {
		g.cost = map[string]any{"amount": cost.get("amount"), "currency": cost.get("currency")}
	}
	if p := in.num("priority"); p != nil {
		g.priority = *p
	}
	if err := v.w.grantCredits(c, g, v.now); err != nil {
		return nil, err
	}
	return v.grant(c)(g), nil
}

func (v view) voidCreditGrant(args input) (any, error) {
	c, g, err := v.w.voidGrant(args.object("input").str("id"), v.now)
	if err != nil {
		return nil, err
	}
	return v.grant(c)(g), nil
}

func (v view) grant(c *customer) func(*creditGrant) obj {
	return func(g *creditGrant) obj {
		cost := obj{"amount": 0.0, "currency": "USD"}
		for name, value := range g.cost {
			if value != nil {
				cost[name] = value
			}
		}
		return obj{
			"id": g.id, "grantId": g.id, "customerId": c.id, "resourceId": text(g.resource), "currencyId": g.currency.ID,
			"amount": g.amount, "consumedAmount": g.consumed, "grantType": g.kind, "sourceType": text(g.source),
			"displayName": g.displayName, "comment": g.comment, "priority": g.priority, "cost": cost,
			"createdAt": g.createdAt, "updatedAt": g.updatedAt, "voidedAt": g.voidedAt, "effectiveAt": g.effective,
			"expireAt": g.ends(), "status": g.status(v.now), "paymentCollection": "NOT_REQUIRED",
			"additionalMetaData": metadata(g.metadata), "automaticRechargeConfigurationId": text(g.rechargeID),
		}
	}
}

// creditBalances answers creditBalanceSummary: the grants in force.
func (v view) creditBalances(args input) (any, error) {
	in := args.object("input")
	c, err := v.w.liveCustomer(in.str("customerId"))
	if err != nil {
		return nil, err
	}
	var balances []obj
	for _, wa := range v.w.wallets(c.id, in.str("resourceId"), v.now) {
		if id := in.str("currencyId"); id != "" && id != wa.currency.ID {
			continue
		}
		shown := obj{
			"customerId": c.id, "resourceId": text(in.str("resourceId")), "currency": showCurrency(wa.currency),
			"currencyId": wa.currency.ID, "currentBalance": wa.limit - wa.used, "totalGranted": wa.limit, "totalConsumed": wa.used,
		}
		if !wa.changesAt.IsZero() {
			shown["validUntil"] = float64(wa.changesAt.UnixMilli())
		}
		balances = append(balances, shown)
	}
	return obj{"customerId": c.id, "resourceId": text(in.str("resourceId")), "balances": append([]obj{}, balances...)}, nil
}

func (v view) creditGrants(args input) (any, error) {
	in := args.object("input")
	c, err := v.w.liveCustomer(in.str("customerId"))
	if err != nil {
		return nil, err
	}
	v.w.recurAll(c, v.now)
	var all []obj
	for _, g := range c.purse.grants {
		if g.resource == in.str("resourceId") && (in.str("currencyId") == "" || in.str("currencyId") == g.currency.ID) {
			all = append(all, v.grant(c)(g))
		}
	}
	return page("creditGrants", all, func(o obj) string { return o["grantId"].(string) }, itself, in.object("paging"))
}

// creditsLedger lists what happened to the credits, in order of time.
func (v view) creditsLedger(args input) (any, error) {
	in := args.object("input")
	c, err := v.w.liveCustomer(in.str("customerId"))
	if err != nil {
		return nil, err
	}
	v.w.recurAll(c, v.now)
	var entries []ledgerEntry
	for _, g := range c.purse.grants {
		if g.status(v.now) == "EXPIRED" && g.left() > 0 {
			entries = append(entries, ledgerEntry{
				at: g.ends(), kind: "CREDITS_EXPIRED", grant: g.id, currency: g.currency.ID, resource: g.resource, amount: g.left(),
			})
		}
	}
	entries = append(entries, c.purse.entries...)
	slices.SortStableFunc(entries, func(a, b ledgerEntry) int { return a.at.Compare(b.at) })
	kinds := in.strs("eventType")
	var all []obj
	for _, l := range entries {
		if l.resource != in.str("resourceId") || in.str("currencyId") != "" && in.str("currencyId") != l.currency ||
			len(kinds) > 0 && !slices.Contains(kinds, l.kind) {
			continue
		}
		all = append(all, obj{
			"timestamp": isoTime(l.at), "eventType": l.kind, "customerId": c.id, "resourceId": text(l.resource),
			"eventId": text(l.eventID), "featureId": text(l.featureID), "amount": l.amount,
			"creditGrantId": l.grant, "creditCurrencyId": l.currency,
		})
	}
	shown, err := page("creditsLedger", all, ledgerKey, itself, in.object("paging"))
	if err != nil {
		return nil, err
	}
	// Older clients read the events of a page and not its edges.
	events := []any{}
	for _, edge := range shown["edges"].([]obj) {
		events = append(events, edge["node"])
	}
	shown["events"] = events
	return shown, nil
}

func itself(o obj) obj { return o }

// ledgerKey tells the lines of a ledger apart; a line twice is a line at its place.
func ledgerKey(o obj) string {
	return fmt.Sprint(o["timestamp"], o["eventType"], o["creditGrantId"], o["eventId"], o["amount"])
}
