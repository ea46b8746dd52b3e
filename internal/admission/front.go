package admission

import (
	"math"
	"slices"

	"github.com/stiggate/gate/internal/ledger"
)

// A request may pass several gates, and two of them may use the same of a customer: a table for the
// whole router, and a policy at the route. That is used once, and as much of it as the gate that
// asks for most:
//
//   - What the gates in front hold of an account counts as this request's own: it is asked for no
//     more than what is missing, so that nothing is refused for its sake.
//   - What is missing is held, so it is within the limit, and goes into the hold of the gate in
//     front when the request is let in. That hold is settled or released once, as the gate in front
//     says; until then this one's may be undone without it.

// front is a gate in front that holds, and what this one holds together with it.
type front struct {
	holds *Holds
	joint []joint // of what this gate was let in with
}

// joint is a hold of this gate, while it is admitted, and the one in front that it is to become a
// part of.
type joint struct {
	at      int // in the list of this gate; once joined it is there no more
	holds   *Holds
	into    int     // in its list
	missing float64 // what this gate asked for beyond
}

// ahead is what the gates in front hold for a request, of one account.
type ahead struct {
	asked float64 // what they asked for
	joint *joint  // where it is held; nil if no gate in front does, or what it used is settled
	used  bool    // a gate in front uses it, or frees it
}

// ahead looks what the gates in front use of a right, or free.
func (q *Request) ahead(r *Right, frees bool) (a ahead) {
	for f := q.Front; f != nil; f = f.behind() {
		f.mu.Lock()
		for i := range f.list {
			h := &f.list[i]
			if h.frees != frees || f.done && !f.reported || h.Right.IsWallet != r.IsWallet || f.rights.account(h.Right) != q.Rights.account(r) {
				continue
			}
			a.used = true
			a.asked += h.asked
			if !f.done && a.joint == nil {
				a.joint = &joint{holds: f, into: i}
			}
		}
		f.mu.Unlock()
	}
	return a
}

// missing is what is to be asked for beyond what the gates in front hold.
func (a ahead) missing(amount float64) float64 { return max(0, amount-a.asked) }

// own is what the request holds of an account: by this gate and by those in front.
func (q *Request) own(account *ledger.Account) float64 {
	if account == nil || q.Holds == nil && q.beside == nil && q.Front == nil {
		return 0
	}
	amount := q.Holds.of(account) + q.beside.of(account)
	for f := q.Front; f != nil; f = f.behind() {
		f.mu.Lock()
		if f.holds() {
			amount += f.of(account)
		}
		f.mu.Unlock()
	}
	return amount
}

func (t *Holds) behind() *Holds {
	if f := t.front(); f != nil {
		return f.holds
	}
	return nil
}

// Join makes what this gate holds together with one in front a part of that one's hold, now that the
// request is let in, and returns the rights that both use. What can't be joined, since the period
// has ended between them or the work in front is settled, this gate reports by itself.
func (t *Holds) Join() (both []*Right) {
	f := t.front()
	if f == nil {
		return nil
	}
	all := f.joint
	f.joint = nil
	for _, j := range slices.Backward(all) { // from the end: what is joined leaves the list
		h := &t.list[j.at]
		both = append(both, h.Right)
		switch {
		case j.holds == nil: // it is settled
			h.Use = math.Copysign(j.missing, h.Use)
			continue
		case !j.holds.take(j.into, h):
			if !j.holds.released() {
				h.Use = math.Copysign(j.missing, h.Use)
			}
			continue
		}
		t.list = append(t.list[:j.at], t.list[j.at+1:]...)
		f.joint = append(f.joint, j)
	}
	return both
}

// take adds a hold to one of these, which then asked for as much as it.
func (t *Holds) take(at int, more *Hold) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := &t.list[at]
	if t.done || !h.Join(&more.Hold) {
		return false
	}
	if h.asked = max(h.asked, more.asked); !h.set {
		h.Use = math.Copysign(h.asked, more.Use)
	}
	return true
}

// released reports whether what was held is given back.
func (t *Holds) released() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.done && !t.reported
}

// joined is where the single item is held that this request uses together with a gate in front, and
// its first hold there; nil if this one holds it. It is an error if there are several items.
func (t *Holds) joined() (to *Holds, at int, err error) {
	if !t.Shares() {
		return nil, 0, nil
	}
	if len(t.front().joint)+len(t.list) > 1 {
		return nil, 0, ErrAmbiguousUse
	}
	return t.front().joint[0].holds, t.front().joint[0].into, nil
}

// jointAmount is what is held together with a gate in front.
func (t *Holds) jointAmount() (n float64) {
	if !t.Shares() {
		return 0
	}
	for _, j := range t.front().joint {
		j.holds.mu.Lock()
		if j.holds.holds() {
			for _, h := range j.holds.same(j.into) {
				n += h.Amount()
			}
		}
		j.holds.mu.Unlock()
	}
	return n
}

// Shares reports whether a gate in front holds some of what this request was let in with.
func (t *Holds) Shares() bool {
	f := t.front()
	return f != nil && len(f.joint) > 0
}
