package swr

import (
	"cmp"
	"context"
	"sync"
)

// mostWarm is how many keys Warm reads at once.
const mostWarm = 64

// Warm reads keys that are not cached, and waits for all of them as long as ctx allows. It
// returns how many could not be read, and why the first could not.
func (k *Cache[K, V]) Warm(ctx context.Context, keys []K) (failed int, first error) {
	var mu sync.Mutex
	var group sync.WaitGroup
	places := make(chan struct{}, mostWarm)
	for _, key := range keys {
		places <- struct{}{}
		group.Go(func() {
			defer func() { <-places }()
			var found Found[V]
			err := k.Get(ctx, key, k.c.Now(), false, &Wait{Unbounded: true}, &found)
			found.Done()
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
