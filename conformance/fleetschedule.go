package conformance

import "slices"

// This file is what happens in a fleetWorld, step by step, and what goes wrong.

// crash ends a replica. Its usage is lost, or kept in an outbox that an heir has some time later.
func (w *fleetWorld) crash(r *simReplica) {
	if r.busy != nil || len(w.replicas) > 12 {
		return
	}
	r.dead = true
	w.note("%s dies", r.name)
	heir := w.start()
	w.enter(heir)
	kept := w.rng.IntN(2) == 0
	var left []*simUsage
	for _, u := range w.usages {
		// What is not entered yet is that of whoever had the outbox before.
		if (u.owner == r || u.kept && slices.Contains(r.before, u.owner.name)) && !u.acked && u.amount > 0 {
			u.kept = kept
			left = append(left, u)
		}
	}
	if !kept {
		return
	}
	heir.before = append(slices.Clone(r.before), r.name)
	// It starts within the time that the dead one's share is kept.
	heir.pausedUntil = w.now() + w.rng.Int64N(w.timing.Reclaim.Milliseconds()/2)
	w.inherit(heir, left)
}

// inherit has an heir enter what was left, one by one. Once all of it is there the store is told whose that
// was: the dead one's, and that of those before it, whose heir may have died before it had told that.
func (w *fleetWorld) inherit(heir *simReplica, left []*simUsage) {
	if len(left) == 0 {
		for _, name := range heir.before {
			heir.book.Adopt(name)
		}
		return
	}
	w.in(w.rng.Int64N(300), heir, func() {
		u := left[0]
		u.owner = heir
		heir.settled = append(heir.settled, u)
		heir.change(u.period, 0, u.amount, 0)
		w.inherit(heir, left[1:])
	})
}

// renew tells what is out, often enough, and notes who was silent for too long.
func (w *fleetWorld) renew(r *simReplica) {
	have, _ := r.book.Have()
	if r.dead || have == 0 {
		return
	}
	silent := w.now() - r.heard
	switch {
	case r.pausedUntil <= w.now() && silent > 1500 && r.period == w.periodAt(w.now()+r.skew):
		w.send(r, 0, true)
	case silent > w.timing.Reclaim.Milliseconds() && r.heard > 0 && !r.forfeited:
		r.forfeited = true
		held, settled := r.periods[r.period].Sums()
		w.slack += held + settled
		w.note("%s forfeits %v", r.name, held+settled)
	}
}

// step is one step of the schedule.
func (w *fleetWorld) step() {
	w.clock.ms.Add(w.rng.Int64N(12))
	if w.rng.IntN(60) == 0 {
		w.clock.ms.Add(w.rng.Int64N(1500))
	}
	w.deliver()
	var up []*simReplica
	for _, r := range w.replicas {
		if r.cutUntil != 0 && w.now() > r.cutUntil {
			r.cut, r.cutUntil = false, 0
		}
		w.renew(r)
		if !r.dead && r.pausedUntil <= w.now() {
			up = append(up, r)
		}
	}
	if len(up) == 0 {
		w.clock.ms.Add(200)
		return
	}
	w.act(up[w.rng.IntN(len(up))])
}

// act has something happen to a replica.
func (w *fleetWorld) act(r *simReplica) {
	k := w.rng.IntN(100)
	switch {
	case k < 38:
		w.admit(r)
	case k < 55:
		w.end(r, w.rng.IntN(4) > 0)
	case k < 72:
		w.report(r)
	case k < 80:
		w.send(r, 0, w.rng.IntN(2) == 0)
	case k < 82:
		w.read(r)
	case k < 84 && w.may.others:
		s := w.of(w.periodAt(w.now()))
		n := float64(1 + w.rng.IntN(3))
		s.others += n
		s.count += n
	case k < 87 && w.may.backs:
		if s := w.of(r.period); s.count-s.others >= 2 && r.backs < 3 {
			w.queue(r, -1, r.period)
		}
	case k < 88 && w.may.limits:
		w.limit = float64(5 + w.rng.IntN(60))
	default:
		w.harm(r, k)
	}
}

// harm is what goes wrong.
func (w *fleetWorld) harm(r *simReplica, k int) {
	valid, reclaim := w.timing.Valid.Milliseconds(), w.timing.Reclaim.Milliseconds()
	switch {
	case k < 90 && w.may.pauses:
		most := valid
		if w.may.long {
			most = 3 * reclaim
		}
		r.pausedUntil = w.now() + w.rng.Int64N(most)
	case k < 91 && w.may.crashes:
		if w.rng.IntN(3) == 0 {
			w.crash(r)
		}
	case k < 93 && w.may.cuts:
		most := valid
		if w.may.long {
			most = 2 * reclaim
		}
		if r.cut, r.cutUntil = !r.cut, 0; r.cut {
			r.cutUntil = w.now() + w.rng.Int64N(most)
		}
	case k < 94 && w.may.empty && w.rng.IntN(8) == 0:
		w.lose()
		w.suite.Empty(w.store, w.account)
	case k < 94 && w.may.jumps && w.rng.IntN(4) == 0:
		w.jump((w.rng.Int64N(5) - 2) * reclaim)
	case k < 95 && w.may.rollback && w.rng.IntN(4) == 0:
		if w.restore == nil || w.rng.IntN(2) == 0 {
			w.restore = w.suite.Save(w.store, w.account)
			return
		}
		w.lose()
		w.restore()
		w.restore = nil
	}
}

// jump sets the store's clock. Forwards, it takes those for dead that have something out: that may be given to others, until they
// call. Backwards it is careful.
func (w *fleetWorld) jump(ms int64) {
	if ms > 0 {
		w.lose()
	}
	w.clock.jump.Add(ms)
	w.note("the store's clock jumps by %d ms", ms)
}

// lose allows for what is out when the store is lost.
func (w *fleetWorld) lose() {
	sum := 0.0
	for _, r := range w.replicas {
		if !r.dead {
			have, _ := r.book.Have()
			sum += have
		}
	}
	for _, g := range w.granted {
		sum += g.units
	}
	w.slack += sum
	w.lost = true
	w.note("the store may have lost what is out, %v", sum)
}
