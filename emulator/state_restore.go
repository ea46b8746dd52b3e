package emulator

import (
	"fmt"
	"maps"
)

// restoring makes a world of a state file.
type restoring struct {
	w  *world
	at string
	// versions of packages by what they are.
	plans, addons map[versionKey]*pkg
	// payers are to be found when all customers are there.
	payers map[*subscription]string
}

func (r *restoring) missing(kind, id string) error {
	return fmt.Errorf("%s: the %s %q is not in the catalog", r.at, kind, id)
}

func (r *restoring) restore(saved *savedWorld) error {
	w := r.w
	w.serial, w.lastStamp, w.publishedAt = saved.Serial, saved.LastStamp, saved.PublishedAt
	w.measurements, w.events, w.uses, w.pending = saved.Measurements, saved.Events, saved.Uses, saved.Pending
	for _, ev := range w.events {
		w.eventKeys[ev.key()] = true
	}
	for id, status := range saved.Features {
		if f := w.catalog.featureByID[id]; f != nil {
			f.Status = status
		}
	}
	if err := r.restorePackages(saved.Packages); err != nil {
		return err
	}
	w.coupons = nil
	for _, c := range saved.Coupons {
		w.coupons = append(w.coupons, c.restored())
	}
	for _, c := range saved.Checkouts {
		w.checkouts[c.ID] = c
	}
	for i := range saved.Customers {
		if err := r.restoreCustomer(&saved.Customers[i]); err != nil {
			return err
		}
	}
	for s, id := range r.payers {
		if s.paying = w.customers[id]; s.paying == nil {
			return fmt.Errorf("%s: subscription %q is paid by customer %q, who isn't there", r.at, s.id, id)
		}
	}
	return nil
}

func (c savedCoupon) restored() *coupon {
	out := *c.Coupon
	out.createdAt, out.adhoc = c.CreatedAt, c.Adhoc
	return &out
}

// restorePackages takes the versions of the file in the place of the catalog's.
func (r *restoring) restorePackages(all []savedPackage) error {
	r.plans, r.addons, r.payers = map[versionKey]*pkg{}, map[versionKey]*pkg{}, map[*subscription]string{}
	for _, one := range all {
		p := one.Package
		p.isAddon = one.Addon
		if err := r.w.catalog.completePackage(r.at+": package "+p.ID, p); err != nil {
			return err
		}
		versions := r.plans
		if one.Addon {
			versions = r.addons
		}
		versions[versionOf(p)] = p
		if one.Latest {
			if old := r.w.catalog.latest(p); old != nil {
				r.w.catalog.replace(old, p)
			} else {
				return r.missing("package", p.ID)
			}
		}
	}
	for _, one := range all {
		if one.Base == nil {
			continue
		}
		if one.Package.base = r.plans[*one.Base]; one.Package.base == nil {
			return fmt.Errorf("%s: plan %q is based on version %d of %q, which isn't there", r.at, one.Package.ID, one.Base.Version, one.Base.ID)
		}
	}
	return nil
}

func (r *restoring) redeemed(saved *savedRedeemed) (*redeemed, error) {
	switch {
	case saved == nil:
		return nil, nil
	case saved.Own != nil:
		return &redeemed{saved.Own.restored(), saved.Start}, nil
	}
	for _, c := range r.w.coupons {
		if c.ID == saved.ID {
			return &redeemed{c, saved.Start}, nil
		}
	}
	return nil, fmt.Errorf("%s: the coupon %q isn't there", r.at, saved.ID)
}

