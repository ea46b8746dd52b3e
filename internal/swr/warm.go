package swr

import (
	"cmp"
	"context"
	"sync"
)

// mostWarm is how many keys Warm reads at once.
const mostWarm = 64

// Warm reads keys that are not cached, and waits for all of them as long as ctx allows. It
// returns how many could not be read, and why the first could not. Keys that check refuses
// are not read.
func (k *Cache[K, V]) Warm(ctx context.Context, keys []K, check func(K) error) (failed int, first error) {
	var mu sync.Mutex
	var group sync.WaitGroup
	places := make(chan struct{}, mostWarm)
	for _, key := range keys {
		places <- struct{}{}
		group.Go(func() {
			defer func() { <-places }()
			err := check(key)
			if err == nil {
				var found Found[V]
				found, err = k.Get(ctx, key, k.c.Now(), false, &Wait{Unbounded: true})
				found.Done()
			}
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				first = cmp.Or(first, err)
				failed++
			}
		})
	}
	group.Wait()
	return failed, first
}
