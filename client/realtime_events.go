package client

import (
	"encoding/json"
	"math"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client/gql"
	"github.com/stiggate/gate/client/internal/wire"
)

// form is one event of Stigg's as it is subscribed to. pass hands its payload, the value
// of the root field, to a sink; false means that it names nobody and was not passed on.
type form struct {
	name     string
	field    string
	document string
	pass     func(sink gate.Sink, payload json.RawMessage) bool
}

// The forms of each event, the newest first.
var (
	entitlementForms = []form{
		{"OnEntitlementsUpdatedV2", "entitlementsUpdatedV2", gql.OnEntitlementsUpdatedV2Document, passEntitlements},
		{"OnEntitlementsUpdated", "entitlementsUpdated", gql.OnEntitlementsUpdatedDocument, passStale},
	}
	usageForms = []form{
		{"OnUsageUpdatedV2", "usageUpdatedV2", gql.OnUsageUpdatedV2Document, passUsage},
		{"OnUsageUpdated", "usageUpdated", gql.OnUsageUpdatedDocument, passOlderUsage},
	}
	packageForms = []form{{"OnPackagePublished", "packagePublished", gql.OnPackagePublishedDocument, passPackage}}
	creditForms  = []form{{"OnCreditBalanceUpdated", "creditBalanceUpdated", gql.OnCreditBalanceUpdatedDocument, passCredit}}
)

// whose is the customer that an event is about, and the sink to tell of it: one that is told of all
// that is the customer's where it is in doubt whose resource's news it is.
func whose(sink gate.Sink, payload json.RawMessage) (gate.Sink, gate.Customer, bool) {
	var e struct {
		CustomerID string          `json:"customerId"`
		ResourceID json.RawMessage `json:"resourceId"`
	}
	if json.Unmarshal(payload, &e) != nil {
		return sink, gate.Customer{}, false
	}
	who := gate.Customer{ID: e.CustomerID}
	var resource *string
	if len(e.ResourceID) > 0 && json.Unmarshal(e.ResourceID, &resource) != nil {
		sink = doubtful{sink}
	}
	if of := (gate.Customer{ID: e.CustomerID, Resource: value(resource)}); of.Validate() == nil {
		return sink, of, true
	}
	return doubtful{sink}, who, who.Validate() == nil
}

// doubtful is a sink of news that are not believed: what is cached of whom they are about is read
// again.
type doubtful struct{ gate.Sink }

func (d doubtful) Replace(who gate.Customer, _ gate.EntitlementSet) { d.Invalidate(who) }
func (d doubtful) Patch(who gate.Customer, _ gate.Patch)            { d.Invalidate(who) }

func passStale(sink gate.Sink, payload json.RawMessage) bool {
	sink, who, ok := whose(sink, payload)
	if ok {
		sink.Invalidate(who)
	}
	return ok
}

// passEntitlements replaces a customer's set. An empty one without a reason is how Stigg
// says that it knows no more.
func passEntitlements(sink gate.Sink, payload json.RawMessage) bool {
	sink, who, ok := whose(sink, payload)
	if !ok {
		return false
	}
	var e struct {
		AccessDeniedReason *string        `json:"accessDeniedReason"`
		Entitlements       []*stateMember `json:"entitlements"`
	}
	if json.Unmarshal(payload, &e) != nil || len(e.Entitlements) == 0 && value(e.AccessDeniedReason) == "" {
		sink.Invalidate(who)
		return true
	}
	set := setOf(&gql.GetEntitlementsState_EntitlementsState{
		AccessDeniedReason: e.AccessDeniedReason,
		EntitlementsV2:     e.Entitlements,
	})
	if set.Credits == nil {
		set.Credits = []gate.Credit{} // this event tells of all wallets
	}
	sink.Replace(who, set)
	return true
}

