package emulator

import (
	"encoding/json"
	"io"
	"net/http"
	"time"
)

// operator serves the operator's window: what a test in another language, or a
// person with curl, wants to know. It asks for no key.
func (e *Emulator) operator() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/_emulator/health", only(http.MethodGet, func(w http.ResponseWriter, _ *http.Request) {
		show(w, http.StatusOK, map[string]any{"status": "ok", "now": isoTime(e.Now())})
	}))
	mux.HandleFunc("/_emulator/usage", only(http.MethodGet, func(w http.ResponseWriter, _ *http.Request) {
		show(w, http.StatusOK, append([]Measurement{}, e.Usage()...))
	}))
	mux.HandleFunc("/_emulator/events", only(http.MethodGet, func(w http.ResponseWriter, _ *http.Request) {
		show(w, http.StatusOK, append([]Event{}, e.Events()...))
	}))
	mux.HandleFunc("/_emulator/credits", only(http.MethodGet, func(w http.ResponseWriter, _ *http.Request) {
		show(w, http.StatusOK, append([]CreditUse{}, e.CreditUses()...))
	}))
	mux.HandleFunc("/_emulator/requests", only(http.MethodGet, func(w http.ResponseWriter, _ *http.Request) {
		show(w, http.StatusOK, e.Requests())
	}))
	mux.HandleFunc("/_emulator/clock", only(http.MethodPost, e.moveClock))
	mux.HandleFunc("/_emulator/faults", e.serveFaults)
	mux.HandleFunc("/_emulator/sockets", e.serveSockets)
	mux.HandleFunc("/_emulator/packages", e.servePackages)
	mux.HandleFunc("/_emulator/limits", e.serveLimits)
	mux.HandleFunc("/_emulator/webhooks", e.serveWebhooks)
	mux.HandleFunc("/_emulator/checkouts", e.serveCheckouts)
	mux.HandleFunc("/_emulator/customers", e.serveCustomers)
	mux.HandleFunc("/_emulator/subscriptions", only(http.MethodPost, e.serveSubscriptions))
	mux.HandleFunc("/_emulator/grants", only(http.MethodPost, e.serveGrants))
	mux.HandleFunc("/_emulator/catalog", only(http.MethodGet, e.serveCatalog))
	mux.HandleFunc("/_emulator/catalog/schema", only(http.MethodGet, serveCatalogSchema))
	mux.HandleFunc("/_emulator/activity", only(http.MethodGet, e.serveActivity))
	mux.HandleFunc("/_emulator/features", only(http.MethodPost, e.serveFeatures))
	mux.HandleFunc("/_emulator/", func(w http.ResponseWriter, _ *http.Request) {
		show(w, http.StatusNotFound, map[string]any{
			"error": "nothing is served at this path",
			"paths": []string{"GET /_emulator/health", "GET /_emulator/usage", "GET /_emulator/events", "GET /_emulator/credits",
				"GET /_emulator/requests", "POST /_emulator/clock", "GET, POST, DELETE /_emulator/faults",
				"GET, POST, DELETE /_emulator/sockets", "POST /_emulator/packages", "GET, POST, DELETE /_emulator/limits",
				"GET, POST, DELETE /_emulator/webhooks", "GET, POST /_emulator/checkouts",
				"POST /_emulator/features", "GET, POST /_emulator/customers", "POST /_emulator/subscriptions", "POST /_emulator/grants",
				"GET /_emulator/catalog", "GET /_emulator/catalog/schema", "GET /_emulator/activity"},
		})
	})
	return mux
}

// moveClock takes {"advance": "720h"} or {"set": "2024-02-29T00:00:00Z"}.
func (e *Emulator) moveClock(w http.ResponseWriter, r *http.Request) {
	const usage = `send {"advance": "720h"} or {"set": "2024-02-29T00:00:00Z"}`
	var move struct {
		Advance *string    `json:"advance"`
		Set     *time.Time `json:"set"`
	}
	dec := json.NewDecoder(io.LimitReader(r.Body, 1<<10))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&move); err != nil || dec.More() {
		show(w, http.StatusBadRequest, map[string]string{"error": "the body can't be read: " + usage})
		return
	}
	moved := false
	switch {
	case (move.Advance == nil) == (move.Set == nil):
		show(w, http.StatusBadRequest, map[string]string{"error": usage})
		return
	case move.Advance != nil:
		d, err := time.ParseDuration(*move.Advance)
		if err != nil {
			show(w, http.StatusBadRequest, map[string]string{"error": "advance is no duration such as 720h or 90s"})
			return
		}
		moved = e.Advance(d)
	default:
		moved = e.setClock(*move.Set)
	}
	if !moved {
		show(w, http.StatusBadRequest, map[string]string{"error": "the clock goes from 1970 to 2200"})
		return
	}
	show(w, http.StatusOK, map[string]string{"now": isoTime(e.Now())})
}

func only(method string, serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method && (method != http.MethodGet || r.Method != http.MethodHead) {
			w.Header().Set("Allow", method)
			show(w, http.StatusMethodNotAllowed, map[string]string{"error": "this path is for " + method + " only"})
			return
		}
		serve(w, r)
	}
}

// show writes a value as JSON that is pleasant to read.
func show(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(value)
}

// serveCheckouts lists the checkouts (GET), or does what a person would on the page of
// one (POST).
func (e *Emulator) serveCheckouts(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodPost:
		var in struct {
			ID string `json:"id"`
			Do string `json:"do"`
		}
		err := readOrder(w, r, &in)
		if err == nil {
			err = e.CompleteCheckout(in.ID, in.Do)
		}
		if err != nil {
			refuseOrder(w, err)
			return
		}
	default:
		notFor(w, "GET, HEAD, POST")
		return
	}
	show(w, http.StatusOK, e.Checkouts())
}

// serveFeatures takes {"featureId": "feature-01-templates", "status": "SUSPENDED"}.
func (e *Emulator) serveFeatures(w http.ResponseWriter, r *http.Request) {
	var in struct {
		FeatureID string `json:"featureId"`
		Status    string `json:"status"`
	}
	err := readOrder(w, r, &in)
	if err == nil {
		err = e.SetFeatureStatus(in.FeatureID, in.Status)
	}
	if err != nil {
		refuseOrder(w, err)
		return
	}
	show(w, http.StatusOK, map[string]string{"featureId": in.FeatureID, "status": in.Status})
}
