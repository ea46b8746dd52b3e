package emulator

import (
	"cmp"
	"slices"
	"time"
)

// currency is a custom currency: what credits are counted in.
type currency struct {
	ID          string         `json:"id"`
	DisplayName string         `json:"displayName"`
	Description *string        `json:"description"`
	Symbol      *string        `json:"symbol"`
	Unit        *string        `json:"unit"`
	Units       *string        `json:"units"`
	Metadata    map[string]any `json:"metadata"`
}

// creditPackage is what a plan or an add-on gives of a currency in every period.
type creditPackage struct {
	CurrencyID string  `json:"currencyId"`
	Amount     float64 `json:"amount"`
	Cadence    string  `json:"cadence"`
	SoftLimit  bool    `json:"hasSoftLimit"`
	Behavior   string  `json:"behavior"`
}

// creditRate is what one unit of a metered feature costs.
type creditRate struct {
	CurrencyID string  `json:"currencyId"`
	Amount     float64 `json:"amount"`
	// CostFormula is shown and not evaluated: Amount is what is charged.
	CostFormula *string `json:"costFormula"`
}

// creditGrant is an amount of a currency that can be consumed while it is in force.
type creditGrant struct {
	id                  string
	currency            *currency
	resource            string
	amount, consumed    float64
	kind, source        string
	displayName         string
	comment             *string
	priority            float64
	cost                map[string]any
	metadata            map[string]any
	createdAt           time.Time
	updatedAt, voidedAt time.Time
	effective, expire   time.Time
	// sub gives a recurring grant, which ends with it at the latest; nil for others.
	sub *subscription
	// rechargeID is of the automatic recharge that made it, empty for none.
	rechargeID string
}

// ends gives the end of the grant, zero for never.
func (g *creditGrant) ends() time.Time {
	if g.sub == nil {
		return g.expire
	}
	return earliest(g.expire, g.sub.stops())
}

func (g *creditGrant) inForce(t time.Time) bool {
	end := g.ends()
	return g.voidedAt.IsZero() && !t.Before(g.effective) && (end.IsZero() || t.Before(end))
}

// left is what can still be consumed; dust that decimals leave is nothing.
func (g *creditGrant) left() float64 {
	if fits(g.amount, g.consumed) {
		return 0
	}
	return g.amount - g.consumed
}

// overdraft is what was consumed and no grant had.
type overdraft struct {
	currency *currency
	resource string
	at       time.Time
	amount   float64
}

// purse holds the credits of one customer, all currencies and resources.
type purse struct {
	grants     []*creditGrant
	overdrafts []*overdraft
	entries    []ledgerEntry
	acks       map[creditKey]creditAck
	updatedAt  map[walletKey]time.Time
	// recharges are the settings of automatic recharge, by currency.
	recharges map[string]recharge
}

type walletKey struct{ resource, currency string }

// ledgerEntry is one line of creditsLedger.
type ledgerEntry struct {
	at        time.Time
	kind      string
	grant     string
	currency  string
	resource  string
	featureID string
	eventID   string
	amount    float64
}

// wallet is what a customer, or one of its resources, has of a currency at a moment.
type wallet struct {
	currency *currency
	// limit and used count the grants in force; what was overdrawn is used too.
	limit, used float64
	soft        bool
	updatedAt   time.Time
	// periodEnd is when recurring credits come anew, zero without such.
	periodEnd time.Time
	changesAt time.Time
	// setUpdatedAt is when the set that the wallet belongs to last changed.
	setUpdatedAt time.Time
}

// creditTerms are what the subscriptions of a moment say of a currency.
type creditTerms struct {
	given, soft bool
	// period is that of the credits that come anew first.
	period period
}

func (w *world) creditTerms(c *customer, resource string, cur *currency, t time.Time) creditTerms {
	var out creditTerms
	for _, s := range c.activeSubscriptions(t, func(r string) bool { return r == resource }) {
		p := w.credits(s)[cur.ID]
		if p == nil || s.revoked {
			continue
		}
		present := p.reset().periodAt(s.start, t)
		if !out.given || present.end.Before(out.period.end) {
			out.period = present
		}
		out.given, out.soft = true, out.soft || p.SoftLimit
	}
	return out
}

// wallet gives a wallet at the time t, nil if the customer has nothing to do with
// the currency: no grant in force and no credits of a plan. What was overdrawn
// counts in the period that it was overdrawn in.
func (w *world) wallet(c *customer, resource string, cur *currency, t time.Time) *wallet {
	terms := w.creditTerms(c, resource, cur, t)
	out := &wallet{
		currency: cur, soft: terms.soft, periodEnd: terms.period.end,
		updatedAt: c.purse.updatedAt[walletKey{resource, cur.ID}],
	}
	found := terms.given
	for _, g := range w.grantsAt(c, resource, cur, t) {
		found = true
		out.limit += g.amount
		out.used += g.consumed
	}
	for _, o := range c.purse.overdrafts {
		if o.currency == cur && o.resource == resource && terms.period.contains(o.at) {
			out.used += o.amount
		}
	}
	if !found {
		return nil
	}
	out.changesAt, out.setUpdatedAt = earliest(out.periodEnd, c.nextChange(resource, t)), w.setUpdatedAt(c, resource, t)
	return out
}

