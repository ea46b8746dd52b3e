package main

import (
	"fmt"

	"github.com/stiggate/gate/bench/internal/checks"
	"github.com/stiggate/gate/bench/internal/cold"
	"github.com/stiggate/gate/bench/internal/endtoend"
	"github.com/stiggate/gate/bench/internal/growth"
	"github.com/stiggate/gate/bench/internal/measure"
	"github.com/stiggate/gate/bench/internal/memory"
	"github.com/stiggate/gate/bench/internal/middleware"
	"github.com/stiggate/gate/bench/internal/pipeline"
)

// goal is a bound of one figure.
type goal struct {
	area, what string
	unit       string // "x" is a ratio
	bound      bound
	// figure is the figure of each round; nil if it was not measured.
	figure func(measure.Results) []float64
}

// The units of what is counted, on every machine the same.
const (
	calls    = "calls"
	requests = "requests"
)

// bound is met by what is at most or at least so much.
type bound struct {
	limit float64
	least bool
}

func atMost(n float64) bound  { return bound{n, false} }
func atLeast(n float64) bound { return bound{n, true} }

func (b bound) meets(n float64) bool {
	if b.least {
		return n >= b.limit
	}
	return n <= b.limit
}

// asks says the bound.
func (g goal) asks() string {
	at := "at most"
	if g.bound.least {
		at = "at least"
	}
	return fmt.Sprintf("%s %s %s", at, number(g.bound.limit), g.unit)
}

// goals are all that there are.
func goals() []goal {
	var all []goal
	for _, of := range []func() []goal{checkGoals, middlewareGoals, endToEndGoals, coldGoals, pipelineGoals, memoryGoals, growthGoals} {
		all = append(all, of()...)
	}
	return all
}

// ratio is of two series of one group.
func ratio(group, of, to string) func(measure.Results) []float64 {
	return func(r measure.Results) []float64 {
		a, known := r.Find(group, of)
		b, also := r.Find(group, to)
		if !known || !also {
			return nil
		}
		return measure.Ratio(a.Rounds, b.Rounds)
	}
}

// allocs are those of one operation.
func allocs(group, of string) func(measure.Results) []float64 {
	return func(r measure.Results) []float64 {
		if s, ok := r.Find(group, of); ok {
			return []float64{s.Allocs}
		}
		return nil
	}
}

func checkGoals() []goal {
	var all []goal
	for _, n := range []int{1_000, 100_000} {
		group := checks.Group(n)
		one := func(name string) string { return measure.On(name, 1) }
		against := func(of string, to string) func(measure.Results) []float64 { return ratio(group, one(of), one(to)) }
		all = append(all,
			goal{group, "boolean, to a copy-on-write map lookup + one clock read", "x", atMost(2), against(checks.Boolean, checks.Floor)},
			goal{group, "metered, to that", "x", atMost(2.5), against(checks.Metered, checks.Floor)},
			goal{group, "boolean, to casbin's cached enforcer", "x", atMost(1), against(checks.Boolean, checks.Casbin)},
			goal{group, "metered, to casbin's cached enforcer", "x", atMost(1), against(checks.Metered, checks.Casbin)},
			goal{group, "boolean, to LaunchDarkly's prebuilt context", "x", atMost(0.6), against(checks.Boolean, checks.LD)},
			goal{group, "metered, to LaunchDarkly's prebuilt context", "x", atMost(0.6), against(checks.Metered, checks.LD)},
			goal{group, "allocations of a boolean check", "allocs", atMost(0), allocs(group, one(checks.Boolean))},
			goal{group, "allocations of a metered check", "allocs", atMost(0), allocs(group, one(checks.Metered))},
			goal{group, "boolean, two cores to one, where the floor has 2", "x faster", atLeast(1.8), scales(group, checks.Boolean)},
			goal{group, "metered, two cores to one, where the floor has 2", "x faster", atLeast(1.8), scales(group, checks.Metered)},
			goal{group, "hold + release, to a map lookup + one clock read", "x", atMost(4), against(checks.Release, checks.Floor)},
			goal{group, "hold + settle, to a map lookup + one clock read", "x", atMost(8), against(checks.Settle, checks.Floor)},
			goal{group, "allocations of hold + release", "allocs", atMost(1), allocs(group, one(checks.Release))},
			goal{group, "allocations of hold + settle", "allocs", atMost(1), allocs(group, one(checks.Settle))},
		)
	}
	return all
}

// scales is how much faster a contestant is on two cores than on one, where the floor, which shares
// nothing, would be twice as fast. On a busy machine it is not, since two cores are not to be had; so
// what the machine gave it in the same round is taken for 2.
func scales(group, of string) func(measure.Results) []float64 {
	faster := func(name string) func(measure.Results) []float64 {
		return ratio(group, measure.On(name, 1), measure.On(name, 2))
	}
	return func(r measure.Results) []float64 {
		all := measure.Ratio(faster(of)(r), faster(checks.Floor)(r))
		for i := range all {
			all[i] *= 2
		}
		return all
	}
}

// values are a series' rounds.
func values(r measure.Results, group, of string) []float64 {
	s, _ := r.Find(group, of)
	return s.Rounds
}

// added is what a contestant takes beyond another.
func added(r measure.Results, group, of, to string) []float64 {
	a, known := r.Find(group, of)
	b, also := r.Find(group, to)
	if !known || !also {
		return nil
	}
	return measure.Minus(a.Rounds, b.Rounds)
}

