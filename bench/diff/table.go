package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/stiggate/gate/bench/internal/measure"
)

// allocs is the unit of allocations, which are counted and not measured.
const allocs = "allocs/op"

// figure is one of a round; less is better.
type figure struct {
	name, unit string
	value      float64
}

// parse reads what a test binary prints of its benchmarks.
func parse(out string) []figure {
	var all []figure
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		for i := 2; i+1 < len(fields); i += 2 {
			value, err := strconv.ParseFloat(fields[i], 64)
			if unit := fields[i+1]; err == nil && (unit == "ns/op" || unit == "B/op" || unit == allocs) {
				all = append(all, figure{fields[0], unit, value})
			}
		}
	}
	return all
}

// table has the figures of all rounds.
type table struct {
	rows map[row]*[2][]float64
}

type row struct{ of, name, unit string }

func newTable() *table { return &table{map[row]*[2][]float64{}} }

func (t *table) add(side int, of string, figures []figure) {
	for _, f := range figures {
		r := row{of, f.name, f.unit}
		if t.rows[r] == nil {
			t.rows[r] = &[2][]float64{}
		}
		t.rows[r][side] = append(t.rows[r][side], f.value)
	}
}

// compared is a row as a ratio.
type compared struct {
	row
	ratio         measure.Spread
	before, after float64
}

// worse is what got more in every round, and by more than the rounds differ; of counts, what got more.
func (c compared) worse() bool {
	if c.unit == allocs {
		return c.after > c.before
	}
	return c.ratio.Low > 1.02 && c.ratio.Median > 1.05
}

// better is the opposite.
func (c compared) better() bool {
	if c.unit == allocs {
		return c.after < c.before
	}
	return c.ratio.High < 0.98 && c.ratio.Median < 0.95
}

// String lists what got worse first, the worst at the top.
func (t *table) String() string {
	var all []compared
	for r, sides := range t.rows {
		n := min(len(sides[before]), len(sides[after]))
		if n == 0 {
			continue
		}
		c := compared{row: r, before: measure.Median(sides[before]), after: measure.Median(sides[after])}
		if c.before != 0 && c.after != 0 {
			c.ratio = measure.SpreadOf(measure.Ratio(sides[after], sides[before]))
		} else if c.before == c.after {
			c.ratio = measure.Spread{Low: 1, Median: 1, High: 1}
		} else {
			c.ratio = measure.Spread{Low: c.after / (c.before + 1), Median: (c.after + 1) / (c.before + 1), High: c.after + 1}
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b compared) int {
		return cmp.Or(-cmp.Compare(a.ratio.Median, b.ratio.Median), cmp.Compare(a.of+a.name+a.unit, b.of+b.name+b.unit))
	})
	var b strings.Builder
	for _, part := range []struct {
		title string
		has   func(compared) bool
	}{
		{"Worse than the base", compared.worse},
		{"Better than the base", compared.better},
		{"The same, as far as these rounds tell", func(c compared) bool { return !c.worse() && !c.better() }},
	} {
		n := 0
		var rows strings.Builder
		for _, c := range all {
			if part.has(c) {
				n++
				fmt.Fprintf(&rows, "%6.2f x (%.2f to %.2f)  %10.4g -> %-10.4g %-9s  %s %s\n", c.ratio.Median, c.ratio.Low, c.ratio.High, c.before, c.after, c.unit, c.of, c.name)
			}
		}
		fmt.Fprintf(&b, "%s: %d\n%s\n", part.title, n, rows.String())
	}
	return b.String()
}
