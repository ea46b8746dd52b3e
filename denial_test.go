package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stiggate/gate/internal/problem"
)

func denialOf(t *testing.T, g *Gate, p Policy, r *http.Request) (*httptest.ResponseRecorder, map[string]any) {
	t.Helper()
	w := serve(t, g, p, r, func(http.ResponseWriter, *http.Request) { t.Error("the handler ran") })
	var body map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("%v: %q", err, w.Body)
	}
	return w, body
}

func TestADenialSaysWhatAndWhy(t *testing.T) {
	end := time.Date(2026, 12, 21, 0, 0, 0, 0, time.UTC)
	templates := metered("feature-01-templates", 3, 5)
	templates.DisplayName, templates.PeriodStart, templates.PeriodEnd, templates.Reset = "Templates", end.AddDate(0, -1, 0), end, ResetMonth
	g := gateOf(t, &stub{set: features(templates)},
		WithClock(func() time.Time { return end.AddDate(0, 0, -1) }),
		WithUpgradeLink("https://app.example.com/upgrade?feature={feature}"))
	w, body := denialOf(t, g, Feature("feature-01-templates").Uses(3), request("POST", "/templates?n=3", "customer-demo-01"))

	instance, _ := body["instance"].(string)
	if !regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(instance) {
		t.Errorf("instance %q is no urn:uuid of version 4", instance)
	}
	body["instance"] = "-"
	got, _ := json.MarshalIndent(body, "", " ")
	want := `{
 "accessDeniedReason": "RequestedUsageExceedingLimit",
 "code": "usage_limit_exceeded",
 "currentUsage": 3,
 "detail": "This request needs 3 of Templates; 2 of 5 are left this month.",
 "feature": {
  "displayName": "Templates",
  "id": "feature-01-templates"
 },
 "instance": "-",
 "requestedUsage": 3,
 "resetsAt": "2026-12-21T00:00:00Z",
 "status": 402,
 "title": "Plan limit reached",
 "type": "https://github.com/stiggate/gate/blob/main/docs/denials.md#usage_limit_exceeded",
 "upgrade": {
  "url": "https://app.example.com/upgrade?feature=feature-01-templates"
 },
 "usageLimit": 5
}`
	if string(got) != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/problem+json", "Cache-Control": "no-store",
		"X-Content-Type-Options": "nosniff", "Content-Length": fmt.Sprint(w.Body.Len()),
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if strings.Contains(w.Body.String(), "customer-demo-01") {
		t.Error("the body names the customer")
	}
}

func TestWhatNeverFitsIsToldApart(t *testing.T) {
	g := gateOf(t, &stub{set: features(metered("f", 3, 5))})
	_, body := denialOf(t, g, Feature("f").Uses(6), request("POST", "/", "c"))
	if body["code"] != "usage_never_fits" || body["accessDeniedReason"] != "RequestedUsageExceedingLimit" {
		t.Errorf("got %v, %v", body["code"], body["accessDeniedReason"])
	}
}

func TestHeadIsDeniedWithoutABody(t *testing.T) {
	g := gateOf(t, &stub{set: features(metered("f", 5, 5))})
	w := serve(t, g, Feature("f").Uses(1), request("HEAD", "/", "c"), func(http.ResponseWriter, *http.Request) { t.Error("the handler ran") })
	if w.Code != 402 || w.Body.Len() != 0 || w.Header().Get("Content-Length") == "" {
		t.Errorf("got %d, %d bytes, Content-Length %q", w.Code, w.Body.Len(), w.Header().Get("Content-Length"))
	}
}

func TestAnUnknownReasonIsKeptVerbatim(t *testing.T) {
	e := metered("f", 0, 5)
	e.Denied = "Planet<Aligned>"
	g := gateOf(t, &stub{set: features(e)}, WithStatus(ReasonUnknown, 451))
	w, body := denialOf(t, g, Feature("f"), request("GET", "/", "c"))
	if w.Code != 451 || body["code"] != "access_denied" || body["accessDeniedReason"] != "Planet<Aligned>" {
		t.Errorf("got %d %v", w.Code, body)
	}
}

