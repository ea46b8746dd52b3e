package emulator

import (
	"fmt"
	"time"
)

func (c *catalog) completeCurrencies() error {
	c.currencyByID = map[string]*currency{}
	for i, cur := range c.Currencies {
		if cur == nil || cur.ID == "" {
			return fmt.Errorf("currencies[%d].id is missing", i)
		}
		if c.currencyByID[cur.ID] != nil {
			return fmt.Errorf("currencies[%d].id: %q stands twice", i, cur.ID)
		}
		if cur.DisplayName == "" {
			cur.DisplayName = cur.ID
		}
		c.currencyByID[cur.ID] = cur
	}
	return nil
}

func (c *catalog) completeCredits(at string, p *creditPackage) error {
	switch {
	case p == nil:
		return fmt.Errorf("%s is null", at)
	case c.currencyByID[p.CurrencyID] == nil:
		return fmt.Errorf("%s.currencyId: no currency %q in this catalog", at, p.CurrencyID)
	case p.Amount < 0 || p.Amount > maxValue:
		return fmt.Errorf("%s.amount: %v is no amount of credits", at, p.Amount)
	}
	if err := oneOf(at+".cadence", &p.Cadence, "MONTH", "YEAR"); err != nil {
		return err
	}
	return oneOf(at+".behavior", &p.Behavior, "Override", "Increment")
}

func (c *catalog) checkRate(at string, f *feature, r *creditRate) error {
	switch {
	case r == nil:
		return nil
	case !f.metered():
		return fmt.Errorf("%s: feature %q is not metered", at, f.ID)
	case c.currencyByID[r.CurrencyID] == nil:
		return fmt.Errorf("%s.currencyId: no currency %q in this catalog", at, r.CurrencyID)
	case r.Amount <= 0 || r.Amount > maxValue:
		return fmt.Errorf("%s.amount: %v is no amount of credits", at, r.Amount)
	}
	return nil
}

// seedGrant is credits that a customer of the catalog has beside its plan.
type seedGrant struct {
	CurrencyID  string    `json:"currencyId"`
	ResourceID  string    `json:"resourceId"`
	DisplayName string    `json:"displayName"`
	Amount      float64   `json:"amount"`
	Priority    float64   `json:"priority"`
	EffectiveAt time.Time `json:"effectiveAt"`
	ExpireAt    time.Time `json:"expireAt"`
}

func (w *world) seedGrant(c *customer, s seedGrant) error {
	cur, err := w.currency(s.CurrencyID)
	if err != nil {
		return fmt.Errorf("currencyId: %w", err)
	}
	return w.grantCredits(c, &creditGrant{
		currency: cur, resource: s.ResourceID, amount: s.Amount, kind: "PROMOTIONAL", displayName: s.DisplayName,
		priority: s.Priority, expire: s.ExpireAt.UTC(),
	}, s.EffectiveAt.UTC())
}
