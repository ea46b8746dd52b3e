package emulator

import "strings"

// customers lists the customers that are not archived: those are "no longer returned by
// the Stigg API" (GraphQL guide).
func (v view) customers(args input) (any, error) {
	var all []*customer
	for _, id := range sortedKeys(v.w.customers) {
		if c := v.w.customers[id]; !c.archived() {
			all = append(all, c)
		}
	}
	subs := v.subscriptionFields()
	return listing[*customer]{
		name: "customers", all: all, show: v.customer, id: func(c *customer) string { return c.id }, fields: v.customerFields(),
		inner: map[string]func(*customer, input) (bool, error){
			"subscriptions": func(c *customer, filter input) (bool, error) {
				of := listing[*subscription]{name: "a customer's subscriptions", fields: subs}
				return some(c.subscriptions, filter, of)
			},
			"promotionalEntitlements": func(c *customer, filter input) (bool, error) {
				return some(c.promotions, filter, listing[*promotion]{name: "a customer's promotionalEntitlements", fields: v.promotionFields()})
			},
		},
	}.answer(args)
}

// some says whether a filter holds of one of the things at least.
func some[T any](things []T, filter input, of listing[T]) (bool, error) {
	found := false
	for _, t := range things {
		fits, err := of.fits(t, filter)
		if err != nil {
			return false, err
		}
		found = found || fits
	}
	filter.readAll()
	return found, nil
}

func (v view) customerFields() map[string]func(*customer) any {
	return map[string]func(*customer) any{
		"customerId": func(c *customer) any { return c.id }, "refId": func(c *customer) any { return c.id },
		"id":   func(c *customer) any { return uuidOf("customer", c.id) },
		"name": func(c *customer) any { return deref(c.name) }, "email": func(c *customer) any { return deref(c.email) },
		"billingId": func(c *customer) any { return deref(c.billing) }, "crmId": func(c *customer) any { return deref(c.crmID) },
		"salesforceId":             func(c *customer) any { return deref(c.salesforceID) },
		"awsMarketplaceCustomerId": func(c *customer) any { return deref(c.awsID) },
		"crmHubspotCompanyId":      func(*customer) any { return nil }, "crmHubspotCompanyUrl": func(*customer) any { return nil },
		"environmentId": func(*customer) any { return environmentID() },
		"createdAt":     func(c *customer) any { return c.createdAt }, "updatedAt": func(c *customer) any { return c.updatedAt },
		"deletedAt": func(c *customer) any { return dated(c.archivedAt) },
		// What a search box looks for, in any of what identifies a customer.
		"searchQuery": func(c *customer) any {
			name, _ := deref(c.name).(string)
			email, _ := deref(c.email).(string)
			return strings.Join([]string{c.id, name, email}, "\n")
		},
		"hasActiveSubscription": func(c *customer) any {
			return len(c.activeSubscriptions(v.now, func(string) bool { return true })) > 0
		},
	}
}

func (v view) promotionFields() map[string]func(*promotion) any {
	return map[string]func(*promotion) any{
		"id": func(p *promotion) any { return p.id }, "environmentId": func(*promotion) any { return environmentID() },
		"createdAt": func(p *promotion) any { return p.start }, "updatedAt": func(p *promotion) any { return p.updatedAt },
		"status": func(p *promotion) any { return p.status(v.now) },
	}
}

// subscriptions lists the subscriptions of customers that are not archived, over or not.
func (v view) subscriptionList(args input) (any, error) {
	var all []*subscription
	for _, id := range sortedKeys(v.w.subscriptions) {
		if s := v.w.subscriptions[id]; !s.customer.archived() {
			all = append(all, s)
		}
	}
	fields := v.subscriptionFields()
	fields["customerId"] = func(s *subscription) any { return s.customer.id }
	fields["resourceId"] = func(s *subscription) any { return orNil(s.resource) }
	return listing[*subscription]{
		name: "subscriptions", all: all, show: v.subscription, id: func(s *subscription) string { return s.id }, fields: fields,
		inner: map[string]func(*subscription, input) (bool, error){
			"customer": func(s *subscription, filter input) (bool, error) {
				return some([]*customer{s.customer}, filter, listing[*customer]{name: "a subscription's customer", fields: v.customerFields()})
			},
			"plan": func(s *subscription, filter input) (bool, error) {
				return some([]*pkg{s.plan}, filter, listing[*pkg]{name: "a subscription's plan", fields: v.planFields()})
			},
			"resource": func(s *subscription, filter input) (bool, error) {
				if s.resource == "" {
					filter.readAll()
					return false, nil
				}
				return some([]*subscription{s}, filter, listing[*subscription]{name: "a subscription's resource", fields: map[string]func(*subscription) any{
					"resourceId": func(s *subscription) any { return s.resource }, "environmentId": func(*subscription) any { return environmentID() },
					"createdAt": func(s *subscription) any { return dated(s.customer.resources[s.resource]) },
				}})
			},
		},
	}.answer(args)
}

