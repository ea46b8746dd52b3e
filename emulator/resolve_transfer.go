package emulator

// transferSubscription gives the subscription of one resource to another resource of
// the same customer.
func (v view) transferSubscription(args input) (any, error) {
	in := args.object("input")
	c, err := v.w.liveCustomer(in.str("customerId"))
	if err != nil {
		return nil, err
	}
	from, to := in.str("sourceResourceId"), in.str("destinationResourceId")
	if !c.knows(from) {
		return nil, refuse(CodeResourceNotFound, "customer %q has no resource %q", c.id, from)
	}
	active := c.activeSubscriptions(v.now, func(r string) bool { return r == from })
	if len(active) == 0 {
		return nil, refuse(CodeNoActiveSubscription, "resource %q of customer %q has no active subscription", from, c.id)
	}
	for _, s := range active {
		if err := v.w.transfer(s, to, v.now); err != nil {
			return nil, err
		}
	}
	return v.subscription(active[0]), nil
}

// transferSubscriptionToResource gives a subscription to a resource, or to the
// customer's own level where none is named.
func (v view) transferSubscriptionToResource(args input) (any, error) {
	in := args.object("input")
	s, err := v.w.openSubscription(in.str("subscriptionId"), v.now)
	if err != nil {
		return nil, err
	}
	if err := v.w.transfer(s, in.str("destinationResourceId"), v.now); err != nil {
		return nil, err
	}
	return v.subscription(s), nil
}

// delegateSubscription makes another customer pay, or its own again where none is named.
func (v view) delegateSubscription(args input) (any, error) {
	in := args.object("input")
	s, err := v.w.openSubscription(in.str("subscriptionId"), v.now)
	if err != nil {
		return nil, err
	}
	s.paying = nil
	if id := in.str("destinationCustomerId"); id != "" && id != s.customer.id {
		if s.paying, err = v.w.liveCustomer(id); err != nil {
			return nil, err
		}
	}
	v.w.subscriptionChanged(s, "subscription.updated")
	return v.subscription(s), nil
}

func (v view) cancelSchedule(args input) (any, error) {
	in := args.object("input")
	if status := in.str("status"); status != "" && status != "Scheduled" {
		return nil, refuse(CodeFutureUpdateNotFound, "no update of a subscription has the status %s", status)
	}
	s, err := v.w.cancelSchedule(in.str("subscriptionId"), v.now)
	if err != nil {
		return nil, err
	}
	return s.id, nil
}
