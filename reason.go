package gate

import (
	"errors"
	"fmt"
	"net/http"
)

// Reason says why a request was denied. Those of Stigg are its accessDeniedReason,
// verbatim; a value this version does not know is kept as it is and decided like
// ReasonUnknown.
type Reason string

// Stigg's reasons (enum AccessDeniedReason).
const (
	ReasonBudgetExceeded      Reason = "BudgetExceeded"
	ReasonCustomerIsArchived  Reason = "CustomerIsArchived"
	ReasonCustomerNotFound    Reason = "CustomerNotFound"
	ReasonResourceNotFound    Reason = "CustomerResourceNotFound"
	ReasonEntitlementNotFound Reason = "EntitlementNotFound"
	ReasonFeatureNotFound     Reason = "FeatureNotFound"
	ReasonFeatureMismatch     Reason = "FeatureTypeMismatch"
	ReasonInsufficientCredits Reason = "InsufficientCredits"
	ReasonNoSubscription      Reason = "NoActiveSubscription"
	ReasonNotInPlan           Reason = "NoFeatureEntitlementInSubscription"
	ReasonLimitExceeded       Reason = "RequestedUsageExceedingLimit"
	ReasonValueNotAllowed     Reason = "RequestedValuesMismatch"
	ReasonRevoked             Reason = "Revoked"
	ReasonUnknown             Reason = "Unknown"
)

// Gate's own reasons, for what Stigg has no word. They are never shown as an
// accessDeniedReason.
const (
	// ReasonUnresolved: no valid customer could be named.
	ReasonUnresolved Reason = "gate:CustomerUnresolved"
	// ReasonCustomerConflict: a verified customer asks for another's (ErrCustomerConflict).
	ReasonCustomerConflict Reason = "gate:CustomerConflict"
	// ReasonUnavailable: nothing could be known in time, or nothing more can be
	// recorded; never the customer's fault.
	ReasonUnavailable Reason = "gate:EntitlementsUnavailable"
	// ReasonPending: it would fit once requests now running settle, or it may fit once
	// Stigg acknowledges what is on its way.
	ReasonPending Reason = "gate:ConcurrentUsagePending"
	// ReasonBadRequest: the amount or the values could not be read from the request.
	ReasonBadRequest Reason = "gate:RequestNotUnderstood"
	// ReasonNotInTable: the route is registered but no policy names it (DenyRest).
	ReasonNotInTable Reason = "gate:RouteNotInTable"
	// ReasonClientGone: the request's context ended before a decision was made. The client
	// has left, most likely; one that has closed only its own side, or whose server stops,
	// is still there, and is answered as for ReasonUnavailable.
	ReasonClientGone Reason = "gate:ClientGone"
)

// answer is how a reason is shown.
type answer struct {
	status int
	code   string
	title  string
	// upgrade says that paying is the remedy.
	upgrade bool
	// ours says that it can only come from a mistake in the app's configuration.
	ours bool
}

// answer is the table of reasons and HTTP answers: 402 when the payer can mend it,
// 403 when paying is not the remedy, 401 when nobody could be named, 503 when the
// gate could not decide.
func (r Reason) answer() answer {
	switch r {
	case ReasonNoSubscription:
		return answer{http.StatusPaymentRequired, "no_active_subscription", "No active subscription", true, false}
	case ReasonNotInPlan:
		return answer{http.StatusPaymentRequired, "feature_not_in_plan", "Not part of the plan", true, false}
	case ReasonEntitlementNotFound:
		return answer{http.StatusPaymentRequired, "entitlement_not_found", "Not part of the plan", true, false}
	case ReasonLimitExceeded:
		return answer{http.StatusPaymentRequired, "usage_limit_exceeded", "Plan limit reached", true, false}
	case ReasonInsufficientCredits:
		return answer{http.StatusPaymentRequired, "insufficient_credits", "Not enough credits", true, false}
	case ReasonBudgetExceeded:
		return answer{http.StatusPaymentRequired, "budget_exceeded", "Budget exceeded", false, false}
	case ReasonValueNotAllowed:
		return answer{http.StatusForbidden, "value_not_allowed", "Value not allowed by the plan", false, false}
	case ReasonCustomerIsArchived:
		return answer{http.StatusForbidden, "customer_archived", "Customer is archived", false, false}
	case ReasonRevoked:
		return answer{http.StatusForbidden, "entitlement_revoked", "Access was revoked", false, false}
	case ReasonCustomerNotFound:
		return answer{http.StatusForbidden, "customer_not_found", "Customer not found", false, false}
	case ReasonResourceNotFound:
		return answer{http.StatusForbidden, "resource_not_found", "Resource not found", false, false}
	case ReasonFeatureNotFound:
		return answer{http.StatusForbidden, "feature_not_configured", "Feature not configured", false, true}
	case ReasonFeatureMismatch:
		return answer{http.StatusForbidden, "feature_type_mismatch", "Feature not configured", false, true}
	case ReasonUnresolved:
		return answer{http.StatusUnauthorized, "customer_unresolved", "No customer", false, false}
	case ReasonCustomerConflict:
		return answer{http.StatusForbidden, "customer_conflict", "Another customer", false, false}
	case ReasonUnavailable, ReasonClientGone:
		return answer{http.StatusServiceUnavailable, "entitlements_unavailable", "Entitlements unavailable", false, false}
	case ReasonPending:
		return answer{http.StatusTooManyRequests, "concurrent_usage_pending", "Concurrent usage pending", false, false}
	case ReasonBadRequest:
		return answer{http.StatusBadRequest, "request_not_understood", "Request not understood", false, false}
	case ReasonNotInTable:
		return answer{http.StatusForbidden, "route_not_open", "Route not open", false, true}
	default:
		return answer{http.StatusForbidden, "access_denied", "Access denied", false, false}
	}
}

// ofStigg reports whether Stigg is the one who says so, or would be.
func (r Reason) ofStigg() bool { return len(r) < 5 || r[:5] != "gate:" }

// ofOutside is a reason that came from a Source or a push: none of the gate's own.
func (r Reason) ofOutside() Reason {
	if r.ofStigg() {
		return r
	}
	return ReasonUnknown
}

// ofResolver is the reason of a Resolver's error.
func ofResolver(err error) Reason {
	if errors.Is(err, ErrCustomerConflict) {
		return ReasonCustomerConflict
	}
	return ReasonUnresolved
}

// known returns r, or ReasonUnknown for a reason of Stigg's that this version does
// not know.
func (r Reason) known() Reason {
	if r.answer().code == "access_denied" {
		return ReasonUnknown
	}
	return r
}

// mayHaveChanged reports whether a refusal rests on what is known of the customer, and not
// on the request, the app's policies or what runs just now.
func (r Reason) mayHaveChanged() bool {
	return r.ofStigg() && r != ReasonFeatureMismatch
}

func checkStatus(reason Reason, status int) error {
	if reason == "" {
		return errors.New("a status needs a reason")
	}
	if status < 400 || status > 599 {
		return fmt.Errorf("status %d for %s is not between 400 and 599", status, reason)
	}
	return nil
}
