package gate

import (
	"math"
	"slices"
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
	modeHas    mode = iota // granted; of a metered feature, 1 must be left
	modeAsks               // an amount must be left
	modeUses               // an amount must be left, is held and reported
	modeFrees              // an amount is given back
	modeValues             // values must be allowed
)

// ask is one question to the table.
type ask struct {
	mode   mode
	amount float64
	values []string
	own    float64 // what the same request holds already

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
		if q.mode == modeHas || e.Unlimited || fits(q.amount, e.Limit) {
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
	case modeHas:
		return true
	case modeAsks:
		return k == Metered || k == Configuration
	case modeUses, modeFrees:
		return k == Metered
	default:
		return k == Enum
	}
}

// standing is what an account knows of one period.
type standing struct {
	used    float64 // Stigg's number
	held    float64 // admitted, still running
	unacked float64 // settled, not yet acknowledged
}

// room is rows 8 to 10.
func (e *Entitlement) room(s standing, q ask) verdict {
	if e.Unlimited || q.mode == modeFrees {
		return verdict{}
	}
	known := s.used + s.unacked
	switch {
	case fits(known+s.held+q.amount, e.Limit):
		return verdict{}
	case e.SoftLimit:
		return verdict{over: true}
	case !fits(q.amount, e.Limit):
		return verdict{reason: ReasonLimitExceeded, never: true}
	case fits(known+q.own+q.amount, e.Limit):
		return verdict{reason: ReasonPending}
	default:
		return verdict{reason: ReasonLimitExceeded}
	}
}

// admits is what the wallet itself says before any amount is counted.
func (c *Credit) admits() Reason {
	if c.Denied != "" && c.Denied != ReasonLimitExceeded && c.Denied != ReasonInsufficientCredits {
		return c.Denied
	}
	return ""
}

// room is the wallet's row: an amount of credits must be covered. own is what the same
// request holds already.
func (c *Credit) room(s standing, credits, own float64) verdict {
	known := s.used + s.unacked
	switch {
	case fits(known+s.held+credits, c.Limit):
		return verdict{}
	case c.SoftLimit:
		return verdict{over: true}
	case fits(known+own+credits, c.Limit):
		return verdict{reason: ReasonPending}
	default:
		return verdict{reason: ReasonInsufficientCredits}
	}
}

// fits compares as people count. Where a fraction takes part, 1e-9 of the larger
// number is forgiven, since 0.1 + 0.2 of 0.3 must fit (the Node SDK denies it), but
// never more than a thousandth, so that no large limit gains a unit. Anything that is
// not a number does not fit.
func fits(sum, limit float64) bool {
	if sum <= limit { // also where both are infinite
		return true
	}
	return sum-limit <= min(1e-3, 1e-9*max(math.Abs(sum), math.Abs(limit)))
}
