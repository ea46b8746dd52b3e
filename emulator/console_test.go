package emulator

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// window sends a request of the operator's window, as the console does.
func window(t testing.TB, e *Emulator, method, path, body string) (int, any) {
	t.Helper()
	r := httptest.NewRequest(method, "http://127.0.0.1:4100/_emulator/"+path, strings.NewReader(body))
	r.Header.Set("Origin", "http://127.0.0.1:4100")
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	var v any
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%s: %v: %s", path, err, w.Body)
	}
	return w.Code, v
}

func TestTheConsoleIsServedWithWhatItAsksFor(t *testing.T) {
	e := newTest(t)
	page := visit(e, "GET", "http://127.0.0.1/", "")
	if page.Code != 200 || !strings.HasPrefix(page.Header().Get("Content-Type"), "text/html") || page.Header().Get("Content-Security-Policy") == "" {
		t.Fatalf("%d %v", page.Code, page.Header())
	}
	for _, m := range regexp.MustCompile(`(?:src|href)="(/[^"]+)"`).FindAllStringSubmatch(page.Body.String(), -1) {
		if w := visit(e, "GET", "http://127.0.0.1"+m[1], ""); w.Code != 200 || w.Body.Len() == 0 {
			t.Errorf("%s: %d", m[1], w.Code)
		}
	}
	script := visit(e, "GET", "http://127.0.0.1/console/console.js", "").Body.String()
	for _, m := range regexp.MustCompile(`byId\("([^"]+)"\)|onSubmit\("([^"]+)"`).FindAllStringSubmatch(script, -1) {
		if id := m[1] + m[2]; !strings.Contains(page.Body.String(), `id="`+id+`"`) {
			t.Errorf("the page has no element %q", id)
		}
	}
	if w := visit(e, "GET", "http://127.0.0.1/console/none.js", ""); w.Code != 404 {
		t.Errorf("a file that isn't there: %d", w.Code)
	}
	if w := visit(e, "GET", "http://evil.example/", ""); w.Code != 403 {
		t.Errorf("a host that resolves to here: %d", w.Code)
	}
}

func TestWhatTheConsolesFormsSendIsDone(t *testing.T) {
	e := newTest(t)
	for _, c := range []struct {
		name, path, body string
		want             int
	}{
		{"a customer", "customers", `{"customerId": "new"}`, 200},
		{"a plan", "subscriptions", `{"customerId": "new", "planId": "plan-revvenu-essentials", "billingPeriod": "MONTHLY", "units": 0, "resourceId": ""}`, 201},
		{"a grant", "grants", `{"customerId": "new", "featureId": "feature-05-integrations", "hasUnlimitedUsage": true, "days": 0}`, 201},
		{"a grant with a limit and an end", "grants", `{"customerId": "new", "featureId": "feature-02-campaigns", "usageLimit": 50, "hasUnlimitedUsage": false, "days": 7}`, 201},
		{"the clock", "clock", `{"advance": "1h"}`, 200},
		{"a fault", "faults", `{"operation": "", "status": 429, "retryAfter": 2}`, 201},
		{"a plan that isn't there", "subscriptions", `{"customerId": "new", "planId": "x"}`, 400},
		{"a customer that is there", "customers", `{"customerId": "new"}`, 400},
		{"a grant to nobody", "grants", `{"customerId": "nobody", "featureId": "feature-02-campaigns"}`, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			if code, v := window(t, e, "POST", c.path, c.body); code != c.want {
				t.Errorf("%d: %v", code, v)
			}
		})
	}
	_, v := window(t, e, "GET", "customers?search=NEW", "")
	if dig(t, v, "total") != 1.0 || dig(t, v, "customers", 0, "levels", 0, "subscriptions", 0, "plan") != "Essentials" {
		t.Errorf("%v", v)
	}
	got := format(dig(t, v, "customers", 0, "levels", 0, "entitlements", 1))
	if !strings.Contains(got, `"usageLimit":50`) || !strings.Contains(got, `"kind":"METERED"`) {
		t.Errorf("campaigns: %s", got)
	}
}

func TestCustomersAreShownPageByPage(t *testing.T) {
	e := newTest(t)
	_, v := window(t, e, "GET", "customers?limit=2&offset=1", "")
	if dig(t, v, "total") != 5.0 || dig(t, v, "customers", 0, "customerId") != "customer-basic" || len(dig(t, v, "customers").([]any)) != 2 {
		t.Errorf("%v", v)
	}
	if code, _ := window(t, e, "GET", "customers?limit=many", ""); code != 400 {
		t.Errorf("%d", code)
	}
}

func TestWhatWentOnIsRemembered(t *testing.T) {
	var log bytes.Buffer
	e := newTest(t, WithRequestLog(&log))
	run(t, e, "ReportUsage", vars{"customerId": "customer-demo-01", "featureId": campaigns, "value": 1})
	run(t, e, "GetEntitlement", vars{"customerId": "customer-basic", "featureId": campaigns, "options": vars{"requestedUsage": 99}})
	refusal(t, e, "UpdateCustomer", vars{"customerId": "ghost"})
	must(t, e.Fault(Fault{Status: 503, Count: 1}))
	ask(t, e, `{ sdkConfiguration { sentryDsn } }`, nil)
	var got []string
	for _, a := range e.Activities(0) {
		got = append(got, strings.Join([]string{a.Kind, a.Name, a.CustomerID, a.Code}, " "))
	}
	want := []string{
		"event usageUpdated feature-02-campaigns customer-demo-01 ", "event measurement.reported customer-demo-01 ", "request reportUsage customer-demo-01 ",
		"denial feature-02-campaigns customer-basic RequestedUsageExceedingLimit", "request entitlement customer-basic ",
		"request updateOneCustomer ghost CustomerNotFound", "request sdkConfiguration  ",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	last := e.Activities(len(want) - 1)
	if len(last) != 1 || last[0].Status != 503 || !last[0].Fault {
		t.Errorf("%+v", last)
	}
	if lines := strings.Count(log.String(), "\n"); lines != 4 || strings.Contains(log.String(), DefaultKey) || !strings.Contains(log.String(), "code=CustomerNotFound") {
		t.Errorf("%s", &log)
	}
	for range 3 * maxActivities {
		ask(t, e, `{ __typename }`, nil)
	}
	if n := len(e.Activities(0)); n != maxActivities {
		t.Errorf("%d are kept", n)
	}
}
