package redisgate_test

import (
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkNewsAreFelt is how long after a webhook at one replica the gates of eight know of it.
func BenchmarkNewsAreFelt(b *testing.B) {
	s, shared := newServer(b), newStigg()
	var replicas []*replica
	for range 8 {
		replicas = append(replicas, replicaOf(b, s.client(), shared))
	}
	var took []time.Duration
	for b.Loop() {
		before := make([]int32, len(replicas))
		for i, r := range replicas {
			before[i] = r.told.one.Load()
		}
		began := time.Now()
		replicas[0].cache.Sink().Invalidate(acme)
		for i, r := range replicas {
			for r.told.one.Load() == before[i] {
				time.Sleep(50 * time.Microsecond)
			}
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-median")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
}

// BenchmarkSharedRead is a read of a set that another replica has read.
func BenchmarkSharedRead(b *testing.B) {
	s, shared := newServer(b), newStigg()
	read(b, b.Context(), cacheOf(b, s.client(), shared), acme)
	c := cacheOf(b, s.client(), shared)
	for b.Loop() {
		read(b, b.Context(), c, acme)
	}
}

// BenchmarkAppend is a usage kept in Redis, by many goroutines.
func BenchmarkAppend(b *testing.B) {
	box := outboxOf(b, newServer(b, "--appendonly", "yes").client())
	var n atomic.Int64
	b.SetParallelism(16)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if err := box.Append(b.Context(), usageOf(strconv.FormatInt(n.Add(1), 10))); err != nil {
				b.Error(err)
			}
		}
	})
}
