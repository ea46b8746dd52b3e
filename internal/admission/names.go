package admission

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"github.com/stiggate/gate/internal/rules"
)

// Name is what a policy does with an item at a route, "" where that has no name.
type Name struct {
	Route string
	Item
	Mode rules.Mode
}

// Names are what the policies of a gate name. They are bounded by what the app's code names.
type Names struct {
	mu     sync.Mutex
	known  set                                       // of policies without a route
	tables []func(add func(route string, p *Policy)) // those in force
}

type set map[Name]bool

func (s set) add(route string, p *Policy) {
	p.Each(func(one *Policy) { s[Name{route, one.Item, one.Mode}] = true })
}

// Add adds a policy that is bound to no route.
func (n *Names) Add(p *Policy) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil {
		n.known = make(set)
	}
	n.known.add("", p)
}

// Watch adds a table, which adds each of its policies whenever it is asked.
func (n *Names) Watch(table func(add func(route string, p *Policy))) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tables = append(n.tables, table)
}

// List is what is named here and by more policies, in order. It is false if there are none; where
// all are public it is empty.
func (n *Names) List(more ...*Policy) (all []Name, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := maps.Clone(n.known)
	if s == nil {
		s = make(set)
	}
	for _, p := range more {
		s.add("", p)
	}
	for _, table := range n.tables {
		table(s.add)
	}
	all = slices.SortedFunc(maps.Keys(s), func(a, b Name) int {
		return cmp.Or(cmp.Compare(a.Route, b.Route), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Mode, b.Mode))
	})
	return all, n.known != nil || n.tables != nil || len(more) > 0
}
