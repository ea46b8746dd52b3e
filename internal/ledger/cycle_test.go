package ledger

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func utc(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestLengthCountsFromTheAnchor(t *testing.T) {
	tests := []struct {
		name               string
		reset              Length
		anchor, now        string
		wantStart, wantEnd string
	}{
		{"the anchor itself begins a period", Month, "2025-01-15T10:30:00Z", "2025-01-15T10:30:00Z", "2025-01-15T10:30:00Z", "2025-02-15T10:30:00Z"},
		{"the moment before the anchor is in the period before", Month, "2025-01-15T10:30:00Z", "2025-01-15T10:29:59Z", "2024-12-15T10:30:00Z", "2025-01-15T10:30:00Z"},
		{"31 January is followed by 28 February", Month, "2025-01-31T00:00:00Z", "2025-02-10T00:00:00Z", "2025-01-31T00:00:00Z", "2025-02-28T00:00:00Z"},
		{"and by 31 March, counted from the anchor's own day", Month, "2025-01-31T00:00:00Z", "2025-03-01T00:00:00Z", "2025-02-28T00:00:00Z", "2025-03-31T00:00:00Z"},
		{"and by 30 April", Month, "2025-01-31T00:00:00Z", "2025-04-30T00:00:00Z", "2025-04-30T00:00:00Z", "2025-05-31T00:00:00Z"},
		{"in a leap year by 29 February", Month, "2024-01-31T12:00:00Z", "2024-02-29T11:59:59Z", "2024-01-31T12:00:00Z", "2024-02-29T12:00:00Z"},
		{"an anchor on 29 February has years from 28 February", Year, "2024-02-29T00:00:00Z", "2025-06-01T00:00:00Z", "2025-02-28T00:00:00Z", "2026-02-28T00:00:00Z"},
		{"and from 29 February in the next leap year", Year, "2024-02-29T00:00:00Z", "2028-02-29T00:00:00Z", "2028-02-29T00:00:00Z", "2029-02-28T00:00:00Z"},
		{"2100 is no leap year", Year, "2024-02-29T00:00:00Z", "2100-03-01T00:00:00Z", "2100-02-28T00:00:00Z", "2101-02-28T00:00:00Z"},
		{"a year may begin on any day", Year, "2020-07-04T08:00:00Z", "2025-07-04T07:59:59Z", "2024-07-04T08:00:00Z", "2025-07-04T08:00:00Z"},
		{"a month reaches over the new year", Month, "2025-12-20T00:00:00Z", "2026-01-05T00:00:00Z", "2025-12-20T00:00:00Z", "2026-01-20T00:00:00Z"},
		{"weeks begin at the anchor, on any weekday", Week, "2025-01-15T06:00:00Z", "2025-01-29T05:59:59Z", "2025-01-22T06:00:00Z", "2025-01-29T06:00:00Z"},
		{"days begin at the anchor's time", Day, "2025-01-15T06:00:00Z", "2025-03-01T05:00:00Z", "2025-02-28T06:00:00Z", "2025-03-01T06:00:00Z"},
		{"hours begin at the anchor's minute", Hour, "2025-01-15T06:20:00Z", "2025-01-15T09:19:00Z", "2025-01-15T08:20:00Z", "2025-01-15T09:20:00Z"},
		{"fractions of a second count", Hour, "2025-01-15T06:00:00.25Z", "2025-01-15T07:00:00.2Z", "2025-01-15T06:00:00.25Z", "2025-01-15T07:00:00.25Z"},
		{"an anchor in the future counts backwards", Month, "2030-03-31T00:00:00Z", "2025-02-27T00:00:00Z", "2025-01-31T00:00:00Z", "2025-02-28T00:00:00Z"},
		{"an anchor in the future counts backwards in weeks", Week, "2025-02-05T00:00:00Z", "2025-01-15T12:00:00Z", "2025-01-15T00:00:00Z", "2025-01-22T00:00:00Z"},
		{"an anchor in another zone is taken in UTC", Month, "2025-01-31T22:00:00-05:00", "2025-02-28T12:00:00Z", "2025-02-01T03:00:00Z", "2025-03-01T03:00:00Z"},
		{"months from an anchor centuries ago", Month, "1601-01-31T00:00:00Z", "2025-02-28T12:00:00Z", "2025-02-28T00:00:00Z", "2025-03-31T00:00:00Z"},
		{"years from an anchor centuries ahead", Year, "9999-12-31T00:00:00Z", "2025-02-28T12:00:00Z", "2024-12-31T00:00:00Z", "2025-12-31T00:00:00Z"},
		{"weeks from an anchor centuries ago", Week, "1601-01-01T00:00:00Z", "2001-01-02T12:00:00Z", "2001-01-01T00:00:00Z", "2001-01-08T00:00:00Z"},
		{"days from an anchor centuries ahead", Day, "9999-12-31T18:00:00Z", "2025-02-28T12:00:00Z", "2025-02-27T18:00:00Z", "2025-02-28T18:00:00Z"},
		{"hours from an anchor centuries ago", Hour, "0001-01-02T00:30:00Z", "2025-02-28T12:00:00Z", "2025-02-28T11:30:00Z", "2025-02-28T12:30:00Z"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			start, end, ok := nextInTime(t, test.reset, utc(t, test.anchor), utc(t, test.now))
			if !ok || !start.Equal(utc(t, test.wantStart)) || !end.Equal(utc(t, test.wantEnd)) {
				t.Fatalf("got %v to %v (%v), want %s to %s", start, end, ok, test.wantStart, test.wantEnd)
			}
		})
	}
}