func middlewareGoals() []goal {
	var all []goal
	one := func(name string) string { return measure.On(name, 1) }
	for _, router := range middleware.Routers {
		group := middleware.Group(router)
		plain := one(middleware.Plain)
		if router == "net/http" {
			plain = one(middleware.Bare)
		}
		more := func(of string) func(measure.Results) []float64 {
			return func(r measure.Results) []float64 {
				a, known := r.Find(group, one(of))
				b, also := r.Find(group, one(middleware.Nothing)) // echo makes a function of each middleware
				if !known || !also {
					return nil
				}
				return []float64{a.Allocs - b.Allocs}
			}
		}
		all = append(all,
			goal{group, "allocations of an unmetered request, beyond those of a middleware that does nothing", "allocs", atMost(0), more(middleware.Unmetered)},
			goal{group, "what an unmetered request adds to no middleware, less a check", "ns", atMost(100), func(r measure.Results) []float64 {
				return measure.Minus(added(r, group, one(middleware.Unmetered), one(middleware.Bare)), values(r, group, one(middleware.Check)))
			}},
			goal{group, "allocations of a settled request, beyond those", "allocs", atMost(3), more(middleware.Settled)},
			goal{group, "what a settled request adds, to what httprate adds", "x", atMost(1), func(r measure.Results) []float64 {
				return measure.Ratio(added(r, group, one(middleware.Settled), one(middleware.Bare)), added(r, group, one(middleware.Rate), plain))
			}},
		)
	}
	return all
}

func memoryGoals() []goal {
	each := func(series string) func(measure.Results) []float64 {
		return func(r measure.Results) []float64 { return values(r, memory.Entitlements, series) }
	}
	return []goal{
		{"memory", "a customer's entitlement of 8, terms of one's own", "bytes", atMost(250), each(memory.Own8)},
		{"memory", "a customer's entitlement of 8, plan terms of 100 customers", "bytes", atMost(120), each(memory.Shared8)},
		{"memory", "a queued usage", "bytes", atMost(100), func(r measure.Results) []float64 { return values(r, memory.Usage, memory.Queued) }},
	}
}

func endToEndGoals() []goal {
	bare := func(group, of string) func(measure.Results) []float64 { return ratio(group, of, endtoend.Bare) }
	return []goal{
		{"end to end", "requests a second, unmetered, to those without Gate", "x", atLeast(0.97), bare(endtoend.Throughput, endtoend.Unmetered)},
		{"end to end", "requests a second, metered", "x", atLeast(0.93), bare(endtoend.Throughput, endtoend.Metered)},
		{"end to end", "99th percentile, metered, to that without Gate", "x", atMost(2), bare(endtoend.P99, endtoend.Metered)},
		{"end to end", "requests a second, metered, with an outbox", "x", atLeast(0.7), bare(endtoend.Throughput, endtoend.Outbox)},
	}
}

func pipelineGoals() []goal {
	var all []goal
	for _, n := range pipeline.Writers[1:] {
		all = append(all, goal{fmt.Sprintf("pipeline, %d writers", n), "hold + settle with an outbox, to bbolt's Batch", "x", atLeast(0.9),
			ratio(pipeline.Disk(n), pipeline.Whole, pipeline.Batch)})
	}
	return all
}

func coldGoals() []goal {
	of := func(group, series string) func(measure.Results) []float64 {
		return func(r measure.Results) []float64 { return values(r, group, series) }
	}
	return []goal{
		{"cold start", "calls for 10,000 requests of one customer", calls, atMost(1), of(cold.Start, cold.OneCalls)},
		{"cold start", "refused of 10,000 customers at once", requests, atMost(0), of(cold.Start, cold.Refused)},
		{"realtime", "upstream calls for a million checks of 1,000 customers", calls, atMost(2000), of(cold.Realtime, cold.Million)},
	}
}

// flat is the most that anything may become dearer from the first point of a curve to the last, beyond
// what the same becomes without Gate: more misses of the processor's caches, and no other order.
const flat = 2

// grows is how much dearer a curve's last point is than its first, beyond what another becomes; of an
// empty name, nothing does. If the other one becomes cheaper, that is the machine's doing, and counts as
// no growth: else it would be held against the curve.
func grows(group, curve, than string) func(measure.Results) []float64 {
	return func(r measure.Results) []float64 {
		last := func(name string) []float64 {
			if c := r.Curve(group, name); c != nil {
				return measure.Ratio(c[len(c)-1].Rounds, c[0].Rounds)
			}
			return nil
		}
		if than == "" {
			return last(curve)
		}
		other := last(than)
		for i := range other {
			other[i] = max(1, other[i])
		}
		return measure.Ratio(last(curve), other)
	}
}

func growthGoals() []goal {
	var all []goal
	for _, curve := range append([]string{growth.Boolean, growth.Metered}, growth.Pushes...) {
		all = append(all, goal{growth.Customers, curve + ", 1M customers to 1k, beyond a map lookup", "x", atMost(flat), grows(growth.Customers, curve, growth.Floor)})
	}
	for i, curve := range growth.FeatureCurves {
		than := growth.Floor
		if i == 0 {
			than = "" // one feature stays in the processor's caches, however many there are
		}
		all = append(all, goal{growth.Features, "a check of " + curve + ", 1,000 features to 1" + []string{"", ", beyond a map lookup"}[i], "x", atMost(flat), grows(growth.Features, curve, than)})
	}
	for _, router := range growth.Routers {
		all = append(all, goal{growth.Routes(router), "the kind of request that grows most, 1,000 paths to 1, beyond the router's own growth", "x", atMost(flat), func(r measure.Results) []float64 {
			var worst []float64
			for _, request := range growth.Requests {
				of := grows(growth.Routes(router), growth.Curve(request, true), growth.Curve(request, false))(r)
				if worst == nil || measure.Median(of) > measure.Median(worst) {
					worst = of
				}
			}
			return worst
		}})
	}
	return all
}
