package emulator

import (
	"cmp"
	"encoding/json"
	"math"
	"time"
)

// Measurement is one reportUsage, or one element of a reportUsageBulk, that the
// emulator accepted.
type Measurement struct {
	// IdempotencyKey as sent, empty if none was.
	IdempotencyKey string
	CustomerID     string
	// ResourceID is empty for usage at the customer's level.
	ResourceID string
	FeatureID  string
	// Value as sent: a change for DELTA, the new total for SET.
	Value float64
	// UpdateBehavior is DELTA or SET.
	UpdateBehavior string
	// CreatedAt as sent; the time of arrival if it was not. In UTC. The
	// measurement counts in the period that this time lies in, be it over or
	// yet to come; where usage has no periods it counts at once.
	CreatedAt time.Time
	// Dimensions as sent, nil if none were. Shared, and not to be changed.
	Dimensions map[string]any
	// Duplicate says that the idempotency key had been counted before for this
	// customer, resource and feature, so that this measurement did not count.
	Duplicate bool
}

// MarshalJSON writes the measurement as the operator's window shows it: an
// absent key or resource is null, the time is ISO 8601 with milliseconds.
func (m Measurement) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		IdempotencyKey *string `json:"idempotencyKey"`
		CustomerID     string  `json:"customerId"`
		ResourceID     *string `json:"resourceId"`
		FeatureID      string  `json:"featureId"`
		Value          float64 `json:"value"`
		UpdateBehavior string  `json:"updateBehavior"`
		CreatedAt      string  `json:"createdAt"`
		Duplicate      bool    `json:"duplicate"`

		Dimensions map[string]any `json:"dimensions,omitempty"`
	}{optional(m.IdempotencyKey), m.CustomerID, optional(m.ResourceID), m.FeatureID,
		m.Value, m.UpdateBehavior, isoTime(m.CreatedAt), m.Duplicate, m.Dimensions})
}

// maxValue bounds a measurement: beyond it a float64 can't hold every integer.
const maxValue = 1 << 53

// maxBulk is Stigg's limit of measurements in one reportUsageBulk.
const maxBulk = 100

// counterKey names a counter of one customer; resource is "" for its own level.
type counterKey struct{ resource, feature string }

// counter keeps what was reported of a feature, so that the usage of any period
// can be told, also after an anchor changed.
type counter struct {
	entries   []entry
	updatedAt time.Time
	tally     tally
}

// entry is one measurement, or what a meter makes of one event.
type entry struct {
	at    time.Time
	how   effect
	value float64
	label string // of a distinct entry
	// dimensions as reported, nil for none; shared with the measurement.
	dimensions map[string]any
}

// effect is how an entry changes the usage of its period.
type effect int

const (
	added    effect = iota // the value is a change
	total                  // the value is the usage from now on
	distinct               // the label counts once
	highest                // the usage is the highest value
	lowest                 // the usage is the lowest value
)

// tally is the usage of one period over the first n entries.
type tally struct {
	period period
	n      int
	used   float64
	any    bool
	labels map[string]bool
}

func (ct *counter) add(e entry, stamp time.Time) {
	ct.entries = append(ct.entries, e)
	ct.updatedAt = stamp
}

// usage gives the usage of a period. Measurements apply in the order in which
// they arrived, each to the period its own time lies in; a period without one
// starts at 0, and usage never falls below 0.
func (ct *counter) usage(p period) float64 {
	t := &ct.tally
	if !t.period.start.Equal(p.start) || !t.period.end.Equal(p.end) {
		*t = tally{period: p}
	}
	for ; t.n < len(ct.entries); t.n++ {
		if e := ct.entries[t.n]; p.contains(e.at) {
			t.apply(e)
		}
	}
	return t.used
}

func (t *tally) apply(e entry) {
	switch {
	case e.how == distinct && t.labels[e.label]:
	case e.how == distinct:
		if t.labels == nil {
			t.labels = map[string]bool{}
		}
		t.labels[e.label] = true
		t.used++
	case e.how == total, !t.any && e.how != added:
		t.used = max(e.value, 0)
	case e.how == highest:
		t.used = max(t.used, e.value)
	case e.how == lowest:
		t.used = max(min(t.used, e.value), 0)
	default:
		t.used = max(t.used+e.value, 0)
	}
	t.any = true
}

type ackKey struct{ resource, feature, idempotencyKey string }

// usageAck is the answer to a measurement.
type usageAck struct {
	id          string
	measurement Measurement
	usage       float64
	period      period
	timestamp   time.Time
	charge      *charge
}

// report takes measurements: all of them, or none and an error if one is
// refused. Usage over a limit is not refused, nor is usage of a feature that
// the customer's plan doesn't have: Stigg counts, the caller gates. A resource
// that was never seen becomes known by its first measurement.
func (w *world) report(all []Measurement, now time.Time) ([]usageAck, error) {
	if len(all) > maxBulk {
		return nil, refuse(CodeBadUserInput, "%d measurements in one call, at most %d are taken", len(all), maxBulk)
	}
	for _, m := range all {
		if err := w.checkMeasurement(m); err != nil {
			return nil, err
		}
	}
	acks := make([]usageAck, 0, len(all))
	for _, m := range all {
		acks = append(acks, w.count(m, now))
	}
	return acks, nil
}

