package emulator

import "time"

// Subscription says what [Emulator.Subscribe] provisions beside the plan. The
// zero value is the plan as the catalog has it, monthly, from now on.
type Subscription struct {
	// ID of the subscription; one is made up if it is empty.
	ID string
	// Resource that the subscription serves; "" for the customer's level.
	Resource string
	// BillingPeriod is MONTHLY (the default) or ANNUALLY.
	BillingPeriod string
	// Units bought of every PER_UNIT charge of the plan, raised to the price's
	// minimum.
	Units float64
	// Addons by id, with how many of each.
	Addons map[string]int
	// Entitlements are the subscription's own values of features: those that a
	// custom plan leaves open, or any others.
	Entitlements []Grant
	// Start, End and TrialEnd may be zero: now, never, and no trial but the
	// plan's own.
	Start, End, TrialEnd time.Time
}

// Grant is a value of one feature.
type Grant struct {
	FeatureID string
	// UsageLimit of a NUMBER; nil counts as 0 unless Unlimited.
	UsageLimit *float64
	Unlimited  bool
	SoftLimit  bool
	// EnumValues of an ENUM.
	EnumValues []string
	// ResetPeriod is HOUR, DAY, WEEK, MONTH or YEAR, empty for the plan's or none.
	ResetPeriod string
	// According is what periods are counted from: SubscriptionStart (also when
	// empty), StartOfTheMonth for months, EverySunday to EverySaturday for weeks.
	According string
}

func (g Grant) internal() *packageGrant {
	out := &packageGrant{
		FeatureID: g.FeatureID, UsageLimit: g.UsageLimit, Unlimited: g.Unlimited, SoftLimit: g.SoftLimit,
		Values: g.EnumValues, ResetPeriod: g.ResetPeriod,
	}
	if g.According != "" {
		out.ResetConfig = &resetConfig{g.According}
	}
	return out
}

// AddCustomer adds a customer without a subscription. It fails with an [*Error]
// if the id is not one that Stigg takes or exists already.
func (e *Emulator) AddCustomer(id string) error {
	e.mu.Lock()
	defer e.unlock()
	_, err := e.world.addCustomer(id, e.present())
	return err
}

// Customers gives the ids of all customers that are not archived, in order.
func (e *Emulator) Customers() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var ids []string
	for _, id := range sortedKeys(e.world.customers) {
		if !e.world.customers[id].archived() {
			ids = append(ids, id)
		}
	}
	return ids
}

// Subscribe provisions a subscription as provisionSubscription does and gives
// its id: an active one of the same resource ends. It fails with an [*Error].
func (e *Emulator) Subscribe(customerID, planID string, s Subscription) (id string, err error) {
	e.mu.Lock()
	defer e.unlock()
	c, err := e.world.liveCustomer(customerID)
	if err != nil {
		return "", err
	}
	o := order{
		id: s.ID, planID: planID, resource: s.Resource, billingPeriod: s.BillingPeriod, addons: s.Addons,
		quantity: &s.Units, overrides: map[string]*packageGrant{}, start: s.Start.UTC(), end: s.End.UTC(),
	}
	if o.billingPeriod == "" {
		o.billingPeriod = "MONTHLY"
	}
	for _, g := range s.Entitlements {
		o.overrides[g.FeatureID] = g.internal()
	}
	if !s.TrialEnd.IsZero() {
		wanted := true
		o.isTrial, o.trialEnd = &wanted, s.TrialEnd.UTC()
	}
	made, err := e.world.provision(c, o, e.present())
	if err != nil {
		return "", err
	}
	return made.id, nil
}

// Cancel ends a subscription at once. It fails with an [*Error].
func (e *Emulator) Cancel(subscriptionID string) error {
	e.mu.Lock()
	defer e.unlock()
	_, err := e.world.cancel(subscriptionID, "IMMEDIATE", time.Time{}, false, e.present())
	return err
}

// Grant gives a customer a feature promotionally, until the time until, or for
// ever if that is zero. It replaces an earlier promotion of the same feature
// and fails with an [*Error].
func (e *Emulator) Grant(customerID string, g Grant, until time.Time) error {
	e.mu.Lock()
	defer e.unlock()
	c, err := e.world.liveCustomer(customerID)
	if err != nil {
		return err
	}
	f, err := e.world.feature(g.FeatureID)
	if err != nil {
		return err
	}
	p := &promotion{feature: f, grant: g.internal(), period: "LIFETIME", visible: true}
	if !until.IsZero() {
		p.period = "CUSTOM"
	}
	return e.world.promote(c, p, until.UTC(), e.present())
}

// Revoke takes a promotional grant back. It fails with an [*Error] if there is
// none that is active.
func (e *Emulator) Revoke(customerID, featureID string) error {
	e.mu.Lock()
	defer e.unlock()
	c, err := e.world.liveCustomer(customerID)
	if err != nil {
		return err
	}
	f, err := e.world.feature(featureID)
	if err != nil {
		return err
	}
	_, err = e.world.revoke(c, f, e.present())
	return err
}

// Archive archives a customer, which ends its subscriptions. It fails with an
// [*Error].
func (e *Emulator) Archive(customerID string) error {
	e.mu.Lock()
	defer e.unlock()
	_, err := e.world.archive(customerID, e.present())
	return err
}

// Unarchive brings a customer back, without its subscriptions. It fails with an
// [*Error].
func (e *Emulator) Unarchive(customerID string) error {
	e.mu.Lock()
	defer e.unlock()
	_, err := e.world.unarchive(customerID, e.present())
	return err
}

// Report takes measurements as reportUsageBulk does: all of them or, with an
// [*Error], none. An empty UpdateBehavior is DELTA, a zero CreatedAt is now;
// Duplicate is ignored.
func (e *Emulator) Report(all ...Measurement) error {
	e.mu.Lock()
	defer e.unlock()
	batch := make([]Measurement, len(all))
	for i, m := range all {
		m.Duplicate = false
		if m.UpdateBehavior == "" {
			m.UpdateBehavior = "DELTA"
		}
		if m.UpdateBehavior != "DELTA" && m.UpdateBehavior != "SET" {
			return refuse(CodeBadUserInput, "%q is no update behavior", m.UpdateBehavior)
		}
		if !m.CreatedAt.IsZero() {
			m.CreatedAt = m.CreatedAt.UTC().Truncate(time.Millisecond)
		}
		batch[i] = m
	}
	_, err := e.world.report(batch, e.present())
	return err
}

// CurrentUsage gives the usage of a feature in its present period, as an
// entitlement shows it. For a feature that the customer's plan doesn't have it
// is all that was ever reported. It fails with an [*Error].
func (e *Emulator) CurrentUsage(customerID, resourceID, featureID string) (float64, error) {
	e.mu.Lock()
	defer e.unlock()
	c, err := e.world.liveCustomer(customerID)
	if err != nil {
		return 0, err
	}
	if _, err := e.world.feature(featureID); err != nil {
		return 0, err
	}
	ct := c.counters[counterKey{resourceID, featureID}]
	if ct == nil {
		return 0, nil
	}
	return ct.usage(e.world.periodOf(c, resourceID, featureID, e.present())), nil
}
