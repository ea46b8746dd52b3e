// Package middleware measures what a gate in front of a handler adds to a request, on the four
// routers, beside other middlewares.
package middleware

import (
	"context"
	"fmt"
	"net/http"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/bench/internal/measure"
	"github.com/stiggate/gate/bench/internal/routers"
	"github.com/stiggate/gate/bench/internal/world"
)

// Names of contestants, for the goals.
const (
	Bare      = "no middleware"
	Nothing   = "a middleware that does nothing"
	Unmetered = "Gate, unmetered"
	Settled   = "Gate, metered, settled to the queue"
	Check     = "Gate, the check alone"
	Plain     = "net/http without middleware"
	Rate      = "httprate (net/http)"
)

// Group is the name of what is measured on a router.
func Group(router string) string { return "middleware, " + router }

// Routers are the names of the four.
var Routers = []string{"net/http", "chi", "gin", "echo"}

const path = "/campaigns"

// Run measures all of it.
func Run(b *measure.Bench) error {
	for _, r := range routers.All() {
		if err := run(b, r); err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
	}
	return nil
}

// field is what the contestants of one router share.
type field struct {
	router    routers.Router
	customers []gate.Customer
	load      *routers.Load
	gates     []*gate.Gate
	all       []measure.Contestant
}

func run(b *measure.Bench, r routers.Router) error {
	f := &field{router: r, customers: world.Customers(b.Size(1000, 10))}
	f.load = routers.NewLoad(2, http.MethodPost, path, f.customers)
	defer func() {
		for _, g := range f.gates {
			world.Drop(g)
		}
	}()
	both, one := []int{1, 2}, []int{1}
	if err := f.add(both, Bare, 200, f.build(routers.Site{})); err != nil {
		return err
	}
	if err := f.add(one, Nothing, 200, f.build(routers.Site{Nothing: true})); err != nil {
		return err
	}
	plain, err := f.gate(gate.WithBareRequests())
	if err != nil {
		return err
	}
	telling, err := f.gate()
	if err != nil {
		return err
	}
	for _, c := range []struct {
		cores []int
		name  string
		code  int
		site  routers.Site
	}{
		{both, Unmetered, 200, routers.Site{Gate: plain, Policy: gate.Feature(world.Boolean)}},
		{one, "Gate, unmetered, of a table of 10 routes", 200, routers.Site{Gate: plain, Table: table(10)}},
		{one, "Gate, unmetered, told to the handler", 200, routers.Site{Gate: telling, Policy: gate.Feature(world.Boolean)}},
		{one, "Gate, metered, asked alone", 200, routers.Site{Gate: plain, Policy: gate.Feature(world.Metered)}},
		{one, "Gate, metered, released after a failure", 500, routers.Site{Gate: plain, Policy: gate.Feature(world.Metered).Uses(1), Handler: failing}},
		{both, "Gate, denied", 402, routers.Site{Gate: plain, Policy: gate.Feature(world.Spent)}},
	} {
		if err := f.add(c.cores, c.name, c.code, f.build(c.site)); err != nil {
			return err
		}
	}
	f.settled(both)
	f.check(plain)
	if err := f.peers(); err != nil {
		return err
	}
	b.Contest(measure.Group{Name: Group(r.Name), Base: measure.On(Bare, 1),
		Note: fmt.Sprintf("A whole request through the router, without a socket; %d customers in turn.", len(f.customers))}, f.all...)
	return nil
}

func failing(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }

func succeeding(http.ResponseWriter, *http.Request) {}

// table asks for the boolean feature on so many paths, of which the first is asked for.
func table(n int) gate.Table {
	t := gate.Table{http.MethodPost + " " + path: gate.Feature(world.Boolean)}
	for i := range n - 1 {
		t[fmt.Sprintf("POST /other-%d", i)] = gate.Feature(world.Boolean)
	}
	return t
}

// build serves the site, which has the one route if it names none.
func (f *field) build(s routers.Site) http.Handler {
	s.Methods = []string{http.MethodPost}
	s.Paths = []string{path}
	for i := 0; i < len(s.Table)-1; i++ {
		s.Paths = append(s.Paths, fmt.Sprint("/other-", i))
	}
	if s.Handler == nil {
		s.Handler = succeeding
	}
	return f.router.Build(s)
}

// gate has all customers cached; it ends with the field.
func (f *field) gate(options ...gate.Option) (*gate.Gate, error) {
	g, err := world.Gate(world.Source(world.Three()), f.customers, options...)
	if err == nil {
		f.gates = append(f.gates, g)
	}
	return g, err
}

// add has a handler, that must answer with the status, measured.
func (f *field) add(cores []int, name string, status int, h http.Handler) error {
	if got := f.load.Status(h); got != status {
		return fmt.Errorf("%s answers %d, not %d", name, got, status)
	}
	f.all = append(f.all, measure.OnEach(cores, measure.Contestant{Name: name, Loop: f.load.To(h)})...)
	return nil
}

// settled is a request that reports: in each round of a gate without usage queued.
func (f *field) settled(cores []int) {
	for _, c := range measure.OnEach(cores, measure.Contestant{Name: Settled}) {
		var g *gate.Gate
		var loop func(worker, n int)
		c.Round = func() {
			if g != nil {
				world.Drop(g)
			}
			var err error
			if g, err = f.gate(gate.WithBareRequests()); err != nil {
				panic(err)
			}
			f.gates = f.gates[:len(f.gates)-1] // it ends here
			loop = f.load.To(f.build(routers.Site{Gate: g, Policy: gate.Feature(world.Metered).Uses(1)}))
		}
		c.Loop = func(worker, n int) { loop(worker, n) }
		f.all = append(f.all, c)
	}
}

// check is what of an unmetered request is the decision.
func (f *field) check(g *gate.Gate) {
	ctx, p := context.Background(), gate.Feature(world.Boolean)
	f.all = append(f.all, measure.OnEach([]int{1}, measure.Contestant{Name: Check, Loop: func(_, n int) {
		for i := range n {
			if d := g.Check(ctx, f.customers[i%len(f.customers)], p); !d.Allowed {
				panic("refused: " + string(d.Reason))
			}
		}
	}})...)
}
