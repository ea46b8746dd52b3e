package memory

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/stiggate/gate/fleet"
)

// account is what a store keeps of one account.
type account struct {
	epoch      string
	start, end int64 // of the period; 0 without one
	// clock moves on whenever a count changes something: the clock of fleet.Note.
	clock int64
	// counts are Stigg's counts that may matter: each is lower than the one before it and was told
	// later. There is always one, and the first is the base.
	counts []told
	// plus is what was acknowledged without a count and is perhaps not in the base; plusAt is
	// when it was set. blind is the sum of all that was acknowledged so in this period.
	plus   float64
	plusAt int64
	blind  float64
	// out is the sum of what the replicas have, spare that of what nobody uses, and holders how
	// many have some.
	out, spare float64
	holders    int
	shares     map[string]*share
	// sweep is when the next share may be dead; 0: never.
	sweep int64
	// learning: nothing is granted until then, and until a count comes that was asked for at
	// wanted or later; 0: none is wanted.
	learning, wanted int64
	// dead is how many replicas are dead, and deadAt when the last of them was found so: a count
	// that was asked for later has all that they reported.
	dead   int
	deadAt int64
	// before is what was used or out in the period before this one when it was over, in case
	// it goes on after all.
	before float64
	// recalled is when replicas were last asked to give back.
	recalled int64

	forget int64 // when it is forgotten
}

// told is a count of Stigg's, and when it was told, by the account's clock.
type told struct {
	used float64
	at   int64
}

// share is what one replica has, as it told it last.
type share struct {
	n                    uint64
	have, spare, settled float64
	blind                float64
	deadline             int64
	life                 life
}

// life is what is known of a replica.
type life uint8

const (
	alive life = iota
	dead       // its deadline is over: it counts until a count comes that was asked for later
	owing      // dead, and what it had settled is left, for an heir
)

func (a *account) clone() *account {
	b := *a
	b.counts = slices.Clone(a.counts)
	b.shares = maps.Clone(a.shares)
	for id, s := range b.shares {
		c := *s
		b.shares[id] = &c
	}
	return &b
}

// mostCounts bounds an account's counts.
const mostCounts = 6

// unborn is the birth of a store that was emptied and not used since.
const unborn = -1

// How often replicas are asked to give back, in ms: what nobody uses, and, in case somebody's
// state is old, all.
const (
	recallEvery  = 10
	refreshEvery = 1500
)

// call is one Sync of one account under way. It works on a copy of the account, which is kept if
// the state is taken.
type call struct {
	*fleet.State
	*account
	timing fleet.Timing
	now    int64
	born   int64

	mine    *share // the caller's
	note    fleet.Note
	lost    bool
	dropped bool
	taken   bool
	recalls bool
}

// sync takes the state, and answers.
func (c *call) sync() fleet.Grant {
	if c.account == nil {
		if c.Start > c.now { // that replica's clock is ahead
			c.account = &account{start: c.Start, end: c.End, counts: make([]told, 1)}
			return c.answer(fleet.Early, 0)
		}
		c.open()
	}
	c.findLoss()
	if c.note = c.Count.Since; c.note.Epoch != c.epoch {
		c.note = fleet.Note{}
	}
	if code := c.findPeriod(); code != fleet.OK {
		return c.answer(code, 0)
	}
	if !c.findShare() {
		return c.answer(fleet.Stale, 0)
	}
	c.findDead()
	c.inherit()
	if c.Hint.Told {
		c.keepCount(c.Hint.Used)
	}
	if c.Count.Told {
		c.takeCount(c.Count.Used)
	}
	c.takeBlind()
	c.takeHave()
	code, units := c.grant()
	c.keep(units)
	return c.answer(code, units)
}

