// Package rules is the decision table of Stigg's entitlements as pure functions; the
// first row that matches wins:
//
//	 1  the set carries a reason and the feature is absent    deny, that reason
//	 2  the feature is absent                                 deny, NoFeatureEntitlementInSubscription
//	 3  the feature carries a reason other than the limit's   deny, that reason
//	 -  the policy does not fit the feature's kind            deny, FeatureTypeMismatch
//	 4  Boolean                                               grant
//	 5  Enum, some value is not allowed                       deny, RequestedValuesMismatch
//	 6  Configuration, no amount                              grant
//	 7  Configuration, an amount                              grant iff it is at most the value
//	 8  Metered, unlimited or soft limit                      grant
//	 9  Metered, usage + amount <= limit                      grant
//	10  otherwise                                             deny, RequestedUsageExceedingLimit
//
// A feature that costs credits passes its own rows first, then its wallet's.
package rules

import (
	"strings"

	"github.com/stiggate/gate/internal/ledger"
)

// The reasons that the table gives by itself, as Stigg and package gate spell them.
const (
	BadRequest          = "gate:RequestNotUnderstood"
	FeatureMismatch     = "FeatureTypeMismatch"
	InsufficientCredits = "InsufficientCredits"
	LimitExceeded       = "RequestedUsageExceedingLimit"
	NotInPlan           = "NoFeatureEntitlementInSubscription"
	Pending             = "gate:ConcurrentUsagePending"
	Unavailable         = "gate:EntitlementsUnavailable"
	Unknown             = "Unknown"
	ValueNotAllowed     = "RequestedValuesMismatch"
)

// Mode is what a policy does with a feature.
type Mode uint8

// The modes.
const (
	Available Mode = iota // granted; of a metered feature, 1 must be left
	Has                   // granted, whatever is left
	Asks                  // an amount must be left
	Uses                  // an amount must be left, is held and reported
	Frees                 // an amount is given back
	Values                // values must be allowed
)

// String is the policy's method.
func (m Mode) String() string {
	return [...]string{"Available", "Has", "Asks", "Uses", "Frees", "Values"}[m]
}

// Reports says that usage is held and reported.
func (m Mode) Reports() bool { return m == Uses || m == Frees }

// Ask is one question to the table.
type Ask struct {
	Mode   Mode
	Amount float64
	Values []string
}

// Verdict is the table's answer.
type Verdict struct {
	Reason string // empty: granted
	Never  bool   // would not fit an unused limit either
	Over   bool   // granted past a soft limit
}

// Kind tells how a feature is decided. The values are those of gate.FeatureKind.
type Kind uint8

// The kinds.
const (
	KindUnknown Kind = iota
	Boolean
	Enum
	Configuration
	Metered
)

// String is the kind in Stigg's word for it.
func (k Kind) String() string {
	if k > Metered {
		k = KindUnknown
	}
	return [...]string{"unknown", "boolean", "enum", "configuration", "metered"}[k]
}

// Feature is what a customer has of a feature.
type Feature struct {
	Kind      Kind
	Denied    string // Stigg's reason against it
	Granted   bool   // Stigg's own verdict
	Limit     float64
	Unlimited bool
	Values    ValueList
	AnyValue  bool
}

// Lookup is rows 1 and 2.
func Lookup(denied string, present bool) string {
	switch {
	case present:
		return ""
	case denied != "":
		return denied
	default:
		return NotInPlan
	}
}

// Judge is rows 3 to 7. For a metered feature that passes them it reports metered:
// rows 8 to 10 need the ledger.
func (f *Feature) Judge(q Ask) (v Verdict, metered bool) {
	if f.Denied != "" && f.Denied != LimitExceeded {
		return Verdict{Reason: f.Denied}, false
	}
	if !f.Kind.Takes(q.Mode) {
		return Verdict{Reason: FeatureMismatch}, false
	}
	switch f.Kind {
	case Boolean:
		return Verdict{}, false
	case Enum:
		for _, value := range q.Values {
			if !f.AnyValue && !f.Values.Has(value) {
				return Verdict{Reason: ValueNotAllowed}, false
			}
		}
		return Verdict{}, false
	case Configuration:
		if q.Mode == Available || q.Mode == Has || f.Unlimited || ledger.Fits(q.Amount, f.Limit) {
			return Verdict{}, false
		}
		return Verdict{Reason: LimitExceeded, Never: true}, false
	case Metered:
		return Verdict{}, true
	default:
		if !f.Granted {
			return Verdict{Reason: Unknown}, false
		}
		return Verdict{}, false
	}
}

// Takes reports whether a policy of this mode fits a feature of this kind. Uses and
// Frees report, and Stigg takes reports for metered features only
// (MeteringNotAvailableForFeatureType).
func (k Kind) Takes(m Mode) bool {
	switch m {
	case Available, Has:
		return true
	case Asks:
		return k == Metered || k == Configuration
	case Uses, Frees:
		return k == Metered
	default:
		return k == Enum
	}
}

// Room is rows 8 to 10, by the ledger's answer.
func Room(a ledger.Answer, refusal string) Verdict {
	switch a {
	case ledger.Granted:
		return Verdict{}
	case ledger.GrantedOver:
		return Verdict{Over: true}
	case ledger.Pending, ledger.Wanting:
		return Verdict{Reason: Pending}
	case ledger.Unreachable:
		return Verdict{Reason: Unavailable}
	}
	return Verdict{Reason: refusal, Never: a == ledger.TooLarge && refusal == LimitExceeded}
}

// Wallet is what a wallet itself says, by Stigg's reason against it, before any amount is
// counted.
func Wallet(denied string) string {
	if denied == LimitExceeded || denied == InsufficientCredits {
		return ""
	}
	return denied
}

// ParseKind reads the two types that Stigg gives a feature, in whatever case.
func ParseKind(featureType, meterType string) Kind {
	switch strings.ToUpper(featureType) {
	case "BOOLEAN":
		return Boolean
	case "ENUM":
		return Enum
	case "NUMBER":
		switch strings.ToUpper(meterType) {
		case "", "NONE":
			return Configuration
		case "INCREMENTAL", "FLUCTUATING":
			return Metered
		}
	}
	return KindUnknown
}
