package swr

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stiggate/gate/internal/incident"
	"github.com/stiggate/gate/internal/upstream"
)

// jumps is a clock that can be ahead or behind.
type jumps struct{ by atomic.Int64 }

func (j *jumps) now() time.Time { return time.Now().Add(time.Duration(j.by.Load())) }

const month = 30 * 24 * time.Hour

func TestAClockThatWasAheadForAMomentLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		clock := &jumps{}
		s := &source{}
		k := cacheOf(t, s, func(c *Config[key, *value]) {
			c.Now, c.Logger = clock.now, slog.New(slog.NewTextHandler(&log, nil))
			c.Pace = func() time.Duration { return time.Second } // scarce
		})
		a, b, none := key{parent: "a"}, key{parent: "b"}, key{"c", "none"}
		_, _ = k.lookup(t, a)
		clock.by.Store(int64(month))
		for _, again := range []key{a, b} {
			time.Sleep(2 * time.Second)
			if _, err := k.lookup(t, again); err != nil {
				t.Fatal(err)
			}
		}
		s.answers(nothing)
		time.Sleep(2 * time.Second)
		_, _ = k.lookup(t, none)
		s.answers(fails(errGarbled))
		time.Sleep(2 * time.Second)
		_, _ = k.lookup(t, key{parent: "garbled"})
		s.answers(fails(busy(time.Minute)))
		time.Sleep(2 * time.Second)
		_, _ = k.lookup(t, key{parent: "d"})
		if k.Stats().BrokenUntil.IsZero() {
			t.Fatal("the breaker is closed")
		}
		clock.by.Store(0)
		synctest.Wait()
		log.Reset()
		s.answers(gives)
		for _, id := range []key{a, b, none, {parent: "garbled"}, {parent: "d"}, {parent: "e"}} {
			time.Sleep(2 * time.Second)
			before := s.asked("")
			if _, err := k.lookup(t, id); err != nil || s.asked("") != before+1 {
				t.Errorf("%v is not read again once the clock is right: %v", id, err)
			}
		}
		if stats := k.Stats(); !stats.BrokenUntil.IsZero() || stats.Down {
			t.Errorf("got %+v", stats)
		}
		s.answers(fails(errDown))
		time.Sleep(2 * time.Second)
		_, _ = k.lookup(t, key{parent: "f"})
		time.Sleep(time.Second)
		synctest.Wait()
		if !strings.Contains(log.String(), "can't be read") {
			t.Error("an outage after the jump is not logged")
		}
	})
}

func TestAMachineThatSleptServesNothingFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock, s := &jumps{}, &source{}
		k := cacheOf(t, s, func(c *Config[key, *value]) {
			c.Now = func() time.Time { // the monotonic clock stood still
				return time.Now().Round(0).Add(time.Duration(clock.by.Load()))
			}
		})
		c := key{parent: "c"}
		_, _ = k.lookup(t, c)
		clock.by.Store(int64(30 * time.Minute))
		if f, _ := k.lookup(t, c); f.State != Stale {
			t.Errorf("what is half an hour old is found %v", f.State)
		}
		clock.by.Store(int64(2 * month))
		before := s.asked("")
		if f, _ := k.lookup(t, c); f.State != Fresh || s.asked("") == before {
			t.Errorf("what is two months old is found %v after %d reads", f.State, s.asked("")-before)
		}
	})
}

// busy is a 429 with a Retry-After.
func busy(d time.Duration) error {
	return &upstream.Error{RetryAfter: d, Err: errors.New("test: busy")}
}

func TestALargeBacklogIsReadAgainBeforeItIsTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const keys = 5_000
		s := &source{}
		k := cacheOf(t, s, func(c *Config[key, *value]) { c.Keys, c.MaxStale = keys, 5*time.Minute })
		for i := range keys {
			_, _ = k.lookup(t, key{parent: fmt.Sprint("c", i)})
		}
		time.Sleep(90 * time.Second)
		for i := range keys { // each is asked for once
			_, _ = k.lookup(t, key{parent: fmt.Sprint("c", i)})
		}
		time.Sleep(160 * time.Second)
		if n := s.asked(""); n != 2*keys {
			t.Errorf("%d of %d were read again within half of the time that they may be served stale", n-keys, keys)
		}
	})
}

