package client_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
)

func TestWhatStiggRefusesIsATypedErrorAndLeavesNothing(t *testing.T) {
	few := essentials("customer-none")
	few.ResourceID, few.BillableFeatures = "", []client.FeatureQuantity{{FeatureID: campaigns, Quantity: 5}}
	provision := func(change func(*client.ProvisionSubscriptionInput)) func(context.Context, *client.Client) error {
		return func(ctx context.Context, c *client.Client) error {
			in := few
			in.BillableFeatures = []client.FeatureQuantity{{FeatureID: templates, Quantity: 5}}
			change(&in)
			_, err := c.ProvisionSubscription(ctx, in)
			return err
		}
	}
	for name, test := range map[string]struct {
		call func(context.Context, *client.Client) error
		want client.Code
	}{
		"units of what the plan does not sell": {func(ctx context.Context, c *client.Client) error {
			_, err := c.ProvisionSubscription(ctx, few)
			return err
		}, client.ErrInvalidInput},
		"an unknown customer": {provision(func(in *client.ProvisionSubscriptionInput) { in.CustomerID = "nobody" }), client.ErrCustomerNotFound},
		"an archived one":     {provision(func(in *client.ProvisionSubscriptionInput) { in.CustomerID = "customer-archived" }), client.ErrArchived},
		"an unknown plan":     {provision(func(in *client.ProvisionSubscriptionInput) { in.PlanID = "plan-of-nobody" }), client.ErrPlanNotFound},
		"an unknown add-on":   {provision(func(in *client.ProvisionSubscriptionInput) { in.Addons[0].AddonID = "addon-of-nobody" }), client.ErrAddonNotFound},
		"an unknown coupon": {provision(func(in *client.ProvisionSubscriptionInput) {
			in.Coupon = &client.CouponChoice{CouponID: "coupon-of-nobody"}
		}), client.ErrCouponNotFound},
		"an unknown payer": {provision(func(in *client.ProvisionSubscriptionInput) { in.PayingCustomerID = "nobody" }), client.ErrCustomerNotFound},
		"an unknown feature of a grant": {func(ctx context.Context, c *client.Client) error {
			_, err := c.GrantPromotionalEntitlements(ctx, "customer-none", []client.PromotionalGrant{{FeatureID: "feature-of-nobody", Period: client.ForLife}})
			return err
		}, client.ErrFeatureNotFound},
		"a cancellation of nothing": {func(ctx context.Context, c *client.Client) error {
			_, err := c.CancelSubscription(ctx, client.CancelSubscriptionInput{SubscriptionID: "nothing"})
			return err
		}, client.ErrSubscriptionNotFound},
		"a customer that is there already": {func(ctx context.Context, c *client.Client) error {
			_, err := c.ProvisionCustomer(ctx, client.CustomerInput{ID: "customer-none", CouponID: "coupon-of-nobody"})
			return err
		}, client.ErrCouponNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			few.Addons = []client.AddonQuantity{{AddonID: "addon-10-campaigns", Quantity: 1}}
			c, _ := emulated(t)
			before, err := c.GetCustomer(t.Context(), "customer-none")
			if err != nil {
				t.Fatal(err)
			}
			err = test.call(t.Context(), c)
			var e *client.Error
			if !errors.Is(err, test.want) || !errors.As(err, &e) || e.TraceID == "" || !e.Permanent() {
				t.Errorf("the error is %v, want %v", err, test.want)
			}
			after, err := c.GetCustomer(t.Context(), "customer-none")
			if err != nil || len(after.Subscriptions) != len(before.Subscriptions) || len(after.PromotionalEntitlements) != len(before.PromotionalEntitlements) || after.Coupon != nil {
				t.Errorf("it left %+v, %v", after, err)
			}
			if active, err := c.ActiveSubscriptions(t.Context(), gate.Customer{ID: "customer-none"}); err != nil || len(active) != 0 {
				t.Errorf("it left %+v, %v", active, err)
			}
		})
	}
}
