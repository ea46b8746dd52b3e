package swr

import (
	"hash/maphash"
	"sync/atomic"
)

// index finds entries by key without a lock: a hash table with linear probing, whose slots are atomic.
// It is changed under the Cache's lock alone.
//
// A slot that was ever used is never nil again in the same table, so a lookup that passes it finds what
// lies behind. An entry's key never changes: what a lookup finds is the key's, whatever the hash of the
// slot says meanwhile.
type index[K comparable, V Value] struct {
	hash  func(maphash.Seed, K) uint64
	seed  maphash.Seed
	table atomic.Pointer[table[K, V]]
	gone  *entry[K, V] // stands where an entry was removed
	size  int          // entries
	used  int          // slots that are not nil
}

// table is a power of two of slots.
type table[K comparable, V Value] []slot[K, V]

// slot has the hash of its entry's key beside it, so that other entries need not be looked at.
type slot[K comparable, V Value] struct {
	hash  atomic.Uint64
	entry atomic.Pointer[entry[K, V]]
}

// leastTable is the size of the first table; it is doubled as the index grows.
const leastTable = 64

// init makes it an empty index.
func (x *index[K, V]) init(hash func(maphash.Seed, K) uint64) {
	x.hash, x.seed, x.gone = hash, maphash.MakeSeed(), new(entry[K, V])
	first := make(table[K, V], leastTable)
	x.table.Store(&first)
}

// get is the entry of a key, or nil.
func (x *index[K, V]) get(key K) *entry[K, V] {
	h, t := x.hash(x.seed, key), *x.table.Load()
	for i := h; ; i++ {
		s := &t[i&uint64(len(t)-1)] //nolint:gosec // a table is never empty
		e := s.entry.Load()
		if e == nil {
			return nil
		}
		if s.hash.Load() == h && e.key == key && e != x.gone {
			return e
		}
	}
}

// set puts an entry in place of the key's, if there is one.
func (x *index[K, V]) set(e *entry[K, V]) {
	t := *x.table.Load()
	if most := len(t) / 4 * 3; x.used >= most {
		size := len(t)
		if x.size > most/2 {
			size *= 2
		}
		x.rebuild(size)
		t = *x.table.Load()
	}
	h := x.hash(x.seed, e.key)
	if s := x.find(t, h, e.key); s != nil {
		s.entry.Store(e)
		return
	}
	x.size++
	if t.add(h, e, x.gone) == nil {
		x.used++
	}
}

// find is the slot of a key, or nil.
func (x *index[K, V]) find(t table[K, V], h uint64, key K) *slot[K, V] {
	for i := h; ; i++ {
		s := &t[i&uint64(len(t)-1)] //nolint:gosec // a table is never empty
		switch e := s.entry.Load(); {
		case e == nil:
			return nil
		case e.key == key && e != x.gone:
			return s
		}
	}
}

// add puts the entry of a key that is not in the table into the first slot that is free, and returns
// what was there: nil or gone. Its hash is there before it is.
func (t table[K, V]) add(h uint64, e, gone *entry[K, V]) *entry[K, V] {
	for i := h; ; i++ {
		s := &t[i&uint64(len(t)-1)] //nolint:gosec // a table is never empty
		if was := s.entry.Load(); was == nil || was == gone {
			s.hash.Store(h)
			s.entry.Store(e)
			return was
		}
	}
}

// rebuild makes a table anew, without what is gone.
func (x *index[K, V]) rebuild(size int) {
	to := make(table[K, V], size)
	for i := range *x.table.Load() {
		s := &(*x.table.Load())[i]
		if e := s.entry.Load(); e != nil && e != x.gone {
			to.add(s.hash.Load(), e, x.gone)
		}
	}
	x.used = x.size
	x.table.Store(&to)
}

// remove takes an entry out if it is still its key's.
func (x *index[K, V]) remove(e *entry[K, V]) {
	if s := x.find(*x.table.Load(), x.hash(x.seed, e.key), e.key); s != nil && s.entry.Load() == e {
		s.entry.Store(x.gone)
		x.size--
	}
}
