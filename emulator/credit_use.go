package emulator

import (
	"cmp"
	"encoding/json"
	"math"
	"time"
)

// CreditUse is one consumption of credits that the emulator accepted: of a
// consumeCredits, or of reported usage of a feature that costs credits.
type CreditUse struct {
	// IdempotencyKey as sent with the consumption, the measurement or the event.
	IdempotencyKey string
	CustomerID     string
	// ResourceID is empty for the wallet at the customer's level.
	ResourceID string
	CurrencyID string
	// FeatureID is of the feature whose usage cost the credits, empty for consumeCredits.
	FeatureID string
	Amount    float64
	// CreatedAt as sent; the time of arrival if it was not. In UTC. The credits are
	// taken from the grants that were in force at that time.
	CreatedAt time.Time
	// Duplicate says that the key had been counted before for this customer,
	// resource and currency, so that nothing was taken.
	Duplicate bool
}

// MarshalJSON writes the consumption as the operator's window shows it.
func (u CreditUse) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		IdempotencyKey *string `json:"idempotencyKey"`
		CustomerID     string  `json:"customerId"`
		ResourceID     *string `json:"resourceId"`
		CurrencyID     string  `json:"currencyId"`
		FeatureID      *string `json:"featureId"`
		Amount         float64 `json:"amount"`
		CreatedAt      string  `json:"createdAt"`
		Duplicate      bool    `json:"duplicate"`
	}{optional(u.IdempotencyKey), u.CustomerID, optional(u.ResourceID), u.CurrencyID, optional(u.FeatureID),
		u.Amount, isoTime(u.CreatedAt), u.Duplicate})
}

// maxConsumptions is Stigg's limit of consumptions in one consumeCreditsAsync.
const maxConsumptions = 1000

type creditKey struct{ resource, currency, idempotencyKey string }

// creditAck is the answer to a consumption.
type creditAck struct {
	use       CreditUse
	wallet    *wallet
	timestamp time.Time
}

// checkUse refuses what can't be consumed. That the wallet is empty is no reason:
// Stigg counts, the caller gates.
func (w *world) checkUse(u CreditUse) error {
	if _, err := w.liveCustomer(u.CustomerID); err != nil {
		return err
	}
	if err := cmp.Or(checkResourceID(u.ResourceID), checkYear(u.CreatedAt, lastEnd)); err != nil {
		return err
	}
	if _, err := w.currency(u.CurrencyID); err != nil {
		return err
	}
	switch {
	case u.IdempotencyKey == "":
		return refuse(CodeBadUserInput, "a consumption without an idempotencyKey")
	case math.IsNaN(u.Amount) || u.Amount <= 0:
		return refuse(CodeBadUserInput, "amount %v is not above 0", u.Amount)
	case u.Amount > maxValue:
		return refuse(CodeAmountTooLarge, "amount %v is too large", u.Amount)
	}
	return nil
}

// consume takes credits unless the key took them before.
func (w *world) consume(u CreditUse, now time.Time) creditAck {
	c := w.customers[u.CustomerID]
	if u.CreatedAt.IsZero() {
		u.CreatedAt = now
	}
	key := creditKey{u.ResourceID, u.CurrencyID, u.IdempotencyKey}
	if before, seen := c.purse.acks[key]; seen {
		u.Duplicate = true
		w.uses = append(w.uses, u)
		return before
	}
	c.seeResource(u.ResourceID, now)
	ack := creditAck{use: u, timestamp: w.stamp(now)}
	ack.wallet = w.draw(c, u, ack.timestamp, now)
	c.purse.acks[key] = ack
	return ack
}

// draw takes credits from the grants in force at the time of the use, and what they
// don't have on credit. It gives the wallet of now.
func (w *world) draw(c *customer, u CreditUse, stamp, now time.Time) *wallet {
	w.uses = append(w.uses, u)
	cur := w.catalog.currencyByID[u.CurrencyID]
	rest := u.Amount
	for _, g := range w.grantsAt(c, u.ResourceID, cur, u.CreatedAt) {
		part := min(rest, g.left())
		if part <= 0 {
			continue
		}
		g.consumed, g.updatedAt, rest = g.consumed+part, stamp, rest-part
		c.purse.note(g, "CREDITS_CONSUMED", u.CreatedAt, part, u.FeatureID, u.IdempotencyKey)
	}
	if !fits(u.Amount, u.Amount-rest) {
		c.purse.overdrafts = append(c.purse.overdrafts, &overdraft{cur, u.ResourceID, u.CreatedAt, rest})
	}
	c.purse.updatedAt[walletKey{u.ResourceID, cur.ID}] = stamp
	w.creditsChanged(c, u.ResourceID, cur.ID, "credit.consumed")
	if u.ResourceID == "" {
		w.rechargeIfLow(c, cur.ID, now)
	}
	return w.wallet(c, u.ResourceID, cur, now)
}

