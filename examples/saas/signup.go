package main

import (
	"net/http"
	"net/mail"
	"strings"

	"github.com/stiggate/gate/client"
)

// signUpForm is what was typed, to show it again.
type signUpForm struct{ Name, Email string }

func (a *app) showWelcome(w http.ResponseWriter, r *http.Request) {
	if _, ok := accountOf(r.Context()); ok {
		http.Redirect(w, r, "/app", http.StatusSeeOther)
		return
	}
	a.show(w, r, http.StatusOK, "welcome", view{Title: "Campaigns that pay", Data: signUpForm{}})
}

// signUp makes an account, and of it a customer of Stigg's with the Basic plan.
func (a *app) signUp(w http.ResponseWriter, r *http.Request) {
	form := signUpForm{strings.TrimSpace(r.FormValue("name")), strings.TrimSpace(r.FormValue("email"))}
	address, err := mail.ParseAddress(form.Email)
	if err != nil || address.Address != form.Email || form.Name == "" || len(form.Name) > 100 || len(form.Email) > 200 {
		a.show(w, r, http.StatusUnprocessableEntity, "welcome", view{
			Title: "Campaigns that pay", Problem: "Please give the name of your company and an email address.", Data: form})
		return
	}
	made := newAccount(form.Name, form.Email)
	if _, err := a.stigg.ProvisionCustomer(r.Context(), client.CustomerInput{
		ID: made.ID, Name: made.Name, Email: made.Email,
		Subscription: &client.SubscriptionParams{PlanID: basicPlan},
	}); err != nil {
		a.fail(w, r, err)
		return
	}
	a.accounts.add(made)
	a.signIn(w, made.ID)
	http.Redirect(w, r, "/app?note=welcome", http.StatusSeeOther)
}

func (a *app) signOut(w http.ResponseWriter, r *http.Request) {
	a.forget(w)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