func (w *world) checkMeasurement(m Measurement) error {
	if _, err := w.liveCustomer(m.CustomerID); err != nil {
		return err
	}
	if err := cmp.Or(checkResourceID(m.ResourceID), checkYear(m.CreatedAt, lastEnd)); err != nil {
		return err
	}
	f, err := w.feature(m.FeatureID)
	switch {
	case err != nil:
		return err
	case !f.metered():
		return refuse(CodeMeteringNotAvailable, "feature %q is not metered", f.ID)
	case f.Meter != nil:
		return refuse(CodeFeatureHasMeter, "feature %q is counted by a meter: report events of it", f.ID)
	case math.IsNaN(m.Value) || math.Abs(m.Value) > maxValue:
		return refuse(CodeUsageOutOfRange, "value %v of feature %q is out of range", m.Value, f.ID)
	}
	return nil
}

// count records a measurement and counts it unless its key was counted before.
func (w *world) count(m Measurement, now time.Time) usageAck {
	c := w.customers[m.CustomerID]
	if m.CreatedAt.IsZero() {
		m.CreatedAt = now
	}
	key := ackKey{m.ResourceID, m.FeatureID, m.IdempotencyKey}
	if before, seen := c.acks[key]; seen && m.IdempotencyKey != "" {
		m.Duplicate = true
		w.measurements = append(w.measurements, m)
		return before
	}
	w.measurements = append(w.measurements, m)
	ack := w.apply(c, m, w.stamp(now), now)
	if m.IdempotencyKey != "" {
		c.acks[key] = ack
	}
	return ack
}

func (w *world) apply(c *customer, m Measurement, stamp, now time.Time) usageAck {
	c.seeResource(m.ResourceID, now)
	counted := entry{at: m.CreatedAt, value: m.Value, dimensions: m.Dimensions}
	if m.UpdateBehavior == "SET" {
		counted.how = total
	}
	e := w.entitled(c, m.ResourceID, m.FeatureID, now)
	charge := w.tally(c, m.ResourceID, m.FeatureID, e, counted, m.IdempotencyKey, stamp, now)
	p := period{}
	if e != nil {
		p = e.period
	}
	ct := c.counter(m.ResourceID, m.FeatureID)
	ack := usageAck{id: w.nextID("measurement"), measurement: m, usage: ct.usage(p), period: p, timestamp: stamp, charge: charge}
	w.measured(c, ack, e)
	return ack
}

// charge is what usage cost in credits, with the wallet after it.
type charge struct {
	consumed float64
	rate     *creditRate
	wallet   *wallet
}

// tally counts an entry of a feature and takes the credits that it costs, if it
// does: for each unit by which the usage grew. Usage that is given back gives no
// credits back. It gives nil for a feature that costs none. e is the present
// entitlement to the feature, nil if there is none.
func (w *world) tally(c *customer, resourceID, featureID string, e *entitlement, counted entry, key string, stamp, now time.Time) *charge {
	ct := c.counter(resourceID, featureID)
	if e == nil || e.rate == nil {
		ct.add(counted, stamp)
		return nil
	}
	grown := max(counted.value, 0)
	if counted.how != added {
		p := e.reset.periodAt(e.anchor, counted.at)
		before := ct.usage(p)
		ct.add(counted, stamp)
		grown = max(ct.usage(p)-before, 0)
	} else {
		ct.add(counted, stamp)
	}
	out := &charge{consumed: grown * e.rate.Amount, rate: e.rate}
	if out.consumed > 0 {
		out.wallet = w.draw(c, CreditUse{
			IdempotencyKey: key, CustomerID: c.id, ResourceID: resourceID, CurrencyID: e.rate.CurrencyID,
			FeatureID: featureID, Amount: out.consumed, CreatedAt: counted.at,
		}, stamp, now)
	} else {
		out.wallet = w.wallet(c, resourceID, w.catalog.currencyByID[e.rate.CurrencyID], now)
	}
	return out
}

func (c *customer) counter(resourceID, featureID string) *counter {
	key := counterKey{resourceID, featureID}
	if c.counters[key] == nil {
		c.counters[key] = &counter{}
	}
	return c.counters[key]
}

// periodOf gives the present period of a feature, none if the customer has no
// entitlement to it.
func (w *world) periodOf(c *customer, resourceID, featureID string, now time.Time) period {
	if e := w.entitled(c, resourceID, featureID, now); e != nil {
		return e.period
	}
	return period{}
}

// entitled gives the present entitlement to a feature, nil if there is none.
func (w *world) entitled(c *customer, resourceID, featureID string, now time.Time) *entitlement {
	set, _ := w.state(c.id, resourceID, now)
	for _, e := range set {
		if e.feature.ID == featureID {
			return e
		}
	}
	return nil
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
