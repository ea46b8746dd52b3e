package admission

import (
	"cmp"
	"errors"
	"math"
	"net/http"
	"time"

	"github.com/stiggate/gate/internal/ledger"
	"github.com/stiggate/gate/internal/rules"
)

// Request is a request that is being admitted.
type Request struct {
	HTTP   *http.Request // nil outside HTTP
	Rights *Rights
	Now    time.Time
	Holds  *Holds // what is granted is held in it; nil if nothing is to be
	Front  *Holds // what a gate in front holds for the same request; nil without one
	beside *Holds // what is to be extended
	Result

	// Outdated is of a refusal in doubt: a read that begins now would tell more.
	Outdated bool
	// Doubted is closed when there is more to know of a refusal in doubt; nil of others.
	Doubted <-chan struct{}
	// Waited is the Doubted of before, where the same request is judged again.
	Waited <-chan struct{}
}

// Result is what was found of the item that decided: of a combined policy the one that was
// refused, or the last one granted. Package gate's Decision documents the fields.
type Result struct {
	Item   Item
	Name   string
	Reason string // empty: granted
	Err    error

	Requested, Usage, Limit float64
	Held                    float64 // by running requests, this one included
	Since, ResetsAt         time.Time
	HasRequested, HasLimit  bool
	Metered, OverLimit      bool
	Absent                  bool // refused because the customer has no right to it
	Never                   bool // it would not fit an unused limit either

	right *Right // nil without one
}

// Terms are those of what is metered, and of no wallet; nil of others.
func (r *Result) Terms() *Terms {
	if r.Metered && !r.right.IsWallet {
		return r.right.Terms
	}
	return nil
}

// Values are those that are allowed, where another one was asked for.
func (r *Result) Values() []string {
	if r.Reason == rules.ValueNotAllowed {
		return r.right.Values.List()
	}
	return nil
}

// Evaluate answers a policy, and tells whether it is granted.
func (q *Request) Evaluate(p *Policy) bool {
	switch p.Kind {
	case All:
		for i := range p.Parts {
			if !q.Evaluate(&p.Parts[i]) {
				return false
			}
		}
		return true
	case Any:
		return q.any(p)
	}
	if q.Item.ID != "" { // of a policy before
		q.Result = Result{}
	}
	q.Item, q.Name = p.Item, cmp.Or(p.Name, p.Item.ID)
	if p.Kind == Credits {
		q.Reason = q.credits(p)
	} else {
		q.Reason = q.feature(p)
	}
	return q.Reason == ""
}

func (q *Request) any(p *Policy) bool {
	taken, outdated, doubted := q.Holds.taken(), q.Outdated, q.Doubted
	var refusal Result
	for i := range p.Parts {
		inDoubt := q.Doubted != nil
		if q.Evaluate(&p.Parts[i]) {
			q.Outdated, q.Doubted = outdated, doubted // of the parts refused: they don't count
			return true
		}
		q.Holds.undo(taken)
		if i == 0 || q.Doubted != nil && !inDoubt {
			refusal = q.Result
		}
	}
	q.Result = refusal
	return false
}

// feature answers a policy for one feature by the decision table; the reason is empty if it is
// granted.
func (q *Request) feature(p *Policy) string {
	var a rules.Ask
	if err := p.read(&a, q.HTTP); err != nil {
		return q.misunderstood(err)
	}
	if a.Mode == rules.Asks || a.Mode == rules.Uses {
		q.Requested, q.HasRequested = a.Amount, true
	}
	r := q.Rights.Feature(p.Item.ID)
	if reason := rules.Lookup(q.Rights.Denied, r != nil); reason != "" {
		q.Absent = true
		return reason
	}
	q.right, q.Name = r, cmp.Or(p.Name, r.Name, p.Item.ID)
	v, metered := r.Judge(a)
	if r.Kind == rules.Configuration && !r.Unlimited {
		q.Limit, q.HasLimit = r.Limit, true
	}
	if metered {
		var dimensions map[string]any
		if p.Event != nil {
			var err error
			if dimensions, err = p.Event.Dimensions(q.HTTP); err != nil {
				return q.misunderstood(err)
			}
		}
		v = q.meter(p, r, a, dimensions)
	}
	if v.Reason == "" && r.Formula && !r.Granted && a.Mode != rules.Has {
		v.Reason = rules.InsufficientCredits // only Stigg can evaluate a formula
	}
	q.Never, q.OverLimit = v.Never, v.Over
	return v.Reason
}

