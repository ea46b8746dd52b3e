// Package gateprovider is a provider for OpenFeature: flags are what a customer's plan has, read
// from a gate.
//
//	import gateprovider "github.com/stiggate/gate/contrib/openfeature"
//
//	err := openfeature.SetProviderAndWait(gateprovider.New(g))
//	flags := openfeature.NewClient("app")
//	who := openfeature.NewEvaluationContext("customer-1", map[string]any{"resource": "site-7"})
//	sso := flags.Boolean(ctx, "feature-sso", false, who)
//
// A flag is a feature's id, the targeting key a customer's id. The attribute "resource"
// (WithResourceAttribute) is the id of one of the customer's resources; without it the customer's
// own entitlements are asked for. Take both from what authentication has verified.
//
// # Values
//
//	Boolean  the plan has the feature, whatever is left of it (gate.Policy.Has)
//	Int      the value of a configuration, or what is left of a metered feature, in whole units
//	Float    the same, with fractions
//	String   the value of an enum that has one
//	Object   the whole entitlement, a map[string]any: see Object
//
// What is left is never below 0, and counts what this process has used and Stigg has not yet
// acknowledged. What is paid in credits is left as far as the wallet reaches, too. Without a
// limit, or behind a soft one, it is math.MaxInt64 and +Inf. Of a feature that the plan does not
// have Boolean is false, Int and Float are 0, and Object says why.
//
// A flag shows what there is; it holds nothing and bills nothing. Between a flag and what it opens
// others may use the rest up: a policy in front of the route decides.
//
// # Reasons and errors
//
// The reason is TARGETING_MATCH for what was read now, CACHED for what is cached, STALE for what
// was read before and can't be refreshed, DEFAULT for a fallback of the gate's in an outage or
// offline. The variant is "on" or "off", whether the plan has it; of a String it is the value.
// The flag's metadata has Stigg's "accessDeniedReason" of what the plan does not have.
//
// An evaluation that fails gives the app's default value and ERROR: TARGETING_KEY_MISSING,
// INVALID_CONTEXT for an id that Stigg does not take, FLAG_NOT_FOUND for what is no feature,
// and for a String that the plan does not have, TYPE_MISMATCH, PROVIDER_NOT_READY if nothing
// could be known in time.
package gateprovider

import (
	"context"
	"errors"

	"github.com/open-feature/go-sdk/openfeature"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/internal/option"
)

// StaleReason is OpenFeature's reason for a value that may be out of date.
const StaleReason openfeature.Reason = "STALE"

// Provider is a provider over a gate.
type Provider struct {
	gate     *gate.Gate
	resource string
}

var (
	_ openfeature.FeatureProvider = (*Provider)(nil)
	_ openfeature.StateHandler    = (*Provider)(nil)
)

// Option changes what New returns.
type Option func(*Provider)

// WithResourceAttribute names the attribute that has the resource's id, in place of "resource".
func WithResourceAttribute(name string) Option { return func(p *Provider) { p.resource = name } }

// New returns a provider over g. Whoever made the gate closes it, after the provider's shutdown.
func New(g *gate.Gate, with ...Option) *Provider {
	p := &Provider{gate: g, resource: "resource"}
	for _, set := range with {
		option.Must("gateprovider", "option", set)
		set(p)
	}
	return p
}

// Metadata is openfeature.FeatureProvider's.
func (*Provider) Metadata() openfeature.Metadata { return openfeature.Metadata{Name: "Gate"} }

// Hooks is openfeature.FeatureProvider's. There are none.
func (*Provider) Hooks() []openfeature.Hook { return nil }

// Init is openfeature.StateHandler's: an error if the gate can serve nothing.
func (p *Provider) Init(openfeature.EvaluationContext) error {
	if p.gate == nil {
		return errors.New("gateprovider: the gate is nil")
	}
	return p.gate.Ready(context.Background())
}

