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

// add makes a prepared subscription take effect. One that waits for its payment
// replaces nothing yet.
func (w *world) add(s *subscription) {
	c := s.customer
	if w.samePlanOnTrial(s) {
		s.trialEnd, s.trialBehavior = time.Time{}, ""
	}
	if !s.pending {
		w.displace(s)
	}
	w.subscriptions[s.id] = s
	if w.tx != nil {
		w.tx.subscriptions = append(w.tx.subscriptions, s.id)
	}
	c.subscriptions = append(c.subscriptions, s)
	c.seeResource(s.resource, s.createdAt)
	w.subscriptionChanged(s, "subscription.created")
	if s.inTrial(s.createdAt) {
		w.subscriptionChanged(s, "trial.started")
	}
	w.entitlementsChanged(c, s.resource, "SUBSCRIPTION_CREATED", s.createdAt)
}

// displace ends what a subscription takes the place of. Stigg's rules (GraphQL guide,
// "Provisioning subscriptions"): a trial and a paid subscription of different plans live
// side by side; whatever else the customer has of the product for the same resource
// ends when the new one starts; a new subscription to the plan on trial ends the trial.
func (w *world) displace(s *subscription) {
	for _, old := range s.customer.subscriptions {
		if old == s || old.resource != s.resource || old.over(s.start) || w.catalog.Product.MultipleSubscriptions {
			continue
		}
		sideBySide := old.inTrial(s.start) != s.inTrial(s.start) && old.plan.ID != s.plan.ID
		if sideBySide {
			continue
		}
		if old.inTrial(s.start) && old.plan.ID == s.plan.ID {
			w.subscriptionChanged(old, "trial.converted")
		}
		old.endAt(laterOf(s.start, old.start), "UpgradeOrDowngrade")
		w.subscriptionChanged(old, "subscription.canceled")
	}
}

func (w *world) samePlanOnTrial(s *subscription) bool {
	for _, old := range s.customer.subscriptions {
		if old.resource == s.resource && old.plan.ID == s.plan.ID && old.inTrial(s.start) {
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
	terms         terms
	// anchorNow counts billing periods anew from the change on.
	anchorNow bool
}

// openSubscription finds a subscription that isn't over.
func (w *world) openSubscription(id string, now time.Time) (*subscription, error) {
	s, err := w.subscription(id)
	if err != nil {
		return nil, err
	}
	if s.over(now) {
		return nil, refuse(CodeSubscriptionEnded, "subscription %q is over", id)
	}
	return s, nil
}

// update changes a subscription at once, or not at all if anything is refused.
func (w *world) update(id string, ch change, now time.Time) (*subscription, error) {
	s, err := w.openSubscription(id, now)
	if err != nil {
		return nil, err
	}
	next, err := w.changed(s, ch, now)
	if err != nil {
		return nil, err
	}
	before := *s
	*s = *next
	w.billChange(&before, s, now)
	w.subscriptionChanged(s, "subscription.updated")
	w.entitlementsChanged(s.customer, s.resource, "SUBSCRIPTION_UPDATED", now)
	return s, nil
}

// changed gives a subscription as a change would make it.
func (w *world) changed(s *subscription, ch change, now time.Time) (*subscription, error) {
	if !ch.end.IsZero() && ch.end.Before(now) {
		return nil, refuse(CodeInvalidCancellationDate, "the cancellation date is past")
	}
	next := *s
	next.units, next.overrides = maps.Clone(s.units), maps.Clone(s.overrides)
	next.agree(ch.terms)
	if ch.billingPeriod != "" && ch.billingPeriod != s.billingPeriod {
		next.billingPeriod, next.anchor = ch.billingPeriod, laterOf(now, s.start)
	}
	if ch.anchorNow {
		next.anchor = laterOf(now, s.start)
	}
	if err := next.setUnits(w.catalog, ch.quantity, ch.units); err != nil {
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
	if err := next.checkTerms(w.catalog); err != nil {
		return nil, err
	}
	if ch.metadata != nil {
		next.metadata = ch.metadata
	}
	if !ch.trialEnd.IsZero() {
		if !s.inTrial(now) {
			return nil, refuse(CodeInvalidStatus, "subscription %q is not on trial", s.id)
		}
		if !ch.trialEnd.After(now) {
			return nil, refuse(CodeBadUserInput, "the trial would end in the past")
		}
		next.trialEnd = ch.trialEnd
	}
	if !ch.end.IsZero() {
		next.cancelledAt = now
		next.endAt(ch.end, "ScheduledCancellation")
	}
	return &next, nil
}

// agree takes over what new terms speak of.
func (s *subscription) agree(t terms) {
	if t.salesforceID != nil {
		s.salesforceID = t.salesforceID
	}
	if t.coupon != nil {
		s.coupon = t.coupon
	}
	if t.priceOverrides != nil {
		s.priceOverrides = t.priceOverrides
	}
	if t.unitAmount != nil {
		s.unitAmount = t.unitAmount
	}
	if t.minimumSpend != nil {
		s.minimumSpend = t.minimumSpend
	}
	if t.taxRate != nil {
		s.taxRate = t.taxRate
	}
	if t.budget != nil {
		s.budget = t.budget
	}
	if t.credits != nil {
		s.credits = t.credits
	}
}

// cancel ends a subscription: at once, at the end of its billing period, or at
// a date. An empty when takes the product's setting; a trial, and what has not
// begun, can end only at once.
func (w *world) cancel(id, when string, date time.Time, revoke bool, now time.Time) (*subscription, error) {
	s, err := w.openSubscription(id, now)
	if err != nil {
		return nil, err
	}
	if when == "" {
		when = w.catalog.Product.Settings.Cancellation
		if s.inTrial(now) || now.Before(s.start) || s.pending {
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

// transfer moves a subscription to another resource, "" for the customer's own level. The
// usage stays with the resource that it was reported for.
func (w *world) transfer(s *subscription, to string, now time.Time) error {
	if err := checkResourceID(to); err != nil {
		return err
	}
	from := s.resource
	if from == to {
		return refuse(CodeBadUserInput, "subscription %q serves resource %q already", s.id, to)
	}
	c := s.customer
	if !w.catalog.Product.MultipleSubscriptions && len(c.activeSubscriptions(now, func(r string) bool { return r == to })) > 0 {
		return refuse(CodeTooManySubscriptions, "resource %q of customer %q has a subscription already", to, c.id)
	}
	s.resource = to
	c.seeResource(to, now)
	w.subscriptionChanged(s, "subscription.updated")
	w.entitlementsChanged(c, from, "SUBSCRIPTION_UPDATED", now)
	w.entitlementsChanged(c, to, "SUBSCRIPTION_UPDATED", now)
	return nil
}
