package gate

import (
	"net/http"
	"time"
)

// Decision is what the gate found, for one request and one policy. A Decision is a
// value; it holds the customer's id, so it is for the app's own eyes: what a client
// may see of it is written by WriteDenial.
type Decision struct {
	Allowed  bool
	Customer Customer
	// Route is the route as the router names it; empty where nobody asked for it.
	Route string
	// Feature is the feature that decided: of a combined policy the one that was
	// refused, or the last one granted.
	FeatureID, FeatureName string

	// Reason says why the request was denied; empty if it was allowed.
	Reason Reason
	// Code is the reason in the denial's own spelling, such as usage_limit_exceeded.
	Code string
	// Status is the HTTP status of the denial, 0 if allowed.
	Status int
	// RetryAfter is when asking again may help; 0 if that is not known.
	RetryAfter time.Duration

	// Origin says what it rests on; empty if it was decided before anything was asked for.
	Origin Origin
	// Shadow says that the policy only looks on (Policy.Shadow): the request is let through
	// whatever Allowed says.
	Shadow bool

	// Requested is the amount asked for, where HasRequested says there was one.
	Requested    float64
	HasRequested bool
	// Usage is what is used as this process knows it: Stigg's number plus what is
	// settled here and not yet acknowledged. Limit is the most there is, or the value
	// of a configuration. Metered says that Usage counts, HasLimit that Limit does.
	Usage, Limit float64
	Metered      bool
	HasLimit     bool
	// OverLimit says that it was granted past a soft limit.
	OverLimit bool
	// ResetsAt is the end of the usage period; zero without one.
	ResetsAt time.Time

	never bool // it would not fit an unused limit either
	// held is what running requests hold of it, this one included; since is the
	// beginning of the usage period, zero if that is not known.
	held  float64
	since time.Time

	// Err is what kept the gate from deciding, for logs. It never holds a secret.
	Err error
}

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
	case ReasonUnavailable:
		return answer{http.StatusServiceUnavailable, "entitlements_unavailable", "Entitlements unavailable", false, false}
	case ReasonPending:
		return answer{http.StatusTooManyRequests, "concurrent_usage_pending", "Concurrent usage pending", false, false}
	case ReasonBadRequest:
		return answer{http.StatusBadRequest, "request_not_understood", "Request not understood", false, false}
	case ReasonNotInTable:
		return answer{http.StatusForbidden, "route_not_open", "Route not open", false, true}
	case ReasonClientGone:
		return answer{statusClientGone, "client_closed_request", "Client closed request", false, false}
	default:
		return answer{http.StatusForbidden, "access_denied", "Access denied", false, false}
	}
}

// statusClientGone is nginx's 499. Nobody reads it but the app's own log; it is
// there so that no middleware sees a request without an answer as a 200.
const statusClientGone = 499

// ofStigg reports whether Stigg is the one who says so, or would be.
func (r Reason) ofStigg() bool { return len(r) < 5 || r[:5] != "gate:" }

// known returns r, or ReasonUnknown for a reason of Stigg's that this version does
// not know.
func (r Reason) known() Reason {
	if r.answer().code == "access_denied" {
		return ReasonUnknown
	}
	return r
}
