package gate

import (
	"context"
	"errors"
	"net/http"

	"github.com/stiggate/gate/internal/existence"
)

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
	ErrUnknownFeature  = errors.New("Stigg knows no such feature")
	ErrUnknownCurrency = errors.New("Stigg knows no such currency")
)

// item is a feature or a currency that a policy names.
type item struct {
	id       string
	currency bool
}

func (i item) unknown() error {
	if i.currency {
		return ErrUnknownCurrency
	}
	return ErrUnknownFeature
}

// find asks for the kind of an item, of which a currency has none.
func (i item) find(ctx context.Context, r CatalogReader, c Customer) (FeatureKind, error) {
	if i.currency {
		return KindUnknown, r.FindCurrency(ctx, c, i.id)
	}
	return r.FindFeature(ctx, c, i.id)
}

// sells keeps a refusal from selling what there isn't. In a customer's set, what the plan lacks
// and what Stigg has never heard of look alike: both are absent. So the first refusal with 402 for
// an absent item has Stigg asked whether it exists, once for all requests, and waits for the answer
// within the decision timeout. If it does not, that is a mistake of the app's: 403. While nothing is
// known, what the set says stands.
func (g *Gate) sells(ctx context.Context, q *admission, d *Decision) {
	if d.Allowed || d.absent.id == "" || d.Reason.answer().Status != http.StatusPaymentRequired {
		return
	}
	reader, ok := g.cache.source.(CatalogReader)
	if !ok || d.Origin == OriginFallback || d.Origin == OriginOffline {
		return
	}
	missing, c := d.absent, d.Customer
	answer, ask := g.exists.Look(missing)
	if ask {
		pending := g.exists.Ask(missing, func(ctx context.Context) (bool, error) {
			_, err := missing.find(ctx, reader, c)
			if errors.Is(err, missing.unknown()) {
				return false, nil
			}
			return err == nil, err
		})
		if answer == existence.Unknown && pending != nil && !q.shadow && g.cache.Await(ctx, pending, &q.waits, false) == nil {
			answer, _ = g.exists.Look(missing)
		}
	}
	if answer == existence.No {
		name := d.FeatureName
		*d = d.anew()
		d.FeatureID, d.FeatureName, d.absent = missing.id, name, missing
		d.deny(ReasonFeatureNotFound, missing.unknown())
	}
}
