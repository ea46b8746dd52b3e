// Package swr keeps what a slow source last said of each key, and serves it stale while it
// reads it again (stale-while-revalidate, RFC 5861).
//
// What is fresh is served. What is stale is served too, up to its bound, and read again in
// the background. Else the caller waits for a read.
//
// What holds: at most one read of a key is under way, whatever the number of callers; it is
// bound to no caller's context; a caller waits at most as long as its Wait; what a read
// brings is kept only if nothing newer was learned of the key since it began.
//
// Values are immutable and pinned while they are cached; a lookup takes no lock but the
// LRU's. Expiry is found at lookup, so there is no goroutine but those of reads under way,
// and one while it refreshes.
//
// Locks: one, held by all that change what is cached. Under it values are pinned and
// unpinned, and the function given to Replace runs.
package swr

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	// negativeTTL is how long a value that denies is fresh: short, since a change must be
	// felt soon.
	negativeTTL = 5 * time.Second
	// unknownKeys bounds the separate memory of keys that the source does not know, so
	// that made-up ones can't evict others.
	unknownKeys = 10_000
	// mostReads bounds the reads under way, so that made-up keys can't flood a source that
	// hangs, nor fill the memory here.
	mostReads = 1000
)

// Pinned is what must not be forgotten while somebody needs it. Pin is false if it is
// forgotten already.
type Pinned interface {
	Pin() bool
	Unpin()
}

// Value is what is cached.
type Value interface {
	comparable
	Pinned
	Lifetime() Lifetime
}

// Lifetime is how long a Value may be served.
type Lifetime struct {
	Ends    time.Time // not fresh after that; zero: no such moment
	Denies  bool      // fresh for a short while, and never served stale
	Unknown bool      // the source does not know the key
}

// Read is one read of a key. It is pinned from the start.
type Read[V Value] interface {
	Pinned
	Do(ctx context.Context) (V, error)
}

// Config is what a Cache needs.
type Config[K comparable, V Value] struct {
	// Begin begins a read, pinned once for the Cache.
	Begin func(k K) Read[V]
	// Parent is the key that k belongs to, for Suspect; k itself if it belongs to none.
	Parent func(k K) K
	// Pace is how long to wait between two reads; nil: as long as the Cache likes.
	Pace func() time.Duration

	Keys     int           // most that are cached
	TTL      time.Duration // how long a value is fresh, give or take 10 %
	LiveTTL  time.Duration // the same while news arrive
	MaxStale time.Duration // how long a stale value is served
	MaxWait  time.Duration // how long a caller waits
	Timeout  time.Duration // of one read, which may outlive the callers that wait for it

	Now    func() time.Time
	Logger *slog.Logger
}

// Cache keeps values by key.
type Cache[K comparable, V Value] struct {
	Config[K, V]
	breaker breaker[K]
	state   state

	entries *lru.Cache[K, *entry[V]]
	unknown *lru.Cache[K, *entry[V]]
	garbled *lru.Cache[K, garbled]

	mu      sync.Mutex // held by all that change entries and unknown
	reads   map[K]*read[V]
	members map[K]map[K]bool // of each parent, what of entries and unknown belongs to it
	queue   map[K]*entry[V]  // to be refreshed
	running bool             // the goroutine that does so
	closed  bool
	ctx     context.Context // ends at Close; reads run under it
	cancel  context.CancelFunc
	wait    sync.WaitGroup

	begun, failed, waited atomic.Uint64
	underWay              atomic.Int64 // reads, those that were superseded too
}

// state is what is known of the source as a whole.
type state struct {
	down  atomic.Bool // it can't be read
	heard atomic.Bool // it ever could
	said  atomic.Bool // and the log says so
	since atomic.Int64

	live       atomic.Bool   // news arrive
	lost       atomic.Bool   // they did before, and should
	generation atomic.Uint64 // what was read in an earlier one is stale
}

// New returns an empty cache. Close ends what it starts.
func New[K comparable, V Value](c Config[K, V]) (*Cache[K, V], error) {
	ctx, cancel := context.WithCancel(context.Background())
	k := &Cache[K, V]{
		Config: c, reads: make(map[K]*read[V]), members: make(map[K]map[K]bool), queue: make(map[K]*entry[V]), ctx: ctx, cancel: cancel,
	}
	var err, err2, err3 error
	k.entries, err = lru.NewWithEvict(c.Keys, func(key K, e *entry[V]) {
		e.value.Unpin()
		k.leave(key)
	})
	k.unknown, err2 = lru.NewWithEvict(unknownKeys, func(key K, _ *entry[V]) { k.leave(key) })
	k.garbled, err3 = lru.New[K, garbled](unknownKeys)
	return k, errors.Join(err, err2, err3)
}

