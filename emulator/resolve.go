package emulator

import "time"

// view is the world at one moment, as the API shows it.
type view struct {
	w   *world
	now time.Time
	// base is the URL that the caller knows the emulator by.
	base string
	// country is the one that prices are shown for, empty for those of everywhere.
	country string
}

// resolver answers a root field. It runs with the Emulator's mutex held.
type resolver func(v view, args input) (any, error)

// modelled gives the root fields that the emulator answers.
func modelled() map[string]resolver {
	return map[string]resolver{
		"entitlementsState":      view.entitlementsState,
		"cachedEntitlements":     view.entitlementList,
		"entitlements":           view.entitlementList,
		"entitlement":            view.entitlement,
		"entitlementV2":          view.entitlementV2,
		"getCustomerByRefId":     view.getCustomer,
		"getActiveSubscriptions": view.getActiveSubscriptions,
		"getSubscription":        view.getSubscription,
		"sdkConfiguration":       view.sdkConfiguration,
		"paywall":                view.paywall,
		"products":               view.products,
		"mockPaywall":            view.mockPaywall,
		"customers":              view.customers,
		"subscriptions":          view.subscriptionList,
		"coupons":                view.couponList,
		"customerPortal":         view.customerPortal,
		"checkoutState":          view.checkoutState,
		"usageHistory":           view.usageHistory,
		"usageHistoryV2":         view.usageHistoryV2,

		"provisionCustomer":              view.provisionCustomer,
		"updateOneCustomer":              view.updateCustomer,
		"importOneCustomer":              view.importCustomer,
		"importCustomersBulk":            view.importCustomers,
		"archiveCustomer":                view.archiveCustomer,
		"unarchiveCustomer":              view.unarchiveCustomer,
		"createSubscription":             view.createSubscription,
		"provisionSubscription":          view.provisionSubscription,
		"provisionSubscriptionV2":        view.provisionSubscription,
		"updateOneSubscription":          view.updateSubscription,
		"cancelSubscription":             view.cancelSubscription,
		"grantPromotionalEntitlements":   view.grantPromotions,
		"revokePromotionalEntitlement":   view.revokePromotion,
		"applySubscription":              view.applySubscription,
		"importSubscriptionsBulk":        view.importSubscriptions,
		"migrateSubscriptionToLatest":    view.migrateSubscription,
		"transferSubscription":           view.transferSubscription,
		"transferSubscriptionToResource": view.transferSubscriptionToResource,
		"delegateSubscriptionToCustomer": view.delegateSubscription,
		"cancelSchedule":                 view.cancelSchedule,
		"estimateSubscription":           view.estimateSubscription,
		"estimateSubscriptionUpdate":     view.estimateSubscriptionUpdate,
		"previewSubscription":            view.previewSubscription,
		"previewNextInvoice":             view.previewNextInvoice,
		"createOneCoupon":                view.createCoupon,
		"createPaymentSession":           view.createPaymentSession,
		"detachCustomerPaymentMethod":    view.detachPaymentMethod,

		"grantPromotionalEntitlementsGroup":  view.grantGroup,
		"revokePromotionalEntitlementsGroup": view.revokeGroup,
		"unlinkPromotionalEntitlementsGroup": view.unlinkGroup,
		"reportEntitlementCheckRequested":    view.checkRequested,

		"reportUsage":            view.reportUsage,
		"createUsageMeasurement": view.createMeasurement,
		"reportUsageBulk":        view.reportUsageBulk,
		"reportEvent":            view.reportEvent,

		"consumeCredits":       view.consumeCredits,
		"consumeCreditsAsync":  view.consumeCreditsAsync,
		"createCreditGrant":    view.createCreditGrant,
		"voidCreditGrant":      view.voidCreditGrant,
		"creditBalanceSummary": view.creditBalances,
		"creditGrants":         view.creditGrants,
		"creditsLedger":        view.creditsLedger,
		"creditUsage":          view.creditUsage,

		"estimateUsageCost":        view.estimateUsageCost,
		"estimateEventCost":        view.estimateEventCost,
		"getAutoRechargeSettings":  view.getRecharge,
		"saveAutoRechargeSettings": view.saveRecharge,
	}
}

// needsNoTransaction: these mutations check everything before they count anything.
func needsNoTransaction(field string) bool {
	switch field {
	case "reportUsage", "createUsageMeasurement", "reportUsageBulk", "reportEvent", "consumeCredits", "consumeCreditsAsync":
		return true
	}
	return false
}

// environmentID is the same for every emulator: it has one environment.
func environmentID() string { return uuidOf("environment", "emulator") }

func (v view) sdkConfiguration(input) (any, error) {
	return obj{"isWidgetWatermarkEnabled": false, "showWatermark": false}, nil
}

// listOf shows each thing of a list.
func listOf[T any](things []T, show func(T) obj) []obj {
	out := make([]obj, 0, len(things))
	for _, t := range things {
		out = append(out, show(t))
	}
	return out
}

// text shows an optional string, null where it is empty.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// metadata shows additionalMetaData, null where there is none.
func metadata(m map[string]any) any {
	if len(m) == 0 {
		return nil
	}
	return m
}
