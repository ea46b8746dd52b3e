package client

import (
	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client/gql"
)

// The members of EntitlementUnion that this version knows.
const (
	featureTypename = "FeatureEntitlement"
	creditTypename  = "CreditEntitlement"
)

type stateMember = gql.GetEntitlementsState_EntitlementsState_EntitlementsV2

// setOf takes from Stigg's answer what can be understood.
func setOf(state *gql.GetEntitlementsState_EntitlementsState) gate.EntitlementSet {
	set := gate.EntitlementSet{
		Features: make([]gate.Entitlement, 0, len(state.EntitlementsV2)),
		Denied:   gate.Reason(value(state.AccessDeniedReason)),
	}
	for _, m := range state.EntitlementsV2 {
		if m == nil {
			continue
		}
		switch value(m.Typename) {
		case featureTypename:
			if e := featureEntitlement(m); e.FeatureID != "" {
				set.Features = append(set.Features, e)
			}
		case creditTypename:
			if m.Currency.CurrencyID != "" {
				set.Credits = append(set.Credits, creditOf(m))
			}
		}
	}
	return set
}

func featureEntitlement(f *stateMember) gate.Entitlement {
	e := gate.Entitlement{
		Granted:     f.IsGranted,
		Denied:      gate.Reason(value(f.AccessDeniedReason)),
		Limit:       value(f.UsageLimit),
		Unlimited:   f.HasUnlimitedUsage,
		SoftLimit:   value(f.HasSoftLimit),
		Usage:       value(f.CurrentUsage),
		Values:      f.EnumValues,
		Reset:       gate.ResetPeriod(value(f.ResetPeriod)),
		Anchor:      f.UsagePeriodAnchor.Value(),
		PeriodStart: f.UsagePeriodStart.Value(),
		PeriodEnd:   f.UsagePeriodEnd.Value(),
		ValidUntil:  f.ValidUntil.Value(),
	}
	if f.Feature != nil {
		e.FeatureID = f.Feature.RefID
		e.DisplayName = f.Feature.DisplayName
		e.Unit, e.Units = value(f.Feature.FeatureUnits), value(f.Feature.FeatureUnitsPlural)
		e.Kind = gate.ParseFeatureKind(f.Feature.FeatureType, value(f.Feature.MeterType))
	}
	if rate := f.CreditRate; rate != nil {
		e.CreditRate = &gate.CreditRate{
			CurrencyID: rate.CurrencyID,
			Amount:     rate.Amount,
			Formula:    value(rate.CostFormula) != "",
		}
	}
	return e
}

func creditOf(m *stateMember) gate.Credit {
	return gate.Credit{
		CurrencyID:  m.Currency.CurrencyID,
		DisplayName: m.Currency.DisplayName,
		Granted:     m.IsGranted,
		Denied:      gate.Reason(value(m.AccessDeniedReason)),
		Limit:       value(m.UsageLimit),
		Usage:       value(m.CurrentUsage),
		SoftLimit:   value(m.HasSoftLimit),
		PeriodEnd:   m.UsagePeriodEnd.Value(),
		ValidUntil:  m.ValidUntil.Value(),
	}
}
