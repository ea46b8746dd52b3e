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

// entry is a value as it was read. Times are nanoseconds since 1970, of the wall clock.
type entry[V Value] struct {
	value         V
	at            int64        // when it came
	generation    uint64       // the cache's when the read began
	touched       atomic.Int64 // the second of its last use
	freshUntil    int64
	liveUntil     int64       // in place of freshUntil while news arrive
	outdated      atomic.Bool // there is something newer to read
	suspect       atomic.Bool // and it is served only if that can't be read
	queued        atomic.Bool // waits for its refresh
	denies, empty bool
	hits          atomic.Uint32 // served stale
	staleUntil    int64         // not served after that
}

func (k *Cache[K, V]) entry(v V, generation uint64) *entry[V] {
	now, life := k.c.Now(), v.Lifetime()
	e := &entry[V]{
		value: v, denies: life.Denies || life.Empty, empty: life.Empty, generation: generation, at: now.UnixNano(),
		freshUntil: life.until(now, k.c.TTL), liveUntil: life.until(now, k.c.LiveTTL), staleUntil: now.Add(k.c.MaxStale - life.Cached).UnixNano(),
	}
	e.touched.Store(now.Unix())
	return e
}

// fresh reports whether e can be served without asking the source.
func (k *Cache[K, V]) fresh(e *entry[V], now time.Time) bool {
	n := now.UnixNano()
	return (n < e.freshUntil || n < e.liveUntil && k.state.live.Load()) && !e.ahead(n) &&
		e.generation == k.state.generation.Load() && !e.outdated.Load() && !e.suspect.Load()
}

// servable reports whether e can be served stale. What denies can't: a change must be felt
// soon.
func (e *entry[V]) servable(now time.Time) bool {
	n := now.UnixNano()
	return !e.denies && n < e.staleUntil && !e.ahead(n)
}

// ahead reports whether e was read while the clock was ahead of what it says now.
func (e *entry[V]) ahead(now int64) bool { return e.at-now > clockSlack }

// touch notes a use. Seconds are fine enough for the order of the LRU, whose lock is so
// taken seldom.
func (k *Cache[K, V]) touch(key K, e *entry[V], now time.Time) {
	if at := now.Unix(); e.touched.Load() != at {
		e.touched.Store(at)
		if e.empty {
			k.empty.lru.Get(key)
		} else {
			k.full.lru.Get(key)
		}
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
