package ledger

import (
	"slices"
	"time"
)

// period is one usage period of an account; one that never ends has a zero end. A
// hold keeps the period it was taken in.
type period struct {
	start, end time.Time
	// provisional is true for a period that our own clock opened, until Stigg names one.
	provisional bool

	held, unacked float64
	frontier      frontier
	first         [1]observation // where the frontier begins
	// holds and waits count what is held and what waits, which in waits may give back: with none left
	// the sum is exactly 0, since floats drift.
	holds, waits int

	acknowledged history
	departed     departures
	// freed is what was given back and has not left yet; nobody waits for it later than
	// freedUntil.
	freed      float64
	freedUntil time.Time
	// lease is the period's side of the account's Share, nil until something was taken of it.
	lease Lease
}

func newPeriod(start, end time.Time, provisional bool) *period {
	p := &period{start: start, end: end, provisional: provisional}
	p.frontier = p.first[:]
	return p
}

func (p *period) hold(amount float64) {
	p.held += amount
	p.holds++
	p.tell(0)
}

// settle ends a hold: what was used of it waits.
func (p *period) settle(held, used float64) {
	p.held -= held
	if p.holds--; p.holds == 0 {
		p.held = 0
	}
	p.wait(used)
	p.tell(max(0, held-max(0, used)))
}

// wait puts settled usage into unacked.
func (p *period) wait(amount float64) {
	if amount != 0 {
		p.unacked += max(0, amount)
		p.waits++
	}
}

// answered takes it out again.
func (p *period) answered(amount float64) {
	if amount == 0 {
		return
	}
	p.unacked -= max(0, amount)
	if p.waits--; p.waits == 0 {
		p.unacked = 0
	}
}

// freedWait is how long a refusal is in doubt for what was given back and has not left:
// reports leave sooner, unless they fail.
const freedWait = 5 * time.Second

// free notes usage that was given back.
func (p *period) free(amount float64, now time.Time) {
	if !now.Before(p.freedUntil) {
		p.freed = 0
	}
	p.freed += amount
	p.freedUntil = now.Add(freedWait)
}

// leaves notes that a usage leaves for the first time, at a tick.
func (p *period) leaves(first Tick, amount float64) {
	p.freed = max(0, p.freed-max(0, -amount))
	p.departed = p.departed.add(first, amount, p.frontier.hi())
}

// stays takes that back.
func (p *period) stays(first Tick, amount float64) {
	p.departed = p.departed.remove(first, amount)
}

// out makes a period the slot of usage that was admitted in it.
func (p *period) out() *period { return p }

// is reports whether a count is of the period.
func (p *period) is(r Count) bool { return p.start.Equal(r.Start) && p.end.Equal(r.End) }

// roll opens the period that now falls in once the current one is over. A period that our
// clock opened and that lies in the future now ends: the clock was ahead. Call it under the
// lock.
func (a *Account) roll(now time.Time, c Cycle) {
	p := a.current
	if p == nil {
		p = newPeriod(time.Time{}, time.Time{}, true)
		a.current = p
	}
	if p.provisional && now.Before(p.start) {
		if a.previous() != nil && now.Before(a.previous().end) {
			a.goBack()
		} else if start, end, ok := c.after(p.start, now); ok && start.Before(p.start) {
			a.open(start, end)
		}
		return
	}
	if p.end.IsZero() || now.Before(p.end) {
		return
	}
	if start, end, ok := c.after(p.end, now); ok {
		a.open(start, end)
	}
}

// open begins a provisional period. Call it under the lock.
func (a *Account) open(start, end time.Time) {
	p := a.current
	a.current = newPeriod(start, end, true)
	for i, q := range a.opened() {
		if q.is(Count{0, start, end}) && (!q.start.Before(p.end) || !p.start.Before(q.end)) {
			a.current = q // our clock was here before
			a.rare().opened = slices.Delete(a.opened(), i, i+1)
			break
		}
	}
	if a.keep(p); !p.provisional {
		a.rare().previous = p
	}
	a.lookAhead()
	a.reassign()
}

// goBack makes the previous period the present one again: it goes on. What is held or waits
// in the one that our clock opened was made later, so it counts too. Call it under the lock.
func (a *Account) goBack() {
	p := a.current
	a.current, a.rare().previous = a.previous(), nil
	a.keep(p)
	a.lookAhead()
	a.reassign()
}

// lookAhead takes into the present period what was acknowledged of those ahead of it. Call
// it under the lock.
func (a *Account) lookAhead() {
	p := a.current
	for _, q := range a.opened() {
		if !a.isAhead(q) {
			continue
		}
		for i := range p.frontier {
			q.acknowledged.addTo(&p.frontier[i])
		}
		for _, o := range q.frontier {
			if o.hi != 0 {
				o.lo, o.stamp, o.from = 0, stamp{}, pushed
				for _, u := range q.acknowledged {
					o.doubt(u.used, u.last)
				}
				a.observeIn(p, o)
			}
		}
	}
}

// noPrevious forgets the previous period: it does not go on. Call it under the lock.
func (a *Account) noPrevious() {
	if a.seldom != nil {
		a.seldom.previous = nil
	}
}

// mostOpened bounds the periods that are kept only since our clock opened them.
const mostOpened = 8

