package gate

import (
	"errors"
	"maps"
	"net/http"
	"slices"

	"github.com/stiggate/gate/internal/admission"
	"github.com/stiggate/gate/internal/route"
)

// Table is the policies of a router by route: "POST /campaigns", spelled as the
// router registers it, or "/campaigns" for a route of all methods.
type Table map[string]Policy

// Rest says what becomes of routes that a table does not name. There is no default:
// a gate that is open by oversight is worse than one that says so.
type Rest uint8

// The two kinds of rest.
const (
	_ Rest = iota
	// DenyRest denies them, with 403 route_not_open. Requests that match no route at
	// all are left to the router's own 404 or 405.
	DenyRest
	// PublicRest lets them through, unguarded.
	PublicRest
)

// RouteGuards is a table bound to a gate.
type RouteGuards struct {
	guards route.Table[*Guard]
	rest   *Guard
}

// RouteGuards binds a table. The error joins a *PolicyError for every entry that is wrong.
func (g *Gate) RouteGuards(t Table, rest Rest) (*RouteGuards, error) {
	var problems []error
	gs := new(RouteGuards)
	switch rest {
	case DenyRest:
		gs.rest = &Guard{gate: g, closed: true}
	case PublicRest:
		gs.rest = &Guard{gate: g, policy: Public()}
	default:
		problems = append(problems, errors.New("gate: a table needs DenyRest or PublicRest"))
	}
	for _, name := range slices.Sorted(maps.Keys(t)) {
		key, err := route.Parse(name)
		if err != nil {
			problems = append(problems, &PolicyError{Route: name, Err: err})
			continue
		}
		guard, err := g.bind(name, t[name])
		if err != nil {
			problems = append(problems, &PolicyError{Route: name, Feature: t[name].named(), Err: unwrapPolicy(err)})
		}
		gs.guards.Add(key, guard)
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return gs, nil
}

// MustRouteGuards is RouteGuards that panics, for the adapters' Routes.
func (g *Gate) MustRouteGuards(t Table, rest Rest) *RouteGuards {
	guards, err := g.RouteGuards(t, rest)
	if err != nil {
		panic(err)
	}
	return guards
}

// Find returns the guard of a registered route: that of the method and pattern, or
// of the pattern for all methods; if the table names neither, the rest's, and false.
// method is the one the route was registered with; it may be empty.
func (gs *RouteGuards) Find(method, pattern string) (guard *Guard, named bool) {
	if guard, named = gs.guards.Find(method, pattern); named {
		return guard, true
	}
	return gs.rest, false
}

// Match returns the guard of a request that the router has matched to a registered
// route, as Find does. But what a key guards is not to be had on an open route by spelling
// its path in another way: routers compare what is escaped ("/premium%2Freport.txt"), and a
// file server or a proxy behind an open route reads what is unescaped and cleaned. A
// request whose path would then land on a guarded key gets that key's guard.
func (gs *RouteGuards) Match(r *http.Request, method, pattern string) *Guard {
	guard, _ := gs.Find(method, pattern)
	if guard.policy.asks.Kind == admission.Public {
		if guarded := gs.Missed(r); guarded != nil {
			return guarded
		}
	}
	return guard
}

// Missed is Match for a request that the router matches to no route, and which is the
// router's to answer, by a handler of the app's for that perhaps. It is nil unless the
// request's path, unescaped and cleaned, would land on a guarded key.
func (gs *RouteGuards) Missed(r *http.Request) *Guard {
	guard, ok := gs.guards.Land(r)
	if !ok || guard.policy.asks.Kind == admission.Public {
		return nil
	}
	return guard
}

// Verify says which keys of the table name no registered route; the adapters' Verify
// calls it with what they know of their router. The error joins a *PolicyError for
// each.
func (t Table) Verify(registered func(method, pattern string) bool) error {
	return t.verify(func(k route.Key) bool { return registered(k.Method, k.Pattern) })
}

func (t Table) verify(registered func(route.Key) bool) error {
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(t)) {
		key, err := route.Parse(name)
		if err == nil && !registered(key) {
			err = errors.New("the router has no such route (one of all methods is named without a method)")
		}
		if err == nil {
			err = unwrapPolicy(t[name].Validate())
		}
		if err != nil {
			problems = append(problems, &PolicyError{Route: name, Feature: t[name].named(), Err: err})
		}
	}
	return errors.Join(problems...)
}

// VerifyListed is Verify for a router that lists its routes as "METHOD pattern", a route
// of all methods once for each. Such a one is known by its TRACE, and must be named
// without a method: a key for one of them would leave the others to the rest.
func (t Table) VerifyListed(routes []string) error {
	return t.verify(route.Listed(routes, func(pattern string) bool { _, whole := t[pattern]; return whole }))
}

func unwrapPolicy(err error) error {
	var wrong *PolicyError
	if errors.As(err, &wrong) {
		return wrong.Err
	}
	return err
}
