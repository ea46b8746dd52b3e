// Package swr keeps what a slow source last said of each key, and serves it stale while it
// reads it again (stale-while-revalidate, RFC 5861).
//
// What is fresh is served. What is stale is served too, up to its bound, and read again in
// the background. Else the caller waits for a read: a key that nothing is cached of is cold.
//
// What holds: at most one read of a key is under way, whatever the number of callers; it is
// bound to no caller's context; a caller waits at most as long as its Wait; what a read
// brings is kept only if nothing newer was learned of the key since it began.
//
// Keys may belong to a parent (the resources of one customer), and one parent can't harm
// the others: it has a budget of reads that bring nothing (budget.go) and a share of the
// memory (memory.go), and what goes wrong with its keys is no outage (breaker.go). What
// gives nothing lives in a small memory of its own.
//
// Values are immutable and pinned while they are cached. A lookup takes no lock. Expiry is
// found at lookup, so there is no goroutine but those of reads under way, and one while it
// refreshes. Times are of the wall clock, since a monotonic clock stands still while a
// machine sleeps; what a clock that was ahead for a moment has stamped is not believed
// (entry.go).
//
// Locks: Cache.mu is held by all that change what is cached or read. Under it are taken the
// LRU's own lock and the breaker's, values are pinned and unpinned, and Begin and the
// function given to Replace run; those may take locks of their own, and must not call the
// Cache. Nothing else of others is called under it: not Do, not Pace, not the Logger.
package swr

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/stiggate/gate/internal/incident"
)

const (
	// negativeTTL is how long a value that denies is fresh: short, since a change must be
	// felt soon.
	negativeTTL = 5 * time.Second
	// emptyKeys bounds the separate memory of keys whose values give nothing, so that
	// made-up ones can't evict others; and that of keys whose last read failed.
	emptyKeys = 10_000
	// mostReads bounds the reads under way of keys that were granted something before, and
	// as many of others, so that those can't keep them out.
	mostReads = 1000
)

// Pinned is what must not be forgotten while somebody needs it. Pin is false if it is
// forgotten already.
type Pinned interface {
	Pin() bool
	Unpin()
}

// Value is what is cached. It is copied into the Cache.
type Value interface {
	Pinned
	Lifetime() Lifetime
}

// Lifetime is how long a Value may be served, and where it is kept.
type Lifetime struct {
	Ends   time.Time // not fresh after that; zero: no such moment
	Denies bool      // fresh for a short while, and never served stale
	Empty  bool      // it gives nothing: kept apart, and never served stale
	// Cached is for how long it is known already: by so much shorter is it fresh, and served stale.
	Cached time.Duration
}

// Read is one read of a key. It is pinned from the start. With noCache, what others keep of it on
// the way to the source will not do: it is read since what is known is out of date.
type Read[V Value] interface {
	Pinned
	Do(ctx context.Context, noCache bool) (V, error)
}

// Config is what a Cache needs.
type Config[K comparable, V Value] struct {
	// Own says what is wrong with a key, before anybody waits for a read of it: one that is cached was
	// right. It returns one to keep, of memory that nobody else changes. It may be nil.
	Own func(k K) (K, error)
	// Begin begins a read, pinned once for the Cache.
	Begin func(k K) Read[V]
	// Parent is the key that k belongs to; k itself if it belongs to none.
	Parent func(k K) K
	// Hash spreads keys.
	Hash func(seed maphash.Seed, k K) uint64
	// Pace is how long to wait between two reads so that what the source allows lasts;
	// nil, or 0: nothing is known of that.
	Pace func() time.Duration
	// Reading makes, at the beginning of a read, the context that it is done with; nil leaves it as it is.
	Reading func(ctx context.Context) context.Context

	Keys      int           // most that are cached
	TTL       time.Duration // how long a value is fresh, give or take 10 %
	LiveTTL   time.Duration // the same while news arrive
	MaxStale  time.Duration // how long a stale value is served
	StaleWait time.Duration // how long a caller waits for something fresher than what is cached
	ColdWait  time.Duration // how long a caller waits if nothing is
	Timeout   time.Duration // of one read, which may outlive the callers that wait for it

	Now    func() time.Time
	Logger *slog.Logger
	// Costs counts, for the log, what callers got while the source could not be read. It may be nil.
	Costs func() []incident.Count
}

