package gate

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
	// ReasonClientGone: the caller left before a decision was made.
	ReasonClientGone Reason = "gate:ClientGone"
)
