package emulator

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const campaigns = "feature-02-campaigns"

func reportUsage(t testing.TB, e *Emulator, in map[string]any) answer {
	t.Helper()
	return ask(t, e, official(t, "ReportUsage"), map[string]any{"input": in})
}

func usageNow(t testing.TB, e *Emulator, customer, resource, feature string) float64 {
	t.Helper()
	used, err := e.CurrentUsage(customer, resource, feature)
	must(t, err)
	return used
}

func TestMeasurementsThatAreRefused(t *testing.T) {
	e := newTest(t)
	for _, c := range []struct {
		name string
		in   map[string]any
		want Code
	}{
		{"of an unknown customer", map[string]any{"customerId": "nobody", "featureId": campaigns, "value": 1}, CodeCustomerNotFound},
		{"of an archived customer", map[string]any{"customerId": "customer-archived", "featureId": campaigns, "value": 1}, CodeEntityIsArchived},
		{"of an unknown feature", map[string]any{"customerId": "customer-basic", "featureId": "feature-x", "value": 1}, CodeFeatureNotFound},
		{"of a boolean", map[string]any{"customerId": "customer-basic", "featureId": "feature-04-analytics", "value": 1}, CodeMeteringNotAvailable},
		{"of a configuration", map[string]any{"customerId": "customer-basic", "featureId": "feature-06-max-file-size", "value": 1}, CodeMeteringNotAvailable},
		{"of a feature that a meter counts", map[string]any{"customerId": "customer-basic", "featureId": "feature-07-active-users", "value": 1}, CodeFeatureHasMeter},
		{"of a value beyond counting", map[string]any{"customerId": "customer-basic", "featureId": campaigns, "value": 1e300}, CodeUsageOutOfRange},
		{"of an id that isn't one", map[string]any{"customerId": "customer-basic", "resourceId": "a@b", "featureId": campaigns, "value": 1}, CodeBadUserInput},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := reportUsage(t, e, c.in)
			if a.Status != 200 || a.Data != nil || a.code() != c.want {
				t.Fatalf("%+v, want %s", a, c.want)
			}
			if err := a.Errors[0]; err.Message == "" || err.Extensions.TraceID == "" || err.Extensions.IsValidationError != c.want.ofInput() || err.Path[0] != "reportUsage" {
				t.Errorf("incomplete: %+v", err)
			}
		})
	}
	if len(e.Usage()) > 0 {
		t.Errorf("recorded: %v", e.Usage())
	}
}

func TestABulkIsTakenWholeOrNotAtAll(t *testing.T) {
	e := newTest(t)
	bulk := func(n int, last string) answer {
		var usages []map[string]any
		for range n {
			usages = append(usages, map[string]any{"customerId": "customer-basic", "featureId": campaigns, "value": 1})
		}
		usages[n-1]["featureId"] = last
		return ask(t, e, official(t, "ReportUsageBulk"), map[string]any{"input": map[string]any{"usages": usages}})
	}
	if a := bulk(101, campaigns); a.code() != CodeBadUserInput {
		t.Errorf("101: %+v", a)
	}
	if a := bulk(100, "feature-x"); a.code() != CodeFeatureNotFound || len(e.Usage()) != 0 || usageNow(t, e, "customer-basic", "", campaigns) != 0 {
		t.Errorf("one is wrong: %+v", a)
	}
	a := bulk(100, campaigns)
	acks := dig(t, a.Data, "reportUsageBulk").([]any)
	stamp := ""
	for i, ack := range acks {
		if got := dig(t, ack, "currentUsage"); got != float64(i+1) {
			t.Fatalf("ack %d: %v", i, got)
		}
		if next := dig(t, ack, "timestamp").(string); next <= stamp {
			t.Fatalf("timestamp %s after %s", next, stamp)
		} else {
			stamp = next
		}
	}
	if _, reason := e.Decide("customer-basic", "", campaigns, nil, nil); reason != reasonRequestedUsageTooLarge {
		t.Errorf("100 of 4 were counted, and the decision is %q", reason)
	}
}

func TestMeasurementsLandInThePeriodOfTheirTime(t *testing.T) {
	e := newTest(t) // 15 January; the period is 21 December to 21 January.
	report := func(value float64, behavior, createdAt string) any {
		t.Helper()
		in := map[string]any{"customerId": "customer-basic", "featureId": campaigns, "value": value, "updateBehavior": behavior}
		if createdAt != "" {
			in["createdAt"] = createdAt
		}
		a := reportUsage(t, e, in)
		if len(a.Errors) > 0 {
			t.Fatal(a.Errors)
		}
		if end := dig(t, a.Data, "reportUsage", "usagePeriodEnd"); end != isoTime(e.world.periodOf(e.world.customers["customer-basic"], "", campaigns, e.Now()).end) {
			t.Errorf("period end %v", end)
		}
		return dig(t, a.Data, "reportUsage", "currentUsage")
	}
	for _, step := range []struct {
		name, behavior, createdAt string
		value, want               float64
	}{
		{"a change", "DELTA", "", 2, 2},
		{"late, of the period that is over", "DELTA", "2023-12-20T23:59:59.999Z", 3, 2},
		{"late, of this period", "DELTA", "2023-12-21T00:00:00Z", 1, 3},
		{"early, of the period to come", "DELTA", "2024-01-21T00:00:00Z", 4, 3},
		{"a total of the period that is over", "SET", "2023-12-01T00:00:00Z", 9, 3},
		{"a total", "SET", "", 8, 8},
		{"a return", "DELTA", "", -3, 5},
		{"a return of more than there is", "DELTA", "", -30, 0},
		{"after that", "DELTA", "", 1, 1},
		{"a total below nothing", "SET", "", -1, 0},
	} {
		if got := report(step.value, step.behavior, step.createdAt); got != step.want {
			t.Fatalf("%s: %v, want %v", step.name, got, step.want)
		}
	}
	e.Advance(7 * 24 * time.Hour)
	if got := usageNow(t, e, "customer-basic", "", campaigns); got != 4 {
		t.Errorf("the period that was to come: %v, want 4", got)
	}
	e.Advance(-37 * 24 * time.Hour)
	if got := usageNow(t, e, "customer-basic", "", campaigns); got != 9 {
		t.Errorf("the period that was over: %v, want 9", got)
	}
	if granted, _ := e.Decide("customer-basic", "", campaigns, nil, nil); granted {
		t.Error("9 of 4 is granted")
	}
}

