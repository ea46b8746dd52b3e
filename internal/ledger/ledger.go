// Package ledger keeps a limit while requests run, reports travel and reads cross them.
//
// It has one Book per customer and resource, and in it one Account per metered feature and
// per wallet. It knows amounts, limits and periods, and nothing of policies, plans or HTTP.
//
// What happens to an amount:
//
//	          Account.Hold          Hold.Settle            Entry.Acknowledge
//	admitted ------------> Held ----------------> Unacked ------------------> Used
//	                         |                     |    ^
//	                         | Hold.Release        |    | Meter.Record
//	                         v                     |    |
//	                      nothing                  |  used already
//	                                               | Entry.Refuse
//	                                               v
//	                                            nothing
//
// What Stigg says of Used, by Book.Read, Account.Push and Entry.Acknowledge, are
// observations (observation.go): each is a count of an instant that is known by bounds only.
// Of those that stand, because none is surely later, the highest counts, and a refusal that
// rests on that is in doubt (doubt.go).
//
// What holds, whatever the interleaving:
//
//	(1) A request is admitted only if Used + Held + Unacked + n <= limit, tested and
//	    taken in one step under the account's lock.
//	(2) Every unit admitted is in exactly one of Held, Unacked, Used until its
//	    period ends, and leaves Held once and Unacked once.
//	(3) An acknowledgement moves its unit from Unacked to Used in one step.
//	(4) Used is no less than the newest observation says, with every usage of ours that is
//	    not in it. A refusal that may be for more than that is Pending, never Exceeded.
//	(5) Periods share nothing: a new one moves no unit. One that our own clock opened is
//	    taken back when Stigg names another.
//	(6) A book is forgotten only when nobody has it pinned, and then nothing is admitted
//	    on it any more.
//
// Locks: Ledger, then Book, then Account: several at once in Audit, and of Book and Account in Read
// and Replace. An account's lock is a leaf: under it only the book's atomic clock and counters are
// used, and its Share. Each transition of an account is one critical section.
package ledger

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// CountDelay is how long Stigg may take to count an event that it has acknowledged:
	// it says about 10 s (docs, "Reporting usage").
	CountDelay = 15 * time.Second
	// Margin is by how much Stigg's clocks may differ from each other and from ours, and how
	// long what Stigg pushes may be on its way.
	Margin = 5 * time.Second
	// ReadTimeout is the longest that a read of Stigg takes.
	ReadTimeout = 10 * time.Second
)

// Owner is whose a book is: a customer and, where plans are sold per resource, one of its
// resources.
type Owner struct{ ID, Resource string }

// Tick orders what happens to one book: reads, acknowledgements, reports. It is a hybrid
// logical clock: nanoseconds that have passed (by the monotonic clock, whatever becomes of
// the time of day), and never twice the same.
type Tick uint64

// Before is the tick that was d before, and after what every book begins with.
func (t Tick) Before(d time.Duration) Tick { return t - min(t-1, Tick(max(0, d))) }

// Ledger is the books of all customers.
type Ledger struct {
	passed func() time.Duration // since it was made
	shares Shares               // nil: this process alone has its limits
	mu     sync.Mutex
	books  map[Owner]*Book
	// elsewhere stands in Counters that are not the last for the account that the book may have.
	elsewhere Account
}

// New returns an empty ledger.
func New() *Ledger {
	start := time.Now() //nolint:forbidigo // ticks order what happens here, which no clock of the app's does
	return &Ledger{passed: func() time.Duration { return time.Since(start) }, books: make(map[Owner]*Book)}
}

// Shares gives the Share of a feature or wallet of a book, whose ticks are the time of Lease.Count.
type Shares func(b *Book, wallet bool, id string) Share

// Share has the accounts shared with other processes. It must be called before any book is opened.
func (l *Ledger) Share(shares Shares) { l.shares = shares }

// Open returns an owner's book with one pin that the caller must Unpin.
func (l *Ledger) Open(o Owner) *Book {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.books[o]
	if b == nil {
		o.ID, o.Resource = strings.Clone(o.ID), strings.Clone(o.Resource) // fasthttp's strings change
		b = &Book{owner: o, ledger: l}
		l.books[o] = b
	}
	b.pins.Add(1)
	return b
}

