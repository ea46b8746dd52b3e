package gate

import (
	"slices"

	"github.com/stiggate/gate/internal/ledger"
)

// This file is the decision table of Stigg's entitlements as pure functions; the
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

// mode is what a policy does with a feature.
type mode uint8

const (
	modeHas      mode = iota // granted; of a metered feature, 1 must be left
	modeIncluded             // granted, whatever is left
	modeAsks                 // an amount must be left
	modeUses                 // an amount must be left, is held and reported
	modeFrees                // an amount is given back
	modeValues               // values must be allowed
)

// ask is one question to the table.
type ask struct {
	mode   mode
	amount float64
	values []string

	dimensions map[string]any // of the event to report
}

// verdict is the table's answer.
type verdict struct {
	reason Reason // empty: granted
	never  bool   // would not fit an unused limit either
	over   bool   // granted past a soft limit
}

// lookup is rows 1 and 2.
func lookup(denied Reason, present bool) Reason {
	switch {
	case present:
		return ""
	case denied != "":
		return denied
	default:
		return ReasonNotInPlan
	}
}

// judge is rows 3 to 7. For a metered feature that passes them it reports metered:
// rows 8 to 10 need the ledger.
func (e *Entitlement) judge(q ask) (v verdict, metered bool) {
	if e.Denied != "" && e.Denied != ReasonLimitExceeded {
		return verdict{reason: e.Denied}, false
	}
	if !e.Kind.takes(q.mode) {
		return verdict{reason: ReasonFeatureMismatch}, false
	}
	switch e.Kind {
	case Boolean:
		return verdict{}, false
	case Enum:
		for _, value := range q.values {
			if !e.anyValue && !slices.Contains(e.Values, value) {
				return verdict{reason: ReasonValueNotAllowed}, false
			}
		}
		return verdict{}, false
	case Configuration:
		if q.mode == modeHas || q.mode == modeIncluded || e.Unlimited || ledger.Fits(q.amount, e.Limit) {
			return verdict{}, false
		}
		return verdict{reason: ReasonLimitExceeded, never: true}, false
	case Metered:
		return verdict{}, true
	default:
		if !e.Granted {
			return verdict{reason: ReasonUnknown}, false
		}
		return verdict{}, false
	}
}

// takes reports whether a policy of this mode fits a feature of this kind. Uses and
// Frees report, and Stigg takes reports for metered features only
// (MeteringNotAvailableForFeatureType).
func (k FeatureKind) takes(m mode) bool {
	switch m {
	case modeHas, modeIncluded:
		return true
	case modeAsks:
		return k == Metered || k == Configuration
	case modeUses, modeFrees:
		return k == Metered
	default:
		return k == Enum
	}
}

// room is rows 8 to 10, by the ledger's answer.
func room(a ledger.Answer, refusal Reason) verdict {
	switch a {
	case ledger.Granted:
		return verdict{}
	case ledger.GrantedOver:
		return verdict{over: true}
	case ledger.Pending:
		return verdict{reason: ReasonPending}
	}
	return verdict{reason: refusal, never: a == ledger.TooLarge && refusal == ReasonLimitExceeded}
}

// limit is what the feature's account is asked for.
func (e *Entitlement) limit() ledger.Limit {
	return ledger.Limit{Max: e.Limit, Unlimited: e.Unlimited, Soft: e.SoftLimit}
}

// limit is what the wallet's account is asked for.
func (c *Credit) limit() ledger.Limit { return ledger.Limit{Max: c.Limit, Soft: c.SoftLimit} }

// admits is what the wallet itself says before any amount is counted.
func (c *Credit) admits() Reason {
	if c.Denied != "" && c.Denied != ReasonLimitExceeded && c.Denied != ReasonInsufficientCredits {
		return c.Denied
	}
	return ""
}
