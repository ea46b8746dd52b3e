package swr

import (
	"time"

	"github.com/stiggate/gate/internal/upstream"
)

const (
	// refreshPace is the time between two refreshes: at most 20 a second.
	refreshPace = 50 * time.Millisecond
	// refreshSample is among how many the most used is looked for: all of a small
	// backlog, and enough of a large one.
	refreshSample = 1000
)

// refresh has a cached key read again soon, in the background. The more often it is served
// meanwhile, the sooner.
func (k *Cache[K, V]) refresh(key K, e *entry[V]) {
	e.hits.Add(1)
	if e.queued.Load() || !e.queued.CompareAndSwap(false, true) {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if cached, ok := k.entries.Peek(key); !ok || cached != e || k.closed {
		return // it must not take the place of what is cached now
	}
	if k.queue[key] = e; !k.running {
		k.running = true
		k.wait.Go(k.refreshAll)
	}
}

// refreshAll reads again what is queued, one after the other, until nothing is.
func (k *Cache[K, V]) refreshAll() {
	for {
		wait := k.pace()
		if !k.breaker.rests(k.Now()) {
			key, e, ok := k.mostUsed()
			if !ok {
				return
			}
			if !k.refreshOne(key, e) {
				continue
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-k.ctx.Done():
			timer.Stop()
			return
		}
	}
}

// pace is the pause between two refreshes: ours, or twice what the source asks for, since
// callers who wait come first.
func (k *Cache[K, V]) pace() time.Duration {
	if k.Pace == nil {
		return refreshPace
	}
	return min(max(refreshPace, 2*k.Pace()), upstream.MaxPace)
}

// mostUsed takes out what was served most since it is stale.
func (k *Cache[K, V]) mostUsed() (best K, e *entry[V], ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.queue) == 0 || k.closed {
		k.running = false
		return best, nil, false
	}
	seen := 0
	for key, candidate := range k.queue {
		if e == nil || candidate.hits.Load() > e.hits.Load() {
			best, e = key, candidate
		}
		if seen++; seen == refreshSample {
			break
		}
	}
	delete(k.queue, best)
	e.queued.Store(false)
	return best, e, true
}

// refreshOne begins a read, if e is still what is cached and none is under way.
func (k *Cache[K, V]) refreshOne(key K, e *entry[V]) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if cached, ok := k.entries.Peek(key); !ok || cached != e || k.closed || k.reads[key] != nil || k.breaker.allow(k.Now()) != nil {
		return false
	}
	k.begin(key)
	return true
}
