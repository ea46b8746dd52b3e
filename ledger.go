package gate

import (
	"sync"
	"sync/atomic"
)

// The ledger is what keeps a limit while requests run, reports travel and reads
// cross them. It has one book per customer and resource, and in it one account per
// metered feature and per wallet. Books outlive every snapshot of the cache.
//
// What holds, whatever the interleaving:
//
//	(1) A request is admitted only if used + held + unacked + n <= limit, tested and
//	    taken in one step under the account's lock.
//	(2) Every unit admitted is in exactly one of held, unacked, used until its
//	    period ends, and leaves held once and unacked once.
//	(3) An acknowledgement moves its unit from unacked to used in one step.
//	(4) A read that began before an acknowledgement never lowers used.
//	(5) Periods share nothing: a roll moves no unit.
//	(6) A book is forgotten only when no snapshot, load, ticket or unacknowledged
//	    usage needs it, and then nothing is admitted on it any more.
type ledger struct {
	mu    sync.Mutex
	books map[Customer]*book
}

func newLedger() *ledger { return &ledger{books: make(map[Customer]*book)} }

// open returns the customer's book with one pin that the caller must unpin.
func (l *ledger) open(c Customer) *book {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.books[c]
	if b == nil {
		b = &book{customer: c, ledger: l, accounts: make(map[accountKey]*account)}
		l.books[c] = b
	}
	b.pins.Add(1)
	return b
}

// size is the number of books.
func (l *ledger) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.books)
}

// forget closes b if it is still without a pin.
func (l *ledger) forget(b *book) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b.pins.CompareAndSwap(0, bookClosed) {
		delete(l.books, b.customer)
	}
}

// bookClosed stands in pins once a book is forgotten; no pin can be added to it.
const bookClosed = -1 << 62

// book is the accounts of one customer and resource.
type book struct {
	customer Customer
	ledger   *ledger
	// pins counts who needs this book: snapshots, loads, tickets, unacknowledged
	// usage.
	pins atomic.Int64
	// unpriced counts the late usages that wait and may cost credits.
	unpriced atomic.Int64
	// clock orders loads and acknowledgements among each other.
	clock atomic.Uint64

	mu       sync.Mutex
	accounts map[accountKey]*account
}

// pin keeps the book from being forgotten until unpin. It fails on a book that is
// forgotten already: the caller must look the customer up again.
func (b *book) pin() bool {
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

func (b *book) unpin() {
	if b.pins.Add(-1) == 0 {
		b.ledger.forget(b)
	}
}

// tick returns a number larger than any the book gave out before.
func (b *book) tick() uint64 { return b.clock.Add(1) }

// accountKey names a feature's account or a wallet's.
type accountKey struct {
	credit bool
	id     string
}

// account returns the account of a key, which is made at its first use.
func (b *book) account(key accountKey) *account {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.accounts[key]
	if a == nil {
		a = &account{book: b}
		b.accounts[key] = a
	}
	return a
}

// bare is a right to the account of a key, of which no more is known; one for all usage,
// of which an outbox may have millions.
func (b *book) bare(key accountKey) *right {
	a := b.account(key)
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.bare == nil {
		a.bare = &right{account: a}
		if key.credit {
			a.bare.currency = key.id
		} else {
			a.bare.FeatureID = key.id
		}
	}
	return a.bare
}
