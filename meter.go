package gate

import (
	"cmp"
	"math"
	"time"
)

// meter is rows 8 to 10 on the feature's account and, if it costs credits, on the
// wallet's. If the ticket holds, both hold or neither.
func (q *admission) meter(p *Policy, r *right, a ask, d *Decision) verdict {
	if a.mode == modeHas {
		a.amount = 1
		d.Requested, d.HasRequested = 1, true
	}
	hold := q.ticket != nil && (a.mode == modeUses || a.mode == modeFrees)
	a.own = q.ticket.holding(r.account)
	h := p.hold(r, a)
	t := r.account.take(q.now, r.cycle(), h.held, hold, func(s standing) verdict { return r.room(s, a) })
	d.Metered, d.Usage, d.ResetsAt = true, t.used+t.unacked, t.end
	d.Limit, d.HasLimit = r.Limit, !r.Unlimited
	d.held, d.since = t.held, t.start
	if t.reason != "" {
		q.refused(t)
		return t.verdict
	}
	h.begin(q.now, t)
	if w := q.pay(r, a, &h, hold); w.reason != "" {
		if hold {
			h.use, h.creditPeriod = 0, nil
			h.settle()
		}
		return w
	}
	if hold {
		q.ticket.holds = append(q.ticket.holds, h)
		d.held += h.held
	}
	return t.verdict
}

// refused notes what may be different if the request is judged again.
func (q *admission) refused(t taking) {
	q.outdated = q.outdated || t.ripe
	if t.wait != nil {
		q.doubted = t.wait
	}
}

// hold is what a request of this kind holds and means to report.
func (p *Policy) hold(r *right, a ask) hold {
	switch a.mode {
	case modeUses:
		return hold{right: r, held: a.amount, asked: a.amount, use: a.amount, bills: p.bills, event: p.event, dimensions: a.dimensions}
	case modeFrees:
		return hold{right: r, asked: a.amount, use: -a.amount, frees: true}
	default:
		return hold{right: r}
	}
}

// begin notes where and when the amount was taken.
func (h *hold) begin(now time.Time, t taking) {
	h.period, h.createdAt = t.period, now
	if now.Before(t.start) {
		h.createdAt = t.start // rolled by a later clock reading
	}
}

// credits answers a policy for a wallet itself.
func (g *Gate) credits(q *admission, p *Policy, d *Decision) bool {
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
	r := q.snap.wallets[p.feature]
	if r == nil {
		d.Reason = cmp.Or(q.snap.set.Denied, ReasonInsufficientCredits)
		return false
	}
	if r.credit.DisplayName != "" {
		d.FeatureName = r.credit.DisplayName
	}
	if d.Reason = r.credit.admits(); d.Reason != "" {
		return false
	}
	hold := q.ticket != nil && a.mode == modeUses
	own, owed := q.ticket.holding(r.account), q.snap.owed(r.account)
	t := r.account.take(q.now, cycle{}, a.amount, hold, func(s standing) verdict {
		s.unacked += owed
		return r.credit.room(s, a.amount, own)
	})
	d.Metered, d.Usage, d.ResetsAt = true, t.used+t.unacked, t.end
	d.Limit, d.HasLimit = r.credit.Limit, !math.IsInf(r.credit.Limit, 1)
	d.held, d.since = t.held, t.start
	d.Reason, d.OverLimit = t.reason, t.over
	if t.reason != "" {
		q.refused(t)
		return false
	}
	if hold {
		h := p.hold(r, a)
		h.begin(q.now, t)
		q.ticket.holds = append(q.ticket.holds, h)
		d.held += h.held
	}
	return true
}

// pay asks the wallet of a feature that costs credits.
func (q *admission) pay(r *right, a ask, h *hold, hold bool) verdict {
	if r.CreditRate == nil || r.CreditRate.Formula || a.mode == modeFrees {
		return verdict{}
	}
	if r.credit == nil {
		return verdict{reason: ReasonInsufficientCredits}
	}
	if reason := r.credit.admits(); reason != "" {
		return verdict{reason: reason}
	}
	price := a.amount * r.CreditRate.Amount
	own, owed := q.ticket.holding(r.wallet), q.snap.owed(r.wallet)
	t := r.wallet.take(q.now, cycle{}, price, hold, func(s standing) verdict {
		s.unacked += owed
		return r.credit.room(s, price, own)
	})
	if t.reason != "" {
		q.refused(t)
	} else if hold {
		h.credits, h.creditPeriod = price, t.period
	}
	return t.verdict
}
