package gate

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/stiggate/gate/internal/admission"
	"github.com/stiggate/gate/internal/existence"
	"github.com/stiggate/gate/internal/ledger"
	"github.com/stiggate/gate/internal/outage"
	"github.com/stiggate/gate/internal/rules"
	"github.com/stiggate/gate/internal/swr"
	"github.com/stiggate/gate/internal/upstream"
)

// Check decides whether the customer may do what the policy asks, and changes
// nothing: no amount is held. It does not wait if the customer's entitlements are cached,
// unless it would refuse for what may have changed since or may count twice until Stigg's next
// acknowledgement: then at most the decision timeout. For the first read of a customer it
// waits at most as long as [WithColdTimeout] says. A policy whose amount comes from the
// request can't be checked without one.
func (g *Gate) Check(ctx context.Context, c Customer, p Policy) (d Decision) {
	g.admit(ctx, c, &p, nil, false, &d)
	return d
}

// Admit is Check, and holds what the policy uses, so that nobody else can take it.
// If the decision allows, the ticket must be settled or released once, whatever the
// policy; if not, it is nil.
func (g *Gate) Admit(ctx context.Context, c Customer, p Policy) (t *Ticket, d Decision) {
	if t = g.admit(ctx, c, &p, nil, true, &d); d.Allowed {
		t = g.ticket(t, d)
	}
	return t, d
}

// ticket is t, or one that does nothing.
func (g *Gate) ticket(t *Ticket, d Decision) *Ticket {
	if t == nil {
		whole := d
		t = &Ticket{gate: g, more: &exchange{decided: &whole}}
		t.holds.Empty()
	}
	return t
}

// attempt is one question to the gate under way.
type attempt struct {
	admission.Request
	slots  int // how many usages it may report; 0 holds nothing
	shadow bool
	front  *Ticket // of a gate in front, on the same request
	found  finding
	waits  swr.Wait
	// reads is how many reads were made for it. timedOut: no acknowledgement is waited for.
	reads    int
	timedOut bool
}

// mostReads bounds the reads that are made for one request. The first settles what was known when
// it began; what crosses it is settled by the next one.
const mostReads = 5

// next is the step after a decision.
func (q *attempt) next(d *Decision) rules.Step {
	if d.Allowed {
		return rules.Done
	}
	return rules.Refusal{
		Doubted: q.Doubted != nil && !q.timedOut && !q.shadow, Fresh: q.reads > 0, Stale: d.Origin == OriginStale,
		Last:     q.reads > 0 && q.found.Cause != nil || q.reads == mostReads,
		Outdated: q.Outdated, Pending: d.Reason == ReasonPending, Known: d.Reason.mayHaveChanged(),
	}.Next()
}

// admit decides, and takes holds if hold is set and the policy reports. The ticket
// is nil if nothing was held. The decision is d, of a route if it names one.
func (g *Gate) admit(ctx context.Context, c Customer, p *Policy, r *http.Request, hold bool, d *Decision) *Ticket {
	d.Customer = c
	var q attempt
	t := g.try(ctx, c, p, r, &q, hold, d)
	told := false
	defer func() {
		if !told {
			t.Release() // an observer panics
		}
	}()
	g.observers.Waited(ctx, q.waits.Reads)
	g.conclude(ctx, p, d)
	if told = true; t != nil {
		t.keep(d, &q.Result)
	}
	return t
}

// conclude tells of a decision: what the answer to a refusal is, and everybody who counts.
func (g *Gate) conclude(ctx context.Context, p *Policy, d *Decision) {
	if !d.Allowed {
		g.finish(p, d)
	}
	g.counters.Count(string(d.Origin), d.Allowed, d.Reason == ReasonUnavailable, d.Shadow)
	if g.logger.Enabled(ctx, slog.LevelDebug) {
		g.logger.LogAttrs(ctx, slog.LevelDebug, "gate: a request was decided", slog.Any("decision", *d))
	}
	g.observers.Decided(ctx, d)
}