// Cache keeps values by key.
type Cache[K comparable, V Value] struct {
	c       Config[K, V]
	state   state
	breaker breaker[K]
	log     log

	index index[K, V] // of full and empty; read without the lock

	mu       sync.Mutex
	full     *memory[K, V] // what gives something, pinned
	empty    *memory[K, V] // what gives nothing
	failures *lru.Cache[K, failure]
	reads    map[K]*read[K, V] // under way, or waiting for their turn
	turns    turns[K, V]
	budgets  *lru.Cache[K, *bucket] // by parent
	granted  seen                   // keys that were granted something
	queue    map[K]*entry[K, V]     // to be refreshed
	running  bool                   // the goroutine that does so
	closed   bool
	ctx      context.Context // ends at Close; reads run under it
	cancel   context.CancelFunc
	wait     sync.WaitGroup

	begun, failed, waited, tooSlow, overBudget atomic.Uint64
}

// state is what is known of the source as a whole.
type state struct {
	live       atomic.Bool   // news arrive
	generation atomic.Uint64 // what was read in an earlier one is stale
	changed    uint64        // and what was before this one is read with noCache; under the Cache's lock

	lost        atomic.Bool           // news did arrive before, and should
	interrupted atomic.Pointer[error] // why they don't, as was said last
	down        atomic.Bool           // the source can't be read
	everRead    atomic.Bool           // it ever could
}

// New returns an empty cache. Close ends what it starts.
func New[K comparable, V Value](c Config[K, V]) (*Cache[K, V], error) {
	ctx, cancel := context.WithCancel(context.Background()) //nolint:gosec // Close calls it
	now := c.Now
	c.Now = func() time.Time { return now().Round(0) } // of the wall clock alone
	k := &Cache[K, V]{
		c: c, reads: make(map[K]*read[K, V]), queue: make(map[K]*entry[K, V]), ctx: ctx, cancel: cancel,
		granted: seen{most: c.Keys},
	}
	k.index.init(c.Hash)
	k.log = newLog(c.Logger, c.Costs, k.figures)
	k.turns.free = [ofRefresh]int{mostReads, mostReads}
	var errs [4]error
	k.full, errs[0] = newMemory(c.Keys, c.Parent, func(e *entry[K, V]) {
		k.index.remove(e)
		e.value.Unpin()
	})
	k.empty, errs[1] = newMemory(emptyKeys, c.Parent, k.index.remove)
	k.failures, errs[2] = lru.New[K, failure](emptyKeys)
	k.budgets, errs[3] = lru.New[K, *bucket](emptyKeys)
	return k, errors.Join(errs[:]...)
}

// State says what a found value is worth.
type State uint8

const (
	// Fresh is what the source said a moment ago.
	Fresh State = iota
	// Stale is what it said before.
	Stale
	// Suspect is what it said before a change that is known of: served only because the
	// source does not answer.
	Suspect
)

// Found is what Get found. Done ends its use.
type Found[V Value] struct {
	Value *V
	State State
	Cause error // why nothing fresher was found

	outdated *atomic.Bool // the entry's
	unpin    func()       // what was read is pinned, since the Cache may have dropped it already
}

// is fills in what is cached.
func (f *Found[V]) is(v *V, s State, outdated *atomic.Bool) {
	f.Value, f.State, f.Cause, f.outdated, f.unpin = v, s, nil, outdated, nil
}

// Done unpins what was found.
func (f *Found[V]) Done() {
	if f.unpin != nil {
		f.unpin()
	}
}

// Outdate says that there is something newer to read.
func (f *Found[V]) Outdate() {
	if f.outdated != nil {
		f.outdated.Store(true)
	}
}

// Get finds a key's value and fills it in. A stale one is found at once, unless it must be fresh or there
// is news of a change: then the caller waits for a read, and gets the stale one only if
// that fails. The error is the caller's own context's, or says why nothing is known.
func (k *Cache[K, V]) Get(ctx context.Context, key K, now time.Time, fresh bool, w *Wait, f *Found[V]) error {
	e, n := k.index.get(key), now.UnixNano()
	if e != nil && k.fresh(e, n) {
		e.touch()
		f.is(&e.value, Fresh, &e.outdated)
		return nil
	}
	servable := e != nil && e.servable(n)
	if servable && !fresh && !e.suspect.Load() {
		e.touch()
		k.refresh(e)
		f.is(&e.value, Stale, &e.outdated)
		return nil
	}
	longest := k.c.ColdWait
	if servable {
		longest = k.c.StaleWait
	}
	err := k.read(ctx, key, now, fresh, w, longest, f)
	if err == nil || !servable || ctx.Err() != nil {
		return err
	}
	*f = Found[V]{Value: &e.value, State: Stale, Cause: err, outdated: &e.outdated}
	if e.suspect.Load() {
		f.State = Suspect
	}
	return nil
}

