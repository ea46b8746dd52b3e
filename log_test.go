package gate

import (
	"context"
	"log/slog"
	"strings"
	"testing"
)

func TestTheLogHasEachDecisionAtDebugAndNoCustomer(t *testing.T) {
	for level, want := range map[slog.Level]int{slog.LevelDebug: 2, slog.LevelInfo: 0} {
		var log strings.Builder
		g := gateOf(t, &stub{set: features(metered("f", 4, 5))}, WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level}))))
		for _, n := range []float64{1, 2} {
			g.Check(context.Background(), Customer{ID: "customer-4711"}, Feature("f").Asks(n))
		}
		text := log.String()
		if n := strings.Count(text, "a request was decided"); n != want {
			t.Errorf("at %v: %d lines:\n%s", level, n, text)
		}
		if strings.Contains(text, "4711") {
			t.Errorf("the log has the customer:\n%s", text)
		}
		if want > 0 && !strings.Contains(text, "decision.allowed=false decision.route=\"\" decision.feature=f decision.origin=fresh decision.status=402 decision.code=usage_limit_exceeded decision.reason=RequestedUsageExceedingLimit decision.requested=2 decision.usage=4 decision.limit=5") {
			t.Errorf("a refusal is not told:\n%s", text)
		}
	}
}

func TestTheDefaultLogger(t *testing.T) {
	g, err := New(&stub{}, fromHeader("X-Customer-ID", ""))
	if err != nil || g.logger != slog.Default() {
		t.Errorf("it is not slog's: %v", err)
	}
	_ = g.Close(t.Context())
}