func passUsage(sink gate.Sink, payload json.RawMessage) bool {
	sink, who, ok := whose(sink, payload)
	if !ok {
		return false
	}
	var e struct {
		Of struct {
			ID   string `json:"id"`
			Type string `json:"type"`
		} `json:"entitlementReference"`
		Usage *struct {
			CurrentUsage     *float64   `json:"currentUsage"`
			UsageUpdatedAt   *wire.Time `json:"usageUpdatedAt"`
			UsagePeriodStart *wire.Time `json:"usagePeriodStart"`
			UsagePeriodEnd   *wire.Time `json:"usagePeriodEnd"`
		} `json:"usage"`
	}
	if json.Unmarshal(payload, &e) != nil || e.Usage == nil || e.Usage.CurrentUsage == nil || checkFeatureID(e.Of.ID) != nil {
		sink.Invalidate(who)
		return true
	}
	p := gate.Patch{
		Usage:       *e.Usage.CurrentUsage,
		PeriodStart: e.Usage.UsagePeriodStart.Value(),
		PeriodEnd:   e.Usage.UsagePeriodEnd.Value(),
		At:          e.Usage.UsageUpdatedAt.Value(),
	}
	switch e.Of.Type {
	case "FEATURE":
		p.FeatureID = e.Of.ID
	case "CREDIT":
		p.Currency = e.Of.ID
	default:
		sink.Invalidate(who)
		return true
	}
	sink.Patch(who, p)
	return true
}

func passOlderUsage(sink gate.Sink, payload json.RawMessage) bool {
	var outer struct {
		Usage       json.RawMessage `json:"usage"`
		Entitlement json.RawMessage `json:"entitlement"`
	}
	if json.Unmarshal(payload, &outer) != nil {
		return false
	}
	sink, who, ok := whose(sink, outer.Usage)
	if !ok {
		return false
	}
	var e struct {
		FeatureID        string     `json:"featureId"`
		CurrentUsage     *float64   `json:"currentUsage"`
		UsagePeriodStart *wire.Time `json:"usagePeriodStart"`
		UsagePeriodEnd   *wire.Time `json:"usagePeriodEnd"`
	}
	if json.Unmarshal(outer.Usage, &e) != nil || e.CurrentUsage == nil || checkFeatureID(e.FeatureID) != nil {
		sink.Invalidate(who)
		return true
	}
	var of struct {
		UsageUpdatedAt *wire.Time `json:"usageUpdatedAt"`
	}
	_ = json.Unmarshal(outer.Entitlement, &of) // without it the count is as new as its arrival
	sink.Patch(who, gate.Patch{
		FeatureID:   e.FeatureID,
		Usage:       *e.CurrentUsage,
		PeriodStart: e.UsagePeriodStart.Value(),
		PeriodEnd:   e.UsagePeriodEnd.Value(),
		At:          of.UsageUpdatedAt.Value(),
	})
	return true
}

// passPackage: a plan or an add-on was published. For NEW_CUSTOMERS nothing changes for
// those there are; for whom can't be understood may be all.
func passPackage(sink gate.Sink, payload json.RawMessage) bool {
	var p PackagePublished
	odd := json.Unmarshal(payload, &p) != nil && len(payload) > 0
	if l, listens := sink.(*listener); listens && p.ID != "" && p.Migration != "" {
		l.published(p)
	}
	switch _, doubted := sink.(doubtful); {
	case odd, doubted:
	case p.ID == "" && p.Migration == "":
		return false
	case p.Migration == "NEW_CUSTOMERS":
		return p.ID != ""
	}
	sink.InvalidateAll()
	return true
}

// passCredit: a wallet's sums. Where the balance is not their difference, the set has
// other sums and must be read.
func passCredit(sink gate.Sink, payload json.RawMessage) bool {
	sink, who, ok := whose(sink, payload)
	if !ok {
		return false
	}
	var e struct {
		CurrencyID     string   `json:"currencyId"`
		CurrentBalance *float64 `json:"currentBalance"`
		TotalConsumed  *float64 `json:"totalConsumed"`
		TotalGranted   *float64 `json:"totalGranted"`

		Currency   CurrencyInfo `json:"currency"`
		ValidUntil *wire.Time   `json:"validUntil"`
	}
	unread := json.Unmarshal(payload, &e) != nil || e.CurrentBalance == nil || e.TotalConsumed == nil || e.TotalGranted == nil || checkFeatureID(e.CurrencyID) != nil
	l, listens := sink.(*listener)
	switch {
	case !unread && listens:
		l.credit(CreditBalance{who, e.Currency, *e.CurrentBalance, *e.TotalConsumed, *e.TotalGranted, e.ValidUntil.Value()})
	case unread || math.Abs(*e.TotalGranted-*e.TotalConsumed-*e.CurrentBalance) > 1e-9*max(1, math.Abs(*e.TotalGranted)):
		sink.Invalidate(who)
	default:
		sink.Patch(who, gate.Patch{Currency: e.CurrencyID, Usage: *e.TotalConsumed, Limit: *e.TotalGranted, HasLimit: true})
	}
	return true
}
