package swr

import (
	"hash/maphash"
	"sync/atomic"
)

// index finds values by key without a lock: a hash table of chains, whose links are atomic.
// It is changed under the Cache's lock alone.
type index[K comparable, T any] struct {
	hash  func(maphash.Seed, K) uint64
	seed  maphash.Seed
	table atomic.Pointer[table[K, T]]
	size  int
}

// table is a power of two of chains.
type table[K comparable, T any] []atomic.Pointer[node[K, T]]

type node[K comparable, T any] struct {
	key   K
	value atomic.Pointer[T]
	next  atomic.Pointer[node[K, T]]
}

// leastTable is the size of the first table; it is doubled as the index grows.
const leastTable = 64

// init makes it an empty index.
func (x *index[K, T]) init(hash func(maphash.Seed, K) uint64) {
	x.hash, x.seed = hash, maphash.MakeSeed()
	x.grow(leastTable)
}

// get is the value of a key, or nil.
func (x *index[K, T]) get(key K) *T {
	for n := x.chain(*x.table.Load(), key).Load(); n != nil; n = n.next.Load() {
		if n.key == key {
			return n.value.Load()
		}
	}
	return nil
}

func (x *index[K, T]) chain(t table[K, T], key K) *atomic.Pointer[node[K, T]] {
	return &t[x.hash(x.seed, key)&uint64(len(t)-1)] //nolint:gosec // a table is never empty
}

// set puts a value in place of the key's, if there is one.
func (x *index[K, T]) set(key K, value *T) {
	if size := len(*x.table.Load()); x.size >= size {
		x.grow(2 * size)
	}
	chain := x.chain(*x.table.Load(), key)
	for n := chain.Load(); n != nil; n = n.next.Load() {
		if n.key == key {
			n.value.Store(value)
			return
		}
	}
	x.size++
	add(chain, key, value)
}

// add puts a node in front of a chain.
func add[K comparable, T any](chain *atomic.Pointer[node[K, T]], key K, value *T) {
	n := &node[K, T]{key: key}
	n.value.Store(value)
	n.next.Store(chain.Load())
	chain.Store(n)
}

// grow makes a larger table. Nodes are made anew, since the chains of the old one are still
// being read.
func (x *index[K, T]) grow(size int) {
	larger := make(table[K, T], size)
	if old := x.table.Load(); old != nil {
		for i := range *old {
			for n := (*old)[i].Load(); n != nil; n = n.next.Load() {
				add(x.chain(larger, n.key), n.key, n.value.Load())
			}
		}
	}
	x.table.Store(&larger)
}

// remove takes a key out if value is still its value.
func (x *index[K, T]) remove(key K, value *T) {
	link := x.chain(*x.table.Load(), key)
	for n := link.Load(); n != nil; n = link.Load() {
		if n.key == key {
			if n.value.Load() == value {
				link.Store(n.next.Load())
				x.size--
			}
			return
		}
		link = &n.next
	}
}
