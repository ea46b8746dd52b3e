package gate

import (
	"time"

	"github.com/stiggate/gate/internal/problem"
)

// DenialPage is what a denial's template is executed with (WithDenialTemplate): the
// members of the problem+json body as plain fields, so that the page says the same.
// It does not know the customer. What does not apply is empty.
type DenialPage struct {
	// Status is the HTTP status, such as 402.
	Status int
	// Type is the URI of the kind of problem, Title its name, Detail one sentence on
	// this occurrence.
	Type, Title, Detail string
	// Code is the reason in our spelling, such as usage_limit_exceeded, and Reason it is
	// in Stigg's; empty where Stigg has no word for it.
	Code, Reason string
	// Instance names this one denial, for support.
	Instance string

	// FeatureID and FeatureName tell what was refused; empty if it was no feature.
	FeatureID, FeatureName string
	// Requested, Used and Limit are amounts of it in decimals ("1000000", "0.5").
	Requested, Used, Limit string
	// Meter says that Used and Limit are both there and Limit is above 0, as the meter
	// element asks.
	Meter bool
	// ResetsAt is the end of the usage period, in UTC; zero without one.
	ResetsAt time.Time
	// RetryAfter is in how many seconds asking again may help; 0 if that is not known.
	RetryAfter int
	// UpgradeURL is where another plan can be had; empty unless that is the remedy
	// and WithUpgradeLink gave one.
	UpgradeURL string
}

// samplePages are tried with a template: a denial that has everything, and one that has next
// to nothing.
var samplePages = []any{DenialPage{
	Status: 402, Type: DefaultProblemBase + "usage_limit_exceeded", Title: "Plan limit reached",
	Detail: "This request needs 3 of Templates; 3 of 5 are used.",
	Code:   "usage_limit_exceeded", Reason: string(ReasonLimitExceeded), Instance: "urn:uuid:00000000-0000-4000-8000-000000000000",
	FeatureID: "feature-01-templates", FeatureName: "Templates", Requested: "3", Used: "3", Limit: "5", Meter: true,
	ResetsAt: time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC), RetryAfter: 1, UpgradeURL: "https://example.com/upgrade",
}, DenialPage{Status: 401, Title: "No customer", Code: "customer_unresolved"}}

// denialPage is the problem for people.
func denialPage(p *problem.Problem, retryAfter int) DenialPage {
	v := DenialPage{
		Status: p.Status, Type: p.Type, Title: p.Title, Detail: p.Detail, Code: p.Code, Instance: p.Instance,
		Reason: p.AccessDeniedReason, RetryAfter: retryAfter,
	}
	if p.Feature != nil {
		v.FeatureID, v.FeatureName = p.Feature.ID, p.Feature.DisplayName
	}
	for _, amount := range []struct {
		from *float64
		to   *string
	}{{p.RequestedUsage, &v.Requested}, {p.CurrentUsage, &v.Used}, {p.UsageLimit, &v.Limit}} {
		if amount.from != nil {
			*amount.to = number(*amount.from)
		}
	}
	v.Meter = p.CurrentUsage != nil && p.UsageLimit != nil && *p.UsageLimit > 0
	if p.ResetsAt != nil {
		v.ResetsAt = *p.ResetsAt
	}
	if p.Upgrade != nil {
		v.UpgradeURL = p.Upgrade.URL
	}
	return v
}