func (q *Request) misunderstood(err error) string {
	q.Err = err
	return rules.BadRequest
}

// read fills in what is asked, by the policy or as the request tells.
func (p *Policy) read(a *rules.Ask, r *http.Request) (err error) {
	a.Mode, a.Amount, a.Values = p.Mode, p.Amount, p.Values
	switch {
	case p.AmountOf == nil && p.ValuesOf == nil:
	case r == nil:
		err = errors.New("the policy needs a request to tell its amount or values")
	case p.ValuesOf != nil:
		a.Values, err = p.ValuesOf(r)
	default:
		a.Amount, err = p.AmountOf(r)
	}
	return err
}

// meter is rows 8 to 10 on the feature's account and, if it costs credits, on the
// wallet's. If the request holds, both hold or neither.
func (q *Request) meter(p *Policy, r *Right, a rules.Ask, dimensions map[string]any) rules.Verdict {
	if a.Mode == rules.Available {
		a.Amount = 1
		q.Requested, q.HasRequested = 1, true
	}
	frees := a.Mode == rules.Frees
	ahead, whole := q.ahead(r, frees), a.Amount
	if !frees {
		a.Amount = ahead.missing(whole)
	}
	var asked ledger.Ask
	asked.Limit.Max, asked.Limit.Unlimited, asked.Limit.Soft = r.Limit, r.Unlimited, r.Soft
	asked.Amount, asked.Own, asked.PerReplica = a.Amount, q.own(q.Rights.account(r)), p.PerReplica
	if frees || a.Mode == rules.Has || ahead.used && a.Amount == 0 {
		asked.Limit.Unlimited, asked.Amount = true, 0
	}
	if p.UpTo {
		asked.Least = min(1, a.Amount)
	}
	hold := q.Holds != nil && a.Mode.Reports()
	var units ledger.Admission
	q.ask(&units, r, &asked, hold)
	if units.Refuses() && p.UpTo && ahead.asked >= min(1, whole) { // what the gate in front holds will do
		asked = ledger.Ask{Limit: ledger.Limit{Unlimited: true}, PerReplica: p.PerReplica}
		units = ledger.Admission{}
		q.ask(&units, r, &asked, hold)
	}
	q.tell(&units, r.Limit, !r.Unlimited)
	v := rules.Room(units.Answer, rules.LimitExceeded)
	if units.Refuses() {
		return v
	}
	var held ledger.Hold
	if hold {
		held = q.Rights.Meter(r).Hold(units, q.Now)
	}
	if p.UpTo {
		a.Amount = units.Amount
	}
	if ahead.used && a.Amount == 0 {
		a.Mode = rules.Has // the gate in front has asked the wallet
	}
	if w := q.pay(p, r, &a, &held, hold); w.Reason != "" {
		if hold {
			held.Release()
		}
		return w
	}
	if hold {
		if p.UpTo {
			whole = ahead.asked + a.Amount
		}
		q.keep(Hold{Hold: held, Right: r, asked: whole}, p, dimensions, ahead)
	}
	return v
}

// keep adds a hold, and what a request of this kind means to report of it.
func (q *Request) keep(h Hold, p *Policy, dimensions map[string]any, ahead ahead) {
	h.upTo, h.perReplica = p.UpTo, p.PerReplica
	if h.Use = h.asked; p.Mode == rules.Frees {
		h.Use, h.frees = -h.asked, true
	} else if p.Measure != nil || p.Event != nil {
		h.report = &report{p.Measure, p.Event, dimensions}
	}
	if f := q.Holds.front(); ahead.used && f != nil {
		j := joint{at: len(q.Holds.list), missing: ahead.missing(h.asked)}
		if ahead.joint != nil {
			j.holds, j.into = ahead.joint.holds, ahead.joint.into
		}
		f.joint = append(f.joint, j)
	}
	q.Holds.list = append(q.Holds.list, h)
	q.Held += h.Amount()
}

