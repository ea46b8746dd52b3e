// Package checks measures a decision from the cache, without HTTP, beside peers.
package checks

import (
	"context"
	"fmt"
	"runtime"
	"strconv"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/bench/internal/measure"
	"github.com/stiggate/gate/bench/internal/world"
)

// Names of contestants, for the goals.
const (
	Floor   = "copy-on-write map + clock"
	LRU     = "golang-lru Get"
	Casbin  = "casbin, cached enforcer"
	LD      = "LaunchDarkly, test data, prebuilt context"
	Targets = "LaunchDarkly, customers as targets, context by customer"
	Boolean = "Gate, boolean"
	Metered = "Gate, metered"
	Release = "Gate, hold + release"
	Settle  = "Gate, hold + settle"
)

// Group is the name of what is measured with so many customers.
func Group(customers int) string {
	switch {
	case customers >= 1e6:
		return fmt.Sprintf("check, %dM customers", customers/1e6)
	case customers >= 1e3:
		return fmt.Sprintf("check, %dk customers", customers/1e3)
	}
	return "check, " + strconv.Itoa(customers) + " customers"
}

// Sizes are the numbers of customers.
var Sizes = []int{1_000, 100_000, 1_000_000}

// Run measures all of it.
func Run(b *measure.Bench) error {
	for _, n := range Sizes {
		if n == 100_000 {
			b.Slice *= 2 // until the processor's caches are as they stay
		}
		if err := run(b, n); err != nil {
			return err
		}
		runtime.GC()
	}
	return nil
}

func run(b *measure.Bench, customers int) error {
	f := newField(b.Size(customers, 100))
	b.Logf("%s: filling the caches", Group(customers))
	if err := f.open(customers < 1_000_000); err != nil {
		return err
	}
	defer f.close()
	both := []int{1, 2}
	var all []measure.Contestant
	for _, c := range f.floors() {
		all = append(all, measure.OnEach(both, c)...)
	}
	for _, c := range f.gates(customers < 1_000_000) {
		all = append(all, measure.OnEach(both, c)...)
	}
	if customers < 1_000_000 {
		peers, err := f.peers()
		if err != nil {
			return err
		}
		for _, c := range peers {
			all = append(all, measure.OnEach(both, c)...)
		}
		all = append(all, measure.OnEach([]int{1}, f.post())...)
	}
	b.Contest(measure.Group{Name: Group(customers), Base: measure.On(Floor, 1),
		Note: "One decision for one of the customers, who ask as often as Zipf's law has it (s = 1.01)."}, all...)
	return nil
}

// field is one number of customers, and all that know them.
type field struct {
	customers []gate.Customer
	traffic   *world.Traffic
	asks      []gate.Customer // the customers of the traffic
	gate      *gate.Gate
	settling  *gate.Gate // of a round
	closers   []func()
}

func newField(n int) *field {
	f := &field{customers: world.Customers(n), traffic: world.NewTraffic(n)}
	f.asks = world.Of(f.traffic, f.customers)
	return f
}

func (f *field) close() {
	for _, c := range f.closers {
		c()
	}
}

func (f *field) open(settles bool) (err error) {
	if f.gate, err = f.used(); err != nil {
		return err
	}
	f.closers = append(f.closers, func() { world.Drop(f.gate) })
	if settles {
		f.closers = append(f.closers, func() { world.Drop(f.settling) })
		return f.anew()
	}
	return nil
}

// anew makes a gate that has no usage queued.
func (f *field) anew() (err error) {
	if f.settling != nil {
		world.Drop(f.settling)
	}
	f.settling, err = f.used()
	return err
}

// used is a gate in which each customer has asked for something before: the first time makes an account.
func (f *field) used() (*gate.Gate, error) {
	g, err := world.Gate(world.Source(world.Two()), f.customers)
	if err != nil {
		return nil, err
	}
	for _, c := range f.customers {
		t, d := g.Admit(context.Background(), c, gate.Feature(world.Metered).Uses(1))
		if !d.Allowed {
			return nil, fmt.Errorf("refused: %s", d.Reason)
		}
		t.Release()
	}
	return g, nil
}

// gates are Gate's contestants.
func (f *field) gates(settles bool) []measure.Contestant {
	ctx := context.Background()
	check := func(p gate.Policy) func(worker, n int) {
		return func(worker, n int) {
			from, mask := f.traffic.Take(worker, n)
			for i := from; i < from+n; i++ {
				if d := f.gate.Check(ctx, f.asks[i&mask], p); !d.Allowed {
					panic("refused: " + string(d.Reason))
				}
			}
		}
	}
	uses := gate.Feature(world.Metered).Uses(1)
	all := []measure.Contestant{
		{Name: Boolean, Loop: check(gate.Feature(world.Boolean))},
		{Name: Metered, Loop: check(gate.Feature(world.Metered))},
		{Name: Release, Loop: func(worker, n int) {
			from, mask := f.traffic.Take(worker, n)
			for i := from; i < from+n; i++ {
				t, d := f.gate.Admit(ctx, f.asks[i&mask], uses)
				if !d.Allowed {
					panic("refused: " + string(d.Reason))
				}
				t.Release()
			}
		}},
	}
	if settles {
		all = append(all, measure.Contestant{Name: Settle, Round: func() {
			if err := f.anew(); err != nil {
				panic(err)
			}
		}, Loop: func(worker, n int) {
			from, mask := f.traffic.Take(worker, n)
			for i := from; i < from+n; i++ {
				t, d := f.settling.Admit(ctx, f.asks[i&mask], uses)
				if !d.Allowed {
					panic("refused: " + string(d.Reason))
				}
				if err := t.Settle(); err != nil {
					panic(err)
				}
			}
		}})
	}
	return all
}
