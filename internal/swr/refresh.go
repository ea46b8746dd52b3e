package swr

import (
	"time"

	"github.com/stiggate/gate/internal/upstream"
)

const (
	// refreshPace is the time between two refreshes: at least 20 a second.
	refreshPace = 50 * time.Millisecond
	// mostPause is how long is waited before the source is asked for its pace again.
	mostPause = 250 * time.Millisecond
	// refreshSample is among how many the most urgent is looked for: all of a small
	// backlog, and enough of a large one.
	refreshSample = 1000
)

// refresh has a cached key read again soon, in the background. The more often it is served
// meanwhile, the sooner.
func (k *Cache[K, V]) refresh(e *entry[K, V]) {
	e.hits.Add(1)
	if e.queued.Load() || !e.queued.CompareAndSwap(false, true) {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.index.get(e.key) != e || k.closed {
		return // it must not take the place of what is cached now
	}
	if k.queue[e.key] = e; !k.running {
		k.running = true
		k.wait.Go(k.refreshAll)
	}
}

// refreshAll reads again what is queued, one after the other, until nothing is.
func (k *Cache[K, V]) refreshAll() {
	for {
		if k.breaker.rests(k.c.Now()) == nil {
			e := k.mostUrgent()
			if e == nil {
				return
			}
			if !k.refreshOne(e) {
				continue
			}
		}
		if !k.pause() {
			return
		}
	}
}

// pause waits between two refreshes, by what the source asks for meanwhile: when the next window of
// its rate limit begins, that is less than at the end of the one before. It is false after Close.
func (k *Cache[K, V]) pause() bool {
	for waited := time.Duration(0); ; {
		step := min(k.refreshWait()-waited, mostPause)
		if step <= 0 {
			return true
		}
		timer := time.NewTimer(step)
		select {
		case <-timer.C:
		case <-k.ctx.Done():
			timer.Stop()
			return false
		}
		waited += step
	}
}

// refreshWait is the pause between two refreshes: short enough that all that is cached is
// read again in half of the time that it may be served stale; but at least twice what the
// source asks for, since callers who wait come first.
func (k *Cache[K, V]) refreshWait() time.Duration {
	return max(min(refreshPace, k.refreshTime()), 2*k.pace(), time.Millisecond)
}

// refreshTime is the pause between two refreshes by which all that is cached is read again in half of
// the time that it may be served stale.
func (k *Cache[K, V]) refreshTime() time.Duration {
	return k.c.MaxStale / time.Duration(2*max(1, k.full.lru.Len()))
}

// pace is what the source asks for, within bounds. If that panics, it asks for nothing.
func (k *Cache[K, V]) pace() (d time.Duration) {
	if k.c.Pace == nil {
		return 0
	}
	defer func() { _ = recover() }()
	return min(max(0, k.c.Pace()), upstream.MaxPace/2)
}

// mostUrgent takes out what is to be read next, or nil: what will soon be too old to be served, else
// what was served most since it is stale.
func (k *Cache[K, V]) mostUrgent() (e *entry[K, V]) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.queue) == 0 || k.closed {
		k.running = false
		return nil
	}
	old := k.c.Now().Add(k.c.MaxStale / 2).UnixNano()
	seen := 0
	for _, candidate := range k.queue {
		if e == nil || candidate.moreUrgent(e, old) {
			e = candidate
		}
		if seen++; seen == refreshSample {
			break
		}
	}
	delete(k.queue, e.key)
	e.queued.Store(false)
	return e
}

// moreUrgent compares two stale entries. Those that end before old come first.
func (e *entry[K, V]) moreUrgent(other *entry[K, V], old int64) bool {
	if ends, otherEnds := e.staleUntil < old, other.staleUntil < old; ends != otherEnds {
		return ends
	}
	return e.hits.Load() > other.hits.Load()
}

// refreshOne begins a read, if e is still what is cached and none is under way.
func (k *Cache[K, V]) refreshOne(e *entry[K, V]) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.index.get(e.key) != e || k.closed || k.reads[e.key] != nil || k.breaker.allow(k.c.Now()) != nil {
		return false
	}
	k.beginRefresh(e.key)
	return true
}
