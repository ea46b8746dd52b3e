// Command tenants makes reports for companies, each at a subdomain of its own, on chi. Who may not
// has a page of this product's, with a link to the company's own page of plans. Operators have
// metrics, probes and a status page at another address.
//
//	go run -C examples/tenants .
//
// It is a module of its own, for Prometheus. *.localhost is this machine in any browser.
package main

import (
	"context"
	_ "embed"
	"flag"
	"fmt"
	"html/template"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/chistigg"
	"github.com/stiggate/gate/client"
	gateprometheus "github.com/stiggate/gate/contrib/prometheus"
	"github.com/stiggate/gate/examples/internal/demo"
	"github.com/stiggate/gate/identity"
	"github.com/stiggate/gate/status"
)

var (
	//go:embed catalog.json
	catalog string
	//go:embed denied.html
	denied string
)

// domain has a subdomain for each customer.
const domain = "tenants.localhost"

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "where the product listens")
	operators := flag.String("operators", "127.0.0.1:8081", "where metrics, probes and the status page are")
	flag.Parse()
	if err := run(context.Background(), *addr, *operators, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, addr, operators string, out io.Writer) error {
	env, err := demo.OpenStigg(catalog)
	if err != nil {
		return err
	}
	defer env.Close()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	inside, err := net.Listen("tcp", operators)
	if err != nil {
		return err
	}

	stigg, err := client.New(env.APIKey, client.WithEndpoint(env.URL))
	if err != nil {
		return err
	}
	metrics := gateprometheus.New()
	g, err := gate.New(stigg, who, append(answers, gate.WithObserver(metrics.Observer()))...)
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	if err := registry.Register(metrics); err != nil {
		return err
	}
	if err := metrics.Watch(g); err != nil {
		return err
	}
	probes := &http.Server{Handler: probes(g, registry), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = probes.Serve(inside) }()
	defer func() { _ = probes.Close() }() // when the product has stopped
	fmt.Fprintf(out, "Operators look at http://%s/status, /metrics, /ready and /health\n", inside.Addr())
	env.Invite(out, listener, tries...)
	server := &http.Server{Handler: routes(g), ReadHeaderTimeout: 10 * time.Second}
	return gate.Serve(ctx, server, g, gate.ServeOn(listener)) // until SIGTERM
}

var tries = []demo.Try{
	{What: "3 reports are in acme's plan; in a browser: http://acme.tenants.localhost at the port above, as ann with the password ann", Command: `curl -i -u ann:ann -H 'Host: acme.tenants.localhost' -d '' {api}/reports`},
	{What: "single sign-on is not", Command: `curl -i -u ann:ann -H 'Host: acme.tenants.localhost' -H 'Accept: text/html' {api}/sso`},
	{What: "it is in globex's", Command: `curl -i -u bob:bob -H 'Host: globex.tenants.localhost' {api}/sso`},
	{What: "ann is not of globex", Command: `curl -i -u ann:ann -H 'Host: globex.tenants.localhost' {api}/`},
}

// who asks is the company of the user, if it is the subdomain's, too.
var who = identity.Agree(identity.FromContext(gate.CustomerFromContext), identity.FromSubdomain(domain))

// answers are the product's own: its page for who may not, and where it leads.
var answers = []gate.Option{gate.WithDenialTemplate(template.Must(template.New("denied").Parse(denied))), gate.WithUpgrade(plans)}

// plans is where the customer sees what else there is: a page below its own subdomain.
func plans(_ *http.Request, d gate.Decision) string { return "/plans?feature=" + d.FeatureID }

func routes(g *gate.Gate) http.Handler {
	r := chi.NewRouter()
	r.Use(middleware.Recoverer, authenticate)
	r.With(chistigg.Require(g, gate.Feature("feature-reports").Has())).Get("/", home)
	r.With(chistigg.Require(g, gate.Feature("feature-reports").Uses(1))).Post("/reports", report)
	r.With(chistigg.Require(g, gate.Feature("feature-sso").Named("Single sign-on"))).Get("/sso", sso)
	r.Get("/plans", showPlans)
	return r
}

// users are those of the companies. A product has logins and sessions.
var users = map[string]struct{ password, company string }{"ann": {"ann", "acme"}, "bob": {"bob", "globex"}}

func authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, password, _ := r.BasicAuth()
		user, found := users[name]
		if !found || user.password != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="tenants"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r.WithContext(gate.ContextWithCustomer(r.Context(), gate.Customer{ID: user.company})))
	})
}

// probes is for operators, out of the reach of customers.
func probes(g *gate.Gate, registry *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.Handle("GET /status", status.Handler(g))
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, r *http.Request) {
		if err := g.Ready(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, strings.Join(g.Health().Degraded, "\n")) // for people and alerts, not for a probe
	})
	return mux
}

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Reports</title>
<style>:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}body{max-width:30rem;margin:4rem auto;padding:0 1rem}</style>
<h1>{{.Title}}</h1><p>{{.Text}}</p>
{{if .Home}}<form method="post" action="/reports"><button>Make a report</button></form>{{end}}
<p><a href="/">Home</a> · <a href="/sso">Single sign-on</a> · <a href="/plans">Plans</a></p></html>
`))

type content struct {
	Title, Text string
	Home        bool
}

func show(w http.ResponseWriter, c content) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = page.Execute(w, c)
}

// home tells what the gate knows of the customer.
func home(w http.ResponseWriter, r *http.Request) {
	d, _ := gate.DecisionFrom(r.Context())
	show(w, content{"Reports of " + d.Customer.ID, fmt.Sprintf("%v of %v reports are used this month.", d.Usage, d.Limit), true})
}

// report makes one, and shows the way back.
func report(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusSeeOther) }

func sso(w http.ResponseWriter, _ *http.Request) {
	show(w, content{Title: "Single sign-on", Text: "Choose your identity provider."})
}

func showPlans(w http.ResponseWriter, _ *http.Request) {
	show(w, content{Title: "Plans", Text: "Free has 3 reports a month. Team has 500, and single sign-on."})
}
