package emulator

import (
	"slices"
	"time"
)

// newsKind says what a piece of news is about.
type newsKind int

const (
	newsEntitlements newsKind = iota // what a resource has changed
	newsUsage                        // the usage of a feature changed
	newsCredits                      // a wallet changed
	newsPackage                      // a package was published
	newsFeature                      // a feature changed
	newsHook                         // nothing that sockets hear of
)

// news is one change of the world that is to be told.
type news struct {
	kind                newsKind
	customer, resource  string
	feature, currency   string
	cause               string
	packageID, audience string
	// more is what a webhook says of the change beside whom it is about.
	more func(view) obj
}

// newsKey tells which news are about the same thing, so that one of them says all.
type newsKey struct {
	kind                                  newsKind
	customer, resource, feature, currency string
}

func (n news) key() newsKey {
	return newsKey{n.kind, n.customer, n.resource, n.feature, n.currency}
}

// newsroom collects what is to be told when the change is done. News of the same
// thing are told once, with the world as it is then.
type newsroom struct {
	list []news
	told map[newsKey]bool
}

func (r *newsroom) add(n news) {
	if n.kind <= newsCredits {
		if r.told[n.key()] {
			return
		}
		if r.told == nil {
			r.told = map[newsKey]bool{}
		}
		r.told[n.key()] = true
	}
	r.list = append(r.list, n)
}

func (r *newsroom) take() []news {
	all := r.list
	*r = newsroom{}
	return all
}

// tellEntitlements tells of the set of one resource, "" for the customer's level.
func (w *world) tellEntitlements(c *customer, resource, cause string) {
	w.news.add(news{kind: newsEntitlements, customer: c.id, resource: resource, cause: cause})
}

// entitlementsChanged is for what changes a set otherwise than by the passing of time.
func (w *world) entitlementsChanged(c *customer, resource, cause string, now time.Time) {
	c.changedAt[resource] = laterOf(c.changedAt[resource], now)
	w.tellEntitlements(c, resource, cause)
}

// allEntitlementsChanged is [world.entitlementsChanged] for every set of the customer.
func (w *world) allEntitlementsChanged(c *customer, cause string, now time.Time) {
	for _, resource := range c.levels() {
		w.entitlementsChanged(c, resource, cause, now)
	}
}

// levels gives what the customer has a set for: "" for its own level, and its resources.
func (c *customer) levels() []string { return append([]string{""}, sortedKeys(c.resources)...) }

func (w *world) usageChanged(c *customer, resource, featureID string) {
	w.news.add(news{kind: newsUsage, customer: c.id, resource: resource, feature: featureID})
}

func (w *world) creditsChanged(c *customer, resource, currencyID, cause string) {
	w.news.add(news{kind: newsCredits, customer: c.id, resource: resource, currency: currencyID, cause: cause})
}

// measured tells of a measurement that counted. e is the entitlement before it.
func (w *world) measured(c *customer, ack usageAck, e *entitlement) {
	m := ack.measurement
	w.usageChanged(c, m.ResourceID, m.FeatureID)
	w.hook("measurement.reported", c, m.ResourceID, func(v view) obj { return v.hookMeasurement(ack) })
	if e != nil && !e.unlimited && fits(e.usage, e.number()) && !fits(ack.usage, e.number()) {
		w.hook("entitlement.usage_exceeded", c, m.ResourceID, func(v view) obj { return v.hookMeasurement(ack) })
	}
}

// aggregated tells of usage that raw events made, with no value of its own.
func (w *world) aggregated(c *customer, resource, featureID string, stamp, now time.Time) {
	w.usageChanged(c, resource, featureID)
	w.hook("measurement.reported", c, resource, func(v view) obj {
		p := v.w.periodOf(c, resource, featureID, now)
		shown := v.hookMeasurement(usageAck{
			measurement: Measurement{FeatureID: featureID, CreatedAt: stamp},
			usage:       c.counter(resource, featureID).usage(p), period: p, timestamp: stamp,
		})
		shown["value"], shown["measurementId"] = nil, nil
		return shown
	})
}

