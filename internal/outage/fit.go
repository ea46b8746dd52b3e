package outage

import (
	"fmt"
	"maps"
	"slices"

	"github.com/stiggate/gate/internal/admission"
	"github.com/stiggate/gate/internal/ledger"
	"github.com/stiggate/gate/internal/rules"
)

// Unfit returns what is wrong with r as a policy's own rule, or with the fallback of the gate where that
// decides in its place, and of which feature; or twice "".
func (r Rule) Unfit(p *admission.Policy, general Rule) (feature, problem string) {
	if p.Kind == admission.Public || r.Fallback == nil && general.Fallback == nil {
		return "", ""
	}
	own := *p // so that p itself stays where it is
	return r.unfit(&own, general)
}

func (r Rule) unfit(p *admission.Policy, general Rule) (feature, problem string) {
	asked := r.Fallback == nil
	for _, id := range slices.Sorted(maps.Keys(r.Fallback)) {
		e := r.Fallback[id]
		p.Each(func(one *admission.Policy) {
			switch {
			case one.Item.ID != id || problem != "":
				return
			case one.Item.Currency:
				problem = "a fallback is of features; what an outage means for credits is said by OnOutage"
			default:
				if problem = e.misfit(one, "the policy's fallback"); problem == "" {
					problem = e.shortOf(one)
				}
			}
			asked = true
		})
		if problem != "" {
			return id, problem
		}
	}
	if !asked { // one that several policies share may name others beside
		return "", "the policy's fallback names nothing that the policy asks for"
	}
	if r.Answer != 0 {
		return "", ""
	}
	p.Each(func(one *admission.Policy) {
		_, own := r.Fallback[one.Item.ID]
		if e, said := general.Fallback[one.Item.ID]; said && !own && !one.Item.Currency && problem == "" {
			if problem = e.misfit(one, "the fallback of WithFallback"); problem != "" {
				feature = one.Item.ID
			}
		}
	})
	return feature, problem
}

// misfit is why a policy is refused by e in every outage, whatever it asks for: as one of another kind.
func (e *Entitlement) misfit(p *admission.Policy, whose string) string {
	if !e.HasAccess || e.feature().Kind.Takes(p.Mode) {
		return ""
	}
	needs := "usageLimit or isUnlimited"
	switch p.Mode {
	case rules.Asks:
		needs = "usageLimit, isUnlimited or value"
	case rules.Values:
		needs = "enumValues"
	}
	return fmt.Sprintf("%s can't decide %s: that needs %s", whose, p.Mode, needs)
}

// shortOf is why a policy that always asks for the same is refused by e in every outage.
func (e *Entitlement) shortOf(p *admission.Policy) string {
	f, ask := e.feature(), p.Amount
	switch {
	case !e.HasAccess:
		return ""
	case f.Kind == rules.Enum:
		for _, v := range p.Values {
			if !f.Values.Has(v) {
				return fmt.Sprintf("the enumValues of the policy's fallback lack %q, which the policy asks for", v)
			}
		}
		return ""
	case p.UpTo && (p.AmountOf != nil || ask > 1), p.Mode == rules.Available && f.Kind == rules.Metered:
		ask = 1
	case p.Mode == rules.Frees:
		ask = 0
	}
	if f.Kind == rules.Boolean || f.Unlimited || ledger.Fits(ask, f.Limit) {
		return ""
	}
	return fmt.Sprintf("the policy's fallback has %v of it, and the policy asks for %v", f.Limit, ask)
}
