package main

import (
	"net/http"
	"strings"

	"github.com/stiggate/gate/client"
)

// planCard is a plan beside others.
type planCard struct {
	ID, Name    string
	Current     bool
	Recommended bool
	Free        bool
	Custom      bool
	Price       client.Money  // the least that it costs
	Unit        *client.Price // of what is sold by the unit
	Base        string        // the name of the plan that it has everything of
	Gives       []string
}

type plansPage struct {
	Period client.BillingPeriod
	Plans  []planCard
	// Wanted is what the plan did not cover, if that is why one is here.
	Wanted string
}

// showPlans is the way up: Stigg's paywall for this customer.
func (a *app) showPlans(w http.ResponseWriter, r *http.Request, who account) {
	paywall, err := a.stigg.Paywall(r.Context(), client.PaywallQuery{Customer: who.customer()})
	if err != nil {
		a.fail(w, r, err)
		return
	}
	p := plansPage{Period: periodOf(r)}
	for _, plan := range paywall.Plans {
		card := newPlanCard(plan, paywall, p.Period)
		for _, e := range plan.Entitlements {
			if e.Feature != nil && e.Feature.ID == r.FormValue("feature") {
				p.Wanted = e.Feature.Name
			}
		}
		p.Plans = append(p.Plans, card)
	}
	a.show(w, r, http.StatusOK, "plans", view{Title: "Plans", Data: p})
}

func periodOf(r *http.Request) client.BillingPeriod {
	if r.FormValue("period") == string(client.BilledAnnually) {
		return client.BilledAnnually
	}
	return client.BilledMonthly
}

func newPlanCard(plan client.Plan, of *client.Paywall, period client.BillingPeriod) planCard {
	card := planCard{ID: plan.ID, Name: plan.Name, Free: plan.PricingType == client.PricingFree, Custom: plan.PricingType == client.PricingCustom}
	card.Recommended = plan.Product.Metadata["recommendedPlan"] == plan.ID
	for _, s := range of.ActiveSubscriptions {
		card.Current = card.Current || s.PlanID == plan.ID
	}
	for _, point := range of.PricePoints {
		if point.PlanID == plan.ID && point.BillingPeriod == period {
			card.Price = client.Money{Amount: point.Amount, Currency: point.Currency}
		}
	}
	if card.Unit = unitPrice(plan, period); card.Unit != nil {
		card.Price = client.Money{Amount: card.Unit.Price.Amount * leastUnits(card.Unit), Currency: card.Unit.Price.Currency}
	}
	if plan.Base != nil {
		card.Base = plan.Base.Name
	}
	for _, e := range plan.Entitlements {
		if e.Feature != nil {
			card.Gives = append(card.Gives, describe(e))
		}
	}
	return card
}

// unitPrice is the price of a plan that is by the unit, nil if there is none.
func unitPrice(plan client.Plan, period client.BillingPeriod) *client.Price {
	for _, p := range plan.Prices {
		if p.BillingModel == "PER_UNIT" && p.BillingPeriod == period && p.Feature != nil && p.Price != nil {
			return &p
		}
	}
	return nil
}

// leastUnits is how many have to be bought.
func leastUnits(p *client.Price) float64 {
	if p.MinUnits == nil {
		return 1
	}
	return *p.MinUnits
}

// describe says what an entitlement gives, such as "12 campaigns a month".
func describe(e client.PlanEntitlement) string {
	every := ""
	if e.Reset != "" {
		every = " a " + strings.ToLower(e.Reset)
	}
	switch {
	case e.NameOverride != "":
		return e.NameOverride
	case e.Unlimited:
		return "Unlimited " + e.Feature.Units
	case e.Limit != nil:
		return count(*e.Limit) + " " + e.Feature.Units + every
	case e.Feature.Type == "NUMBER":
		return e.Feature.Name + " as agreed"
	}
	return e.Feature.Name
}
