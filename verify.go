package gate

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/stiggate/gate/internal/admission"
	"github.com/stiggate/gate/internal/rules"
)

// Verify reads Stigg's catalog and compares it with every policy that is bound to the gate: those
// of Guard, RouteGuards and the adapters' Require and Routes. Call it when the routes are
// registered, at the start or in a test in CI; beside them it takes policies for Check and Admit.
//
// It returns a *VerifyError that lists every mistake with its route: a feature or a currency that
// Stigg does not know, an amount or values that a feature's kind does not take. Any other error
// says that nothing is known: Stigg can't be asked, the Source is no CatalogReader
// (ErrNoCatalog), or there is nothing to verify yet. What events are (Policy.ReportAs) no catalog
// tells.
//
// It is for a gate that can reach Stigg. An app that must start while Stigg is down goes on if the
// error is no *VerifyError.
func (g *Gate) Verify(ctx context.Context, policies ...Policy) error {
	more := make([]*admission.Policy, len(policies))
	for i := range policies {
		more[i] = &policies[i].asks
	}
	all, some := g.bound.List(more...)
	reader, ok := g.cache.source.(CatalogReader)
	switch {
	case !some:
		return errors.New("gate: verify: no policy is bound to the gate yet: register the routes first")
	case !ok:
		return fmt.Errorf("gate: verify: %w", ErrNoCatalog)
	}
	catalog, err := reader.ReadCatalog(ctx)
	if err != nil {
		return fmt.Errorf("gate: verify: read the catalog: %w", err)
	}
	wrong := new(VerifyError)
	for _, u := range all {
		err := verify(ctx, u, reader, catalog)
		if ctx.Err() != nil {
			return fmt.Errorf("gate: verify: %w", ctx.Err())
		}
		if err != nil {
			wrong.Mistakes = append(wrong.Mistakes, &PolicyError{Route: u.Route, Feature: u.ID, Err: err})
		}
	}
	if len(wrong.Mistakes) > 0 {
		return wrong
	}
	return nil
}

// ErrNoCatalog says that the Source can't tell what there is: it is no CatalogReader.
var ErrNoCatalog = errors.New("the source does not tell what Stigg's catalog has: it is no CatalogReader")

// ErrFeatureKind says that a feature's kind does not take what a policy asks.
var ErrFeatureKind = errors.New("the feature's kind does not take what the policy asks")

// VerifyError is what Verify found: policies that don't fit Stigg's catalog.
type VerifyError struct {
	// Mistakes are sorted by route and feature. The Err of each is or wraps ErrUnknownFeature,
	// ErrUnknownCurrency or ErrFeatureKind; any other says why that one can't be told.
	Mistakes []*PolicyError
}

func (e *VerifyError) Error() string {
	lines := make([]string, len(e.Mistakes))
	for i, m := range e.Mistakes {
		lines[i] = m.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the mistakes.
func (e *VerifyError) Unwrap() []error {
	all := make([]error, len(e.Mistakes))
	for i, m := range e.Mistakes {
		all[i] = m
	}
	return all
}

// verify compares what a policy names with the catalog. What that does not list is asked for by itself.
func verify(ctx context.Context, u admission.Name, r CatalogReader, c Catalog) (err error) {
	kind, listed := c.Features[u.ID]
	if u.Currency {
		kind, listed = KindUnknown, c.Currencies[u.ID]
	}
	if !listed {
		if kind, err = find(ctx, r, u.Item, Customer{}); err != nil {
			return err
		}
	}
	if kind != KindUnknown && !rules.Kind(kind).Takes(u.Mode) {
		return fmt.Errorf("%w: it is %s, and the policy has %s", ErrFeatureKind, kind, u.Mode)
	}
	return nil
}

// CatalogReader is a Source that tells what there is at all, whoever has it: for Verify, and so
// that a misspelt id is not answered with an offer to buy it. Package client is one.
type CatalogReader interface {
	// ReadCatalog reads what the published plans and add-ons have. There may be features and
	// currencies beside: what is in none of them.
	ReadCatalog(ctx context.Context) (Catalog, error)
	// FindFeature tells the kind of one feature, KindUnknown if it exists and its kind is not
	// told, or an error: ErrUnknownFeature means that there surely is none. It may be asked in
	// the name of customer c, of whom the answer says nothing; a zero c leaves the choice.
	FindFeature(ctx context.Context, c Customer, id string) (FeatureKind, error)
	// FindCurrency is FindFeature for a currency of credits; ErrUnknownCurrency means that there
	// surely is none.
	FindCurrency(ctx context.Context, c Customer, id string) error
}

// Catalog is what the plans and add-ons of an environment have: features with their kinds, and
// currencies of credits, by id.
type Catalog struct {
	Features   map[string]FeatureKind
	Currencies map[string]bool
}

// ErrUnknownFeature says that Stigg has no feature with an id, ErrUnknownCurrency that it has no
// such currency of credits.
var (
	ErrUnknownFeature  = errors.New("there is no such feature in Stigg")
	ErrUnknownCurrency = errors.New("there is no such currency in Stigg")
)

// unknown says that there is no such item.
func unknown(i admission.Item) error {
	if i.Currency {
		return ErrUnknownCurrency
	}
	return ErrUnknownFeature
}

// find asks for the kind of an item, of which a currency has none.
func find(ctx context.Context, r CatalogReader, i admission.Item, c Customer) (FeatureKind, error) {
	if i.Currency {
		return KindUnknown, r.FindCurrency(ctx, c, i.ID)
	}
	return r.FindFeature(ctx, c, i.ID)
}
