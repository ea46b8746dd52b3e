package emulator

import (
	"embed"
	"errors"
	"html/template"
	"net/http"
)

//go:embed checkout.html
var checkoutFiles embed.FS

// serveCheckout is the page that an order is paid on: GET shows it, and POST, of its
// own buttons, pays, lets the payment fail, or cancels.
func (e *Emulator) serveCheckout(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		e.mu.Lock()
		c, found := e.world.checkouts[id]
		e.mu.Unlock()
		if !found {
			e.showCheckout(w, http.StatusNotFound, pageOfCheckout{Missing: true})
			return
		}
		e.showCheckout(w, http.StatusOK, pageOf(c))
	case http.MethodPost:
		e.endCheckout(w, r, id)
	default:
		notFor(w, "GET, HEAD, POST")
	}
}

func (e *Emulator) endCheckout(w http.ResponseWriter, r *http.Request, id string) {
	do := pressed(w, r)
	c, err := func() (checkout, error) {
		e.mu.Lock()
		defer e.unlock()
		return e.complete(id, do)
	}()
	refusal := (*Error)(nil)
	switch {
	case errors.As(err, &refusal):
		p := pageOf(c)
		p.Problem = refusal.Message
		e.showCheckout(w, http.StatusConflict, p)
	case err != nil:
		http.Error(w, "the emulator failed", http.StatusInternalServerError)
	case c.State == "PAID":
		http.Redirect(w, r, c.SuccessURL, http.StatusSeeOther)
	case c.State == "CANCELED":
		http.Redirect(w, r, c.CancelURL, http.StatusSeeOther)
	default:
		e.showCheckout(w, http.StatusOK, pageOf(c))
	}
}

// pressed is the button of a form. It is read before the world is locked: a form may take its time.
func pressed(w http.ResponseWriter, r *http.Request) string {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	return r.FormValue("do")
}

// serveInvoice is the page that the open invoice of a subscription is paid on.
func (e *Emulator) serveInvoice(w http.ResponseWriter, r *http.Request) {
	do := ""
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodPost:
		do = pressed(w, r)
	default:
		notFor(w, "GET, HEAD, POST")
		return
	}
	if p, found := e.settleInvoice(r.PathValue("id"), do); found {
		e.showCheckout(w, http.StatusOK, p)
	} else {
		e.showCheckout(w, http.StatusNotFound, pageOfCheckout{Missing: true})
	}
}

// settleInvoice does what a button of an invoice's page is for, and gives the page after it.
func (e *Emulator) settleInvoice(id, do string) (p pageOfCheckout, found bool) {
	e.mu.Lock()
	defer e.unlock()
	now := e.present()
	s := e.world.subscriptions[id]
	if s == nil || s.invoice == nil {
		return p, false
	}
	switch {
	case s.invoice.Paid:
	case do == payPaid:
		e.world.paid(s, now)
	case do == payFailed:
		failed := *s.invoice
		failed.Err, failed.Attempts = "the card was declined", failed.Attempts+1
		s.invoice, s.collection = &failed, "FAILED"
		e.world.subscriptionChanged(s, "subscription.updated")
	}
	i := s.invoice
	return pageOfCheckout{
		Invoice: true, Open: !i.Paid, Paid: i.Paid, Failed: i.Err != "", Customer: s.customer.id, Plan: s.plan.DisplayName,
		Amount: i.Total.FloatString(places(i.Currency)), Currency: i.Currency,
	}, true
}

// pageOfCheckout is what the template shows.
type pageOfCheckout struct {
	Missing, Invoice, Open, Paid, Failed bool
	Customer, Plan, Amount, Currency     string
	Problem                              string
}

func pageOf(c checkout) pageOfCheckout {
	return pageOfCheckout{
		Open: c.State == "OPEN" || c.State == "FAILED", Paid: c.State == "PAID", Failed: c.State == "FAILED",
		Customer: c.CustomerID, Plan: c.Plan, Amount: c.Amount, Currency: c.Currency,
	}
}

func (e *Emulator) showCheckout(w http.ResponseWriter, status int, p pageOfCheckout) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action *; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	t, err := template.ParseFS(checkoutFiles, "checkout.html")
	if err != nil {
		http.Error(w, "the page could not be read", http.StatusInternalServerError)
		return
	}
	w.WriteHeader(status)
	_ = t.Execute(w, p)
}
