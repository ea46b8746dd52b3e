package emulator

import "time"

// coupons lists what discounts there are; those that were made up for one
// subscription are not among them.
func (v view) couponList(args input) (any, error) {
	return listing[*coupon]{
		name: "coupons", all: v.w.coupons, show: v.coupon, id: func(c *coupon) string { return c.ID },
		fields: map[string]func(*coupon) any{
			"refId": func(c *coupon) any { return c.ID }, "name": func(c *coupon) any { return c.Name },
			"id":          func(c *coupon) any { return uuidOf("coupon", c.ID) },
			"description": func(c *coupon) any { return deref(c.Description) },
			"status":      func(c *coupon) any { return c.Status }, "type": func(c *coupon) any { return c.Type },
			"source":    func(*coupon) any { return "STIGG" },
			"createdAt": func(c *coupon) any { return c.createdAt }, "updatedAt": func(c *coupon) any { return c.createdAt },
			"billingId": func(*coupon) any { return nil }, "environmentId": func(*coupon) any { return environmentID() },
		},
	}.answer(args)
}

func (v view) coupon(c *coupon) obj {
	shown := obj{
		"id": uuidOf("coupon", c.ID), "refId": c.ID, "environmentId": environmentID(), "name": c.Name, "description": c.Description,
		"type": c.Type, "discountValue": shownDecimal(exactly(c.Value)), "durationInMonths": c.DurationInMonths,
		"status": c.Status, "source": "STIGG", "additionalMetaData": metadata(c.Metadata), "syncStates": []obj{},
		"createdAt": c.createdAt, "updatedAt": c.createdAt, "customers": []obj{},
	}
	if c.adhoc {
		shown["source"] = "STIGG_ADHOC"
	}
	if c.Type == "PERCENTAGE" {
		shown["percentOff"] = shown["discountValue"]
		return shown
	}
	shown["amountsOff"] = listOf(c.AmountsOff, func(a couponAmount) obj { return money(exactly(a.Amount), a.Currency) })
	return shown
}

func (v view) createCoupon(args input) (any, error) {
	in := args.object("input")
	c := &coupon{
		ID: in.str("refId"), Name: in.str("name"), Description: in.optStr("description"), Type: in.str("type"),
		DurationInMonths: in.num("durationInMonths"), Metadata: in.json("additionalMetaData"), AmountsOff: amountsOf(in),
	}
	for _, name := range []string{"percentOff", "discountValue"} {
		if n := in.num(name); n != nil {
			c.Value = *n
		}
	}
	if c.Type == "" && len(c.AmountsOff) > 0 {
		c.Type = "FIXED"
	}
	if err := v.w.createCoupon(c, v.now); err != nil {
		return nil, err
	}
	return v.coupon(c), nil
}

func amountsOf(in input) []couponAmount {
	var out []couponAmount
	for _, a := range in.objects("amountsOff") {
		out = append(out, couponAmount{*a.num("amount"), a.str("currency")})
	}
	return out
}

// appliedCoupon reads the coupon that an order names in one of the ways that there
// are, nil if it names none.
func (v view) appliedCoupon(in input) (*redeemed, error) {
	start := v.now
	var c *coupon
	var err error
	named := func(id string, find func(string) (*coupon, error)) {
		if id == "" || err != nil {
			return
		}
		if c != nil {
			err = refuse(CodeBadUserInput, "the order names more than one coupon")
			return
		}
		c, err = find(id)
	}
	named(in.str("promotionCode"), v.w.promotionCode)
	named(in.object("billingInformation").str("couponId"), v.w.coupon)
	applied := in.object("appliedCoupon")
	named(applied.str("couponId"), v.w.coupon)
	named(applied.str("billingCouponId"), v.w.coupon)
	named(applied.str("promotionCode"), v.w.promotionCode)
	if d := applied.object("discount"); d != nil && c == nil && err == nil {
		c, err = adhocCoupon(d)
	}
	if t := applied.object("configuration").time("startDate"); !t.IsZero() {
		start = t
	}
	if c == nil || err != nil {
		return nil, err
	}
	return &redeemed{c, start}, nil
}

// adhocCoupon makes a discount up for one subscription.
func adhocCoupon(d input) (*coupon, error) {
	c := &coupon{
		ID: "coupon-adhoc", Name: d.str("name"), Description: d.optStr("description"), AmountsOff: amountsOf(d),
		DurationInMonths: d.num("durationInMonths"), adhoc: true,
	}
	if p := d.num("percentOff"); p != nil {
		c.Value = *p
	} else if len(c.AmountsOff) > 0 {
		c.Type = "FIXED"
	}
	if err := c.complete("discount"); err != nil {
		return nil, refuse(CodeBadUserInput, "%v", err)
	}
	return c, nil
}

// showDiscount describes a coupon that was applied, null where none was.
func showDiscount(r *redeemed, currency string) any {
	if r == nil {
		return nil
	}
	c := r.coupon
	shown := obj{"name": c.Name, "type": c.Type, "value": shownDecimal(exactly(c.Value)), "durationType": "FOREVER", "start": r.start}
	if c.Type == "FIXED" {
		for _, a := range c.AmountsOff {
			if a.Currency == currency {
				shown["value"] = shownDecimal(exactly(a.Amount))
			}
		}
	}
	if c.DurationInMonths != nil {
		shown["durationType"], shown["durationInMonths"], shown["end"] = "REPEATING", *c.DurationInMonths, r.end()
	}
	return shown
}

func deref(s *string) any {
	if s == nil {
		return nil
	}
	return *s
}

// dated gives a time for a comparison, nil where there is none.
func dated(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}
