package conformance

import (
	"math"

	"github.com/stiggate/gate/fleet"
)

// This file is the end of a schedule: all comes to rest, and what must hold then.

// quiet has everybody come back and all arrive.
func (w *fleetWorld) quiet() {
	for range 20_000 {
		w.clock.ms.Add(7)
		busy := len(w.events)
		for _, r := range w.replicas {
			r.cut, r.cutUntil = false, 0
		}
		w.deliver()
		for _, r := range w.replicas {
			switch {
			case r.dead:
				continue
			case r.pausedUntil > w.now():
				busy++
				continue
			}
			for len(r.holds) > 0 {
				w.end(r, true)
			}
			for len(r.settled) > 0 {
				w.report(r)
				busy++
			}
		}
		if busy == 0 {
			return
		}
	}
	w.fail("it does not become quiet")
}

// finish asserts what holds when all is quiet.
func (w *fleetWorld) finish() {
	w.quiet()
	if w.may.periods {
		return // what was granted around the edges was judged
	}
	for range 3 { // all is told, the dead are found dead, a count frees what they had
		w.tellAll()
		w.clock.ms.Add(w.timing.Reclaim.Milliseconds() + w.timing.Owe.Milliseconds() + 10)
	}
	w.tellAll()
	var last fleet.Grant
	for _, r := range w.replicas {
		if g := r.book.Last(); !r.dead && g.Now.Epoch != "" && g.Now.Clock >= last.Now.Clock {
			last = g
		}
	}
	count := w.of(0).count
	if last.Out != 0 || last.Spare != 0 || last.Replicas != 0 {
		w.fail("all is quiet, and %v are out, %v of it to spare, at %d replicas", last.Out, last.Spare, last.Replicas)
	}
	if math.Abs(last.Base+last.Plus-count) > 1e-9 {
		w.fail("all is quiet, and the store counts %v + %v, Stigg %v", last.Base, last.Plus, count)
	}
	w.newcomer(w.limit - count)
}

// tellAll has each replica tell its state, one of them a count of Stigg's, and each its state again.
func (w *fleetWorld) tellAll() {
	round := func() {
		for _, r := range w.replicas {
			if !r.dead {
				w.call(r, 0, false)
			}
		}
	}
	round()
	for _, r := range w.replicas {
		if !r.dead {
			r.book.Count(r.periods[r.period], w.of(r.period).count, r.book.Note())
			r.others[r.period] = max(r.others[r.period], w.of(r.period).others)
			break
		}
	}
	round()
}

// call makes a call and waits for its end.
func (w *fleetWorld) call(r *simReplica, need float64, keep bool) fleet.Grant {
	w.send(r, need, keep)
	c := r.busy
	for r.busy != nil { // at most as long as a call may take
		w.clock.ms.Add(3)
		w.deliver()
	}
	return c.grant
}

// newcomer asserts that one more replica is granted exactly what is left, one by one.
func (w *fleetWorld) newcomer(left float64) {
	r := w.start()
	got := 0.0
	for range int(2*w.limit) + 100 {
		g := w.call(r, 1, true)
		if len(r.holds) > 0 {
			got++
			r.holds = nil
		} else if g.Code == fleet.Exceeded || g.Code == fleet.Pending {
			break
		}
	}
	if got != max(0, left) {
		w.fail("%v are left, one more replica is granted %v", left, got)
	}
}
