package emulator

import "testing"

func TestARefusedMutationLeavesNothingBehind(t *testing.T) {
	order := essentialsOrder("customer-basic", 5, 0)
	broken := vars{"customerId": "customer-basic", "planId": "plan-x"}
	for _, c := range []struct {
		name, operation string
		in              vars
		want            Code
	}{
		{"customers of whom the last has no good id", "ImportCustomerBulk", vars{"customers": []vars{
			{"customerId": "new-1"}, {"customerId": "customer-pro", "name": "Changed"}, {"customerId": "a/b"}}}, CodeBadUserInput},
		{"subscriptions of which the last has no plan", "ImportSubscriptionsBulk", vars{"subscriptions": []vars{order, broken}}, CodePlanNotFound},
		{"a customer who is there, with a plan that isn't", "ProvisionCustomer", vars{"customerId": "customer-none", "name": "Changed", "couponRefId": "coupon-vip",
			"billingInformation": vars{"paymentMethodId": "pm"}, "subscriptionParams": vars{"planId": "plan-x"}}, CodePlanNotFound},
		{"a new customer with a coupon that isn't there", "ProvisionCustomer", vars{"customerId": "new-1", "couponRefId": "x"}, CodeCouponNotFound},
		{"promotions of which the last is of nothing", "GrantPromotionalEntitlements", vars{"customerId": "customer-demo-01", "promotionalEntitlements": []vars{
			{"featureId": "feature-03-custom-domain", "period": "ONE_WEEK"}, {"featureId": "x", "period": "LIFETIME"}}}, CodeFeatureNotFound},
		{"a part of a group", "GrantPromotionalEntitlementsGroup", vars{"customerId": "customer-demo-01", "featureGroupId": "feature-group-basic", "promotionalEntitlements": []vars{
			{"featureId": campaigns, "period": "LIFETIME", "usageLimit": 9}}}, CodeGroupMissingFeatures},
		{"an order with what is not modelled", "ProvisionSubscription", essentialsOrder("customer-basic", 5, 0, "charges", []vars{{"id": "x", "quantity": 1, "type": "CREDIT"}}), CodeUnsupported},
		{"a price that has tiers", "ProvisionSubscription", essentialsOrder("customer-basic", 5, 0, "priceOverrides",
			[]vars{{"featureId": "feature-01-templates", "price": vars{"amount": 1}, "tiers": []vars{{"upTo": 1}}}}), CodeUnsupported},
		{"a delegation to nobody", "DelegateSubscriptionToCustomer", vars{"subscriptionId": demoSubscription, "destinationCustomerId": "nobody"}, CodeCustomerNotFound},
		{"a quantity below 0", "UpdateSubscription", vars{"subscriptionId": demoSubscription, "billableFeatures": []vars{{"featureId": "feature-01-templates", "quantity": -2}}}, CodeInvalidQuantity},
		{"an add-on more often than there may be", "UpdateSubscription", vars{"subscriptionId": demoSubscription, "addons": []vars{{"addonId": "addon-10-campaigns", "quantity": -2}}}, CodeInvalidQuantity},
		{"an end in the past", "UpdateSubscription", vars{"subscriptionId": demoSubscription, "cancellationDate": "2020-01-01T00:00:00Z"}, CodeInvalidCancellationDate},
		{"two ids for one", "ProvisionCustomer", vars{"customerId": "new-1", "refId": "new-2"}, CodeIDsDiffer},
		{"two coupons", "ProvisionSubscription", essentialsOrder("customer-basic", 5, 0, "promotionCode", "SUMMER20", "appliedCoupon", vars{"couponId": "coupon-vip"}), CodeBadUserInput},
		{"a coupon that is there", "CreateCoupon", vars{"refId": "coupon-vip", "name": "VIP", "percentOff": 1}, CodeDuplicatedEntity},
		{"a coupon of nothing", "CreateCoupon", vars{"refId": "c", "name": "c"}, CodeBadUserInput},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newTest(t)
			before := digest(t, e)
			if got := refusal(t, e, c.operation, c.in); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if after := digest(t, e); after != before {
				t.Errorf("the state changed:\n%s", firstDifference(before, after))
			}
			if news := e.world.news.take(); len(news) > 0 {
				t.Errorf("something is told of it: %+v", news)
			}
		})
	}
}
