package clock

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

// TestItShowsTheTime of both clocks, however long ago it was asked.
func TestItShowsTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New()
		for _, pause := range []time.Duration{0, 1, every - 1, every, every + 1, time.Hour, 1, 1000 * time.Hour} {
			time.Sleep(pause)
			got, want := c.Now(), time.Now()
			if got.Sub(want) != 0 || !got.Round(0).Equal(want.Round(0)) {
				t.Errorf("after %v it shows %v, want %v", pause, got, want)
			}
		}
	})
}

// TestAWallClockThatWasSetIsFollowed at the next look at it. A machine that slept is the same: its
// monotonic clock stood still meanwhile.
func TestAWallClockThatWasSetIsFollowed(t *testing.T) {
	for name, by := range map[string]time.Duration{"not at all": 0, "forward": time.Hour, "back": -time.Hour, "a little": 2 * tolerance} {
		c := New()
		before := &base{at: shifted(time.Now(), -by)}
		before.checked.Store(int64(-every)) // it is time to look
		c.base.Store(before)
		for range 2 { // by the look, and by what it found
			if got := time.Until(c.Now().Round(0)).Abs(); got > time.Minute {
				t.Errorf("%s: it is wrong by %v", name, got)
			}
		}
		if kept := c.base.Load() == before; kept != (by == 0) {
			t.Errorf("%s: what was known is kept: %t", name, kept)
		}
	}
}

// shifted is a time whose wall clock shows d more, and whose monotonic clock shows the same: the second
// of a Time's three words, which nothing in package time changes alone.
func shifted(t time.Time, d time.Duration) time.Time {
	to := t.Add(d)
	(*[3]int64)(unsafe.Pointer(&to))[1] = (*[3]int64)(unsafe.Pointer(&t))[1]
	return to
}

// TestItAllocatesNothing also where it is asked seldom.
func TestItAllocatesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New()
		if n := testing.AllocsPerRun(100, func() { time.Sleep(every / 3); c.Now() }); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

func TestAnybodyMayAsk(t *testing.T) {
	c := New()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			last := c.Now()
			for range 100_000 { // some milliseconds, so that the wall clock is read as well
				now := c.Now()
				if now.Before(last) {
					t.Error("it goes back")
				}
				last = now
			}
		})
	}
	all.Wait()
}