// nextInTime is around, or a failure if it never comes back: it is called under an
// account's lock.
func nextInTime(t *testing.T, reset Length, anchor, now time.Time) (start, end time.Time, ok bool) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		start, end, ok = reset.around(anchor, now)
	}()
	select {
	case <-done:
		return start, end, ok
	case <-time.After(20 * time.Second):
		t.Fatal("it does not come back")
		panic("unreachable")
	}
}

func TestLengthsOfNoKnownLengthHaveNoNext(t *testing.T) {
	now := utc(t, "2025-01-15T00:00:00Z")
	for _, reset := range []Length{Never, Year + 1} {
		if start, end, ok := reset.around(now, now); ok || !start.IsZero() || !end.IsZero() {
			t.Errorf("%v has a period: %v to %v", reset, start, end)
		}
	}
	for _, reset := range []Length{Hour, Day, Week, Month, Year} {
		if _, _, ok := reset.around(time.Time{}, now); ok {
			t.Errorf("%v has a period without an anchor", reset)
		}
	}
}

func TestLengthsDoNotKnowSummerTime(t *testing.T) {
	berlin := time.FixedZone("summer", 2*60*60)
	anchor := utc(t, "2025-03-15T23:30:00Z")
	for _, reset := range []Length{Hour, Day, Week, Month, Year} {
		for _, now := range []time.Time{utc(t, "2025-03-30T00:59:59Z"), utc(t, "2025-03-30T01:00:00Z"), utc(t, "2025-10-26T01:00:00Z")} {
			start, end, _ := reset.around(anchor, now)
			start2, end2, _ := reset.around(anchor.In(berlin), now.In(berlin))
			if !start.Equal(start2) || !end.Equal(end2) {
				t.Errorf("%v at %v is %v to %v in UTC, and %v to %v elsewhere", reset, now, start, end, start2, end2)
			}
			if start.Location() != time.UTC || end2.Location() != time.UTC {
				t.Errorf("%v is not told in UTC", reset)
			}
		}
	}
}

func TestLengthsFollowEachOtherWithoutGap(t *testing.T) {
	moment := rapid.Custom(func(t *rapid.T) time.Time {
		from := time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
		seconds := rapid.Int64Range(0, 150*365*24*3600).Draw(t, "seconds")
		day := rapid.SampledFrom([]int64{1, 24 * 3600}).Draw(t, "grid")
		return time.Unix(from+seconds/day*day, rapid.Int64Range(0, 999).Draw(t, "ms")*1e6).UTC()
	})
	rapid.Check(t, func(t *rapid.T) {
		reset := rapid.SampledFrom([]Length{Hour, Day, Week, Month, Year}).Draw(t, "reset")
		anchor, now := moment.Draw(t, "anchor"), moment.Draw(t, "now")
		start, end, ok := reset.around(anchor, now)
		if !ok || now.Before(start) || !now.Before(end) {
			t.Fatalf("%v is not in %v to %v", now, start, end)
		}
		for _, inside := range []time.Time{start, end.Add(-1)} {
			if s, e, _ := reset.around(anchor, inside); !s.Equal(start) || !e.Equal(end) {
				t.Fatalf("%v is in %v to %v, not in %v to %v", inside, s, e, start, end)
			}
		}
		if s, _, _ := reset.around(anchor, end); !s.Equal(end) {
			t.Fatalf("what follows %v begins at %v", end, s)
		}
		if _, e, _ := reset.around(anchor, start.Add(-1)); !e.Equal(start) {
			t.Fatalf("what comes before %v ends at %v", start, e)
		}
		if s, _, _ := reset.around(anchor, anchor); !s.Equal(anchor) {
			t.Fatalf("no period begins at the anchor but at %v", s)
		}
		if reset == Month || reset == Year {
			last := time.Date(start.Year(), start.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
			if start.Day() != min(anchor.Day(), last) {
				t.Fatalf("a period of the anchor %v begins on day %d", anchor, start.Day())
			}
		}
	})
}
