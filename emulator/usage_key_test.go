package emulator

import (
	"fmt"
	"testing"
	"time"
)

// TestAKeyIsTheSameInBothOperations sends the same measurements over a real socket,
// alone and in a bulk, in any order: each counts once, a change like a total.
func TestAKeyIsTheSameInBothOperations(t *testing.T) {
	measured := func(key, behavior string, value float64) map[string]any {
		return map[string]any{"customerId": "customer-basic", "featureId": campaigns, "value": value, "updateBehavior": behavior, "idempotencyKey": key}
	}
	type sending struct {
		bulk bool
		sent []map[string]any
	}
	change, total := measured("c", "DELTA", 2), measured("t", "SET", 7)
	for _, c := range []struct {
		name  string
		sends []sending
		want  float64
	}{
		{"alone and then in a bulk", []sending{{false, []map[string]any{change}}, {true, []map[string]any{change}}}, 2},
		{"in a bulk and then alone", []sending{{true, []map[string]any{change}}, {false, []map[string]any{change}}}, 2},
		{"twice in one bulk", []sending{{true, []map[string]any{change, change}}}, 2},
		{"a total that comes again does not take a later change back", []sending{{false, []map[string]any{total}}, {true, []map[string]any{change, total}}, {false, []map[string]any{total}}}, 9},
		{"a change under the key of a total", []sending{{true, []map[string]any{total, measured("t", "DELTA", 1)}}}, 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := listening(t)
			for _, s := range c.sends {
				var a answer
				if s.bulk {
					a = asked(t, srv, official(t, "ReportUsageBulk"), map[string]any{"usages": s.sent})
				} else {
					a = asked(t, srv, official(t, "ReportUsage"), s.sent[0])
				}
				if len(a.Errors) > 0 {
					t.Fatal(a.Errors)
				}
			}
			if got := usageNow(t, srv.Emulator, "customer-basic", "", campaigns); got != c.want {
				t.Errorf("%v counted, want %v", got, c.want)
			}
		})
	}
}

func TestLateTotalsAndChangesStayInTheirPeriod(t *testing.T) {
	srv := listening(t, WithClock(func() time.Time { return testNow }))
	for i, m := range []map[string]any{
		{"value": 5, "updateBehavior": "DELTA"},
		{"value": 9, "updateBehavior": "SET", "createdAt": "2023-12-20T00:00:00Z"},
		{"value": 2, "updateBehavior": "DELTA", "createdAt": "2023-12-20T00:00:00Z"},
		{"value": 100, "updateBehavior": "SET", "createdAt": "2023-11-20T00:00:00Z"},
	} {
		m["customerId"], m["featureId"], m["idempotencyKey"] = "customer-basic", campaigns, fmt.Sprint(i)
		a := asked(t, srv, official(t, "ReportUsage"), m)
		if got := dig(t, a.Data, "reportUsage", "currentUsage"); got != 5.0 {
			t.Errorf("after %v: %v, want 5", m, got)
		}
	}
	srv.Advance(-30 * 24 * time.Hour)
	if got := usageNow(t, srv.Emulator, "customer-basic", "", campaigns); got != 11 {
		t.Errorf("the period before: %v, want 11", got)
	}
}
