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

func TestMetersKeepTheHighestAndTheLowest(t *testing.T) {
	meter := func(id, function string) string {
		return `{"id": "` + id + `", "featureType": "NUMBER", "meterType": "Incremental", "meter": {"aggregation": {"function": "` + function + `", "field": "n"}}}`
	}
	e := newTest(t, WithCatalog(strings.NewReader(`{"product": {"id": "p"}, "features": [`+meter("peak", "MAX")+`,`+meter("floor", "MIN")+`],
		"plans": [{"id": "plan", "entitlements": [{"featureId": "peak", "resetPeriod": "DAY"}, {"featureId": "floor", "resetPeriod": "DAY"}]}],
		"customers": [{"id": "c", "subscriptions": [{"planId": "plan", "startDate": "2024-01-01T00:00:00Z"}]}]}`)))
	for i, d := range []any{4, 9.5, 2, "11", nil} {
		reportEvents(t, e, map[string]any{"customerId": "c", "eventName": "e", "idempotencyKey": fmt.Sprint(i), "dimensions": map[string]any{"n": d}})
	}
	if peak, floor := usageNow(t, e, "c", "", "peak"), usageNow(t, e, "c", "", "floor"); peak != 9.5 || floor != 2 {
		t.Errorf("peak %v, floor %v", peak, floor)
	}
	e.Advance(24 * time.Hour)
	if peak, floor := usageNow(t, e, "c", "", "peak"), usageNow(t, e, "c", "", "floor"); peak != 0 || floor != 0 {
		t.Errorf("the next day: peak %v, floor %v", peak, floor)
	}
}

func TestEventsAreTheSameIfFiveThingsAre(t *testing.T) {
	e := newTest(t)
	same := func(changes ...func(map[string]any)) map[string]any { return login("k", "anna", changes...) }
	reportEvents(t, e, same())
	for _, c := range []struct {
		name      string
		event     map[string]any
		duplicate bool
	}{
		{"all of them", same(), true},
		{"whatever its dimensions", same(with("dimensions", map[string]any{"user_id": "ben"})), true},
		{"at another time", same(with("timestamp", isoTime(testNow.Add(time.Millisecond)))), false},
		{"of another customer", same(with("customerId", "customer-basic")), false},
		{"of another resource", same(with("resourceId", "site-1")), false},
		{"of another name", same(with("eventName", "user_logout")), false},
		{"of another key", same(with("idempotencyKey", "k2")), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if a := reportEvents(t, e, c.event); len(a.Errors) > 0 {
				t.Fatal(a.Errors)
			}
			all := e.Events()
			if got := all[len(all)-1].Duplicate; got != c.duplicate {
				t.Errorf("a duplicate: %v", got)
			}
		})
	}
	if got := usageNow(t, e, "customer-demo-01", "", activeUsers); got != 1 {
		t.Errorf("%v users", got)
	}
}

func TestAnEventIsNoLargerThanAMegabyte(t *testing.T) {
	e := newTest(t)
	large := func(n int) map[string]any {
		return login("k", "anna", with("dimensions", map[string]any{"user_id": strings.Repeat("x", n)}))
	}
	if a := reportEvents(t, e, login("1", "anna"), large(maxEventSize)); a.code() != CodeBadUserInput || len(e.Events()) > 0 {
		t.Errorf("too large: %+v, %d recorded", a.Errors, len(e.Events()))
	}
	if a := reportEvents(t, e, large(maxEventSize-1000)); len(a.Errors) > 0 || len(e.Events()) != 1 {
		t.Errorf("just right: %+v", a.Errors)
	}
}
