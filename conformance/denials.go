package conformance

import (
	"io"
	"net/http"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stiggate/gate"
)

// denial is what a refused request must be answered, to the byte.
type denial struct {
	name             string
	target, customer string
	status           int
	link, retry      string // header fields; empty: not there
	body             string // without its last newline, and with INSTANCE for the instance
}

// denials holds one denial for every status that there is.
func denials() []denial {
	const problem = `{"type":"https://github.com/stiggate/gate/blob/main/docs/denials.md#`
	return []denial{
		{
			name: "400", target: "/near?n=x", customer: "payer", status: 400,
			body: problem + `request_not_understood","title":"Request not understood","status":400,"detail":"n is not a number.","instance":"INSTANCE","code":"request_not_understood","feature":{"id":"near","displayName":"Near"}}`,
		},
		{
			name: "401", target: "/off", status: 401,
			body: problem + `customer_unresolved","title":"No customer","status":401,"detail":"The request does not say, in a valid way, which customer it is made for.","instance":"INSTANCE","code":"customer_unresolved"}`,
		},
		{
			name: "402 of a feature that is not in the plan", target: "/off", customer: "payer", status: 402,
			link: `<https://app.example.com/upgrade?feature=off>; rel="payment"`,
			body: problem + `feature_not_in_plan","title":"Not part of the plan","status":402,"detail":"off is not part of the plan.","instance":"INSTANCE","code":"feature_not_in_plan","accessDeniedReason":"NoFeatureEntitlementInSubscription","feature":{"id":"off","displayName":"off"},"upgrade":{"url":"https://app.example.com/upgrade?feature=off"}}`,
		},
		{
			name: "402 of a limit", target: "/monthly?n=8", customer: "payer", status: 402,
			link: `<https://app.example.com/upgrade?feature=monthly>; rel="payment"`,
			body: problem + `usage_limit_exceeded","title":"Plan limit reached","status":402,"detail":"This request needs 8 of Monthly; 7 of 10 are left this month.","instance":"INSTANCE","code":"usage_limit_exceeded","accessDeniedReason":"RequestedUsageExceedingLimit","feature":{"id":"monthly","displayName":"Monthly"},"requestedUsage":8,"currentUsage":3,"usageLimit":10,"resetsAt":"2030-02-01T00:00:00Z","upgrade":{"url":"https://app.example.com/upgrade?feature=monthly"}}`,
		},
		{
			name: "403 of a value", target: "/cities/TLV", customer: "payer", status: 403,
			link: `<https://app.example.com/upgrade?feature=cities>; rel="payment"`,
			body: problem + `value_not_allowed","title":"Value not allowed by the plan","status":403,"detail":"The plan does not allow this value of Cities; it allows NY, LA.","instance":"INSTANCE","code":"value_not_allowed","accessDeniedReason":"RequestedValuesMismatch","feature":{"id":"cities","displayName":"Cities"},"allowedValues":["NY","LA"],"upgrade":{"url":"https://app.example.com/upgrade?feature=cities"}}`,
		},
		{
			name: "403 of an archived customer", target: "/off", customer: "archived", status: 403,
			body: problem + `customer_archived","title":"Customer is archived","status":403,"detail":"The customer is archived.","instance":"INSTANCE","code":"customer_archived","accessDeniedReason":"CustomerIsArchived","feature":{"id":"off","displayName":"off"}}`,
		},
		{
			name: "429", target: "/held", customer: "payer", status: 429, retry: "1",
			body: problem + `concurrent_usage_pending","title":"Concurrent usage pending","status":429,"detail":"This request needs 5 of Monthly, which other requests now running may use up. Try again in a moment.","instance":"INSTANCE","code":"concurrent_usage_pending","feature":{"id":"monthly","displayName":"Monthly"},"requestedUsage":5,"currentUsage":3,"usageLimit":10,"resetsAt":"2030-02-01T00:00:00Z"}`,
		},
		{
			name: "503", target: "/off", customer: "down", status: 503, retry: "5",
			body: problem + `entitlements_unavailable","title":"Entitlements unavailable","status":503,"detail":"What the plan covers can't be looked up at the moment. Nothing was charged; try again later.","instance":"INSTANCE","code":"entitlements_unavailable"}`,
		},
	}
}

