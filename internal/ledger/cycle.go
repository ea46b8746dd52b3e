package ledger

import "time"

// Cycle is how an account's periods follow each other: the zero Cycle has one that ends
// only when Stigg says so.
type Cycle struct {
	Every  Length
	Anchor time.Time // the moment whose day and time all periods are counted from
}

// Length is the length of a period.
type Length uint8

// The lengths. Of Never there is one period.
const (
	Never Length = iota
	Hour
	Day
	Week
	Month
	Year
)

// ParseLength reads one of Stigg's reset periods; Never if it is none of them.
func ParseLength(period string) Length {
	switch period {
	case "HOUR":
		return Hour
	case "DAY":
		return Day
	case "WEEK":
		return Week
	case "MONTH":
		return Month
	case "YEAR":
		return Year
	}
	return Never
}

// after returns the period that now falls in, given that one ended at end.
func (c Cycle) after(end, now time.Time) (time.Time, time.Time, bool) {
	anchor := c.Anchor
	if anchor.IsZero() {
		anchor = end
	}
	return c.Every.around(anchor, now)
}

// around returns the period that contains now, counted in UTC from the anchor: the
// n-th month is anchor plus n months, clamped to the month's end, always from the
// anchor's own day (31 Jan, 28 Feb, 31 Mar). It reports false for Never and for a zero
// anchor.
func (l Length) around(anchor, now time.Time) (start, end time.Time, ok bool) {
	if anchor.IsZero() {
		return start, end, false
	}
	anchor, now = anchor.UTC(), now.UTC()
	var at func(n int) time.Time
	var n int
	switch l {
	case Hour, Day, Week:
		length := map[Length]int64{Hour: 3600, Day: 24 * 3600, Week: 7 * 24 * 3600}[l]
		at = func(n int) time.Time { // in seconds: a Duration ends after 292 years
			return time.Unix(anchor.Unix()+int64(n)*length, int64(anchor.Nanosecond())).UTC()
		}
		n = int((now.Unix() - anchor.Unix()) / length)
	case Month:
		at = func(n int) time.Time { return addMonths(anchor, n) }
		n = 12*(now.Year()-anchor.Year()) + int(now.Month()) - int(anchor.Month())
	case Year:
		at = func(n int) time.Time { return addMonths(anchor, 12*n) }
		n = now.Year() - anchor.Year()
	default:
		return start, end, false
	}
	for at(n).After(now) {
		n--
	}
	for !at(n + 1).After(now) {
		n++
	}
	return at(n), at(n + 1), true
}

// addMonths is t plus n calendar months on t's own day, or on the last day of a
// month that is too short for it. (time.AddDate would spill into the next month.)
func addMonths(t time.Time, n int) time.Time {
	first := time.Date(t.Year(), t.Month()+time.Month(n), 1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(t.Day(), last)-1)
}
