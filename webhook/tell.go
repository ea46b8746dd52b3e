package webhook

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/stiggate/gate"
)

// freshFor is how old, or by how much ahead of our clock, a set may be and still be taken
// for what the customer has. An older one may have been overtaken by news from elsewhere,
// so it only says that something changed.
const freshFor = 5 * time.Second

// Types whose events are about one customer, and about all of them, by their beginning. One
// that names a resource is about that resource alone, unless it is about the customer itself.
var (
	ofOne = []string{"subscription", "trial", "promotionalentitlement", "credit", "automaticrecharge", "entitlement", "entityentitlement"}
	ofAll = []string{"plan", "addon", "feature", "package"}
)

func beginsWith(kind string, any []string) bool {
	for _, prefix := range any {
		if strings.HasPrefix(kind, prefix) {
			return true
		}
	}
	return false
}

// tell tells the sink what an event means.
func (h *Handler) tell(e Event, p *payload) {
	kind := plain(e.Type)
	someone := e.Customer.ID != ""
	switch {
	case someone && (p.Resource.Bad || p.ResourceID.Bad || p.ResourceID2.Bad): // of one that can't be told
		h.sink.Invalidate(gate.Customer{ID: e.Customer.ID})
	case kind == "entitlementsupdated" && someone:
		h.tellSet(e, p)
		return
	case kind == "measurementreported" && someone:
		h.tellUsage(e, p)
	case strings.HasPrefix(kind, "customer") && someone:
		h.sink.Invalidate(gate.Customer{ID: e.Customer.ID})
	case beginsWith(kind, ofOne) && someone:
		h.sink.Invalidate(e.Customer)
	case beginsWith(kind, ofAll):
		h.sink.InvalidateAll()
	default:
		h.counts.ignored.Add(1)
		return
	}
	h.counts.applied.Add(1)
}

func (h *Handler) tellSet(e Event, p *payload) {
	set, whole := setOf(p.Entitlements)
	age := h.now().Sub(p.UpdatedAt.Time)
	whole = whole && !h.alwaysRead && age <= freshFor && age >= -freshFor
	apply := func(newerUsage bool) {
		if whole && !newerUsage {
			set.Age = max(0, age)
			h.sink.Replace(e.Customer, set)
		} else {
			h.sink.Invalidate(e.Customer)
		}
	}
	if p.UpdatedAt.IsZero() || age < -freshFor { // nothing would be newer than a time to come
		apply(false)
	} else if !h.newest.apply(e.Customer, p.UpdatedAt.Time, apply) {
		h.counts.older.Add(1)
		return
	}
	h.counts.applied.Add(1)
}

func (h *Handler) tellUsage(e Event, p *payload) {
	now, at := h.now(), e.Time
	if at.IsZero() || at.After(now.Add(freshFor)) {
		at = now
	}
	h.newest.usage(e.Customer, at)
	feature := string(p.Feature.ID)
	if e.Time.IsZero() || !p.CurrentUsage.Known || p.PeriodStart.Bad || p.PeriodEnd.Bad || p.Timestamp.Bad || !isFeature(feature) {
		h.sink.Invalidate(e.Customer)
		return
	}
	h.sink.Patch(e.Customer, gate.Patch{
		FeatureID:   feature,
		Usage:       p.CurrentUsage.Value,
		PeriodStart: p.PeriodStart.Time,
		PeriodEnd:   p.PeriodEnd.Time,
		At:          e.Time,
	})
}

// isFeature holds an id to the pattern of features, which is that of resources.
func isFeature(id string) bool {
	return id != "" && (gate.Customer{ID: "any", Resource: id}).Validate() == nil
}

// entitlement is a member of a set in a webhook: unlike in Stigg's API it has no verdict,
// no reason, no price in credits and no validUntil.
type entitlement struct {
	Feature       thing           `json:"feature"`
	UsageLimit    number          `json:"usageLimit"`
	Unlimited     flag            `json:"hasUnlimitedUsage"`
	SoftLimit     flag            `json:"hasSoftLimit"`
	CurrentUsage  number          `json:"currentUsage"`
	PeriodAnchor  instant         `json:"usagePeriodAnchor"`
	PeriodStart   instant         `json:"usagePeriodStart"`
	PeriodEnd     instant         `json:"usagePeriodEnd"`
	ResetPeriod   text            `json:"resetPeriod"`
	EnumValues    []string        `json:"enumValues"`
	CreditBalance json.RawMessage `json:"creditBalance"`
}

// readable reports whether nothing of a member is guessed that may grant more than Stigg
// does: what can't be read, or is missing and needed.
func (m *entitlement) readable(kind gate.FeatureKind) bool {
	switch {
	case kind == gate.KindUnknown || !isFeature(string(m.Feature.ID)):
		return false
	case m.UsageLimit.Bad || m.CurrentUsage.Bad || m.Unlimited.Bad || m.SoftLimit.Bad || m.PeriodAnchor.Bad || m.PeriodStart.Bad || m.PeriodEnd.Bad:
		return false
	case kind == gate.Metered && !m.CurrentUsage.Known:
		return false
	case kind == gate.Metered || kind == gate.Configuration:
		return m.UsageLimit.Known || m.UsageLimit.Null || m.Unlimited.Set // null is Stigg's 0
	}
	return true
}

// setOf is false for what can't stand for the customer's set, which must be read then: an
// empty one says not why it is, a member that is paid in credits says not how much it costs,
// and one that can't be read must not grant more than it does.
func setOf(list json.RawMessage) (gate.EntitlementSet, bool) {
	var members []entitlement
	if json.Unmarshal(list, &members) != nil || len(members) == 0 {
		return gate.EntitlementSet{}, false
	}
	set := gate.EntitlementSet{Features: make([]gate.Entitlement, 0, len(members))}
	seen := make(map[text]bool, len(members))
	for i := range members {
		m := &members[i]
		kind := gate.ParseFeatureKind(string(m.Feature.FeatureType), string(m.Feature.MeterType))
		paid := len(m.CreditBalance) > 0 && string(m.CreditBalance) != "null"
		if paid || seen[m.Feature.ID] || !m.readable(kind) {
			return gate.EntitlementSet{}, false
		}
		seen[m.Feature.ID] = true
		set.Features = append(set.Features, gate.Entitlement{
			FeatureID:   string(m.Feature.ID),
			DisplayName: string(m.Feature.Name),
			Kind:        kind,
			Granted:     kind != gate.Metered || m.Unlimited.Set || m.SoftLimit.Set || m.CurrentUsage.Value <= m.UsageLimit.Value,
			Limit:       m.UsageLimit.Value,
			Unlimited:   m.Unlimited.Set,
			SoftLimit:   m.SoftLimit.Set,
			Usage:       m.CurrentUsage.Value,
			Values:      m.EnumValues,
			Reset:       gate.ResetPeriod(strings.ToUpper(string(m.ResetPeriod))),
			Anchor:      m.PeriodAnchor.Time,
			PeriodStart: m.PeriodStart.Time,
			PeriodEnd:   m.PeriodEnd.Time,
		})
	}
	return set, true
}
