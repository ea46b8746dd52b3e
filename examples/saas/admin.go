package main

import (
	"net/http"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
)

// showAdmin is for the product's own people.
func (a *app) showAdmin(w http.ResponseWriter, r *http.Request) {
	a.show(w, r, http.StatusOK, "admin", view{Title: "Admin", Data: a.accounts.list()})
}

// gift is what an admin can give for a month.
func gift(name string) (client.PromotionalGrant, bool) {
	switch name {
	case "analytics":
		return client.PromotionalGrant{FeatureID: analytics, Period: client.ForOneMonth}, true
	case "campaigns":
		limit := 50.0
		return client.PromotionalGrant{FeatureID: campaigns, Period: client.ForOneMonth, Limit: &limit,
			Reset: gate.ResetMonth, Monthly: &client.ResetAccording{To: "SubscriptionStart"}}, true
	}
	return client.PromotionalGrant{}, false
}

func (a *app) giveGift(w http.ResponseWriter, r *http.Request) {
	to, found := a.accounts.get(r.FormValue("account"))
	given, known := gift(r.FormValue("gift"))
	if !found || !known {
		a.showMessage(w, r, http.StatusNotFound, "There is no such account or gift", "Nothing was given.")
		return
	}
	if _, err := a.stigg.GrantPromotionalEntitlements(r.Context(), to.ID, []client.PromotionalGrant{given}); err != nil {
		a.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/admin?note=given", http.StatusSeeOther)
}
