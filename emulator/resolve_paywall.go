package emulator

import "slices"

// paywall shows the plans, in the catalog's order, and of a customer what it has of
// them. Prices are those of a country where the catalog has some for it.
func (v view) paywall(args input) (any, error) {
	in := args.object("input")
	if err := v.checkProduct(in.str("productId")); err != nil {
		return nil, err
	}
	v.country = in.str("billingCountryCode")
	id, resource := in.str("customerId"), in.str("resourceId")
	shown := obj{
		"plans": listOf(v.w.catalog.Plans, v.plan), "currency": v.currencyOfPrices(),
		"configuration": v.paywallLooks(), "paywallCalculatedPricePoints": v.pricePoints(),
	}
	if id == "" {
		return shown, nil
	}
	c, err := v.w.liveCustomer(id)
	if err != nil {
		return nil, err
	}
	shown["customer"] = v.customer(c)
	shown["activeSubscriptions"] = listOf(c.activeSubscriptions(v.now, func(r string) bool { return r == resource }), v.subscription)
	if resource != "" && c.knows(resource) {
		shown["resource"] = v.resource(c, resource)
	}
	return shown, nil
}

// pricePoints gives what a paid plan begins at, for each billing period: its base
// charge, or the price of a unit if it has none.
func (v view) pricePoints() []obj {
	out := []obj{}
	for _, p := range v.w.catalog.Plans {
		if p.PricingType != "PAID" {
			continue
		}
		for _, period := range []string{"MONTHLY", "ANNUALLY"} {
			s := &subscription{plan: p, billingPeriod: period, terms: terms{country: v.country}}
			prices := s.pricesOf(p)
			if len(prices) == 0 {
				continue
			}
			base := slices.IndexFunc(prices, func(pr *price) bool { return pr.Model == "FLAT_FEE" })
			first := prices[max(base, 0)]
			out = append(out, obj{
				"planId": p.ID, "billingPeriod": period, "amount": shownDecimal(exactly(first.Amount)), "currency": first.Currency,
				"billingCountryCode": text(first.Country), "additionalChargesMayApply": first.Model != "FLAT_FEE" || len(prices) > 1,
			})
		}
	}
	return out
}

// currencyOfPrices shows the currency of the catalog's first price, US dollars if
// nothing is for sale.
func (v view) currencyOfPrices() obj {
	code := "USD"
	for _, plan := range v.w.catalog.Plans {
		if len(plan.Prices) > 0 {
			code = plan.Prices[0].Currency
			break
		}
	}
	symbol, known := map[string]string{"USD": "$", "EUR": "€", "GBP": "£", "ILS": "₪", "JPY": "¥"}[code]
	if !known {
		symbol = code
	}
	return obj{"code": code, "symbol": symbol}
}

// paywallLooks and the others show how the catalog wants widgets to look, null where it
// doesn't say.
func (v view) paywallLooks() any {
	looks := v.w.catalog.Widgets
	if looks == nil {
		return nil
	}
	return obj{
		"palette": obj(looks.Palette), "typography": looks.fonts(), "layout": obj(looks.Layout), "customCss": looks.CustomCSS,
	}
}

func (v view) portalLooks() any {
	looks, ok := v.paywallLooks().(obj)
	if ok {
		delete(looks, "layout")
		return looks
	}
	return nil
}

func (v view) checkoutLooks() any {
	looks, ok := v.portalLooks().(obj)
	if ok {
		looks["content"] = obj{"collectPhoneNumber": false}
		return looks
	}
	return nil
}

// fonts gives the typography, whose inner objects are objects of the API too.
func (l *widgets) fonts() obj {
	if l.Typography == nil {
		return nil
	}
	out := obj{}
	for name, v := range l.Typography {
		out[name] = v
		if font, ok := v.(map[string]any); ok {
			out[name] = obj(font)
		}
	}
	return out
}

// products lists the one product that a catalog has.
func (v view) products(args input) (any, error) {
	return listing[*product]{
		name: "products", all: []*product{&v.w.catalog.Product}, id: func(p *product) string { return p.ID },
		show: func(*product) obj { return v.product() },
		fields: map[string]func(*product) any{
			"refId": func(p *product) any { return p.ID }, "id": func(p *product) any { return uuidOf("product", p.ID) },
			"displayName": func(p *product) any { return p.DisplayName }, "description": func(p *product) any { return deref(p.Description) },
			"status": func(*product) any { return "PUBLISHED" }, "isDefaultProduct": func(*product) any { return true },
			"multipleSubscriptions": func(p *product) any { return p.MultipleSubscriptions },
			"environmentId":         func(*product) any { return environmentID() },
			"createdAt":             func(*product) any { return catalogTime() }, "updatedAt": func(*product) any { return catalogTime() },
		},
	}.answer(args)
}
