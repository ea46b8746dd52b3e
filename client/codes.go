package client

import (
	"net/http"
	"strings"
)

// Code says what kind of failure an [Error] is. It is an error itself, to be the
// target of errors.Is.
type Code string

// The codes that callers tell apart. Each stands for a family: errors.Is finds all
// of Stigg's codes of that meaning, in either of its spellings (CustomerNotFound,
// CUSTOMER_NOT_FOUND).
const (
	// ErrUnauthenticated: the API key is missing, wrong or expired; HTTP 401.
	ErrUnauthenticated Code = "Unauthenticated"
	// ErrForbidden: the API key may not do this; HTTP 403.
	ErrForbidden Code = "IdentityForbidden"
	// ErrRateLimited: too many requests; HTTP 429.
	ErrRateLimited Code = "RateLimitExceeded"
	// ErrUnavailable: Stigg failed; HTTP 5xx.
	ErrUnavailable Code = "Unavailable"
	// ErrInvalidInput: the arguments are refused, by this package or by Stigg.
	ErrInvalidInput Code = "InvalidArgumentError"
	// ErrArchived: the customer, or what was named, is archived.
	ErrArchived Code = "EntityIsArchivedError"

	// ErrCustomerNotFound: no such customer, or an archived one.
	ErrCustomerNotFound Code = "CustomerNotFound"
	// ErrResourceNotFound: the customer has no such resource.
	ErrResourceNotFound Code = "CustomerResourceNotFound"
	// ErrFeatureNotFound: no such feature.
	ErrFeatureNotFound Code = "FeatureNotFound"
	// ErrPlanNotFound: no such plan.
	ErrPlanNotFound Code = "PlanNotFound"
	// ErrSubscriptionNotFound: no such subscription.
	ErrSubscriptionNotFound Code = "SubscriptionNotFound"
	// ErrNoActiveSubscription: the customer has no subscription, or none with the feature.
	ErrNoActiveSubscription Code = "NoActiveSubscriptionForCustomer"
	// ErrAddonNotFound, ErrCouponNotFound, ErrCurrencyNotFound, ErrCreditGrantNotFound,
	// ErrPromotionalEntitlementNotFound: no such thing.
	ErrAddonNotFound                  Code = "AddonNotFound"
	ErrCouponNotFound                 Code = "CouponNotFound"
	ErrCurrencyNotFound               Code = "CustomCurrencyNotFound"
	ErrCreditGrantNotFound            Code = "CreditGrantNotFound"
	ErrPromotionalEntitlementNotFound Code = "PromotionalEntitlementNotFoundError"
	// ErrDuplicate: there is one with that id already.
	ErrDuplicate Code = "DuplicatedEntityNotAllowed"
	// ErrLimitExceeded: the usage would exceed the limit.
	ErrLimitExceeded Code = "EntitlementLimitExceededError"

	// ErrCanceled: the caller's context ended. The error unwraps to the context's.
	ErrCanceled Code = "Canceled"
	// ErrTimeout: one attempt took longer than WithTimeout allows.
	ErrTimeout Code = "Timeout"
	// ErrNetwork: no connection, or one that broke.
	ErrNetwork Code = "NetworkError"
	// ErrBadResponse: the answer is not what Stigg's schema promises.
	ErrBadResponse Code = "BadResponse"
	// ErrUnknown: Stigg gave an error without a code.
	ErrUnknown Code = "Unknown"
)

// Error is the code itself.
func (c Code) Error() string { return "stigg: " + string(c) }

// canonical spells a code without case, underscores and a trailing Error.
func canonical(c Code) string {
	s := strings.ToLower(strings.ReplaceAll(string(c), "_", ""))
	if trimmed := strings.TrimSuffix(s, "error"); trimmed != "" {
		return trimmed
	}
	return s
}

func sameCode(a, b Code) bool { return canonical(a) == canonical(b) }

