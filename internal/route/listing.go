package route

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
)

// Listing is the routes of a router that lists them.
type Listing struct {
	keys   []Key
	listed map[Key]bool    // those, and each pattern without a method
	whole  map[string]bool // patterns of all methods
}

// List reads a router's list of "METHOD pattern" and "pattern". A route of all methods stands
// there without a method or once for each of them, by its TRACE it is known.
func List(routes []string) Listing {
	l := Listing{listed: make(map[Key]bool, 2*len(routes)), whole: make(map[string]bool)}
	for _, name := range routes {
		method, pattern, both := strings.Cut(name, " ")
		if !both {
			method, pattern = "", name
		}
		if method == "" || method == http.MethodTrace {
			l.whole[pattern] = true
		}
		k := Key{method, pattern}
		l.keys = append(l.keys, k)
		l.listed[k], l.listed[Key{"", pattern}] = true, true
	}
	return l
}

// Has reports whether a key names a route. One with a method names no route of all methods, for
// it would leave the others to the rest, unless another says what becomes of those.
func (l Listing) Has(k Key, named func(Key) bool) bool {
	return l.listed[k] && (k.Method == "" || !l.whole[k.Pattern] || named(Key{"", k.Pattern}))
}

// Forgotten is the routes that no key names, in order, but for those below one of the paths in open,
// of which "/" has all routes below it. A route of all methods is one of them, without a method.
func (l Listing) Forgotten(named func(Key) bool, open []string) (forgotten []Key) {
	for _, k := range l.keys {
		whole := Key{"", k.Pattern}
		switch {
		case named(k) || named(whole) || below(k.Pattern, open):
			continue
		case l.whole[k.Pattern]:
			k = whole
		}
		forgotten = append(forgotten, k)
	}
	slices.SortFunc(forgotten, func(a, b Key) int { return cmp.Or(cmp.Compare(a.Pattern, b.Pattern), cmp.Compare(a.Method, b.Method)) })
	return slices.Compact(forgotten)
}

// below reports whether a pattern is one of the paths or stands below it.
func below(pattern string, paths []string) bool {
	for _, p := range paths {
		rest, ok := strings.CutPrefix(pattern, strings.TrimSuffix(p, "/"))
		if p == "/" || ok && p != "" && (rest == "" || rest[0] == '/') {
			return true
		}
	}
	return false
}

// String spells a key as Parse reads it.
func (k Key) String() string { return strings.TrimPrefix(k.Method+" "+k.Pattern, " ") }
