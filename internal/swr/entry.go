package swr

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// leastFresh is how long a value is fresh that is over when it arrives. The clocks disagree
// then, and reading again at once would not mend it.
const leastFresh = time.Second

// entry is a value as it was read.
type entry[V Value] struct {
	value                 V
	denies, unknown       bool
	at                    time.Time // when it came
	generation            uint64    // the cache's when the read began
	freshUntil, liveUntil time.Time // the latter while news arrive
	staleUntil            time.Time // not served after that

	hits     atomic.Uint32 // served stale
	queued   atomic.Bool   // waits for its refresh
	outdated atomic.Bool   // there is something newer to read
	suspect  atomic.Bool   // and it is served only if that can't be read
}

func (k *Cache[K, V]) entry(v V, generation uint64) *entry[V] {
	now, life := k.Now(), v.Lifetime()
	return &entry[V]{
		value: v, denies: life.Denies, unknown: life.Unknown, at: now, generation: generation,
		freshUntil: life.until(now, k.TTL), liveUntil: life.until(now, k.LiveTTL), staleUntil: now.Add(k.MaxStale),
	}
}

// fresh reports whether e can be served without asking the source.
func (k *Cache[K, V]) fresh(e *entry[V], now time.Time) bool {
	return (now.Before(e.freshUntil) || now.Before(e.liveUntil) && k.state.live.Load()) &&
		e.generation == k.state.generation.Load() && !e.outdated.Load() && !e.suspect.Load()
}

// servable reports whether e can be served stale. What denies can't: a change must be felt
// soon.
func (e *entry[V]) servable(now time.Time) bool { return !e.denies && now.Before(e.staleUntil) }

// until is the end of a TTL from now, give or take 10 %, or its own end if that comes
// earlier.
func (l Lifetime) until(now time.Time, ttl time.Duration) time.Time {
	least := now.Add(min(leastFresh, ttl))
	if l.Denies {
		ttl = min(ttl, negativeTTL)
	}
	until := now.Add(time.Duration(float64(ttl) * (0.9 + 0.2*rand.Float64())))
	if !l.Ends.IsZero() && l.Ends.Before(until) {
		until = l.Ends
	}
	if until.Before(least) && !until.After(now) {
		return least
	}
	return until
}

// keep puts an entry where it belongs. Call it under the lock.
func (k *Cache[K, V]) keep(key K, e *entry[V]) {
	if e.unknown {
		k.entries.Remove(key)
		k.unknown.Add(key, e)
		k.enter(key)
		return
	}
	k.unknown.Remove(key)
	e.value.Pin() // never forgotten here: the caller still pins it
	k.enter(key)
	if old, ok := k.entries.Peek(key); ok {
		defer old.value.Unpin() // Add does not count a replacement as an eviction
	}
	k.entries.Add(key, e)
}

// enter and leave keep the index of members.
func (k *Cache[K, V]) enter(key K) {
	parent := k.Parent(key)
	if parent == key {
		return
	}
	if k.members[parent] == nil {
		k.members[parent] = make(map[K]bool, 1)
	}
	k.members[parent][key] = true
}

func (k *Cache[K, V]) leave(key K) {
	parent := k.Parent(key)
	if parent == key {
		return
	}
	if delete(k.members[parent], key); len(k.members[parent]) == 0 {
		delete(k.members, parent)
	}
}
