package swr

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// noting is a read that notes whether it was told of no cache.
type noting struct {
	ask
	noCache *bool
}

func (n noting) Do(ctx context.Context, noCache bool) (*value, error) {
	*n.noCache = noCache
	return n.ask.Do(ctx, noCache)
}

func TestWhatIsOutdatedIsReadPastTheCachesOnTheWayIfTheyAreToo(t *testing.T) {
	for name, c := range map[string]struct {
		outdate func(*Cache[key, *value])
		want    bool
	}{
		"all is changed":                   {func(k *Cache[key, *value]) { k.OutdateAll(true) }, true},
		"all is changed, and known before": {func(k *Cache[key, *value]) { k.OutdateAll(false) }, false},
		"both, one after the other":        {func(k *Cache[key, *value]) { k.OutdateAll(true); k.OutdateAll(false) }, true},
		"news arrive again":                {func(k *Cache[key, *value]) { k.SetLive(true) }, false},
		"one is changed":                   {func(k *Cache[key, *value]) { k.Outdate(key{parent: "c"}) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, noCache := &source{}, false
				k := cacheOf(t, s, func(c *Config[key, *value]) {
					c.Begin = func(k key) Read[*value] { return noting{ask{s, k}, &noCache} }
				})
				_, _ = k.lookup(t, key{parent: "c"})
				c.outdate(k)
				_, _ = k.lookup(t, key{parent: "c"})
				time.Sleep(time.Second)
				synctest.Wait()
				if s.asked("c") != 2 || noCache != c.want {
					t.Errorf("%d reads, the last with no cache: %t, want %t", s.asked("c"), noCache, c.want)
				}
				k.OutdateAll(false)
				_, _ = k.lookup(t, key{parent: "c"})
				time.Sleep(time.Second)
				synctest.Wait()
				if s.asked("c") != 3 || noCache {
					t.Errorf("%d reads, and the next with no cache: %t", s.asked("c"), noCache)
				}
			})
		})
	}
}
