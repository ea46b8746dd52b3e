package emulator

import (
	"maps"
	"slices"
	"time"
)

// What follows is the world as JSON, thing by thing: pointers between them become ids.

type savedCustomer struct {
	ID            string               `json:"id"`
	Name          *string              `json:"name,omitempty"`
	Email         *string              `json:"email,omitempty"`
	BillingID     *string              `json:"billingId,omitempty"`
	AwsID         *string              `json:"awsMarketplaceCustomerId,omitempty"`
	SalesforceID  *string              `json:"salesforceId,omitempty"`
	CrmID         *string              `json:"crmId,omitempty"`
	Currency      string               `json:"currency,omitempty"`
	Metadata      map[string]any       `json:"metadata,omitempty"`
	CreatedAt     time.Time            `json:"createdAt"`
	UpdatedAt     time.Time            `json:"updatedAt"`
	ArchivedAt    time.Time            `json:"archivedAt,omitzero"`
	Resources     map[string]time.Time `json:"resources"`
	ChangedAt     map[string]time.Time `json:"changedAt"`
	Coupon        *savedRedeemed       `json:"coupon,omitempty"`
	Payment       *paymentMethod       `json:"payment,omitempty"`
	Subscriptions []savedSubscription  `json:"subscriptions"`
	Promotions    []savedPromotion     `json:"promotions"`
	Counters      []savedCounter       `json:"counters"`
	Acks          []savedAck           `json:"acks"`
	Purse         savedPurse           `json:"purse"`
}

type savedSubscription struct {
	ID            string                   `json:"id"`
	Resource      string                   `json:"resource,omitempty"`
	Plan          versionKey               `json:"plan"`
	BillingPeriod string                   `json:"billingPeriod"`
	Units         map[string]float64       `json:"units"`
	Addons        []savedAddonCount        `json:"addons"`
	Overrides     map[string]*packageGrant `json:"overrides"`
	Metadata      map[string]any           `json:"metadata,omitempty"`
	CreatedAt     time.Time                `json:"createdAt"`
	Start         time.Time                `json:"start"`
	Anchor        time.Time                `json:"anchor"`
	End           time.Time                `json:"end,omitzero"`
	CancelledAt   time.Time                `json:"cancelledAt,omitzero"`
	CancelReason  string                   `json:"cancelReason,omitempty"`
	Revoked       bool                     `json:"revoked,omitempty"`
	TrialEnd      time.Time                `json:"trialEnd,omitzero"`
	TrialBehavior string                   `json:"trialBehavior,omitempty"`
	Terms         savedTerms               `json:"terms"`
	Collection    string                   `json:"collection,omitempty"`
	Pending       bool                     `json:"pending,omitempty"`
	Invoice       *savedInvoice            `json:"invoice,omitempty"`
	Schedule      []savedScheduled         `json:"schedule,omitempty"`
}

type savedAddonCount struct {
	Addon    versionKey `json:"addon"`
	Quantity int        `json:"quantity"`
}

type savedTerms struct {
	Paying           string           `json:"payingCustomerId,omitempty"`
	BillingID        *string          `json:"billingId,omitempty"`
	SalesforceID     *string          `json:"salesforceId,omitempty"`
	CrmID            *string          `json:"crmId,omitempty"`
	CollectionMethod string           `json:"paymentCollectionMethod,omitempty"`
	Country          string           `json:"billingCountryCode,omitempty"`
	Coupon           *savedRedeemed   `json:"coupon,omitempty"`
	Prices           []savedPrice     `json:"priceOverrides,omitempty"`
	UnitAmount       ratText          `json:"priceUnitAmount"`
	MinimumSpend     ratText          `json:"minimumSpend"`
	TaxRate          ratText          `json:"taxPercentage"`
	Budget           *budget          `json:"budget,omitempty"`
	Credits          []*creditPackage `json:"credits,omitempty"`
	CustomPrice      *bool            `json:"isCustomPriceSubscription,omitempty"`
}

type savedPrice struct {
	Addon   string  `json:"addonId,omitempty"`
	Feature string  `json:"featureId,omitempty"`
	Amount  ratText `json:"amount"`
}

