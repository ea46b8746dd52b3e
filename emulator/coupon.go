package emulator

import (
	"fmt"
	"math/big"
	"slices"
	"time"
)

// coupon is a discount: a percentage, or a fixed amount in one or more currencies.
type coupon struct {
	ID               string         `json:"id"`
	Name             string         `json:"name"`
	Description      *string        `json:"description"`
	Type             string         `json:"type"`
	Value            float64        `json:"discountValue"`
	AmountsOff       []couponAmount `json:"amountsOff"`
	DurationInMonths *float64       `json:"durationInMonths"`
	MaxRedemptions   *float64       `json:"maxRedemptions"`
	Status           string         `json:"status"`
	Metadata         map[string]any `json:"metadata"`
	// PromotionCodes are what customers may type in its place.
	PromotionCodes []string `json:"promotionCodes"`

	createdAt time.Time
	// adhoc: made up for one subscription, and listed nowhere.
	adhoc bool
}

type couponAmount struct {
	Amount   float64 `json:"amount"`
	Currency string  `json:"currency"`
}

// redeemed is a coupon that a customer or a subscription has, from a time on.
type redeemed struct {
	coupon *coupon
	start  time.Time
}

// end gives when the discount ends, zero for never.
func (r *redeemed) end() time.Time {
	if r.coupon.DurationInMonths == nil {
		return time.Time{}
	}
	return addMonths(r.start, int(*r.coupon.DurationInMonths))
}

func (r *redeemed) inForce(t time.Time) bool {
	end := r.end()
	return !t.Before(r.start) && (end.IsZero() || t.Before(end))
}

// off gives the discount of an amount: never more than there is.
func (c *coupon) off(amount *big.Rat, currency string) *big.Rat {
	if c.Type == "PERCENTAGE" {
		return rounded(percent(amount, exactly(c.Value)), currency)
	}
	for _, a := range c.AmountsOff {
		if a.Currency == currency {
			return lesser(exactly(a.Amount), notNegative(amount))
		}
	}
	return zero()
}

// complete checks a coupon and fills in what may be left out.
func (c *coupon) complete(at string) error {
	if c.Name == "" {
		c.Name = c.ID
	}
	if err := oneOf(at+".type", &c.Type, "PERCENTAGE", "FIXED"); err != nil {
		return err
	}
	if err := oneOf(at+".status", &c.Status, "ACTIVE", "ARCHIVED"); err != nil {
		return err
	}
	if d := c.DurationInMonths; d != nil && (*d < 1 || *d != float64(int(*d)) || *d > 1200) {
		return fmt.Errorf("%s.durationInMonths: %v is no number of months", at, *d)
	}
	if c.Type == "PERCENTAGE" {
		if c.Value <= 0 || c.Value > 100 {
			return fmt.Errorf("%s.discountValue: %v is no percentage", at, c.Value)
		}
		return nil
	}
	if len(c.AmountsOff) == 0 && c.Value > 0 {
		c.AmountsOff = []couponAmount{{c.Value, "USD"}}
	}
	if len(c.AmountsOff) == 0 {
		return fmt.Errorf("%s.amountsOff is missing", at)
	}
	for i, a := range c.AmountsOff {
		if a.Currency == "" {
			c.AmountsOff[i].Currency = "USD"
		}
		if a.Amount <= 0 {
			return fmt.Errorf("%s.amountsOff[%d].amount: %v is not above 0", at, i, a.Amount)
		}
	}
	c.Value = c.AmountsOff[0].Amount
	return nil
}

// coupon finds a coupon that can be applied.
func (w *world) coupon(id string) (*coupon, error) {
	i := slices.IndexFunc(w.coupons, func(c *coupon) bool { return c.ID == id })
	if i < 0 {
		return nil, refuse(CodeCouponNotFound, "coupon %q not found", id)
	}
	return w.redeemable(w.coupons[i])
}

func (w *world) redeemable(c *coupon) (*coupon, error) {
	switch {
	case c.Status == "ARCHIVED":
		return nil, refuse(CodeCouponArchived, "coupon %q is archived", c.ID)
	case c.MaxRedemptions != nil && float64(w.redemptions(c)) >= *c.MaxRedemptions:
		return nil, refuse(CodeMaxRedemptions, "coupon %q was redeemed %v times, which is all it may be", c.ID, *c.MaxRedemptions)
	}
	return c, nil
}

// promotionCode finds the coupon that a code stands for.
func (w *world) promotionCode(code string) (*coupon, error) {
	for _, c := range w.coupons {
		if slices.Contains(c.PromotionCodes, code) {
			return w.redeemable(c)
		}
	}
	return nil, refuse(CodePromotionCodeNotFound, "promotion code %q not found", code)
}

// redemptions counts who has a coupon.
func (w *world) redemptions(c *coupon) int {
	n := 0
	for _, cu := range w.customers {
		if cu.coupon != nil && cu.coupon.coupon == c {
			n++
		}
		for _, s := range cu.subscriptions {
			if s.coupon != nil && s.coupon.coupon == c {
				n++
			}
		}
	}
	return n
}

// createCoupon adds a coupon that can be applied from now on.
func (w *world) createCoupon(c *coupon, now time.Time) error {
	if err := checkResourceID(c.ID); err != nil || c.ID == "" {
		return refuse(CodeBadUserInput, "coupon id %q is not a valid id", c.ID)
	}
	if slices.ContainsFunc(w.coupons, func(old *coupon) bool { return old.ID == c.ID }) {
		return refuse(CodeDuplicatedEntity, "coupon %q exists already", c.ID)
	}
	if err := c.complete("coupon"); err != nil {
		return refuse(CodeBadUserInput, "%v", err)
	}
	c.createdAt = now
	w.coupons = append(w.coupons, c)
	w.news.add(news{kind: newsHook, cause: "coupon.created", more: func(view) obj {
		return obj{"coupon": obj{"id": c.ID, "name": c.Name, "type": c.Type, "discountValue": shownDecimal(exactly(c.Value)), "status": c.Status}}
	}})
	return nil
}