func TestARefreshIsPacedByWhatTheSourceAllows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		k := cacheOf(t, s, func(c *Config[key, *value]) {
			c.Pace = func() time.Duration { return 30 * time.Millisecond }
		})
		for i := range 100 {
			_, _ = k.lookup(t, key{parent: fmt.Sprint("c", i)})
		}
		time.Sleep(2 * time.Minute)
		for i := range 100 {
			_, _ = k.lookup(t, key{parent: fmt.Sprint("c", i)})
		}
		time.Sleep(time.Second)
		if n := s.asked("") - 100; n < 16 || n > 18 {
			t.Errorf("%d refreshes in a second, want one each 60 ms", n)
		}
	})
}

// TestARefreshDoesNotWaitPastTheWindowThatItWaitsFor: at the end of a window of the source's rate
// limit the pace is slow, and the next window begins while a refresh waits.
func TestARefreshDoesNotWaitPastTheWindowThatItWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		var window atomic.Int64 // when it begins
		k := cacheOf(t, s, func(c *Config[key, *value]) {
			c.Pace = func() time.Duration {
				if time.Now().UnixNano() < window.Load() {
					return 4 * time.Second
				}
				return 10 * time.Millisecond
			}
		})
		for i := range 10 {
			_, _ = k.lookup(t, key{parent: fmt.Sprint("c", i)})
		}
		time.Sleep(2 * time.Minute)
		window.Store(time.Now().Add(time.Second).UnixNano())
		for i := range 10 {
			_, _ = k.lookup(t, key{parent: fmt.Sprint("c", i)})
		}
		time.Sleep(900 * time.Millisecond)
		if n := s.asked("") - 10; n != 1 {
			t.Errorf("%d refreshes before the next window, want 1", n)
		}
		time.Sleep(1100 * time.Millisecond)
		if n := s.asked("") - 10; n != 10 {
			t.Errorf("%d refreshes a second into the next window, want 10", n)
		}
	})
}

func TestWhatIsSoonTooOldIsReadAgainFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		k := cacheOf(t, s)
		old := key{parent: "old"}
		_, _ = k.lookup(t, old)
		time.Sleep(40 * time.Minute)
		for i := range 50 {
			_, _ = k.lookup(t, key{parent: fmt.Sprint("c", i)})
		}
		time.Sleep(2 * time.Minute)
		for range 10 {
			for i := range 50 {
				_, _ = k.lookup(t, key{parent: fmt.Sprint("c", i)})
			}
		}
		_, _ = k.lookup(t, old)
		time.Sleep(200 * time.Millisecond)
		if n := s.asked("old"); n != 2 {
			t.Error("what is about to be too old waits behind what is used more")
		}
	})
}

func TestAnOverdueRefreshDoesNotHideALaterOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, c := cacheOf(t, &source{}), key{parent: "c"}
		_, _ = k.lookup(t, c)
		before := k.index.get(c)
		k.Replace(c, func(**value, time.Duration) (*value, bool) { return &value{}, true })
		time.Sleep(2 * time.Minute)
		k.breaker.openUntil = time.Now().Add(time.Second) // so that both wait
		after := k.index.get(c)
		k.refresh(after)
		k.refresh(before) // of one that took it just before the push
		time.Sleep(2 * time.Second)
		if f, err := k.lookup(t, c); err != nil || f.State != Fresh {
			t.Errorf("it was not read again: %v, %v", f.State, err)
		}
	})
}

