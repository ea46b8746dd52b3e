package swr

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// slowly is a source that takes its time to answer.
func slowly(d time.Duration, says func(key) (*value, error)) func(key) (*value, error) {
	return func(k key) (*value, error) {
		time.Sleep(d)
		return says(k)
	}
}

func TestTenThousandColdKeysAtOnceAreAllRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{says: slowly(20*time.Millisecond, gives)}
		k := cacheOf(t, s, func(c *Config[key, *value]) { c.Keys = 100_000 })
		var wait sync.WaitGroup
		for i := range 10_000 {
			wait.Go(func() {
				if _, err := k.lookup(t, key{parent: fmt.Sprint("c", i)}); err != nil {
					t.Errorf("key %d: %v", i, err)
				}
			})
		}
		synctest.Wait()
		if stats := k.Stats(); stats.UnderWay != mostReads || stats.Waiting != 10_000-mostReads {
			t.Errorf("%d reads are under way and %d wait", stats.UnderWay, stats.Waiting)
		}
		wait.Wait()
		if stats := k.Stats(); stats.UnderWay != 0 || stats.Waiting != 0 || stats.Reads != 10_000 {
			t.Errorf("left behind: %+v", stats)
		}
	})
}

func TestAReadThatNobodyWaitsForDoesNotBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		release := s.holds()
		k := cacheOf(t, s)
		for i := range 3 * mostReads {
			go func() { _, _ = k.lookup(t, key{parent: fmt.Sprint("c", i)}) }()
		}
		time.Sleep(3 * time.Second) // all have given up
		if n := k.Stats().Waiting; n != 0 {
			t.Errorf("%d reads wait for nobody", n)
		}
		release()
		synctest.Wait()
		if n := s.asked(""); n != mostReads {
			t.Errorf("%d reads begun, want %d", n, mostReads)
		}
		if _, err := k.lookup(t, key{parent: "later"}); err != nil {
			t.Error(err)
		}
		if stats := k.Stats(); stats.UnderWay != 0 || len(k.reads) != 0 {
			t.Errorf("left behind: %+v, %d reads", stats, len(k.reads))
		}
	})
}

func TestColdKeysKeepNoPlaceFromThoseThatWereGrantedSomething(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		k := cacheOf(t, s)
		payer := key{parent: "payer"}
		_, _ = k.lookup(t, payer)
		k.Purge() // it is dropped, and not forgotten
		release := s.holds()
		for i := range 3 * mostReads {
			go func() { _, _ = k.lookup(t, key{parent: fmt.Sprint("c", i)}) }()
		}
		synctest.Wait()
		asked := s.asked("payer")
		go func() { _, _ = k.lookup(t, payer) }()
		synctest.Wait()
		if s.asked("payer") != asked+1 {
			t.Error("a key that was granted something before waits behind those that were not")
		}
		release()
	})
}

