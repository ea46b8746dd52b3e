package problem

import (
	"math"
	"time"
)

// View is a Problem as a template takes it. Package gate documents its fields (DenialPage).
type View struct {
	Status                 int
	Type, Title, Detail    string
	Code, Reason           string
	Instance               string
	FeatureID, FeatureName string
	Units                  string
	Requested, Used, Limit string
	Meter                  bool
	ResetsAt               time.Time
	RetryAfter             int
	AllowedValues          []string
	UpgradeURL             string
}

// samples are what a template is tried with: a denial that has everything, and one that has
// next to nothing.
func samples() (full, bare View) {
	full = View{
		Status: 402, Type: "https://example.com/problems#usage_limit_exceeded", Title: "Plan limit reached",
		Detail: "This request needs 3 templates; 2 of 5 are left this month.",
		Code:   "usage_limit_exceeded", Reason: "RequestedUsageExceedingLimit", Instance: "urn:uuid:00000000-0000-4000-8000-000000000000",
		FeatureID: "feature-01-templates", FeatureName: "Templates", Units: "templates", Requested: "3", Used: "3", Limit: "5", Meter: true,
		ResetsAt: time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC), RetryAfter: 1, UpgradeURL: "https://example.com/upgrade",
	}
	return full, View{Status: 401, Title: "No customer", Code: "customer_unresolved"}
}

// view is the answer for people.
func (a *answer) view() View {
	p := &a.Problem
	v := View{
		Status: p.Status, Type: p.Type, Title: p.Title, Detail: p.Detail, Code: p.Code, Instance: p.Instance, AllowedValues: p.AllowedValues,
		Reason: p.AccessDeniedReason, RetryAfter: a.retryAfter,
	}
	if p.Feature != nil {
		v.FeatureID, v.FeatureName, v.Units = p.Feature.ID, p.Feature.DisplayName, p.Feature.Units
	}
	for _, amount := range []struct {
		from  *float64
		round func(float64) float64
		to    *string
	}{{p.RequestedUsage, math.Ceil, &v.Requested}, {p.CurrentUsage, math.Floor, &v.Used}, {p.UsageLimit, math.Floor, &v.Limit}} {
		if amount.from != nil {
			*amount.to = number(rounded(*amount.from, amount.round))
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