// hook tells of something that only webhooks carry.
func (w *world) hook(kind string, c *customer, resource string, more func(view) obj) {
	w.news.add(news{kind: newsHook, customer: c.id, resource: resource, cause: kind, more: more})
}

func (w *world) customerChanged(c *customer, kind string) {
	w.hook(kind, c, "", func(view) obj { return obj{"customer": hookCustomer(c)} })
}

func (w *world) subscriptionChanged(s *subscription, kind string) {
	w.hook(kind, s.customer, s.resource, func(v view) obj { return v.hookSubscription(s) })
}

func (w *world) promotionChanged(c *customer, p *promotion, kind string) {
	w.hook(kind, c, "", func(v view) obj { return v.hookPromotion(p) })
}

// trialWarning is how long before the end of a trial its end is told.
const trialWarning = 7 * 24 * time.Hour

// passed tells of what changed by itself when the clock went from one time to
// another, in either direction: subscriptions, trials and promotions that began or
// ended. What ended is told to webhooks only if the clock went forward.
func (w *world) passed(from, to time.Time) {
	forward := !to.Before(from)
	if !forward {
		from, to = to, from
	}
	crossed := func(t time.Time) bool { return t.After(from) && !t.After(to) }
	for _, id := range sortedKeys(w.customers) {
		c := w.customers[id]
		if slices.ContainsFunc(c.promotions, func(p *promotion) bool { return crossed(p.start) || crossed(p.end) }) {
			for _, resource := range c.levels() {
				w.tellEntitlements(c, resource, "PROMOTIONAL_ENTITLEMENT_EXPIRED")
			}
		}
		for _, p := range c.promotions {
			if forward && crossed(p.end) {
				w.promotionChanged(c, p, "promotional_entitlement.expired")
			}
		}
		for _, s := range c.subscriptions {
			if crossed(s.start) || crossed(s.stops()) {
				w.tellEntitlements(c, s.resource, "SUBSCRIPTION_EXPIRED")
			}
			if forward {
				w.tellEnds(s, crossed)
			}
		}
	}
}

// tellEnds tells webhooks what ended of a subscription.
func (w *world) tellEnds(s *subscription, crossed func(time.Time) bool) {
	trialCounts := !s.trialEnd.IsZero() && (s.end.IsZero() || s.trialEnd.Before(s.end))
	if trialCounts && crossed(s.trialEnd.Add(-trialWarning)) && s.start.Before(s.trialEnd.Add(-trialWarning)) {
		w.subscriptionChanged(s, "trial.ends_soon")
	}
	if trialCounts && crossed(s.trialEnd) {
		kind := "trial.expired"
		if s.trialBehavior == "CONVERT_TO_PAID" {
			kind = "trial.converted"
		}
		w.subscriptionChanged(s, kind)
	}
	if crossed(s.stops()) {
		w.subscriptionChanged(s, "subscription.expired")
	}
}

// unlock tells what happened while the mutex was held, and releases it.
func (e *Emulator) unlock() {
	defer e.mu.Unlock()
	if !e.reading {
		e.saveSoon()
	}
	e.reading = false
	if all := e.world.news.take(); len(all) > 0 {
		v := view{w: e.world, now: e.now(), base: e.base}
		e.activity.news(all, v.now)
		e.sockets.spread(v, all)
		e.hooks.spread(v, all)
	}
	e.setAlarm()
}

// setAlarm has what counts later count in time if somebody is to hear of it: else
// the next request is soon enough. The caller holds the mutex.
func (e *Emulator) setAlarm() {
	if len(e.world.pending) == 0 || e.alarm != nil || e.closed || !e.sockets.heeded() && !e.hooks.wanted() {
		return
	}
	e.alarm = time.AfterFunc(e.world.pending[0].Due.Sub(e.now()), func() {
		e.mu.Lock()
		defer e.unlock()
		e.alarm = nil
		e.present()
	})
}

// stopAlarm lets nothing happen by itself any more.
func (e *Emulator) stopAlarm() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	if e.alarm != nil {
		e.alarm.Stop()
	}
}