// subscriptionFields: ids of customers and resources are UUIDs here, as the filter of
// customers has them.
func (v view) subscriptionFields() map[string]func(*subscription) any {
	return map[string]func(*subscription) any{
		"subscriptionId": func(s *subscription) any { return s.id }, "refId": func(s *subscription) any { return s.id },
		"id":            func(s *subscription) any { return uuidOf("subscription", s.id) },
		"environmentId": func(*subscription) any { return environmentID() },
		"customerId":    func(s *subscription) any { return uuidOf("customer", s.customer.id) },
		"resourceId": func(s *subscription) any {
			if s.resource == "" {
				return nil
			}
			return uuidOf("resource", s.resource)
		},
		"payingCustomerId": func(s *subscription) any { return uuidOf("customer", s.payer().id) },
		"productId":        func(*subscription) any { return v.w.catalog.Product.ID },
		"status":           func(s *subscription) any { return s.status(v.now) },
		"pricingType":      func(s *subscription) any { return s.plan.PricingType },
		"paymentCollection": func(s *subscription) any {
			if s.collection == "" {
				return "NOT_REQUIRED"
			}
			return s.collection
		},
		"billingId": func(s *subscription) any { return deref(s.billingID) }, "oldBillingId": func(*subscription) any { return nil },
		"salesforceId": func(s *subscription) any { return deref(s.salesforceID) },
		"crmId":        func(s *subscription) any { return deref(s.crmID) }, "crmLinkUrl": func(*subscription) any { return nil },
		"cancelReason": func(s *subscription) any { return orNil(s.cancelReason) },
		"createdAt":    func(s *subscription) any { return s.createdAt }, "startDate": func(s *subscription) any { return s.start },
		"endDate": func(s *subscription) any { return dated(s.end) }, "effectiveEndDate": func(s *subscription) any { return dated(s.stops()) },
		"cancellationDate": func(s *subscription) any { return dated(s.cancelledAt) }, "trialEndDate": func(s *subscription) any { return dated(s.trialEnd) },
		"billingCycleAnchor":        func(s *subscription) any { return s.anchor },
		"currentBillingPeriodStart": func(s *subscription) any { return s.billing(laterOf(v.now, s.start)).start },
		"currentBillingPeriodEnd":   func(s *subscription) any { return s.billing(laterOf(v.now, s.start)).end },
	}
}

func (v view) planFields() map[string]func(*pkg) any {
	return map[string]func(*pkg) any{
		"refId": func(p *pkg) any { return p.ID }, "id": func(p *pkg) any { return uuidOf("plan", p.ID) },
		"displayName": func(p *pkg) any { return p.DisplayName }, "description": func(p *pkg) any { return deref(p.Description) },
		"pricingType": func(p *pkg) any { return p.PricingType }, "productId": func(*pkg) any { return v.w.catalog.Product.ID },
		"status": func(*pkg) any { return "PUBLISHED" }, "isLatest": func(p *pkg) any { return v.w.catalog.isLatest(p) },
		"versionNumber": func(p *pkg) any { return p.Version }, "billingId": func(*pkg) any { return nil },
		"environmentId": func(*pkg) any { return environmentID() },
		"createdAt":     func(*pkg) any { return catalogTime() }, "updatedAt": func(*pkg) any { return catalogTime() },
	}
}

// orNil gives a string for a comparison, nil where it is empty.
func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}