// TestWhatTheSourceAllowsIsKeptForThoseWhoWereGrantedSomething: the source allows 100 reads in
// each window of 10 s, of which little is left, and made-up keys come without end.
func TestWhatTheSourceAllowsIsKeptForThoseWhoWereGrantedSomething(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		left, reset := 100, time.Now().Add(10*time.Second)
		window := func() {
			if now := time.Now(); !now.Before(reset) {
				left, reset = 100, now.Add(10*time.Second)
			}
		}
		s := &source{says: func(k key) (*value, error) {
			mu.Lock()
			defer mu.Unlock()
			window()
			if left--; left < 0 {
				return nil, busy(time.Until(reset))
			}
			if k.parent == "payer" {
				return &value{}, nil
			}
			return nothing(k)
		}}
		k := cacheOf(t, s, func(c *Config[key, *value]) {
			c.Pace = func() time.Duration {
				mu.Lock()
				defer mu.Unlock()
				window()
				return time.Duration(float64(time.Until(reset)) / max(1, float64(left)))
			}
		})
		payer := key{parent: "payer"}
		_, _ = k.lookup(t, payer)
		for n := range 3000 {
			go func() { _, _ = k.lookup(t, key{parent: fmt.Sprint("made-up-", n)}) }()
			if n%100 == 49 { // not within the last 40 ms of a window, when what is left is nobody's
				k.Suspect(payer)
				if err := k.read(t.Context(), payer, k.c.Now(), false, &Wait{}, time.Second, new(Found[*value])); err != nil {
					t.Fatalf("after %d made-up keys a payer is not read: %v", n, err)
				}
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
}

// TestABurstLeavesWhatIsKept: so many made-up keys come at once that they would take all that is left
// before the pace tells of any.
func TestABurstLeavesWhatIsKept(t *testing.T) {
	for name, allowed := range map[string]int{"reads become scarce meanwhile": 400, "reads are scarce but for a few": 252} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var left atomic.Int64
				left.Store(int64(allowed))
				reset := time.Now().Add(10 * time.Second)
				s := &source{says: func(k key) (*value, error) {
					left.Add(-1)
					time.Sleep(20 * time.Millisecond)
					return nothing(k)
				}}
				k := cacheOf(t, s, func(c *Config[key, *value]) {
					c.Pace = func() time.Duration { return time.Until(reset) / time.Duration(max(1, left.Load())) }
				})
				for n := range 1000 {
					go func() { _, _ = k.lookup(t, key{parent: fmt.Sprint("made-up-", n)}) }()
				}
				for _, later := range []time.Duration{100 * time.Millisecond, time.Second} {
					time.Sleep(later)
					if n, kept := left.Load(), int64(time.Until(reset)/scarcePace-2*scarceReads); n < kept {
						t.Errorf("%v later %d reads are left, want %d", later, n, kept)
					}
				}
			})
		})
	}
}

func TestABudgetIsForReadsThatBringNothing(t *testing.T) {
	for name, tt := range map[string]struct {
		says        func(key) (*value, error)
		least, most int
	}{
		"nothing":   {nothing, 100, 100 + 10*budgetPerSecond + 1},
		"refused":   {fails(errRefused), 100, 100 + 10*budgetPerSecond + 1},
		"something": {gives, 1000, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &source{says: tt.says}
				k := cacheOf(t, s)
				for i := range 1000 { // for 10 s
					go func() { _, _ = k.lookup(t, key{"c", fmt.Sprint("r", i)}) }()
					time.Sleep(10 * time.Millisecond)
				}
				if n := s.asked("c"); n < tt.least || n > tt.most {
					t.Errorf("%d reads of one parent, want %d to %d", n, tt.least, tt.most)
				}
			})
		})
	}
}

func TestAnOutageSpendsNoBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{says: fails(errDown)}
		k := cacheOf(t, s)
		for i := range 600 { // for a minute
			_, _ = k.lookup(t, key{"c", fmt.Sprint("r", i)})
			time.Sleep(100 * time.Millisecond)
		}
		s.answers(nothing)
		time.Sleep(longestBreak)
		for i := range budgetBurst {
			if _, err := k.lookup(t, key{"c", fmt.Sprint("s", i)}); err != nil {
				t.Fatalf("key %d: %v", i, err)
			}
		}
	})
}

func TestOneReadForAllWhoWaitAlsoIfItWaitsForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		release := s.holds()
		k := cacheOf(t, s)
		for i := range mostReads {
			go func() { _, _ = k.lookup(t, key{parent: fmt.Sprint("c", i)}) }()
		}
		synctest.Wait()
		errs := make(chan error, 100)
		for range cap(errs) {
			go func() {
				_, err := k.lookup(t, key{parent: "late"})
				errs <- err
			}()
		}
		ctx, leave := context.WithCancel(t.Context())
		leave()
		if err := k.Get(ctx, key{parent: "late"}, time.Now(), false, &Wait{}, new(Found[*value])); !errors.Is(err, context.Canceled) {
			t.Errorf("the one who leaves: %v", err)
		}
		synctest.Wait()
		release()
		for range cap(errs) {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		if n := s.asked("late"); n != 1 {
			t.Errorf("%d reads", n)
		}
	})
}

func TestCloseEndsWhatWaitsForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		s.holds()
		k := cacheOf(t, s)
		closed := make(chan error, 1)
		for i := range mostReads {
			go func() { _, _ = k.lookup(t, key{parent: fmt.Sprint("c", i)}) }()
		}
		synctest.Wait()
		go func() {
			_, err := k.lookup(t, key{parent: "late"})
			closed <- err
		}()
		synctest.Wait()
		k.Close(t.Context())
		if err := <-closed; !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}
