package emulator

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"
)

// Event is one raw event of a reportEvent that the emulator accepted.
type Event struct {
	IdempotencyKey string
	CustomerID     string
	// ResourceID is empty for an event at the customer's level.
	ResourceID string
	EventName  string
	// Dimensions as sent, nil if none were.
	Dimensions map[string]any
	// Timestamp as sent; the time of arrival if it was not. In UTC.
	Timestamp time.Time
	// Duplicate says that the event was taken before and did not count again.
	Duplicate bool
}

// MarshalJSON writes the event as the operator's window shows it.
func (ev Event) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		IdempotencyKey string         `json:"idempotencyKey"`
		CustomerID     string         `json:"customerId"`
		ResourceID     *string        `json:"resourceId"`
		EventName      string         `json:"eventName"`
		Dimensions     map[string]any `json:"dimensions"`
		Timestamp      string         `json:"timestamp"`
		Duplicate      bool           `json:"duplicate"`
	}{ev.IdempotencyKey, ev.CustomerID, optional(ev.ResourceID), ev.EventName,
		ev.Dimensions, isoTime(ev.Timestamp), ev.Duplicate})
}

// maxEvents is Stigg's limit of events in one reportEvent.
const maxEvents = 1000

// eventKey is what Stigg tells events apart by (semantics "Usage").
type eventKey struct {
	at                                   int64
	customer, resource, name, idempotent string
}

func (ev Event) key() eventKey {
	return eventKey{ev.Timestamp.UnixMilli(), ev.CustomerID, ev.ResourceID, ev.EventName, ev.IdempotencyKey}
}

// maxEventSize is Stigg's limit of one event, as JSON.
const maxEventSize = 1_000_000

// take records events and counts those that a feature's meter matches, at once or
// after the delay of counting. Stigg never refuses an event for what it names;
// events of customers it doesn't know are recorded and never count.
func (w *world) take(events []Event, now time.Time) error {
	if len(events) > maxEvents {
		return refuse(CodeBadUserInput, "%d events in one call, at most %d are taken", len(events), maxEvents)
	}
	for _, ev := range events {
		switch raw, err := json.Marshal(ev); {
		case ev.IdempotencyKey == "":
			return refuse(CodeBadUserInput, "an event without an idempotencyKey")
		case err != nil || len(raw) > maxEventSize:
			return refuse(CodeBadUserInput, "an event larger than %d bytes", maxEventSize)
		}
	}
	for _, ev := range events {
		if ev.Timestamp.IsZero() {
			ev.Timestamp = now
		}
		key := ev.key()
		ev.Duplicate = w.eventKeys[key]
		w.eventKeys[key] = true
		w.events = append(w.events, ev)
		if !ev.Duplicate {
			w.later(pending{Event: &ev}, now)
		}
	}
	return nil
}

func (w *world) countEvent(ev Event, now time.Time) {
	c, err := w.liveCustomer(ev.CustomerID)
	if err != nil || checkResourceID(ev.ResourceID) != nil {
		return
	}
	for _, f := range w.catalog.Features {
		if f.Meter == nil || !f.Meter.matches(ev) {
			continue
		}
		if counted, ok := f.Meter.entry(ev); ok {
			counted.dimensions = ev.Dimensions
			c.seeResource(ev.ResourceID, now)
			stamp := w.stamp(now)
			w.tally(c, ev.ResourceID, f.ID, w.entitled(c, ev.ResourceID, f.ID, now), counted, ev.IdempotencyKey, stamp, now)
			w.aggregated(c, ev.ResourceID, f.ID, stamp, now)
		}
	}
}

// matches: one filter whose conditions all hold, or no filter at all.
func (m *meter) matches(ev Event) bool {
	if len(m.Filters) == 0 {
		return true
	}
	for _, f := range m.Filters {
		if !slices.ContainsFunc(f.Conditions, func(c condition) bool { return !c.holds(ev) }) {
			return true
		}
	}
	return false
}

func (c condition) holds(ev Event) bool {
	equal := fmt.Sprint(ev.field(c.Field)) == fmt.Sprint(c.Value)
	return equal == (c.Operation == "EQUALS")
}

func (ev Event) field(name string) any {
	if name == "eventName" {
		return ev.EventName
	}
	return ev.Dimensions[name]
}

// entry says how an event counts; an event without the aggregated field doesn't.
func (m *meter) entry(ev Event) (entry, bool) {
	value := ev.field(m.Aggregation.Field)
	switch m.Aggregation.Function {
	case "COUNT":
		return entry{at: ev.Timestamp, value: 1}, true
	case "UNIQUE":
		return entry{at: ev.Timestamp, how: distinct, label: fmt.Sprint(value)}, value != nil
	}
	n, ok := number(value)
	how := map[string]effect{"SUM": added, "MAX": highest, "MIN": lowest}[m.Aggregation.Function]
	return entry{at: ev.Timestamp, how: how, value: n}, ok && math.Abs(n) <= maxValue
}
