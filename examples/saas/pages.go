package main

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stiggate/gate/client"
)

//go:embed templates static
var files embed.FS

// pages are the templates of the pages by name. Each has the layout's parts.
type pages map[string]*template.Template

// view is what a page is made of.
type view struct {
	Title    string
	SignedIn bool
	Note     string // what has just been done
	Problem  string // what is wrong with what was sent
	Data     any
}

// notes are what a page may be asked to say by ?note=, so that no link can make it say
// anything else.
var notes = map[string]string{
	"welcome":    "Welcome! You are on the Basic plan.",
	"campaign":   "The campaign is made.",
	"template":   "The template is made.",
	"deleted":    "The template is deleted.",
	"upgraded":   "Thank you! Your new plan is active as soon as it is paid.",
	"processing": "Your payment is under way. The plan changes when it is through.",
	"canceled":   "Nothing was bought.",
	"addons":     "The add-ons are changed.",
	"ended":      "The subscription is canceled.",
	"closed":     "The account is closed and your data deleted.",
	"given":      "It is given.",
}

func parsePages() (pages, error) {
	layout, err := template.New("layout").Funcs(template.FuncMap{
		"money": money, "count": count, "number": number, "named": named, "date": date, "when": when, "lower": strings.ToLower,
	}).ParseFS(files, "templates/layout.html")
	if err != nil {
		return nil, err
	}
	all := pages{}
	for _, name := range []string{"welcome", "dashboard", "analytics", "plans", "checkout", "billing", "admin", "message", "denied"} {
		page, err := layout.Clone()
		if err == nil {
			page, err = page.ParseFS(files, "templates/"+name+".html")
		}
		if err != nil {
			return nil, err
		}
		all[name] = page.Lookup(name + ".html")
	}
	return all, nil
}

func (a *app) show(w http.ResponseWriter, r *http.Request, status int, name string, v view) {
	_, v.SignedIn = accountOf(r.Context())
	v.Note = notes[r.URL.Query().Get("note")]
	a.write(w, status, name, name+".html", v)
}

// write renders first, so that a template that fails is no half page.
func (a *app) write(w http.ResponseWriter, status int, page, part string, data any) {
	var b bytes.Buffer
	if err := a.pages[page].ExecuteTemplate(&b, part, data); err != nil {
		a.logger.Error("saas: a page can't be written", "page", page, "error", err)
		http.Error(w, "The page can't be shown.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w) // a client that left can't be told
}

func (a *app) showMessage(w http.ResponseWriter, r *http.Request, status int, title, text string) {
	a.show(w, r, status, "message", view{Title: title, Data: text})
}

// fail answers a call to Stigg that failed. What Stigg says is for the log.
func (a *app) fail(w http.ResponseWriter, r *http.Request, err error) {
	var refused *client.Error
	switch {
	case r.Context().Err() != nil: // nobody waits for the page
	case errors.Is(err, errNoPlan):
		a.showMessage(w, r, http.StatusNotFound, "There is no such plan", "It may not be sold any more.")
	case errors.As(err, &refused) && refused.Permanent():
		a.logger.Warn("saas: Stigg refused", "error", err)
		a.showMessage(w, r, http.StatusConflict, "That can't be done", "Your plan does not allow this change. Nothing was changed.")
	default:
		a.logger.Error("saas: Stigg failed", "error", err)
		a.showMessage(w, r, http.StatusBadGateway, "That did not work", "We could not reach our billing system. Please look at Billing before you try again.")
	}
}

func serveStatic(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/") {
		http.NotFound(w, r) // no listings
		return
	}
	w.Header().Set("Cache-Control", "max-age=60")
	http.FileServerFS(files).ServeHTTP(w, r)
}

// money is an amount with its currency, such as $30.00.
func money(m client.Money) string {
	amount := strconv.FormatFloat(m.Amount, 'f', 2, 64)
	if strings.EqualFold(m.Currency, "USD") {
		return strings.Replace("$"+amount, "$-", "-$", 1)
	}
	return amount + " " + strings.ToUpper(m.Currency)
}

// number is for machines, count for people: it has commas between thousands.
func number(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

func count(n float64) string {
	whole, part, fraction := strings.Cut(number(n), ".")
	for at := len(whole) - 3; at > 0 && whole[at-1] != '-'; at -= 3 {
		whole = whole[:at] + "," + whole[at:]
	}
	if fraction {
		whole += "." + part
	}
	return whole
}

// named is a feature's name. Of a feature that a plan has not, Stigg tells only the id.
func named(id, name string) string {
	if own := map[string]string{templates: "Templates", campaigns: "Campaigns", analytics: "Analytics"}[id]; name == id && own != "" {
		return own
	}
	return name
}

func date(t time.Time) string { return t.UTC().Format("2 January 2006") }

// when is a time for machines.
func when(t time.Time) string { return t.UTC().Format(time.RFC3339) }
