package swr

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

const (
	// leastFresh is how long a value is fresh that is over when it arrives. The clocks, or the
	// TTLs of two caches, disagree then, and reading again at once would not mend it.
	leastFresh = time.Second
	// clockSlack is how far in the future the time of an entry may be: callers look at the
	// clock before they wait for it. One that is further was read while the clock was
	// ahead, and none of its times means anything.
	clockSlack = int64(10 * time.Second)
)

// entry is a key's value as it was read. Times are nanoseconds since 1970, of the wall clock. What a
// lookup needs comes first, and the value is in the entry, so that the processor fetches all of it at
// once.
type entry[K comparable, V Value] struct {
	key           K
	freshUntil    int64
	liveUntil     int64       // in place of freshUntil while news arrive
	at            int64       // when it came
	generation    uint64      // the cache's when the read began
	used          atomic.Bool // since it was last passed over for another to be dropped (memory.go)
	outdated      atomic.Bool // there is something newer to read
	suspect       atomic.Bool // and it is served only if that can't be read
	queued        atomic.Bool // waits for its refresh
	denies, empty bool
	value         V
	hits          atomic.Uint32 // served stale
	staleUntil    int64         // not served after that
}

func (k *Cache[K, V]) entry(key K, v V, generation uint64) *entry[K, V] {
	now, life := k.c.Now(), v.Lifetime()
	return &entry[K, V]{
		key: key, value: v, denies: life.Denies || life.Empty, empty: life.Empty, generation: generation, at: now.UnixNano(),
		freshUntil: life.until(now, k.c.TTL), liveUntil: life.until(now, k.c.LiveTTL), staleUntil: now.Add(k.c.MaxStale - life.Cached).UnixNano(),
	}
}

// fresh reports whether e can be served without asking the source.
func (k *Cache[K, V]) fresh(e *entry[K, V], n int64) bool {
	return (n < e.freshUntil || n < e.liveUntil && k.state.live.Load()) && !e.ahead(n) &&
		e.generation == k.state.generation.Load() && !e.outdated.Load() && !e.suspect.Load()
}

// servable reports whether e can be served stale. What denies can't: a change must be felt
// soon.
func (e *entry[K, V]) servable(n int64) bool {
	return !e.denies && n < e.staleUntil && !e.ahead(n)
}

// ahead reports whether e was read while the clock was ahead of what it says now.
func (e *entry[K, V]) ahead(now int64) bool { return e.at-now > clockSlack }

// touch notes a use. What is noted already is only read, so that processors share it.
func (e *entry[K, V]) touch() {
	if !e.used.Load() {
		e.used.Store(true)
	}
}

// until is the end of a TTL, give or take 10 %, or its own end if that comes earlier; or a moment
// from now if both are over.
func (l Lifetime) until(now time.Time, ttl time.Duration) int64 {
	least := now.Add(min(leastFresh, ttl))
	if l.Denies {
		ttl = min(ttl, negativeTTL)
	}
	until := now.Add(time.Duration(float64(ttl)*(0.9+0.2*rand.Float64())) - l.Cached)
	if !l.Ends.IsZero() && l.Ends.Before(until) {
		until = l.Ends
	}
	if until.Before(least) && !until.After(now) {
		until = least
	}
	return until.UnixNano()
}
