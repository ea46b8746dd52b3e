package main

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
)

// dashboard is the first page of who is signed in.
type dashboard struct {
	usage
	Account account
}

// usage is what the plan gives and how much of it is used.
type usage struct {
	Plan      string // empty without a subscription
	PeriodEnd time.Time
	Ends      time.Time // of a canceled subscription
	Meters    []gate.Entitlement
	Others    []gate.Entitlement
}

// usageOf shows the gate's count: Stigg's, with what this process reported since, so that what was
// just made is in it.
func (a *app) usageOf(ctx context.Context, who account) (usage, error) {
	set, err := a.gate.Entitlements(ctx, who.customer())
	if err != nil {
		return usage{}, err
	}
	current, err := a.subscription(ctx, who)
	if err != nil {
		return usage{}, err
	}
	var u usage
	if current != nil {
		u.Plan, u.PeriodEnd = current.PlanName, current.CurrentPeriodEnd
		if !current.CancellationDate.IsZero() {
			u.Ends = current.EffectiveEndDate
		}
	}
	for _, e := range set.Features {
		switch {
		case e.Kind == gate.Metered && (e.Limit > 0 || e.Unlimited):
			u.Meters = append(u.Meters, e)
		case e.Granted:
			u.Others = append(u.Others, e)
		}
	}
	return u, nil
}

// subscription is the one that the account has, nil without one.
func (a *app) subscription(ctx context.Context, who account) (*client.Subscription, error) {
	active, err := a.stigg.ActiveSubscriptions(ctx, who.customer())
	if err != nil || len(active) == 0 {
		return nil, err
	}
	return &active[0], nil
}

func (a *app) showDashboard(w http.ResponseWriter, r *http.Request, who account) {
	u, err := a.usageOf(r.Context(), who)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	a.show(w, r, http.StatusOK, "dashboard", view{Title: "Dashboard", Data: dashboard{u, who}})
}

// showUsage is the part of the dashboard that live.js loads anew.
func (a *app) showUsage(w http.ResponseWriter, r *http.Request, who account) {
	u, err := a.usageOf(r.Context(), who)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	a.write(w, http.StatusOK, "dashboard", "usage", u)
}

// makeCampaign runs once the gate has held one campaign for it. A refused form is not reported.
func (a *app) makeCampaign(w http.ResponseWriter, r *http.Request, who account) {
	a.make(w, r, who, "campaign", func(to *account, name string) { to.Campaigns = append(to.Campaigns, name) })
}

func (a *app) makeTemplate(w http.ResponseWriter, r *http.Request, who account) {
	a.make(w, r, who, "template", func(to *account, name string) { to.Templates = append(to.Templates, name) })
}

func (a *app) make(w http.ResponseWriter, r *http.Request, who account, kind string, add func(*account, string)) {
	name := strings.TrimSpace(r.FormValue("name"))
	if name == "" || len(name) > 100 {
		a.showMessage(w, r, http.StatusUnprocessableEntity, "A "+kind+" needs a name", "Give it one of up to 100 characters.")
		return
	}
	if !a.accounts.change(who.ID, func(to *account) bool { add(to, name); return true }) {
		a.showMessage(w, r, http.StatusConflict, "The account is closed", "Nothing was made.")
		return
	}
	http.Redirect(w, r, "/app?note="+kind, http.StatusSeeOther)
}

// deleteTemplate gives a template back to the plan.
func (a *app) deleteTemplate(w http.ResponseWriter, r *http.Request, who account) {
	n, err := strconv.Atoi(chi.URLParam(r, "n"))
	deleted := err == nil && a.accounts.change(who.ID, func(of *account) bool {
		if n < 0 || n >= len(of.Templates) || of.Templates[n] != r.FormValue("name") {
			return false // gone already
		}
		of.Templates = append(of.Templates[:n], of.Templates[n+1:]...)
		return true
	})
	if !deleted {
		a.showMessage(w, r, http.StatusNotFound, "There is no such template", "It may be deleted already.")
		return
	}
	http.Redirect(w, r, "/app?note=deleted", http.StatusSeeOther)
}

func (a *app) showAnalytics(w http.ResponseWriter, r *http.Request, who account) {
	a.show(w, r, http.StatusOK, "analytics", view{Title: "Analytics", Data: who})
}
