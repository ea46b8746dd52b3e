package main

import (
	"net/http"

	"github.com/stiggate/gate/client"
)

type billingPage struct {
	Subscription *client.Subscription // nil without one
	Addons       []addonChoice
	Estimate     *client.Estimate // of a change of the add-ons, if one was asked for
	Gifts        []client.PromotionalEntitlement
}

func (a *app) showBilling(w http.ResponseWriter, r *http.Request, who account) {
	page, err := a.billingOf(r, who)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	a.show(w, r, http.StatusOK, "billing", view{Title: "Billing", Data: page})
}

// billingOf reads what the customer pays for. With "estimate" in the request, it says what the
// add-ons that the form asks for would cost.
func (a *app) billingOf(r *http.Request, who account) (billingPage, error) {
	var page billingPage
	details, err := a.stigg.GetCustomer(r.Context(), who.ID)
	if err != nil {
		return page, err
	}
	page.Gifts = details.PromotionalEntitlements
	if page.Subscription, err = a.subscription(r.Context(), who); err != nil || page.Subscription == nil {
		return page, err
	}
	page.Addons, err = a.addonsOfSubscription(r, who, page.Subscription)
	if err != nil || !r.Form.Has("estimate") || len(page.Addons) == 0 {
		return page, err
	}
	page.Estimate, err = a.stigg.EstimateSubscriptionUpdate(r.Context(), client.SubscriptionParams{
		SubscriptionID: page.Subscription.ID, Addons: quantities(page.Addons)})
	return page, err
}

// addonsOfSubscription are the add-ons that fit the plan. Without numbers in the form they are
// as many as the subscription has.
func (a *app) addonsOfSubscription(r *http.Request, who account, s *client.Subscription) ([]addonChoice, error) {
	paywall, err := a.stigg.Paywall(r.Context(), client.PaywallQuery{Customer: who.customer()})
	if err != nil {
		return nil, err
	}
	for _, plan := range paywall.Plans {
		if plan.ID != s.PlanID {
			continue
		}
		all := addonsOf(r, plan, s.BillingPeriod)
		for i := range all {
			for _, has := range s.Addons {
				if has.ID == all[i].ID && !r.Form.Has(has.ID) {
					all[i].Quantity = int(has.Quantity)
				}
			}
		}
		return all, nil
	}
	return nil, nil
}

// changeAddons makes the add-ons those of the form.
func (a *app) changeAddons(w http.ResponseWriter, r *http.Request, who account) {
	page, err := a.billingOf(r, who)
	if err == nil && page.Subscription != nil {
		_, err = a.stigg.UpdateSubscription(r.Context(), client.UpdateSubscriptionInput{
			SubscriptionParams: client.SubscriptionParams{SubscriptionID: page.Subscription.ID, Addons: quantities(page.Addons)}})
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	a.gate.Invalidate(who.customer()) // the call names no customer, and this must be felt at once
	http.Redirect(w, r, "/billing?note=addons", http.StatusSeeOther)
}

// cancel ends the subscription when what is paid for ends, a free one at once.
func (a *app) cancel(w http.ResponseWriter, r *http.Request, who account) {
	s, err := a.subscription(r.Context(), who)
	if err == nil && s != nil {
		when := client.CancelAtEndOfPeriod
		if s.PricingType == client.PricingFree {
			when = client.CancelImmediately
		}
		_, err = a.stigg.CancelSubscription(r.Context(), client.CancelSubscriptionInput{SubscriptionID: s.ID, Time: when})
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	a.gate.Invalidate(who.customer())
	http.Redirect(w, r, "/billing?note=ended", http.StatusSeeOther)
}

// closeAccount forgets the account and archives the customer: in this order, so that a page that
// hears of the archiving finds nobody signed in.
func (a *app) closeAccount(w http.ResponseWriter, r *http.Request, who account) {
	removed, ok := a.accounts.remove(who.ID)
	if err := a.stigg.ArchiveCustomer(r.Context(), who.ID); err != nil {
		if ok {
			a.accounts.add(removed)
		}
		a.fail(w, r, err)
		return
	}
	a.forget(w)
	http.Redirect(w, r, "/?note=closed", http.StatusSeeOther)
}
