package ledger

import "time"

// A refusal is in doubt if the amount would fit into what is used at the least: where
// several observations stand, where acknowledged usage is perhaps in one that stands, or
// usage that has left and is not acknowledged, and where something was given back a moment
// ago. It is Pending then, and never the last word: the acknowledgement that is on its way
// tells more, or a read that begins now. An admission is never in doubt.

// reconsider answers a refusal again by the least that may be used. Call it under the lock.
func (a *Account) reconsider(r *Admission, q *Ask, now time.Time) {
	p := a.current
	least, spread := p.least()
	q.Unpriced -= q.UnpricedAcked
	answer := q.answer(&Balance{Used: a.leastKnown(least, now), Held: r.Held})
	if answer > Pending {
		return
	}
	r.Answer = Pending
	if answer == Pending {
		return // for what is held
	}
	r.Outdated = q.UnpricedAcked > 0 || spread > 0 && p.frontier.readable(a.book.Tick())
	if a.onWay > 0 || p.freed > 0 && now.Before(p.freedUntil) {
		s := a.rare()
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		r.Wait = s.changed
	}
}

// least is the least that may be used of what is acknowledged, less what has left and is
// perhaps counted; and by how much more may be used for other reasons, of which a read would
// tell.
func (p *period) least() (least, spread float64) {
	most := 0.0
	for i := range p.frontier {
		o := &p.frontier[i]
		sure := p.sure(o)
		if i == 0 || sure-o.excess < least {
			least = sure - o.excess
		}
		if i == 0 || sure > most {
			most = sure
		}
	}
	return least, most - least
}

// sure is what is acknowledged by o, less what has left and is perhaps in o.
func (p *period) sure(o *observation) float64 { return o.used - p.departed.perhaps(o.hi) }

// agreed is as little as one observation says, and no less than each says at the least, of what
// is acknowledged; least is that without what has left and is perhaps counted.
func (p *period) agreed() (used, least float64) {
	o := &p.frontier[0]
	used, floor, perhaps := o.used, o.used-o.excess, o.used-p.sure(o)
	for i := 1; i < len(p.frontier); i++ {
		o := &p.frontier[i]
		used, floor, perhaps = min(used, o.used), max(floor, o.used-o.excess), max(perhaps, o.used-p.sure(o))
	}
	used = max(used, floor)
	return used, used - perhaps
}

// leastKnown is the least that may be used, with what waits, given the least of the present
// period. Call it under the lock.
func (a *Account) leastKnown(least float64, now time.Time) float64 {
	p := a.current
	known := least + p.unacked - p.departed.freed()
	if now.Before(p.freedUntil) {
		known -= p.freed
	}
	for _, q := range a.opened() { // Stigg may count all of it in another period
		if a.isAhead(q) {
			known -= q.departed.freed()
		}
	}
	for _, t := range a.totals() {
		switch {
		case !a.mayCount(t.period):
		case t.first != 0 || t.period != p: // perhaps it is set already, or in another period
			known = min(known, t.total.with(p.same))
		default:
			known = max(known, t.total.with(p.same))
		}
	}
	return known
}

// leaves notes that a usage leaves for Stigg; first is when it first did, or 0 if the
// account knows of that.
func (a *Account) leaves(where slot, first Tick, amount float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if first != 0 {
		a.departure = max(a.departure, first)
		where.leaves(first, amount)
	}
	a.onWay++
}

// unsent takes back that a usage has left.
func (a *Account) unsent(where slot, first Tick, amount float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	where.stays(first, amount)
}

// returns notes that it waits for another attempt.
func (a *Account) returns() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.onWay--
}

// notify wakes those who wait.
func (a *Account) notify() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.seldom; s != nil && s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}
