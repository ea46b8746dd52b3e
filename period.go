package gate

import "time"

// ResetPeriod is the length of a usage period.
type ResetPeriod string

// Stigg's reset periods (enum EntitlementResetPeriod). ResetNever is none. A value
// that is none of these is kept; its periods end only when Stigg says so.
const (
	ResetNever ResetPeriod = ""
	ResetHour  ResetPeriod = "HOUR"
	ResetDay   ResetPeriod = "DAY"
	ResetWeek  ResetPeriod = "WEEK"
	ResetMonth ResetPeriod = "MONTH"
	ResetYear  ResetPeriod = "YEAR"
)

// next returns the period that contains now, counted in UTC from the anchor: the
// n-th month is anchor plus n months, clamped to the month's end, always from the
// anchor's own day (31 Jan, 28 Feb, 31 Mar). It reports false for a reset it does
// not know and for a zero anchor.
func (p ResetPeriod) next(anchor, now time.Time) (start, end time.Time, ok bool) {
	if anchor.IsZero() {
		return start, end, false
	}
	anchor, now = anchor.UTC(), now.UTC()
	var at func(n int) time.Time
	var n int
	switch p {
	case ResetHour, ResetDay, ResetWeek:
		length := map[ResetPeriod]int64{ResetHour: 3600, ResetDay: 24 * 3600, ResetWeek: 7 * 24 * 3600}[p]
		at = func(n int) time.Time { // in seconds: a Duration ends after 292 years
			return time.Unix(anchor.Unix()+int64(n)*length, int64(anchor.Nanosecond())).UTC()
		}
		n = int((now.Unix() - anchor.Unix()) / length)
	case ResetMonth:
		at = func(n int) time.Time { return addMonths(anchor, n) }
		n = 12*(now.Year()-anchor.Year()) + int(now.Month()) - int(anchor.Month())
	case ResetYear:
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
