package conformance

import (
	"errors"
	"slices"

	"github.com/stiggate/gate/fleet"
)

// This file is how a replica of a fleetWorld calls the store, and what holds at every call.

// send begins a call, unless one is under way.
func (w *fleetWorld) send(r *simReplica, need float64, keep bool) {
	if r.busy != nil {
		return
	}
	w.enter(r)
	want := need
	if need > 0 && w.rng.IntN(2) == 0 {
		want += float64(w.rng.IntN(40))
	}
	c := &simCall{call: r.book.Prepare(need, 0, want, w.limit, keep, w.clock.now()), need: need, others: r.others[r.period], period: r.period}
	r.others[r.period] = 0
	r.busy = c
	runs := w.delay()
	w.in(runs, nil, func() { w.run(r, c, true) })
	w.in(runs+w.delay(), r, func() { w.reply(r, c) })
	w.in(fleet.MaxCallTime.Milliseconds()+1, r, func() { w.reply(r, c) })
}

// run has a call reach the store: the first time, or repeated by the network.
func (w *fleetWorld) run(r *simReplica, c *simCall, first bool) {
	if first {
		c.ran = true
		if w.rng.IntN(20) == 0 {
			w.in(w.rng.Int64N(20_000), nil, func() { w.run(r, c, false) })
		}
		if r.cut && w.rng.IntN(2) == 0 {
			c.grant.Err = errLost
			return
		}
	}
	state := c.call.State
	grants, err := w.store.Sync(w.t.Context(), []fleet.State{state})
	if err != nil || len(grants) != 1 || grants[0].Err != nil {
		w.fail("the store: %v, %+v", err, grants)
	}
	g := grants[0]
	w.calls++
	if g.Lost {
		w.losses++
	}
	w.note("%s n=%d period %d have %v spare %v settled %v need %v count %v hint %v: %+v", r.name, state.N, c.period, state.Have, state.Spare, state.Settled, c.need, state.Count, state.Hint, g)
	if g.Code == fleet.Over && w.may.periods && w.now() < state.End {
		w.fail("a period is said to be over that is not")
	}
	if g.Code == fleet.Stale || g.Code == fleet.Early || g.Code == fleet.Over {
		if first {
			c.grant = g
		}
		return
	}
	s := w.of(c.period)
	s.known = max(s.known, c.others)
	if r.period == c.period {
		r.heard, r.forfeited = w.now(), false
	}
	if first {
		c.grant = g
		if g.Units > 0 && !c.ended {
			w.granted = append(w.granted, &simGrant{r, g.Units, c.period, c.call.Made().UnixMilli() + w.timing.Valid.Milliseconds()})
		}
	}
	sum := w.total(c.period)
	if counted := g.Base + g.Plus + g.Out; !w.lost && sum > counted+w.slack+1e-9 {
		w.fail("the store counts %v + %v + %v; %v are used or may be, %v were silent for too long", g.Base, g.Plus, g.Out, sum, w.slack)
	}
	switch {
	case !first:
	case g.Units > 0:
		w.grants++
		if over := sum - state.Limit; over > 1e-9 {
			w.over = max(w.over, over)
			if over > w.slack+1e-9 {
				w.fail("%v were granted: %v of %v are out, and %v may be too many", g.Units, sum, state.Limit, w.slack)
			}
		}
	case c.need > 0:
		w.refusals++
	}
}

var errLost = errors.New("the call was lost")

// reply has the replica hear the answer, or give up.
func (w *fleetWorld) reply(r *simReplica, c *simCall) {
	if c.ended {
		return
	}
	c.ended = true
	r.busy = nil
	w.granted = slices.DeleteFunc(w.granted, func(g *simGrant) bool { return g.owner == r })
	g := c.grant
	if !c.ran || r.cut {
		g = fleet.Grant{Err: errLost}
	}
	if !r.book.Apply(c.call, g, w.clock.now()) {
		r.others[c.period] = max(r.others[c.period], c.others)
	}
	if c.need > 0 && c.period == r.period {
		w.take(r, c.need)
	}
}

func (w *fleetWorld) take(r *simReplica, amount float64) bool {
	if r.book.Take(r.periods[r.period], amount, amount, w.clock.now()) == 0 {
		return false
	}
	r.holds = append(r.holds, simHold{amount, r.period})
	return true
}

// change changes what is held and settled in a period; some of it comes back.
func (r *simReplica) change(period int, held, settled, back float64) {
	p := r.periods[period]
	h, s := p.Sums()
	r.book.Has(p, h+held, s+settled, back)
}
