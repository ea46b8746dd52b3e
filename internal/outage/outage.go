// Package outage is what everybody has while nothing is known of them: what an app says of outages,
// and the fallback that Stigg's own SDKs take.
package outage

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
	"github.com/stiggate/gate/internal/valid"
)

// Answer says what becomes of a request. The values are those of gate.Outage.
type Answer uint8

// The answers; the zero Answer leaves it to somebody else.
const (
	Deny Answer = iota + 1
	Allow
)

// Check is nil, or says that there is no such Answer.
func (a Answer) Check() error {
	if a != Deny && a != Allow {
		return fmt.Errorf("there is no Outage of kind %d", a)
	}
	return nil
}

// Rule is what is said of outages in one place: in the gate, or in a policy.
type Rule struct {
	Answer   Answer
	Fallback Fallback // nil: nothing
}

// Empty reports whether nothing is said.
func (r Rule) Empty() bool { return r.Answer == 0 && r.Fallback == nil }

// Admits reports whether anybody may be let in.
func (r Rule) Admits() bool { return r.Answer == Allow || r.Fallback != nil }

// Has is what everybody has in an outage of what one policy asks for. What was said first comes
// before what was said later, and in each the fallback of the feature before Deny and Allow.
func (r Rule) Has(p *admission.Policy, then ...Rule) (rules.Feature, bool) {
	if e, ok := r.Fallback[p.Item.ID]; ok && !p.Item.Currency {
		return e.feature(), e.HasAccess
	}
	switch {
	case r.Answer == Allow:
		return p.Unlimited(), true
	case r.Answer == Deny || len(then) == 0:
		return rules.Feature{}, false
	}
	return then[0].Has(p, then[1:]...)
}

// Fallback is entitlements by feature id.
type Fallback map[string]Entitlement

// Entitlement is what everybody has of a feature. Its fields are those of
// gate.FallbackEntitlement, which documents them.
type Entitlement struct {
	HasAccess   bool     `json:"hasAccess"`
	UsageLimit  *float64 `json:"usageLimit,omitempty"`
	IsUnlimited bool     `json:"isUnlimited,omitempty"`
	Value       *float64 `json:"value,omitempty"`
	EnumValues  []string `json:"enumValues,omitempty"`
}

// Wrong returns which entry of f can't be used, and what is wrong with it, or with its id, or with an
// amount of it; or four times "".
func (f Fallback) Wrong() (feature, problem, id, amount string) {
	for _, feature := range slices.Sorted(maps.Keys(f)) {
		e := f[feature]
		id, problem, amount := valid.ID(feature, false), e.problem(), ""
		for _, n := range []*float64{e.UsageLimit, e.Value} {
			if n != nil && amount == "" {
				amount = valid.Amount(*n)
			}
		}
		if id+problem+amount != "" {
			return feature, problem, id, amount
		}
	}
	return "", "", "", ""
}

func (e *Entitlement) problem() string {
	kinds := 0
	for _, named := range []bool{e.UsageLimit != nil || e.IsUnlimited && e.Value == nil, e.Value != nil, e.EnumValues != nil} {
		if named {
			kinds++
		}
	}
	switch {
	case kinds > 1:
		return "has more than one of a usage limit, a value and enum values"
	case kinds == 1 && !e.HasAccess:
		return "says how much of it there is, and has no access to it, without which there is none (hasAccess)"
	}
	return ""
}

// Clone shares nothing with e.
func (e Entitlement) Clone() Entitlement {
	e.EnumValues = slices.Clone(e.EnumValues)
	for _, n := range []**float64{&e.UsageLimit, &e.Value} {
		if *n != nil {
			own := **n
			*n = &own
		}
	}
	return e
}

// feature is e in the decision table.
func (e *Entitlement) feature() rules.Feature {
	to := rules.Feature{Granted: true, Unlimited: e.IsUnlimited, Kind: rules.Boolean}
	switch {
	case e.EnumValues != nil:
		to.Kind, to.Values = rules.Enum, rules.ValueListOf(e.EnumValues)
	case e.Value != nil:
		to.Kind, to.Limit = rules.Configuration, *e.Value
	case e.UsageLimit != nil:
		to.Kind, to.Limit = rules.Metered, *e.UsageLimit
	case e.IsUnlimited:
		to.Kind = rules.Metered
	}
	return to
}

// Parse reads one value of JSON into to, which has a field for everything in it.
func Parse(data []byte, to any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(to); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more behind it")
	}
	return nil
}
