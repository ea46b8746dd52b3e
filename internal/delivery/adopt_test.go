package delivery

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// heir is a store with usage of a process that has ended. It offers it in parts, each again until
// it is taken.
type heir struct {
	memoryStore
	left    []unit
	refused atomic.Int32 // how often a part was not taken
	last    atomic.Value // the error then
}

func newHeir(n, part int) *heir {
	h := new(heir)
	for i := range n {
		h.left = append(h.left, unit{customer: "c", key: "left-" + strconv.Itoa(i)})
	}
	h.adopt = func(ctx context.Context, take func(...unit) error) error {
		for part := range slices.Chunk(h.left, part) {
			for {
				h.mu.Lock() // Done may be told before take returns
				err := take(part...)
				if err == nil {
					h.kept = append(h.kept, part...)
				}
				h.mu.Unlock()
				if err == nil {
					break
				}
				h.last.Store(err)
				h.refused.Add(1)
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(time.Second):
				}
			}
		}
		<-ctx.Done()
		return ctx.Err()
	}
	return h
}

func TestUsageOfAProcessThatHasEndedIsDelivered(t *testing.T) {
	for name, places := range map[string]int{"with room for all": 1000, "with little room": 3} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, s, log := newHeir(250, 100), new(stigg), new(lines)
				f := newFixture(t, s, func(c *Config[unit]) {
					c.Store, c.Places, c.Logger = h, places, slog.New(slog.NewTextHandler(log, nil))
				})
				time.Sleep(time.Minute)
				synctest.Wait()
				if got := s.taken(); !slices.Equal(got, h.left) {
					t.Errorf("%d were delivered, or in another order, want %d", len(got), len(h.left))
				}
				if n := h.memoryStore.left(); n != 0 {
					t.Errorf("the store was not told of %d that are done", n)
				}
				f.drain()
				log.wants(t, "level=INFO", "of another process that has ended is delivered now")
			})
		})
	}
}

// TestAdoptionWaitsForRoom: a queue that is about full keeps its places for requests, and what other
// processes left is offered again.
func TestAdoptionWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		s := downUntil(&up)
		h := newHeir(1000, 10)
		f := newFixture(t, s, func(c *Config[unit]) { c.Store = h })
		time.Sleep(time.Hour)
		if got := f.Stats(); got.Queued > f.config.Places*3/4+10 || got.Full || h.refused.Load() == 0 {
			t.Errorf("%d of %d places are taken, full %v; %d times there was no room", got.Queued, f.config.Places, got.Full, h.refused.Load())
		}
		f.put(unit{customer: "own"}) // it finds a place, or the store has it
		up.Store(true)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if got := len(s.taken()); got != 1001 {
			t.Errorf("%d were delivered, want all 1000 and the own one", got)
		}
		f.drain()
	})
}

func TestAfterAShutNothingIsAdopted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHeir(0, 1)
		taken, ended := make(chan func(...unit) error, 1), make(chan struct{})
		h.adopt = func(ctx context.Context, take func(...unit) error) error {
			taken <- take
			<-ctx.Done()
			close(ended)
			return ctx.Err()
		}
		f := newFixture(t, new(stigg), func(c *Config[unit]) { c.Store = h })
		take := <-taken
		<-f.Shut()
		<-ended // by the Shut: delivery may go on for long
		if err := take(unit{customer: "c", key: "late"}); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v, want %v", err, ErrClosed)
		}
		f.drain()
	})
}

// TestTotalsKeepTheirOrderAmongWhatIsAdopted: what is adopted is settled when it is taken, behind
// what waits.
func TestTotalsKeepTheirOrderAmongWhatIsAdopted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := new(stigg), newHeir(0, 3)
		h.left = []unit{{customer: "c", key: "change 1"}, {customer: "c", key: "total", total: true}, {customer: "c", key: "change 2"}}
		f := newFixture(t, s, func(c *Config[unit]) { c.Store = h })
		time.Sleep(time.Minute)
		f.drain()
		if got := s.taken(); !slices.Equal(got, h.left) {
			t.Errorf("they arrived as %v, want %v", got, h.left)
		}
	})
}

// TestAnAdoptThatFailsIsCalledAgain: an error, a panic and a Goexit are told once each time that it
// begins to fail; nothing else of the queue is the worse for it.
func TestAnAdoptThatFailsIsCalledAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		s, h, log := new(stigg), newHeir(1, 1), new(lines)
		adopt := h.adopt
		h.adopt = func(ctx context.Context, take func(...unit) error) error {
			switch n := calls.Add(1); {
			case n == 2:
				panic("customer's secret")
			case n < 5:
				return errDown
			}
			return adopt(ctx, take)
		}
		f := newFixture(t, s, func(c *Config[unit]) { c.Store, c.Logger = h, slog.New(slog.NewTextHandler(log, nil)) })
		f.put(unit{customer: "own"})
		time.Sleep(10 * time.Second)
		if len(f.Degraded()) != 1 || len(s.taken()) != 1 {
			t.Errorf("degraded: %q; %d of this process' own were delivered", f.Degraded(), len(s.taken()))
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if got := calls.Load(); got != 5 || len(s.taken()) != 2 || len(f.Degraded()) != 0 {
			t.Errorf("%d calls, %d delivered, degraded: %q", got, len(s.taken()), f.Degraded())
		}
		log.wants(t, "level=WARN", "does not hand over", "error=down")
		log.wants(t, "level=INFO", "hands over usage of processes that have ended again", "times=4")
		f.drain()
	})
}

// TestAnAdoptThatHangsHoldsNobodyUp: it is left behind.
func TestAnAdoptThatHangsHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, mend := newHeir(0, 1), make(chan struct{})
		h.adopt = func(context.Context, func(...unit) error) error { <-mend; return nil }
		f := newFixture(t, new(stigg), func(c *Config[unit]) { c.Store = h })
		f.put(unit{customer: "own"})
		f.drain()
		f.end()
		close(mend)
	})
}

// TestWhatIsAdoptedMayHaveBeenSentBefore: the process that ended may have sent it.
func TestWhatIsAdoptedMayHaveBeenSentBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var entered sync.Map
		h := newHeir(3, 3)
		h.left[1].key = ""
		s := new(stigg)
		f := newFixture(t, s, func(c *Config[unit]) {
			c.Store = h
			enter := c.Enter
			c.Enter = func(u *unit) error {
				if u.key == "" {
					return errDown // it can't be read
				}
				entered.Store(u.key, true)
				return enter(u)
			}
		})
		time.Sleep(time.Minute)
		f.drain()
		for _, u := range s.taken() {
			if _, ok := entered.Load(u.key); !ok {
				t.Errorf("%v counts nowhere while it waits", u)
			}
		}
		if got := len(s.taken()); got != 2 {
			t.Errorf("%d were delivered, want the 2 that can be read", got)
		}
	})
}
