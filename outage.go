package gate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/stiggate/gate/internal/admission"
	"github.com/stiggate/gate/internal/rules"
)

// Outage says what becomes of a request when nothing is known of its customer: nothing is
// cached and Stigg does not answer in time.
type Outage uint8

const (
	// OutageDeny answers 503 with Retry-After. It is the default.
	OutageDeny Outage = iota + 1
	// OutageAllow lets the request in, whatever it asks for. What it uses is reported
	// once Stigg is back.
	OutageAllow
)

// Fallback is entitlements for an outage, by feature id. Read it with ParseFallback, or
// write it in Go.
type Fallback map[string]FallbackEntitlement

// FallbackEntitlement is what everybody has of a feature in an outage. What it names must
// fit what the policy asks: an amount needs UsageLimit, IsUnlimited or Value, values need
// EnumValues; a feature that is only asked for needs HasAccess alone. Usage is counted
// from what this process knows.
type FallbackEntitlement struct {
	HasAccess   bool     `json:"hasAccess"`
	UsageLimit  *float64 `json:"usageLimit,omitempty"`
	IsUnlimited bool     `json:"isUnlimited,omitempty"`
	Value       *float64 `json:"value,omitempty"`
	EnumValues  []string `json:"enumValues,omitempty"`
}

// ParseFallback reads a Fallback from JSON, in the shape that the official SDKs take:
//
//	{"feature-analytics": {"hasAccess": true}, "feature-templates": {"hasAccess": true, "usageLimit": 5}}
func ParseFallback(data []byte) (Fallback, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var f Fallback
	if err := decoder.Decode(&f); err != nil {
		return nil, fmt.Errorf("gate: the fallback can't be read: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("gate: the fallback can't be read: there is more behind it")
	}
	if err := f.validate(); err != nil {
		return nil, fmt.Errorf("gate: the fallback can't be used: %w", err)
	}
	return f, nil
}

func (f Fallback) validate() error {
	if len(f) == 0 {
		return errors.New("it names no feature")
	}
	for _, id := range slices.Sorted(maps.Keys(f)) {
		if err := checkID("feature id", id, false); err != nil {
			return err
		}
		e := f[id]
		kinds := 0
		for _, named := range []bool{e.UsageLimit != nil || e.IsUnlimited && e.Value == nil, e.Value != nil, e.EnumValues != nil} {
			if named {
				kinds++
			}
		}
		if kinds > 1 {
			return fmt.Errorf("%q has more than one of a usage limit, a value and enum values", id)
		}
		for _, n := range []*float64{e.UsageLimit, e.Value} {
			if n == nil {
				continue
			}
			if err := checkAmount(*n); err != nil {
				return fmt.Errorf("%q: %w", id, err)
			}
		}
	}
	return nil
}

// clone shares nothing with f.
func (f Fallback) clone() Fallback {
	f = maps.Clone(f)
	for id, e := range f {
		e.EnumValues = slices.Clone(e.EnumValues)
		f[id] = e
	}
	return f
}

// feature is e in the decision table; false if it gives no access.
func (e FallbackEntitlement) feature() (rules.Feature, bool) {
	to := rules.Feature{Granted: true, Unlimited: e.IsUnlimited, Kind: rules.Boolean}
	switch {
	case e.EnumValues != nil:
		to.Kind, to.Values = rules.Enum, e.EnumValues
	case e.Value != nil:
		to.Kind, to.Limit = rules.Configuration, *e.Value
	case e.UsageLimit != nil:
		to.Kind, to.Limit = rules.Metered, *e.UsageLimit
	case e.IsUnlimited:
		to.Kind = rules.Metered
	}
	return to, e.HasAccess
}

// outage is what is said of outages in one place: in the gate, or in a policy.
type outage struct {
	says     Outage // 0: nothing
	fallback Fallback
}

// has is what everybody has in an outage of what one policy asks for. What was said first comes
// before what was said later, and in each the fallback of the feature before OutageDeny and
// OutageAllow.
func (o outage) has(p *admission.Policy, then ...outage) (rules.Feature, bool) {
	if e, ok := o.fallback[p.Item.ID]; ok && !p.Item.Currency {
		return e.feature()
	}
	switch {
	case o.says == OutageAllow:
		return p.Unlimited(), true
	case o.says == OutageDeny || len(then) == 0:
		return rules.Feature{}, false
	}
	return then[0].has(p, then[1:]...)
}

// OnOutage says for this policy what becomes of requests when nothing is known of their
// customer. It comes before what WithOutage and WithFallback say for the gate.
func (p Policy) OnOutage(o Outage) Policy {
	if o != OutageDeny && o != OutageAllow {
		p.fail(fmt.Errorf("there is no Outage of kind %d", o))
	}
	p.outage.says = o
	return p
}

// Fallback says for this policy what everybody has when nothing is known of a customer.
// It comes before OnOutage, and before what is said for the gate.
func (p Policy) Fallback(f Fallback) Policy {
	if err := f.validate(); err != nil {
		p.fail(fmt.Errorf("the fallback can't be used: %w", err))
	}
	p.outage.fallback = f.clone()
	return p
}