// ask asks an account, and notes what may be different if the request is judged again.
func (q *Request) ask(answer *ledger.Admission, r *Right, asked *ledger.Ask, hold bool) {
	asked.Waited = q.Waited
	if !hold && q.Rights.account(r) == nil {
		if r.counter.Check(answer, q.Now, &r.Span, asked) {
			return
		}
		*answer = ledger.Admission{}
	}
	q.Rights.used(r).Ask(answer, q.Now, r.Cycle, asked, hold)
	if answer.Refuses() {
		q.Outdated = q.Outdated || answer.Outdated
		if answer.Wait != nil {
			q.Doubted = answer.Wait
		}
	}
}

// tell tells of the account that decided.
func (q *Request) tell(a *ledger.Admission, limit float64, limited bool) {
	q.Limit, q.HasLimit = limit, limited
	if !limited {
		limit = math.Inf(1)
	}
	q.Metered, q.Usage, q.ResetsAt = true, a.Shown(limit), a.End
	q.Held, q.Since = a.Held, a.Start
}

// credits answers a policy for a wallet itself.
func (q *Request) credits(p *Policy) string {
	var a rules.Ask
	if err := p.read(&a, q.HTTP); err != nil {
		return q.misunderstood(err)
	}
	if a.Mode == rules.Available {
		a.Amount = 1
	}
	q.Requested, q.HasRequested = a.Amount, true
	w := q.Rights.Wallet(p.Item.ID)
	if w == nil {
		q.Absent = true
		return cmp.Or(q.Rights.Denied, rules.InsufficientCredits)
	}
	q.right, q.Name = w, cmp.Or(p.Name, w.Name, p.Item.ID)
	if reason := rules.Wallet(w.Denied); reason != "" {
		return reason
	}
	hold := q.Holds != nil && a.Mode == rules.Uses
	ahead := q.ahead(w, false)
	asked := q.askWallet(p, w, ahead.missing(a.Amount))
	if p.UpTo {
		asked.Least = min(1, asked.Amount)
	}
	asked.Limit.Unlimited = ahead.used && asked.Amount == 0 // the gate in front has asked
	var answer ledger.Admission
	q.ask(&answer, w, &asked, hold)
	q.tell(&answer, w.Limit, !math.IsInf(w.Limit, 1))
	v := rules.Room(answer.Answer, rules.InsufficientCredits)
	q.OverLimit = v.Over
	if hold && !answer.Refuses() {
		if p.UpTo {
			a.Amount = ahead.asked + answer.Amount
		}
		q.keep(Hold{Hold: q.Rights.Meter(w).Hold(answer, q.Now), Right: w, asked: a.Amount}, p, nil, ahead)
	}
	return v.Reason
}

func (q *Request) askWallet(p *Policy, w *Right, credits float64) ledger.Ask {
	unpriced, acked := q.Rights.unpriced(w)
	return ledger.Ask{Limit: ledger.Limit{Max: w.Limit, Soft: w.Soft}, Amount: credits, Own: q.own(q.Rights.account(w)), Unpriced: unpriced, UnpricedAcked: acked, PerReplica: p.PerReplica}
}

// pay asks the wallet of a feature that costs credits. Where what is left will do, the amount
// becomes what the wallet has for it.
func (q *Request) pay(p *Policy, r *Right, a *rules.Ask, held *ledger.Hold, hold bool) rules.Verdict {
	if !r.Priced || r.Formula || a.Mode == rules.Frees || a.Mode == rules.Has {
		return rules.Verdict{}
	}
	w := q.Rights.Wallet(r.Currency)
	if w == nil {
		return rules.Verdict{Reason: rules.InsufficientCredits}
	}
	if reason := rules.Wallet(w.Denied); reason != "" {
		return rules.Verdict{Reason: reason}
	}
	price := r.Price
	asked := q.askWallet(p, w, a.Amount*price)
	if p.UpTo {
		asked.Least = min(1, a.Amount) * price
	}
	whole := asked.Amount
	var answer ledger.Admission
	q.ask(&answer, w, &asked, hold)
	if hold {
		held.Pay(answer)
	}
	if p.UpTo && answer.Amount < whole && !answer.Refuses() {
		if a.Amount = answer.Amount / price; hold {
			held.Shrink(a.Amount)
		}
	}
	return rules.Room(answer.Answer, rules.InsufficientCredits)
}
