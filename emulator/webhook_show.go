package emulator

import (
	"strings"
	"time"
)

// hookCustomer and the others below show things as the flat bodies of webhooks do:
// by their public ids, times as ISO 8601 and absent ones null.
func hookCustomer(c *customer) obj {
	return obj{
		"id": c.id, "name": c.name, "email": c.email, "metadata": metadata(c.metadata),
		"createdAt": moment(c.createdAt), "updatedAt": moment(c.updatedAt),
	}
}

func (v view) hookSubscription(s *subscription) obj {
	return obj{
		"id": s.id, "subscriptionId": s.id, "status": s.status(v.now), "billingPeriod": s.billingPeriod,
		"startDate": moment(s.start), "endDate": moment(s.end), "effectiveEndDate": moment(s.stops()),
		"trialEndDate": moment(s.trialEnd), "cancellationDate": moment(s.cancelledAt), "cancelReason": text(s.cancelReason),
		"plan": obj{"id": s.plan.ID, "displayName": s.plan.DisplayName},
	}
}

func (v view) hookPromotion(p *promotion) obj {
	return obj{"promotionalEntitlement": obj{
		"id": p.id, "feature": hookFeature(p.feature), "usageLimit": p.grant.UsageLimit,
		"hasUnlimitedUsage": p.grant.Unlimited, "hasSoftLimit": p.grant.SoftLimit, "enumValues": p.grant.Values,
		"startDate": moment(p.start), "endDate": moment(p.end),
	}}
}

func (v view) hookMeasurement(a usageAck) obj {
	m := a.measurement
	shown := obj{
		"feature": hookFeature(v.w.catalog.featureByID[m.FeatureID]), "featureId": m.FeatureID,
		"value": m.Value, "measurementId": a.id, "createdAt": moment(m.CreatedAt),
		"currentUsage": a.usage, "usagePeriodStart": moment(a.period.start), "usagePeriodEnd": moment(a.period.end),
		"usageUpdatedAt": moment(a.timestamp),
	}
	return shown
}

func hookFeature(f *feature) obj {
	return obj{
		"id": f.ID, "name": f.DisplayName, "displayName": f.DisplayName, "featureType": f.Type, "meterType": strings.ToUpper(f.MeterType),
		"units": f.Unit, "unitsPlural": f.Units, "featureStatus": f.Status,
	}
}

// hookEntitlement: a credit balance is that of the wallet which pays the feature.
func hookEntitlement(e *entitlement) obj {
	shown := obj{
		"feature": hookFeature(e.feature), "usageLimit": e.limit, "hasUnlimitedUsage": e.unlimited, "hasSoftLimit": e.soft,
		"currentUsage": nil, "usagePeriodAnchor": nil, "usagePeriodStart": nil, "usagePeriodEnd": nil,
		"resetPeriod": text(e.reset.every), "enumValues": e.values, "creditBalance": nil,
	}
	if e.feature.metered() {
		shown["currentUsage"], shown["usagePeriodAnchor"] = e.usage, moment(e.period.anchor)
		shown["usagePeriodStart"], shown["usagePeriodEnd"] = moment(e.period.start), moment(e.period.end)
	}
	if e.wallet != nil {
		shown["creditBalance"] = e.wallet.limit - e.wallet.used
	}
	return shown
}

// moment shows a time, null where there is none.
func moment(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return isoTime(t)
}