func TestStatusesCanBeChanged(t *testing.T) {
	down := &stub{err: errStubDown}
	full := &stub{set: features(metered("f", 5, 5))}
	tests := []struct {
		name   string
		source *stub
		policy Policy
		gate   []Option
		want   int
	}{
		{"the default", full, Feature("f").Uses(1), nil, 402},
		{"per gate", full, Feature("f").Uses(1), []Option{WithStatus(ReasonLimitExceeded, 429)}, 429},
		{"per policy", full, Feature("f").Uses(1).Status(ReasonLimitExceeded, 403), nil, 403},
		{"the policy comes before the gate", full, Feature("f").Uses(1).Status(ReasonLimitExceeded, 403), []Option{WithStatus(ReasonLimitExceeded, 429)}, 403},
		{"another reason's status does not count", full, Feature("f").Uses(1).Status(ReasonRevoked, 451), nil, 402},
		{"a reason of our own", down, Feature("f"), []Option{WithStatus(ReasonUnavailable, 500)}, 500},
		{"per combined policy", full, All(Feature("f").Uses(1)).Status(ReasonLimitExceeded, 409), nil, 409},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, body := denialOf(t, gateOf(t, tt.source, tt.gate...), tt.policy, request("POST", "/", "c"))
			if w.Code != tt.want || body["status"] != float64(tt.want) {
				t.Errorf("got %d and %v in the body, want %d", w.Code, body["status"], tt.want)
			}
		})
	}
}

func TestOurOwnFaultIsNeverThePayers(t *testing.T) {
	secret := errors.New("dial tcp 10.1.2.3:443: key sk-secret")
	w, body := denialOf(t, gateOf(t, &stub{err: secret}), Feature("f").Uses(1), request("POST", "/", "c"))
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || body["code"] != "entitlements_unavailable" || body["accessDeniedReason"] != nil {
		t.Errorf("got %d, Retry-After %q, %v", w.Code, w.Header().Get("Retry-After"), body)
	}
	if strings.Contains(w.Body.String(), "secret") || strings.Contains(w.Body.String(), "10.1") {
		t.Errorf("the body quotes the error: %s", w.Body)
	}
}

func TestOnlyHeldUsageIsAskedToComeAgain(t *testing.T) {
	g := gateOf(t, &stub{set: features(metered("f", 0, 1))})
	ticket, _ := g.Admit(t.Context(), Customer{ID: "c"}, Feature("f").Uses(1))
	w, body := denialOf(t, g, Feature("f").Uses(1), request("POST", "/", "c"))
	if w.Code != 429 || w.Header().Get("Retry-After") != "1" || body["code"] != "concurrent_usage_pending" || body["accessDeniedReason"] != nil {
		t.Errorf("while held: got %d, Retry-After %q, %v", w.Code, w.Header().Get("Retry-After"), body)
	}
	_ = ticket.Settle()
	if w, _ := denialOf(t, g, Feature("f").Uses(1), request("POST", "/", "c")); w.Code != 402 {
		t.Errorf("once settled: got %d, want 402", w.Code)
	}
}