// try judges the request, step by step, until a decision stands.
func (g *Gate) try(ctx context.Context, c Customer, p *Policy, r *http.Request, q *attempt, hold bool, d *Decision) *Ticket {
	if err := p.check(outage.Rule{}); err != nil {
		d.deny(ReasonFeatureNotFound, err)
		return nil
	}
	if p.asks.Kind == admission.Public {
		d.Allowed = true
		return nil
	}
	d.Shadow = p.shadow
	q.HTTP, q.Now, q.shadow = r, g.now(), p.shadow
	defer func() { d.Waited = q.waits.Took }()
	if hold && !p.shadow {
		q.slots = p.asks.Meters()
	}
	if r != nil {
		if q.front = inFront(r); q.front != nil {
			q.Front = &q.front.holds
		}
	}
	for reopened := 0; reopened < mostReopened; q.Now = g.now() {
		if err := g.look(ctx, c, p, q); err != nil {
			if invalid := c.Validate(); invalid != nil {
				d.Shadow = false
				d.deny(ReasonUnresolved, invalid)
			} else {
				q.undecided(ctx, p, d, err)
			}
			return nil
		}
		t, next := g.judge(ctx, q, p, d)
		switch next {
		case rules.Done:
			g.sells(ctx, q, d)
			return t
		case rules.Await:
			err := g.cache.Await(ctx, q.Doubted, &q.waits, q.Outdated)
			if ctx.Err() != nil {
				q.undecided(ctx, p, d, err)
				return nil
			}
			q.timedOut = err != nil // it is judged once more, and read if that would tell more
		case rules.Read:
			q.reads++
			q.timedOut = false
		case rules.Reopen:
			reopened++
		}
	}
	d.deny(ReasonUnavailable, errThrashing)
	return nil
}

// asks names the feature that a policy asks for first, where none has decided.
func (q *attempt) asks(p *Policy) {
	first := p.asks.First()
	q.Result = admission.Result{Item: first.Item, Name: cmp.Or(first.Name, first.Item.ID)}
}

// undecided is a failed lookup: the caller left, or we don't know. net/http gives no
// cause for a client that left; where there is one, it is the app's that ended the context.
func (q *attempt) undecided(ctx context.Context, p *Policy, d *Decision, err error) {
	q.asks(p)
	d.tell(&q.Result)
	if errors.Is(ctx.Err(), context.Canceled) && errors.Is(context.Cause(ctx), context.Canceled) {
		d.deny(ReasonClientGone, err)
		return
	}
	d.deny(ReasonUnavailable, err)
}

// finding is what is known of a customer.
type finding struct {
	swr.Found[snapshot]
	origin Origin
	guess  bool // by the outage policy; it pins its book
}

func (f *finding) done() {
	if f.Done(); f.guess {
		f.Value.Unpin()
	}
}

// look finds what is known of the customer, or what the outage policy says. The ids of a customer who
// is cached are valid.
func (g *Gate) look(ctx context.Context, c Customer, p *Policy, q *attempt) (err error) {
	f := &q.found
	f.origin, f.guess = OriginOffline, false
	if g.offline {
		if err = c.Validate(); err != nil {
			return err
		}
		f.Found = swr.Found[snapshot]{}
	} else {
		err = g.cache.Get(ctx, c, q.Now, q.reads > 0, &q.waits, &f.Found)
		if err == nil || ctx.Err() != nil || errors.Is(err, swr.ErrClosed) || ofCustomer(err) || c.Validate() != nil {
			if f.origin = OriginFresh; f.State != swr.Fresh {
				f.origin = OriginStale
			}
			if err != nil {
				err = ofCache(err)
			}
			return err
		}
		f.origin, f.Cause = OriginFallback, err
	}
	f.Value, f.guess = g.fallback(c, *p), true
	return nil
}

// fallback is a snapshot of what the policy finds when nothing is known. Its book is
// pinned for the caller.
func (g *Gate) fallback(c Customer, p Policy) *snapshot {
	b := g.ledger.Open(ledger.Owner(c))
	s := &snapshot{Rights: admission.Nothing(b).With(p.asks.Assume(true, func(one *admission.Policy) (rules.Feature, bool) { return p.outage.Has(one, g.outage) }))}
	if g.offline {
		g.cache.Remember(Customer(b.Owner()), *s)
	}
	return s
}

// with is s with what the policy asks for beyond the set, without a bound.
func (s *snapshot) with(p Policy) *snapshot {
	all := p.asks.Assume(false, func(one *admission.Policy) (rules.Feature, bool) { return one.Unlimited(), true })
	return &snapshot{Rights: s.With(all), everything: true}
}

// ofCustomer reports whether nothing is known of a customer for a reason that is the customer's
// own, and no outage: Stigg refuses its ids, or too many of its resources are asked for.
func ofCustomer(err error) bool {
	return errors.Is(err, swr.ErrBudget) || upstream.Refused(err)
}

