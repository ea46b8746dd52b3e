package gate

import (
	"context"
	"errors"
	"net/http"
	"time"
)

const (
	// retryPending and retryUnavailable are the Retry-After of 429 and 503.
	retryPending     = time.Second
	retryUnavailable = 5 * time.Second
)

// Check decides whether the customer may do what the policy asks, and changes
// nothing: no amount is held. It waits at most the decision deadline, and not at all if
// the customer's entitlements are cached, unless it would refuse for what may have changed
// since or may count twice until Stigg's next acknowledgement. A policy whose amount comes from the
// request can't be checked without one.
func (g *Gate) Check(ctx context.Context, c Customer, p Policy) Decision {
	_, d := g.admit(ctx, c, &p, Call{}, false)
	return d
}

// Admit is Check, and holds what the policy uses, so that nobody else can take it.
// If the decision allows, the ticket must be settled or released once, whatever the
// policy; if not, it is nil.
func (g *Gate) Admit(ctx context.Context, c Customer, p Policy) (*Ticket, Decision) {
	t, d := g.admit(ctx, c, &p, Call{}, true)
	if d.Allowed && t == nil {
		t = &Ticket{gate: g, decision: d, done: true}
	}
	return t, d
}

// admission is one question to the gate under way.
type admission struct {
	request *http.Request // nil outside HTTP
	now     time.Time
	snap    *snapshot
	waits   patience
	ticket  *Ticket // nil: nothing is held
	// outdated: it was refused for usage that Stigg may count less of by now.
	outdated bool
	// doubted is closed when there is more to know of a refusal in doubt; nil of others.
	doubted <-chan struct{}
}

// admit decides, and takes holds if hold is set and the policy reports. The ticket
// is nil if nothing was held.
func (g *Gate) admit(ctx context.Context, c Customer, p *Policy, call Call, hold bool) (*Ticket, Decision) {
	d := Decision{Customer: c, Route: call.Route}
	t := g.try(ctx, c, p, call, hold, &d)
	if !d.Allowed {
		g.finish(p, &d)
	}
	if t != nil {
		t.decision = d
	}
	g.tallies.count(&d)
	if g.observer != nil {
		decided := false
		defer func() {
			if !decided {
				t.Release() // the observer panics
			}
		}()
		g.observer.Decided(ctx, d)
		decided = true
	}
	return t, d
}

func (g *Gate) try(ctx context.Context, c Customer, p *Policy, call Call, hold bool, d *Decision) *Ticket {
	if err := p.Validate(); err != nil {
		return d.deny(ReasonFeatureNotFound, err)
	}
	if p.kind == kindPublic {
		d.Allowed = true
		return nil
	}
	if err := c.Validate(); err != nil {
		return d.deny(ReasonUnresolved, err)
	}
	q := admission{request: call.Request, now: g.now()}
	slots := 0
	if hold && !p.shadow {
		slots = p.meters()
	}
	d.Shadow = p.shadow
	insist, spent := false, false
	for lookups := 0; lookups < mostLookups; lookups++ {
		found, err := g.look(ctx, c, p, d, insist, &q.waits, q.now)
		if err != nil {
			return d.undecided(ctx, err)
		}
		t, known := g.judge(ctx, &q, p, slots, d, found)
		switch {
		case !d.Allowed && q.doubted != nil && !spent && !p.shadow:
			err := g.cache.pauses(ctx, q.doubted, &q.waits)
			if ctx.Err() != nil {
				return d.undecided(ctx, err)
			}
			spent = err != nil // the last word is of when the time is up
			lookups--          // the deadline is bound enough
			q.now = g.now()
		case !known: // the book was forgotten since: look the customer up again
			q.now = g.now()
		case d.Allowed || d.Origin != OriginStale && !q.outdated || insist || !d.Reason.mayHaveChanged():
			return t
		default: // it may have changed since: ask, as long as there is time
			insist, q.now = true, g.now()
		}
	}
	return d.deny(ReasonUnavailable, errThrashing)
}

