package webhook

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/stiggate/gate"
)

// Event is one webhook of Stigg's.
type Event struct {
	// Type is Stigg's, verbatim: subscription.created. The spelling differs between Stigg's
	// pages; compare it with Is.
	Type string
	// MessageID tells deliveries of the same message; empty if Stigg gave none.
	MessageID string
	// Time is when it happened; zero if Stigg did not say.
	Time time.Time
	// Customer is whom it is about, with the resource if it is about one; zero if it names
	// none, or a malformed one.
	Customer gate.Customer
	// Body is the whole delivery, a JSON object. It may hold personal data.
	Body json.RawMessage
}

// Is reports whether the event is of a type, without regard to case, dots, underscores and
// dashes: "promotionalEntitlement.expired" is "promotional_entitlement.expired".
func (e Event) Is(name string) bool { return plain(e.Type) == plain(name) }

// plain is a type's letters and digits, in lower case.
func plain(name string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= 'A' && c <= 'Z':
			return c + 'a' - 'A'
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			return c
		}
		return -1
	}, name)
}

// payload is what the gate can use of a delivery. Every field takes any JSON: one of an
// odd type must not hide the others.
type payload struct {
	Type        text    `json:"type"`
	MessageID   text    `json:"messageId"`
	Environment text    `json:"environmentId"`
	Timestamp   instant `json:"timestamp"`
	ID          text    `json:"id"`
	Customer    thing   `json:"customer"`
	CustomerID  text    `json:"customerId"`
	CustomerID2 text    `json:"customer_id"`
	Resource    scope   `json:"resource"`
	ResourceID  scope   `json:"resourceId"`
	ResourceID2 scope   `json:"resource_id"`

	Feature      thing   `json:"feature"`
	CurrentUsage number  `json:"currentUsage"`
	PeriodStart  instant `json:"usagePeriodStart"`
	PeriodEnd    instant `json:"usagePeriodEnd"`

	Entitlements json.RawMessage `json:"entitlements"`
	UpdatedAt    instant         `json:"entitlementsUpdatedAt"`
}

// parse is false for what is no JSON object.
func parse(body []byte) (Event, *payload, bool) {
	p := &payload{}
	if len(body) == 0 || body[0] != '{' || json.Unmarshal(body, p) != nil {
		return Event{}, nil, false
	}
	e := Event{Type: string(p.Type), MessageID: string(p.MessageID), Time: p.Timestamp.Time, Body: body}
	if who := p.customer(plain(e.Type)); who.Validate() == nil {
		e.Customer = who
	}
	return e, p, true
}

// customer is who is named. An event about a customer may be the customer itself.
func (p *payload) customer(kind string) gate.Customer {
	who := gate.Customer{
		ID:       first(string(p.Customer.ID), string(p.CustomerID), string(p.CustomerID2)),
		Resource: first(p.Resource.ID, p.ResourceID.ID, p.ResourceID2.ID),
	}
	if who.ID == "" && strings.HasPrefix(kind, "customer") {
		who.ID = string(p.ID)
	}
	return who
}

func first(all ...string) string {
	for _, s := range all {
		if s != "" {
			return s
		}
	}
	return ""
}

// text is a JSON string, or nothing.
type text string

// UnmarshalJSON never fails.
func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*t = text(s)
	}
	return nil
}

// number is a JSON number that is no amount below 0, or nothing. What is there and is none
// of these is Bad.
type number struct {
	Value            float64
	Known, Null, Bad bool
}

// UnmarshalJSON never fails.
func (n *number) UnmarshalJSON(b []byte) error {
	if *n = (number{}); string(b) == "null" {
		n.Null = true
		return nil
	}
	v, err := strconv.ParseFloat(string(b), 64)
	if err != nil || v < 0 {
		n.Bad = true
		return nil
	}
	*n = number{Value: v, Known: true}
	return nil
}

// flag is a JSON boolean, or nothing, which is false. What is there and is neither is Bad.
type flag struct{ Set, Bad bool }

// UnmarshalJSON never fails.
func (f *flag) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "true":
		*f = flag{Set: true}
	case "false", "null":
		*f = flag{}
	default:
		*f = flag{Bad: true}
	}
	return nil
}

// thing is an object with an id, and of a feature with its types; or nothing.
type thing struct {
	ID          text `json:"id"`
	Name        text `json:"name"`
	FeatureType text `json:"featureType"`
	MeterType   text `json:"meterType"`
}

// UnmarshalJSON never fails.
func (t *thing) UnmarshalJSON(b []byte) error {
	type plain thing
	var v plain
	if json.Unmarshal(b, &v) == nil {
		*t = thing(v)
	}
	return nil
}

// scope is the resource that an event is about: an object with an id, or the id; or nothing. What is
// there and is neither is Bad: nobody knows whose the event's news are.
type scope struct {
	ID  string
	Bad bool
}

// UnmarshalJSON never fails.
func (s *scope) UnmarshalJSON(b []byte) error {
	*s = scope{}
	var object thing
	var id text
	_, _ = object.UnmarshalJSON(b), id.UnmarshalJSON(b)
	s.ID = first(string(object.ID), string(id))
	s.Bad = s.ID == "" && string(b) != "null" && string(b) != `""`
	return nil
}

// instant is a time as ISO 8601 or in milliseconds since 1970, or nothing. What is there and
// is neither is Bad.
type instant struct {
	time.Time
	Bad bool
}

// UnmarshalJSON never fails.
func (i *instant) UnmarshalJSON(b []byte) error {
	*i = instant{}
	var s text
	_ = s.UnmarshalJSON(b)
	if at, err := time.Parse(time.RFC3339, string(s)); err == nil {
		i.Time = at.UTC()
	} else if ms, err := strconv.ParseInt(string(b), 10, 64); err == nil && ms > 0 && ms < 1<<47 {
		i.Time = time.UnixMilli(ms).UTC()
	} else {
		i.Bad = string(b) != "null" && string(b) != `""`
	}
	return nil
}
