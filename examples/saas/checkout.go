package main

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/stiggate/gate/client"
)

// choice is what a customer is about to buy.
type choice struct {
	Plan   client.Plan
	Period client.BillingPeriod
	Unit   *client.Price // nil if nothing is sold by the unit
	Units  int
	Addons []addonChoice
	Coupon string // a promotion code
}

type addonChoice struct {
	client.Addon
	Price    *client.Money
	Quantity int
}

type checkoutPage struct {
	choice
	Estimate    *client.Estimate // nil if there is none
	WrongCoupon bool
}

var errNoPlan = errors.New("no such plan is for sale")

// errNoCoupon is Stigg's code for a promotion code that there is not.
const errNoCoupon client.Code = "PromotionCodeNotFound"

// choiceOf reads a choice from the request and holds it against the catalog.
func (a *app) choiceOf(r *http.Request, who account) (choice, error) {
	paywall, err := a.stigg.Paywall(r.Context(), client.PaywallQuery{Customer: who.customer()})
	if err != nil {
		return choice{}, err
	}
	for _, plan := range paywall.Plans {
		if plan.ID != r.FormValue("plan") || plan.PricingType != client.PricingPaid {
			continue
		}
		c := choice{Plan: plan, Period: periodOf(r), Coupon: strings.TrimSpace(r.FormValue("coupon"))}
		if c.Unit = unitPrice(plan, c.Period); c.Unit != nil {
			c.Units = max(quantity(r, "units"), int(leastUnits(c.Unit)))
		}
		c.Addons = addonsOf(r, plan, c.Period)
		return c, nil
	}
	return choice{}, errNoPlan
}

// addonsOf are the add-ons that are sold beside a plan, as many of each as the form says.
func addonsOf(r *http.Request, plan client.Plan, period client.BillingPeriod) []addonChoice {
	var all []addonChoice
	for _, addon := range plan.Addons {
		for _, p := range addon.Prices {
			if p.BillingPeriod == period && p.Price != nil {
				all = append(all, addonChoice{addon, p.Price, quantity(r, addon.ID)})
			}
		}
	}
	return all
}

// quantity is a number of a form, from 0 to 1000.
func quantity(r *http.Request, name string) int {
	n, _ := strconv.Atoi(r.FormValue(name))
	return min(max(n, 0), 1000)
}

// params is the choice as Stigg's API has it.
func (c choice) params() client.SubscriptionParams {
	p := client.SubscriptionParams{PlanID: c.Plan.ID, BillingPeriod: c.Period, Addons: quantities(c.Addons), PromotionCode: c.Coupon}
	if c.Unit != nil {
		p.BillableFeatures = []client.FeatureQuantity{{FeatureID: c.Unit.Feature.ID, Quantity: float64(c.Units)}}
	}
	return p
}

// quantities leaves out what nothing is wanted of. It is never nil: an update takes away what
// is not in it.
func quantities(addons []addonChoice) []client.AddonQuantity {
	list := []client.AddonQuantity{}
	for _, addon := range addons {
		if addon.Quantity > 0 {
			list = append(list, client.AddonQuantity{AddonID: addon.ID, Quantity: addon.Quantity})
		}
	}
	return list
}

// estimate says what a choice costs. A coupon that there is not is left out and told.
func (a *app) estimate(ctx context.Context, who account, c choice) (checkoutPage, error) {
	p := checkoutPage{choice: c}
	var err error
	p.Estimate, err = a.stigg.EstimateSubscription(ctx, client.EstimateInput{CustomerID: who.ID, SubscriptionParams: c.params()})
	if errors.Is(err, errNoCoupon) {
		p.WrongCoupon, c.Coupon = true, ""
		p.Estimate, err = a.stigg.EstimateSubscription(ctx, client.EstimateInput{CustomerID: who.ID, SubscriptionParams: c.params()})
	}
	return p, err
}

// showCheckout shows the choice, what it costs, and how to change it.
func (a *app) showCheckout(w http.ResponseWriter, r *http.Request, who account) {
	a.showChoice(w, r, who, http.StatusOK)
}

func (a *app) showChoice(w http.ResponseWriter, r *http.Request, who account, status int) {
	c, err := a.choiceOf(r, who)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	p, err := a.estimate(r.Context(), who, c)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	if p.WrongCoupon {
		status = http.StatusUnprocessableEntity
	}
	a.show(w, r, status, "checkout", view{Title: "Your order", Data: p})
}

// buy subscribes the customer, who is led to the checkout page if there is something to pay.
func (a *app) buy(w http.ResponseWriter, r *http.Request, who account) {
	c, err := a.choiceOf(r, who)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	bought, err := a.stigg.ProvisionSubscription(r.Context(), client.ProvisionSubscriptionInput{
		CustomerID: who.ID, SubscriptionParams: c.params(),
		Checkout: &client.CheckoutOptions{SuccessURL: a.public + "/app?note=upgraded", CancelURL: a.public + "/plans?note=canceled"},
	})
	switch {
	case errors.Is(err, errNoCoupon):
		a.showChoice(w, r, who, http.StatusUnprocessableEntity)
		return
	case err != nil:
		a.fail(w, r, err)
		return
	}
	switch bought.Outcome() {
	case client.OutcomeCheckout:
		http.Redirect(w, r, bought.CheckoutURL, http.StatusSeeOther)
	case client.OutcomeDone:
		http.Redirect(w, r, "/app?note=upgraded", http.StatusSeeOther)
	case client.OutcomeProcessing:
		http.Redirect(w, r, "/app?note=processing", http.StatusSeeOther)
	default:
		a.showMessage(w, r, http.StatusPaymentRequired, "The payment did not go through", "Your bank asks for something more, or has refused. Your plan is as it was.")
	}
}