// inMonth is a clock that stands still in the usage period of "monthly".
func inMonth() gate.Option {
	return gate.WithClock(func() time.Time { return month[0].Add(24 * time.Hour) })
}

var instance = regexp.MustCompile(`urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)

// denialRows compare denials with the bytes that all routers must answer.
func denialRows(a Adapter) []row {
	rows := []row{{"denials", "a denial does not wait for the body", func(t testing.TB) { denialBeforeBody(t, a) }}}
	rows = append(rows, over("denials", "a denial that the app answers in its own way", func(t testing.TB, p protocol) { ownDenial(t, a, p) })...)
	for _, tt := range denials() {
		rows = append(rows, over("denials", "the denial "+tt.name, func(t testing.TB, p protocol) {
			tt.check(t, a, p, "GET")
			tt.check(t, a, p, "HEAD")
		})...)
	}
	return rows
}

func (tt denial) check(t testing.TB, a Adapter, p protocol, method string) {
	t.Helper()
	entered, leave := make(chan struct{}), make(chan struct{})
	monthly := gate.Feature("monthly")
	served := []Route{route("POST", "/held", monthly.Uses(5), func(http.ResponseWriter, *http.Request) { close(entered); <-leave })}
	for _, verb := range []string{"GET", "HEAD"} {
		served = append(
			served,
			route(verb, "/near", gate.Feature("near").UsesFunc(amount), answerStatus),
			route(verb, "/monthly", monthly.UsesFunc(amount), answerStatus),
			route(verb, "/held", monthly.Uses(5), answerStatus),
			route(verb, "/off", gate.Feature("off"), answerStatus),
			route(verb, "/cities/{city}", gate.Feature("cities").ValuesFunc(city), answerStatus),
		)
	}
	b := start(t, p, func(g *gate.Gate) http.Handler { return a.Guarded(g, a.routes(served...)) }, inMonth())
	billed := uses{}
	if tt.status == http.StatusTooManyRequests {
		billed["monthly"] = 5
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.get(t, "POST", "/held")
		}()
		await(t, "the request that holds", entered)
		defer func() { await(t, "its end", done) }()
	}
	got := b.send(b.new(t, method, tt.target, tt.customer, nil))
	close(leave)
	want := map[string]string{
		"Content-Type": "application/problem+json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Vary": "Accept",
		"Link": tt.link, "Retry-After": tt.retry, "Content-Length": strconv.Itoa(len(tt.body) + 1 + len("urn:uuid:00000000-0000-4000-8000-000000000000") - len("INSTANCE")),
		"RateLimit": "", "X-Ratelimit-Limit": "",
	}
	got.wants(t, tt.status)
	for name, value := range want {
		if h := got.header.Values(name); len(h) > 1 || got.header.Get(name) != value {
			t.Errorf("%s: %s is %q, want %q", method, name, h, value)
		}
	}
	body := tt.body + "\n"
	if method == "HEAD" {
		body = ""
	}
	if s := instance.ReplaceAllString(string(got.body), "INSTANCE"); s != body {
		t.Errorf("%s: got the body\n%swant\n%s", method, s, body)
	}
	b.bills(t, billed)
}

// denialBeforeBody: who is refused need not send what was announced.
func denialBeforeBody(t testing.TB, a Adapter) {
	b := a.guarded(t, http1, route("POST", "/off", gate.Feature("off").Uses(1), answerStatus))
	conn := b.dial(t, "POST /off HTTP/1.1\nHost: example.com\nX-Customer-ID: payer\nContent-Length: 1000000\nExpect: 100-continue")
	line := make([]byte, len("HTTP/1.1 402"))
	if _, err := io.ReadFull(conn, line); err != nil || string(line) != "HTTP/1.1 402" {
		t.Errorf("got %q, %v; want a 402 at once", line, err)
	}
	_ = conn.Close()
	b.bills(t, nil)
}

// quotaRows hold the header of answers to gate.WithQuotaHeaders.
func quotaRows(a Adapter) []row {
	tests := []struct {
		name, target string
		kind         gate.QuotaHeaders
		status       int
		header       map[string]string
	}{
		{"quota headers that nobody asked for", "/monthly?n=2", gate.QuotaHeadersNone, 200, nil},
		{"quota headers of an answer", "/monthly?n=2", gate.QuotaHeadersDraft, 200, map[string]string{
			"RateLimit-Policy": `"monthly";q=10;w=2678400`, "RateLimit": `"monthly";r=5;t=2592000`,
		}},
		{"quota headers of a denial", "/monthly?n=8", gate.QuotaHeadersDraft, 402, map[string]string{
			"RateLimit-Policy": `"monthly";q=10;w=2678400`, "RateLimit": `"monthly";r=7;t=2592000`,
		}},
		{"older quota headers of an answer", "/monthly?n=2", gate.QuotaHeadersLegacy, 200, map[string]string{
			"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "5", "X-RateLimit-Reset": strconv.FormatInt(month[1].Unix(), 10),
		}},
		{"older quota headers of a denial", "/monthly?n=8", gate.QuotaHeadersLegacy, 402, map[string]string{
			"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "7", "X-RateLimit-Reset": strconv.FormatInt(month[1].Unix(), 10),
		}},
		{"quota headers of a feature without a limit that counts", "/on", gate.QuotaHeadersLegacy, 200, nil},
	}
	var rows []row
	for _, tt := range tests {
		rows = append(rows, row{"quota headers", tt.name, func(t testing.TB) {
			b := start(t, http1, func(g *gate.Gate) http.Handler {
				return a.Guarded(g, a.routes(
					route("POST", "/monthly", gate.Feature("monthly").UsesFunc(amount), answerStatus),
					route("POST", "/on", gate.Feature("on"), answerStatus),
				))
			}, inMonth(), gate.WithQuotaHeaders(tt.kind))
			got := b.get(t, "POST", tt.target)
			got.wants(t, tt.status)
			for _, name := range []string{"RateLimit-Policy", "RateLimit", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"} {
				if h := got.header.Values(name); len(h) > 1 || got.header.Get(name) != tt.header[name] {
					t.Errorf("%s is %q, want %q", name, h, tt.header[name])
				}
			}
			billed := uses{}
			if tt.header != nil && tt.status == 200 || tt.kind == gate.QuotaHeadersNone {
				billed["monthly"] = 2
			}
			b.bills(t, billed)
		}})
	}
	return rows
}

// ownDenial: the app's function answers, for the gate or for a policy, and one that writes
// nothing leaves the standard answer.
func ownDenial(t testing.TB, a Adapter, p protocol) {
	off := gate.Feature("off")
	envelope := func(w http.ResponseWriter, _ *http.Request, d gate.Denial) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, d.Code+" "+d.Decision.Customer.ID)
	}
	page := func(w http.ResponseWriter, r *http.Request, d gate.Denial) { d.WriteJSON(w, r) }
	nothing := func(http.ResponseWriter, *http.Request, gate.Denial) {}
	b := start(t, p, func(g *gate.Gate) http.Handler {
		return a.Guarded(g, a.routes(route("GET", "/own", off, answerStatus), route("GET", "/standard", off.OnDenial(page), answerStatus),
			route("GET", "/nothing", off.OnDenial(nothing), answerStatus)))
	}, gate.WithDenial(envelope))
	if got := b.get(t, "GET", "/own"); got.status != http.StatusTeapot || string(got.body) != "feature_not_in_plan payer" {
		t.Errorf("got %d %s", got.status, got.body)
	}
	for _, path := range []string{"/standard", "/nothing"} {
		if got := b.get(t, "GET", path); got.status != http.StatusPaymentRequired || got.code != "feature_not_in_plan" {
			t.Errorf("%s: got %d %s", path, got.status, got.body)
		}
	}
	b.bills(t, nil)
}
