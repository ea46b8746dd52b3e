package route

import (
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
)

// Live is a table of policies P that can be replaced while its owners O, who guard its keys each
// by values V of their own, go by it.
type Live[O comparable, P, V any] struct {
	bind func(O, map[string]P) (*Table[V], error)
	mu   sync.Mutex // of those who change what is in force
	now  atomic.Pointer[inForce[O, P, V]]
}

// inForce never changes: whoever has loaded it sees one whole table.
type inForce[O comparable, P, V any] struct {
	policies map[string]P
	tables   map[O]*Table[V]
}

// NewLive begins with a table that nobody is bound to. bind makes an owner's values for a table.
func NewLive[O comparable, P, V any](policies map[string]P, bind func(O, map[string]P) (*Table[V], error)) *Live[O, P, V] {
	l := &Live[O, P, V]{bind: bind}
	l.now.Store(&inForce[O, P, V]{policies: maps.Clone(policies)})
	return l
}

// Policies is the table in force, a copy.
func (l *Live[O, P, V]) Policies() map[string]P { return maps.Clone(l.now.Load().policies) }

// Of is what guards the table in force, for an owner that is bound.
func (l *Live[O, P, V]) Of(o O) *Table[V] { return l.now.Load().tables[o] }

// Bind adds an owner, and reports whether it is one anew.
func (l *Live[O, P, V]) Bind(o O) (anew bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now.Load()
	if now.tables[o] != nil {
		return false, nil
	}
	next := &inForce[O, P, V]{policies: now.policies, tables: map[O]*Table[V]{}}
	maps.Copy(next.tables, now.tables)
	if next.tables[o], err = l.bind(o, now.policies); err != nil {
		return false, err
	}
	l.now.Store(next)
	return true, nil
}

// Replace puts another table in force, in one step for all owners, or none if one of them can't
// be bound to it.
func (l *Live[O, P, V]) Replace(policies map[string]P) (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := &inForce[O, P, V]{policies: maps.Clone(policies), tables: map[O]*Table[V]{}}
	for o := range l.now.Load().tables {
		if next.tables[o], err = l.bind(o, next.policies); err != nil {
			return err
		}
	}
	l.now.Store(next)
	return nil
}

// Match returns the value of a request that the router has matched to a route, of which it has one
// or several names: that of the first that the table has, else rest. If that is open, and the
// path lands on a key that is not, the request gets that key's.
func (t *Table[V]) Match(r *http.Request, method string, patterns []string, rest V, open func(V) bool) V {
	v := rest
	for _, pattern := range patterns {
		if found, named := t.Find(method, pattern); named {
			v = found
			break
		}
	}
	if open(v) {
		if landed, ok := t.Land(r, open); ok {
			return landed
		}
	}
	return v
}
