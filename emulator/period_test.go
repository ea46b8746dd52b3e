package emulator

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

func TestPeriods(t *testing.T) {
	for _, c := range []struct {
		name               string
		rule               resetRule
		began, now         string
		wantStart, wantEnd string
	}{
		{"a month from the 31st ends at the month's last day", resetRule{every: "MONTH"},
			"2023-01-31T12:00:00Z", "2023-02-15T00:00:00Z", "2023-01-31T12:00:00Z", "2023-02-28T12:00:00Z"},
		{"a month that was clamped comes back to the anchor's day", resetRule{every: "MONTH"},
			"2023-01-31T12:00:00Z", "2023-03-15T00:00:00Z", "2023-02-28T12:00:00Z", "2023-03-31T12:00:00Z"},
		{"a leap year clamps to the 29th", resetRule{every: "MONTH"},
			"2023-01-31T12:00:00Z", "2024-02-29T12:00:00Z", "2024-02-29T12:00:00Z", "2024-03-31T12:00:00Z"},
		{"the end of a period is the start of the next", resetRule{every: "MONTH"},
			"2023-10-21T00:00:00Z", "2023-11-21T00:00:00Z", "2023-11-21T00:00:00Z", "2023-12-21T00:00:00Z"},
		{"a year from 29 February", resetRule{every: "YEAR"},
			"2024-02-29T00:00:00Z", "2025-06-01T00:00:00Z", "2025-02-28T00:00:00Z", "2026-02-28T00:00:00Z"},
		{"months that start with the calendar's", resetRule{"MONTH", "StartOfTheMonth"},
			"2023-10-21T15:00:00Z", "2024-02-10T00:00:00Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"},
		{"weeks from the anchor", resetRule{every: "WEEK"},
			"2024-01-03T08:00:00Z", "2024-01-16T00:00:00Z", "2024-01-10T08:00:00Z", "2024-01-17T08:00:00Z"},
		{"weeks that start on Mondays", resetRule{"WEEK", "EveryMonday"},
			"2024-01-03T08:00:00Z", "2024-01-16T00:00:00Z", "2024-01-15T00:00:00Z", "2024-01-22T00:00:00Z"},
		{"days", resetRule{every: "DAY"},
			"2024-01-03T08:00:00Z", "2024-01-16T07:59:59Z", "2024-01-15T08:00:00Z", "2024-01-16T08:00:00Z"},
		{"hours", resetRule{every: "HOUR"},
			"2024-01-03T08:30:00Z", "2024-01-03T10:00:00Z", "2024-01-03T09:30:00Z", "2024-01-03T10:30:00Z"},
		{"a time before the anchor has a period too", resetRule{every: "MONTH"},
			"2023-10-21T00:00:00Z", "2023-10-20T00:00:00Z", "2023-09-21T00:00:00Z", "2023-10-21T00:00:00Z"},
		{"an anchor in another zone counts in UTC", resetRule{every: "MONTH"},
			"2023-12-31T23:00:00-05:00", "2024-02-10T00:00:00Z", "2024-02-01T04:00:00Z", "2024-03-01T04:00:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := c.rule.periodAt(c.rule.anchorFor(at(c.began)), at(c.now))
			if !p.start.Equal(at(c.wantStart)) || !p.end.Equal(at(c.wantEnd)) {
				t.Errorf("%v to %v, want %s to %s", p.start, p.end, c.wantStart, c.wantEnd)
			}
		})
	}
}

func TestPeriodsFollowEachOtherAndHoldTheirTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rule := resetRule{every: rapid.SampledFrom([]string{"HOUR", "DAY", "WEEK", "MONTH", "YEAR"}).Draw(t, "every")}
		const century = 100 * 366 * 24 * 3600 * 1000
		began := time.UnixMilli(rapid.Int64Range(0, century).Draw(t, "began"))
		now := time.UnixMilli(rapid.Int64Range(0, century).Draw(t, "now"))
		anchor := rule.anchorFor(began)
		p := rule.periodAt(anchor, now)
		if !p.contains(now) {
			t.Fatalf("%v to %v doesn't contain %v", p.start, p.end, now)
		}
		if p.start.Location() != time.UTC || p.end.Location() != time.UTC {
			t.Fatal("not in UTC")
		}
		if next := rule.periodAt(anchor, p.end); !next.start.Equal(p.end) {
			t.Fatalf("the next period starts at %v, not at %v", next.start, p.end)
		}
		if before := rule.periodAt(anchor, p.start.Add(-time.Millisecond)); !before.end.Equal(p.start) {
			t.Fatalf("the period before ends at %v, not at %v", before.end, p.start)
		}
		if rule.every != "MONTH" && rule.every != "YEAR" {
			return
		}
		last := time.Date(p.start.Year(), p.start.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
		if want := min(anchor.Day(), last); p.start.Day() != want {
			t.Fatalf("starts on day %d, want %d", p.start.Day(), want)
		}
	})
}