// grantCredits adds a grant, which first pays what was overdrawn in the present
// period, so that it does not matter which of the two came first.
func (w *world) grantCredits(c *customer, g *creditGrant, now time.Time) error {
	switch {
	case math.IsNaN(g.amount) || g.amount <= 0:
		return refuse(CodeBadUserInput, "amount %v is not above 0", g.amount)
	case g.amount > maxValue:
		return refuse(CodeAmountTooLarge, "amount %v is too large", g.amount)
	}
	if err := cmp.Or(checkResourceID(g.resource), checkYear(g.effective, lastEnd), checkYear(g.expire, lastEnd)); err != nil {
		return err
	}
	if g.effective.IsZero() {
		g.effective = now
	}
	if !g.expire.IsZero() && !g.expire.After(g.effective) {
		return refuse(CodeExpireBeforeEffective, "expireAt is not after effectiveAt")
	}
	c.seeResource(g.resource, now)
	g.id, g.createdAt, g.updatedAt = w.nextID("credit-grant"), now, now
	c.purse.grants = append(c.purse.grants, g)
	c.purse.note(g, "CREDITS_GRANTED", now, g.amount, "", "")
	c.purse.updatedAt[walletKey{g.resource, g.currency.ID}] = w.stamp(now)
	if g.inForce(now) {
		w.settleOverdrafts(c, g, now)
	}
	w.creditsChanged(c, g.resource, g.currency.ID, "credit.granted")
	w.entitlementsChanged(c, g.resource, "CREDIT_GRANTED", now)
	return nil
}

func (w *world) settleOverdrafts(c *customer, g *creditGrant, now time.Time) {
	present := w.creditTerms(c, g.resource, g.currency, now).period
	for _, o := range c.purse.overdrafts {
		if o.currency != g.currency || o.resource != g.resource || !present.contains(o.at) {
			continue
		}
		if part := min(o.amount, g.left()); part > 0 {
			o.amount -= part
			g.consumed += part
			c.purse.note(g, "CREDITS_CONSUMED", now, part, "", "")
		}
	}
}

// voidGrant takes back what is left of a grant.
func (w *world) voidGrant(id string, now time.Time) (*customer, *creditGrant, error) {
	for _, customerID := range sortedKeys(w.customers) {
		c := w.customers[customerID]
		for _, g := range c.purse.grants {
			if g.id != id {
				continue
			}
			switch {
			case !g.voidedAt.IsZero():
				return nil, nil, refuse(CodeGrantAlreadyVoided, "credit grant %q is voided already", id)
			case g.status(now) == "EXPIRED":
				return nil, nil, refuse(CodeGrantCannotBeVoided, "credit grant %q has expired", id)
			}
			g.voidedAt, g.updatedAt = now, now
			c.purse.note(g, "CREDITS_VOIDED", now, g.left(), "", "")
			c.purse.updatedAt[walletKey{g.resource, g.currency.ID}] = w.stamp(now)
			w.creditsChanged(c, g.resource, g.currency.ID, "credit.voided")
			w.entitlementsChanged(c, g.resource, "CREDIT_VOIDED", now)
			return c, g, nil
		}
	}
	return nil, nil, refuse(CodeGrantNotFound, "credit grant %q not found", id)
}

// status gives the CreditGrantStatus of the schema.
func (g *creditGrant) status(now time.Time) string {
	end := g.ends()
	switch {
	case !g.voidedAt.IsZero():
		return "VOIDED"
	case now.Before(g.effective):
		return "SCHEDULED"
	case !end.IsZero() && !now.Before(end):
		return "EXPIRED"
	}
	return "ACTIVE"
}

func (w *world) currency(id string) (*currency, error) {
	if cur := w.catalog.currencyByID[id]; cur != nil {
		return cur, nil
	}
	return nil, refuse(CodeCurrencyNotFound, "currency %q not found", id)
}
