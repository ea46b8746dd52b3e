package gate

import "net/http"

// Call is one request as an adapter sees it.
type Call struct {
	Request *http.Request
	// Route is the route's pattern, as the router names it; it may be empty.
	Route string
	// Method is the method that the route is registered for: GET where a router answers
	// HEAD by it. Empty means all methods, or that the adapter can't tell.
	Method string
	// Header is the answer's, for the quota headers (WithQuotaHeaders). It may be nil.
	Header http.Header
}

// Guard is a policy bound to a gate: what an adapter puts in front of handlers. It is
// the one place where a request is admitted, run and settled; adapters only
// translate.
type Guard struct {
	gate    *Gate
	policy  Policy
	reports bool
	closed  bool // denies all: the route is not in the table
}

// Guard binds a policy. The error is a *PolicyError.
func (g *Gate) Guard(p Policy) (*Guard, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if p.reports() && g.queue == nil {
		return nil, &PolicyError{Feature: p.named(), Err: ErrNoReporter}
	}
	return &Guard{gate: g, policy: p, reports: p.reports() && !p.shadow}, nil
}

// MustGuard is Guard that panics, for the adapters' Require: a policy is wrong at
// start-up or never.
func (g *Gate) MustGuard(p Policy) *Guard {
	guard, err := g.Guard(p)
	if err != nil {
		panic(err)
	}
	return guard
}

// Reports tells whether serving a request may report usage. An adapter need not
// watch the response if it can't.
func (gd *Guard) Reports() bool { return gd.reports }

// Serve takes one request through the gate: it calls deny with a decision that does
// not allow, or next, and after next, if the policy reports, outcome, exactly once;
// usage is then reported or released. next gets the request to hand on; in a route
// that reports its context carries the Ticket. Panics pass through untouched: outcome
// is not called then, and the usage is released.
//
// A CORS preflight is let through to a route that is registered for OPTIONS: it never
// carries credentials. On a route of all methods it is guarded like any request, for
// there anybody could reach the handler by looking like one. In the same way HEAD uses
// nothing where it is answered by a GET route, and what any request uses elsewhere.
func (gd *Guard) Serve(c Call, deny func(Decision), next func(*http.Request), outcome func() Outcome) {
	if gd.policy.kind == kindPublic || !gd.closed && c.preflight() {
		next(c.Request)
		return
	}
	t, d := gd.enter(c)
	if d.Allowed {
		gd.gate.SetQuotaHeaders(c.Header, d)
	}
	switch {
	case !d.Allowed && !d.Shadow:
		deny(d)
	case t == nil:
		next(c.Request)
	default:
		t.run(c.Request, next, outcome)
	}
}

// enter resolves the customer and admits.
func (gd *Guard) enter(c Call) (*Ticket, Decision) {
	g, ctx := gd.gate, c.Request.Context()
	d := Decision{Route: c.Route, Shadow: gd.policy.shadow}
	if gd.closed {
		d.deny(ReasonNotInTable, nil)
	} else {
		customer, err := g.who(c.Request)
		if err == nil {
			return g.admit(ctx, customer, &gd.policy, c, c.Request.Method != http.MethodHead || c.Method == "")
		}
		d.deny(ReasonUnresolved, err)
	}
	g.finish(&gd.policy, &d)
	g.tallies.count(&d)
	if g.observer != nil {
		g.observer.Decided(ctx, d)
	}
	return nil, d
}

// preflight reports whether the call is a CORS preflight to a route that answers it; a
// plain OPTIONS is none.
func (c Call) preflight() bool {
	r := c.Request
	return r.Method == http.MethodOptions && c.Method == http.MethodOptions &&
		r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}
