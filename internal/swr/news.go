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
	old, ok := k.entries.Peek(key)
	if r := k.reads[key]; r != nil && ok && old.suspect.Load() {
		r.overtaken = true // it has the change that is suspected, and may lack this one
		return nil
	}
	k.supersede(key)
	k.unknown.Remove(key)
	if !ok || k.closed {
		return nil
	}
	v, sure := value(old.value, k.Now().Sub(old.at))
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
	if r, ok := k.reads[key]; ok {
		r.overtaken = true
	}
	e, _ := k.entries.Peek(key)
	if e != nil {
		e.outdated.Store(true)
	}
	return e
}

// OutdateAll makes all that is cached stale: served on, and read again in the background.
func (k *Cache[K, V]) OutdateAll() { k.state.generation.Add(1) }

// Suspect makes the next Get of a key ask the source, and rely on what is cached only if it
// does not answer; of a parent, all of its members.
func (k *Cache[K, V]) Suspect(key K) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.suspect(key)
	if k.Parent(key) != key {
		return
	}
	for member := range k.members[key] {
		k.suspect(member)
	}
	for other := range k.reads {
		if k.Parent(other) == key {
			k.supersede(other)
		}
	}
}

// suspect is Suspect of one. Call it under the lock.
func (k *Cache[K, V]) suspect(key K) {
	k.supersede(key)
	if e, ok := k.entries.Peek(key); ok {
		e.suspect.Store(true)
	}
	k.unknown.Remove(key)
	k.garbled.Remove(key)
}

// supersede makes the read of a key that is under way, if there is one, bring nothing into
// the cache. Call it under the lock.
func (k *Cache[K, V]) supersede(key K) {
	if r, ok := k.reads[key]; ok {
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
		k.breaker.hurry(k.Now())
	}
	k.mu.Unlock()
	switch {
	case !changes:
	case live:
		k.Logger.Info("gate: changes in Stigg are felt at once")
	case k.ctx.Err() == nil:
		k.Logger.Warn("gate: the connection that tells of changes is lost; they are felt when what is cached expires")
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
		k.Logger.Warn("gate: the connection that tells of changes does not come up; they are felt when what is cached expires")
	}
}