// decide is the row of the decision table for credits (semantics "The decision").
func (wa *wallet) decide(amount float64) verdict {
	switch {
	case wa == nil:
		return deny(reasonInsufficientCredits)
	case wa.soft, fits(wa.used+amount, wa.limit):
		return verdict{granted: true}
	}
	return deny(reasonInsufficientCredits)
}

func (p *creditPackage) reset() resetRule { return resetRule{every: p.Cadence} }

// credits gives what a subscription has of each currency in a period: its plan's
// over those of the plan's ancestors, and the add-ons'.
func (w *world) credits(s *subscription) map[string]*creditPackage {
	out := map[string]*creditPackage{}
	for _, plan := range slices.Backward(s.plan.lineage()) {
		for _, p := range plan.Credits {
			own := *p
			out[p.CurrencyID] = &own
		}
	}
	for _, p := range s.credits {
		own := *p
		out[p.CurrencyID] = &own
	}
	for _, a := range s.addons {
		for _, p := range a.addon.Credits {
			own := *p
			own.Amount *= float64(a.quantity)
			base := out[p.CurrencyID]
			switch {
			case base == nil:
				out[p.CurrencyID] = &own
			case p.Behavior == "Increment":
				base.Amount += own.Amount
				base.SoftLimit = base.SoftLimit || p.SoftLimit
			default:
				base.Amount = max(base.Amount, p.Amount)
				base.SoftLimit = base.SoftLimit || p.SoftLimit
			}
		}
	}
	return out
}

// grantsAt gives the grants that a consumption at t draws on, in the order in
// which it does: by priority, then those that end first, then the older ones.
func (w *world) grantsAt(c *customer, resource string, cur *currency, t time.Time) []*creditGrant {
	for _, s := range c.subscriptions {
		if s.resource == resource && s.active(t) {
			w.recur(c, s, cur, t)
		}
	}
	var out []*creditGrant
	for _, g := range c.purse.grants {
		if g.currency == cur && g.resource == resource && g.inForce(t) {
			out = append(out, g)
		}
	}
	slices.SortStableFunc(out, func(a, b *creditGrant) int {
		x, y := a.ends(), b.ends()
		switch {
		case a.priority != b.priority:
			return cmp.Compare(a.priority, b.priority)
		case x.IsZero() != y.IsZero():
			if x.IsZero() {
				return 1
			}
			return -1
		case !x.Equal(y):
			return x.Compare(y)
		}
		return a.effective.Compare(b.effective)
	})
	return out
}

// recur makes the grant of a subscription for the period that t lies in, if its
// plan gives the currency; one that is there follows the plan and its add-ons.
func (w *world) recur(c *customer, s *subscription, cur *currency, t time.Time) {
	p := w.credits(s)[cur.ID]
	if p == nil || s.revoked {
		return
	}
	now := p.reset().periodAt(s.start, t)
	if now.end.Year() > lastEnd {
		return
	}
	id := uuidOf("credit-grant", s.id+"\x00"+cur.ID+"\x00"+isoTime(now.start))
	for _, g := range c.purse.grants {
		if g.id == id {
			g.amount = p.Amount
			return
		}
	}
	g := &creditGrant{
		id: id, currency: cur, resource: s.resource, amount: p.Amount, kind: "RECURRING", source: "PLAN_ENTITLEMENT",
		displayName: cur.DisplayName, createdAt: now.start, updatedAt: now.start, effective: now.start, expire: now.end, sub: s,
	}
	c.purse.grants = append(c.purse.grants, g)
	c.purse.note(g, "CREDITS_GRANTED", now.start, g.amount, "", "")
}

// recurAll makes the recurring grants of every period until now.
func (w *world) recurAll(c *customer, now time.Time) {
	for _, s := range c.subscriptions {
		for id, p := range w.credits(s) {
			const most = 1200 // periods, a century of months
			at := s.start
			for range most {
				if at.After(now) || !s.active(at) {
					break
				}
				w.recur(c, s, w.catalog.currencyByID[id], at)
				at = p.reset().periodAt(s.start, at).end
			}
		}
	}
}

func (p *purse) note(g *creditGrant, kind string, at time.Time, amount float64, featureID, eventID string) {
	p.entries = append(p.entries, ledgerEntry{
		at: at, kind: kind, grant: g.id, currency: g.currency.ID, resource: g.resource,
		featureID: featureID, eventID: eventID, amount: amount,
	})
}
