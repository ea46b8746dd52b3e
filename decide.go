package gate

import (
	"cmp"
	"errors"
	"math"
	"net/http"

	"github.com/stiggate/gate/internal/ledger"
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
	d.FeatureID, d.FeatureName = p.feature, p.feature
	a, err := p.ask(q.request)
	if err != nil {
		d.deny(ReasonBadRequest, err)
		return false
	}
	if a.mode == modeAsks || a.mode == modeUses {
		d.Requested, d.HasRequested = a.amount, true
	}
	r := q.found.Value.rights[p.feature]
	if d.Reason = lookup(q.found.Value.set.Denied, r != nil); d.Reason != "" {
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
		if a.dimensions, err = p.event.dimensions(q.request, p.feature); err != nil {
			d.deny(ReasonBadRequest, err)
			return false
		}
		v = q.meter(p, r, a, d)
	}
	if v.reason == "" && r.CreditRate != nil && r.CreditRate.Formula && !r.Granted && a.mode != modeIncluded {
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

// meter is rows 8 to 10 on the feature's account and, if it costs credits, on the
// wallet's. If the ticket holds, both hold or neither.
func (q *admission) meter(p *Policy, r *right, a ask, d *Decision) verdict {
	if a.mode == modeHas {
		a.amount = 1
		d.Requested, d.HasRequested = 1, true
	}
	asked := ledger.Ask{Limit: r.limit(), Amount: a.amount, Own: q.ticket.holding(r.meter.Account)}
	if a.mode == modeFrees || a.mode == modeIncluded {
		asked.Limit.Unlimited, asked.Amount = true, 0
	}
	hold := q.ticket != nil && (a.mode == modeUses || a.mode == modeFrees)
	units := q.ask(r.meter, asked, hold)
	d.meter(units, r.Limit, !r.Unlimited)
	v := room(units.Answer, ReasonLimitExceeded)
	if units.Refuses() {
		return v
	}
	var held ledger.Hold
	if hold {
		held = r.meter.Hold(units, q.now)
	}
	if w := q.pay(r, a, &held, hold); w.reason != "" {
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
	h := hold{Hold: held, right: r, asked: a.amount, use: a.amount}
	if a.mode == modeFrees {
		h.use, h.frees = -a.amount, true
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
	if a.mode == modeHas {
		a.amount = 1
	}
	d.Requested, d.HasRequested = a.amount, true
	r := q.found.Value.wallets[p.feature]
	if r == nil {
		d.Reason = cmp.Or(q.found.Value.set.Denied, ReasonInsufficientCredits)
		return false
	}
	if r.credit.DisplayName != "" {
		d.FeatureName = r.credit.DisplayName
	}
	if d.Reason = r.credit.admits(); d.Reason != "" {
		return false
	}
	hold := q.ticket != nil && a.mode == modeUses
	answer := q.ask(r.meter, q.askWallet(r.credit, r.meter.Account, a.amount), hold)
	d.meter(answer, r.credit.Limit, !math.IsInf(r.credit.Limit, 1))
	v := room(answer.Answer, ReasonInsufficientCredits)
	d.Reason, d.OverLimit = v.reason, v.over
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
	return ledger.Ask{Limit: c.limit(), Amount: credits, Own: q.ticket.holding(wallet), Unpriced: unpriced, UnpricedAcked: acked}
}

// pay asks the wallet of a feature that costs credits.
func (q *admission) pay(r *right, a ask, held *ledger.Hold, hold bool) verdict {
	if r.CreditRate == nil || r.CreditRate.Formula || a.mode == modeFrees || a.mode == modeIncluded {
		return verdict{}
	}
	if r.credit == nil {
		return verdict{reason: ReasonInsufficientCredits}
	}
	if reason := r.credit.admits(); reason != "" {
		return verdict{reason: reason}
	}
	wallet := r.meter.Wallet
	answer := q.ask(wallet.Meter(), q.askWallet(r.credit, wallet, a.amount*r.meter.Price), hold)
	if hold {
		held.Pay(answer)
	}
	return room(answer.Answer, ReasonInsufficientCredits)
}