type savedInvoice struct {
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"createdAt"`
	Total     ratText   `json:"total"`
	SubTotal  ratText   `json:"subTotal"`
	Tax       ratText   `json:"tax"`
	Currency  string    `json:"currency"`
	Paid      bool      `json:"paid"`
	Reason    string    `json:"reason"`
	Err       string    `json:"error,omitempty"`
	Attempts  int       `json:"attempts"`
}

type savedScheduled struct {
	Kind      string         `json:"kind"`
	At        time.Time      `json:"at"`
	CreatedAt time.Time      `json:"createdAt"`
	Change    savedChange    `json:"change"`
	Variables map[string]any `json:"variables,omitempty"`
}

type savedChange struct {
	BillingPeriod string                   `json:"billingPeriod,omitempty"`
	Quantity      *float64                 `json:"quantity,omitempty"`
	Units         map[string]float64       `json:"units,omitempty"`
	Addons        map[string]int           `json:"addons"`
	Overrides     map[string]*packageGrant `json:"overrides,omitempty"`
	Metadata      map[string]any           `json:"metadata,omitempty"`
	TrialEnd      time.Time                `json:"trialEnd,omitzero"`
	End           time.Time                `json:"end,omitzero"`
	Terms         savedTerms               `json:"terms"`
	AnchorNow     bool                     `json:"anchorNow,omitempty"`
}

type savedPromotion struct {
	ID        string        `json:"id"`
	Feature   string        `json:"featureId"`
	Grant     *packageGrant `json:"grant"`
	Period    string        `json:"period"`
	Visible   bool          `json:"visible"`
	Group     string        `json:"group,omitempty"`
	Start     time.Time     `json:"start"`
	End       time.Time     `json:"end,omitzero"`
	UpdatedAt time.Time     `json:"updatedAt"`
}

func (w *world) save() *savedWorld {
	out := &savedWorld{
		Version: stateVersion, Product: w.catalog.Product.ID, Serial: w.serial, LastStamp: w.lastStamp, PublishedAt: w.publishedAt,
		Features: map[string]string{}, Measurements: w.measurements, Events: w.events, Uses: w.uses, Pending: w.pending,
		Checkouts: slices.Collect(maps.Values(w.checkouts)),
	}
	sortBy(out.Checkouts, func(c checkout) string { return c.ID })
	for _, f := range w.catalog.Features {
		out.Features[f.ID] = f.Status
	}
	for _, c := range w.coupons {
		out.Coupons = append(out.Coupons, savedCoupon{c, c.createdAt, c.adhoc})
	}
	for _, id := range sortedKeys(w.customers) {
		out.Customers = append(out.Customers, w.customers[id].save())
	}
	out.Packages = w.savePackages()
	return out
}

// savePackages gives the newest versions and those that subscriptions have, what they
// inherit from included.
func (w *world) savePackages() []savedPackage {
	type key struct {
		addon bool
		versionKey
		base int
	}
	var out []savedPackage
	seen := map[key]bool{}
	add := func(p *pkg) {
		for ; p != nil; p = p.base {
			one := savedPackage{Addon: p.isAddon, Latest: w.catalog.latest(p) == p, Package: p}
			k := key{addon: p.isAddon, versionKey: versionOf(p)}
			if p.base != nil {
				base := versionOf(p.base)
				one.Base, k.base = &base, base.Version
			}
			if !seen[k] {
				seen[k] = true
				out = append(out, one)
			}
		}
	}
	for _, p := range slices.Concat(w.catalog.Plans, w.catalog.Addons) {
		add(p)
	}
	for _, id := range sortedKeys(w.subscriptions) {
		s := w.subscriptions[id]
		add(s.plan)
		for _, a := range s.addons {
			add(a.addon)
		}
	}
	return out
}

func versionOf(p *pkg) versionKey { return versionKey{p.ID, p.Version} }

func (r *redeemed) save() *savedRedeemed {
	switch {
	case r == nil:
		return nil
	case r.coupon.adhoc:
		return &savedRedeemed{Own: &savedCoupon{r.coupon, r.coupon.createdAt, true}, Start: r.start}
	}
	return &savedRedeemed{ID: r.coupon.ID, Start: r.start}
}

func (c *customer) save() savedCustomer {
	out := savedCustomer{
		ID: c.id, Name: c.name, Email: c.email, BillingID: c.billing, AwsID: c.awsID, SalesforceID: c.salesforceID, CrmID: c.crmID,
		Currency: c.currency, Metadata: c.metadata, CreatedAt: c.createdAt, UpdatedAt: c.updatedAt, ArchivedAt: c.archivedAt,
		Resources: c.resources, ChangedAt: c.changedAt, Coupon: c.coupon.save(), Payment: c.payment,
		Counters: c.saveCounters(), Acks: c.saveAcks(), Purse: c.purse.save(),
	}
	for _, s := range c.subscriptions {
		out.Subscriptions = append(out.Subscriptions, s.save())
	}
	for _, p := range c.promotions {
		out.Promotions = append(out.Promotions, savedPromotion{p.id, p.feature.ID, p.grant, p.period, p.visible, p.group, p.start, p.end, p.updatedAt})
	}
	return out
}

func (s *subscription) save() savedSubscription {
	out := savedSubscription{
		ID: s.id, Resource: s.resource, Plan: versionOf(s.plan), BillingPeriod: s.billingPeriod, Units: s.units, Overrides: s.overrides,
		Metadata: s.metadata, CreatedAt: s.createdAt, Start: s.start, Anchor: s.anchor, End: s.end, CancelledAt: s.cancelledAt,
		CancelReason: s.cancelReason, Revoked: s.revoked, TrialEnd: s.trialEnd, TrialBehavior: s.trialBehavior,
		Terms: s.terms.save(), Collection: s.collection, Pending: s.pending,
	}
	for _, a := range s.addons {
		out.Addons = append(out.Addons, savedAddonCount{versionOf(a.addon), a.quantity})
	}
	if i := s.invoice; i != nil {
		out.Invoice = &savedInvoice{i.ID, i.CreatedAt, ratText{i.Total}, ratText{i.SubTotal}, ratText{i.Tax}, i.Currency, i.Paid, i.Reason, i.Err, i.Attempts}
	}
	for _, d := range s.schedule {
		ch := d.change
		out.Schedule = append(out.Schedule, savedScheduled{d.kind, d.at, d.createdAt, savedChange{
			ch.billingPeriod, ch.quantity, ch.units, ch.addons, ch.overrides, ch.metadata, ch.trialEnd, ch.end, ch.terms.save(), ch.anchorNow,
		}, d.variables})
	}
	return out
}

func (t terms) save() savedTerms {
	out := savedTerms{
		BillingID: t.billingID, SalesforceID: t.salesforceID, CrmID: t.crmID, CollectionMethod: t.collectionMethod, Country: t.country,
		Coupon: t.coupon.save(), UnitAmount: ratText{t.unitAmount}, MinimumSpend: ratText{t.minimumSpend}, TaxRate: ratText{t.taxRate},
		Budget: t.budget, Credits: t.credits, CustomPrice: t.customPrice,
	}
	if t.paying != nil {
		out.Paying = t.paying.id
	}
	for _, p := range t.priceOverrides {
		out.Prices = append(out.Prices, savedPrice{p.addonID, p.featureID, ratText{p.amount}})
	}
	return out
}