// TestSuspectLetsOthersHaveTheLock: members of one parent are many.
func TestSuspectLetsOthersHaveTheLock(t *testing.T) {
	const members = 20_000
	s := &source{}
	k := cacheOf(t, s, func(c *Config[key, *value]) { c.Keys = 2 * members })
	for i := range members {
		k.Remember(key{"c", fmt.Sprint("r", i)}, &value{n: i})
	}
	// Others wait for the lock from the beginning on. Each gets it before all is done.
	k.mu.Lock()
	var left atomic.Int64
	var wait sync.WaitGroup
	wait.Go(func() { k.Suspect(key{parent: "c"}) })
	for range 8 {
		wait.Go(func() {
			for range 50 {
				k.mu.Lock()
				for i := range 64 { // what is not suspect yet
					if e := k.index.get(key{"c", fmt.Sprint("r", i*members/64)}); !e.suspect.Load() {
						left.Add(1)
						break
					}
				}
				k.mu.Unlock()
			}
		})
	}
	k.mu.Unlock()
	wait.Wait()
	if left.Load() == 0 {
		t.Error("nobody had the lock before all members were suspect")
	}
	for i := range members {
		if e := k.index.get(key{"c", fmt.Sprint("r", i)}); !e.suspect.Load() {
			t.Fatalf("member %d is not suspect", i)
		}
	}
}

func TestAReadOfBeforeAChangeOfItsParentIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{says: nothing}
		release := s.holds()
		k := cacheOf(t, s)
		go func() { _, _ = k.lookup(t, key{"c", "site"}) }()
		synctest.Wait()
		k.Suspect(key{parent: "c"})
		s.answers(gives)
		release()
		synctest.Wait()
		before := s.asked("")
		if f, err := k.lookup(t, key{"c", "site"}); err != nil || f.State != Fresh || s.asked("") != before+1 {
			t.Errorf("got %v, %v after %d reads", f.State, err, s.asked("")-before)
		}
	})
}

// stuck is a logger's handler that does not return before the end of the test.
type stuck struct {
	slog.Handler
	end chan struct{}
}

func (stuck) Enabled(context.Context, slog.Level) bool { return true }

func (s stuck) Handle(context.Context, slog.Record) error {
	<-s.end
	return nil
}

func TestALoggerThatHangsKeepsNobodyFromWhatWasRead(t *testing.T) {
	s, end := &source{says: fails(errDown)}, make(chan struct{})
	k := cacheOf(t, s, func(c *Config[key, *value]) { c.Logger, c.ColdWait = slog.New(stuck{end: end}), time.Minute })
	t.Cleanup(func() { close(end) })
	if _, err := k.lookup(t, key{parent: "c"}); !errors.Is(err, errDown) {
		t.Errorf("got %v", err)
	}
	s.answers(gives)
	if _, err := k.lookup(t, key{parent: "c"}); err != nil {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	k.Close(ctx)
}

func TestAPanicOfTheSourceIsToldWithItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &source{says: func(key) (*value, error) { panic("secret of a customer") }}
		k := cacheOf(t, s, func(c *Config[key, *value]) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		_, err := k.lookup(t, key{parent: "c"})
		synctest.Wait()
		if err == nil || strings.Contains(err.Error()+log.String(), "secret") {
			t.Errorf("the error is %v; the log: %s", err, &log)
		}
		if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "time_test.go") {
			t.Errorf("the log does not say where:\n%s", &log)
		}
		s.answers(gives)
		time.Sleep(time.Second)
		if _, err := k.lookup(t, key{parent: "c"}); err != nil {
			t.Error(err)
		}
	})
}

