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

// Types whose events are about one customer, and about all of them, by their beginning.
var (
	ofOne = []string{"customer", "subscription", "trial", "promotionalentitlement", "credit", "automaticrecharge", "entitlement", "entityentitlement"}
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
	case kind == "entitlementsupdated" && someone:
		h.tellSet(e, p)
		return
	case kind == "measurementreported" && someone:
		h.tellUsage(e, p)
	case beginsWith(kind, ofOne) && someone:
		h.sink.Invalidate(gate.Customer{ID: e.Customer.ID})
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
	apply := func() { h.sink.Invalidate(e.Customer) }
	if whole && !h.alwaysRead && age <= freshFor && age >= -freshFor {
		apply = func() { h.sink.Replace(e.Customer, set) }
	}
	if p.UpdatedAt.IsZero() || age < -freshFor { // nothing would be newer than a time to come
		apply()
	} else if !h.newest.apply(e.Customer, p.UpdatedAt.Time, apply) {
		h.counts.older.Add(1)
		return
	}
	h.counts.applied.Add(1)
}

func (h *Handler) tellUsage(e Event, p *payload) {
	feature := string(p.Feature.ID)
	if !p.CurrentUsage.Known || !isFeature(feature) {
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
	Unlimited     bool            `json:"hasUnlimitedUsage"`
	SoftLimit     bool            `json:"hasSoftLimit"`
	CurrentUsage  number          `json:"currentUsage"`
	PeriodAnchor  instant         `json:"usagePeriodAnchor"`
	PeriodStart   instant         `json:"usagePeriodStart"`
	PeriodEnd     instant         `json:"usagePeriodEnd"`
	ResetPeriod   text            `json:"resetPeriod"`
	EnumValues    []string        `json:"enumValues"`
	CreditBalance json.RawMessage `json:"creditBalance"`
}

// setOf is false for what can't stand for the customer's set: an empty one says not why
// it is, and a member that is paid in credits says not how much it costs.
func setOf(list json.RawMessage) (gate.EntitlementSet, bool) {
	var members []entitlement
	if json.Unmarshal(list, &members) != nil || len(members) == 0 {
		return gate.EntitlementSet{}, false
	}
	set := gate.EntitlementSet{Features: make([]gate.Entitlement, 0, len(members))}
	for i := range members {
		m := &members[i]
		kind := gate.ParseFeatureKind(string(m.Feature.FeatureType), string(m.Feature.MeterType))
		paid := len(m.CreditBalance) > 0 && string(m.CreditBalance) != "null"
		if kind == gate.KindUnknown || paid || !isFeature(string(m.Feature.ID)) {
			return gate.EntitlementSet{}, false
		}
		set.Features = append(set.Features, gate.Entitlement{
			FeatureID:   string(m.Feature.ID),
			DisplayName: string(m.Feature.Name),
			Kind:        kind,
			Granted:     kind != gate.Metered || m.Unlimited || m.SoftLimit || m.CurrentUsage.Value <= m.UsageLimit.Value,
			Limit:       m.UsageLimit.Value,
			Unlimited:   m.Unlimited,
			SoftLimit:   m.SoftLimit,
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
