package emulator

// checkoutState is what Stigg's widget for a checkout begins with. There is no payment
// provider behind it: the secrets open nothing.
func (v view) checkoutState(args input) (any, error) {
	in := args.object("input")
	c, err := v.w.liveCustomer(in.str("customerId"))
	if err != nil {
		return nil, err
	}
	if err := v.checkProduct(in.str("productId")); err != nil {
		return nil, err
	}
	plan := v.w.catalog.planByID[in.str("planId")]
	if plan == nil {
		return nil, refuse(CodePlanNotFound, "plan %q not found", in.str("planId"))
	}
	resource := in.str("resourceId")
	if err := checkResourceID(resource); err != nil {
		return nil, err
	}
	secret := "seti_" + uuidOf("setup", c.id+"/"+plan.ID)
	shown := obj{
		"customer": v.customer(c), "plan": v.plan(plan), "setupSecret": secret, "configuration": v.checkoutLooks(),
		"billingIntegration": obj{
			"billingIdentifier":  "STRIPE",
			"credentials":        obj{"accountId": "acct_emulator", "publicKey": "pk_test_emulator"},
			"billingCredentials": obj{"__typename": "StripeCheckoutCredentials", "accountId": "acct_emulator", "publicKey": "pk_test_emulator", "setupSecret": secret},
		},
	}
	if active := c.activeSubscriptions(v.now, func(r string) bool { return r == resource }); len(active) > 0 {
		shown["activeSubscription"] = v.subscription(active[0])
	}
	if resource != "" && c.knows(resource) {
		shown["resource"] = v.resource(c, resource)
	}
	return shown, nil
}

func (v view) checkProduct(id string) error {
	if id != "" && id != v.w.catalog.Product.ID {
		return refuse(CodeProductNotFound, "product %q not found", id)
	}
	return nil
}

// createPaymentSession gives a token that opens nothing: there is no payment provider.
func (v view) createPaymentSession(args input) (any, error) {
	in := args.object("input")
	c, err := v.w.liveCustomer(in.str("customerId"))
	if err != nil {
		return nil, err
	}
	plan := v.w.catalog.planByID[in.str("planId")]
	if plan == nil {
		return nil, refuse(CodePlanNotFound, "plan %q not found", in.str("planId"))
	}
	return obj{"token": "ps_" + uuidOf("payment-session", c.id+"/"+plan.ID+"/"+v.w.nextID("session"))}, nil
}

func (v view) detachPaymentMethod(args input) (any, error) {
	c, err := v.w.liveCustomer(args.object("input").str("customerId"))
	if err != nil {
		return nil, err
	}
	if c.payment == nil {
		return nil, refuse(CodePaymentMethodNotFound, "customer %q has no payment method", c.id)
	}
	c.payment, c.updatedAt = nil, v.now
	v.w.customerChanged(c, "customer.updated")
	return v.customer(c), nil
}