// judge decides by what was found, and holds.
func (g *Gate) judge(ctx context.Context, q *attempt, p *Policy, d *Decision) (t *Ticket, next rules.Step) {
	found := &q.found
	defer found.done() // also if a function of the policy panics
	s := found.Value
	if s.everything && s.Denied == "" {
		s = s.with(*p)
	}
	q.Rights, d.Origin = &s.Rights, found.origin
	q.Outdated, q.Waited, q.Doubted = false, q.Doubted, nil
	switch {
	case q.slots == 0 || s.Empty(): // nothing to hold
		d.Allowed = g.decide(q, p)
	case s.Pin():
		t = g.hold(ctx, q, p)
		d.Allowed = t != nil
	default:
		return nil, rules.Reopen
	}
	if d.tell(&q.Result); d.Allowed {
		g.unite(q, t, d)
		return t, rules.Done
	}
	doubtful := d.Origin == OriginFallback || found.State == swr.Suspect
	if doubtful && d.Reason.mayHaveChanged() {
		q.asks(p)
		d.tell(&q.Result)
		d.deny(ReasonUnavailable, found.Cause) // never 402 for our own fault
	}
	return t, q.next(d)
}

// mostReopened bounds how often one request looks a customer up whom the cache drops
// again at once.
const mostReopened = 100

var errThrashing = errors.New("gate: the cache is too small: customers are dropped before their request is decided")

// hold evaluates with a ticket. The snapshot's book is pinned for it.
func (g *Gate) hold(ctx context.Context, q *attempt, p *Policy) *Ticket {
	refused := func(reason Reason, err error) *Ticket {
		q.Rights.Book.Unpin()
		q.asks(p)
		q.Reason, q.Err = string(reason), err
		return nil
	}
	if g.queue == nil {
		return refused(ReasonFeatureNotFound, ErrNoReporter)
	}
	if err := g.queue.Reserve(q.slots); err != nil {
		return refused(ReasonUnavailable, ofQueue(err))
	}
	t := g.newTicket(ctx, q)
	t.holds.Begin(q.Rights, q.slots, q.Front)
	q.Holds = &t.holds
	allowed := false
	// Given back also if a function of the policy panics.
	defer func() {
		if !allowed {
			t.holds.Undo()
			g.queue.Cancel(q.slots)
			t.holds.Book().Unpin()
		}
	}()
	if allowed = g.decide(q, p); !allowed {
		return nil
	}
	return t
}

// newTicket is one allocation.
func (g *Gate) newTicket(ctx context.Context, q *attempt) *Ticket {
	if q.HTTP == nil && !g.observers.Settles() {
		return &Ticket{gate: g}
	}
	var t struct {
		Ticket
		exchange
		handed http.Request
	}
	t.gate, t.more, t.admitted, t.exchange.handed = g, &t.exchange, q.Now, &t.handed
	t.within = ticketContext{ctx, &t.Ticket, q.HTTP}
	return &t.Ticket
}

// unite makes what t holds together with the gate in front one.
func (g *Gate) unite(q *attempt, t *Ticket, d *Decision) {
	if t == nil || q.front == nil {
		return
	}
	t.more.front = q.front
	type twice struct{ id, front, route string }
	for _, r := range t.holds.Join() {
		g.logOnce(twice{r.ID, q.front.more.route, d.Route}, "gate: two gates on one request use the same; the larger amount is used once: take one of them away",
			"feature", r.ID, "routes", []string{q.front.more.route, d.Route})
	}
}

// decide evaluates, and marks a snapshot that refused in doubt.
func (g *Gate) decide(q *attempt, p *Policy) bool {
	allowed := q.Evaluate(&p.asks)
	if q.Outdated && !allowed {
		q.found.Outdate()
	}
	return allowed
}

// sells keeps a refusal from selling what there isn't. In a customer's set, what the plan lacks
// and what Stigg has never heard of look alike: both are absent. So the first refusal with 402 for
// an absent item has Stigg asked whether it exists, once for all requests, and waits for the answer
// within the decision timeout. If it does not, that is a mistake of the app's: 403. While nothing is
// known, what the set says stands.
func (g *Gate) sells(ctx context.Context, q *attempt, d *Decision) {
	if d.Allowed || !d.absent || d.Reason.answer().Status != http.StatusPaymentRequired {
		return
	}
	reader, ok := g.cache.source.(CatalogReader)
	if !ok || d.Origin == OriginFallback || d.Origin == OriginOffline {
		return
	}
	missing, c := q.Item, d.Customer
	answer, ask := g.exists.Look(missing)
	if ask {
		pending := g.exists.Ask(missing, func(ctx context.Context) (bool, error) {
			_, err := find(ctx, reader, missing, c)
			if errors.Is(err, unknown(missing)) {
				return false, nil
			}
			return err == nil, err
		})
		if answer == existence.Unknown && pending != nil && !q.shadow && g.cache.Await(ctx, pending, &q.waits, false) == nil {
			answer, _ = g.exists.Look(missing)
		}
	}
	if answer == existence.No {
		q.Result = admission.Result{Item: missing, Name: q.Name, Absent: true}
		d.tell(&q.Result)
		d.deny(ReasonFeatureNotFound, unknown(missing))
	}
}
