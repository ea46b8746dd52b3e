package swr

import (
	"fmt"
	"hash/maphash"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// TestTheIndexIsAMap holds it against one, with a hash that makes long chains.
func TestTheIndexIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x index[int, *value]
		x.init(func(_ maphash.Seed, k int) uint64 { return uint64(k % 7) })
		model := map[int]*entry[int, *value]{}
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			k := rapid.IntRange(0, 200).Draw(t, "key")
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0, 1:
				e := &entry[int, *value]{key: k}
				x.set(e)
				model[k] = e
			case 2:
				if e := model[k]; e != nil {
					x.remove(e)
					delete(model, k)
				}
			case 3:
				x.remove(&entry[int, *value]{key: k}) // another one: it stays
			}
		}
		for k := range 200 {
			if x.get(k) != model[k] {
				t.Fatalf("key %d is %p, want %p", k, x.get(k), model[k])
			}
		}
		if x.size != len(model) {
			t.Fatalf("%d keys, want %d", x.size, len(model))
		}
	})
}

func TestTheIndexIsReadWhileItGrows(t *testing.T) {
	var x index[int, *value]
	x.init(func(_ maphash.Seed, k int) uint64 { return uint64(k) })
	kept, done := &entry[int, *value]{key: 1}, make(chan struct{})
	x.set(kept)
	go func() {
		defer close(done)
		for k := 2; k < 10_000; k++ {
			e := &entry[int, *value]{key: k}
			x.set(e)
			if k > 5000 || k%3 == 0 { // it grows, and then slots are used again
				x.remove(e)
			}
		}
	}()
	for {
		select {
		case <-done:
			return
		default:
			if x.get(1) != kept {
				t.Fatal("a key is lost while others come and go")
			}
		}
	}
}

// holds a cache to what it says of itself: the index, the memories and their members agree.
func (k *Cache[K, V]) audit(t *testing.T) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	n := 0
	for _, m := range []*memory[K, V]{k.full, k.empty} {
		members := 0
		for _, key := range m.lru.Keys() {
			e, _ := m.lru.Peek(key)
			if k.index.get(key) != e || e.empty != (m == k.empty) {
				t.Errorf("%v is in the memory and not so in the index", key)
			}
			if parent := m.parent(key); parent != key {
				if members++; m.members[parent][key] != e {
					t.Errorf("%v is no member", key)
				}
			}
			n++
		}
		for parent, all := range m.members {
			members -= len(all)
			if m.over[parent] != (len(all) > m.share()) {
				t.Errorf("%v is over its share: %t, with %d", parent, m.over[parent], len(all))
			}
		}
		if members != 0 || m.lru.Len() > m.most {
			t.Errorf("%d members too few, %d entries of %d", members, m.lru.Len(), m.most)
		}
	}
	if k.index.size != n {
		t.Errorf("the index has %d keys, the memories have %d", k.index.size, n)
	}
}

func TestTheIndexAndTheMemoriesAgreeWhateverHappens(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &source{}
			k := cacheOf(t, s, func(c *Config[key, *value]) { c.Keys = 20 })
			for range rapid.IntRange(1, 80).Draw(r, "steps") {
				of := key{parent: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(r, "parent")}
				if n := rapid.IntRange(0, 12).Draw(r, "member"); n > 0 {
					of.member = fmt.Sprint(n)
				}
				empty := rapid.Bool().Draw(r, "empty")
				s.answers(func(key) (*value, error) { return &value{life: Lifetime{Empty: empty}}, nil })
				switch rapid.IntRange(0, 7).Draw(r, "what") {
				case 0, 1, 2:
					_, _ = k.lookup(t, of)
				case 3:
					k.Suspect(of)
				case 4:
					k.Replace(of, func(**value, time.Duration) (*value, bool) { return &value{life: Lifetime{Empty: empty}}, true })
				case 5:
					k.Outdate(of)
				case 6:
					time.Sleep(time.Minute)
				case 7:
					k.OutdateAll(false)
				}
			}
			synctest.Wait()
			k.audit(t)
			k.Purge()
			k.audit(t)
		})
	})
}

func TestMembersOfOneParentDropNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		k := cacheOf(t, s)
		for i := range 50 {
			_, _ = k.lookup(t, key{parent: fmt.Sprint("payer-", i)})
		}
		for i := range 1000 {
			_, _ = k.lookup(t, key{"one", fmt.Sprint("r", i)})
		}
		for i := range 25 { // others come later
			_, _ = k.lookup(t, key{parent: fmt.Sprint("late-", i)})
		}
		for i := range 50 {
			if _, ok := k.Peek(key{parent: fmt.Sprint("payer-", i)}); !ok {
				t.Errorf("payer %d is dropped", i)
			}
		}
		if n := k.Stats().Keys; n != 100 {
			t.Errorf("%d keys are cached", n)
		}
		k.audit(t)
	})
}

func TestAParentAloneHasAllTheMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := cacheOf(t, &source{})
		for i := range 100 {
			_, _ = k.lookup(t, key{"one", fmt.Sprint("r", i)})
		}
		if n := k.Stats().Keys; n != 100 {
			t.Errorf("%d of 100 are cached", n)
		}
	})
}

func TestWhatGivesNothingIsBoundedApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		k := cacheOf(t, s)
		_, _ = k.lookup(t, key{parent: "payer"})
		s.answers(nothing)
		for i := range emptyKeys + 10 {
			_, _ = k.lookup(t, key{fmt.Sprint("u", i), "r"})
		}
		if stats := k.Stats(); stats.Members != emptyKeys || stats.Keys != 1 {
			t.Errorf("members of %d parents are kept, want %d; %d keys", stats.Members, emptyKeys, stats.Keys)
		}
		k.audit(t)
	})
}

func TestTheLeastRecentlyUsedGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := cacheOf(t, &source{}, func(c *Config[key, *value]) { c.Keys = 3 })
		for _, id := range []string{"a", "b", "c"} {
			_, _ = k.lookup(t, key{parent: id})
		}
		time.Sleep(2 * time.Second)
		_, _ = k.lookup(t, key{parent: "a"})
		_, _ = k.lookup(t, key{parent: "d"})
		for id, want := range map[string]bool{"a": true, "b": false, "c": true, "d": true} {
			if _, ok := k.Peek(key{parent: id}); ok != want {
				t.Errorf("%s is cached: %t", id, ok)
			}
		}
	})
}
