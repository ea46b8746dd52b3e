// Package fleet is what one replica has of each account that all replicas share: the units in hand,
// one call of the store at a time, renewals in proportion to activity, recalls, and what is granted
// while the store is gone. It knows the store by package fleet of the root alone, and the ledger by its
// Share.
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
	heirs                 []string    // the dead whose heir the store is to be told, the next one first
	last                  fleet.Grant // the last answer that was used
	scarce                bool        // so little is left that nothing is kept in hand
}

// Period is what the replica has in one usage period of an account.
type Period struct {
	start, end    int64 // in ms; 0 without
	named         bool
	held, settled float64
	delayed       float64 // acknowledged, and counted by Stigg later
}

func (p *Period) sum() float64 { return p.held + p.settled + p.delayed }

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
	b.periods = slices.DeleteFunc(b.periods, func(q *Period) bool { return q != p && q.sum() == 0 })
	b.spare = 0
	b.validUntil, b.validWall = time.Time{}, 0
	b.count, b.hint = fleet.Count{}, fleet.Count{}
	b.blindConfirmed = b.blind // what was acknowledged belongs to the other period
}

// Correct gives a period other bounds: those that Stigg names.
func (*Book) Correct(p *Period, start, end int64) {
	p.start, p.end, p.named = start, end, true
}

// Valid reports whether the lease may be spent.
func (b *Book) Valid(now time.Time) bool {
	return now.Before(b.validUntil) && now.UnixNano() < b.validWall
}

// Take holds an amount, or as much of it as the lease has, if that is no less than the least. It
// returns what is held; 0 if nothing is.
func (b *Book) Take(p *Period, amount, least float64, now time.Time) float64 {
	if p != b.current {
		b.Use(p) // it goes on
	}
	if b.spare < least || !b.Valid(now) {
		return 0
	}
	amount = min(amount, b.spare)
	b.spare -= amount
	p.held += amount
	return amount
}

// Has says what is held and settled in a period from now on, of which an amount came back that was held
// and not used.
func (b *Book) Has(p *Period, held, settled, back float64) {
	p.held, p.settled = held, settled
	if p == b.current {
		b.spare += back
	}
}

// Blind adds usage that Stigg has acknowledged without a count.
func (b *Book) Blind(p *Period, used float64) {
	if p == b.current {
		b.blind += used
	}
}

// Adopt names a dead replica all of whose usage that waits for Stigg is settled here from now on. The
// store is told one name with each call.
func (b *Book) Adopt(name string) { b.heirs = append(b.heirs, name) }

// Adopts reports whether there are names to be told.
func (b *Book) Adopts() bool { return len(b.heirs) > 0 }

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
			have += p.sum()
			settled += p.settled + p.delayed
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
func (b *Book) Prepare(need, least, want, limit float64, keep bool, now time.Time) Call {
	if !keep || !b.Valid(now) {
		b.spare = 0
	}
	have, settled := b.Have()
	c := Call{at: now, period: b.current, State: fleet.State{
		Account: b.account, Replica: b.replica, N: b.next(), Confirmed: b.confirmed, Known: b.known,
		Have: have, Spare: b.spare, Settled: settled, Blind: b.blind, BlindConfirmed: b.blindConfirmed,
		Need: need, Least: least, Want: max(need, want), Limit: limit,
		Start: b.current.start, End: b.current.end, Named: b.current.named, Count: b.count, Hint: b.hint,
	}}
	b.count, b.hint = fleet.Count{}, fleet.Count{}
	if b.Adopts() {
		c.Heir = b.heirs[0]
	}
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
	if c.Heir != "" {
		b.heirs = b.heirs[1:]
	}
	if g.Dropped {
		b.spare = 0
	}
	b.spare += g.Units
	b.validUntil = c.at.Add(g.Valid)
	b.validWall = b.validUntil.UnixNano()
	b.scarce = c.Limit > 0 && c.Limit-(g.Base+g.Plus+g.Out) < 2*float64(g.Replicas)
	return true
}

// again has the counts of a call told again.
func (b *Book) again(c Call) {
	if c.Count.Told {
		b.Count(c.period, c.Count.Used, c.Count.Since)
	}
	if c.Hint.Told {
		b.Hint(c.period, c.Hint.Used)
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

// Sums are what is held and what is settled in the period.
func (p *Period) Sums() (held, settled float64) { return p.held, p.settled }

// Scarce reports whether so little was left that nothing is kept in hand.
func (b *Book) Scarce() bool { return b.scarce }

// Made is when the call was made.
func (c *Call) Made() time.Time { return c.at }
