package gate

import (
	"log/slog"
	"time"

	"github.com/stiggate/gate/internal/admission"
	"github.com/stiggate/gate/internal/problem"
)

// Decision is what the gate found, for one request and one policy. A Decision is a
// value; it holds the customer's id, so it is for the app's own eyes: what a client
// may see of it is written by WriteDenial.
type Decision struct {
	Allowed  bool
	Customer Customer
	// Route is the route as the router names it, and Method the request's; both are empty
	// outside of a request, as for Gate.Check.
	Route, Method string
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

	// Instance names this one refusal of a request, in the answer, the log and the observers.
	Instance string
	// Waited is how long the decision waited for Stigg; 0 if it was made from what is cached.
	Waited time.Duration

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

	// AllowedValues are those of an enum, where another one was asked for; not to be changed.
	AllowedValues []string

	terms  *admission.Terms // of what is metered, nil of others
	answer *denialFunc      // the policy's own
	never  bool             // it would not fit an unused limit either
	absent bool             // refused because the customer's set does not have it
	// held is what running requests hold of it, this one included; since is the
	// beginning of the usage period, zero if that is not known.
	held  float64
	since time.Time

	// Err is what kept the gate from deciding, for logs. It never holds a secret.
	Err error
}

// LogValue is the decision for a slog.Logger, without the customer.
func (d Decision) LogValue() slog.Value {
	attrs := []slog.Attr{slog.Bool("allowed", d.Allowed), slog.String("method", d.Method), slog.String("route", d.Route), slog.String("feature", d.FeatureID), slog.String("origin", string(d.Origin))}
	if d.Shadow {
		attrs = append(attrs, slog.Bool("shadow", true))
	}
	if !d.Allowed {
		attrs = append(attrs, slog.Int("status", d.Status), slog.String("code", d.Code), slog.String("reason", string(d.Reason)), slog.String("instance", d.Instance))
	}
	for _, amount := range []struct {
		name string
		n    float64
		has  bool
	}{{"requested", d.Requested, d.HasRequested}, {"usage", d.Usage, d.Metered}, {"limit", d.Limit, d.HasLimit}} {
		if amount.has {
			attrs = append(attrs, slog.Float64(amount.name, amount.n))
		}
	}
	if d.Waited > 0 {
		attrs = append(attrs, slog.Duration("waited", d.Waited))
	}
	if d.Err != nil {
		attrs = append(attrs, slog.String("error", d.Err.Error()))
	}
	return slog.GroupValue(attrs...)
}

// Lets reports whether the request is let through: it is allowed, or the policy only looks on.
func (d Decision) Lets() bool { return d.Allowed || d.Shadow }

// Origin says what a decision rests on.
type Origin string

const (
	// OriginFresh is what Stigg said a moment ago, or pushed since.
	OriginFresh Origin = "fresh"
	// OriginStale is what Stigg said before, within WithMaxStale.
	OriginStale Origin = "stale"
	// OriginFallback is what the outage policy says, for nothing is known.
	OriginFallback Origin = "fallback"
	// OriginOffline is what the fallbacks say in a gate that is offline.
	OriginOffline Origin = "offline"
)

// tell takes over what was found.
func (d *Decision) tell(r *admission.Result) {
	d.FeatureID, d.FeatureName, d.Reason, d.Err = r.Item.ID, r.Name, Reason(r.Reason), r.Err
	d.Requested, d.HasRequested = r.Requested, r.HasRequested
	d.Usage, d.Metered, d.Limit, d.HasLimit, d.OverLimit, d.ResetsAt = r.Usage, r.Metered, r.Limit, r.HasLimit, r.OverLimit, r.ResetsAt
	d.AllowedValues, d.absent, d.never, d.held, d.since, d.terms = r.Values(), r.Absent, r.Never, r.Held, r.Since, r.Terms()
}

func (d *Decision) deny(r Reason, err error) {
	d.Allowed, d.Reason, d.Err = false, r, err
}

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

// ofStigg reports whether Stigg is the one who says so, or would be.
func (r Reason) ofStigg() bool { return len(r) < 5 || r[:5] != "gate:" }

// ofOutside is a reason that came from a Source or a push: none of the gate's own.
func (r Reason) ofOutside() Reason {
	if r.ofStigg() {
		return r
	}
	return ReasonUnknown
}

// answer is how it is answered.
func (r Reason) answer() problem.Reason { return problem.Of(string(r)) }

// mayHaveChanged reports whether a refusal rests on what is known of the customer, and not
// on the request, the app's policies or what runs just now.
func (r Reason) mayHaveChanged() bool {
	return r.ofStigg() && r != ReasonFeatureMismatch
}

// DecisionCounts counts decisions by their outcome: let in, refused (4xx), and not decided
// (503).
type DecisionCounts struct{ Allowed, Denied, Unavailable uint64 }
