package rpc

import (
	"strings"
	"time"

	"github.com/stiggate/gate"
)

// Domain is the domain of a denial's ErrorInfo.
const Domain = "github.com/stiggate/gate"

// Denial is a refusal as the error details of google.rpc have it.
type Denial struct {
	Code Code
	// Message is one sentence for people.
	Message string
	// Reason is ErrorInfo's: the denial's code in upper case, such as USAGE_LIMIT_EXCEEDED.
	Reason string
	// Metadata is ErrorInfo's: instance, and as far as they apply feature, requested, usage,
	// limit, resetsAt (RFC 3339) and accessDeniedReason.
	Metadata map[string]string
	// Subject is QuotaFailure's, "feature:" and the id; empty unless a limit was met.
	Subject string
	// RetryAfter is RetryInfo's; 0 if it is not known when asking again may help.
	RetryAfter time.Duration
	// UpgradeURL is Help's; empty unless another plan is the remedy.
	UpgradeURL string
}

// UpgradeText describes the link of Help.
const UpgradeText = "Upgrade the plan"

func denialOf(g *gate.Gate, d gate.Decision) *Denial {
	told := g.Describe(d)
	to := &Denial{
		Code: codeOf(d.Reason), Message: told.Detail, Reason: strings.ToUpper(told.Code),
		Metadata: map[string]string{"instance": told.Instance}, RetryAfter: d.RetryAfter, UpgradeURL: told.UpgradeURL,
	}
	if to.Code == Canceled {
		to.RetryAfter = 0
	}
	for key, value := range map[string]string{
		"feature": told.FeatureID, "requested": told.Requested, "usage": told.Used, "limit": told.Limit, "accessDeniedReason": told.Reason,
	} {
		if value != "" {
			to.Metadata[key] = value
		}
	}
	if !told.ResetsAt.IsZero() {
		to.Metadata["resetsAt"] = told.ResetsAt.Format(time.RFC3339)
	}
	if to.Code == ResourceExhausted && told.FeatureID != "" {
		to.Subject = "feature:" + told.FeatureID
	}
	return to
}