// Shutdown is openfeature.StateHandler's. It leaves the gate open.
func (*Provider) Shutdown() {}

// found is what is known of one flag.
type found struct {
	decision    gate.Decision
	entitlement gate.Entitlement
	wallet      *gate.Credit // what the feature is paid from; nil if it is not
}

// look finds a flag. The detail says how, or why not.
func (p *Provider) look(ctx context.Context, flag string, attributes openfeature.FlattenedContext) (f found, detail openfeature.ProviderResolutionDetail) {
	who, wrong := p.customer(attributes)
	if wrong != nil {
		return f, failed(*wrong)
	}
	f.decision = p.gate.Check(ctx, who, gate.Feature(flag).Has())
	d := &f.decision
	switch d.Reason {
	case gate.ReasonFeatureNotFound:
		return f, failed(openfeature.NewFlagNotFoundResolutionError("there is no such feature"))
	case gate.ReasonUnresolved:
		return f, failed(openfeature.NewInvalidContextResolutionError("the customer's or the resource's id is none that Stigg takes"))
	case gate.ReasonUnavailable, gate.ReasonClientGone:
		return f, failed(openfeature.NewProviderNotReadyResolutionError("what the customer has is not known"))
	}
	detail = openfeature.ProviderResolutionDetail{Reason: reasonOf(d), Variant: "off", FlagMetadata: openfeature.FlagMetadata{}}
	if d.Allowed {
		detail.Variant = "on"
	} else {
		detail.FlagMetadata["accessDeniedReason"] = string(d.Reason)
	}
	return f, detail
}

// read is look, and reads the entitlement of a feature that the plan has.
func (p *Provider) read(ctx context.Context, flag string, attributes openfeature.FlattenedContext) (f found, detail openfeature.ProviderResolutionDetail) {
	f, detail = p.look(ctx, flag, attributes)
	if !f.decision.Allowed {
		return f, detail
	}
	set, err := p.gate.Entitlements(ctx, f.decision.Customer)
	entitlement, has := set.Feature(flag)
	if err != nil || !has { // a fallback's, or it was taken away a moment ago
		return f, failed(openfeature.NewProviderNotReadyResolutionError("the value is not known"))
	}
	f.entitlement = entitlement
	for i := range set.Credits {
		if rate := entitlement.CreditRate; rate != nil && rate.CurrencyID == set.Credits[i].CurrencyID {
			f.wallet = &set.Credits[i]
		}
	}
	return f, detail
}

func (p *Provider) customer(attributes openfeature.FlattenedContext) (c gate.Customer, wrong *openfeature.ResolutionError) {
	refuse := func(e openfeature.ResolutionError) (gate.Customer, *openfeature.ResolutionError) { return c, &e }
	key, named := attributes[openfeature.TargetingKey]
	id, text := key.(string)
	switch {
	case !named || text && id == "":
		return refuse(openfeature.NewTargetingKeyMissingResolutionError("the targeting key is the customer's id"))
	case !text:
		return refuse(openfeature.NewInvalidContextResolutionError("the targeting key is no string"))
	}
	resource, named := attributes[p.resource]
	of, text := resource.(string)
	if named && !text {
		return refuse(openfeature.NewInvalidContextResolutionError("the resource is no string"))
	}
	return gate.Customer{ID: id, Resource: of}, nil
}

func failed(e openfeature.ResolutionError) openfeature.ProviderResolutionDetail {
	return openfeature.ProviderResolutionDetail{ResolutionError: e, Reason: openfeature.ErrorReason}
}

func reasonOf(d *gate.Decision) openfeature.Reason {
	switch {
	case d.Origin == gate.OriginFallback, d.Origin == gate.OriginOffline:
		return openfeature.DefaultReason
	case d.Origin == gate.OriginStale:
		return StaleReason
	case d.Waited == 0:
		return openfeature.CachedReason
	}
	return openfeature.TargetingMatchReason
}
