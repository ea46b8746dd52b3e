package redisgate_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/stiggate/gate/contrib/redisgate"
)

// clients are one for each replica.
func clients(s *server, n int) []rueidis.Client {
	all := make([]rueidis.Client, n)
	for i := range all {
		all[i] = s.client()
	}
	return all
}

// TestRedisIsKilledUnderLoad has kill -9 end Redis again and again. With its file nothing is lost; without it
// each loss is noticed. The limit is never passed.
func TestRedisIsKilledUnderLoad(t *testing.T) {
	t.Parallel()
	for name, keeps := range map[string]bool{"with its file": true, "without its file": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, "--appendonly", "yes", "--appendfsync", "everysec")
			l := newLoad(t, clients(s, 4)...)
			kills := 0
			for began := time.Now(); kills == 0 || time.Since(began) < *killTime; kills++ {
				time.Sleep(2*time.Second + rand.N(time.Second))
				s.kill()
				time.Sleep(rand.N(400 * time.Millisecond))
				if !keeps {
					s.removeFiles()
				}
				s.start()
			}
			time.Sleep(quickTiming.Valid + time.Second)
			noticed := l.losses()
			l.end(0)
			t.Logf("%d kills, losses by replica: %v", kills, noticed)
			if lost := noticed[0] != "0"; lost == keeps {
				t.Errorf("losses by replica: %v", noticed)
			}
		})
	}
}

// TestRedisForgetsUnderLoad has it lose something while it runs: a failover to a replica that lags, and the eviction of a
// key. The limit is passed by no more than what was let in since, and until it was noticed.
func TestRedisForgetsUnderLoad(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(t *testing.T, c rueidis.Client, key string, lag time.Duration){
		"it is thrown back": func(t *testing.T, c rueidis.Client, key string, lag time.Duration) {
			dump := do(t, c, "DUMP", key)
			time.Sleep(lag)
			do(t, c, "RESTORE", key, "0", dump, "REPLACE")
		},
		"a key is evicted": func(t *testing.T, c rueidis.Client, key string, _ time.Duration) { do(t, c, "DEL", key) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			l := newLoad(t, clients(s, 4)...)
			key := redisgate.Keys(l.stores[0], state("", 0, 0).Account)[0]
			client, most := s.client(), int64(0)
			unnoticed := func(tries int) bool { return l.losses()[0] == "0" && tries < mostHarms }
			for began, tries := time.Now(), 0; most == 0 || unnoticed(tries) || time.Since(began) < *killTime; tries++ {
				time.Sleep(time.Second + rand.N(time.Second))
				before := l.settled.Load()
				lose(t, client, key, rand.N(time.Second))
				time.Sleep(quickTiming.Valid)
				most += l.settled.Load() - before + 4*3
			}
			time.Sleep(quickTiming.Valid + time.Second)
			noticed := l.losses()
			l.end(most)
			if noticed[0] == "0" {
				t.Errorf("losses by replica: %v", noticed)
			}
		})
	}
}