func TestBadAmountsOfARequest(t *testing.T) {
	of := func(n float64, err error) Policy {
		return Feature("f").UsesFunc(func(*http.Request) (float64, error) { return n, err })
	}
	tests := []struct {
		name   string
		policy Policy
		status int
		code   string
		detail string
	}{
		{"not a number", of(math.NaN(), nil), 400, "request_not_understood", "The amount asked for is not a number."},
		{"infinite", of(math.Inf(1), nil), 400, "request_not_understood", "The amount asked for is infinite."},
		{"negative", of(-1, nil), 400, "request_not_understood", "The amount asked for is negative."},
		{"an error keeps its text to itself", of(0, errors.New("strconv: secret")), 400, "request_not_understood", "The amount or the values asked for can't be read from the request."},
		{"an error for the client", of(0, &RequestError{Status: 411, Code: "length_required", Detail: "Say how long it is."}), 411, "length_required", "Say how long it is."},
		{"a status that is none of the client's", of(0, &RequestError{Status: 200, Detail: "x"}), 400, "request_not_understood", "x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &stub{set: features(metered("f", 0, 5))}
			g := gateOf(t, s)
			w, body := denialOf(t, g, tt.policy, request("POST", "/", "c"))
			if w.Code != tt.status || body["code"] != tt.code || body["detail"] != tt.detail {
				t.Errorf("got %d %v %q", w.Code, body["code"], body["detail"])
			}
			if st := g.Stats(); st.Open != 0 || st.Queued != 0 {
				t.Errorf("a refused request leaves %+v", st)
			}
		})
	}
}

func TestEveryDetailIsASentence(t *testing.T) {
	reasons := []Reason{
		ReasonBudgetExceeded, ReasonCustomerIsArchived, ReasonCustomerNotFound, ReasonResourceNotFound, ReasonEntitlementNotFound,
		ReasonFeatureNotFound, ReasonFeatureMismatch, ReasonInsufficientCredits, ReasonNoSubscription, ReasonNotInPlan,
		ReasonLimitExceeded, ReasonValueNotAllowed, ReasonRevoked, ReasonUnknown, "New",
		ReasonUnresolved, ReasonCustomerConflict, ReasonUnavailable, ReasonPending, ReasonBadRequest, ReasonNotInTable,
	}
	g := gateOf(t, &stub{})
	for _, r := range reasons {
		d := Decision{Status: 403, Customer: Customer{ID: "customer-x"}, FeatureName: "Templates", Reason: r, Err: errors.New("inner")}
		w := httptest.NewRecorder()
		g.WriteDenial(w, httptest.NewRequest("GET", "/", nil), d)
		var body problem.Problem
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
			t.Fatal(err)
		}
		detail := body.Detail
		if !strings.HasSuffix(detail, ".") || strings.Contains(detail, "customer-x") || strings.Contains(detail, "inner") {
			t.Errorf("%s: %q", r, detail)
		}
	}
}

func TestOnlyA401CarriesTheChallenge(t *testing.T) {
	const challenge = `Bearer realm="api"`
	g := gateOf(t, &stub{set: features(metered("f", 0, 0))}, WithChallenge(challenge))
	for customer, want := range map[string]string{"": challenge, "c": ""} {
		if w, _ := denialOf(t, g, Feature("f").Uses(1), request("POST", "/", customer)); w.Header().Get("WWW-Authenticate") != want {
			t.Errorf("%d with %q", w.Code, w.Header().Get("WWW-Authenticate"))
		}
	}
	plain := gateOf(t, &stub{})
	if w, _ := denialOf(t, plain, Feature("f"), request("GET", "/", "")); w.Code != 401 || w.Header()["Www-Authenticate"] != nil {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestAnAppsOwnDenialHasWhatTheStandardOneSays(t *testing.T) {
	for name, tt := range map[string]struct {
		set    EntitlementSet
		policy Policy
		want   string
	}{
		"used up":             {features(Entitlement{FeatureID: "f", DisplayName: "The f", Kind: Metered, Limit: 5, Usage: 5, Reset: ResetMonth}), Feature("f").Uses(1), "402 usage_limit_exceeded You have used all 5 The f of your plan this month. 1 5 5 [] /pay/c"},
		"with units":          {features(Entitlement{FeatureID: "f", Unit: "seat", Units: "seats", Kind: Metered, Limit: 5, Usage: 4}), Feature("f").Uses(2), "402 usage_limit_exceeded This request needs 2 seats; 1 of 5 are left. 2 4 5 [] /pay/c"},
		"one unit":            {features(Entitlement{FeatureID: "f", Unit: "seat", Units: "seats", Kind: Metered, Limit: 0.5}), Feature("f").Uses(1), "402 usage_never_fits This request needs 1 seat; the plan allows 0.5 in all. 1 0 0.5 [] /pay/c"},
		"some is left":        {features(metered("f", 4, 5)), Feature("f").Uses(2), "402 usage_limit_exceeded This request needs 2 of The f; 1 of 5 are left. 2 4 5 [] /pay/c"},
		"a value":             {features(Entitlement{FeatureID: "f", Kind: Enum, Values: []string{"s", "m"}}), Feature("f").Values("l").Named("Model"), "403 value_not_allowed The plan does not allow this value of Model; it allows s, m.    [s m] /pay/c"},
		"not in the plan":     {features(), Feature("f").Named("Single sign-on"), "402 feature_not_in_plan Single sign-on is not part of the plan.    [] /pay/c"},
		"paying mends it not": {EntitlementSet{Denied: ReasonCustomerIsArchived}, Feature("f"), "403 customer_archived The customer is archived.    [] "},
	} {
		got := ""
		g := gateOf(t, &stub{set: tt.set}, WithDenial(func(w http.ResponseWriter, _ *http.Request, d Denial) {
			got = fmt.Sprint(d.Status, " ", d.Code, " ", d.Detail, " ", d.Requested, " ", d.Used, " ", d.Limit, " ", d.AllowedValues, " ", d.UpgradeURL)
			w.WriteHeader(d.Status)
			if d.Instance == "" || d.Instance != d.Decision.Instance || d.Decision.Customer.ID != "c" {
				t.Errorf("%s: %+v", name, d)
			}
		}), WithUpgrade(func(_ *http.Request, d Decision) string { return "/pay/" + d.Customer.ID }))
		if serve(t, g, tt.policy, request("POST", "/", "c"), nil); got != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, tt.want)
		}
	}
}

