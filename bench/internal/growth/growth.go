// Package growth measures what becomes dearer with more customers, more features and more routes, so
// that a change of order shows.
package growth

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/bench/internal/measure"
	"github.com/stiggate/gate/bench/internal/world"
)

// Groups and curves, for the goals and the plots.
const (
	Customers = "growth with customers"
	Features  = "growth with a customer's features"
	Floor     = "map lookup + clock"
	Boolean   = "check, boolean"
	Metered   = "check, metered"
	Patch     = "a pushed count"
	Replace   = "a pushed set"
	Stale     = "an invalidation"
	StaleAll  = "an invalidation of everything"
)

// Pushes are the curves of news.
var Pushes = []string{Patch, Replace, Stale, StaleAll}

// FeatureCurves are what is asked for of a customer's features.
var FeatureCurves = []string{"one feature of all", "all features in turn"}

// Run measures all of it.
func Run(b *measure.Bench) error {
	if err := customers(b); err != nil {
		return err
	}
	runtime.GC()
	if err := features(b); err != nil {
		return err
	}
	return routes(b)
}

// at is a contestant of a curve, at so many of what grows.
func at(curve string, n int, loop func(worker, n int)) measure.Contestant {
	return measure.Contestant{Name: Name(curve, n), Curve: curve, At: float64(n), Loop: loop}
}

// Name is a series' name.
func Name(curve string, n int) string { return fmt.Sprintf("%s, %d", curve, n) }

// Sizes are the numbers of customers.
var Sizes = []int{1_000, 10_000, 100_000, 1_000_000}

func customers(b *measure.Bench) error {
	ctx := context.Background()
	var checks, pushes []measure.Contestant
	for i, size := range Sizes {
		b.Logf("%s: filling the caches of %d", Customers, size)
		n := b.Size(size, 20*(i+1))
		all, traffic := world.Customers(n), world.NewTraffic(n)
		asks := world.Of(traffic, all)
		g, err := world.Gate(world.Source(world.Two()), all)
		if err != nil {
			return err
		}
		defer world.Drop(g)
		each := func(f func(gate.Customer)) func(worker, n int) {
			return func(worker, n int) {
				from, mask := traffic.Take(worker, n)
				for i := from; i < from+n; i++ {
					f(asks[i&mask])
				}
			}
		}
		check := func(feature string) func(worker, n int) {
			p := gate.Feature(feature)
			return each(func(c gate.Customer) {
				if d := g.Check(ctx, c, p); !d.Allowed {
					panic("refused: " + string(d.Reason))
				}
			})
		}
		sink := g.Sink()
		checks = append(checks, at(Floor, size, each(world.Floor(all))), at(Boolean, size, check(world.Boolean)), at(Metered, size, check(world.Metered)))
		pushes = append(pushes,
			at(Patch, size, each(func(c gate.Customer) { sink.Patch(c, gate.Patch{FeatureID: world.Metered, Usage: 1}) })),
			at(Replace, size, each(func(c gate.Customer) { sink.Replace(c, gate.EntitlementSet{Features: world.Two()}) })),
			at(Stale, size, each(sink.Invalidate)),
			at(StaleAll, size, func(_, n int) {
				for range n {
					sink.InvalidateAll()
				}
			}))
	}
	// What is pushed leaves caches that have to be read again, so it comes last.
	b.Contest(measure.Group{Name: Customers, Note: "Nanoseconds on one core by the number of customers, who ask as often as Zipf's law has it."}, append(checks, pushes...)...)
	return nil
}

// key is what a plain map would have a count by.
type key struct {
	gate.Customer
	feature string
}

func features(b *measure.Bench) error {
	ctx := context.Background()
	all := world.Customers(b.Size(100, 10))
	var contestants []measure.Contestant
	for _, n := range []int{1, 10, 100, 1000} {
		g, err := world.Gate(world.Decoded{Features: n, PerPlan: 100}, all)
		if err != nil {
			return err
		}
		defer world.Drop(g)
		counters := map[key]*world.Counter{}
		for _, c := range all {
			for i := range n {
				counters[key{c, world.FeatureID(i)}] = &world.Counter{Limit: 1, Fresh: time.Now().Add(time.Hour)}
			}
		}
		features := make([]string, n)
		for i := range features {
			features[i] = world.FeatureID(i)
		}
		policies := make([]gate.Policy, n)
		for i := range policies {
			policies[i] = gate.Feature(world.FeatureID(i))
		}
		contestants = append(contestants,
			at(Floor, n, func(_, n int) {
				for i := range n {
					c := counters[key{all[i%len(all)], features[i/len(all)%len(features)]}]
					if time.Now().After(c.Fresh) || c.Used >= c.Limit {
						panic("refused")
					}
				}
			}),
			at(FeatureCurves[0], n, func(_, n int) {
				for i := range n {
					if d := g.Check(ctx, all[i%len(all)], policies[0]); !d.Allowed {
						panic("refused: " + string(d.Reason))
					}
				}
			}),
			at(FeatureCurves[1], n, func(_, n int) {
				for i := range n {
					if d := g.Check(ctx, all[i%len(all)], policies[i/len(all)%len(policies)]); !d.Allowed {
						panic("refused: " + string(d.Reason))
					}
				}
			}))
	}
	b.Contest(measure.Group{Name: Features, Note: fmt.Sprintf("Nanoseconds of a metered check on one core by the number of features that each of %d customers has.", len(all))}, contestants...)
	return nil
}