func (r *restoring) restoreCustomer(saved *savedCustomer) error {
	c, err := r.w.addCustomer(saved.ID, saved.CreatedAt)
	if err != nil {
		return fmt.Errorf("%s: %w", r.at, err)
	}
	c.name, c.email, c.billing, c.awsID, c.salesforceID, c.crmID = saved.Name, saved.Email, saved.BillingID, saved.AwsID, saved.SalesforceID, saved.CrmID
	c.currency, c.metadata, c.updatedAt, c.archivedAt, c.payment = saved.Currency, saved.Metadata, saved.UpdatedAt, saved.ArchivedAt, saved.Payment
	maps.Copy(c.resources, saved.Resources)
	clear(c.changedAt)
	maps.Copy(c.changedAt, saved.ChangedAt)
	if c.coupon, err = r.redeemed(saved.Coupon); err != nil {
		return err
	}
	for i := range saved.Subscriptions {
		if err := r.restoreSubscription(c, &saved.Subscriptions[i]); err != nil {
			return err
		}
	}
	for _, p := range saved.Promotions {
		f := r.w.catalog.featureByID[p.Feature]
		if f == nil {
			return r.missing("feature", p.Feature)
		}
		c.promotions = append(c.promotions, &promotion{
			id: p.ID, feature: f, grant: p.Grant, period: p.Period, visible: p.Visible, group: p.Group, start: p.Start, end: p.End, updatedAt: p.UpdatedAt,
		})
	}
	if err := r.restoreUsage(c, saved); err != nil {
		return err
	}
	return r.restorePurse(c, &saved.Purse)
}

func (r *restoring) restoreSubscription(c *customer, saved *savedSubscription) error {
	plan := r.plans[saved.Plan]
	if plan == nil {
		return fmt.Errorf("%s: version %d of plan %q isn't there", r.at, saved.Plan.Version, saved.Plan.ID)
	}
	s := &subscription{
		id: saved.ID, customer: c, resource: saved.Resource, plan: plan, billingPeriod: saved.BillingPeriod, units: saved.Units,
		overrides: saved.Overrides, metadata: saved.Metadata, createdAt: saved.CreatedAt, start: saved.Start, anchor: saved.Anchor,
		end: saved.End, cancelledAt: saved.CancelledAt, cancelReason: saved.CancelReason, revoked: saved.Revoked,
		trialEnd: saved.TrialEnd, trialBehavior: saved.TrialBehavior, collection: saved.Collection, pending: saved.Pending,
	}
	if s.units == nil {
		s.units = map[string]float64{}
	}
	for id := range s.overrides {
		if r.w.catalog.featureByID[id] == nil {
			return r.missing("feature", id)
		}
	}
	for _, a := range saved.Addons {
		addon := r.addons[a.Addon]
		if addon == nil {
			return fmt.Errorf("%s: version %d of add-on %q isn't there", r.at, a.Addon.Version, a.Addon.ID)
		}
		s.addons = append(s.addons, addonCount{addon, a.Quantity})
	}
	t, err := r.terms(&saved.Terms)
	if err != nil {
		return err
	}
	s.terms = t
	if saved.Terms.Paying != "" {
		r.payers[s] = saved.Terms.Paying
	}
	if i := saved.Invoice; i != nil {
		s.invoice = &invoice{i.ID, i.CreatedAt, i.Total.Rat, i.SubTotal.Rat, i.Tax.Rat, i.Currency, i.Paid, i.Reason, i.Err, i.Attempts}
	}
	for _, d := range saved.Schedule {
		t, err := r.terms(&d.Change.Terms)
		if err != nil {
			return err
		}
		ch := d.Change
		s.schedule = append(s.schedule, &scheduled{d.Kind, d.At, d.CreatedAt, change{
			ch.BillingPeriod, ch.Quantity, ch.Units, ch.Addons, ch.Overrides, ch.Metadata, ch.TrialEnd, ch.End, t, ch.AnchorNow,
		}, d.Variables})
	}
	if len(s.schedule) > 0 {
		r.w.scheduled = append(r.w.scheduled, s.id)
	}
	r.w.subscriptions[s.id] = s
	c.subscriptions = append(c.subscriptions, s)
	return nil
}

