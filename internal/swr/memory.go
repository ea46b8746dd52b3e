package swr

import (
	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	// shares is into how many shares a memory is divided: while it is full, a parent whose
	// members have more than one makes room for all others.
	shares = 10
	// mostSpared bounds how many that were used are passed over to find one that was not.
	mostSpared = 64
)

// memory holds entries, bounded by count: the oldest goes first, but of a parent that has more than its
// share, if there is one. So the members that one parent makes up drop nobody else's. One that was used
// since has a second chance, and becomes the newest (the clock algorithm): so a lookup notes its use in
// the entry, and all else is done under the Cache's lock.
type memory[K comparable, V Value] struct {
	lru     *lru.Cache[K, *entry[K, V]]
	most    int
	parent  func(K) K
	members map[K]map[K]*entry[K, V] // of each parent
	over    map[K]bool               // parents with more than their share
}

// newMemory returns an empty memory that tells dropped of each entry that leaves it, but is
// not told of one that is replaced.
func newMemory[K comparable, V Value](most int, parent func(K) K, dropped func(*entry[K, V])) (*memory[K, V], error) {
	m := &memory[K, V]{most: most, parent: parent, members: make(map[K]map[K]*entry[K, V]), over: make(map[K]bool)}
	var err error
	m.lru, err = lru.NewWithEvict(most, func(key K, e *entry[K, V]) {
		m.leave(key)
		dropped(e)
	})
	return m, err
}

// put keeps an entry and returns the one that it replaces, or nil.
func (m *memory[K, V]) put(e *entry[K, V]) *entry[K, V] {
	old, ok := m.lru.Peek(e.key)
	if !ok && m.lru.Len() >= m.most {
		m.makeRoom()
	}
	m.enter(e)
	m.lru.Add(e.key, e)
	return old
}

// makeRoom drops an entry: one of a parent that has more than its share, if there is such a parent.
func (m *memory[K, V]) makeRoom() {
	for parent := range m.over {
		spared := 0
		for key, e := range m.members[parent] {
			if spared++; !e.used.Swap(false) || spared == mostSpared {
				m.lru.Remove(key)
				return
			}
		}
	}
	for range mostSpared {
		key, e, ok := m.lru.GetOldest()
		if !ok || !e.used.Swap(false) {
			break
		}
		m.lru.Get(key)
	}
	m.lru.RemoveOldest()
}

func (m *memory[K, V]) share() int { return max(1, m.most/shares) }

// enter and leave keep the index of members.
func (m *memory[K, V]) enter(e *entry[K, V]) {
	parent := m.parent(e.key)
	if parent == e.key {
		return
	}
	if m.members[parent] == nil {
		m.members[parent] = make(map[K]*entry[K, V], 1)
	}
	m.members[parent][e.key] = e
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
func (k *Cache[K, V]) keep(e *entry[K, V]) {
	into, other := k.full, k.empty
	if e.empty {
		into, other = k.empty, k.full
	} else {
		e.value.Pin() // never forgotten here: the caller still pins it
	}
	k.index.set(e)
	other.lru.Remove(e.key)
	if old := into.put(e); old != nil && !old.empty {
		old.value.Unpin()
	}
}