// answer is the Grant.
func (c *call) answer(code fleet.Code, units float64) fleet.Grant {
	a := c.account
	return fleet.Grant{
		Code: code, Units: units, Now: fleet.Note{Epoch: a.epoch, Clock: a.clock, Blind: a.blind},
		Base: a.counts[0].used, Plus: a.plus, Out: a.out, Spare: a.spare, Replicas: a.holders,
		Start: a.start, End: a.end, Lost: c.lost, Dropped: c.dropped, Wants: a.dead > 0 || a.wanted > 0,
		Valid: c.timing.Valid, Reclaim: c.timing.Reclaim,
	}
}

// open makes an account. If the store was emptied a moment ago, it was perhaps there before.
func (c *call) open() {
	c.account = &account{start: c.Start, end: c.End, clock: 1, counts: make([]told, 1), shares: make(map[string]*share)}
	c.epoch = c.newEpoch()
	if c.born == unborn {
		c.born = c.now
	}
	if until := c.born + c.timing.Valid.Milliseconds(); c.born > 0 && c.now < until {
		c.learning, c.wanted, c.recalls = until, 1, true
	}
}

// newEpoch names the next epoch, later than the account's and the caller's.
func (c *call) newEpoch() string {
	next := fmt.Sprintf("%016d-%s-%d", c.now, c.Replica, c.N)
	for _, old := range []string{c.epoch, c.Known.Epoch} {
		if next <= old {
			next = old + "."
		}
	}
	return next
}

// findLoss notices that the caller knows more than the store.
func (c *call) findLoss() {
	known := c.Known
	switch mine := c.shares[c.Replica]; {
	case known.Epoch == "":
	case known.Epoch != c.epoch:
		c.lost = true
		if known.Epoch > c.epoch {
			c.epoch, c.learning = c.newEpoch(), 0
		}
		if c.learning == 0 {
			c.learn(c.clock + 1)
		}
	case c.clock < known.Clock || mine != nil && mine.n < c.Confirmed: // the last writes are lost
		c.lost = true
		c.epoch = c.newEpoch()
		c.learn(max(c.clock, known.Clock) + 1)
	}
}

// learn has all replicas tell what they have before anything is granted, and wants a count.
func (c *call) learn(clock int64) {
	c.clock = clock
	c.counts = []told{{c.counts[0].used, clock}}
	c.plusAt, c.wanted = clock, clock
	c.learning = c.now + c.timing.Valid.Milliseconds()
	c.recalls = true
}

// findPeriod compares the caller's period with the account's.
func (c *call) findPeriod() fleet.Code {
	if c.End > 0 && (c.Start != c.start || c.End != c.end) {
		switch {
		case c.end > 0 && c.Start >= c.end:
			if c.now < c.end {
				return fleet.Early
			}
			c.roll()
		case c.end > 0 && c.End <= c.start, c.end > 0 && c.Start < c.start && !c.Named:
			return fleet.Over
		case c.end > 0 && c.Start < c.start:
			c.reopen()
		case c.end == 0 || c.Named: // Stigg's correction of the same period
			c.start, c.end = c.Start, c.End
		}
	}
	if c.end > 0 && c.now >= c.end {
		return fleet.Over
	}
	return fleet.OK
}

// roll begins the caller's period. Periods share nothing.
func (c *call) roll() {
	c.before = c.counts[0].used + c.plus + c.out
	c.start, c.end = c.Start, c.End
	c.plus, c.blind, c.out, c.spare, c.holders, c.sweep, c.dead = 0, 0, 0, 0, 0, 0, 0
	c.shares = make(map[string]*share)
	c.clock++
	c.counts = []told{{0, c.clock}}
	c.plusAt, c.note = c.clock, fleet.Note{}
	c.BlindConfirmed = c.Blind
}

// reopen goes on in the period before: Stigg says that it is not over. What was used and out in
// it, and all since, counts until a count says better.
func (c *call) reopen() {
	c.start, c.end = c.Start, c.End
	c.clock++
	c.counts = []told{{c.before + c.counts[0].used + c.plus, c.clock}}
	c.plus, c.before, c.note = 0, 0, fleet.Note{}
	c.plusAt, c.wanted = c.clock, c.clock
}

