package emulator

import "time"

// resetRule says how often the usage of a metered feature starts again at 0.
// The zero value means never.
type resetRule struct {
	// every is HOUR, DAY, WEEK, MONTH or YEAR, empty for never.
	every string
	// according is what the periods are counted from: SubscriptionStart (also
	// when empty), StartOfTheMonth, or EverySunday to EverySaturday.
	according string
}

// period is one usage period, [start, end), in UTC. It is the zero value where
// usage never starts again.
type period struct {
	anchor, start, end time.Time
}

func (p period) exists() bool { return !p.start.IsZero() }

func (p period) contains(t time.Time) bool {
	return !p.exists() || (!t.Before(p.start) && t.Before(p.end))
}

// anchorFor gives the moment that the periods of a rule are counted from, for
// a subscription or grant that began at start.
func (r resetRule) anchorFor(start time.Time) time.Time {
	start = start.UTC()
	midnight := time.Date(start.Year(), start.Month(), start.Day(), 0, 0, 0, 0, time.UTC)
	if r.every == "MONTH" && r.according == "StartOfTheMonth" {
		return midnight.AddDate(0, 0, 1-midnight.Day())
	}
	if day, ok := r.weekday(); ok && r.every == "WEEK" {
		back := (int(midnight.Weekday()) - int(day) + 7) % 7
		return midnight.AddDate(0, 0, -back)
	}
	return start
}

// weekday gives the day that weeks start on where the rule names one.
func (r resetRule) weekday() (time.Weekday, bool) {
	for day := time.Sunday; day <= time.Saturday; day++ {
		if r.according == "Every"+day.String() {
			return day, true
		}
	}
	return 0, false
}

// periodAt gives the period of the rule that contains t, counted from anchor,
// also for a t before the anchor. The n-th month is the anchor's month + n with
// the anchor's day, or the month's last day where it is shorter: 31 January,
// 28 February, 31 March (semantics "Period over").
func (r resetRule) periodAt(anchor, t time.Time) period {
	if r.every == "" {
		return period{}
	}
	anchor, t = anchor.UTC(), t.UTC()
	n := r.guess(anchor, t)
	for !r.nth(anchor, n).After(t) {
		n++
	}
	for r.nth(anchor, n).After(t) {
		n--
	}
	return period{anchor: anchor, start: r.nth(anchor, n), end: r.nth(anchor, n+1)}
}

// guess is at most a few periods away from the one that contains t.
func (r resetRule) guess(anchor, t time.Time) int {
	switch r.every {
	case "MONTH":
		return (t.Year()-anchor.Year())*12 + int(t.Month()-anchor.Month())
	case "YEAR":
		return t.Year() - anchor.Year()
	default:
		return int(t.Unix()-anchor.Unix()) / int(r.length()/time.Second)
	}
}

func (r resetRule) length() time.Duration {
	switch r.every {
	case "HOUR":
		return time.Hour
	case "WEEK":
		return 7 * 24 * time.Hour
	default:
		return 24 * time.Hour
	}
}

// nth gives the start of the n-th period after the one that begins at anchor.
func (r resetRule) nth(anchor time.Time, n int) time.Time {
	switch r.every {
	case "MONTH":
		return addMonths(anchor, n)
	case "YEAR":
		return addMonths(anchor, 12*n)
	default:
		// Not anchor.Add(n*length): that overflows beyond 292 years.
		seconds := int64(n) * int64(r.length()/time.Second)
		return time.Unix(anchor.Unix()+seconds, int64(anchor.Nanosecond())).UTC()
	}
}

// addMonths adds n months and stays in the month it arrives in.
func addMonths(t time.Time, n int) time.Time {
	first := time.Date(t.Year(), t.Month()+time.Month(n), 1,
		t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(t.Day(), last)-1)
}
