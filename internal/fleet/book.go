package fleet

import (
	"slices"
	"time"

	"github.com/stiggate/gate/fleet"
)

// Book is what this replica has of one account, and what it knows of the store's. It makes no
// calls, and is for one goroutine at a time: Share has both.
//
// What the replica has is spare, which no request uses, and in each period what is held for
// requests that run, and what is settled and not acknowledged. It takes from spare alone, and only
// while its lease is valid.
type Book struct {
	account fleet.Account
	replica string
	next    func() uint64 // numbers the process' calls

	current *Period
	periods []*Period // those with something in them, and the current one
	spare   float64
	// validUntil is when the lease ends; validWall the same by the time of day: the clock of time
	// passed stands still while a machine is suspended.
	validUntil time.Time
	validWall  int64

	confirmed             uint64
	known                 fleet.Note
	blind, blindConfirmed float64
	count, hint           fleet.Count // to be told
	heir                  string
	last                  fleet.Grant // the last answer that was used
	scarce                bool        // so little is left that nothing is kept in hand
}

// Period is what the replica has in one usage period of an account.
type Period struct {
	start, end    int64 // in ms; 0 without
	named         bool
	held, settled float64
	// holds and waits count the amounts in held and settled: with none left the sum is exactly
	// 0, since floats drift.
	holds, waits int
}

// NewBook is of an account of which nothing is known. A Period must be opened before anything
// else. next numbers the calls of the whole process, from 1.
func NewBook(account fleet.Account, replica string, next func() uint64) *Book {
	return &Book{account: account, replica: replica, next: next}
}

// Open makes a period the current one. What was to spare in another one is gone.
func (b *Book) Open(start, end int64, named bool) *Period {
	p := &Period{start: start, end: end, named: named}
	b.periods = append(b.periods, p)
	b.Use(p)
	return p
}

// Use makes a period, of Open, the current one again: it goes on.
func (b *Book) Use(p *Period) {
	if p == b.current {
		return
	}
	b.current = p
	if !slices.Contains(b.periods, p) {
		b.periods = append(b.periods, p)
	}
	b.periods = slices.DeleteFunc(b.periods, func(q *Period) bool { return q != p && q.holds+q.waits == 0 })
	b.spare = 0
	b.validUntil, b.validWall = time.Time{}, 0
	b.count, b.hint = fleet.Count{}, fleet.Count{}
	b.blindConfirmed = b.blind // what was acknowledged belongs to the other period
}

// Correct gives a period other bounds: those that Stigg names.
func (b *Book) Correct(p *Period, start, end int64, named bool) {
	p.start, p.end, p.named = start, end, named
}

// Valid reports whether the lease may be spent.
func (b *Book) Valid(now time.Time) bool {
	return now.Before(b.validUntil) && now.UnixNano() < b.validWall
}

// Take holds an amount if the lease has it.
func (b *Book) Take(p *Period, amount float64, now time.Time) bool {
	if p != b.current || b.spare < amount || !b.Valid(now) {
		return false
	}
	b.spare -= amount
	b.hold(p, amount)
	return true
}

// hold holds an amount that the lease need not have: during an outage.
func (b *Book) hold(p *Period, amount float64) {
	p.held += amount
	p.holds++
}

// Settle ends a hold, of which so much was used: what was not is to spare again.
func (b *Book) Settle(p *Period, held, used float64) {
	p.held -= held
	if p.holds--; p.holds == 0 {
		p.held = 0
	}
	b.Record(p, used)
	if rest := held - max(0, used); p == b.current && rest > 0 {
		b.spare += rest
	}
}

// Record adds usage that no hold made room for, and that waits for its acknowledgement.
func (b *Book) Record(p *Period, used float64) {
	if used > 0 {
		p.settled += used
		p.waits++
	}
}

// Adopt adds usage of a dead replica, which this one delivers.
func (b *Book) Adopt(p *Period, replica string, used float64) {
	b.heir = replica
	b.Record(p, used)
}

// Leave ends the wait of settled usage.
func (b *Book) Leave(p *Period, used float64) {
	if used <= 0 {
		return
	}
	p.settled -= used
	if p.waits--; p.waits == 0 {
		p.settled = 0
	}
}

// LeaveBlind ends the wait of usage that Stigg has acknowledged without a count.
func (b *Book) LeaveBlind(p *Period, used float64) {
	b.Leave(p, used)
	if p == b.current && used > 0 {
		b.blind += used
	}
}

// Note is what to know when Stigg is asked something.
func (b *Book) Note() fleet.Note { return b.known }

