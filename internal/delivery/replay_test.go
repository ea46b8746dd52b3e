package delivery

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// leftBehind is a store in which an earlier run has left n usages of a customer, the last of them a total.
func leftBehind(n int) *memoryStore {
	s := new(memoryStore)
	for i := range n {
		s.kept = append(s.kept, unit{customer: "a", key: fmt.Sprint("gate-ABCDEFGHIJKLMNOPQRSTUVWXYZ-", i+1), total: i == n-1})
	}
	return s
}

// failingFor is a store's read that fails at a position until a time has passed.
func failingFor(d time.Duration, at uint64) func(uint64) error {
	until := time.Now().Add(d)
	return func(p uint64) error {
		if p >= at && time.Now().Before(until) {
			return errors.New("the connection is gone")
		}
		return nil
	}
}

// TestAStoreThatFailsWhileItIsReplayed: what an earlier run has left is taken over all the same, each
// usage once, and before what this run reports.
func TestAStoreThatFailsWhileItIsReplayed(t *testing.T) {
	for _, test := range []struct {
		name   string
		at     uint64
		fails  time.Duration
		places int
	}{
		{"at its beginning", 1, time.Second, 100},
		{"in the middle", 20, time.Second, 100},
		{"at the last", 40, time.Second, 100},
		{"after the last", 41, time.Second, 100},
		{"in the middle, where not all finds a place", 20, time.Second, 16},
		{"at its beginning, where not all finds a place", 1, 20 * time.Second, 8},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, store := &stigg{}, leftBehind(40)
				store.read = failingFor(test.fails, test.at)
				f := newFixture(t, s, func(c *Config[unit]) { c.Store, c.Places = store, test.places })
				for range 5 {
					f.put(unit{customer: "a"})
				}
				f.put(unit{customer: "a", key: "the app's"})
				if f.entered.Load() {
					t.Error("all is entered, it is said, and is not")
				}
				if d := f.Degraded(); !slices.Contains(d, "usage of an earlier run can't be read from the outbox, and waits there") {
					t.Errorf("degraded: %q", d)
				}
				time.Sleep(2*test.fails + time.Minute)
				want := store.kept
				if got := s.taken(); !slices.Equal(got, want) {
					t.Errorf("delivered are %d, not the %d of both runs in their order: %v", len(got), len(want), got)
				}
				if d := f.Degraded(); !f.entered.Load() || len(d) > 0 {
					t.Errorf("entered: %v, degraded: %q", f.entered.Load(), d)
				}
				f.drain()
				if n := store.left(); n > 0 {
					t.Errorf("%d are left in the store", n)
				}
			})
		})
	}
}

// TestAStoreThatCantBeReadForLong: what this run reports does not wait for it for ever, and what an earlier
// one has left is delivered once it can be read.
func TestAStoreThatCantBeReadForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := &stigg{}, leftBehind(40)
		store.read = failingFor(time.Hour, 20)
		f := newFixture(t, s, func(c *Config[unit]) { c.Store, c.Places = store, 30 })
		f.put(unit{customer: "a", key: "the app's"})
		time.Sleep(59 * time.Second)
		if n := len(s.taken()); n != 19 {
			t.Errorf("%d are delivered, want what could be read", n)
		}
		time.Sleep(2 * time.Second)
		if n := len(s.taken()); n != 20 {
			t.Errorf("%d are delivered after a minute, want 20", n)
		}
		for range 100 { // of this run, more than there are places
			f.put(unit{customer: "a"})
			time.Sleep(time.Second)
		}
		if n := len(s.taken()); n != 120 {
			t.Errorf("%d are delivered, want 120", n)
		}
		time.Sleep(time.Hour)
		if n := len(s.taken()); n != 141 || !f.entered.Load() {
			t.Errorf("%d are delivered, want 141; entered: %v", n, f.entered.Load())
		}
		f.drain()
		if n := store.left(); n > 0 {
			t.Errorf("%d are left in the store", n)
		}
	})
}

// TestCloseWhileTheStoreCantBeRead ends at once where nothing waits behind it, and else once it does not.
// What was not read by then stays.
func TestCloseWhileTheStoreCantBeRead(t *testing.T) {
	for _, test := range []struct {
		name        string
		waits, slow bool
	}{{name: "nothing waits"}, {name: "usage waits behind", waits: true}, {name: "it is being read", slow: true}} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, store := &stigg{}, leftBehind(40)
				fails, looks := failingFor(time.Hour, 20), new(atomic.Int32)
				store.read = func(at uint64) error {
					if at == 20 && looks.Add(1) == 2 && test.slow {
						time.Sleep(time.Minute)
						return nil
					}
					if test.slow && looks.Load() == 2 {
						return nil
					}
					return fails(at)
				}
				f := newFixture(t, s, func(c *Config[unit]) { c.Store = store })
				time.Sleep(time.Second)
				want := 19
				if test.waits {
					f.put(unit{customer: "a"})
					want++
				}
				began := time.Now()
				f.drain()
				if took := time.Since(began); took > time.Minute || !test.waits && took > 0 {
					t.Errorf("it took %v", took)
				}
				time.Sleep(2 * time.Hour)
				if n := len(s.taken()); n != want || f.entered.Load() || store.left() != 21 {
					t.Errorf("%d are delivered, want %d, and %d are left for the next start, want 21", n, want, store.left())
				}
				if left := f.Audit(); len(left) > 0 || f.ledger.Len() > 0 {
					t.Errorf("left: %v, and %d books", left, f.ledger.Len())
				}
			})
		})
	}
}

