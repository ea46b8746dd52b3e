package client

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/stiggate/gate"
)

var _ gate.CatalogReader = (*Client)(nil)

// Catalog is what an environment sells, each sorted by id: what its published plans have, hidden
// ones too, and the add-ons that go with them. Stigg's API has no list of features or currencies for a server's key,
// so what is in no plan and no add-on is not here: a draft, a feature that is only granted by
// promotion.
type Catalog struct {
	Products   []Product
	Plans      []Plan
	Addons     []Addon
	Features   []FeatureInfo
	Currencies []CurrencyInfo
	// Values are those that plans and add-ons allow of each enum feature, by its id, sorted.
	Values map[string][]string
}

// Catalog reads the catalog: a request for each page of products, and one for each product.
func (c *Client) Catalog(ctx context.Context) (*Catalog, error) {
	b := catalogBuilder{plans: map[string]Plan{}, addons: map[string]Addon{}, features: map[string]FeatureInfo{}, currencies: map[string]CurrencyInfo{}, values: map[string][]string{}}
	for product, err := range c.AllProducts(ctx, ProductQuery{}) {
		if err != nil {
			return nil, err
		}
		b.products = append(b.products, product)
		paywall, err := c.Paywall(ctx, PaywallQuery{ProductID: product.ID, IncludeHiddenPlans: true})
		if err != nil {
			return nil, err
		}
		for _, plan := range paywall.Plans {
			b.plan(plan)
		}
	}
	return b.catalog(), nil
}

// catalogBuilder gathers what plans have, once each.
type catalogBuilder struct {
	products   []Product
	plans      map[string]Plan
	addons     map[string]Addon
	features   map[string]FeatureInfo
	currencies map[string]CurrencyInfo
	values     map[string][]string
}

func (b *catalogBuilder) plan(p Plan) {
	b.plans[p.ID] = p
	b.have(p.Entitlements, p.Prices, p.Overage)
	b.have(p.Inherited, nil, nil)
	for _, a := range p.Addons {
		b.addon(a)
	}
	for _, group := range p.AddonGroups {
		for _, a := range group.Addons {
			b.addon(a)
		}
	}
}

func (b *catalogBuilder) addon(a Addon) {
	b.addons[a.ID] = a
	b.have(a.Entitlements, a.Prices, a.Overage)
}

// have adds what entitlements and prices name. Of a feature that only a price names, the kind is
// not told.
func (b *catalogBuilder) have(entitlements []PlanEntitlement, prices ...[]Price) {
	for _, e := range entitlements {
		if e.Feature != nil && e.Feature.ID != "" {
			b.features[e.Feature.ID] = *e.Feature
			if len(e.Values) > 0 {
				b.values[e.Feature.ID] = append(b.values[e.Feature.ID], e.Values...)
			}
		}
		if e.Currency != nil && e.Currency.ID != "" {
			b.currencies[e.Currency.ID] = *e.Currency
		}
	}
	for _, price := range slices.Concat(prices...) {
		if f := price.Feature; f != nil && f.ID != "" && b.features[f.ID].ID == "" {
			b.features[f.ID] = FeatureInfo{ID: f.ID, Name: f.Name, Description: f.Description, Unit: f.Unit, Units: f.Units}
		}
		rated := ""
		if price.CreditRate != nil {
			rated = price.CreditRate.CurrencyID
		}
		for _, id := range []string{price.TopUpCurrencyID, rated} {
			if id != "" && b.currencies[id].ID == "" {
				b.currencies[id] = CurrencyInfo{ID: id}
			}
		}
	}
}

func (b *catalogBuilder) catalog() *Catalog {
	slices.SortFunc(b.products, func(p, q Product) int { return cmp.Compare(p.ID, q.ID) })
	for id, values := range b.values {
		slices.Sort(values)
		b.values[id] = slices.Compact(values)
	}
	return &Catalog{Products: b.products, Plans: byID(b.plans), Addons: byID(b.addons), Features: byID(b.features), Currencies: byID(b.currencies), Values: b.values}
}

func byID[T any](all map[string]T) []T {
	sorted := make([]T, 0, len(all))
	for _, id := range slices.Sorted(maps.Keys(all)) {
		sorted = append(sorted, all[id])
	}
	return sorted
}

// ReadCatalog is gate.CatalogReader's.
func (c *Client) ReadCatalog(ctx context.Context) (gate.Catalog, error) {
	found, err := c.Catalog(ctx)
	if err != nil {
		return gate.Catalog{}, upstream(err)
	}
	to := gate.Catalog{Features: map[string]gate.FeatureKind{}, Currencies: map[string]bool{}}
	for _, f := range found.Features {
		to.Features[f.ID] = gate.ParseFeatureKind(f.Type, f.MeterType)
	}
	for _, currency := range found.Currencies {
		to.Currencies[currency.ID] = true
	}
	return to, nil
}

// mostAsked is in how many customers' names a zero customer asks, the newest first.
const mostAsked = 5

var errNobody = errors.New("client: it is in no published plan or add-on, and Stigg tells more only in the name of a customer with a subscription")

// FindFeature is gate.CatalogReader's. Stigg is asked for the customer's entitlement, and what it
// says of the feature is what counts: of a customer without a subscription it may say nothing. A
// zero customer is any of the newest customers.
func (c *Client) FindFeature(ctx context.Context, who gate.Customer, id string) (kind gate.FeatureKind, err error) {
	err = c.inTheNameOf(ctx, who, func(who gate.Customer) (told bool, err error) {
		e, err := c.Entitlement(ctx, EntitlementQuery{Customer: who, FeatureID: id})
		kind = e.Kind
		if err == nil && e.Denied == gate.ReasonFeatureNotFound {
			err = gate.ErrUnknownFeature
		}
		return kind != gate.KindUnknown || !ofCustomer(e.Denied), err
	})
	return kind, err
}

// FindCurrency is gate.CatalogReader's.
func (c *Client) FindCurrency(ctx context.Context, who gate.Customer, id string) error {
	return c.inTheNameOf(ctx, who, func(who gate.Customer) (told bool, err error) {
		credit, err := c.CreditEntitlement(ctx, who, id, 0)
		if errors.Is(err, ErrCurrencyNotFound) {
			err = gate.ErrUnknownCurrency
		}
		return credit.DisplayName != "" || !ofCustomer(credit.Denied), err
	})
}

// inTheNameOf asks in the name of a customer, or of several until one has told.
func (c *Client) inTheNameOf(ctx context.Context, who gate.Customer, ask func(gate.Customer) (told bool, err error)) error {
	names := []gate.Customer{who}
	if who == (gate.Customer{}) {
		page, err := c.Customers(ctx, CustomerQuery{Paging: Paging{Size: mostAsked}})
		if err != nil {
			return upstream(err)
		}
		names = names[:0]
		for _, customer := range page.Items {
			names = append(names, gate.Customer{ID: customer.ID})
		}
	}
	for _, who := range names {
		told, err := ask(who)
		if err != nil || told {
			return upstream(err)
		}
	}
	return errNobody
}

// ofCustomer reports whether a reason is about the customer, and so tells nothing of a feature.
func ofCustomer(r gate.Reason) bool {
	switch r {
	case gate.ReasonCustomerNotFound, gate.ReasonCustomerIsArchived, gate.ReasonResourceNotFound, gate.ReasonNoSubscription:
		return true
	}
	return false
}
