package swr

import (
	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	// shares is into how many shares a memory is divided: while it is full, a parent whose
	// members have more than one makes room for all others.
	shares = 10
	// dropSample is among how many of a parent's members the least recently used is
	// looked for.
	dropSample = 16
)

// memory holds entries, bounded by count: the least recently used goes first, but of a
// parent that has more than its share, if there is one. So the members that one parent
// makes up drop nobody else's. All is done under the Cache's lock, but for the LRU's order,
// which a lookup touches now and then.
type memory[K comparable, V Value] struct {
	lru     *lru.Cache[K, *entry[V]]
	most    int
	parent  func(K) K
	members map[K]map[K]*entry[V] // of each parent
	over    map[K]bool            // parents with more than their share
}

// newMemory returns an empty memory that tells dropped of each entry that leaves it, but is
// not told of one that is replaced.
func newMemory[K comparable, V Value](most int, parent func(K) K, dropped func(K, *entry[V])) (*memory[K, V], error) {
	m := &memory[K, V]{most: most, parent: parent, members: make(map[K]map[K]*entry[V]), over: make(map[K]bool)}
	var err error
	m.lru, err = lru.NewWithEvict(most, func(key K, e *entry[V]) {
		m.leave(key)
		dropped(key, e)
	})
	return m, err
}

// put keeps an entry and returns the one that it replaces, or nil.
func (m *memory[K, V]) put(key K, e *entry[V]) *entry[V] {
	old, ok := m.lru.Peek(key)
	if !ok && m.lru.Len() >= m.most {
		m.makeRoom()
	}
	m.enter(key, e)
	m.lru.Add(key, e)
	return old
}

// makeRoom drops an entry of a parent that has more than its share. If there is none, the
// LRU drops its last.
func (m *memory[K, V]) makeRoom() {
	for parent := range m.over {
		var least K
		var last *entry[V]
		seen := 0
		for key, e := range m.members[parent] {
			if last == nil || e.touched.Load() < last.touched.Load() {
				least, last = key, e
			}
			if seen++; seen == dropSample {
				break
			}
		}
		m.lru.Remove(least)
		return
	}
}

func (m *memory[K, V]) share() int { return max(1, m.most/shares) }

// enter and leave keep the index of members.
func (m *memory[K, V]) enter(key K, e *entry[V]) {
	parent := m.parent(key)
	if parent == key {
		return
	}
	if m.members[parent] == nil {
		m.members[parent] = make(map[K]*entry[V], 1)
	}
	m.members[parent][key] = e
	if len(m.members[parent]) > m.share() {
		m.over[parent] = true
	}
}

func (m *memory[K, V]) leave(key K) {
	parent := m.parent(key)
	if parent == key {
		return
	}
	delete(m.members[parent], key)
	if len(m.members[parent]) <= m.share() {
		delete(m.over, parent)
	}
	if len(m.members[parent]) == 0 {
		delete(m.members, parent)
	}
}

// keep puts an entry where it belongs. Call it under the lock; the value is pinned by the
// caller.
func (k *Cache[K, V]) keep(key K, e *entry[V]) {
	into, other := k.full, k.empty
	if e.empty {
		into, other = k.empty, k.full
	} else {
		e.value.Pin() // never forgotten here: the caller still pins it
	}
	k.index.set(key, e)
	other.lru.Remove(key)
	if old := into.put(key, e); old != nil && !old.empty {
		old.value.Unpin()
	}
}
