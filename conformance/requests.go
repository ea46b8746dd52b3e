package conformance

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stiggate/gate"
)

// request is one row of the suite: a request and what must come of it.
type request struct {
	name           string
	method, target string
	header         map[string]string

	status  int    // 0: the connection breaks, as for a panic
	code    string // of a denial
	uses    uses   // what must be reported; nothing else may
	unasked bool   // Stigg must not be asked
	html    bool   // the denial must be a page
	hints   int    // the number of 103s in front of the answer, if it matters
}

func as(customer string) map[string]string { return map[string]string{"X-Customer-ID": customer} }

// preflight is the header of a CORS preflight.
func preflight() map[string]string {
	return map[string]string{"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}
}

// route is a Route behind one gate.
func route(method, pattern string, p gate.Policy, h http.HandlerFunc) Route {
	return Route{Method: method, Pattern: pattern, Policies: []gate.Policy{p}, Handler: h}
}

// manyTwo is the policy of most routes: it uses 2 of a lot.
func manyTwo() gate.Policy { return gate.Feature("many").Uses(2) }

// routes is what the table of requests speaks of.
func routes() []Route {
	many := manyTwo()
	return []Route{
		route("POST", "/many", many, answerStatus),
		route("GET", "/many", many, answerStatus),
		route("OPTIONS", "/many", gate.Feature("on"), answerStatus),
		route("OPTIONS", "/options", many, answerStatus),
		route("HEAD", "/head", many, answerStatus),
		route("HEAD", "/free", many.FreeHead(), answerStatus),
		route("GET", "/free", many.FreeHead(), answerStatus),
		route("HEAD", "/bytes", gate.Feature("many").Uses(0).MeasuredBy(gate.ResponseBytes(1)), answerStatus),
		route("GET", "/bytes", gate.Feature("many").Uses(0).MeasuredBy(gate.ResponseBytes(1)), answerStatus),
		route("", "/any", many, answerStatus),
		route("POST", "/nothing", many, func(http.ResponseWriter, *http.Request) {}),
		route("POST", "/hints", many, hints),
		route("POST", "/late", many, late),
		route("POST", "/copy", many, copyBroken),
		route("POST", "/near", gate.Feature("near").UsesFunc(amount), answerStatus),
		route("DELETE", "/near", gate.Feature("near").FreesFunc(amount), answerStatus),
		route("GET", "/on", gate.Feature("on"), answerStatus),
		route("GET", "/off", gate.Feature("off"), answerStatus),
		route("GET", "/size", gate.Feature("size").AsksFunc(amount), answerStatus),
		route("GET", "/cities/{city}", gate.Feature("cities").ValuesFunc(city), answerStatus),
		route("GET", "/mismatch", gate.Feature("on").Uses(1), answerStatus),
		route("GET", "/both", gate.All(gate.Feature("on"), gate.Feature("many").Uses(1), gate.Feature("off")), answerStatus),
		route("GET", "/either", gate.Any(gate.Feature("off"), gate.Feature("many").Uses(1)), answerStatus),
		route("GET", "/public", gate.Public(), answerStatus),
	}
}

// answerStatus answers ?status=, or 200 without naming it.
func answerStatus(w http.ResponseWriter, r *http.Request) {
	if status, err := strconv.Atoi(r.URL.Query().Get("status")); err == nil {
		w.WriteHeader(status)
		return
	}
	_, _ = io.WriteString(w, "ok")
}

func hints(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Link", "</style.css>; rel=preload")
	w.WriteHeader(http.StatusEarlyHints)
	answerStatus(w, r)
}

// late uses ?n= in place of what was asked for.
func late(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.ParseFloat(r.URL.Query().Get("n"), 64)
	if err := gate.TicketFrom(r.Context()).Use(n); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// copyBroken copies from what breaks at once, as a proxy does from a dead upstream.
func copyBroken(w http.ResponseWriter, _ *http.Request) {
	broken, end := io.Pipe()
	_ = end.CloseWithError(errors.New("broken"))
	if _, err := io.Copy(w, broken); err != nil {
		w.WriteHeader(http.StatusBadGateway)
	}
}

func amount(r *http.Request) (float64, error) {
	n, err := strconv.ParseFloat(r.URL.Query().Get("n"), 64)
	if err != nil {
		return 0, &gate.RequestError{Detail: "n is not a number."}
	}
	return n, nil
}

func city(r *http.Request) ([]string, error) {
	_, value, found := strings.Cut(r.URL.Path, "/cities/")
	if !found {
		return nil, errors.New("no city")
	}
	return []string{value}, nil
}

// requests is the suite's table.
func requests() []request {
	used := func(feature string, n float64) uses { return uses{feature: n} }
	payer := as("payer")
	return []request{
		{name: "success", method: "POST", target: "/many?status=201", header: payer, status: 201, uses: used("many", 2)},
		{name: "an implicit 200", method: "POST", target: "/many", header: payer, status: 200, uses: used("many", 2)},
		{name: "nothing written", method: "POST", target: "/nothing", header: payer, status: 200, uses: used("many", 2)},
		{name: "204", method: "POST", target: "/many?status=204", header: payer, status: 204, uses: used("many", 2)},
		{name: "304", method: "POST", target: "/many?status=304", header: payer, status: 304, uses: used("many", 2)},
		{name: "303", method: "POST", target: "/many?status=303", header: payer, status: 303, uses: used("many", 2)},
		{name: "404 of the handler", method: "POST", target: "/many?status=404", header: payer, status: 404},
		{name: "402 of the handler", method: "POST", target: "/many?status=402", header: payer, status: 402},
		{name: "429 of the handler", method: "POST", target: "/many?status=429", header: payer, status: 429},
		{name: "503 of the handler", method: "POST", target: "/many?status=503", header: payer, status: 503},
		{name: "500 of the handler", method: "POST", target: "/many?status=500", header: payer, status: 500},
		{name: "early hints, then success", method: "POST", target: "/hints?status=201", header: payer, status: 201, uses: used("many", 2)},
		{name: "early hints reach the client", method: "POST", target: "/hints?status=200", header: payer, hints: 1, status: 200, uses: used("many", 2)},
		{name: "early hints, then failure", method: "POST", target: "/hints?status=500", header: payer, status: 500},
		{name: "a late amount", method: "POST", target: "/late?n=7", header: payer, status: 200, uses: used("many", 7)},
		{name: "a late amount of nothing", method: "POST", target: "/late?n=0", header: payer, status: 200},
		{name: "a late amount that is none", method: "POST", target: "/late?n=-1", header: payer, status: 500},
		{name: "a copy that breaks at once", method: "POST", target: "/copy", header: payer, status: 502},
		{name: "HEAD", method: "HEAD", target: "/head", header: payer, status: 200, uses: used("many", 2)},
		{name: "HEAD fails", method: "HEAD", target: "/head?status=404", header: payer, status: 404},
		{name: "HEAD by nobody", method: "HEAD", target: "/head", status: 401, unasked: true},
		{name: "a free HEAD", method: "HEAD", target: "/free", header: payer, status: 200},
		{name: "a free HEAD is checked all the same", method: "HEAD", target: "/free", header: as("none"), status: 402},
		{name: "a free HEAD is HEAD alone", method: "GET", target: "/free", header: payer, status: 200, uses: used("many", 2)},
		{name: "HEAD by the bytes", method: "HEAD", target: "/bytes", header: payer, status: 200},
		{name: "GET by the bytes", method: "GET", target: "/bytes", header: payer, status: 200, uses: used("many", 2)},
		{name: "HEAD is checked all the same", method: "HEAD", target: "/head", header: as("none"), status: 402},
		{name: "a route of all methods", method: "POST", target: "/any", header: payer, status: 200, uses: used("many", 2)},
		{name: "HEAD of a route of all methods", method: "HEAD", target: "/any", header: payer, status: 200, uses: used("many", 2)},
		{name: "a route of all methods can't be had by looking like a preflight", method: "OPTIONS", target: "/any", header: preflight(), status: 401, code: "customer_unresolved", unasked: true},
		{name: "GET", method: "GET", target: "/many", header: payer, status: 200, uses: used("many", 2)},

		{name: "up to the limit", method: "POST", target: "/near?n=2", header: payer, status: 200, uses: used("near", 2)},
		{name: "past the limit", method: "POST", target: "/near?n=3", header: payer, status: 402, code: "usage_limit_exceeded"},
		{name: "past the limit, in a browser", method: "POST", target: "/near?n=3", header: map[string]string{"X-Customer-ID": "payer", "Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}, status: 402, html: true},
		{name: "past any limit", method: "POST", target: "/near?n=6", header: payer, status: 402, code: "usage_never_fits"},
		{name: "an amount that is no number", method: "POST", target: "/near?n=x", header: payer, status: 400, code: "request_not_understood"},
		{name: "NaN", method: "POST", target: "/near?n=NaN", header: payer, status: 400, code: "request_not_understood"},
		{name: "infinity", method: "POST", target: "/near?n=Inf", header: payer, status: 400, code: "request_not_understood"},
		{name: "a negative amount", method: "POST", target: "/near?n=-1", header: payer, status: 400, code: "request_not_understood"},
		{name: "1e308", method: "POST", target: "/near?n=1e308", header: payer, status: 400, code: "request_not_understood"},
		{name: "giving 1e308 back", method: "DELETE", target: "/near?n=1e308", header: payer, status: 400, code: "request_not_understood"},
		{name: "giving back", method: "DELETE", target: "/near?n=1", header: payer, status: 200, uses: used("near", -1)},
		{name: "giving back fails", method: "DELETE", target: "/near?n=1&status=500", header: payer, status: 500},

		{name: "a feature that is on", method: "GET", target: "/on", header: payer, status: 200},
		{name: "a feature that is not in the plan", method: "GET", target: "/off", header: payer, status: 402, code: "feature_not_in_plan"},
		{name: "a configuration, within", method: "GET", target: "/size?n=5", header: payer, status: 200},
		{name: "a configuration, past", method: "GET", target: "/size?n=5.1", header: payer, status: 402, code: "usage_never_fits"},
		{name: "a value that is allowed", method: "GET", target: "/cities/NY", header: payer, status: 200},
		{name: "a value that is not", method: "GET", target: "/cities/TLV", header: payer, status: 403, code: "value_not_allowed"},
		{name: "a policy that does not fit", method: "GET", target: "/mismatch", header: payer, status: 403, code: "feature_type_mismatch"},
		{name: "all, and one is refused", method: "GET", target: "/both", header: payer, status: 402, code: "feature_not_in_plan"},
		{name: "any", method: "GET", target: "/either", header: payer, status: 200, uses: used("many", 1)},

		{name: "no subscription", method: "GET", target: "/on", header: as("none"), status: 402, code: "no_active_subscription"},
		{name: "an archived customer", method: "GET", target: "/on", header: as("archived"), status: 403, code: "customer_archived"},
		{name: "an unknown customer", method: "GET", target: "/on", header: as("unknown"), status: 403, code: "customer_not_found"},
		{name: "using without a subscription", method: "POST", target: "/many", header: as("none"), status: 402, code: "no_active_subscription"},
		{name: "using as an archived customer", method: "POST", target: "/many", header: as("archived"), status: 403, code: "customer_archived"},
		{name: "using as an unknown customer", method: "POST", target: "/many", header: as("unknown"), status: 403, code: "customer_not_found"},
		{name: "Stigg is down", method: "POST", target: "/many", header: as("down"), status: 503, code: "entitlements_unavailable"},
		{name: "no customer", method: "POST", target: "/many", status: 401, code: "customer_unresolved", unasked: true},
		{name: "a customer that is a path", method: "POST", target: "/many", header: as("a/../b"), status: 401, code: "customer_unresolved", unasked: true},
		{name: "a customer that is a query", method: "POST", target: "/many", header: as("x?y="), status: 401, code: "customer_unresolved", unasked: true},
		{name: "a customer of 300 bytes", method: "POST", target: "/many", header: as(strings.Repeat("a", 300)), status: 401, code: "customer_unresolved", unasked: true},
		{name: "a customer with a space", method: "POST", target: "/many", header: as("a b"), status: 401, code: "customer_unresolved", unasked: true},

		{name: "a public route", method: "GET", target: "/public", status: 200, unasked: true},
		{name: "a preflight", method: "OPTIONS", target: "/many", header: preflight(), status: 401, code: "customer_unresolved", unasked: true},
		{name: "a preflight to a metered handler of its own", method: "OPTIONS", target: "/options", header: map[string]string{"X-Customer-ID": "payer", "Origin": "https://a.example.com", "Access-Control-Request-Method": "POST"}, status: 200, uses: used("many", 2)},
		{name: "a plain OPTIONS", method: "OPTIONS", target: "/many", status: 401, code: "customer_unresolved", unasked: true},
		{name: "no such route", method: "GET", target: "/nowhere", status: 404, unasked: true},
		{name: "no such method", method: "PUT", target: "/on", status: 405, unasked: true},
	}
}

// requestRows are the table's rows.
func requestRows(a Adapter) []row {
	var rows []row
	for _, tt := range requests() {
		rows = append(rows, over("requests", tt.name, func(t testing.TB, p protocol) {
			tt.check(t, a.guarded(t, p, routes()...), p)
		})...)
	}
	return rows
}

// check sends the request and holds everything that comes of it to the row.
func (tt request) check(t testing.TB, b *bench, p protocol) {
	t.Helper()
	r := b.new(t, tt.method, tt.target, "", nil)
	for name, value := range tt.header {
		r.Header.Set(name, value)
	}
	got := b.send(r)
	got.wants(t, tt.status)
	if got.code != tt.code {
		t.Errorf("got the code %q, want %q\n%s", got.code, tt.code, got.body)
	}
	if got.protocol != int(p) {
		t.Errorf("answered over HTTP/%d, want %d", got.protocol, p)
	}
	if page := strings.HasPrefix(got.header.Get("Content-Type"), "text/html"); page != tt.html {
		t.Errorf("an answer of type %q, want a page: %v", got.header.Get("Content-Type"), tt.html)
	}
	if tt.hints > 0 && (len(got.hints) != tt.hints || got.hints[0].Get("Link") == "") {
		t.Errorf("early hints %v, want %d", got.hints, tt.hints)
	}
	b.bills(t, tt.uses)
	if tt.unasked && b.stigg.asked() != 0 {
		t.Errorf("%d upstream calls, want none", b.stigg.asked())
	}
	if n := len(b.seen.settled); n > 1 || len(tt.uses) > 0 && n != 1 {
		t.Errorf("settled %d times: %+v", n, b.seen.settled)
	}
}
