package conformance

import (
	"slices"
)

// This file is the requests of a fleetWorld, and how Stigg comes to count what they use.

// admit is a request.
func (w *fleetWorld) admit(r *simReplica) {
	w.enter(r)
	if n := float64(1 + w.rng.IntN(3)); !w.take(r, n) {
		w.send(r, n, true)
	}
}

// end is the end of a request.
func (w *fleetWorld) end(r *simReplica, settle bool) {
	if len(r.holds) == 0 {
		return
	}
	i := w.rng.IntN(len(r.holds))
	h := r.holds[i]
	r.holds = slices.Delete(r.holds, i, i+1)
	used := 0.0
	if settle {
		used = h.amount
		if w.rng.IntN(4) == 0 {
			used = float64(1 + w.rng.IntN(int(h.amount)))
		}
	}
	r.change(h.period, -h.amount, used, h.amount-used)
	if used > 0 {
		w.queue(r, used, h.period)
	}
}

func (w *fleetWorld) queue(r *simReplica, amount float64, period int) {
	u := &simUsage{amount: amount, period: period, owner: r}
	w.usages = append(w.usages, u)
	r.settled = append(r.settled, u)
}

// report sends what waits longest to Stigg.
func (w *fleetWorld) report(r *simReplica) {
	if len(r.settled) == 0 {
		return
	}
	u := r.settled[0]
	r.settled = r.settled[1:]
	u.since = r.book.Note()
	u.flights++
	lost := w.rng.IntN(8) == 0 // its answer
	w.in(w.delay(), nil, func() {
		u.flights--
		s := w.of(u.period)
		if !u.counted {
			u.counted = true
			s.count += u.amount
			w.push(u.period)
		}
		count, others := s.count, s.others
		switch {
		case u.owner != r: // an heir reports it
		case lost:
			w.in(0, r, func() { r.settled = append(r.settled, u) })
		default:
			w.in(w.delay(), r, func() { w.acknowledge(r, u, count, others) })
		}
	})
}

// push has Stigg tell what it counts now to some.
func (w *fleetWorld) push(period int) {
	s := w.of(period)
	count, others := s.count, s.others
	for _, r := range w.replicas {
		if w.rng.IntN(3) == 0 {
			continue
		}
		w.in(w.delay()*3, r, func() {
			if p := r.periods[period]; p != nil && r.period == period {
				r.book.Hint(p, count)
				r.others[period] = max(r.others[period], others)
			}
		})
	}
}

func (w *fleetWorld) acknowledge(r *simReplica, u *simUsage, count, others float64) {
	p := r.periods[u.period]
	u.acked = true
	r.change(u.period, 0, -max(0, u.amount), 0)
	if w.may.blind && u.amount > 0 && w.rng.IntN(3) == 0 {
		r.book.Blind(p, u.amount)
		return
	}
	r.book.Count(p, count, u.since)
	if r.period == u.period {
		r.others[u.period] = max(r.others[u.period], others)
	}
}

// read asks Stigg.
func (w *fleetWorld) read(r *simReplica) {
	p, period, since := w.enter(r), r.period, r.book.Note()
	s := w.of(period)
	count, others := s.count, s.others
	w.in(w.delay()*4, r, func() {
		if r.period == period {
			r.book.Count(p, count, since)
			r.others[period] = max(r.others[period], others)
		}
	})
}
