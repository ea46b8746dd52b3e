package emulator

import (
	"time"
)

// recharge is the setting of an automatic recharge: when a wallet falls below a
// threshold, credits are granted up to a balance.
type recharge struct {
	Currency      string
	Enabled       bool
	ThresholdType string
	Threshold     float64
	Target        float64
	MaxSpend      *float64
	Expires       string
	CreatedAt     time.Time
	UpdatedAt     time.Time
	// Spent is what was recharged in the month that began at SpentFrom.
	Spent     float64
	SpentFrom time.Time
}

func (w *world) saveRecharge(c *customer, r recharge, now time.Time) (recharge, error) {
	old, known := c.purse.recharges[r.Currency]
	r.CreatedAt, r.UpdatedAt = now, now
	if known {
		r.CreatedAt, r.Spent, r.SpentFrom = old.CreatedAt, old.Spent, old.SpentFrom
	}
	switch {
	case r.Threshold < 0 || r.Target < 0 || r.MaxSpend != nil && *r.MaxSpend < 0:
		return r, refuse(CodeBadUserInput, "an amount of the recharge is below 0")
	case r.Enabled && r.ThresholdType == "DollarAmount":
		return r, refuse(CodeUnsupported, "the emulator does not model a threshold in dollars: credits have no price here")
	case r.Enabled && r.Target <= r.Threshold:
		return r, refuse(CodeBadUserInput, "targetBalance %v is not above thresholdValue %v", r.Target, r.Threshold)
	}
	c.purse.recharges[r.Currency] = r
	w.hook("credit.auto_recharge_configuration_changed", c, "", func(view) obj {
		return obj{"currencyId": r.Currency, "isEnabled": r.Enabled}
	})
	w.rechargeIfLow(c, r.Currency, now)
	return r, nil
}

// rechargeIfLow grants credits to a customer's own wallet that has fallen to the
// threshold, as far as the month's limit allows.
func (w *world) rechargeIfLow(c *customer, currencyID string, now time.Time) {
	r, known := c.purse.recharges[currencyID]
	if !known || !r.Enabled {
		return
	}
	month := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	if !r.SpentFrom.Equal(month) {
		r.Spent, r.SpentFrom = 0, month
	}
	cur := w.catalog.currencyByID[currencyID]
	balance := 0.0
	if wa := w.wallet(c, "", cur, now); wa != nil {
		balance = wa.limit - wa.used
	}
	if balance > r.Threshold {
		return
	}
	amount := r.Target - balance
	if r.MaxSpend != nil && r.Spent+amount > *r.MaxSpend {
		w.hook("credit.auto_recharge_limit_exceeded", c, "", func(view) obj {
			return obj{"currencyId": currencyID, "maxSpendLimit": *r.MaxSpend}
		})
		return
	}
	expire := addMonths(now, 12)
	if r.Expires == "OneMonth" {
		expire = addMonths(now, 1)
	}
	r.Spent += amount
	c.purse.recharges[currencyID] = r
	// The amount is above 0 and the customer's level has no id to be wrong.
	_ = w.grantCredits(c, &creditGrant{
		currency: cur, amount: amount, kind: "PAID", displayName: "Automatic recharge", effective: now, expire: expire,
		rechargeID: rechargeID(c.id, currencyID),
	}, now)
}

func rechargeID(customerID, currencyID string) string {
	return uuidOf("recharge", customerID+"\x00"+currencyID)
}

func (v view) getRecharge(args input) (any, error) {
	in := args.object("input")
	c, cur, err := v.ofWallet(in)
	if err != nil {
		return nil, err
	}
	r, known := c.purse.recharges[cur.ID]
	if !known {
		// What a customer has who never set anything.
		r = recharge{Currency: cur.ID, ThresholdType: "CreditAmount", Expires: "OneYear"}
	}
	return v.recharge(c, r), nil
}

func (v view) ofWallet(in input) (*customer, *currency, error) {
	c, err := v.w.liveCustomer(in.str("customerId"))
	if err != nil {
		return nil, nil, err
	}
	cur, err := v.w.currency(in.str("currencyId"))
	return c, cur, err
}

func (v view) saveRecharge(args input) (any, error) {
	in := args.object("input")
	c, cur, err := v.ofWallet(in)
	if err != nil {
		return nil, err
	}
	r := c.purse.recharges[cur.ID]
	r.Currency, r.Enabled = cur.ID, in.flag("isEnabled")
	if n := in.num("thresholdValue"); n != nil {
		r.Threshold = *n
	}
	if n := in.num("targetBalance"); n != nil {
		r.Target = *n
	}
	if n := in.num("maxSpendLimit"); n != nil {
		r.MaxSpend = n
	}
	for name, field := range map[string]*string{"thresholdType": &r.ThresholdType, "grantExpirationPeriod": &r.Expires} {
		if word := in.str(name); word != "" {
			*field = word
		}
	}
	if r.ThresholdType == "" {
		r.ThresholdType = "CreditAmount"
	}
	if r.Expires == "" {
		r.Expires = "OneYear"
	}
	if r, err = v.w.saveRecharge(c, r, v.now); err != nil {
		return nil, err
	}
	return v.recharge(c, c.purse.recharges[r.Currency]), nil
}

func (v view) recharge(c *customer, r recharge) obj {
	spent := r.Spent
	if r.SpentFrom.Year() != v.now.Year() || r.SpentFrom.Month() != v.now.Month() {
		spent = 0
	}
	return obj{
		"id": rechargeID(c.id, r.Currency), "environmentId": environmentID(), "customerId": c.id, "currencyId": r.Currency,
		"isEnabled": r.Enabled, "thresholdType": r.ThresholdType, "thresholdValue": r.Threshold, "targetBalance": r.Target,
		"maxSpendLimit": r.MaxSpend, "grantExpirationPeriod": r.Expires, "currentMonthlySpend": spent,
		"createdAt": r.CreatedAt, "updatedAt": r.UpdatedAt,
	}
}
