package gate

import (
	"net/http"
	"testing"
	"time"
)

// quotaGate is a gate over one feature, 3 of 10 used in a month that ends in a day.
func quotaGate(t *testing.T, options ...Option) *Gate {
	t.Helper()
	end := time.Date(2026, 12, 21, 0, 0, 0, 0, time.UTC)
	e := metered("f", 3, 10)
	e.PeriodStart, e.PeriodEnd, e.Reset = end.AddDate(0, -1, 0), end, ResetMonth
	return gateOf(t, &stub{set: features(e)}, append(options, WithClock(func() time.Time { return end.AddDate(0, 0, -1) }))...)
}

func TestWhatIsLeftCountsTheRequestsOwnAmount(t *testing.T) {
	tests := []struct {
		name   string
		policy Policy
		want   string
	}{
		{"using", Feature("f").Uses(2), `"f";r=5;t=86400`},
		{"using all that is left", Feature("f").Uses(7), `"f";r=0;t=86400`},
		{"using, and having too", All(Feature("f").Uses(2), Feature("f")), `"f";r=5;t=86400`},
		{"asking holds nothing", Feature("f").Asks(2), `"f";r=7;t=86400`},
		{"having holds nothing", Feature("f"), `"f";r=7;t=86400`},
		{"giving back counts once it is acknowledged", Feature("f").Frees(2), `"f";r=7;t=86400`},
		{"refused", Feature("f").Uses(8), `"f";r=7;t=86400`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := quotaGate(t, WithQuotaHeaders(QuotaHeadersDraft))
			ticket, d := g.Admit(t.Context(), Customer{ID: "c"}, tt.policy)
			defer ticket.Release()
			h := http.Header{}
			g.SetQuotaHeaders(h, d)
			if got := h.Get("RateLimit"); got != tt.want || h.Get("RateLimit-Policy") != `"f";q=10;w=2592000` {
				t.Errorf("got %v, want %s", h, tt.want)
			}
		})
	}
}

func TestWhatIsLeftCountsWhatOthersHold(t *testing.T) {
	g := quotaGate(t, WithQuotaHeaders(QuotaHeadersLegacy))
	first, _ := g.Admit(t.Context(), Customer{ID: "c"}, Feature("f").Uses(4))
	defer first.Release()
	second, d := g.Admit(t.Context(), Customer{ID: "c"}, Feature("f").Uses(1))
	defer second.Release()
	h := http.Header{}
	g.SetQuotaHeaders(h, d)
	if h.Get("X-RateLimit-Remaining") != "2" {
		t.Errorf("got %v, want 2 left", h)
	}
	w, _ := denialOf(t, g, Feature("f").Uses(3), request("POST", "/", "c"))
	if got := w.Header(); w.Code != 429 || got.Get("X-RateLimit-Remaining") != "2" || got.Get("X-RateLimit-Reset") != "" || got.Get("Retry-After") != "1" {
		t.Errorf("got %d %v", w.Code, got)
	}
}

func TestQuotaHeadersAreAnOption(t *testing.T) {
	for _, off := range [][]Option{nil, {WithQuotaHeaders(QuotaHeadersNone)}} {
		w, _ := denialOf(t, quotaGate(t, off...), Feature("f").Uses(8), request("POST", "/", "c"))
		if w.Header().Get("RateLimit") != "" || w.Header().Get("X-RateLimit-Limit") != "" {
			t.Errorf("off: got %v", w.Header())
		}
	}
	w, _ := denialOf(t, quotaGate(t, WithQuotaHeaders(QuotaHeadersDraft)), Feature("f").Uses(8), request("POST", "/", "c"))
	if w.Header().Get("RateLimit") != `"f";r=7;t=86400` {
		t.Errorf("on: got %v", w.Header())
	}
	if _, err := New(&stub{}, fromHeader("X-Customer-ID", ""), WithQuotaHeaders(9)); err == nil {
		t.Error("a kind that does not exist is taken")
	}
	quotaGate(t, WithQuotaHeaders(QuotaHeadersLegacy)).SetQuotaHeaders(nil, Decision{Allowed: true, Metered: true, HasLimit: true, ResetsAt: time.Unix(1, 0)})
}

func TestAllocsOfQuotaHeadersThatAreOff(t *testing.T) {
	g := quotaGate(t)
	h, d := http.Header{}, g.Check(t.Context(), Customer{ID: "c"}, Feature("f"))
	if n := testing.AllocsPerRun(100, func() { g.SetQuotaHeaders(h, d) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
