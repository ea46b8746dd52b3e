package gate

import (
	"errors"
	"fmt"

	"github.com/stiggate/gate/internal/outage"
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
// EnumValues; a feature that is only asked for needs HasAccess alone. What does not fit is an
// error where the policy is bound. Usage is counted from what this process knows.
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
	var f Fallback
	if err := outage.Parse(data, &f); err != nil {
		return nil, fmt.Errorf("gate: the fallback can't be read: %w", err)
	}
	if _, err := f.checked(); err != nil {
		return nil, fmt.Errorf("gate: %w", err)
	}
	return f, nil
}

// checked is f as it is used, if it can be; it shares nothing with f.
func (f Fallback) checked() (outage.Fallback, error) {
	if len(f) == 0 {
		return nil, errors.New("the fallback can't be used: it names no feature")
	}
	to := make(outage.Fallback, len(f))
	for id, e := range f {
		to[id] = outage.Entitlement(e).Clone()
	}
	switch feature, problem, id, amount := to.Wrong(); {
	case id != "":
		return nil, fmt.Errorf("the fallback can't be used: %w", &InvalidIDError{"feature id", id})
	case amount != "":
		return nil, fmt.Errorf("the fallback can't be used: %q: %w", feature, &AmountError{amount})
	case problem != "":
		return nil, fmt.Errorf("the fallback can't be used: %q %s", feature, problem)
	}
	return to, nil
}

// OnOutage says for this policy what becomes of requests when nothing is known of their
// customer. It comes before what WithOutage and WithFallback say for the gate.
func (p Policy) OnOutage(o Outage) Policy {
	if err := outage.Answer(o).Check(); err != nil {
		p.fail(err)
	}
	p.outage.Answer = outage.Answer(o)
	return p
}

// Fallback says for this policy what everybody has of its features when nothing is known of a
// customer; f may name others beside, so that policies can share it. It comes before OnOutage, and before what is said for the gate.
func (p Policy) Fallback(f Fallback) Policy {
	var err error
	if p.outage.Fallback, err = f.checked(); err != nil {
		p.fail(err)
	}
	return p
}
