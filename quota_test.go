package gate

import (
	"math"
	"net/http"
	"strings"
	"testing"
	"time"
)

// wire is the header as one string.
func wire(h http.Header) string {
	var b strings.Builder
	_ = h.Write(&b)
	return strings.ReplaceAll(strings.TrimSpace(b.String()), "\r\n", "\n")
}

func TestQuotaHeadersOfADecision(t *testing.T) {
	end := time.Date(2026, 12, 21, 0, 0, 0, 0, time.UTC)
	now := end.Add(-24 * time.Hour)
	allowed := Decision{
		Allowed: true, FeatureID: "f", Metered: true, HasLimit: true,
		Limit: 10, Usage: 3, held: 2, ResetsAt: end, since: end.AddDate(0, -1, 0),
	}
	const x = "X-Ratelimit-Limit: 10\nX-Ratelimit-Remaining: 5\nX-Ratelimit-Reset: 1797811200"
	tests := []struct {
		name     string
		change   func(*Decision)
		draft, x string
	}{
		{"let in", func(*Decision) {}, "Ratelimit: \"f\";r=5;t=86400\nRatelimit-Policy: \"f\";q=10;w=2592000", x},
		{"refused for the limit", func(d *Decision) { d.Allowed, d.Reason, d.Usage = false, ReasonLimitExceeded, 8 },
			"Ratelimit: \"f\";r=0;t=86400\nRatelimit-Policy: \"f\";q=10;w=2592000", strings.Replace(x, ": 5", ": 0", 1)},
		{"refused for what runs: come again before the reset", func(d *Decision) { d.Allowed, d.Reason, d.RetryAfter = false, ReasonPending, time.Second },
			"Ratelimit: \"f\";r=5\nRatelimit-Policy: \"f\";q=10;w=2592000", "X-Ratelimit-Limit: 10\nX-Ratelimit-Remaining: 5"},
		{"past a soft limit", func(d *Decision) { d.Usage, d.OverLimit = 12, true },
			"Ratelimit: \"f\";r=0;t=86400\nRatelimit-Policy: \"f\";q=10;w=2592000", strings.Replace(x, ": 5", ": 0", 1)},
		{"the period's beginning is not known", func(d *Decision) { d.since = time.Time{} }, "Ratelimit: \"f\";r=5;t=86400\nRatelimit-Policy: \"f\";q=10", x},
		{"fractions are rounded down, to what is whole", func(d *Decision) { d.Limit, d.Usage, d.held = 10.9, 2.5, 2.5 }, "Ratelimit: \"f\";r=5;t=86400\nRatelimit-Policy: \"f\";q=10;w=2592000", x},
		{"a reset within a second", func(d *Decision) { d.ResetsAt = now.Add(time.Millisecond); d.since = time.Time{} },
			"Ratelimit: \"f\";r=5;t=1\nRatelimit-Policy: \"f\";q=10", strings.Replace(x, "1797811200", "1797724800", 1)},
		{"a reset that is past", func(d *Decision) { d.ResetsAt = now.Add(-time.Hour); d.since = time.Time{} },
			"Ratelimit: \"f\";r=5;t=0\nRatelimit-Policy: \"f\";q=10", strings.Replace(x, "1797811200", "1797721200", 1)},
		{"a name to be escaped", func(d *Decision) { d.FeatureID = `a"b\c` },
			"Ratelimit: \"a\\\"b\\\\c\";r=5;t=86400\nRatelimit-Policy: \"a\\\"b\\\\c\";q=10;w=2592000", x},
		{"a name that is no string of a structured field", func(d *Decision) { d.FeatureID = "größe\r\n" }, "", x},
		{"a limit that is no integer of a structured field", func(d *Decision) { d.Limit = 1e15 }, "", ""},
		{"a negative limit", func(d *Decision) { d.Limit = -1 }, "Ratelimit: \"f\";r=0;t=86400\nRatelimit-Policy: \"f\";q=0;w=2592000",
			"X-Ratelimit-Limit: 0\nX-Ratelimit-Remaining: 0\nX-Ratelimit-Reset: 1797811200"},
		{"an infinite limit", func(d *Decision) { d.Limit = math.Inf(1) }, "", ""},
		{"not a number", func(d *Decision) { d.Usage = math.NaN() }, "", ""},
		{"no limit", func(d *Decision) { d.HasLimit = false }, "", ""},
		{"no reset", func(d *Decision) { d.ResetsAt = time.Time{} }, "", ""},
		{"a configuration", func(d *Decision) { d.Metered = false }, "", ""},
		{"refused for credits", func(d *Decision) { d.Allowed, d.Reason = false, ReasonInsufficientCredits }, "", ""},
		{"nobody asked", func(d *Decision) { *d = Decision{} }, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := allowed
			tt.change(&d)
			for style, want := range map[QuotaHeaders]string{QuotaHeadersNone: "", QuotaHeadersDraft: tt.draft, QuotaHeadersLegacy: tt.x} {
				h := http.Header{}
				quotas(style, now).SetQuotaHeaders(h, d)
				if got := wire(h); got != want {
					t.Errorf("style %d: got\n%s\nwant\n%s", style, got, want)
				}
			}
		})
	}
}

func TestQuotaHeadersBesideThoseOfARateLimiter(t *testing.T) {
	d := Decision{Allowed: true, FeatureID: "f", Metered: true, HasLimit: true, Limit: 1, ResetsAt: time.Unix(1e9, 0)}
	h := http.Header{}
	h.Set("RateLimit", `"burst";r=9`)
	h.Set("X-RateLimit-Limit", "100")
	quotas(QuotaHeadersDraft, time.Unix(1e9-5, 0)).SetQuotaHeaders(h, d)
	quotas(QuotaHeadersLegacy, time.Unix(1e9-5, 0)).SetQuotaHeaders(h, d)
	if got := strings.Join(h.Values("RateLimit"), ", "); got != `"burst";r=9, "f";r=1;t=5` || len(h.Values("X-RateLimit-Limit")) != 1 || h.Get("X-RateLimit-Limit") != "1" {
		t.Errorf("got %v", h)
	}
}

// quotas is a gate that tells quotas.
func quotas(q QuotaHeaders, now time.Time) *Gate {
	return &Gate{denials: denials{quota: q}, now: func() time.Time { return now }}
}