// keep keeps a period that our clock opened and that is not the present one any more. Call
// it under the lock.
func (a *Account) keep(p *period) {
	s := a.rare()
	s.opened = slices.DeleteFunc(s.opened, func(q *period) bool {
		return q.idle() && !slices.ContainsFunc(s.totals, func(r *recorded) bool { return r.period == q })
	})
	if p.provisional {
		s.opened = append(s.opened, p)
	}
	if len(s.opened) > mostOpened {
		s.opened = slices.Delete(s.opened, 0, 1)
	}
}

// isAhead reports whether a period was opened by our clock too early. Call it under the
// lock.
func (a *Account) isAhead(p *period) bool {
	return p.start.After(a.current.start) && slices.Contains(a.opened(), p)
}

// mayCount reports whether what is in a period may count in the present one. Call it under the lock.
func (a *Account) mayCount(p *period) bool { return p == a.current || a.isAhead(p) }

func (p *period) same(q *period) bool { return p == q }

// idle reports whether nothing is held or waits in the period, and nothing is known of it.
func (p *period) idle() bool {
	return p.holds+p.waits+len(p.departed)+len(p.acknowledged) == 0 && p.frontier.hi() == 0
}

// place finds the period that a count is of; nil if it is none that matters. Our clock opens
// periods provisionally: a count of any other period that is not over ends such a one,
// whatever the dates. Call it under the lock, after roll.
func (a *Account) place(r Count, now time.Time, c Cycle) *period {
	if !r.End.IsZero() && !now.Before(r.End) {
		// Stigg names a period that is over until it is used again.
		if start, end, ok := c.after(r.End, now); ok {
			return a.placeOver(r, start, end)
		}
	}
	p := a.current
	switch {
	case p.is(r):
		if p.provisional {
			p.name(r.Start, r.End)
		}
	case !p.end.IsZero() && !r.Start.Before(p.end):
		a.current = newPeriod(r.Start, r.End, false)
		a.noPrevious()
		a.lookAhead()
		a.reassign()
	case p.provisional && a.previous() != nil && r.Start.Before(a.previous().end):
		a.goBack()
		a.correct(r)
	case p.provisional:
		a.noPrevious()
		a.correct(r)
	case !r.End.IsZero() && !r.End.After(p.start):
		return a.named(r)
	}
	return a.current
}

// name gives a period the bounds that Stigg names.
func (p *period) name(start, end time.Time) {
	p.start, p.end, p.provisional = start, end, false
	if p.lease != nil {
		p.lease.Correct(start, end)
	}
}

// named returns the period of a count among those that are not the present one, or nil.
// Call it under the lock.
func (a *Account) named(r Count) *period {
	if q := a.previous(); q != nil && q.is(r) {
		return q
	}
	for _, q := range a.opened() {
		if q.is(r) {
			return q
		}
	}
	return nil
}

// placeOver is place of a count whose period is over, and another one has begun at start.
func (a *Account) placeOver(r Count, start, end time.Time) *period {
	if p := a.current; p.provisional && p.end.IsZero() {
		p.start, p.end = start, end
		a.reassign()
		a.reopen()
		return nil
	}
	return a.named(r)
}

// correct gives the present period the bounds that Stigg names. Call it under the lock.
func (a *Account) correct(r Count) {
	p := a.current
	begins := !p.start.Equal(r.Start)
	if begins || p.provisional || !p.end.Equal(r.End) {
		p.name(r.Start, r.End)
	}
	if begins {
		a.reassign()
	}
}

// observe takes in an observation of the period that a count names. It is false if more is
// used by what else is known. Call it under the lock, after roll.
func (a *Account) observe(o observation, r Count, now time.Time, c Cycle) bool {
	p := a.place(r, now, c)
	if p == nil {
		return false
	}
	stands := a.observeIn(p, o)
	if len(p.frontier) == 1 && stands && p == a.current {
		a.correct(r)
	}
	return stands && p.is(r)
}

// observeIn is observe of a period that is known. One of a period that our clock opened too
// early may be of the present one: there it replaces nothing.
func (a *Account) observeIn(p *period, o observation) bool {
	if a.isAhead(p) {
		v := o
		v.lo, v.stamp, v.from = 0, stamp{}, pushed
		a.observeIn(a.current, v)
	}
	p.learn(&o)
	p.acknowledged.addTo(&o)
	if p == a.current {
		for _, q := range a.opened() {
			if a.isAhead(q) {
				q.acknowledged.addTo(&o)
			}
		}
	}
	var newest bool
	if p.frontier, newest = p.frontier.observe(o); newest {
		p.acknowledged = p.acknowledged.prune(p.frontier)
	}
	return !newest || o.used == p.frontier.used()
}

// of is the period of usage made at a time: the present one, one that may be again, or one
// that counts nowhere.
func (a *Account) of(made time.Time) *period {
	p := a.current
	for _, q := range a.opened() {
		apart := !q.start.Before(p.end) || !p.start.Before(q.end)
		if apart && !made.Before(q.start) && made.Before(q.end) {
			return q
		}
	}
	if !made.Before(p.start) {
		return p
	}
	if q := a.previous(); q != nil && !made.Before(q.start) && made.Before(q.end) {
		return q
	}
	s := a.rare()
	if s.past == nil || !s.past.end.Equal(p.start) {
		s.past = newPeriod(time.Time{}, p.start, true)
	}
	return s.past
}

// reassign takes recorded usage to where it belongs now that the present period is
// another. Call it under the lock.
func (a *Account) reassign() {
	for _, r := range a.recorded() {
		if p := a.of(r.made); p != r.period {
			r.moveTo(p)
		}
	}
}
