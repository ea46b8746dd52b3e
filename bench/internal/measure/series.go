// Package measure runs contestants in interleaved rounds and keeps what each of them took.
//
// A machine drifts: other processes come and go, its clock rate changes. So contestants are run in
// turns (A B C A B C ...), and what is told of two of them is the ratio within one round, as the median
// over the rounds with the lowest and the highest beside it.
package measure

import (
	"math"
	"slices"
)

// Series is one figure of a contestant, as it was in each round.
type Series struct {
	Name string
	// Curve is what the series is a point of, where At many of what grows: customers, features, routes.
	Curve  string
	At     float64
	Unit   string // "ns", "B", "/s", "calls"
	Rounds []float64
	// Counted says that Allocs, the whole allocations of one operation, and Bytes are known.
	Counted       bool
	Allocs, Bytes float64
}

// Spread is a figure over several rounds.
type Spread struct{ Low, Median, High float64 }

// SpreadOf is NaN of nothing.
func SpreadOf(rounds []float64) Spread {
	if len(rounds) == 0 {
		return Spread{math.NaN(), math.NaN(), math.NaN()}
	}
	return Spread{slices.Min(rounds), Median(rounds), slices.Max(rounds)}
}

// Spread is the series' own.
func (s Series) Spread() Spread { return SpreadOf(s.Rounds) }

// Median is the middle value, of an even number the mean of the two in the middle.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	v := slices.Sorted(slices.Values(values))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// Ratio is a to b, round by round.
func Ratio(a, b []float64) []float64 {
	return pair(a, b, func(x, y float64) float64 { return x / y })
}

// Minus is a less b, round by round.
func Minus(a, b []float64) []float64 {
	return pair(a, b, func(x, y float64) float64 { return x - y })
}

func pair(a, b []float64, f func(x, y float64) float64) []float64 {
	out := make([]float64, min(len(a), len(b)))
	for i := range out {
		out[i] = f(a[i], b[i])
	}
	return out
}

// Group is what was measured side by side.
type Group struct {
	Name string
	// Note says how it was measured, for the reader of the table.
	Note string
	// Base is the series that the others are told as a ratio to; empty: they are told alone.
	Base   string
	Series []Series
}

// Find is a group's series; false if there is none.
func (g Group) Find(name string) (Series, bool) {
	for _, s := range g.Series {
		if s.Name == name {
			return s, true
		}
	}
	return Series{}, false
}

// Curve is one figure by what grows, from few to many.
type Curve []Series

// Curves are a group's, in the order in which they were measured.
func (g Group) Curves() []Curve {
	var all []Curve
	for _, s := range g.Series {
		if s.Curve == "" {
			continue
		}
		i := slices.IndexFunc(all, func(c Curve) bool { return c[0].Curve == s.Curve })
		if i < 0 {
			all = append(all, Curve{s})
		} else {
			all[i] = append(all[i], s)
		}
	}
	return all
}

// Curve is one of a group's; nil if there is none.
func (r Results) Curve(group, name string) Curve {
	for _, g := range r {
		if g.Name != group {
			continue
		}
		for _, c := range g.Curves() {
			if c[0].Curve == name {
				return c
			}
		}
	}
	return nil
}

// Results are the groups of a run, in the order in which they were measured.
type Results []Group

// Find is a series of a group; false if it was not measured.
func (r Results) Find(group, series string) (Series, bool) {
	for _, g := range r {
		if g.Name == group {
			return g.Find(series)
		}
	}
	return Series{}, false
}
