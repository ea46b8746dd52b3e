package conformance

import (
	"net/http"
	"testing"

	"github.com/stiggate/gate"
)

// Route is one route to register.
type Route struct {
	// Method is empty for a route of all methods.
	Method string
	// Pattern is spelled as the router does (Adapter.Spell); its wildcards are whole
	// segments.
	Pattern string
	// Policies are the gates in front of the handler, the outermost first. There is one
	// but where the suite asks what becomes of two.
	Policies []gate.Policy
	// Handler is to be given the router's own writer and request.
	Handler http.HandlerFunc
	// Body is what to answer instead of running Handler, if it is not empty: with 200, and by
	// the router's own way to write a text, if it has one (c.String).
	Body string
	// Err is the handler instead, if it is not nil: one that returns an error, which the
	// router must get. Only an Adapter with an Error is given any.
	Err func(http.ResponseWriter, *http.Request) error
	// Before, if it is not nil, is a middleware in front of the gates.
	Before Middleware
	// Recovery asks for a middleware that recovers panics.
	Recovery Recovery
}

// Middleware is one of any router. It calls next once, with the request to hand on;
// what next returns is the request that the router has when the rest is done. Where
// handlers get a request that nobody can replace, that is the one handed on.
type Middleware func(w http.ResponseWriter, r *http.Request, next func(*http.Request) *http.Request)

// Recovery is where a route's panics are recovered.
type Recovery uint8

// The places of recovery.
const (
	// RecoveryNone lets panics go on to the server.
	RecoveryNone Recovery = iota
	// RecoveryOutside is the router's own recovery in front of the gates, which is the
	// right order. A router without one uses Recover.
	RecoveryOutside
	// RecoveryInside is the same between the gates and the handler.
	RecoveryInside
)

// Recover answers a panic with 500, for routers that have no recovery of their own.
// http.ErrAbortHandler goes on to the server.
func Recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch p := recover(); p {
			case nil:
			case http.ErrAbortHandler:
				panic(p)
			default:
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// Group builds a router whose routes are in a group, a mount or whatever else the
// router has for it, below prefix. One gate with policy p is the group's middleware;
// the routes' own Policies are not to be used, their Patterns go on from the prefix.
type Group func(g *gate.Gate, prefix string, p gate.Policy, routes []Route) http.Handler

// Adapter is how a router is put together with the adapter under test. Guarded,
// Tabled and Verify must be there, the rest if the router has what it is about.
type Adapter struct {
	// Guarded returns a router that serves the routes, each behind its own gates. It
	// answers an unknown path with 404 and a method that a path has not with 405.
	Guarded func(g *gate.Gate, routes []Route) http.Handler
	// Tabled returns a router that serves the routes behind a table. The routes' own
	// Policies are not to be used.
	Tabled func(g *gate.Gate, routes []Route, t gate.Table, rest gate.Rest) http.Handler
	// Verify registers the routes and returns what the adapter's Verify says of t.
	Verify func(routes []Route, t gate.Table) error
	// VerifyAll is Verify for a router that lists its routes, whose adapter also tells which ones
	// the table forgets, but for those below open.
	VerifyAll func(routes []Route, t gate.Table, open ...string) error
	// Live is Tabled for a table that is replaced while the router serves.
	Live func(g *gate.Gate, routes []Route, t *gate.LiveTable, rest gate.Rest) http.Handler

	// Spell returns a pattern of net/http's form ("/cities/{city}") as the router spells
	// it. It is nil where that is the same.
	Spell func(pattern string) string
	// Grouped is the router's ways to group routes, by name ("a mount").
	Grouped map[string]Group
	// Error returns the router's own error with an HTTP status, for routers whose
	// handlers return errors.
	Error func(status int) error

	// Skip names rows that the router itself gets wrong, each with the router's issue:
	// {"early hints, then success": "labstack/echo#3106"}. A name without ", over HTTP/2"
	// stands for both. The rows are run all the same, and one that passes, or is none,
	// fails the suite.
	Skip map[string]string
}

// spell is Spell, if there is one.
func (a Adapter) spell(pattern string) string {
	if a.Spell == nil {
		return pattern
	}
	return a.Spell(pattern)
}

// routes spells the routes' patterns.
func (a Adapter) routes(routes ...Route) []Route {
	for i := range routes {
		routes[i].Pattern = a.spell(routes[i].Pattern)
	}
	return routes
}

// RunAdapter holds an adapter to the suite. It starts servers on 127.0.0.1 and stops them;
// its rows run one after the other.
func RunAdapter(t *testing.T, a Adapter) {
	if a.Guarded == nil || a.Tabled == nil || a.Verify == nil {
		t.Fatal("an Adapter needs Guarded, Tabled and Verify")
	}
	run(t, rows(a), a.Skip)
}

// rows is the suite.
func rows(a Adapter) []row {
	all := [][]row{
		requestRows(a), tableRows(a), liveRows(a), verifyRows(a), forgottenRows(a), denialRows(a), quotaRows(a), writerRows(a), fileRows(a), hijackRows(a),
		streamRows(a), bodyRows(a), panicRows(a), answeredRows(a), frontRows(a), settleRows(a), chainRows(a), groupRows(a), errorRows(a), manyRows(a),
	}
	var flat []row
	for _, rows := range all {
		flat = append(flat, rows...)
	}
	return flat
}
