// Package route compares the keys of a table of routes with what a router registers, and with the
// paths of requests.
package route

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Key is a route as a router registers it.
type Key struct {
	Method  string // empty: all methods
	Pattern string
}

// Parse reads a key: "METHOD /pattern", or "/pattern" for a route of all methods.
func Parse(route string) (Key, error) {
	method, pattern, both := strings.Cut(route, " ")
	if !both {
		method, pattern = "", route
	}
	switch {
	case !strings.Contains(pattern, "/"):
		return Key{}, errors.New(`a route is "METHOD /pattern" or "/pattern"`)
	case strings.ContainsAny(pattern, " \t") || pattern != strings.TrimSpace(pattern):
		return Key{}, errors.New("the pattern has a space in it")
	case method != strings.ToUpper(method) || both && method == "":
		return Key{}, errors.New("the method is not in upper case")
	}
	return Key{method, pattern}, nil
}

// Where names the policy of a route and a feature, of which either may be empty.
func Where(route, feature string) (where string) {
	if route != "" {
		where = fmt.Sprintf(" of route %q", route)
	}
	if feature != "" {
		where += fmt.Sprintf(" for %q", feature)
	}
	return where
}

// Table has a value for each of its keys.
type Table[V any] struct {
	values map[Key]V
	paths  []path[V]
}

// Add adds a key.
func (t *Table[V]) Add(k Key, v V) {
	if t.values == nil {
		t.values = make(map[Key]V)
	}
	t.values[k] = v
	t.paths = append(t.paths, newPath(k, v))
}

// Find returns the value of a registered route: that of the method and pattern, or of the
// pattern for all methods.
func (t *Table[V]) Find(method, pattern string) (V, bool) {
	if v, ok := t.values[Key{method, pattern}]; ok {
		return v, true
	}
	v, ok := t.values[Key{"", pattern}]
	return v, ok
}

// Land returns the value of the key on which a request's path lands in another reading than a router's
// (unescaped and cleaned, for one), if that is not open: as a file server or a proxy reads it. There is
// none if there is no other.
func (t *Table[V]) Land(r *http.Request, open func(V) bool) (v V, ok bool) {
	var guarded *path[V]
	for _, reading := range readings(r.URL) {
		var best *path[V]
		segments := strings.Split(reading[1:], "/")
		for i := range t.paths {
			if p := &t.paths[i]; p.matches(r.Method, segments) && (best == nil || p.before(best)) {
				best = p
			}
		}
		if best != nil && !open(best.value) && (guarded == nil || best.before(guarded)) {
			guarded = best
		}
	}
	if guarded == nil {
		return v, false
	}
	return guarded.value, true
}
