package emulator

import "fmt"

// Code is the machine-readable kind of an [Error]: one of Stigg's error codes,
// sent as extensions.code of a GraphQL error.
type Code string

// The codes of the errors that the emulator answers.
const (
	CodeAddonNotFound            Code = "AddonNotFound"
	CodeAmountTooLarge           Code = "AmountTooLarge"
	CodeBadUserInput             Code = "BadUserInput"
	CodeBillingPeriodMissing     Code = "BillingPeriodMissingError"
	CodeCurrencyNotFound         Code = "CustomCurrencyNotFound"
	CodeCustomerNotFound         Code = "CustomerNotFound"
	CodeDuplicatedEntity         Code = "DuplicatedEntityNotAllowed"
	CodeEntityIsArchived         Code = "EntityIsArchivedError"
	CodeExpireBeforeEffective    Code = "ExpireAtMustBeLaterThanEffectiveAtError"
	CodeFeatureHasMeter          Code = "CannotReportUsageForEntitlementWithMeterError"
	CodeFeatureNotFound          Code = "FeatureNotFound"
	CodeGrantAlreadyVoided       Code = "CreditGrantAlreadyVoided"
	CodeGrantCannotBeVoided      Code = "CreditGrantCannotBeVoided"
	CodeGrantNotFound            Code = "CreditGrantNotFound"
	CodeIncompatibleAddon        Code = "IncompatibleSubscriptionAddon"
	CodeInvalidCancellationDate  Code = "InvalidCancellationDate"
	CodeInvalidQuantity          Code = "InvalidQuantity"
	CodeMeteringNotAvailable     Code = "MeteringNotAvailableForFeatureType"
	CodePlanNotFound             Code = "PlanNotFound"
	CodeProductNotFound          Code = "ProductNotFoundError"
	CodePromotionNotFound        Code = "PromotionalEntitlementNotFoundError"
	CodeResourceNotFound         Code = "CustomerResourceNotFound"
	CodeSubscriptionEnded        Code = "SubscriptionAlreadyCanceledOrExpired"
	CodeSubscriptionNotFound     Code = "SubscriptionNotFound"
	CodeTrialCancelledAtOnceOnly Code = "TrialMustBeCancelledImmediately"
	CodeUnauthenticated          Code = "Unauthenticated"
	CodeUnexpected               Code = "UnexpectedError"
	CodeUnsupported              Code = "UnsupportedParameter"
	CodeAddonDependency          Code = "AddonDependencyMissingError"
	CodeCouponNotFound           Code = "CouponNotFound"
	CodeCouponArchived           Code = "ArchivedCouponCantBeApplied"
	CodeMaxRedemptions           Code = "PromotionCodeMaxRedemptionsReached"
	CodePromotionCodeNotFound    Code = "PromotionCodeNotFound"
	CodeNoActiveSubscription     Code = "NoActiveSubscriptionForCustomer"
	CodePriceNotFound            Code = "PriceNotFound"
	CodeAlreadyLatest            Code = "SubscriptionAlreadyOnLatestPlanError"
	CodeFutureUpdateNotFound     Code = "FutureUpdateNotFound"
	CodeFeatureGroupNotFound     Code = "FeatureGroupNotFoundError"
	CodePaymentMethodNotFound    Code = "PaymentMethodNotFoundError"
	CodeIdentityForbidden        Code = "IdentityForbidden"
	CodeFeatureNotInGroup        Code = "FeatureNotBelongToFeatureGroupError"
	CodeGroupMissingFeatures     Code = "FeatureGroupMissingFeaturesError"
	CodeInvalidStatus            Code = "InvalidSubscriptionStatus"
	CodeTooManySubscriptions     Code = "TooManySubscriptionsPerCustomer"
	CodeIDsDiffer                Code = "EntityIdDifferentFromRefIdError"
	CodeUsageOutOfRange          Code = "UsageMeasurementDiffOutOfRangeError"
)

// Error is a refusal of the emulated service: what Stigg calls a domain error.
// Over GraphQL it is answered with HTTP status 200.
type Error struct {
	Code    Code
	Message string
}

// Error gives the message with its code.
func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Code, e.Message) }

func refuse(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// ofInput says whether a code is about the form of an input, whatever the state.
func (c Code) ofInput() bool {
	switch c {
	case CodeBadUserInput, codeUserInput, codeParseFailed, codeValidationFailed, codeBadRequest, codeOperation, CodeInvalidQuantity,
		CodeUnsupported, CodeInvalidCancellationDate, CodeExpireBeforeEffective, CodeAmountTooLarge, CodeBillingPeriodMissing,
		CodeUsageOutOfRange:
		return true
	}
	return false
}
