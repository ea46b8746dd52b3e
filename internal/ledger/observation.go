package ledger

import "time"

// An observation is Stigg's count of one account at one instant, which we know by bounds
// only. It was taken after lo and before hi, at which it arrived, and may have Stigg's own
// time of it, its stamp:
//
//	                          lo                          hi
//	a read                    when it began               when it arrived
//	an acknowledgement        when its usage first left   when it arrived
//	a push, or a pushed set   Margin before hi, or        when it arrived
//	                          before its own time
//	a total that we set       when it first left          when it was acknowledged
//
// Stigg counts each of our usages at one instant, once: after it first left (first) and
// before its acknowledgement was here (last). So it surely is in an observation, or surely
// is not, or perhaps it is (has, lacks).
//
// What is used by an observation is its count, and every acknowledged usage of ours that is
// not surely in it; what gives back is taken off only if it surely is not. The account adds
// what waits for its acknowledgement. Of two observations the surely later one replaces the
// other (after). Where no order is sure both stay, and the one by which more is used counts:
// too much is never let in. What it may be too high by, excess tells.
type observation struct {
	// used is Stigg's count, with what of our acknowledged usage is not surely in it; by
	// excess at most less is used.
	used, excess float64
	lo, hi       Tick
	stamp        stamp
	// due and settled bound when what is in excess is surely counted: a read that begins
	// after due has some of it, and one after settled all.
	due, settled Tick
	from         origin
}

// origin is how an observation came: a lease is told differently.
type origin uint8

const (
	asked    origin = iota
	pushed          // nobody asked for it
	answered        // with an acknowledgement, which tells the lease
)

// usage is one usage of ours, once Stigg has acknowledged it.
type usage struct {
	amount      float64
	first, last Tick
	stamp       stamp
	// maybe: it was refused after an attempt of which nobody knows what Stigg did.
	maybe bool
	// later: it is acknowledged before it is counted.
	later bool
}

// stamp is Stigg's time of a count, in milliseconds, between from and to: more than one
// only where observations were merged. The clocks of Stigg's servers differ, so it is
// trusted beyond Margin only; in one batch by its place there. The zero stamp is none.
type stamp struct {
	from, to int64
	batch    uint64
	place    int
}

func stampOf(at time.Time) (s stamp) {
	if !at.IsZero() {
		s.from = at.UnixMilli()
		s.to = s.from
	}
	return s
}

// before reports whether s is surely not after t.
func (s stamp) before(t stamp) bool {
	if s.batch != 0 && s.batch == t.batch {
		return s.place <= t.place
	}
	return s.from != 0 && t.from != 0 && s.to+Margin.Milliseconds() < t.from
}

// around is a stamp of which no more is sure than of both.
func (s stamp) around(t stamp) stamp {
	switch {
	case s.batch == 0 || s.batch != t.batch:
		s.batch, s.place = 0, 0
	default:
		s.place = max(s.place, t.place)
	}
	if s.from == 0 || t.from == 0 {
		s.from, s.to = 0, 0
		return s
	}
	s.from, s.to = min(s.from, t.from), max(s.to, t.to)
	return s
}

// after reports whether o was surely taken after p. Our own order comes before Stigg's
// times.
func (o *observation) after(p *observation) bool {
	return p.hi < o.lo || o.hi >= p.lo && p.stamp.before(o.stamp)
}

// has reports whether u is surely in o: it was acknowledged before, or by o itself.
func (o *observation) has(u *usage) bool {
	return u.last < o.lo || u.last == o.hi && u.first == o.lo && !u.later || u.first <= o.hi && u.stamp.before(o.stamp)
}

// lacks reports whether u is surely not in o.
func (o *observation) lacks(u *usage) bool {
	return o.hi < u.first || u.stamp.batch != 0 && u.stamp.batch == o.stamp.batch && u.stamp.place > o.stamp.place
}

// add takes in a usage that was acknowledged after o arrived. Its place in o does not change
// any more.
func (o *observation) add(u *usage) {
	switch {
	case o.has(u) || u.amount == 0:
	case o.lacks(u) && !u.maybe && (u.amount > 0 || !u.later):
		o.used += u.amount
		if floor := min(o.used-u.amount, 0); o.used < floor { // Stigg may count so far down, or not
			o.doubt(floor-o.used, u.last)
			o.used = floor
		}
	default:
		o.used += max(0, u.amount)
		o.doubt(max(u.amount, -u.amount), u.last)
	}
}

// doubt notes that less may be used, and when that is settled.
func (o *observation) doubt(amount float64, settled Tick) {
	if amount <= 0 {
		return
	}
	if o.excess == 0 {
		o.due = settled
	}
	o.excess += amount
	o.due, o.settled = min(o.due, settled), max(o.settled, settled)
}

// least is the least that is used by o, but for what waits for its acknowledgement.
func (o *observation) least() float64 { return o.used - o.excess }

// merge returns an observation no lower than either and as wide as both.
func (o observation) merge(p observation) observation {
	least := min(o.least(), p.least())
	m := observation{lo: min(o.lo, p.lo), hi: max(o.hi, p.hi), stamp: o.stamp.around(p.stamp), used: max(o.used, p.used)}
	m.stamp.batch, m.stamp.place = 0, 0
	m.doubt(m.used-least, max(o.hi, p.hi, o.settled, p.settled))
	m.due = min(m.due, o.hi, p.hi)
	return m
}

// mostObservations bounds a frontier.
const mostObservations = 4

// frontier is the observations of one period of which none is surely later than another.
// It is never empty: a period begins with 0, before all that happens.
type frontier []observation

// used is what is used: too much rather than too little.
func (f frontier) used() float64 {
	used := f[0].used
	for i := 1; i < len(f); i++ {
		used = max(used, f[i].used)
	}
	return used
}

// hi is when the newest of them arrived.
func (f frontier) hi() Tick {
	hi := f[0].hi
	for i := 1; i < len(f); i++ {
		hi = max(hi, f[i].hi)
	}
	return hi
}

// readable reports whether a read that begins now would tell more. Where more and more is
// counted later than it is acknowledged, it is so once a second.
func (f frontier) readable(now Tick) bool {
	if len(f) > 1 {
		return true
	}
	o := &f[0]
	return o.excess > 0 && (o.settled < now || o.due+Tick(time.Second) < now)
}

// observe takes in o, unless a surely later observation is known; then it is false.
func (f frontier) observe(o observation) (frontier, bool) {
	for i := range f {
		if f[i].after(&o) {
			return f, false
		}
	}
	kept := f[:0]
	for i := range f {
		if !o.after(&f[i]) {
			kept = append(kept, f[i])
		}
	}
	if kept = append(kept, o); len(kept) > mostObservations {
		kept[1] = kept[0].merge(kept[1])
		kept = kept[:copy(kept, kept[1:])]
	}
	return kept, true
}
