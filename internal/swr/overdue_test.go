package swr

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// pinned is a read that counts its pins.
type pinned struct {
	ask
	pins *atomic.Int32
}

func (p pinned) Pin() bool { p.pins.Add(1); return true }
func (p pinned) Unpin()    { p.pins.Add(-1) }

// TestASourceThatNeverReturnsKeepsNoKeyForEver: its context has ended long ago, and it goes on.
func TestASourceThatNeverReturnsKeepsNoKeyForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pins atomic.Int32
		stuck, wakes := false, make(chan struct{})
		s := &source{says: func(key) (*value, error) {
			if stuck {
				<-wakes
				return &value{n: 1}, nil
			}
			return &value{n: 2}, nil
		}}
		k := cacheOf(t, s, func(c *Config[key, *value]) {
			c.Begin = func(k key) Read[*value] { pins.Add(1); return pinned{ask{s, k}, &pins} }
		})
		stuck = true
		if _, err := k.lookup(t, key{parent: "c"}); !errors.Is(err, ErrTooSlow) {
			t.Fatalf("got %v", err)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		stuck = false
		found, err := k.lookup(t, key{parent: "c"})
		if err != nil || (*found.Value).n != 2 {
			t.Fatalf("the source answers again, and the customer gets %v", err)
		}
		if n := k.Stats().UnderWay; n != 0 || pins.Load() != 1 {
			t.Errorf("%d reads under way; %d pins, want that of the one that has not returned", n, pins.Load())
		}
		close(wakes)
		synctest.Wait()
		if found, err = k.lookup(t, key{parent: "c"}); err != nil || (*found.Value).n != 2 || pins.Load() != 0 {
			t.Errorf("what came too late: %+v, %v, %d pins", found.Value, err, pins.Load())
		}
	})
}

func TestATrialThatNeverReturnsKeepsNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{says: fails(errDown)}
		k := cacheOf(t, s)
		for i := range breakAfter {
			_, _ = k.lookup(t, key{parent: fmt.Sprint("c", i)})
		}
		if k.breaker.rests(k.c.Now()) == nil {
			t.Fatal("the breaker is closed")
		}
		wakes := make(chan struct{})
		defer close(wakes)
		s.answers(func(key) (*value, error) { <-wakes; return nil, errDown })
		time.Sleep(time.Second)
		if _, err := k.lookup(t, key{parent: "trial"}); !errors.Is(err, ErrTooSlow) {
			t.Fatalf("got %v", err)
		}
		s.answers(gives)
		time.Sleep(longestBreak + 10*time.Second + mostOverdue)
		if _, err := k.lookup(t, key{parent: "next"}); err != nil {
			t.Errorf("the source answers again, and the next customer gets %v", err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		k.Close(ctx)
	})
}