// TestReplayOfAKeyThatWasGivenAgain: what is read again and counts already is delivered by the first, and
// takes nothing from others that wait in the store alone.
func TestReplayOfAKeyThatWasGivenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		s, store := downUntil(&up), leftBehind(40)
		for i := 20; i < 25; i++ {
			store.kept[i].key = "job"
		}
		store.read = failingFor(time.Second, 20)
		f := newFixture(t, s, func(c *Config[unit]) { c.Store, c.Places = store, 16 })
		time.Sleep(time.Minute)
		up.Store(true)
		time.Sleep(time.Minute)
		if got, want := s.taken(), slices.Delete(slices.Clone(store.kept), 21, 25); !slices.Equal(got, want) {
			t.Errorf("%d are delivered, want %d", len(got), len(want))
		}
		f.drain()
		if n := store.left(); n > 0 {
			t.Errorf("%d are left in the store", n)
		}
	})
}

// TestReplayOfWhatVanishes: of what an earlier run has left, some that waits in the store alone is gone
// from there, and is looked for, before all was read.
func TestReplayOfWhatVanishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		s, store := downUntil(&up), leftBehind(40)
		up.Store(true)
		fails, last, looks := failingFor(2*time.Minute, 30), uint64(0), 0
		var reading sync.Mutex
		store.read = func(at uint64) (err error) {
			reading.Lock()
			defer reading.Unlock()
			if at == 30 && (looks == 0 || last != 29) { // of Replay, which goes on from there
				looks++
				err = fails(at)
			}
			last = at
			return err
		}
		f := newFixture(t, s, func(c *Config[unit]) { c.Store, c.Places = store, 8 })
		store.vanish(15, 16)
		time.Sleep(100 * time.Second)
		up.Store(false)
		for range 5 { // what is read then finds no place in memory
			f.put(unit{customer: "a"})
		}
		time.Sleep(time.Minute)
		up.Store(true)
		time.Sleep(time.Minute)
		if got := s.taken(); len(got) != 43 || f.Stats().Vanished != 2 {
			t.Errorf("%d are delivered, want 43; %+v", len(got), f.Stats())
		}
		f.drain()
	})
}

// TestAReplayThatNeverReturns is left behind, and what comes is delivered.
func TestAReplayThatNeverReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := &stigg{}, leftBehind(40)
		var looks atomic.Int32
		hang := make(chan struct{})
		store.read = func(at uint64) error {
			if at == 20 && looks.Add(1) > 1 {
				<-hang
			}
			return failingFor(time.Hour, 20)(at)
		}
		f := newFixture(t, s, func(c *Config[unit]) { c.Store = store })
		f.put(unit{customer: "a"})
		time.Sleep(2 * time.Minute)
		if n := len(s.taken()); n != 20 {
			t.Errorf("%d are delivered, want 20", n)
		}
		f.drain()
		f.end()
		close(hang)
	})
}

// TestReplaysOfAnyStore: wherever it fails and whenever it is mended, whatever finds a place, each usage is
// delivered once, and within a minute in order.
func TestReplaysOfAnyStore(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		left := rapid.IntRange(0, 60).Draw(rt, "left")
		at := rapid.Uint64Range(1, uint64(left)+1).Draw(rt, "at")
		flaky := rapid.SliceOfN(rapid.Bool(), 1, 40).Draw(rt, "flaky")
		fails := time.Duration(rapid.IntRange(0, 200).Draw(rt, "seconds")) * time.Second
		places := rapid.IntRange(2, 80).Draw(rt, "places")
		steps := rapid.SliceOfN(rapid.IntRange(0, 9), 0, 60).Draw(rt, "steps")
		synctest.Test(t, func(t *testing.T) {
			var up atomic.Bool
			s, store := downUntil(&up), leftBehind(left)
			for i := range store.kept {
				store.kept[i].lane = Lane(i % 2)
				if i%7 == 6 {
					store.kept[i].key = fmt.Sprint("job-", i) // the app's
				}
			}
			fail, reads := failingFor(fails, at), new(atomic.Int32)
			store.read = func(p uint64) error {
				if flaky[int(reads.Add(1))%len(flaky)] {
					return nil
				}
				return fail(p)
			}
			f := newFixture(t, s, func(c *Config[unit]) { c.Store, c.Places = store, places })
			for n, step := range steps {
				switch {
				case step == 0:
					up.Store(!up.Load())
				case step < 4:
					time.Sleep(time.Duration(step*step) * time.Second)
				case f.Stats().Full:
				case step == 4:
					f.put(unit{customer: "a", key: fmt.Sprint("new-", n)})
				default:
					f.put(unit{customer: "a", lane: Lane(n % 2)})
				}
			}
			up.Store(true)
			time.Sleep(10 * time.Minute)
			order := func(a, b unit) int { return cmp.Compare(a.lane, b.lane) }
			if fails > 50*time.Second { // it is lost to what an earlier run has left
				order = func(a, b unit) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.number, b.number)) }
			}
			got, want := s.taken(), slices.Clone(store.kept)
			slices.SortStableFunc(got, order)
			slices.SortStableFunc(want, order)
			if !slices.Equal(got, want) {
				rt.Errorf("delivered are %d of %d:\n%v\n%v", len(got), len(want), got, want)
			}
			f.drain()
			if n := store.left(); n > 0 || !f.entered.Load() {
				rt.Errorf("%d are left in the store, entered: %v", n, f.entered.Load())
			}
		})
	})
}
