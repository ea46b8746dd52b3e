package emulator

import (
	"slices"
	"time"
)

// scheduled is a change of a subscription that waits for its time.
type scheduled struct {
	kind          string // a SubscriptionScheduleType of the schema
	at, createdAt time.Time
	change        change
	// variables describe the change, as the API shows it.
	variables obj
}

// plans adds a change to the schedule of a subscription. A later change of the same
// thing takes the place of the earlier one.
func (s *subscription) plans(w *world, made *scheduled) {
	s.schedule = append(slices.DeleteFunc(slices.Clone(s.schedule), func(old *scheduled) bool { return old.at.Equal(made.at) && old.shows(made) }), made)
	slices.SortStableFunc(s.schedule, func(a, b *scheduled) int { return a.at.Compare(b.at) })
	if !slices.Contains(w.scheduled, s.id) {
		w.scheduled = append(w.scheduled, s.id)
	}
}

// shows says whether a change is of the same thing as another.
func (d *scheduled) shows(other *scheduled) bool {
	return d.kind == other.kind && d.variables["addonRefId"] == other.variables["addonRefId"] && d.variables["featureId"] == other.variables["featureId"]
}

// runSchedules makes the changes that have become due, each at its own time.
func (w *world) runSchedules(now time.Time) {
	w.scheduled = slices.DeleteFunc(w.scheduled, func(id string) bool {
		s := w.subscriptions[id]
		if s == nil {
			return true
		}
		for len(s.schedule) > 0 && !s.schedule[0].at.After(now) {
			due := s.schedule[0]
			s.schedule = slices.Clone(s.schedule[1:])
			if s.over(due.at) {
				continue
			}
			if due.kind == "MigrateToLatest" {
				w.toLatest(s)
			} else if next, err := w.changed(s, due.change, due.at); err == nil {
				next.schedule = s.schedule
				*s = *next
			}
			w.subscriptionChanged(s, "subscription.updated")
			w.entitlementsChanged(s.customer, s.resource, "SUBSCRIPTION_UPDATED", due.at)
		}
		return len(s.schedule) == 0
	})
}

// cancelSchedule takes back what is scheduled: changes, and the end that a cancellation
// set.
func (w *world) cancelSchedule(id string, now time.Time) (*subscription, error) {
	s, err := w.openSubscription(id, now)
	if err != nil {
		return nil, err
	}
	ending := s.cancelReason == "ScheduledCancellation" && s.end.After(now)
	if len(s.schedule) == 0 && !ending {
		return nil, refuse(CodeFutureUpdateNotFound, "nothing is scheduled for subscription %q", id)
	}
	s.schedule = nil
	if ending {
		s.end, s.cancelReason, s.cancelledAt = time.Time{}, "", time.Time{}
	}
	w.subscriptionChanged(s, "subscription.updated")
	w.entitlementsChanged(s.customer, s.resource, "SUBSCRIPTION_UPDATED", now)
	return s, nil
}

// parts splits a change into what the API shows of a schedule: one entry for each thing
// that it changes. What shows nothing travels with the first of them.
func (ch change) parts(s *subscription) []*scheduled {
	var out []*scheduled
	add := func(kind string, part change, variables obj) {
		out = append(out, &scheduled{kind: kind, change: part, variables: variables})
	}
	if ch.billingPeriod != "" && ch.billingPeriod != s.billingPeriod {
		add("BillingPeriod", change{billingPeriod: ch.billingPeriod}, obj{"__typename": "BillingPeriodChangeVariables", "billingPeriod": ch.billingPeriod})
	}
	units := ch.units
	if ch.quantity != nil {
		units = map[string]float64{}
		for id := range s.units {
			units[id] = *ch.quantity
		}
	}
	for _, id := range sortedKeys(units) {
		add("UnitAmount", change{units: map[string]float64{id: units[id]}},
			obj{"__typename": "UnitAmountChangeVariables", "featureId": id, "newUnitAmount": units[id]})
	}
	if ch.addons != nil {
		// The add-ons of an update are all that are to be: one entry stands for them.
		add("Addon", change{addons: ch.addons}, ch.addonVariables())
	}
	if ch.terms.coupon != nil {
		add("Coupon", change{terms: terms{coupon: ch.terms.coupon}}, obj{"__typename": "CouponChangeVariables", "couponId": ch.terms.coupon.coupon.ID})
	}
	if ch.terms.priceOverrides != nil {
		add("PriceOverride", change{terms: terms{priceOverrides: ch.terms.priceOverrides}}, obj{"__typename": "PlanPriceOverrideChangeVariables", "planRefId": s.plan.ID})
	}
	rest := ch
	rest.billingPeriod, rest.quantity, rest.units, rest.addons, rest.terms.coupon, rest.terms.priceOverrides = "", nil, nil, nil, nil, nil
	if ch.metadata != nil || len(out) == 0 {
		add("AdditionalMetaData", rest, nil)
	} else {
		out[0].change.terms, out[0].change.overrides = mergedTerms(rest.terms, out[0].change.terms), rest.overrides
		out[0].change.trialEnd, out[0].change.end, out[0].change.anchorNow = rest.trialEnd, rest.end, rest.anchorNow
	}
	return out
}

// mergedTerms adds the coupon or the prices of one entry to the other terms.
func mergedTerms(rest, own terms) terms {
	if own.coupon != nil {
		rest.coupon = own.coupon
	}
	if own.priceOverrides != nil {
		rest.priceOverrides = own.priceOverrides
	}
	return rest
}

func (ch change) addonVariables() obj {
	shown := obj{"__typename": "AddonChangeVariables", "addonRefId": "", "newQuantity": 0}
	for _, id := range sortedKeys(ch.addons) {
		shown["addonRefId"], shown["newQuantity"] = id, ch.addons[id]
	}
	return shown
}

// scheduled shows a SubscriptionScheduledUpdate, or a SubscriptionFutureUpdate.
func (v view) scheduled(d *scheduled) obj {
	shown := obj{
		"subscriptionScheduleType": d.kind, "scheduleStatus": "Scheduled", "scheduledExecutionTime": d.at, "createdAt": d.createdAt,
	}
	if d.variables != nil {
		shown["scheduleVariables"] = d.variables
	}
	return shown
}
