package gateprovider

import (
	"context"
	"math"

	"github.com/open-feature/go-sdk/openfeature"

	"github.com/stiggate/gate"
)

// BooleanEvaluation is openfeature.FeatureProvider's: the plan has the feature, of whatever kind.
func (p *Provider) BooleanEvaluation(ctx context.Context, flag string, defaultValue bool, attributes openfeature.FlattenedContext) openfeature.BoolResolutionDetail {
	f, detail := p.look(ctx, flag, attributes)
	return resolved(defaultValue, f.decision.Allowed, detail)
}

// IntEvaluation is openfeature.FeatureProvider's: FloatEvaluation in whole units. A configuration
// that is no whole number is a type mismatch.
func (p *Provider) IntEvaluation(ctx context.Context, flag string, defaultValue int64, attributes openfeature.FlattenedContext) openfeature.IntResolutionDetail {
	f, detail := p.read(ctx, flag, attributes)
	n, detail := number(f, detail)
	whole := math.Floor(n)
	if whole != n && f.entitlement.Kind == gate.Configuration {
		detail = failed(openfeature.NewTypeMismatchResolutionError("the value is no whole number"))
	}
	if whole >= math.MaxInt64 {
		return resolved(defaultValue, math.MaxInt64, detail)
	}
	return resolved(defaultValue, int64(whole), detail)
}

// FloatEvaluation is openfeature.FeatureProvider's: the value of a configuration, or what is left
// of a metered feature.
func (p *Provider) FloatEvaluation(ctx context.Context, flag string, defaultValue float64, attributes openfeature.FlattenedContext) openfeature.FloatResolutionDetail {
	n, detail := number(p.read(ctx, flag, attributes))
	return resolved(defaultValue, n, detail)
}

// StringEvaluation is openfeature.FeatureProvider's: the value of an enum of which one is allowed.
func (p *Provider) StringEvaluation(ctx context.Context, flag, defaultValue string, attributes openfeature.FlattenedContext) openfeature.StringResolutionDetail {
	f, detail := p.read(ctx, flag, attributes)
	value := ""
	switch {
	case detail.Error() != nil:
	case !f.decision.Allowed:
		detail = failed(openfeature.NewFlagNotFoundResolutionError("the plan has no value of it"))
	case f.entitlement.Kind != gate.Enum:
		detail = failed(openfeature.NewTypeMismatchResolutionError("the feature is no enum"))
	case len(f.entitlement.Values) != 1:
		detail = failed(openfeature.NewTypeMismatchResolutionError("the enum has not one value; Object has them all"))
	default:
		value = f.entitlement.Values[0]
		detail.Variant = value
	}
	return resolved(defaultValue, value, detail)
}

// ObjectEvaluation is openfeature.FeatureProvider's: an Object.
func (p *Provider) ObjectEvaluation(ctx context.Context, flag string, defaultValue any, attributes openfeature.FlattenedContext) openfeature.InterfaceResolutionDetail {
	f, detail := p.read(ctx, flag, attributes)
	if detail.Error() != nil {
		return resolved(defaultValue, nil, detail)
	}
	return resolved(defaultValue, any(Object(f.object(flag))), detail)
}

// Object is an entitlement with the types of JSON: always featureId, displayName (the id if it
// has none) and granted; accessDeniedReason of what is not granted; kind ("boolean", "enum",
// "configuration", "metered") of what is; value of a configuration; values of an enum; and of a
// metered feature usage, unlimited, softLimit, and with a limit limit and left.
type Object = map[string]any

func (f *found) object(flag string) Object {
	e := &f.entitlement
	to := Object{"featureId": flag, "displayName": f.decision.FeatureName, "granted": f.decision.Allowed}
	if !f.decision.Allowed {
		to["accessDeniedReason"] = string(f.decision.Reason)
		return to
	}
	switch e.Kind {
	case gate.Boolean:
		to["kind"] = "boolean"
	case gate.Enum:
		to["kind"] = "enum"
		values := make([]any, len(e.Values))
		for i, v := range e.Values {
			values[i] = v
		}
		to["values"] = values
	case gate.Configuration:
		to["kind"] = "configuration"
		if !e.Unlimited {
			to["value"] = e.Limit
		}
	case gate.Metered:
		to["kind"], to["usage"], to["unlimited"], to["softLimit"] = "metered", e.Usage, e.Unlimited, e.SoftLimit
		if !e.Unlimited {
			to["limit"] = e.Limit
		}
		if left := f.left(); !math.IsInf(left, 1) {
			to["left"] = left
		}
	}
	return to
}

// number is what Int and Float show.
func number(f found, detail openfeature.ProviderResolutionDetail) (float64, openfeature.ProviderResolutionDetail) {
	e := &f.entitlement
	switch {
	case detail.Error() != nil || !f.decision.Allowed:
		return 0, detail
	case e.Kind == gate.Configuration && e.Unlimited:
		return math.Inf(1), detail
	case e.Kind == gate.Configuration:
		return e.Limit, detail
	case e.Kind == gate.Metered:
		return f.left(), detail
	}
	return 0, failed(openfeature.NewTypeMismatchResolutionError("the feature is no number"))
}

// left is how much of a metered feature may still be used. What a formula prices is bounded
// by its own limit alone, since Stigg alone can evaluate it.
func (f *found) left() float64 {
	left := math.Inf(1)
	if e := &f.entitlement; !e.Unlimited && !e.SoftLimit {
		left = e.Limit - e.Usage
	}
	if rate := f.entitlement.CreditRate; rate != nil && !rate.Formula && rate.Amount > 0 {
		credits := 0.0 // without a wallet there are none
		if f.wallet != nil {
			credits = f.wallet.Limit - f.wallet.Usage
		}
		if f.wallet == nil || !f.wallet.SoftLimit {
			left = min(left, credits/rate.Amount)
		}
	}
	return max(left, 0)
}

// resolved is the value, or the default one where there is none.
func resolved[T any](defaultValue, value T, detail openfeature.ProviderResolutionDetail) openfeature.GenericResolutionDetail[T] {
	if detail.Error() != nil {
		value = defaultValue
	}
	return openfeature.GenericResolutionDetail[T]{Value: value, ProviderResolutionDetail: detail}
}
