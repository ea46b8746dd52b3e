package gate

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/stiggate/gate/internal/admission"
	"github.com/stiggate/gate/internal/option"
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

// Routing is what says the policies of a router's routes: a Table, or a LiveTable.
type Routing interface{ live() *liveTable }

type liveTable = route.Live[*Gate, Policy, *Guard]

// LiveTable is a Table that can be replaced while the app runs. It may guard any number of
// routers, of several gates.
type LiveTable struct{ in *liveTable }

// NewLiveTable returns a table to begin with. The error joins a *PolicyError for every entry
// that is wrong.
func NewLiveTable(t Table) (*LiveTable, error) {
	return &LiveTable{t.live()}, t.each(func(route.Key, Policy) error { return nil })
}

func (l *LiveTable) live() *liveTable { return l.in }

func (t Table) live() *liveTable {
	return route.NewLive(t, func(g *Gate, t map[string]Policy) (*route.Table[*Guard], error) {
		guards := new(route.Table[*Guard])
		return guards, Table(t).each(func(k route.Key, p Policy) error {
			guard, err := g.guard(p)
			guards.Add(k, guard)
			return err
		})
	})
}

// Table is a copy of the table in force.
func (l *LiveTable) Table() Table { return l.in.Policies() }

// Replace puts t in force, in one step for all routers: a request is decided by the table before or
// by this one. If t is empty, or anything in it is wrong, for any of the gates, the table before stays; the error
// joins a *PolicyError for every entry that is wrong.
func (l *LiveTable) Replace(t Table) error {
	_, err := NewLiveTable(t)
	if len(t) == 0 {
		err = errors.New("gate: the new table names no route")
	}
	if err != nil {
		return err
	}
	return l.in.Replace(t)
}

// RouteGuards is a table bound to a gate.
type RouteGuards struct {
	gate *Gate
	in   *liveTable
	rest *Guard
}

// RouteGuards binds a table. The error joins a *PolicyError for every entry that is wrong.
func (g *Gate) RouteGuards(t Routing, rest Rest) (*RouteGuards, error) {
	if option.Nil(t) {
		return nil, errors.New("gate: the table is nil: what did the function that makes it return?")
	}
	gs := &RouteGuards{gate: g, in: t.live()}
	var problem error
	switch rest {
	case DenyRest:
		gs.rest = &Guard{gate: g, closed: true}
	case PublicRest:
		if gs.rest = (&Guard{gate: g, policy: Public()}); len(gs.in.Policies()) == 0 {
			problem = errors.New("gate: the table names no route and the rest is public: nothing is guarded")
		}
	default:
		problem = errors.New("gate: a table needs DenyRest or PublicRest")
	}
	anew, err := gs.in.Bind(g)
	if err := errors.Join(problem, err); err != nil {
		return nil, err
	}
	if anew {
		g.bound.Watch(func(add func(string, *admission.Policy)) {
			for route, p := range gs.in.Policies() {
				add(route, &p.asks)
			}
		})
	}
	return gs, nil
}

// MustRouteGuards is RouteGuards that panics, for the adapters' Routes.
func (g *Gate) MustRouteGuards(t Routing, rest Rest) *RouteGuards {
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
	if guard, named = gs.in.Of(gs.gate).Find(method, pattern); named {
		return guard, true
	}
	return gs.rest, false
}

// Match returns the guard of a request that the router has matched to a registered
// route, as Find does; where the router has several names for the route, that of the first
// that the table has. But what a key guards is not to be had on an open route by spelling
// its path in another way: routers compare what is escaped ("/premium%2Freport.txt"), and a
// file server or a proxy behind an open route reads what is unescaped and cleaned, or without the
// parameters of segments ("/premium;v=1/report.txt"), with backslashes as slashes, or unescaped once
// more. A request whose path would then land on a guarded key gets that key's guard.
func (gs *RouteGuards) Match(r *http.Request, method string, patterns ...string) *Guard {
	return gs.in.Of(gs.gate).Match(r, method, patterns, gs.rest, (*Guard).open)
}

// Missed is Match for a request that the router matches to no route, and which is the
// router's to answer, by a handler of the app's for that perhaps. It is nil unless the
// request's path, read as Match does, would land on a guarded key.
func (gs *RouteGuards) Missed(r *http.Request) *Guard {
	guard, _ := gs.in.Of(gs.gate).Land(r, (*Guard).open)
	return guard
}

func (gd *Guard) open() bool { return gd.policy.asks.Kind == admission.Public }

// ForgottenRouteError says that a table names no policy for a route which the router has: DenyRest
// answers 403 there, and PublicRest leaves it open.
type ForgottenRouteError struct {
	Route string // as it would be a table's key
}

func (e *ForgottenRouteError) Error() string {
	return fmt.Sprintf("gate: route %q: the table names no policy for it", e.Route)
}

// Verify says which keys of the table name no registered route; the adapters' Verify
// calls it with what they know of a router that can't list its routes. The error joins a
// *PolicyError for each.
func (t Table) Verify(registered func(method, pattern string) bool) error {
	return t.verify(func(k route.Key) bool { return registered(k.Method, k.Pattern) })
}

func (t Table) verify(registered func(route.Key) bool) error {
	return t.each(func(k route.Key, _ Policy) error {
		if !registered(k) {
			return errors.New("the router has no such route (one of all methods is named without a method)")
		}
		return nil
	})
}

// VerifyListed is Verify for a router that lists its routes as "METHOD pattern", or "pattern" for
// one of all methods, which may also stand there once for each: it is known by its TRACE, and must
// be named without a method, for a key for one of them would leave the others to the rest.
//
// The error joins a *ForgottenRouteError for each route that the table does not name, too. Where
// routes are left to the rest on purpose, open names the paths that they stand below: "/assets/",
// or "/" for all.
func (t Table) VerifyListed(routes []string, open ...string) error {
	listing := route.List(routes)
	named := func(k route.Key) bool { _, ok := t[k.String()]; return ok }
	problems := []error{t.verify(func(k route.Key) bool { return listing.Has(k, named) })}
	for _, k := range listing.Forgotten(named, open) {
		problems = append(problems, &ForgottenRouteError{Route: k.String()})
	}
	return errors.Join(problems...)
}

// each calls f with every entry that is none of itself wrong. The error joins a *PolicyError for
// each that is, and that f finds wrong.
func (t Table) each(f func(route.Key, Policy) error) error {
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(t)) {
		key, err := route.Parse(name)
		if err = cmp.Or(err, t[name].Validate()); err == nil {
			err = f(key, t[name])
		}
		if policy := (*PolicyError)(nil); errors.As(err, &policy) {
			problems = append(problems, &PolicyError{Route: name, Feature: policy.Feature, Err: policy.Err})
		} else if err != nil {
			problems = append(problems, &PolicyError{Route: name, Feature: t[name].named(), Err: err})
		}
	}
	return errors.Join(problems...)
}
