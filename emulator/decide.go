package emulator

import (
	"math"
	"slices"
	"time"
)

// The reasons of a denial, as the schema spells them.
const (
	reasonCustomerNotFound       = "CustomerNotFound"
	reasonCustomerIsArchived     = "CustomerIsArchived"
	reasonResourceNotFound       = "CustomerResourceNotFound"
	reasonNoActiveSubscription   = "NoActiveSubscription"
	reasonNoFeatureEntitlement   = "NoFeatureEntitlementInSubscription"
	reasonFeatureNotFound        = "FeatureNotFound"
	reasonFeatureTypeMismatch    = "FeatureTypeMismatch"
	reasonRequestedUsageTooLarge = "RequestedUsageExceedingLimit"
	reasonRequestedValues        = "RequestedValuesMismatch"
	reasonRevoked                = "Revoked"
	reasonEntitlementNotFound    = "EntitlementNotFound"
	reasonInsufficientCredits    = "InsufficientCredits"
	reasonBudgetExceeded         = "BudgetExceeded"
	reasonUnknown                = "Unknown"
)

// request is what a check asks of a feature; the zero value asks for nothing.
type request struct {
	usage  *float64
	values []string
}

// verdict is the answer to a check; reason is empty iff it is granted.
type verdict struct {
	granted bool
	reason  string
}

func deny(reason string) verdict { return verdict{reason: reason} }

// Decide answers whether a customer, or one of its resources ("" for the
// customer's level), may use a feature now: the table of Stigg's decisions, as
// the root field entitlement gives it. requestedUsage nil asks for no amount
// and counts as 0 for a metered feature; requestedValues are asked of an ENUM.
// reason is Stigg's AccessDeniedReason, empty if and only if granted.
//
// An amount that is NaN, infinite or negative is the caller's mistake: denied
// with reason Unknown (over GraphQL it is an error). An amount asked of a
// BOOLEAN or ENUM, or values asked of anything but an ENUM, is denied with
// FeatureTypeMismatch.
func (e *Emulator) Decide(customerID, resourceID, featureID string, requestedUsage *float64, requestedValues []string) (granted bool, reason string) {
	e.mu.Lock()
	defer e.unlock()
	v, _ := e.world.check(customerID, resourceID, featureID, request{requestedUsage, requestedValues}, e.present())
	return v.granted, v.reason
}

// check finds what the customer has of the feature, nil if nothing, and decides.
func (w *world) check(customerID, resourceID, featureID string, r request, now time.Time) (verdict, *entitlement) {
	set, setReason := w.state(customerID, resourceID, now)
	if c := w.customers[customerID]; c != nil && !c.archived() && !c.knows(resourceID) {
		setReason = reasonResourceNotFound
	}
	i := slices.IndexFunc(set, func(e *entitlement) bool { return e.feature.ID == featureID })
	switch {
	case i >= 0:
		return set[i].decide(r), set[i]
	case setReason != "":
		return deny(setReason), nil
	case w.catalog.featureByID[featureID] == nil:
		return deny(reasonFeatureNotFound), nil
	}
	return deny(reasonNoFeatureEntitlement), nil
}

// decide is rows 3 to 10 of the decision table (semantics "The decision").
func (e *entitlement) decide(r request) verdict {
	kind := e.feature.Type
	switch {
	case r.usage != nil && (math.IsNaN(*r.usage) || math.IsInf(*r.usage, 0) || *r.usage < 0):
		return deny(reasonUnknown)
	case e.revoked:
		return deny(reasonRevoked)
	case e.overBudget:
		return deny(reasonBudgetExceeded)
	case r.usage != nil && kind != "NUMBER", len(r.values) > 0 && kind != "ENUM":
		return deny(reasonFeatureTypeMismatch)
	case kind == "BOOLEAN":
		return verdict{granted: true}
	case kind == "ENUM":
		return e.decideValues(r.values)
	}
	return e.decideNumber(r.usage)
}

func (e *entitlement) decideValues(values []string) verdict {
	for _, v := range values {
		if !slices.Contains(e.values, v) {
			return deny(reasonRequestedValues)
		}
	}
	return verdict{granted: true}
}

func (e *entitlement) decideNumber(amount *float64) verdict {
	asked := 0.0
	if amount != nil {
		asked = *amount
	}
	granted := e.unlimited
	if e.feature.metered() {
		granted = granted || e.soft || fits(e.usage+asked, e.number())
	} else {
		granted = granted || amount == nil || fits(asked, e.number())
	}
	switch {
	case !granted:
		return deny(reasonRequestedUsageTooLarge)
	case e.rate != nil:
		return e.wallet.decide(asked * e.rate.Amount)
	}
	return verdict{granted: true}
}

// fits compares as people count, in decimals: 0.1 + 0.2 fits into 0.3.
func fits(total, limit float64) bool {
	const tolerance = 1e-9
	return total <= limit || total-limit <= tolerance*max(math.Abs(total), math.Abs(limit))
}