// Count is one of Stigg's for a period, that was asked for when since was noted. Of several the
// largest is told, as of the earliest question.
func (b *Book) Count(p *Period, used float64, since fleet.Note) {
	switch c := &b.count; {
	case p != b.current:
	case since.Epoch == "":
		b.Hint(p, used)
	case !c.Told:
		*c = fleet.Count{Told: true, Used: used, Since: since}
	default:
		c.Used = max(c.Used, used)
		c.Since = earlier(c.Since, since)
	}
}

// earlier is the note that less is sure by.
func earlier(a, b fleet.Note) fleet.Note {
	switch {
	case a.Epoch != b.Epoch:
		return fleet.Note{}
	case a.Clock < b.Clock:
		return a
	}
	return b
}

// Hint is a count that nobody asked for.
func (b *Book) Hint(p *Period, used float64) {
	if p == b.current && (!b.hint.Told || used > b.hint.Used) {
		b.hint = fleet.Count{Told: true, Used: used}
	}
}

// Have is all that the replica has in the current period, and what of it is settled. What is held
// or waits in a period that lies ahead counts as well: it was opened too early.
func (b *Book) Have() (have, settled float64) {
	have = b.spare
	for _, p := range b.periods {
		if p == b.current || b.current.start != 0 && p.end > b.current.start || p.end == 0 {
			have += p.held + p.settled
			settled += p.settled
		}
	}
	return have, settled
}

// Call is a State on its way.
type Call struct {
	fleet.State
	at     time.Time
	period *Period
}

// Prepare makes the next call. What is to spare is given back unless it is kept, or the lease has
// ended. The calls of a Book are made one after the other.
func (b *Book) Prepare(need, want, limit float64, keep bool, now time.Time) Call {
	if !keep || !b.Valid(now) {
		b.spare = 0
	}
	have, settled := b.Have()
	c := Call{at: now, period: b.current, State: fleet.State{
		Account: b.account, Replica: b.replica, N: b.next(), Confirmed: b.confirmed, Known: b.known,
		Have: have, Spare: b.spare, Settled: settled, Blind: b.blind, BlindConfirmed: b.blindConfirmed, Heir: b.heir,
		Need: need, Want: max(need, want), Limit: limit,
		Start: b.current.start, End: b.current.end, Named: b.current.named, Count: b.count, Hint: b.hint,
	}}
	b.count, b.hint = fleet.Count{}, fleet.Count{}
	return c
}

// Apply takes in the answer to the last call. It is false if the answer came too late or is none:
// then nothing was granted, and what was told will be told again.
func (b *Book) Apply(c Call, g fleet.Grant, now time.Time) bool {
	if g.Err != nil || since(c.at, now) > fleet.MaxCallTime || g.Code == fleet.Stale || c.period != b.current {
		b.again(c)
		return false
	}
	b.last = g
	if g.Code == fleet.Early || g.Code == fleet.Over {
		b.again(c)
		return true
	}
	b.confirmed, b.known, b.blindConfirmed = c.N, g.Now, c.Blind
	if b.heir == c.Heir {
		b.heir = ""
	}
	if g.Dropped {
		b.spare = 0
	}
	b.spare += g.Units
	b.validUntil = c.at.Add(g.Valid)
	b.validWall = b.validUntil.UnixNano()
	b.scarce = c.Limit-(g.Base+g.Plus+g.Out) < 2*float64(g.Replicas)
	return true
}

// again has the counts of a call told again.
func (b *Book) again(c Call) {
	if c.State.Count.Told {
		b.Count(c.period, c.State.Count.Used, c.State.Count.Since)
	}
	if c.State.Hint.Told {
		b.Hint(c.period, c.State.Hint.Used)
	}
}

// Last is the last answer that was used.
func (b *Book) Last() fleet.Grant { return b.last }

// since is how long ago a time was, by the clock that says more.
func since(at, now time.Time) time.Duration {
	return max(now.Sub(at), now.Round(0).Sub(at.Round(0)))
}

// Spare is what the lease has left; what is left of one that has ended is nobody's.
func (b *Book) Spare(now time.Time) float64 {
	if !b.Valid(now) {
		return 0
	}
	return b.spare
}

// Has is what is held and what is settled in the period.
func (p *Period) Has() (held, settled float64) { return p.held, p.settled }

// Scarce reports whether so little was left that nothing is kept in hand.
func (b *Book) Scarce() bool { return b.scarce }

// Made is when the call was made.
func (c *Call) Made() time.Time { return c.at }