// findShare finds what the caller told before. It is false if a later call of it was here.
func (c *call) findShare() bool {
	mine := c.shares[c.Replica]
	if mine == nil {
		c.mine = &share{blind: c.BlindConfirmed}
		c.dropped = c.Spare > 0 && c.Known.Epoch == c.epoch // it was taken for dead and given to others
	} else {
		if c.N <= mine.n {
			return false
		}
		own := *mine
		c.mine = &own
		if own.life == dead {
			c.dead--
		}
		c.dropped = c.Spare > 0 && own.life != alive
		if own.have > 0 {
			c.holders--
		}
	}
	if c.dropped {
		s := *c.State
		s.Have, s.Spare = s.Have-s.Spare, 0
		c.State = &s
	}
	return true
}

// findDead looks for replicas whose deadline is over. It is also when what an heir did not come
// for ends.
func (c *call) findDead() {
	if c.sweep == 0 || c.now < c.sweep {
		return
	}
	c.sweep = 0
	for _, id := range slices.Sorted(maps.Keys(c.shares)) {
		s := c.shares[id]
		switch {
		case id == c.Replica:
		case c.now >= s.deadline && (s.life == owing || s.have == 0):
			c.drop(id)
		case c.now >= s.deadline && s.life == alive:
			c.die(s)
		case s.life != dead:
			c.sweepAt(s.deadline)
		}
	}
}

// die has a replica be dead from now on.
func (c *call) die(s *share) {
	s.life = dead
	c.dead++
	c.clock++
	c.deadAt = c.clock
}

func (c *call) sweepAt(at int64) {
	if c.sweep == 0 || at < c.sweep {
		c.sweep = at
	}
}

// drop forgets a replica's share.
func (c *call) drop(id string) {
	s := c.shares[id]
	delete(c.shares, id)
	c.out -= s.have
	c.spare -= s.spare
	if s.have > 0 {
		c.holders--
	}
}

// inherit has the share of a dead replica end, since all of its usage that waits for Stigg is in the
// caller's. What Stigg acknowledged before the death, and nobody told, no share has then, but a count that
// is asked for from now on: until one comes the share counts. A replica that was heard of a moment ago
// is not dead, whoever says so.
func (c *call) inherit() {
	s := c.shares[c.Heir]
	switch {
	case s == nil || c.Heir == c.Replica:
	case s.life == owing || s.have == 0: // there was such a count
		c.drop(c.Heir)
	case s.life == dead:
		s.settled = 0
	case c.now >= s.deadline-c.timing.Reclaim.Milliseconds()+c.timing.Valid.Milliseconds():
		s.settled = 0
		c.die(s)
	}
}

// keepCount puts a count that is told now among the others.
func (c *call) keepCount(used float64) {
	c.clock++
	for len(c.counts) > 0 && c.counts[len(c.counts)-1].used <= used {
		c.counts = c.counts[:len(c.counts)-1]
	}
	if c.counts = append(c.counts, told{used, c.clock}); len(c.counts) > mostCounts {
		c.counts[mostCounts-2].at = c.counts[mostCounts-1].at // careful: the higher count, told later
		c.counts = append(c.counts[:mostCounts-1], c.counts[mostCounts])
	}
}

