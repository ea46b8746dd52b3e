package ledger

import "time"

// history is the acknowledged usage that is not surely in all of a frontier: what is
// observed next may lack it. It is kept as sums, of which the oldest are merged where there
// are many, so that an account costs the same after any number of acknowledgements.
type history []acknowledged

// acknowledged is the sums of some usages, of which the last was acknowledged at last.
type acknowledged struct {
	first, last Tick
	stamp       stamp
	used, freed float64
	later       bool
}

// mostAcknowledged bounds a history.
const mostAcknowledged = 32

// add adds a usage. Up to boundary nothing was begun of which an observation may come: what
// was acknowledged since is one sum.
func (h history) add(u *usage, boundary Tick) history {
	a := acknowledged{u.first, u.last, u.stamp, max(0, u.amount), max(0, -u.amount), u.later}
	if n := len(h); n > 0 {
		p := &h[n-1]
		if p.later == a.later && (!p.later && p.last > boundary || p.later && a.last < p.last+Tick(time.Second)) {
			p.merge(a)
			return h
		}
		if n == mostAcknowledged {
			h[1].merge(h[0])
			h = h[:copy(h, h[1:])]
		}
	}
	return append(h, a)
}

func (a *acknowledged) merge(b acknowledged) {
	a.first, a.last, a.stamp = min(a.first, b.first), max(a.last, b.last), a.stamp.around(b.stamp)
	a.used, a.freed, a.later = a.used+b.used, a.freed+b.freed, a.later || b.later
}

// in reports whether all of it is surely in o.
func (a *acknowledged) in(o *observation) bool {
	return a.last < o.lo || a.first <= o.hi && a.stamp.before(o.stamp)
}

// addTo takes into an observation that has just arrived what it may lack.
func (h history) addTo(o *observation) {
	for i := range h {
		if a := &h[i]; !a.in(o) {
			o.used += a.used
			o.doubt(a.used+a.freed, a.last)
		}
	}
}

// prune drops what is in all of a frontier: an observation that is later than one of them
// has it too, and one that is earlier says less than they.
func (h history) prune(f frontier) history {
	kept := h[:0]
	for i := range h {
		for j := range f {
			if !h[i].in(&f[j]) {
				kept = append(kept, h[i])
				break
			}
		}
	}
	return kept
}

// departures is usage that has left for Stigg and is not acknowledged: it is perhaps in what
// was observed since it first left. Usages between the same two observations are one sum.
type departures []departed

type departed struct {
	first, last Tick // of what first left
	used, freed float64
	count       int
}

// mostDeparted bounds departures.
const mostDeparted = 32

// add adds a usage that first left at a tick; observed is when the newest observation
// arrived.
func (d departures) add(first Tick, amount float64, observed Tick) departures {
	i := len(d) - 1
	for i > 0 && d[i].first > first {
		i--
	}
	if i < 0 || i == len(d)-1 && d[i].last < first && d[i].first <= observed {
		if len(d) == mostDeparted {
			d[1].merge(d[0])
			d = d[:copy(d, d[1:])]
		}
		i = len(d)
		d = append(d, departed{first: first})
	}
	d[i].merge(departed{first, first, max(0, amount), max(0, -amount), 1})
	return d
}

func (s *departed) merge(t departed) {
	s.first, s.last = min(s.first, t.first), max(s.last, t.last)
	s.used, s.freed, s.count = s.used+t.used, s.freed+t.freed, s.count+t.count
}

// remove takes out what was added.
func (d departures) remove(first Tick, amount float64) departures {
	for i := len(d) - 1; i >= 0; i-- {
		if s := &d[i]; s.first <= first {
			s.used -= max(0, amount)
			s.freed -= max(0, -amount)
			if s.count--; s.count == 0 {
				d = append(d[:i], d[i+1:]...)
			}
			break
		}
	}
	return d
}

// perhaps is how much of it may be in an observation that arrived at hi.
func (d departures) perhaps(hi Tick) (used float64) {
	for i := range d {
		if d[i].first <= hi {
			used += d[i].used
		}
	}
	return used
}

// freed is what of it gives back.
func (d departures) freed() (freed float64) {
	for i := range d {
		freed += d[i].freed
	}
	return freed
}