// family is the exported code that c belongs to, or "".
func family(c Code) Code {
	switch canonical(c) {
	case "unauthenticated", "unauthorized", "apikeynotfound", "apikeyexpired":
		return ErrUnauthenticated
	case "identityforbidden", "forbidden", "authcustomermismatch", "authcustomerreadonly", "authorizationservice",
		"requiredssoauthentication":
		return ErrForbidden
	case "ratelimitexceeded", "toomanyrequests", "ratelimited", "throttled":
		return ErrRateLimited
	case "unavailable", "serviceunavailable", "operationtimeout", "unexpected", "internalserver", "internal",
		"objectalreadybeingusedbyanotherrequest":
		return ErrUnavailable
	case "invalidargument", "baduserinput", "validation", "graphqlvalidationfailed", "graphqlparsefailed", "badrequest",
		"unsupportedparameter", "invalidmetadata", "missingentityid", "invalidquantity", "amounttoolarge":
		return ErrInvalidInput
	case "entityisarchived", "customerisarchived":
		return ErrArchived
	case "customernotfound":
		return ErrCustomerNotFound
	case "customerresourcenotfound", "resourcenotfound":
		return ErrResourceNotFound
	case "featurenotfound":
		return ErrFeatureNotFound
	case "plannotfound":
		return ErrPlanNotFound
	case "subscriptionnotfound":
		return ErrSubscriptionNotFound
	case "addonnotfound", "addonsnotfound":
		return ErrAddonNotFound
	}
	return ""
}

// statusCode is the exported code of an HTTP status, or "".
func statusCode(status int) Code {
	switch {
	case status == http.StatusUnauthorized:
		return ErrUnauthenticated
	case status == http.StatusForbidden:
		return ErrForbidden
	case status == http.StatusTooManyRequests:
		return ErrRateLimited
	case status >= 500:
		return ErrUnavailable
	}
	return ""
}

// refusal reports whether a GraphQL error with this code refuses the arguments as
// they are, for ever. A code that is not known here does not.
func refusal(c Code) bool {
	if ofDocument(c) {
		return false
	}
	switch family(c) {
	case ErrInvalidInput, ErrArchived, ErrCustomerNotFound, ErrResourceNotFound, ErrFeatureNotFound,
		ErrPlanNotFound, ErrSubscriptionNotFound, ErrAddonNotFound:
		return true
	}
	switch canonical(c) {
	case "couponnotfound", "promotioncodenotfound", "creditgrantnotfound", "promotionalentitlementnotfound", "productnotfound", "pricenotfound",
		"duplicatedentitynotallowed", "entitlementlimitexceeded", "customcurrencynotfound",
		"nofeatureentitlement", "nofeatureentitlementinsubscription", "noactivesubscriptionforcustomer",
		"cannotreportusageforentitlementwithmeter", "meteringnotavailableforfeaturetype", "unsupportedfeaturetype",
		"entitlementusageoutofrange", "usagemeasurementdiffoutofrange":
		return true
	}
	return false
}

// ofNamed reports whether a refusal with this code is about who or what was named, whatever
// was said of them: the same call with another value is refused as well.
func ofNamed(c Code) bool {
	switch family(c) {
	case ErrArchived, ErrCustomerNotFound, ErrResourceNotFound, ErrFeatureNotFound, ErrPlanNotFound, ErrSubscriptionNotFound:
		return true
	}
	switch canonical(c) {
	case "customcurrencynotfound", "nofeatureentitlement", "nofeatureentitlementinsubscription", "noactivesubscriptionforcustomer",
		"cannotreportusageforentitlementwithmeter", "meteringnotavailableforfeaturetype", "unsupportedfeaturetype":
		return true
	}
	return false
}

// ofDocument reports whether a code refuses the operation, which is this package's own,
// and says nothing of the arguments (Apollo Server, "Built-in error codes").
func ofDocument(c Code) bool {
	switch canonical(c) {
	case "graphqlvalidationfailed", "graphqlparsefailed":
		return true
	}
	return false
}

// passing reports whether a failure of this code is of a kind that passes.
func passing(c Code) bool {
	switch family(c) {
	case ErrRateLimited, ErrUnavailable:
		return true
	}
	return false
}
