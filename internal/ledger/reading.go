package ledger

import (
	"slices"
	"sync/atomic"
	"time"
)

// Most customers have much of which they use little, so an account is made at its first use. Until
// then what Stigg said of it waits in a Counter of the book's last Reading.
//
// What holds: of each account that Stigg named there is either an Account in the book, and then no
// Counter waits for it, or the surely latest count in a Counter of the last Reading. The Account made
// of that has it as its observation, with the bounds of when it was taken. A count that is not surely
// later than the one that waits, or is of an earlier period, finds the Account made.

// Counter is what Stigg said is used of one account, and the account once there is one.
type Counter struct {
	account atomic.Pointer[Account]
	used    float64
}

// NewCounter is a Counter of what is used.
func NewCounter(used float64) (c Counter) { return Counter{used: used} }

// Raise makes it no less than another one of the same account.
func (c *Counter) Raise(o *Counter) { c.used = max(c.used, o.used) }

// Span is how an account's periods follow each other, and the one that a Counter is of: zero where
// Stigg left it out.
type Span struct {
	Cycle
	Start, End time.Time
}

// Readings are the Counters of what Stigg said of a book at once, each of a feature's account or a
// wallet's.
type Readings interface {
	Each(f func(wallet bool, id string, c *Counter, s *Span))
	// Counter is the one of an account; nil without one.
	Counter(wallet bool, id string) (*Counter, *Span)
}

// Account is the account of a Counter; nil if nobody has used it so far.
func (b *Book) Account(c *Counter, wallet bool, id string) *Account {
	if a := c.account.Load(); a == nil || a.book != nil {
		return a
	}
	return b.Make(c, wallet, id)
}

// Make is Account, and makes it.
func (b *Book) Make(c *Counter, wallet bool, id string) *Account {
	a := c.account.Load()
	if a == nil || a.book == nil {
		a = b.account(key{wallet, id})
		c.account.Store(a) // where another one waits
	}
	return a
}

// Forward has a Counter tell that its account, if there is one, is known by the book alone.
func (b *Book) Forward(c *Counter) { c.account.CompareAndSwap(nil, &b.ledger.elsewhere) }

// Present is Account.Present where there is no account yet.
func (c *Counter) Present(now time.Time, s *Span) (present Statement) {
	c.state(&present, now, s)
	return present
}

func (c *Counter) state(to *Statement, now time.Time, s *Span) {
	to.Used, to.Start, to.End = c.used, s.Start, s.End
	if !s.End.IsZero() && !now.Before(s.End) {
		if start, end, ok := s.after(s.End, now); ok {
			to.Used, to.Start, to.End = 0, start, end
		}
	}
	to.agreed, to.least = to.Used, to.Used
}

// Check is Account.Check where there is no account yet. It is false, and r is to be made zero, unless
// the amount is granted: an account tells more.
func (c *Counter) Check(r *Admission, now time.Time, s *Span, q *Ask) bool {
	c.state(&r.Statement, now, s)
	r.Answer, r.Amount = q.answer(&r.Balance), q.Amount
	return !r.Refuses()
}

// Read applies a read of Stigg that began at a tick (Begin). Where the answer may lag, be of a time
// before it was asked for, give the tick Before the lag.
func (b *Book) Read(began Tick, all Readings, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.learn(all, began, func(_ bool, before *Counter, later bool) bool { return before == nil || later },
		func(a *Account, _ bool, r Count, c Cycle) { a.Read(began, r, now, c) })
}

// Replace applies a set that nobody asked for and that is so old at most. Of wallets it may tell
// nothing. It is false if more is used by what else is known, and no order is sure: a read would tell.
func (b *Book) Replace(age time.Duration, all Readings, wallets bool, now time.Time) (sure bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	sure = true
	b.learn(all, b.Tick().Before(Margin+max(0, age)), func(wallet bool, _ *Counter, later bool) bool { return later && (wallets || !wallet) },
		func(a *Account, wallet bool, r Count, c Cycle) {
			if wallets || !wallet {
				sure = a.Replace(r, age, now, c) && sure
			}
		})
	return sure
}

// learn makes Readings the book's last. Each count waits in its Counter if waits says so of the one
// before, and of whether it is surely later than that; tell is told of the others, whose accounts there
// are then. Call it under the lock.
func (b *Book) learn(all Readings, lo Tick, waits func(wallet bool, before *Counter, later bool) bool, tell func(a *Account, wallet bool, r Count, c Cycle)) {
	last, hi := b.last, b.Tick()
	all.Each(func(wallet bool, id string, c *Counter, s *Span) {
		k := key{wallet, id}
		i, found := b.search(k)
		if !found {
			waiting, span := b.waiting(k)
			if waits(wallet, waiting, waiting != nil && b.hi < lo && span.before(s)) {
				return
			}
			b.open(i, k)
		}
		c.account.Store(b.accounts[i])
		tell(b.accounts[i], wallet, Count{c.used, s.Start, s.End}, s.Cycle)
	})
	if last != nil {
		last.Each(func(wallet bool, id string, c *Counter, _ *Span) {
			if of, _ := all.Counter(wallet, id); of == nil {
				b.find(key{wallet, id}) // Stigg may name it again
			}
			b.Forward(c)
		})
	}
	b.last, b.lo, b.hi = all, lo, hi
}

// before reports whether t is the same period or a later one.
func (s *Span) before(t *Span) bool {
	return s.Start.Equal(t.Start) && s.End.Equal(t.End) || !s.End.IsZero() && !t.Start.Before(s.End)
}

// waiting is the Counter of an account that there is not, and its period; nil if Stigg said nothing of
// it. Call it under the lock.
func (b *Book) waiting(k key) (*Counter, *Span) {
	if b.last == nil {
		return nil, nil
	}
	return b.last.Counter(k.wallet, k.id)
}

// open makes an account at its place, of the count that waits for it. Call it under the lock.
func (b *Book) open(i int, k key) {
	a := &Account{book: b, id: k.id, wallet: k.wallet}
	if c, s := b.waiting(k); c != nil {
		a.mu.Lock() // nobody else has it; the rule is kept all the same
		a.current = newPeriod(s.Start, s.End, false)
		a.observeIn(a.current, observation{lo: b.lo, hi: b.hi, used: c.used})
		a.mu.Unlock()
		c.account.Store(a)
	}
	b.accounts = slices.Insert(b.accounts, i, a)
}
