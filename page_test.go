package gate

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

// pageOf is the denial of d as a browser gets it.
func pageOf(g *Gate, method string, d Decision) *httptest.ResponseRecorder {
	w, r := httptest.NewRecorder(), request(method, "/", "customer-demo-01")
	r.Header.Set("Accept", browser)
	g.WriteDenial(w, r, d)
	return w
}

// denied is a decision as the gate would finish it.
func denied(g *Gate, d Decision) Decision {
	d.Customer = Customer{ID: "customer-demo-01", Resource: "resource-demo-01"}
	g.finish(&Policy{}, &d)
	return d
}

var fullTemplates = Decision{
	Reason: ReasonLimitExceeded, FeatureID: "feature-01-templates", FeatureName: "Templates",
	Requested: 3, HasRequested: true, Usage: 3, Limit: 5, Metered: true, HasLimit: true,
	ResetsAt: time.Date(2026, 12, 21, 1, 0, 0, 0, time.FixedZone("CET", 3600)),
}

func TestAPageSaysWhatTheProblemSays(t *testing.T) {
	g := gateOf(t, &stub{}, WithUpgradeLink("https://app.example.com/upgrade?a=b&feature={feature}"))
	w := pageOf(g, "GET", denied(g, fullTemplates))
	if w.Code != http.StatusPaymentRequired {
		t.Errorf("got %d, want 402", w.Code)
	}
	body := w.Body.String()
	for _, want := range []string{
		`<html lang="en">`, "<title>Plan limit reached</title>", "<h1>Plan limit reached</h1>",
		"This request needs 3 of Templates; 2 of 5 are left.",
		`<label for="usage">Templates</label>`,
		`<meter id="usage" min="0" max="5" value="3">3 of 5 used</meter>`,
		`<time datetime="2026-12-21T00:00:00Z">21 December 2026, 00:00 UTC</time>`,
		`href="https://app.example.com/upgrade?a=b&amp;feature=feature-01-templates"`,
		"<code>usage_limit_exceeded</code> (402)", "<code>RequestedUsageExceedingLimit</code>", "<code>feature-01-templates</code>",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if !regexp.MustCompile(`<code>urn:uuid:[0-9a-f-]{36}</code>`).MatchString(body) {
		t.Error("the page lacks the instance")
	}
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		"Content-Length": strconv.Itoa(w.Body.Len()), "Vary": "Accept",
		"Link": `<https://app.example.com/upgrade?a=b&feature=feature-01-templates>; rel="payment"`,
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if t.Failed() {
		t.Log(body)
	}
}

// TestEveryReasonHasItsPage: well-formed, with one h1 and nothing that runs, loads or
// tells who was asking.
func TestEveryReasonHasItsPage(t *testing.T) {
	g := gateOf(t, &stub{}, WithUpgradeLink("https://app.example.com/upgrade"))
	reasons := []Reason{
		ReasonBudgetExceeded, ReasonCustomerIsArchived, ReasonCustomerNotFound, ReasonResourceNotFound, ReasonEntitlementNotFound,
		ReasonFeatureNotFound, ReasonFeatureMismatch, ReasonInsufficientCredits, ReasonNoSubscription, ReasonNotInPlan,
		ReasonLimitExceeded, ReasonValueNotAllowed, ReasonRevoked, ReasonUnknown, "New",
		ReasonUnresolved, ReasonCustomerConflict, ReasonUnavailable, ReasonPending, ReasonBadRequest, ReasonNotInTable,
	}
	for _, reason := range reasons {
		t.Run(string(reason), func(t *testing.T) {
			d := fullTemplates
			d.Reason, d.Err = reason, errors.New("secret")
			if reason == ReasonUnresolved || reason == ReasonNotInTable {
				d = Decision{Reason: reason}
			}
			d = denied(g, d)
			w := pageOf(g, "GET", d)
			body := w.Body.String()
			a := reason.answer()
			if w.Code != d.Status || strings.Count(body, "<h1>") != 1 || !strings.Contains(body, "<h1>"+a.Title+"</h1>") || !strings.Contains(body, d.Code) {
				t.Errorf("got %d %s", w.Code, body)
			}
			if link := w.Header().Get("Link"); a.Upgrade != strings.Contains(body, "<a ") || a.Upgrade != (link != "") {
				t.Errorf("whether paying is the remedy: %v, Link %q, %s", a.Upgrade, link, body)
			}
			for _, never := range []string{"customer-demo-01", "resource-demo-01", "secret", "<script", " style=", "<img", "<link", "src=", "@import", "url(", "ZgotmplZ"} {
				if strings.Contains(body, never) {
					t.Errorf("the page has %q in it", never)
				}
			}
			wellFormed(t, body)
			if d.RetryAfter > 0 && !strings.Contains(body, fmt.Sprintf("again in %d second", int(d.RetryAfter.Seconds()))) {
				t.Error("the page does not say when to try again")
			}
		})
	}
}

// wellFormed fails unless all elements but the void ones are closed in order.
func wellFormed(t *testing.T, body string) {
	t.Helper()
	var open []string
	for _, tag := range regexp.MustCompile(`<(/?)([a-z][a-z0-9]*)[^>]*>`).FindAllStringSubmatch(body, -1) {
		switch {
		case tag[2] == "meta":
		case tag[1] == "":
			open = append(open, tag[2])
		case len(open) == 0 || open[len(open)-1] != tag[2]:
			t.Fatalf("</%s> closes %v", tag[2], open)
		default:
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("%v are not closed", open)
	}
}

func TestAPageEscapesWhatItIsGiven(t *testing.T) {
	g := gateOf(t, &stub{}, WithUpgradeLink(`https://app.example.com/up"><script>grade?f={feature}&x=<y>`))
	d := fullTemplates
	d.FeatureID = `feature"><script>alert(1)</script>`
	d.FeatureName = `</title><script>alert("2")</script><img src=x onerror='3'>`
	w := pageOf(g, "GET", denied(g, d))
	body := w.Body.String()
	for _, never := range []string{"<script", "<img", "'3'", `="feature">`} {
		if strings.Contains(body, never) {
			t.Errorf("%q is not escaped: %s", never, body)
		}
	}
	if !strings.Contains(body, "&lt;script&gt;alert(&#34;2&#34;)&lt;/script&gt;") {
		t.Errorf("the name is not shown as it is: %s", body)
	}
	wellFormed(t, body)
	if want := `<https://app.example.com/up%22%3E%3Cscript%3Egrade?f=feature%22%3E%3Cscript%3Ealert%281%29%3C%2Fscript%3E&x=%3Cy%3E>; rel="payment"`; w.Header().Get("Link") != want {
		t.Errorf("Link: got %q, want %q", w.Header().Get("Link"), want)
	}
}

func TestHeadGetsThePagesHeader(t *testing.T) {
	g := gateOf(t, &stub{})
	get, head := pageOf(g, "GET", denied(g, fullTemplates)), pageOf(g, "HEAD", denied(g, fullTemplates))
	if head.Body.Len() != 0 || head.Code != get.Code || fmt.Sprint(head.Header()) != fmt.Sprint(get.Header()) {
		t.Errorf("got %d, %d bytes, %v\nwant %d, %v", head.Code, head.Body.Len(), head.Header(), get.Code, get.Header())
	}
}

func TestAPageWithoutAMeter(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Decision)
		want   string
	}{
		{"a limit of 0 has no scale", func(d *Decision) { d.Limit = 0 }, "<strong>Templates:</strong> 3 of 0 used"},
		{"no limit", func(d *Decision) { d.Reason, d.HasLimit = ReasonInsufficientCredits, false }, "<strong>Templates:</strong> 3 used"},
		{"an infinite limit", func(d *Decision) { d.Limit = math.Inf(1) }, "<strong>Templates:</strong> 3 used"},
		{"a configuration uses up nothing", func(d *Decision) { d.Metered = false }, "Templates"},
	}
	g := gateOf(t, &stub{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := fullTemplates
			tt.change(&d)
			body := pageOf(g, "GET", denied(g, d)).Body.String()
			if strings.Contains(body, "<meter") || !strings.Contains(body, tt.want) {
				t.Errorf("want %q and no meter: %s", tt.want, body)
			}
		})
	}
}

