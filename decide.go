package gate

import (
	"cmp"
	"errors"
	"math"
	"net/http"

	"github.com/stiggate/gate/internal/ledger"
	"github.com/stiggate/gate/internal/rules"
)

// evaluate answers a policy; d tells of the feature that decided.
func (q *admission) evaluate(p *Policy, d *Decision) bool {
	switch p.kind {
	case kindAll:
		for i := range p.parts {
			if !q.evaluate(&p.parts[i], d) {
				return false
			}
		}
		return true
	case kindAny:
		return q.evaluateAny(p, d)
	case kindCredits:
		return q.credits(p, d)
	default:
		return q.feature(p, d)
	}
}

func (q *admission) evaluateAny(p *Policy, d *Decision) bool {
	before, taken, outdated, doubted := *d, q.ticket.taken(), q.outdated, q.doubted
	var refusal Decision
	for i := range p.parts {
		*d = before
		inDoubt := q.doubted != nil
		if q.evaluate(&p.parts[i], d) {
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
func (q *admission) feature(p *Policy, d *Decision) bool {
	*d = d.anew()
	d.FeatureID, d.FeatureName = p.feature, cmp.Or(p.name, p.feature)
	a, err := p.ask(q.request)
	if err != nil {
		d.deny(ReasonBadRequest, err)
		return false
	}
	if a.Mode == rules.Asks || a.Mode == rules.Uses {
		d.Requested, d.HasRequested = a.Amount, true
	}
	r := q.found.Value.rights[p.feature]
	if d.Reason = Reason(rules.Lookup(string(q.found.Value.set.Denied), r != nil)); d.Reason != "" {
		d.absent = item{id: p.feature}
		return false
	}
	d.FeatureName = cmp.Or(p.name, r.DisplayName, p.feature)
	terms := r.terms()
	v, metered := terms.Judge(a.Ask)
	if r.Kind == Configuration && !r.Unlimited {
		d.Limit, d.HasLimit = r.Limit, true
	}
	if metered {
		if a.dimensions, err = p.event.dimensions(q.request, p.feature); err != nil {
			d.deny(ReasonBadRequest, err)
			return false
		}
		v = q.meter(p, r, a, d)
	}
	if v.Reason == "" && r.CreditRate != nil && r.CreditRate.Formula && !r.Granted && a.Mode != rules.Has {
		v.Reason = rules.InsufficientCredits // only Stigg can evaluate a formula
	}
	if v.Reason == rules.ValueNotAllowed {
		d.AllowedValues = r.Values
	}
	d.Reason, d.never, d.OverLimit = Reason(v.Reason), v.Never, v.Over
	return v.Reason == ""
}

// ask is one question: to the table, and what goes with the report.
type ask struct {
	rules.Ask
	dimensions map[string]any // of the event to report
}

// ask fills in what the request tells.
func (p *Policy) ask(r *http.Request) (ask, error) {
	a := ask{Ask: rules.Ask{Mode: p.mode, Amount: p.amount, Values: p.values}}
	if p.amountOf == nil && p.valuesOf == nil {
		return a, nil
	}
	if r == nil {
		return a, errors.New("the policy needs a request to tell its amount or values")
	}
	var err error
	if p.valuesOf != nil {
		a.Values, err = p.valuesOf(r)
		return a, err
	}
	if a.Amount, err = p.amountOf(r); err == nil {
		err = checkAmount(a.Amount)
	}
	if err == nil && a.Amount > 0 && a.Amount < leastAmount {
		err = &AmountError{"is too small to be counted"}
	}
	return a, err
}

// leastAmount is the least that a request may ask for beside 0: a sum of usage can lose what is
// smaller, which would be free for ever at a used-up limit.
const leastAmount = 1e-6

// meter is rows 8 to 10 on the feature's account and, if it costs credits, on the
// wallet's. If the ticket holds, both hold or neither.
func (q *admission) meter(p *Policy, r *right, a ask, d *Decision) rules.Verdict {
	if a.Mode == rules.Available {
		a.Amount = 1
		d.Requested, d.HasRequested = 1, true
	}
	asked := ledger.Ask{Limit: ledger.Limit{Max: r.Limit, Unlimited: r.Unlimited, Soft: r.SoftLimit}, Amount: a.Amount, Own: q.ticket.holding(r.meter.Account)}
	if a.Mode == rules.Frees || a.Mode == rules.Has {
		asked.Limit.Unlimited, asked.Amount = true, 0
	}
	hold := q.ticket != nil && (a.Mode == rules.Uses || a.Mode == rules.Frees)
	units := q.ask(r.meter, asked, hold)
	d.meter(units, r.Limit, !r.Unlimited)
	d.reset = r.Reset
	v := rules.Room(units.Answer, rules.LimitExceeded)
	if units.Refuses() {
		return v
	}
	var held ledger.Hold
	if hold {
		held = r.meter.Hold(units, q.now)
	}
	if w := q.pay(r, a, &held, hold); w.Reason != "" {
		if hold {
			held.Release()
		}
		return w
	}
	if hold {
		q.ticket.keep(p.hold(r, a, held), d)
	}
	return v
}

// ask asks an account, and notes what may be different if the request is judged again.
func (q *admission) ask(m *ledger.Meter, asked ledger.Ask, hold bool) (answer ledger.Admission) {
	if hold {
		answer = m.Account.Hold(q.now, m.Cycle, asked)
	} else {
		answer = m.Account.Check(q.now, m.Cycle, asked)
	}
	if answer.Refuses() {
		q.outdated = q.outdated || answer.Outdated
		if answer.Wait != nil {
			q.doubted = answer.Wait
		}
	}
	return answer
}

// meter tells of the account that decided.
func (d *Decision) meter(a ledger.Admission, limit float64, limited bool) {
	d.Metered, d.Usage, d.ResetsAt = true, a.Shown, a.End
	d.Limit, d.HasLimit = limit, limited
	d.held, d.since = a.Held, a.Start
}

// keep adds a hold to the ticket.
func (t *Ticket) keep(h hold, d *Decision) {
	t.holds = append(t.holds, h)
	d.held += h.Amount()
}

// hold is what a request of this kind means to report of what is held.
func (p *Policy) hold(r *right, a ask, held ledger.Hold) hold {
	h := hold{Hold: held, right: r, asked: a.Amount, use: a.Amount}
	if a.Mode == rules.Frees {
		h.use, h.frees = -a.Amount, true
		return h
	}
	h.measure, h.event, h.dimensions = p.measure, p.event, a.dimensions
	return h
}

// credits answers a policy for a wallet itself.
func (q *admission) credits(p *Policy, d *Decision) bool {
	*d = d.anew()
	d.FeatureID, d.FeatureName = p.feature, p.feature
	a, err := p.ask(q.request)
	if err != nil {
		d.deny(ReasonBadRequest, err)
		return false
	}
	if a.Mode == rules.Available {
		a.Amount = 1
	}
	d.Requested, d.HasRequested = a.Amount, true
	r := q.found.Value.wallets[p.feature]
	if r == nil {
		d.Reason, d.absent = cmp.Or(q.found.Value.set.Denied, ReasonInsufficientCredits), item{p.feature, true}
		return false
	}
	if r.credit.DisplayName != "" {
		d.FeatureName = r.credit.DisplayName
	}
	if d.Reason = Reason(rules.Wallet(string(r.credit.Denied))); d.Reason != "" {
		return false
	}
	hold := q.ticket != nil && a.Mode == rules.Uses
	answer := q.ask(r.meter, q.askWallet(r.credit, r.meter.Account, a.Amount), hold)
	d.meter(answer, r.credit.Limit, !math.IsInf(r.credit.Limit, 1))
	v := rules.Room(answer.Answer, rules.InsufficientCredits)
	d.Reason, d.OverLimit = Reason(v.Reason), v.Over
	if answer.Refuses() {
		return false
	}
	if hold {
		q.ticket.keep(p.hold(r, a, r.meter.Hold(answer, q.now)), d)
	}
	return true
}

func (q *admission) askWallet(c *Credit, wallet *ledger.Account, credits float64) ledger.Ask {
	unpriced, acked := q.found.Value.unpriced(wallet)
	return ledger.Ask{Limit: ledger.Limit{Max: c.Limit, Soft: c.SoftLimit}, Amount: credits, Own: q.ticket.holding(wallet), Unpriced: unpriced, UnpricedAcked: acked}
}

// pay asks the wallet of a feature that costs credits.
func (q *admission) pay(r *right, a ask, held *ledger.Hold, hold bool) rules.Verdict {
	if r.CreditRate == nil || r.CreditRate.Formula || a.Mode == rules.Frees || a.Mode == rules.Has {
		return rules.Verdict{}
	}
	if r.credit == nil {
		return rules.Verdict{Reason: rules.InsufficientCredits}
	}
	if reason := rules.Wallet(string(r.credit.Denied)); reason != "" {
		return rules.Verdict{Reason: reason}
	}
	wallet := r.meter.Wallet
	answer := q.ask(wallet.Meter(), q.askWallet(r.credit, wallet, a.Amount*r.meter.Price), hold)
	if hold {
		held.Pay(answer)
	}
	return rules.Room(answer.Answer, rules.InsufficientCredits)
}