// look finds what is known of the customer, or what the outage policy says.
func (g *Gate) look(ctx context.Context, c Customer, p *Policy, d *Decision, insist bool, waits *patience, now time.Time) (finding, error) {
	origin, cause := OriginOffline, error(nil)
	if !g.offline {
		found, err := g.cache.get(ctx, c, now, insist, waits)
		if err == nil || ctx.Err() != nil || errors.Is(err, ErrClosed) {
			return found, err
		}
		origin, d.Err, cause = OriginFallback, err, err
	}
	s := g.fallback(c, p)
	return finding{snap: s, origin: origin, book: s.book, cause: cause}, nil
}

// judge decides by what was found, and holds. known is false if the customer's book is
// forgotten.
func (g *Gate) judge(ctx context.Context, q *admission, p *Policy, slots int, d *Decision, found finding) (t *Ticket, known bool) {
	defer found.unpin() // also if a function of the policy panics
	q.snap, d.Origin = found.snap, found.origin
	switch {
	case slots == 0 || len(q.snap.rights)+len(q.snap.wallets) == 0: // nothing to hold
		d.Allowed = g.decide(q, p, d)
	case q.snap.book.pin():
		t = g.hold(ctx, q, p, slots, d)
	default:
		return nil, false
	}
	doubtful := d.Origin == OriginFallback || d.Origin == OriginStale && q.snap.suspect.Load()
	if doubtful && !d.Allowed && d.Reason.mayHaveChanged() {
		*d = d.anew()
		d.deny(ReasonUnavailable, found.cause) // never 402 for our own fault
	}
	return t, true
}

// mayHaveChanged reports whether a refusal rests on what is known of the customer, and not
// on the request, the app's policies or what runs just now.
func (r Reason) mayHaveChanged() bool {
	return r.ofStigg() && r != ReasonFeatureMismatch
}

// mostLookups bounds how often one request looks a customer up whom the cache drops
// again at once.
const mostLookups = 100

var errThrashing = errors.New("gate: the cache is too small: customers are dropped before their request is decided")

// hold evaluates with a ticket. The snapshot's book is pinned for it.
func (g *Gate) hold(ctx context.Context, q *admission, p *Policy, slots int, d *Decision) *Ticket {
	if g.delivery == nil {
		q.snap.book.unpin()
		return d.deny(ReasonFeatureNotFound, ErrNoReporter)
	}
	if err := g.delivery.reserve(slots); err != nil {
		q.snap.book.unpin()
		return d.deny(ReasonUnavailable, err)
	}
	t := &Ticket{gate: g, reportIf: p.reportIf, leaving: p.leaving, book: q.snap.book, slots: slots, admitted: q.now}
	t.holds = t.first[:0]
	if g.observer != nil {
		t.ctx = context.WithoutCancel(ctx)
	}
	q.ticket = t
	// Given back also if a function of the policy panics.
	defer func() {
		if !d.Allowed {
			t.undo(0)
			g.delivery.vacate(slots)
			t.book.unpin()
		}
	}()
	if d.Allowed = g.decide(q, p, d); !d.Allowed {
		return nil
	}
	return t
}

// undecided is a failed lookup: the caller left, or we don't know.
func (d *Decision) undecided(ctx context.Context, err error) *Ticket {
	if errors.Is(ctx.Err(), context.Canceled) {
		return d.deny(ReasonClientGone, err)
	}
	return d.deny(ReasonUnavailable, err)
}

// anew is a Decision of the same question with no answer yet.
func (d *Decision) anew() Decision {
	return Decision{Customer: d.Customer, Route: d.Route, Origin: d.Origin, Shadow: d.Shadow}
}

func (d *Decision) deny(r Reason, err error) *Ticket {
	d.Allowed, d.Reason, d.Err = false, r, err
	return nil
}

// decide evaluates, and marks a snapshot that refused for what is counted by now.
func (g *Gate) decide(q *admission, p *Policy, d *Decision) bool {
	q.outdated, q.doubted = false, nil
	allowed := g.evaluate(q, p, d)
	if q.outdated && !allowed {
		q.snap.outdated.Store(true)
	}
	return allowed
}

// evaluate answers a policy; d tells of the feature that decided.
func (g *Gate) evaluate(q *admission, p *Policy, d *Decision) bool {
	switch p.kind {
	case kindAll:
		for i := range p.parts {
			if !g.evaluate(q, &p.parts[i], d) {
				return false
			}
		}
		return true
	case kindAny:
		return g.evaluateAny(q, p, d)
	case kindCredits:
		return g.credits(q, p, d)
	default:
		return g.feature(q, p, d)
	}
}

