package emulator

// paywall shows the plans, in the catalog's order, and of a customer what it has of
// them. Plans and prices are the same in every country and none is hidden. The
// configuration, which is how widgets look, is null, and so are calculated prices.
func (v view) paywall(args input) (any, error) {
	in := args.object("input")
	catalog := v.w.catalog
	if id := in.str("productId"); id != "" && id != catalog.Product.ID {
		return nil, refuse(CodeProductNotFound, "product %q not found", id)
	}
	shown := obj{"plans": listOf(catalog.Plans, v.plan), "currency": v.currencyOfPrices()}
	id := in.str("customerId")
	if id == "" {
		return shown, nil
	}
	c, err := v.w.liveCustomer(id)
	if err != nil {
		return nil, err
	}
	resource := in.str("resourceId")
	shown["customer"] = v.customer(c)
	shown["activeSubscriptions"] = listOf(c.activeSubscriptions(v.now, func(r string) bool { return r == resource }), v.subscription)
	if since, known := c.resources[resource]; known {
		shown["resource"] = obj{"resourceId": resource, "createdAt": since, "environmentId": environmentID()}
	}
	return shown, nil
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

// products lists the one product that a catalog has. It refuses a filter rather than
// ignore it.
func (v view) products(args input) (any, error) {
	if !args.object("filter").empty() {
		return nil, refuse(CodeUnsupported, "the emulator does not model the argument filter of products")
	}
	return connection([]obj{v.product()}, args.object("paging"))
}