func TestTheLogTellsEachTroubleOnceAndNowAndThen(t *testing.T) {
	lines := func(log *bytes.Buffer, what string) int {
		synctest.Wait()
		return strings.Count(log.String(), what)
	}
	t.Run("an outage", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			s := &source{says: fails(errDown)}
			var refused atomic.Uint64
			k := cacheOf(t, s, func(c *Config[key, *value]) {
				c.Logger = slog.New(slog.NewTextHandler(&log, nil))
				c.Costs = func() []incident.Count { return []incident.Count{{Name: "refused", Value: refused.Load()}} }
			})
			for i := range 25 * 60 { // 25 minutes
				refused.Add(1)
				_, _ = k.lookup(t, key{parent: fmt.Sprint("c", i)})
				time.Sleep(time.Second)
			}
			if n := lines(&log, "can't be read"); n != 4 {
				t.Errorf("an outage of 25 minutes is told %d times, want at its beginning and after 1, 6 and 21 minutes:\n%s", n, &log)
			}
			if n := lines(&log, "is not asked for a while"); n != 1 {
				t.Errorf("the breaker is told %d times", n)
			}
			s.answers(gives)
			time.Sleep(longestBreak)
			_, _ = k.lookup(t, key{parent: "c"})
			synctest.Wait()
			if lines(&log, "are read again") != 1 || lines(&log, "is asked again") != 1 || lines(&log, "lasted=25m") != 2 || lines(&log, "refused=1499") != 1 {
				t.Errorf("its end is not told:\n%s", &log)
			}
		})
	})
	t.Run("a source that is too far", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			k := cacheOf(t, &source{says: slowly(3*time.Second, gives)}, func(c *Config[key, *value]) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
			for i := range 100 {
				_, _ = k.lookup(t, key{parent: fmt.Sprint("c", i)})
			}
			synctest.Wait()
			if lines(&log, "WithColdTimeout") != 2 || lines(&log, "waited=2s since=") != 1 || k.Stats().TooSlow != 100 {
				t.Errorf("%d waited too long; the log:\n%s", k.Stats().TooSlow, &log)
			}
		})
	})
	t.Run("a key that is refused", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			s := &source{says: fails(&upstream.Error{Kind: upstream.KindUnauthorized, Err: errors.New("401")})}
			k := cacheOf(t, s, func(c *Config[key, *value]) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
			for i := range 6 {
				_, _ = k.lookup(t, key{parent: fmt.Sprint("c", i)})
				time.Sleep(15 * time.Second)
			}
			s.answers(gives)
			_, _ = k.lookup(t, key{parent: "c"})
			if lines(&log, "level=ERROR msg=\"gate: Stigg refuses the API key") != 2 || lines(&log, "takes the API key\" lasted=1m30s times=6") != 1 {
				t.Errorf("the log:\n%s", &log)
			}
		})
	})
	t.Run("a connection that tells of changes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			k := cacheOf(t, &source{}, func(c *Config[key, *value]) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
			k.Interrupted(errors.New("a proxy answered 403"))
			if lines(&log, "\n") != 0 {
				t.Error("what is not late yet is told")
			}
			k.Silent()
			if lines(&log, "does not come up") != 1 || lines(&log, "a proxy answered 403") != 1 {
				t.Errorf("it does not come up, and the log has:\n%s", &log)
			}
			time.Sleep(time.Minute)
			k.Interrupted(errors.New("no such host"))
			if lines(&log, "does not come up") != 2 || lines(&log, "no such host") != 1 {
				t.Errorf("it still does not, and the log has:\n%s", &log)
			}
			k.SetLive(true)
			if lines(&log, "felt at once\" lasted=1m0s") != 1 {
				t.Errorf("it is up, and the log has:\n%s", &log)
			}
			time.Sleep(time.Minute)
			k.Interrupted(errors.New("reset by peer"))
			k.SetLive(false)
			if lines(&log, "is lost") != 1 || lines(&log, "reset by peer") != 1 {
				t.Errorf("it is lost, and the log has:\n%s", &log)
			}
			time.Sleep(6 * time.Minute)
			_, _ = k.lookup(t, key{parent: "c"}) // what happens anyhow has it told again
			if lines(&log, "is lost") != 2 || lines(&log, "lasted=6m0s") != 1 {
				t.Errorf("it is lost for long, and the log has:\n%s", &log)
			}
			k.SetLive(true)
			if lines(&log, "felt at once") != 2 {
				t.Errorf("it is up again, and the log has:\n%s", &log)
			}
		})
	})
	t.Run("a budget that is spent", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			k := cacheOf(t, &source{says: nothing}, func(c *Config[key, *value]) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
			for i := range 500 {
				go func() { _, _ = k.lookup(t, key{"who", fmt.Sprint("made-up-", i)}) }()
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if lines(&log, "more resources") != 1 || strings.Contains(log.String(), "who") || k.Stats().OverBudget < 300 {
				t.Errorf("%d are over the budget; the log:\n%s", k.Stats().OverBudget, &log)
			}
		})
	})
}