func (g *Gate) evaluateAny(q *admission, p *Policy, d *Decision) bool {
	before, taken, outdated, doubted := *d, q.ticket.taken(), q.outdated, q.doubted
	var refusal Decision
	for i := range p.parts {
		*d = before
		inDoubt := q.doubted != nil
		if g.evaluate(q, &p.parts[i], d) {
			q.outdated, q.doubted = outdated, doubted // of the parts refused: they don't count
			return true
		}
		q.ticket.undo(taken)
		if i == 0 || q.doubted != nil && !inDoubt {
			refusal = *d
		}
	}
	*d = refusal
	return false
}

// feature answers a policy for one feature by the decision table.
func (g *Gate) feature(q *admission, p *Policy, d *Decision) bool {
	*d = d.anew()
	d.FeatureID, d.FeatureName = p.feature, p.feature
	a, err := p.ask(q.request)
	if err != nil {
		d.deny(ReasonBadRequest, err)
		return false
	}
	if a.mode == modeAsks || a.mode == modeUses {
		d.Requested, d.HasRequested = a.amount, true
	}
	r := q.snap.rights[p.feature]
	if d.Reason = lookup(q.snap.set.Denied, r != nil); d.Reason != "" {
		return false
	}
	if r.DisplayName != "" {
		d.FeatureName = r.DisplayName
	}
	v, metered := r.judge(a)
	if r.Kind == Configuration && !r.Unlimited {
		d.Limit, d.HasLimit = r.Limit, true
	}
	if metered {
		if a.dimensions, err = p.event.dimensions(q.request); err != nil {
			d.deny(ReasonBadRequest, err)
			return false
		}
		v = q.meter(p, r, a, d)
	}
	if v.reason == "" && r.CreditRate != nil && r.CreditRate.Formula && !r.Granted {
		v.reason = ReasonInsufficientCredits // only Stigg can evaluate a formula
	}
	d.Reason, d.never, d.OverLimit = v.reason, v.never, v.over
	return v.reason == ""
}

// ask fills in what the request tells.
func (p *Policy) ask(r *http.Request) (ask, error) {
	a := ask{mode: p.mode, amount: p.amount, values: p.values}
	if p.amountOf == nil && p.valuesOf == nil {
		return a, nil
	}
	if r == nil {
		return a, errors.New("the policy needs a request to tell its amount or values")
	}
	var err error
	if p.valuesOf != nil {
		a.values, err = p.valuesOf(r)
		return a, err
	}
	if a.amount, err = p.amountOf(r); err == nil {
		err = checkAmount(a.amount)
	}
	return a, err
}

// finish gives a refusal its code, status and hints.
func (g *Gate) finish(p *Policy, d *Decision) {
	a := d.Reason.answer()
	d.Code, d.Status = a.code, a.status
	if d.never {
		d.Code = "usage_never_fits"
	}
	switch d.Reason {
	case ReasonPending:
		d.RetryAfter = retryPending
	case ReasonUnavailable:
		d.RetryAfter = retryUnavailable
	case ReasonBadRequest:
		var e *RequestError
		if errors.As(d.Err, &e) {
			d.apply(e)
		}
	}
	for _, statuses := range []map[Reason]int{g.statuses, p.statuses} {
		if status, ok := statuses[d.Reason]; ok {
			d.Status = status
		} else if status, ok := statuses[d.Reason.known()]; ok {
			d.Status = status
		}
	}
	if a.ours {
		g.logMistake(d)
	}
}

// apply takes over what an AmountFunc wants the client to see.
func (d *Decision) apply(e *RequestError) {
	if e.Status >= 400 && e.Status < 500 {
		d.Status = e.Status
	}
	if e.Code != "" {
		d.Code = e.Code
	}
}

// logMistake logs, once, that the app's policies and Stigg's catalog do not agree.
func (g *Gate) logMistake(d *Decision) {
	type mistake struct {
		feature, route string
		reason         Reason
	}
	if _, known := g.logged.LoadOrStore(mistake{d.FeatureID, d.Route, d.Reason}, true); !known {
		g.logger.Error("gate: a policy does not fit the catalog; requests are denied", "feature", d.FeatureID, "reason", string(d.Reason), "route", d.Route, "error", d.Err)
	}
}
