package delivery

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// takenAway is a store from which another process has taken what waits, or that has lost it.
func (s *memoryStore) takenAway(keep int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := 0
	for i := range s.kept {
		if !s.gone[i] {
			if left++; left > keep {
				if s.gone == nil {
					s.gone = make(map[int]bool)
				}
				s.gone[i] = true
			}
		}
	}
}

// TestWhatTheStoreHasNoMore: a process was paused for so long that another one delivers what it had, or the
// store was emptied. What is behind it is delivered, the ledger does not wait for it, and nothing hangs.
func TestWhatTheStoreHasNoMore(t *testing.T) {
	for _, test := range []struct {
		name string
		keep int  // of what waits in the store
		busy bool // usage goes on coming
	}{
		{"all of it", 0, false}, {"but for what came first", 7, false}, {"while more comes", 0, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var up, refuses atomic.Bool
				s := downUntil(&up)
				store := &memoryStore{append: func() error {
					if refuses.Load() {
						return errors.New("no room")
					}
					return nil
				}}
				f := newFixture(t, s, func(c *Config[unit]) { c.Store, c.Places = store, 8 })
				for range 40 {
					f.put(unit{customer: "a"})
				}
				refuses.Store(true)
				f.put(unit{customer: "behind"}) // it has to wait for what the store has alone
				refuses.Store(false)
				inMemory := 40 - f.stored()
				store.takenAway(inMemory + test.keep)
				up.Store(true)
				for range 60 {
					time.Sleep(time.Second)
					if test.busy {
						f.put(unit{customer: "later"})
					}
				}
				time.Sleep(time.Second)
				want, got := inMemory+test.keep+1, s.taken()
				if test.busy {
					want += 60
				}
				if len(got) != want {
					t.Errorf("%d are delivered, want %d; %+v", len(got), want, f.Stats())
				}
				if n := f.Stats().Vanished; n != uint64(40-inMemory-test.keep) {
					t.Errorf("%d have vanished, want %d", n, 40-inMemory-test.keep)
				}
				f.drain()
			})
		})
	}
}

// TestWhatIsOnItsWayToTheStoreHasNotVanished: an Append that takes long, and fails, loses nothing.
func TestWhatIsOnItsWayToTheStoreHasNotVanished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slow, up atomic.Bool
		s := downUntil(&up)
		store := &memoryStore{append: func() error {
			if slow.Load() {
				time.Sleep(time.Minute) // though its context has ended
				return errors.New("no room")
			}
			return nil
		}}
		f := newFixture(t, s, func(c *Config[unit]) { c.Store, c.Places = store, 8 })
		for range 20 {
			f.put(unit{customer: "a"})
		}
		slow.Store(true)
		go f.put(unit{customer: "slow"})
		synctest.Wait()
		slow.Store(false)
		up.Store(true)
		time.Sleep(2 * time.Minute)
		if got := s.taken(); len(got) != 21 || f.Stats().Vanished != 0 {
			t.Errorf("%d are delivered, want 21; %+v", len(got), f.Stats())
		}
		f.drain()
	})
}

// stored is how many wait in the store alone.
func (f *fixture) stored() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.lanes {
		n += s.backlog.count
	}
	return n
}