// Len is the number of books.
func (l *Ledger) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.books)
}

// forget closes b if it is still without a pin.
func (l *Ledger) forget(b *Book) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b.pins.CompareAndSwap(0, bookClosed) {
		delete(l.books, b.owner)
	}
}

// bookClosed stands in pins once a book is forgotten; no pin can be added to it.
const bookClosed = -1 << 30

// Book is the accounts of one customer and resource. It outlives every snapshot of the
// cache and is forgotten when nobody has it pinned.
type Book struct {
	owner  Owner
	ledger *Ledger
	// pins counts who needs this book: snapshots, loads, tickets, unacknowledged
	// usage.
	pins atomic.Int32
	// unpriced counts the usages that wait and may cost credits.
	unpriced atomic.Int32
	// clock is the last Tick, and began that of the last read.
	clock, began atomic.Uint64

	mu       sync.Mutex
	accounts []*Account // sorted by key
	last     Readings   // nil: Stigg has told nothing
	lo, hi   Tick       // bounds of when that was counted
}

// key names a feature's account or a wallet's.
type key struct {
	wallet bool
	id     string
}

// compare orders accounts: features first.
func (a *Account) compare(k key) int {
	switch {
	case a.wallet == k.wallet:
		return strings.Compare(a.id, k.id)
	case k.wallet:
		return -1
	}
	return 1
}

// Owner is whose it is.
func (b *Book) Owner() Owner { return b.owner }

// Pin keeps the book from being forgotten until Unpin. It fails on a book that is
// forgotten already: open it anew.
func (b *Book) Pin() bool {
	for {
		n := b.pins.Load()
		if n < 0 {
			return false
		}
		if b.pins.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Unpin ends one Pin or Open.
func (b *Book) Unpin() {
	if b.pins.Add(-1) == 0 {
		b.ledger.forget(b)
	}
}

// Tick returns a number larger than any the book gave out before.
func (b *Book) Tick() Tick {
	passed := uint64(max(0, b.ledger.passed()))
	for {
		last := b.clock.Load()
		next := max(last+1, passed)
		if b.clock.CompareAndSwap(last, next) {
			return Tick(next)
		}
	}
}

// Begin is the Tick of a read that begins now.
func (b *Book) Begin() Tick {
	t := b.Tick()
	for {
		last := b.began.Load()
		if last >= uint64(t) || b.began.CompareAndSwap(last, uint64(t)) {
			return t
		}
	}
}

// Feature returns a metered feature's account, which is made at its first use.
func (b *Book) Feature(id string) *Account { return b.account(key{id: id}) }

// Wallet returns the account of a credit currency.
func (b *Book) Wallet(currency string) *Account { return b.account(key{wallet: true, id: currency}) }

func (b *Book) account(k key) *Account {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.find(k)
}

// find is the account, which is made if there is none. Call it under the lock.
func (b *Book) find(k key) *Account {
	i, found := b.search(k)
	if !found {
		b.open(i, k)
	}
	return b.accounts[i]
}

// search is where an account is, or would be. Call it under the lock.
func (b *Book) search(k key) (int, bool) {
	return slices.BinarySearchFunc(b.accounts, k, (*Account).compare)
}

// Audit tells, for tests and for whoever looks for a leak, what is held or waits, account by
// account; nothing when all is quiet.
func (l *Ledger) Audit() (left []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for o, b := range l.books {
		b.mu.Lock()
		for _, a := range b.accounts {
			if s := a.audit(); s != "" {
				left = append(left, fmt.Sprintf("%s %s of %s/%s (%d pins): %s", map[bool]string{false: "feature", true: "wallet"}[a.wallet], a.id, o.ID, o.Resource, b.pins.Load(), s))
			}
		}
		b.mu.Unlock()
	}
	slices.Sort(left)
	return left
}

// HasUnpriced reports whether usage waits whose price in credits was not known.
func (b *Book) HasUnpriced() bool { return b.unpriced.Load() != 0 }
