package emulator

import (
	"maps"
	"time"
)

// provision adds a subscription and ends what it replaces.
func (w *world) provision(c *customer, o order, now time.Time) (*subscription, error) {
	s, err := w.prepare(c, o, now)
	if err != nil {
		return nil, err
	}
	w.add(s)
	return s, nil
}

// add makes a prepared subscription take effect. Stigg's rules (GraphQL guide,
// "Provisioning subscriptions"): a trial and a paid subscription of different
// plans live side by side; whatever else the customer has of the product for
// the same resource ends when the new one starts; a new subscription to the
// plan on trial ends the trial.
func (w *world) add(s *subscription) {
	c := s.customer
	if w.samePlanOnTrial(s) {
		s.trialEnd, s.trialBehavior = time.Time{}, ""
	}
	for _, old := range c.subscriptions {
		if old.resource != s.resource || old.over(s.start) || w.catalog.Product.MultipleSubscriptions {
			continue
		}
		sideBySide := old.inTrial(s.start) != s.inTrial(s.start) && old.plan != s.plan
		if !sideBySide {
			old.endAt(laterOf(s.start, old.start), "UpgradeOrDowngrade")
			w.subscriptionChanged(old, "subscription.canceled")
		}
	}
	w.subscriptions[s.id] = s
	c.subscriptions = append(c.subscriptions, s)
	c.seeResource(s.resource, s.createdAt)
	w.subscriptionChanged(s, "subscription.created")
	w.entitlementsChanged(c, s.resource, "SUBSCRIPTION_CREATED", s.createdAt)
}

func (w *world) samePlanOnTrial(s *subscription) bool {
	for _, old := range s.customer.subscriptions {
		if old.resource == s.resource && old.plan == s.plan && old.inTrial(s.start) {
			return true
		}
	}
	return false
}

// change is what an update asks for; nil leaves a thing as it is.
type change struct {
	billingPeriod string
	quantity      *float64
	units         map[string]float64
	addons        map[string]int
	overrides     map[string]*packageGrant
	metadata      map[string]any
	trialEnd, end time.Time
}

// update changes a subscription at once, or not at all if anything is refused.
func (w *world) update(id string, ch change, now time.Time) (*subscription, error) {
	s, err := w.subscription(id)
	if err != nil {
		return nil, err
	}
	if s.over(now) {
		return nil, refuse(CodeSubscriptionEnded, "subscription %q is over", id)
	}
	if !ch.end.IsZero() && ch.end.Before(now) {
		return nil, refuse(CodeInvalidCancellationDate, "the cancellation date is past")
	}
	next := *s
	next.units, next.overrides = maps.Clone(s.units), maps.Clone(s.overrides)
	if ch.billingPeriod != "" {
		next.billingPeriod = ch.billingPeriod
	}
	if err := next.setUnits(ch.quantity, ch.units); err != nil {
		return nil, err
	}
	if ch.addons != nil {
		if err := next.setAddons(w.catalog, ch.addons); err != nil {
			return nil, err
		}
	}
	if err := next.setOverrides(w.catalog, ch.overrides); err != nil {
		return nil, err
	}
	if ch.metadata != nil {
		next.metadata = ch.metadata
	}
	if !ch.trialEnd.IsZero() && s.inTrial(now) {
		next.trialEnd = ch.trialEnd
	}
	if !ch.end.IsZero() {
		next.cancelledAt = now
		next.endAt(ch.end, "ScheduledCancellation")
	}
	*s = next
	w.subscriptionChanged(s, "subscription.updated")
	w.entitlementsChanged(s.customer, s.resource, "SUBSCRIPTION_UPDATED", now)
	return s, nil
}

// cancel ends a subscription: at once, at the end of its billing period, or at
// a date. An empty when takes the product's setting; a trial, and what has not
// begun, can end only at once.
func (w *world) cancel(id, when string, date time.Time, revoke bool, now time.Time) (*subscription, error) {
	s, err := w.subscription(id)
	if err != nil {
		return nil, err
	}
	if s.over(now) {
		return nil, refuse(CodeSubscriptionEnded, "subscription %q is over", id)
	}
	if when == "" {
		when = w.catalog.Product.Settings.Cancellation
		if s.inTrial(now) || now.Before(s.start) {
			when = "IMMEDIATE"
		}
	}
	switch {
	case when == "IMMEDIATE":
		s.endAt(now, "Immediate")
	case s.inTrial(now):
		return nil, refuse(CodeTrialCancelledAtOnceOnly, "subscription %q is on trial", id)
	case when == "SPECIFIC_DATE" && !date.After(now):
		return nil, refuse(CodeInvalidCancellationDate, "SPECIFIC_DATE needs an endDate in the future")
	case when == "SPECIFIC_DATE":
		s.endAt(date, "ScheduledCancellation")
	default:
		s.endAt(s.billing(laterOf(now, s.start)).end, "ScheduledCancellation")
	}
	s.cancelledAt, s.revoked = now, revoke
	w.subscriptionChanged(s, "subscription.canceled")
	w.entitlementsChanged(s.customer, s.resource, "SUBSCRIPTION_CANCELED", now)
	return s, nil
}

// laterOf gives the later of two times.
func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// earliest gives the earliest of the times that are set, zero for none.
func earliest(times ...time.Time) time.Time {
	var first time.Time
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}
