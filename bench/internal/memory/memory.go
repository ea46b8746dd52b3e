// Package memory measures what customers and queued usage take in memory, and what they cost the
// garbage collector.
package memory

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/bench/internal/measure"
	"github.com/stiggate/gate/bench/internal/world"
)

// Groups and series, for the goals.
const (
	Entitlements = "memory, per customer and entitlement"
	Own8         = "Gate, 8 entitlements, terms of one's own"
	Shared8      = "Gate, 8 entitlements, 100 customers have the same terms"
	Own50        = "Gate, 50 entitlements, terms of one's own"
	Shared50     = "Gate, 50 entitlements, 100 customers have the same terms"
	Usage        = "memory, per queued usage"
	Queued       = "Gate, queued usage"
	Collection   = "garbage collection"
)

// Run measures all of it.
func Run(b *measure.Bench) error {
	for _, f := range []func(*measure.Bench) error{entitlements, usage, collection} {
		if err := f(b); err != nil {
			return err
		}
	}
	return nil
}

// heap is what is in use once all garbage is gone.
func heap() float64 {
	runtime.GC()
	runtime.GC() // what had a finalizer
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// taken is what the heap holds more while that which fill returns is in use.
func taken(fill func() (any, error)) (float64, error) {
	before := heap()
	kept, err := fill()
	after := heap()
	runtime.KeepAlive(kept)
	return after - before, err
}

// key and count are the least that there can be of a customer's entitlement.
type (
	key struct {
		gate.Customer
		Feature string
	}
	count struct{ used, limit float64 }
)

func entitlements(b *measure.Bench) error {
	g := measure.Group{Name: Entitlements, Base: "a plain map of counts, 8 entitlements",
		Note: "Growth of the heap after a collection, divided by customers and entitlements. Sets are as the client decodes them: none shares memory with another."}
	g.Series = []measure.Series{{Name: g.Base, Unit: "B"}}
	worlds := []struct {
		name              string
		features, perPlan int
	}{{Own8, 8, 1}, {Shared8, 8, 100}, {Own50, 50, 1}, {Shared50, 50, 100}}
	for _, w := range worlds {
		g.Series = append(g.Series, measure.Series{Name: w.name, Unit: "B"})
	}
	for round := range b.Rounds {
		b.Logf("%s: round %d of %d", g.Name, round+1, b.Rounds)
		customers := world.Customers(b.Size(20_000, 200))
		plain, err := taken(func() (any, error) { return counts(customers, 8), nil })
		if err != nil {
			return err
		}
		g.Series[0].Rounds = append(g.Series[0].Rounds, plain/float64(8*len(customers)))
		for i, w := range worlds {
			some := customers[:len(customers)*8/w.features]
			bytes, err := cached(world.Decoded{Features: w.features, PerPlan: w.perPlan}, some)
			if err != nil {
				return err
			}
			g.Series[i+1].Rounds = append(g.Series[i+1].Rounds, bytes/float64(w.features*len(some)))
		}
	}
	b.Add(g)
	return nil
}

// counts is a map that answers the same questions, were there no periods, names and reasons.
func counts(customers []gate.Customer, features int) map[key]*count {
	m := make(map[key]*count)
	for i := range features {
		feature := world.FeatureID(i)
		for _, c := range customers {
			m[key{c, feature}] = &count{0, 1e9}
		}
	}
	return m
}

// cached is what a gate takes that has the customers cached.
func cached(s gate.Source, customers []gate.Customer) (float64, error) {
	var g *gate.Gate
	bytes, err := taken(func() (any, error) {
		var err error
		g, err = world.Gate(s, customers)
		return g, err
	})
	if err == nil {
		world.Drop(g)
	}
	return bytes, err
}

// settle queues n usages of a gate.
func settle(g *gate.Gate, customers []gate.Customer, feature string, n int) error {
	p := gate.Feature(feature).Uses(1)
	for i := range n {
		t, d := g.Admit(context.Background(), customers[i%len(customers)], p)
		if !d.Allowed {
			return fmt.Errorf("refused: %s", d.Reason)
		}
		if err := t.Settle(); err != nil {
			return err
		}
	}
	return nil
}

func usage(b *measure.Bench) error {
	g := measure.Group{Name: Usage, Base: "gate.Usage itself, in a slice",
		Note: "Growth of the heap by usage that was settled and is not delivered, of 1,000 customers."}
	g.Series = []measure.Series{{Name: g.Base, Unit: "B"}, {Name: Queued, Unit: "B"}}
	customers := world.Customers(b.Size(1000, 10))
	n := b.Size(200_000, 1000)
	for round := range b.Rounds {
		b.Logf("%s: round %d of %d", g.Name, round+1, b.Rounds)
		plain, err := taken(func() (any, error) {
			all := make([]gate.Usage, n)
			for i := range all {
				all[i] = gate.Usage{Customer: customers[i%len(customers)], FeatureID: world.Metered, Value: 1, Key: fmt.Sprintf("gate-%026d-%d", 1, i), CreatedAt: time.Now()}
			}
			return all, nil
		})
		if err != nil {
			return err
		}
		ga, err := world.Gate(world.Source(world.Two()), customers)
		if err != nil {
			return err
		}
		bytes, err := taken(func() (any, error) { return ga, settle(ga, customers, world.Metered, n) })
		world.Drop(ga)
		if err != nil {
			return err
		}
		g.Series[0].Rounds = append(g.Series[0].Rounds, plain/float64(n))
		g.Series[1].Rounds = append(g.Series[1].Rounds, bytes/float64(n))
	}
	b.Add(g)
	return nil
}

// collection is what one garbage collection takes, and how long everything stands still in it.
func collection(b *measure.Bench) error {
	customers := world.Customers(b.Size(100_000, 200))
	held := []struct {
		name string
		fill func() (any, func(), error)
	}{
		{"a plain map of counts, 100k customers with 8", func() (any, func(), error) {
			return counts(customers, 8), func() {}, nil
		}},
		{"Gate, 100k customers with 8", func() (any, func(), error) {
			g, err := world.Gate(world.Decoded{Features: 8, PerPlan: 100}, customers)
			return g, func() { world.Drop(g) }, err
		}},
		{"Gate, 1k customers, 500k queued usages", func() (any, func(), error) {
			few := customers[:min(1000, len(customers))]
			g, err := world.Gate(world.Source(world.Two()), few)
			if err == nil {
				err = settle(g, few, world.Metered, b.Size(500_000, 1000))
			}
			return g, func() { world.Drop(g) }, err
		}},
	}
	g := measure.Group{Name: Collection, Note: "One forced collection of a process that holds this and nothing else: processor time of its work, and the longest stop of the world in it."}
	for _, h := range held {
		b.Logf("%s: %s", g.Name, h.name)
		kept, drop, err := h.fill()
		if err != nil {
			return err
		}
		took, pause := measure.Series{Name: h.name + ": processor time", Unit: "ms"}, measure.Series{Name: h.name + ": longest pause", Unit: "ms"}
		for range b.Rounds {
			t, p := collect()
			took.Rounds, pause.Rounds = append(took.Rounds, t), append(pause.Rounds, p)
		}
		runtime.KeepAlive(kept)
		drop()
		runtime.GC()
		g.Series = append(g.Series, took, pause)
	}
	b.Add(g)
	return nil
}

// collect is a collection's processor time and its longest pause, in milliseconds.
func collect() (took, pause float64) {
	var before, after debug.GCStats
	debug.ReadGCStats(&before)
	begun := measure.ProcessorTime()
	runtime.GC()
	took = (measure.ProcessorTime() - begun).Seconds() * 1e3
	debug.ReadGCStats(&after)
	for _, p := range after.Pause[:min(int(after.NumGC-before.NumGC), len(after.Pause))] {
		pause = max(pause, p.Seconds()*1e3)
	}
	return took, pause
}