// Found is what Get found. Done ends its use.
type Found[V Value] struct {
	Value V
	Stale bool
	Cause error // why nothing fresher was found

	entry *entry[V]
	pin   Pinned // what was read is pinned, since the Cache may have dropped it already
}

// Done unpins what was found.
func (f Found[V]) Done() {
	if f.pin != nil {
		f.pin.Unpin()
	}
}

// Suspect reports whether it is served only because the source does not answer.
func (f Found[V]) Suspect() bool { return f.entry != nil && f.entry.suspect.Load() }

// Outdate says that there is something newer to read.
func (f Found[V]) Outdate() {
	if f.entry != nil {
		f.entry.outdated.Store(true)
	}
}

// Get finds a key's value. A stale one is returned at once, unless it must be fresh or there
// is news of a change: then the caller waits for a read, and gets the stale one only if
// that fails. The error is the caller's own context's, or says why nothing is known.
func (k *Cache[K, V]) Get(ctx context.Context, key K, now time.Time, fresh bool, w *Wait) (Found[V], error) {
	e, ok := k.entries.Get(key)
	if ok && k.fresh(e, now) {
		return Found[V]{Value: e.value, entry: e}, nil
	}
	if u, ok := k.unknown.Get(key); ok && k.fresh(u, now) {
		return Found[V]{Value: u.value, entry: u}, nil
	}
	ok = ok && e.servable(now)
	if ok && !fresh && !e.suspect.Load() {
		k.refresh(key, e)
		return Found[V]{Value: e.value, Stale: true, entry: e}, nil
	}
	r, err := k.join(key, now)
	if err == nil {
		if err = k.Await(ctx, r.done, w); err == nil {
			err = r.err
		}
		if err == nil {
			return Found[V]{Value: r.entry.value, entry: r.entry, pin: r.pin}, nil
		}
		r.unpin()
	}
	if ok && ctx.Err() == nil {
		return Found[V]{Value: e.value, Stale: true, Cause: err, entry: e}, nil
	}
	return Found[V]{}, err
}

// Peek is what is cached of a key, however old.
func (k *Cache[K, V]) Peek(key K) (v V, ok bool) {
	e, ok := k.entries.Peek(key)
	if ok {
		v = e.value
	}
	return v, ok
}

// Purge drops all that is cached.
func (k *Cache[K, V]) Purge() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.entries.Purge()
	k.unknown.Purge()
}

// Remember keeps a value of a key that is not cached.
func (k *Cache[K, V]) Remember(key K, v V) {
	if k.entries.Contains(key) {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.closed && !k.entries.Contains(key) {
		k.keep(key, k.entry(v, k.state.generation.Load()))
	}
}

// Wait is how long one caller still waits, over all that it waits for.
type Wait struct {
	timer *time.Timer // from the first wait on
	over  bool
}

// ErrTooSlow says that a Wait is over.
var ErrTooSlow = errors.New("gate: no entitlements within the decision timeout")

// Await waits for a channel to be closed.
func (k *Cache[K, V]) Await(ctx context.Context, done <-chan struct{}, w *Wait) error {
	select {
	case <-done: // already: no timer
		return nil
	default:
	}
	if w.over {
		return ErrTooSlow
	}
	if w.timer == nil {
		k.waited.Add(1)
		w.timer = time.NewTimer(k.MaxWait)
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-w.timer.C:
		w.over = true
		return ErrTooSlow
	}
}

// Close cancels the reads under way and waits for them until ctx ends.
func (k *Cache[K, V]) Close(ctx context.Context) {
	k.mu.Lock()
	k.closed = true
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
	UnderWay              int
	Keys, Refreshing      int
	Members               int       // parents of which a member is cached
	BrokenUntil           time.Time // until when the source is not asked; zero if it is
	Live, Down, Lost      bool      // news arrive; the source can't be read; news should arrive
}

// Stats returns the counts at this moment.
func (k *Cache[K, V]) Stats() Stats {
	k.mu.Lock()
	defer k.mu.Unlock()
	return Stats{
		Reads: k.begun.Load(), Failed: k.failed.Load(), Waited: k.waited.Load(), UnderWay: int(k.underWay.Load()),
		Keys: k.entries.Len(), Refreshing: len(k.queue), Members: len(k.members), BrokenUntil: k.breaker.until(),
		Live: k.state.live.Load(), Down: k.state.down.Load(), Lost: k.state.lost.Load(),
	}
}