// takeCount takes in a count that was asked for when the clock stood at c.note, if that is known.
//
// All that was told by then was in Stigg before it was asked, so the count has it. What was told
// since it may lack: later counts, and what was acknowledged without one. By what is left the base
// is lowered, if that is less.
func (c *call) takeCount(used float64) {
	since := c.note.Clock
	if since == 0 {
		c.keepCount(used)
		return
	}
	more := c.blind - c.note.Blind
	known := 0
	for known < len(c.counts) && c.counts[known].at <= since {
		known++
	}
	rest := 0.0
	if known < len(c.counts) {
		rest = c.counts[known].used
	}
	if known > 0 && max(used, rest)+more < c.counts[0].used+c.plus {
		c.counts = c.counts[known:]
		c.plus = more
		c.clock++
		c.plusAt = c.clock
	} else if since >= c.plusAt {
		c.plus = 0 // it has what was acknowledged, or Stigg counted less since
	}
	c.keepCount(used)
	if c.wanted > 0 && since >= c.wanted {
		c.wanted = 0
	}
	if c.dead > 0 && since >= c.deadAt {
		c.freeDead()
	}
}

// freeDead frees what the dead had: the count has all that they reported. What they had settled
// an heir may still report.
func (c *call) freeDead() {
	for _, id := range slices.Sorted(maps.Keys(c.shares)) {
		s := c.shares[id]
		switch {
		case id == c.Replica || s.life != dead:
		case s.settled == 0:
			c.drop(id)
		default:
			c.out += s.settled - s.have
			c.spare -= s.spare
			s.have, s.spare, s.life = s.settled, 0, owing
			s.deadline = c.now + c.timing.Owe.Milliseconds()
			c.sweepAt(s.deadline)
		}
	}
	c.dead = 0
}

// takeBlind adds what the caller's Stigg has acknowledged without a count since it last told.
func (c *call) takeBlind() {
	if more := c.Blind - c.mine.blind; more > 0 {
		c.blind += more
		c.plus += more
		c.clock++
		c.plusAt = c.clock
	}
}

// takeHave replaces what the caller had by what it has.
func (c *call) takeHave() {
	c.out += c.Have - c.mine.have
	c.spare += c.Spare - c.mine.spare
	if c.holders == 0 {
		c.out, c.spare = c.Have, c.Spare // sums of floats drift
	}
}

// grant answers what is asked for. What is given beyond the need is half of a fair share of the
// room that is left, so leases shrink as room does.
func (c *call) grant() (fleet.Code, float64) {
	base := c.counts[0].used
	room := c.Limit - (base + c.plus + c.out)
	share := math.Floor(room / float64(2*(c.holders+1)))
	learns := c.now < c.learning || c.wanted > 0
	least := c.Need
	if c.Least > 0 {
		least = min(c.Least, c.Need)
	}
	switch {
	case c.Need == 0 && (c.Want == 0 || learns):
		return fleet.OK, 0
	case c.Need == 0:
		return fleet.OK, max(0, min(c.Want, share))
	case learns:
		return fleet.Learning, 0
	case c.fits(c.Need, room):
		return fleet.OK, max(c.Need, min(c.Want, share))
	case c.fits(least, room):
		return fleet.OK, max(least, room)
	case !c.fits(least, c.Limit-base):
		return fleet.Exceeded, 0
	}
	others := c.spare - c.Spare
	code := fleet.Pending
	if c.fits(least, room+others) || c.now >= c.recalled+refreshEvery {
		code = fleet.Recall
		if c.now >= c.recalled+recallEvery {
			c.recalled, c.recalls = c.now, true
		}
	}
	return code, 0
}

// fits compares as people count: 1e-9 of the limit is forgiven, and never more than a thousandth.
func (c *call) fits(amount, room float64) bool {
	return amount <= room || amount-room <= min(1e-3, 1e-9*math.Abs(c.Limit))
}

// keep keeps the state, with what was granted. A share of nothing is kept, too, until its deadline,
// so that an older call can't come back.
func (c *call) keep(units float64) {
	c.taken = true
	have := c.Have + units
	c.out += units
	c.spare += units
	if have > 0 {
		c.holders++
	}
	deadline := c.now + c.timing.Reclaim.Milliseconds()
	c.sweepAt(deadline)
	c.shares[c.Replica] = &share{n: c.N, have: have, spare: c.Spare + units, settled: c.Settled, blind: c.Blind, deadline: deadline}
}
