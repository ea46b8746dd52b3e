package emulator

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const activeUsers = "feature-07-active-users"

func reportEvents(t testing.TB, e *Emulator, events ...map[string]any) answer {
	t.Helper()
	return ask(t, e, official(t, "ReportEvent"), map[string]any{"input": map[string]any{"usageEvents": events}})
}

func login(key, user string, changes ...func(map[string]any)) map[string]any {
	ev := map[string]any{"customerId": "customer-demo-01", "eventName": "user_login", "idempotencyKey": key,
		"timestamp": isoTime(testNow), "dimensions": map[string]any{"user_id": user}}
	for _, change := range changes {
		change(ev)
	}
	return ev
}

func with(key string, value any) func(map[string]any) {
	return func(ev map[string]any) { ev[key] = value }
}

func TestEventsCountDistinctUsersOfThePeriod(t *testing.T) {
	e := newTest(t)
	a := reportEvents(t, e,
		login("1", "anna"), login("2", "ben"), login("3", "anna"), login("1", "anna"),
		login("4", "carl", with("eventName", "user_logout")),
		login("5", "dora", with("dimensions", nil)),
		login("6", "emil", with("customerId", "nobody")),
		login("7", "fred", with("resourceId", "site-1")),
		login("8", "gina", with("timestamp", "2023-12-01T00:00:00Z")))
	if a.Status != 200 || len(a.Errors) > 0 || format(a.Data) != `{"reportEvent":null}` {
		t.Fatalf("%+v", a)
	}
	if got := usageNow(t, e, "customer-demo-01", "", activeUsers); got != 2 {
		t.Errorf("%v users, want 2", got)
	}
	if got := usageNow(t, e, "customer-demo-01", "site-1", activeUsers); got != 1 {
		t.Errorf("%v users of the resource, want 1", got)
	}
	var duplicates []int
	for i, ev := range e.Events() {
		if ev.Duplicate {
			duplicates = append(duplicates, i)
		}
	}
	if len(e.Events()) != 9 || fmt.Sprint(duplicates) != "[3]" {
		t.Errorf("%d recorded, duplicates %v", len(e.Events()), duplicates)
	}
	e.Advance(7 * 24 * time.Hour)
	reportEvents(t, e, login("9", "anna", with("timestamp", isoTime(e.Now()))))
	if got := usageNow(t, e, "customer-demo-01", "", activeUsers); got != 1 {
		t.Errorf("%v users in the next period, want 1", got)
	}
}

func TestEventsAreTakenUpToTheLimitOfACall(t *testing.T) {
	e := newTest(t)
	var events []map[string]any
	for i := range maxEvents + 1 {
		events = append(events, login(fmt.Sprint(i), fmt.Sprint("user-", i)))
	}
	if a := reportEvents(t, e, events...); a.code() != CodeBadUserInput || len(e.Events()) > 0 {
		t.Errorf("one too many: %+v", a)
	}
	if a := reportEvents(t, e, events[:maxEvents]...); a.Status != 200 || usageNow(t, e, "customer-demo-01", "", activeUsers) != maxEvents {
		t.Errorf("%+v", a)
	}
	if a := reportEvents(t, e, login("", "anna")); a.code() != CodeBadUserInput {
		t.Errorf("no key: %+v", a)
	}
}

func TestMetersCountAndSum(t *testing.T) {
	e := newTest(t, WithCatalog(strings.NewReader(`{"product": {"id": "p"}, "features": [
		{"id": "calls", "featureType": "NUMBER", "meterType": "Incremental", "meter": {"filters": [
			{"conditions": [{"field": "eventName", "operation": "EQUALS", "value": "call"}, {"field": "status", "operation": "NOT_EQUALS", "value": 500}]}],
			"aggregation": {"function": "COUNT"}}},
		{"id": "bytes", "featureType": "NUMBER", "meterType": "Incremental", "meter": {"aggregation": {"function": "SUM", "field": "size"}}}],
		"plans": [{"id": "plan", "entitlements": [{"featureId": "calls", "usageLimit": 10}, {"featureId": "bytes", "usageLimit": 10}]}],
		"customers": [{"id": "c", "subscriptions": [{"planId": "plan"}]}]}`)))
	for i, d := range []map[string]any{{"status": 200, "size": 1.5}, {"status": 500, "size": 2}, {"size": "large"}} {
		reportEvents(t, e, map[string]any{"customerId": "c", "eventName": "call", "idempotencyKey": fmt.Sprint(i), "dimensions": d})
	}
	if calls, bytes := usageNow(t, e, "c", "", "calls"), usageNow(t, e, "c", "", "bytes"); calls != 2 || bytes != 3.5 {
		t.Errorf("%v calls, %v bytes", calls, bytes)
	}
}
