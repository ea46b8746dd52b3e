package main

import (
	"log/slog"
	"net/http"
	"net/url"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/chistigg"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/identity"
)

// What the product sells, as Stigg's catalog names it.
const (
	basicPlan = "plan-revvenu-basic"
	templates = "feature-01-templates"
	campaigns = "feature-02-campaigns"
	analytics = "feature-04-analytics"
)

// app is the product.
type app struct {
	stigg         *client.Client
	gate          *gate.Gate
	accounts      *accounts
	sessions      sessions
	news          *news
	pages         pages
	logger        *slog.Logger
	public        string // the URL that browsers know the product by
	checkout      string // the origin of a checkout page that has no TLS: the emulator's
	adminPassword string
}

// open makes the gate and the routes. gate.Serve closes the gate.
func (a *app) open() (http.Handler, error) {
	var err error
	if a.pages, err = parsePages(); err != nil {
		return nil, err
	}
	a.gate, err = gate.New(watched{a.stigg, a.news}, identity.FromContext(customerOf),
		gate.WithLogger(a.logger), gate.WithUpgradeLink(a.public+"/plans?feature={feature}"), gate.WithDenialTemplate(a.pages["denied"]))
	if err != nil {
		return nil, err
	}
	return a.routes()
}

// table says for every route what of the plan it takes. A route that is not in it is denied.
var table = gate.Table{
	"GET /":         gate.Public(),
	"GET /static/*": gate.Public(),
	"POST /signup":  gate.Public(),
	"POST /signout": gate.Public(),

	"GET /app":                   gate.Public(),
	"GET /app/usage":             gate.Public(),
	"GET /app/events":            gate.Public(),
	"POST /campaigns":            gate.Feature(campaigns).Uses(1),
	"POST /templates":            gate.Feature(templates).Uses(1),
	"POST /templates/{n}/delete": gate.Feature(templates).Frees(1),
	"GET /analytics":             gate.Feature(analytics),

	"GET /plans":           gate.Public(),
	"GET /checkout":        gate.Public(),
	"POST /checkout":       gate.Public(),
	"GET /billing":         gate.Public(),
	"POST /billing/addons": gate.Public(),
	"POST /billing/cancel": gate.Public(),
	"POST /billing/close":  gate.Public(),

	"GET /admin":       gate.Public(),
	"POST /admin/gift": gate.Public(),
}

// routes puts authentication in front of the gate, and the gate in front of the handlers.
func (a *app) routes() (http.Handler, error) {
	r := chi.NewRouter()
	r.Use(middleware.Recoverer, http.NewCrossOriginProtection().Handler, a.headers, limitBody, a.authenticate,
		chistigg.Routes(a.gate, table, gate.DenyRest))

	r.Get("/", a.showWelcome)
	r.Get("/static/*", serveStatic)
	r.Post("/signup", a.signUp)
	r.Post("/signout", a.signOut)

	r.Get("/app", a.private(a.showDashboard))
	r.Get("/app/usage", a.private(a.showUsage))
	r.Get("/app/events", a.private(a.streamNews))
	r.Post("/campaigns", a.private(a.makeCampaign))
	r.Post("/templates", a.private(a.makeTemplate))
	r.Post("/templates/{n}/delete", a.private(a.deleteTemplate))
	r.Get("/analytics", a.private(a.showAnalytics))

	r.Get("/plans", a.private(a.showPlans))
	r.Get("/checkout", a.private(a.showCheckout))
	r.Post("/checkout", a.private(a.buy))
	r.Get("/billing", a.private(a.showBilling))
	r.Post("/billing/addons", a.private(a.changeAddons))
	r.Post("/billing/cancel", a.private(a.cancel))
	r.Post("/billing/close", a.private(a.closeAccount))

	admin := r.With(middleware.BasicAuth("admin", map[string]string{"admin": a.adminPassword}))
	admin.Get("/admin", a.showAdmin)
	admin.Post("/admin/gift", a.giveGift)
	return r, chistigg.Verify(r, table)
}

// headers lets pages load only what is the product's own. A form may lead to a checkout page of
// the billing provider's.
func (a *app) headers(next http.Handler) http.Handler {
	policy := "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; " +
		"base-uri 'none'; frame-ancestors 'none'; form-action 'self' https:"
	if u, err := url.Parse(a.checkout); err == nil && u.Scheme == "http" {
		policy += " http://" + u.Host
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func limitBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
		next.ServeHTTP(w, r)
	})
}
