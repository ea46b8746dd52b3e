package swr

import (
	"log/slog"
	"time"

	"github.com/stiggate/gate/internal/incident"
)

// Replace puts a value that nobody asked for in place of the one that is cached; of a key
// that is not cached there is nothing to do. value makes it of the old one and its age, and
// says whether it is surely newer; if it is not, the key is read again. A read that began
// before may not know of it.
func (k *Cache[K, V]) Replace(key K, value func(old *V, age time.Duration) (v V, sure bool)) {
	if e := k.replace(key, value); e != nil {
		k.refresh(e)
	}
}

// replace returns what is to be read again, or nil.
func (k *Cache[K, V]) replace(key K, value func(old *V, age time.Duration) (V, bool)) *entry[K, V] {
	k.mu.Lock()
	defer k.mu.Unlock()
	old := k.index.get(key)
	if r := k.reads[key]; r != nil && r.begun && old != nil && old.suspect.Load() {
		r.overtaken = true // it has the change that is suspected, and may lack this one
		return nil
	}
	k.supersede(key)
	k.empty.lru.Remove(key)
	if old == nil || old.empty || k.closed {
		return nil
	}
	v, sure := value(&old.value, time.Duration(k.c.Now().UnixNano()-old.at))
	e := k.entry(key, v, k.state.generation.Load())
	e.suspect.Store(!sure && old.suspect.Load())
	e.outdated.Store(!sure)
	k.keep(e)
	if sure {
		return nil
	}
	return e
}

// Outdate has a key read again, also if it is just being read; of one that is neither cached
// nor read there is nothing to do.
func (k *Cache[K, V]) Outdate(key K) {
	if e := k.overtake(key); e != nil {
		k.refresh(e)
	}
}

func (k *Cache[K, V]) overtake(key K) *entry[K, V] {
	k.mu.Lock()
	defer k.mu.Unlock()
	if r, ok := k.reads[key]; ok && r.begun {
		r.overtaken = true
	}
	e := k.index.get(key)
	if e == nil || e.empty {
		return nil
	}
	e.outdated.Store(true)
	return e
}

// OutdateAll makes all that is cached stale: served on, and read again in the background. With noCache,
// what others keep of it on the way to the source is out of date, too.
func (k *Cache[K, V]) OutdateAll(noCache bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if n := k.state.generation.Add(1); noCache {
		k.state.changed = n
	}
}

// suspectAtOnce is how many members are made suspect before others may have the lock.
const suspectAtOnce = 256

// Suspect makes the next Get of a key ask the source, and rely on what is cached only if it
// does not answer; of a parent, all of its members.
func (k *Cache[K, V]) Suspect(key K) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.suspect(key)
	if k.c.Parent(key) != key {
		return
	}
	// First the reads: what is kept while the lock is given up was read after this.
	for other := range k.reads {
		if k.c.Parent(other) == key {
			k.suspect(other)
		}
	}
	for _, m := range []*memory[K, V]{k.full, k.empty} {
		n := 0
		for member := range m.members[key] {
			k.suspect(member)
			if n++; n%suspectAtOnce == 0 {
				k.mu.Unlock()
				k.mu.Lock()
			}
		}
	}
}

// suspect is Suspect of one. Call it under the lock.
func (k *Cache[K, V]) suspect(key K) {
	k.supersede(key)
	if e := k.index.get(key); e != nil && !e.empty {
		e.suspect.Store(true)
	}
	k.empty.lru.Remove(key)
	k.failures.Remove(key)
}

// supersede makes the read of a key that is under way, if there is one, bring nothing into
// the cache. One that has not begun will know. Call it under the lock.
func (k *Cache[K, V]) supersede(key K) {
	if r, ok := k.reads[key]; ok && r.begun {
		r.superseded = true
		delete(k.reads, key)
	}
}

// SetLive says whether news arrive now. When they do again, what was cached before is stale.
func (k *Cache[K, V]) SetLive(live bool) {
	k.mu.Lock()
	changes := k.state.live.Swap(live) != live
	if changes {
		k.state.lost.Store(!live)
	}
	now := k.c.Now()
	if changes && live {
		k.state.generation.Add(1) // what happened before is never told
		k.breaker.hurry(now)
	}
	k.mu.Unlock()
	switch {
	case !changes:
	case live && !k.log.unheard():
		k.c.Logger.Info("gate: changes in Stigg are felt at once")
	case live:
		k.log.lost.Over(now)
		k.log.silent.Over(now)
		k.log.ended.Over(now)
	case k.ctx.Err() == nil:
		k.log.lost.Happens(now, k.why()...)
	}
}

// Lost says that nobody watches for news any more, though somebody should.
func (k *Cache[K, V]) Lost(err error) {
	k.state.lost.Store(true)
	k.log.lost.Drop()
	k.log.silent.Drop()
	k.log.ended.Happens(k.c.Now(), slog.Any("error", err))
}

// Silent is Lost for news that never came, which is logged.
func (k *Cache[K, V]) Silent() {
	k.mu.Lock()
	is := !k.state.live.Load() && !k.state.lost.Swap(true)
	k.mu.Unlock()
	if is && k.ctx.Err() == nil {
		k.log.silent.Happens(k.c.Now(), k.why()...)
	}
}

// Interrupted says why news do not arrive, which is told with that they don't. It comes before
// SetLive(false), or when an attempt to have them fails.
func (k *Cache[K, V]) Interrupted(err error) {
	k.state.interrupted.Store(&err)
	for _, s := range []*incident.State{k.log.lost, k.log.silent} {
		if s.Active() && k.ctx.Err() == nil {
			s.Happens(k.c.Now(), k.why()...)
		}
	}
}

// why is the error for which news don't arrive, if there is one.
func (k *Cache[K, V]) why() []slog.Attr {
	if err := k.state.interrupted.Load(); err != nil {
		return []slog.Attr{slog.Any("error", *err)}
	}
	return nil
}
