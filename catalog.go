package gate

import (
	"context"
	"errors"
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