// read waits for a read of a key.
func (k *Cache[K, V]) read(ctx context.Context, key K, now time.Time, noCache bool, w *Wait, longest time.Duration, f *Found[V]) error {
	*f = Found[V]{}
	if k.c.Own != nil {
		own, err := k.c.Own(key)
		if err != nil {
			return err
		}
		key = own
	}
	r, err := k.join(key, now, noCache, k.pace(), w.bound(longest))
	if err != nil {
		return k.gaveUp(err, longest)
	}
	err = k.await(ctx, r.done, w, longest)
	if of := r.ctx.Load(); of != nil {
		w.Reads = append(w.Reads, *of)
	}
	if err == nil {
		err = r.err
		switch {
		case err == nil && noCache && r.begun && !r.noCache: // it had begun already, maybe from a copy that lags
			r.entry.outdated.Store(true)
			k.leave(r)
			return k.read(ctx, key, now, noCache, w, longest, f)
		case err == nil:
			*f = Found[V]{Value: &r.entry.value, outdated: &r.entry.outdated, unpin: r.release}
			return nil
		}
	} else if r.turn.overBudget && errors.Is(err, ErrTooSlow) {
		err = ErrBudget
	}
	k.leave(r)
	return k.gaveUp(err, longest)
}

// gaveUp counts and logs that a caller did not wait for a read, or not any longer.
func (k *Cache[K, V]) gaveUp(err error, longest time.Duration) error {
	switch {
	case errors.Is(err, ErrBudget):
		k.overBudget.Add(1)
		k.aside(func() { k.log.budget.Happens(k.c.Now()) })
	case errors.Is(err, ErrTooSlow) && longest == k.c.ColdWait:
		k.tooSlow.Add(1)
		k.aside(func() { k.log.slow.Happens(k.c.Now(), slog.Duration("waited", longest)) })
	}
	return err
}

// aside calls a function that may take its time, such as a logger's, while the caller goes
// on.
func (k *Cache[K, V]) aside(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.closed {
		k.wait.Go(f)
	}
}

// Peek is what is cached of a key, however old, if it gives anything.
func (k *Cache[K, V]) Peek(key K) (v *V, ok bool) {
	e := k.index.get(key)
	if e == nil || e.empty {
		return nil, false
	}
	return &e.value, true
}

// Purge drops all that is cached.
func (k *Cache[K, V]) Purge() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.full.lru.Purge()
	k.empty.lru.Purge()
}

// Remember keeps a value of a key that is not cached.
func (k *Cache[K, V]) Remember(key K, v V) {
	if _, ok := k.Peek(key); ok {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := k.Peek(key); !ok && !k.closed {
		k.keep(k.entry(key, v, k.state.generation.Load()))
	}
}

// Close cancels the reads under way and waits for them until ctx ends.
func (k *Cache[K, V]) Close(ctx context.Context) {
	k.mu.Lock()
	k.closed = true
	for _, r := range k.reads {
		if !r.begun {
			k.drop(r, ErrClosed)
		}
	}
	k.mu.Unlock()
	k.cancel()
	done := make(chan struct{})
	go func() { k.wait.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// Stats is what a Cache counts.
type Stats struct {
	Reads, Failed, Waited uint64
	TooSlow               uint64 // waits for a cold key that were over before it was read
	OverBudget            uint64 // reads refused since their parent had too many that brought nothing
	UnderWay, Waiting     int    // reads, and those that wait for their turn
	Keys, Refreshing      int
	Members               int       // parents of which a member is cached
	BrokenUntil           time.Time // until when the source is not asked; zero if it is
	Live, Down, Lost      bool      // news arrive; the source can't be read; news should arrive
	EverRead              bool      // the source has answered
}

// Stats returns the counts at this moment.
func (k *Cache[K, V]) Stats() Stats {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := Stats{
		Reads: k.begun.Load(), Failed: k.failed.Load(), Waited: k.waited.Load(), TooSlow: k.tooSlow.Load(), OverBudget: k.overBudget.Load(),
		UnderWay: 2*mostReads - k.turns.free[ofGranted] - k.turns.free[ofOthers] + k.turns.refresh, Waiting: k.turns.waiting,
		Keys: k.full.lru.Len(), Refreshing: len(k.queue), BrokenUntil: k.breaker.until(k.c.Now()),
		Live: k.state.live.Load(), Down: k.state.down.Load(), Lost: k.state.lost.Load(), EverRead: k.state.everRead.Load(),
	}
	s.Members = len(k.full.members)
	for parent := range k.empty.members {
		if k.full.members[parent] == nil {
			s.Members++
		}
	}
	return s
}

// Degraded has a sentence for each thing that is wrong at this moment, for an operator.
func (k *Cache[K, V]) Degraded() (sentences []string) {
	if k.state.down.Load() {
		sentences = append(sentences, "entitlements can't be read from Stigg")
	}
	if k.state.lost.Load() {
		sentences = append(sentences, "changes in Stigg are not told as they happen any more")
	}
	return sentences
}
