package gate

import (
	"context"
	"errors"
	"net/http"

	"github.com/stiggate/gate/internal/admission"
	"github.com/stiggate/gate/internal/handler"
)

// Call is one request as an adapter sees it.
type Call struct {
	Request *http.Request
	// Writer is where the answer goes.
	Writer http.ResponseWriter
	// Route is the route's pattern, as the router names it; it may be empty.
	Route string
	// Who says who is asking in place of the gate's own Resolver, if it is not nil: for a door
	// where customers are named in another way.
	Who Resolver
}

// Guard is a policy bound to a gate: what an adapter puts in front of handlers. It is
// the one place where a request is admitted, run and settled; adapters only
// translate.
type Guard struct {
	gate   *Gate
	policy Policy
	closed bool // denies all: the route is not in the table
}

var errNoGate = errors.New("the gate is nil: what did New return?")

// Guard binds a policy. The error is a *PolicyError.
func (g *Gate) Guard(p Policy) (*Guard, error) {
	guard, err := g.guard(p)
	if err == nil {
		g.bound.Add(&p.asks)
	}
	return guard, err
}

func (g *Gate) guard(p Policy) (*Guard, error) {
	if g == nil {
		return nil, &PolicyError{Feature: p.named(), Err: errNoGate}
	}
	if err := p.check(g.outage); err != nil {
		return nil, err
	}
	if p.asks.Reports() && g.queue == nil {
		return nil, &PolicyError{Feature: p.named(), Err: ErrNoReporter}
	}
	p.bound = true
	return &Guard{gate: g, policy: p}, nil
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

// Serve takes one request through the gate: it calls deny with a decision that does not
// allow, or next, each exactly once.
//
// next gets the writer and the request to hand on. The writer watches the answer (package recorder),
// and the request's context tells the Decision and, in a route that reports, carries the Ticket.
// Behind Public, and where WithBareRequests leaves them, they are the call's own. next reports
// whether the handler is done: false if it may still be at work, behind a timeout that has answered
// in its place. The gate then touches nothing that such a handler may still use; an adapter must
// not, either.
//
// When next has returned, and the policy reports, outcome is asked, if it is not nil: it is
// given what the writer has seen and returns it with what the router knows beside, such
// as a returned error. A Status of 0 says that nothing was written. What was answered
// then decides, as Outcome.Succeeded says, and usage is reported or released, exactly once.
//
// Panics, http.ErrAbortHandler and runtime.Goexit pass through untouched. What had been
// sent by then counts, and outcome is not asked.
//
// There is one rule for every method. A CORS preflight that gets here is a request like any
// other, so what answers preflights stands in front. HEAD is asked for, held and billed
// as GET is, unless the policy says FreeHead.
func (gd *Guard) Serve(c Call, deny func(Decision), next func(http.ResponseWriter, *http.Request) bool, outcome func(Outcome) Outcome) {
	if gd.policy.asks.Kind == admission.Public {
		next(c.Writer, c.Request)
		return
	}
	d := Decision{Route: c.Route, Method: c.Request.Method, Shadow: gd.policy.shadow}
	t := gd.enter(c, &d)
	switch {
	case !d.Allowed && !d.Shadow:
		deny(d)
	case t != nil:
		t.run(c, &gd.policy, next, outcome)
	case gd.gate.bare && (!d.Metered || gd.gate.denials.quota == QuotaHeadersNone):
		next(c.Writer, c.Request)
	default:
		gd.gate.pass(c, &d, next)
	}
}

// pass calls a handler that reports nothing.
func (g *Gate) pass(c Call, d *Decision, next func(http.ResponseWriter, *http.Request) bool) {
	t := &told{Context: c.Request.Context(), decision: *d}
	w, run := handler.New(c.Writer, c.Request, &t.request)
	if d.Allowed && g.denials.quota != QuotaHeadersNone {
		run.BeforeHeader(func(h http.Header) { g.SetQuotaHeaders(h, t.decision) })
	}
	defer run.Seen()
	run.Call(t, w, next)
}

// told is the context of a request that reports nothing, and what goes with it: one allocation.
type told struct {
	context.Context
	decision Decision
	request  http.Request
}

// Value is context.Context's.
func (t *told) Value(key any) any {
	if _, ok := key.(decisionKey); ok {
		return &t.decision
	}
	return t.Context.Value(key)
}

// Enter admits from within a handler, where what a request uses is known only after its body was
// read: it resolves the customer, decides, and answers a refusal, as a gate in front of the
// handler does; false says that it has answered. The ticket must be settled or released once
// (defer t.Release(), and t.Settle() before the answer that says it is done). Nothing of the answer
// may be written before.
func (g *Gate) Enter(w http.ResponseWriter, r *http.Request, p Policy) (*Ticket, bool) {
	d := Decision{Route: r.Pattern, Method: r.Method, Shadow: p.shadow}
	t := (&Guard{gate: g, policy: p}).enter(Call{Request: r}, &d)
	if !d.Lets() {
		g.WriteDenial(w, r, d)
		return nil, false
	}
	return g.ticket(t, d), true
}

// enter resolves the customer and admits.
func (gd *Guard) enter(c Call, d *Decision) *Ticket {
	g, ctx := gd.gate, c.Request.Context()
	if gd.closed {
		d.deny(ReasonNotInTable, nil)
	} else {
		who := g.who
		if c.Who != nil {
			who = c.Who
		}
		customer, err := who.Resolve(c.Request)
		if err == nil || gd.policy.asks.Kind == admission.Public {
			return g.admit(ctx, customer, &gd.policy, c.Request, !gd.policy.freeHead || !handler.IsHead(c.Request), d)
		}
		d.deny(ofResolver(err), err)
	}
	g.conclude(ctx, &gd.policy, d)
	return nil
}

// run calls the handler and settles, exactly once, whatever way it ends.
func (t *Ticket) run(c Call, p *Policy, next func(http.ResponseWriter, *http.Request) bool, outcome func(Outcome) Outcome) {
	w, run := handler.New(c.Writer, c.Request, t.more.handed)
	if t.gate.denials.quota != QuotaHeadersNone {
		run.BeforeHeader(func(h http.Header) { t.gate.SetQuotaHeaders(h, t.Decision()) })
	}
	t.more.policy = p
	defer func() {
		o := Outcome{Panicked: true}
		defer func() { t.conclude(o) }() // even if outcome panics
		seen := Outcome(run.Seen())
		if outcome != nil && !seen.Panicked {
			seen = outcome(seen)
		}
		o = Outcome(run.Outcome(handler.Outcome(seen)))
	}()
	run.Call(&t.more.within, w, next)
}

// ofResolver is the reason of a Resolver's error.
func ofResolver(err error) Reason {
	if errors.Is(err, ErrCustomerConflict) {
		return ReasonCustomerConflict
	}
	return ReasonUnresolved
}