func TestTheSameKeyCountsOnce(t *testing.T) {
	e := newTest(t)
	send := func(feature, resource, key string, value float64) any {
		a := reportUsage(t, e, map[string]any{"customerId": "customer-demo-01", "featureId": feature, "resourceId": resource, "value": value, "idempotencyKey": key})
		return dig(t, a.Data, "reportUsage")
	}
	first := send(campaigns, "", "k", 2)
	send(campaigns, "", "other", 1)
	if again := send(campaigns, "", "k", 2); format(again) != format(first) {
		t.Errorf("answered %v, then %v", first, again)
	}
	send(campaigns, "site-1", "k", 5)
	send("feature-01-templates", "", "k", 1)
	send(campaigns, "", "", 1)
	send(campaigns, "", "", 1)
	for _, c := range []struct {
		feature, resource string
		want              float64
	}{{campaigns, "", 5}, {campaigns, "site-1", 5}, {"feature-01-templates", "", 4}, {"feature-01-templates", "site-1", 3}} {
		if got := usageNow(t, e, "customer-demo-01", c.resource, c.feature); got != c.want {
			t.Errorf("%s of %q: %v, want %v", c.feature, c.resource, got, c.want)
		}
	}
	var duplicates []bool
	for _, m := range e.Usage() {
		duplicates = append(duplicates, m.Duplicate)
	}
	if got := fmt.Sprint(duplicates); got != "[false false true false false false false]" {
		t.Errorf("recorded as duplicates: %s", got)
	}
}

func TestUsageOutsideThePlanIsCountedForLater(t *testing.T) {
	e := newTest(t)
	a := reportUsage(t, e, map[string]any{"customerId": "customer-none", "featureId": campaigns, "value": 3})
	if got := dig(t, a.Data, "reportUsage", "currentUsage"); got != 3.0 || dig(t, a.Data, "reportUsage", "usagePeriodEnd") != nil {
		t.Errorf("%v", a.Data)
	}
	_, err := e.Subscribe("customer-none", "plan-revvenu-basic", Subscription{})
	must(t, err)
	if got := usageNow(t, e, "customer-none", "", campaigns); got != 3 {
		t.Errorf("after subscribing at the same moment: %v", got)
	}
}

// TestCurrentUsageIsTheSumOfThePresentPeriod holds the counters against a plain
// sum: whatever the order, the times, the repetitions and the moves of the clock.
func TestCurrentUsageIsTheSumOfThePresentPeriod(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		e := newTest(t)
		var sent []Measurement
		seen := map[string]bool{}
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			if rapid.IntRange(0, 4).Draw(rt, "move") == 0 {
				e.Advance(time.Duration(rapid.IntRange(0, 40).Draw(rt, "days")) * 24 * time.Hour)
			}
			m := Measurement{
				CustomerID: "customer-pro", FeatureID: campaigns, Value: float64(rapid.IntRange(0, 9).Draw(rt, "value")),
				IdempotencyKey: rapid.SampledFrom([]string{"", "a", "b", "c", "d", "e"}).Draw(rt, "key"),
				CreatedAt:      e.Now().Add(time.Duration(rapid.IntRange(-60, 60).Draw(rt, "ago")) * 24 * time.Hour),
			}
			must(t, e.Report(m))
			if m.IdempotencyKey == "" || !seen[m.IdempotencyKey] {
				sent = append(sent, m)
			}
			seen[m.IdempotencyKey] = true
			p := resetRule{every: "MONTH"}.periodAt(at("2023-10-21T00:00:00Z"), e.Now())
			want := 0.0
			for _, s := range sent {
				if !s.CreatedAt.Before(p.start) && s.CreatedAt.Before(p.end) {
					want += s.Value
				}
			}
			if got := usageNow(t, e, "customer-pro", "", campaigns); math.Abs(got-want) > 1e-9 {
				rt.Fatalf("%v, want %v at %v of %v", got, want, e.Now(), sent)
			}
		}
	})
}

func TestAnObjectMayStandInTheDocumentWhereJSONIsTaken(t *testing.T) {
	e := newTest(t)
	a := ask(t, e, `mutation { reportEvent(events: {usageEvents: [{customerId: "customer-demo-01", eventName: "user_login",
		idempotencyKey: "k", dimensions: {user_id: "anna", tags: ["a", 1, {b: true}]}}]}) }`, nil)
	if a.Status != 200 || len(a.Errors) > 0 || e.Events()[0].Dimensions["user_id"] != "anna" {
		t.Errorf("%+v", a)
	}
}