func TestTextsAreInTheReadersLanguage(t *testing.T) {
	g := gateOf(t, &stub{}, WithTexts(func(languages []string, d DenialPage) (string, string) {
		if len(languages) > 0 && languages[0] == "de" {
			return "Nicht im Tarif", d.FeatureName + " ist nicht im Tarif."
		}
		return "", ""
	}))
	for accept, want := range map[string]string{
		"de, en;q=0.8": `"title":"Nicht im Tarif","status":402,"detail":"f ist nicht im Tarif."`,
		"en, de;q=0.8": `"title":"Not part of the plan","status":402,"detail":"f is not part of the plan."`,
	} {
		r := request("POST", "/", "c")
		r.Header.Set("Accept-Language", accept)
		w := serve(t, g, Feature("f"), r, nil)
		if !strings.Contains(w.Body.String(), want) || !slices.Contains(w.Header().Values("Vary"), "Accept-Language") {
			t.Errorf("%s: got %v %s", accept, w.Header(), w.Body)
		}
	}
}

func TestAFeatureHasTheNameThatOthersKnow(t *testing.T) {
	s := &stub{set: features(metered("f", 0, 5))}
	g := gateOf(t, s)
	g.Check(t.Context(), Customer{ID: "has"}, Feature("f"))
	s.mu.Lock()
	s.set = features()
	s.mu.Unlock()
	if d := g.Check(t.Context(), Customer{ID: "hasnot"}, Feature("f")); d.FeatureName != "The f" || d.Reason != ReasonNotInPlan {
		t.Errorf("got %+v", d)
	}
}

func TestALinkThatLeadsElsewhereIsLeftOut(t *testing.T) {
	for _, link := range []string{"javascript:alert(1)", "//example.com", "///example.com", "////example.com", `/\example.com`, `/\/example.com`, `\/example.com`, "upgrade", ""} {
		g := gateOf(t, &stub{}, WithUpgrade(func(*http.Request, Decision) string { return link }), WithUpgradeLink("/standard"))
		if w := serve(t, g, Feature("f"), request("POST", "/", "c"), nil); w.Header().Get("Link") != `</standard>; rel="payment"` {
			t.Errorf("%q: Link is %q", link, w.Header().Get("Link"))
		}
	}
}
