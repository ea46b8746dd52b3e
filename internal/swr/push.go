package swr

import "time"

// Replace puts a value that nobody asked for in place of the one that is cached; of a key
// that is not cached there is nothing to do. value makes it of the old one and its age, and
// says whether it is surely newer; if it is not, the key is read again. A read that began
// before may not know of it.
func (k *Cache[K, V]) Replace(key K, value func(old V, age time.Duration) (v V, sure bool)) {
	if e := k.replace(key, value); e != nil {
		k.refresh(key, e)
	}
}

// replace returns what is to be read again, or nil.
func (k *Cache[K, V]) replace(key K, value func(old V, age time.Duration) (V, bool)) *entry[V] {
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
	v, sure := value(old.value, time.Duration(k.c.Now().UnixNano()-old.at))
	e := k.entry(v, k.state.generation.Load())
	e.suspect.Store(!sure && old.suspect.Load())
	e.outdated.Store(!sure)
	k.keep(key, e)
	if sure {
		return nil
	}
	return e
}

// Outdate has a key read again, also if it is just being read; of one that is neither cached
// nor read there is nothing to do.
func (k *Cache[K, V]) Outdate(key K) {
	if e := k.overtake(key); e != nil {
		k.refresh(key, e)
	}
}

func (k *Cache[K, V]) overtake(key K) *entry[V] {
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

// OutdateAll makes all that is cached stale: served on, and read again in the background.
func (k *Cache[K, V]) OutdateAll() { k.state.generation.Add(1) }

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
	if changes && live {
		k.OutdateAll() // what happened before is never told
		k.breaker.hurry(k.c.Now())
	}
	k.mu.Unlock()
	switch {
	case !changes:
	case live:
		k.log.Info("gate: changes in Stigg are felt at once")
	case k.ctx.Err() == nil:
		k.log.Warn("gate: the connection that tells of changes is lost; they are felt when what is cached expires")
	}
}

// Lost says that news should arrive and don't.
func (k *Cache[K, V]) Lost() { k.state.lost.Store(true) }

// Silent is Lost for news that never came, which is logged.
func (k *Cache[K, V]) Silent() {
	k.mu.Lock()
	is := !k.state.live.Load() && !k.state.lost.Swap(true)
	k.mu.Unlock()
	if is && k.ctx.Err() == nil {
		k.log.Warn("gate: the connection that tells of changes does not come up; they are felt when what is cached expires")
	}
}
