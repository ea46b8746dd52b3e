package emulator

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// reportAt sends one measurement and gives the timestamp of its answer.
func reportAt(t *testing.T, e *Emulator) string {
	t.Helper()
	a := ask(t, e, official(t, "ReportUsage"), map[string]any{"input": map[string]any{
		"customerId": "customer-demo-01", "featureId": "feature-02-campaigns", "value": 1}})
	return dig(t, a.Data, "reportUsage", "timestamp").(string)
}

func TestTimesOfAnswersTieWithinTheClockResolution(t *testing.T) {
	now := testNow
	e := newTest(t, WithClock(func() time.Time { return now }), WithClockResolution(time.Second))
	var got []string
	for range 4 {
		got = append(got, reportAt(t, e))
		now = now.Add(400 * time.Millisecond)
	}
	want := []string{"2024-01-15T10:00:00.000Z", "2024-01-15T10:00:00.000Z", "2024-01-15T10:00:00.000Z", "2024-01-15T10:00:01.000Z"}
	if format(got) != format(want) {
		t.Errorf("acknowledged at %v, want %v", got, want)
	}
	a := ask(t, e, official(t, "GetEntitlement"), map[string]any{"query": map[string]any{"customerId": "customer-demo-01", "featureId": "feature-02-campaigns"}})
	if got := dig(t, a.Data, "entitlement", "usageUpdatedAt"); got != want[3] {
		t.Errorf("the entitlement's usage is of %v, want %v", got, want[3])
	}
	must(t, e.Grant("customer-demo-01", Grant{FeatureID: "feature-05-integrations"}, time.Time{}))
	if got := updatedAt(t, e, "customer-demo-01", ""); got != "2024-01-15T10:00:01.000Z" {
		t.Errorf("the set changed at %v", got)
	}
	if got := dig(t, a.Data, "entitlement", "usagePeriodEnd"); got != "2024-01-21T00:00:00.000Z" {
		t.Errorf("the period ends at %v: periods stay exact", got)
	}
}

func TestWebhooksTellCoarseTimesToo(t *testing.T) {
	sink := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer sink.Close()
	now := testNow.Add(700 * time.Millisecond)
	e := newTest(t, WithClock(func() time.Time { return now }), WithClockResolution(time.Second), WithWebhook(sink.URL, "s"))
	defer e.Close()
	reportAt(t, e)
	must(t, e.Grant("customer-demo-01", Grant{FeatureID: "feature-05-integrations"}, time.Time{}))
	all := e.Deliveries()
	if len(all) == 0 {
		t.Fatal("nothing was told")
	}
	for _, d := range all {
		var body map[string]any
		must(t, json.Unmarshal(d.Body, &body))
		for _, name := range []string{"timestamp", "entitlementsUpdatedAt", "usageUpdatedAt"} {
			if got, told := body[name]; told && got != "2024-01-15T10:00:00.000Z" {
				t.Errorf("%s: %s is %v", d.Type, name, got)
			}
		}
	}
}

func TestTimesOfAnswersDifferWithoutAClockResolution(t *testing.T) {
	e := newTest(t)
	if a, b := reportAt(t, e), reportAt(t, e); a == b {
		t.Errorf("both %s", a)
	}
	if _, err := New(WithClockResolution(time.Microsecond)); err == nil {
		t.Error("a resolution that the API can't say was taken")
	}
}
