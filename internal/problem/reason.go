package problem

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"
)

// Reason is how a reason for a denial is answered.
type Reason struct {
	Status int
	Code   string
	Title  string
	// Detail is one sentence for people. {feature} in it stands for the feature's name,
	// {requested} and {all} for what is asked for and its limit with their units, {left} and
	// {limit} for bare amounts, {period} for the usage period.
	Detail string
	// UsedUp is the sentence where nothing is left of it.
	UsedUp string
	// Upgrade says that paying is the remedy.
	Upgrade bool
	// Counted says that amounts decided, and are told.
	Counted bool
	// RetryAfter is when asking again may help; 0 if that is not known.
	RetryAfter time.Duration
	// Mistake says that it can only come from a mistake in the app's configuration.
	Mistake bool
}

// Known says that there is a row for the reason.
func (r Reason) Known() bool { return r.Code != unknown }

const unknown = "access_denied"

// Of is the table of reasons and HTTP answers: 402 when the payer can mend it, 403 when
// paying is not the remedy, 401 when nobody could be named, 503 when the gate could not
// decide. Stigg's reasons are named as Stigg does, the gate's own begin with "gate:".
func Of(reason string) Reason {
	switch reason {
	case "NoActiveSubscription":
		return Reason{Status: http.StatusPaymentRequired, Code: "no_active_subscription", Title: "No active subscription", Detail: "There is no active subscription.", Upgrade: true}
	case "NoFeatureEntitlementInSubscription":
		return Reason{Status: http.StatusPaymentRequired, Code: "feature_not_in_plan", Title: "Not part of the plan", Detail: "{feature} is not part of the plan.", Upgrade: true}
	case "EntitlementNotFound":
		return Reason{Status: http.StatusPaymentRequired, Code: "entitlement_not_found", Title: "Not part of the plan", Detail: "{feature} is not part of the plan.", Upgrade: true}
	case "RequestedUsageExceedingLimit":
		return Reason{Status: http.StatusPaymentRequired, Code: "usage_limit_exceeded", Title: "Plan limit reached", Detail: "This request needs {requested}; {left} of {limit} are left{period}.", UsedUp: "You have used all {all} of your plan{period}.", Counted: true, Upgrade: true}
	case "InsufficientCredits":
		return Reason{Status: http.StatusPaymentRequired, Code: "insufficient_credits", Title: "Not enough credits", Detail: "There are not enough credits left for {feature}.", Counted: true, Upgrade: true}
	case "BudgetExceeded":
		return Reason{Status: http.StatusPaymentRequired, Code: "budget_exceeded", Title: "Budget exceeded", Detail: "The budget set for {feature} is spent."}
	case "RequestedValuesMismatch":
		return Reason{Status: http.StatusForbidden, Code: "value_not_allowed", Title: "Value not allowed by the plan", Detail: "The plan does not allow this value of {feature}.", Upgrade: true}
	case "CustomerIsArchived":
		return Reason{Status: http.StatusForbidden, Code: "customer_archived", Title: "Customer is archived", Detail: "The customer is archived."}
	case "Revoked":
		return Reason{Status: http.StatusForbidden, Code: "entitlement_revoked", Title: "Access was revoked", Detail: "Access to {feature} was revoked."}
	case "CustomerNotFound":
		return Reason{Status: http.StatusForbidden, Code: "customer_not_found", Title: "Customer not found", Detail: "The customer is not known."}
	case "CustomerResourceNotFound":
		return Reason{Status: http.StatusForbidden, Code: "resource_not_found", Title: "Resource not found", Detail: "The resource is not known."}
	case "FeatureNotFound":
		return Reason{Status: http.StatusForbidden, Code: "feature_not_configured", Title: "Feature not configured", Detail: "This route is not set up correctly. That is not the caller's fault.", Mistake: true}
	case "FeatureTypeMismatch":
		return Reason{Status: http.StatusForbidden, Code: "feature_type_mismatch", Title: "Feature not configured", Detail: "This route is not set up correctly. That is not the caller's fault.", Mistake: true}
	case "gate:CustomerUnresolved":
		return Reason{Status: http.StatusUnauthorized, Code: "customer_unresolved", Title: "No customer", Detail: "The request does not say, in a valid way, which customer it is made for."}
	case "gate:CustomerConflict":
		return Reason{Status: http.StatusForbidden, Code: "customer_conflict", Title: "Another customer", Detail: "The request is made for another customer than the one who is signed in."}
	case "gate:EntitlementsUnavailable", "gate:ClientGone":
		return Reason{Status: http.StatusServiceUnavailable, Code: "entitlements_unavailable", Title: "Entitlements unavailable", Detail: "What the plan covers can't be looked up at the moment. Nothing was charged; try again later.", RetryAfter: 5 * time.Second}
	case "gate:ConcurrentUsagePending":
		return Reason{Status: http.StatusTooManyRequests, Code: "concurrent_usage_pending", Title: "Concurrent usage pending", Detail: "This request needs {requested}, which other requests now running may use up. Try again in a moment.", Counted: true, RetryAfter: time.Second}
	case "gate:RequestNotUnderstood":
		return Reason{Status: http.StatusBadRequest, Code: "request_not_understood", Title: "Request not understood", Detail: "The amount or the values asked for can't be read from the request."}
	case "gate:RouteNotInTable":
		return Reason{Status: http.StatusForbidden, Code: "route_not_open", Title: "Route not open", Detail: "This route is not set up correctly. That is not the caller's fault.", Mistake: true}
	default:
		return Reason{Status: http.StatusForbidden, Code: unknown, Title: "Access denied", Detail: "The plan does not give access."}
	}
}

// Statuses are those that an app chooses, by reason. They never change: With makes others.
type Statuses map[string]int

// With is s and the status of one more reason, or an error if no denial can have it.
func (s Statuses) With(reason string, status int) (Statuses, error) {
	if reason == "" {
		return s, errors.New("a status needs a reason")
	}
	if status < 400 || status > 599 {
		return s, fmt.Errorf("status %d for %s is not between 400 and 599", status, reason)
	}
	if a := Of(reason); status == http.StatusPaymentRequired && a.Status != status && (a.Mistake || a.Status != http.StatusForbidden) {
		return s, fmt.Errorf("status 402 for %s: paying is no remedy for it", reason)
	}
	more := make(Statuses, len(s)+1)
	maps.Copy(more, s)
	more[reason] = status
	return more, nil
}

// Of is the status chosen for a reason, or for the reason Unknown if there is no row for it, or
// else the one given.
func (s Statuses) Of(reason string, otherwise int) int {
	if status, ok := s[reason]; ok {
		return status
	}
	if status, ok := s["Unknown"]; ok && !Of(reason).Known() {
		return status
	}
	return otherwise
}