func TestThePagesPolicyLetsNothingThroughButItsStyle(t *testing.T) {
	g := gateOf(t, &stub{})
	w, r := httptest.NewRecorder(), request("GET", "/", "c")
	r.Header.Set("Accept", browser)
	w.Header().Set("Content-Security-Policy", "default-src *")
	g.WriteDenial(w, r, denied(g, fullTemplates))
	_, style, _ := strings.Cut(w.Body.String(), "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	hash := sha256.Sum256([]byte(style))
	want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	if got := w.Header().Get("Content-Security-Policy"); style == "" || got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestJSONHasNoneOfThePagesHeaders(t *testing.T) {
	g := gateOf(t, &stub{})
	w := httptest.NewRecorder()
	g.WriteDenial(w, request("GET", "/", "c"), denied(g, fullTemplates))
	h := w.Header()
	if h.Get("Content-Type") != "application/problem+json" || h.Get("Vary") != "Accept" || h.Get("Content-Security-Policy") != "" || h.Get("Link") != "" {
		t.Errorf("got %v", h)
	}
}

func TestALinkForPayingIsOnlyOn402And403(t *testing.T) {
	g := gateOf(t, &stub{}, WithUpgradeLink("https://app.example.com/upgrade"), WithStatus(ReasonLimitExceeded, 429))
	w := pageOf(g, "GET", denied(g, fullTemplates))
	if w.Code != 429 || w.Header().Get("Link") != "" || !strings.Contains(w.Body.String(), "app.example.com") {
		t.Errorf("got %d, Link %q: %s", w.Code, w.Header().Get("Link"), w.Body)
	}
}
