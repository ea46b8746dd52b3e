package redisgate_test

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	shares "github.com/stiggate/gate/internal/fleet"
	"github.com/stiggate/gate/internal/ledger"
)

// reserve is what others do: a script for each request.
const reserve = `local v = redis.call('HMGET', KEYS[1], 'u', 'h')
local u, h, n = tonumber(v[1]) or 0, tonumber(v[2]) or 0, tonumber(ARGV[1])
if u + h + n > tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], 'h', h + n)
return 1`

// BenchmarkLeasesBesideAScript has units admitted as fast as it goes, by 8 goroutines: from leases, and by a
// script for each, in rounds that alternate.
func BenchmarkLeasesBesideAScript(b *testing.B) {
	const goroutines, round, rounds, limit = 8, 500 * time.Millisecond, 3, 1e12
	client := newServer(b).client()
	store := open(b, client)
	l := ledger.New()
	r := shares.Start(shares.Config{Store: store, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}, l)
	defer func() { _ = r.Close() }()
	account := l.Open(ledger.Owner{ID: "acme"}).Feature("units")
	script := rueidis.NewLuaScript(reserve)
	ways := []func() bool{
		func() bool {
			ask := ledger.Ask{Amount: 1, Limit: ledger.Limit{Max: limit}}
			for {
				now := time.Now()
				a := account.Hold(now, ledger.Cycle{}, ask)
				if a.Answer != ledger.Wanting {
					h := account.Meter().Hold(a, now)
					h.Release()
					return a.Answer == ledger.Granted
				}
				<-a.Wait
				ask.Waited = a.Wait
			}
		},
		func() bool {
			n, err := script.Exec(context.Background(), client, []string{"{bench}"}, []string{"1", "1000000000000"}).AsInt64()
			return err == nil && n == 1
		},
	}
	var admitted [2]int64
	for b.Loop() {
		for range rounds {
			for i, admit := range ways {
				var n atomic.Int64
				var workers sync.WaitGroup
				for range goroutines {
					workers.Go(func() {
						mine := int64(0)
						for began := time.Now(); time.Since(began) < round; {
							if admit() {
								mine++
							}
						}
						n.Add(mine)
					})
				}
				workers.Wait()
				admitted[i] += n.Load()
			}
		}
	}
	per := float64(b.N) * rounds * round.Seconds()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(admitted[0])/per, "leases/s")
	b.ReportMetric(float64(admitted[1])/per, "scripts/s")
	b.ReportMetric(float64(admitted[0])/float64(admitted[1]), "times")
}
