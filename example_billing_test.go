package gate_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/nethttp"
)

// serveOnce sends one request of a customer through the gate, and then closes it.
func serveOnce(p gate.Policy, handler http.HandlerFunc) {
	g := newGate()
	r := httptest.NewRequest("POST", "/", nil)
	r.Header.Set("X-Customer-ID", "acme")
	nethttp.Require(g, p)(handler).ServeHTTP(httptest.NewRecorder(), r)
	if err := g.Close(context.Background()); err != nil {
		fmt.Println(err)
	}
}

// A download is billed by its size, in kB.
func ExamplePolicy_MeasuredBy() {
	p := gate.Feature("tokens").Uses(0).MeasuredBy(gate.ResponseBytes(1000))
	serveOnce(p, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 2500)) })
	// Output: reported: 2.5 of tokens
}

// A search that finds nothing (404) costs as much as one that does.
func ExamplePolicy_ReportOn() {
	p := gate.Feature("tokens").Uses(1).ReportOn(http.StatusOK, http.StatusNotFound)
	serveOnce(p, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	// Output: reported: 1 of tokens
}

// Stigg's meter sums the tokens of the events; the handler knows how many there were.
func ExamplePolicy_ReportAs() {
	p := gate.Feature("tokens").Uses(100).ReportAs(gate.Event{Name: "completion", AmountIn: "tokens"})
	serveOnce(p, func(_ http.ResponseWriter, r *http.Request) {
		ticket := gate.TicketFrom(r.Context())
		_ = ticket.Dimension("model", "large") // an error leaves the event without it
		_ = ticket.Use(42)
	})
	// Output: reported: event completion 42
}

func ExampleCredits() {
	serveOnce(gate.Credits("coins").Uses(3), func(http.ResponseWriter, *http.Request) {})
	// Output: reported: 3 credits of coins
}

// A stream settles when the work is done, not when the last byte has left.
func ExampleTicket_Settle() {
	serveOnce(gate.Feature("tokens").Uses(10), func(w http.ResponseWriter, r *http.Request) {
		if err := gate.TicketFrom(r.Context()).Settle(); err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
			return
		}
		// … the stream, which may break …
		w.WriteHeader(http.StatusInternalServerError)
	})
	// Output: reported: 10 of tokens
}

// What is counted elsewhere is reported as a total, for instance every night.
func ExampleGate_Report() {
	g := newGate()
	err := g.Report(context.Background(), gate.Usage{
		Customer: gate.Customer{ID: "acme"}, FeatureID: "templates", Kind: gate.UsageTotal, Value: 4,
	})
	fmt.Println(err, g.Close(context.Background()))
	// Output:
	// reported: templates is 4 now
	// <nil> <nil>
}