func (r *restoring) terms(saved *savedTerms) (terms, error) {
	t := terms{
		billingID: saved.BillingID, salesforceID: saved.SalesforceID, crmID: saved.CrmID, collectionMethod: saved.CollectionMethod,
		country: saved.Country, unitAmount: saved.UnitAmount.Rat, minimumSpend: saved.MinimumSpend.Rat, taxRate: saved.TaxRate.Rat,
		budget: saved.Budget, credits: saved.Credits, customPrice: saved.CustomPrice,
	}
	for _, p := range saved.Prices {
		t.priceOverrides = append(t.priceOverrides, priceOverride{p.Addon, p.Feature, p.Amount.Rat})
	}
	var err error
	t.coupon, err = r.redeemed(saved.Coupon)
	return t, err
}

func (r *restoring) restoreUsage(c *customer, saved *savedCustomer) error {
	for _, one := range saved.Counters {
		if r.w.catalog.featureByID[one.Feature] == nil {
			return r.missing("feature", one.Feature)
		}
		ct := c.counter(one.Resource, one.Feature)
		for _, e := range one.Entries {
			ct.add(entry{e.At, e.How, e.Value, e.Label, e.Dimensions}, one.UpdatedAt)
		}
		ct.updatedAt = one.UpdatedAt
	}
	for _, a := range saved.Acks {
		m := a.Measurement
		ack := usageAck{id: a.ID, measurement: m, usage: a.Usage, period: period{a.Period.Anchor, a.Period.Start, a.Period.End}, timestamp: a.Timestamp}
		if a.Charge != nil {
			wa, err := r.wallet(a.Charge.Wallet)
			if err != nil {
				return err
			}
			ack.charge = &charge{a.Charge.Consumed, a.Charge.Rate, wa}
		}
		c.acks[ackKey{m.ResourceID, m.FeatureID, m.IdempotencyKey}] = ack
	}
	return nil
}

func (r *restoring) wallet(saved *savedWallet) (*wallet, error) {
	if saved == nil {
		return nil, nil
	}
	cur := r.w.catalog.currencyByID[saved.Currency]
	if cur == nil {
		return nil, r.missing("currency", saved.Currency)
	}
	return &wallet{currency: cur, limit: saved.Limit, used: saved.Used, periodEnd: saved.PeriodEnd}, nil
}

func (r *restoring) restorePurse(c *customer, saved *savedPurse) error {
	for _, g := range saved.Grants {
		cur := r.w.catalog.currencyByID[g.Currency]
		if cur == nil {
			return r.missing("currency", g.Currency)
		}
		c.purse.grants = append(c.purse.grants, &creditGrant{
			id: g.ID, currency: cur, resource: g.Resource, amount: g.Amount, consumed: g.Consumed, kind: g.Kind, source: g.Source,
			displayName: g.DisplayName, comment: g.Comment, priority: g.Priority, cost: g.Cost, metadata: g.Metadata, createdAt: g.CreatedAt,
			updatedAt: g.UpdatedAt, voidedAt: g.VoidedAt, effective: g.Effective, expire: g.Expire, sub: r.w.subscriptions[g.Subscription], rechargeID: g.RechargeID,
		})
	}
	for _, o := range saved.Overdrafts {
		cur := r.w.catalog.currencyByID[o.Currency]
		if cur == nil {
			return r.missing("currency", o.Currency)
		}
		c.purse.overdrafts = append(c.purse.overdrafts, &overdraft{cur, o.Resource, o.At, o.Amount})
	}
	for _, l := range saved.Entries {
		c.purse.entries = append(c.purse.entries, ledgerEntry{l.At, l.Kind, l.Grant, l.Currency, l.Resource, l.Feature, l.Event, l.Amount})
	}
	for _, a := range saved.Acks {
		wa, err := r.wallet(a.Wallet)
		if err != nil {
			return err
		}
		c.purse.acks[creditKey{a.Use.ResourceID, a.Use.CurrencyID, a.Use.IdempotencyKey}] = creditAck{a.Use, wa, a.Timestamp}
	}
	for _, u := range saved.UpdatedAt {
		c.purse.updatedAt[walletKey{u.Resource, u.Currency}] = u.At
	}
	maps.Copy(c.purse.recharges, saved.Recharges)
	return nil
}
