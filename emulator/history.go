package emulator

import (
	"fmt"
	"slices"
	"time"
)

// point is the usage after a measurement, or at the start of a period.
type point struct {
	at    time.Time
	value float64
	reset bool
}

// series is the usage of one combination of dimensions over time.
type series struct {
	tags   []tag
	points []point
}

type tag struct{ key, value string }

// maxPoints bounds a history: beside the measurements it has the start of every period.
const maxPoints = 10_000

// history gives the usage of a counter from one time to another, by periods of a rule
// counted from an anchor, one series for each combination of the dimensions.
func (ct *counter) history(rule resetRule, anchor, from, to time.Time, groupBy []string) ([]series, []time.Time, error) {
	var resets []time.Time
	if rule.every != "" {
		for p := rule.periodAt(anchor, from); !p.end.After(to); p = rule.periodAt(anchor, p.end) {
			if resets = append(resets, p.end); len(resets) > maxPoints {
				return nil, nil, refuse(CodeBadUserInput, "the history has more than %d periods", maxPoints)
			}
		}
	}
	groups := map[string][]entry{}
	tags := map[string][]tag{}
	for _, e := range ct.entries {
		var own []tag
		for _, key := range groupBy {
			own = append(own, tag{key, fmt.Sprint(orEmpty(e.dimensions[key]))})
		}
		key := fmt.Sprint(own)
		groups[key], tags[key] = append(groups[key], e), own
	}
	if len(groups) == 0 && len(groupBy) == 0 {
		groups["[]"] = nil
	}
	var out []series
	for _, key := range sortedKeys(groups) {
		points := pointsOf(groups[key], rule, anchor, resets, from, to)
		if len(points) > 0 || len(groupBy) == 0 {
			out = append(out, series{tags[key], points})
		}
	}
	return out, resets, nil
}

func orEmpty(v any) any {
	if v == nil {
		return ""
	}
	return v
}

func pointsOf(entries []entry, rule resetRule, anchor time.Time, resets []time.Time, from, to time.Time) []point {
	ordered := slices.Clone(entries)
	slices.SortStableFunc(ordered, func(a, b entry) int { return a.at.Compare(b.at) })
	var out []point
	t := tally{period: rule.periodAt(anchor, from)}
	next := 0
	for _, e := range ordered {
		if e.at.After(to) {
			break
		}
		for next < len(resets) && !resets[next].After(e.at) {
			t = tally{period: rule.periodAt(anchor, resets[next])}
			out = append(out, point{at: resets[next], reset: true})
			next++
		}
		// What is before the first period that is asked for belongs to another one.
		if !t.period.contains(e.at) {
			continue
		}
		t.apply(e)
		if !e.at.Before(from) {
			out = append(out, point{at: e.at, value: t.used})
		}
	}
	for ; next < len(resets); next++ {
		out = append(out, point{at: resets[next], reset: true})
	}
	return out
}

// asked is what both forms of the history ask for.
type askedHistory struct {
	customerID, resourceID, featureID string
	from, to                          time.Time
	groupBy                           []string
	rule                              *resetRule
}

func (v view) history(h askedHistory) ([]series, []time.Time, error) {
	c, err := v.w.liveCustomer(h.customerID)
	if err != nil {
		return nil, nil, err
	}
	f, err := v.w.feature(h.featureID)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case !f.metered():
		return nil, nil, refuse(CodeMeteringNotAvailable, "feature %q is not metered", f.ID)
	case !c.knows(h.resourceID):
		return nil, nil, refuse(CodeResourceNotFound, "customer %q has no resource %q", c.id, h.resourceID)
	case h.to.Before(h.from):
		return nil, nil, refuse(CodeBadUserInput, "endDate is before startDate")
	}
	rule, anchor := resetRule{}, h.from
	if e := v.w.entitled(c, h.resourceID, f.ID, v.now); e != nil {
		rule, anchor = e.reset, e.anchor
	}
	if h.rule != nil {
		rule = *h.rule
	}
	ct := c.counters[counterKey{h.resourceID, f.ID}]
	if ct == nil {
		ct = &counter{}
	}
	return ct.history(rule, anchor, h.from, h.to, h.groupBy)
}

func (v view) until(t time.Time) time.Time {
	if t.IsZero() {
		return v.now
	}
	return t
}

func (v view) usageHistoryV2(args input) (any, error) {
	in := args.object("input")
	// Usage is kept whatever became of the subscription that it was reported under.
	in.flag("includeInactiveSubscriptions")
	all, resets, err := v.history(askedHistory{
		customerID: in.str("customerId"), resourceID: in.str("resourceId"), featureID: in.str("featureId"),
		from: in.time("startDate"), to: v.until(in.time("endDate")), groupBy: in.strs("groupBy"),
	})
	if err != nil {
		return nil, err
	}
	return obj{
		"markers": markers(resets),
		"series": listOf(all, func(s series) obj {
			return obj{
				"tags": listOf(s.tags, func(t tag) obj { return obj{"key": t.key, "value": t.value} }),
				"points": listOf(s.points, func(p point) obj {
					return obj{"timestamp": p.at, "value": p.value, "isResetPoint": p.reset}
				}),
			}
		}),
	}, nil
}

func markers(resets []time.Time) []obj {
	return listOf(resets, func(t time.Time) obj { return obj{"type": "PERIODIC_RESET", "timestamp": t} })
}

// usageHistory is the older form: without groups it has one list of measurements.
func (v view) usageHistory(args input) (any, error) {
	in := args.object("usageHistoryInput")
	h := askedHistory{
		customerID: in.str("customerRefId"), resourceID: in.str("resourceRefId"), featureID: in.str("featureRefId"),
		from: in.time("startDate"), to: v.until(in.time("endDate")), groupBy: in.strs("groupBy"),
	}
	if in.has("resetPeriod") {
		rule := grantFrom(in).reset()
		if err := rule.check(); err != nil {
			return nil, refuse(CodeBadUserInput, "%v", err)
		}
		h.rule = &rule
	}
	all, resets, err := v.history(h)
	if err != nil {
		return nil, err
	}
	measured := func(points []point) []obj {
		return listOf(points, func(p point) obj { return obj{"date": p.at, "value": p.value, "isResetPoint": p.reset} })
	}
	shown := obj{"startDate": h.from, "endDate": h.to, "markers": markers(resets), "usageMeasurements": []obj{}, "groups": []obj{}}
	if len(h.groupBy) == 0 {
		shown["usageMeasurements"] = measured(all[0].points)
		return shown, nil
	}
	shown["groups"] = listOf(all, func(s series) obj {
		return obj{
			"groupInfo":         listOf(s.tags, func(t tag) obj { return obj{"key": t.key, "value": t.value} }),
			"usageMeasurements": measured(s.points),
		}
	})
	return shown, nil
}
