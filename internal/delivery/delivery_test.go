package delivery

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/stiggate/gate/internal/upstream"
)

func TestAReporterThatNeverReturnsStopsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forever := make(chan struct{})
		var calls atomic.Int32 // the second call comes while the first is under way
		s := &stigg{}
		s.report = func(context.Context, []unit) error {
			if calls.Add(1) == 1 {
				<-forever
			}
			return nil
		}
		f := newFixture(t, s, nil)
		f.put(unit{customer: "a"})
		synctest.Wait()
		f.put(unit{customer: "b"})
		time.Sleep(time.Minute)
		if got := s.taken(); len(got) != 2 || got[0].customer != "a" || !f.Health().Hanging {
			t.Errorf("%v was delivered, %+v", got, f.Health())
		}
		close(forever)
		synctest.Wait()
		if f.Health().Hanging {
			t.Error("it has returned")
		}
		f.drain()
	})
}

func TestAReporterThatReturnsFromNoCallHasFewUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forever := make(chan struct{})
		var under, most atomic.Int32
		s := &stigg{}
		s.report = func(context.Context, []unit) error {
			most.Store(max(most.Load(), under.Add(1)))
			<-forever
			under.Add(-1)
			return nil
		}
		f := newFixture(t, s, nil)
		f.put(unit{customer: "a"})
		time.Sleep(time.Hour)
		if most.Load() != mostCalls {
			t.Errorf("%d calls are under way", most.Load())
		}
		close(forever)
		f.drain()
	})
}

func TestAPanicOfTheReporterIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		s := &stigg{}
		s.report = func(context.Context, []unit) error {
			if calls++; calls <= 3 {
				panic("customer-4711")
			}
			return nil
		}
		f := newFixture(t, s, nil)
		f.put(unit{customer: "a"})
		f.drain()
		if len(s.taken()) != 1 || f.Stats().Retries != 3 {
			t.Errorf("%d delivered, %+v", len(s.taken()), f.Stats())
		}
	})
}

// refuse refuses the usage of a customer.
func refuse(customer string) func(context.Context, []unit) error {
	return func(_ context.Context, batch []unit) error {
		if slices.ContainsFunc(batch, func(u unit) bool { return u.customer == customer }) {
			return &upstream.Error{Kind: upstream.KindRefusedAll, Err: errDown}
		}
		return nil
	}
}

func TestAFunctionForRefusedUsageThatHangsStopsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forever := make(chan struct{})
		var told []string
		s := &stigg{report: refuse("gone")}
		f := newFixture(t, s, func(c *Config[unit]) {
			c.Refused = func(u unit, err error) {
				<-forever
				told = append(told, u.key)
				if u.key == "2" {
					panic(err)
				}
			}
		})
		for i := range 5 {
			f.put(unit{customer: "gone", key: fmt.Sprint(i)})
			f.put(unit{customer: "b", key: fmt.Sprint(i)})
		}
		time.Sleep(time.Minute)
		if st := f.Stats(); len(s.taken()) != 5 || st.Queued != 0 || st.Refused != 5 || !f.Health().Untold {
			t.Errorf("%d delivered, %+v, %+v", len(s.taken()), st, f.Health())
		}
		close(forever)
		f.drain()
		if !slices.Equal(told, []string{"0", "1", "2", "3", "4"}) || f.Health().Untold {
			t.Errorf("told %v, %+v", told, f.Health())
		}
	})
}

func TestTheQueueIsFullByBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		s := downUntil(&up)
		f := newFixture(t, s, func(c *Config[unit]) { c.Bytes = 1000 })
		for range 4 {
			f.put(unit{customer: "a", size: 250})
		}
		if err := f.Reserve(1); !errors.Is(err, ErrFull) || !f.Stats().Full {
			t.Errorf("Reserve with 1000 of 1000 bytes taken: %v", err)
		}
		up.Store(true)
		f.drain()
	})
}

func TestMoreThanThereArePlacesWaitsInTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		s := downUntil(&up)
		box := &memoryStore{}
		for i := range 5000 { // of an earlier run
			box.kept = append(box.kept, unit{customer: "a", key: fmt.Sprint("old ", i), lane: Lane(i % 3)})
		}
		f := newFixture(t, s, func(c *Config[unit]) { c.Store = box })
		for i := range 5000 {
			u := unit{customer: "a", lane: Lane(i % 3)}
			if i%5 == 0 {
				u.key = fmt.Sprint("own ", i)
			}
			f.put(u)
		}
		if st := f.Stats(); st.Queued != 10_000 || f.free.Load() < 0 {
			t.Errorf("%+v, %d places are free of %d", st, f.free.Load(), f.config.Places)
		}
		up.Store(true)
		time.Sleep(time.Hour)
		f.drain()
		for _, lane := range []Lane{Measurements, Events, Credits} {
			want := slices.DeleteFunc(slices.Clone(box.kept), func(u unit) bool { return u.lane != lane })
			if got := s.of(lane); !slices.Equal(got, want) {
				t.Errorf("lane %d: %d usages were delivered of %d, or in another order than they were kept", lane, len(got), len(want))
			}
		}
		if box.left() != 0 || len(s.taken()) != 10_000 {
			t.Errorf("%d are left in the store, %d delivered", box.left(), len(s.taken()))
		}
	})
}

// of is what was taken of a lane.
func (s *stigg) of(lane Lane) (got []unit) {
	for _, u := range s.taken() {
		if u.lane == lane {
			got = append(got, u)
		}
	}
	return got
}

// TestWhateverFailsEachIsDeliveredOnceInOrder has a reporter and a store that fail at random, and
// few places.
func TestWhateverFailsEachIsDeliveredOnceInOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		synctest.Test(t, func(t *testing.T) {
			failing := rapid.SliceOfN(rapid.IntRange(0, 9), 50, 50).Draw(rt, "failing")
			var calls atomic.Int32
			fails := func(of int) error {
				if failing[int(calls.Add(1))%len(failing)] < of {
					return errDown
				}
				return nil
			}
			s := &stigg{report: func(context.Context, []unit) error { return fails(4) }}
			box := &memoryStore{append: func() error { return fails(2) }}
			for i := range rapid.IntRange(0, 60).Draw(rt, "earlier") {
				box.kept = append(box.kept, unit{customer: "a", key: fmt.Sprint("old ", i), total: i%7 == 0})
			}
			f := newFixture(t, s, func(c *Config[unit]) { c.Store, c.Places, c.Unkept = box, 12, true })
			want := slices.Clone(box.kept)
			for i := range rapid.IntRange(1, 100).Draw(rt, "usages") {
				u := unit{customer: "a", key: fmt.Sprint(i), total: rapid.IntRange(0, 9).Draw(rt, "total") == 0}
				for f.Reserve(1) != nil {
					time.Sleep(time.Second)
				}
				f.Cancel(1)
				f.put(u)
				want = append(want, u)
				time.Sleep(time.Duration(rapid.SampledFrom([]int{0, 0, 0, 10, 500}).Draw(rt, "pause")) * time.Millisecond)
			}
			f.drain()
			if got := s.taken(); !slices.Equal(got, want) {
				rt.Fatalf("delivered %v, want %v", got, want)
			}
			f.end()
		})
	})
}

func TestAPanicOfTheStoreIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, box := &stigg{}, &memoryStore{append: func() error { panic("no disk") }}
		f := newFixture(t, s, func(c *Config[unit]) { c.Store = box })
		if err := f.Reserve(1); err != nil {
			t.Fatal(err)
		}
		items := []Item[unit]{{Usage: unit{customer: "a", key: "k", entry: f.entry()}}}
		var kept *StoreError
		if err := f.Keep(t.Context(), items); !errors.As(err, &kept) || !kept.InMemory {
			t.Errorf("Keep: %v", err)
		}
		f.Put(items...)
		f.drain()
		if len(s.taken()) != 1 || f.Stats().Unkept != 1 {
			t.Errorf("%d delivered, %+v", len(s.taken()), f.Stats())
		}
	})
}

func TestAQueueInChunksIsAQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := fifo[int]{keep: rapid.Bool().Draw(t, "keep")}
		var model []int
		next := 0
		some := func() (items []int) {
			for range rapid.IntRange(0, 300).Draw(t, "n") {
				next++
				items = append(items, next)
			}
			return items
		}
		t.Repeat(map[string]func(*rapid.T){
			"push": func(*rapid.T) {
				for _, i := range some() {
					f.push(i)
					model = append(model, i)
				}
			},
			"push in front": func(*rapid.T) {
				items := some()
				f.pushFront(items)
				model = append(items, model...)
			},
			"take": func(t *rapid.T) {
				n := rapid.IntRange(0, len(model)+1).Draw(t, "take")
				got := f.take(n)
				n = min(n, len(model))
				if !slices.Equal(got, model[:n]) {
					t.Fatalf("took %v, want %v", got, model[:n])
				}
				model = model[n:]
			},
			"take one": func(t *rapid.T) {
				if len(model) > 0 {
					if got := f.takeFirst(); got != model[0] {
						t.Fatalf("took %d, want %d", got, model[0])
					}
					model = model[1:]
				}
			},
			"join": func(*rapid.T) {
				var o fifo[int]
				for _, i := range some() {
					o.push(i)
					model = append(model, i)
				}
				f.join(&o)
			},
			"": func(t *rapid.T) {
				got := []int{}
				for i := range f.each {
					got = append(got, *i)
				}
				if f.len() != len(model) || !slices.Equal(got, append([]int{}, model...)) {
					t.Fatalf("%d: %v, want %v", f.len(), got, model)
				}
			},
		})
	})
}

// TestNeverMoreThanThereArePlaces has requests reserve and cancel at the same time, and a Shut come
// between them.
func TestNeverMoreThanThereArePlaces(t *testing.T) {
	const places = 3
	f := newFixture(t, &stigg{}, func(c *Config[unit]) { c.Places = places })
	var taken, rounds atomic.Int64
	var wait sync.WaitGroup
	for i := range 8 {
		n := 1 + i%2
		wait.Go(func() {
			for {
				rounds.Add(1)
				switch err := f.Reserve(n); {
				case errors.Is(err, ErrClosed):
					return
				case err == nil:
					if all := taken.Add(int64(n)); all > places {
						t.Errorf("%d of %d places are reserved", all, places)
					}
					taken.Add(-int64(n))
					f.Cancel(n)
				}
			}
		})
	}
	for rounds.Load() < 100_000 {
		runtime.Gosched()
	}
	if err := f.Reserve(1); err == nil {
		f.Put(Item[unit]{Usage: unit{customer: "a", number: f.Keys.Next(), entry: f.entry()}})
	}
	<-f.Shut()
	wait.Wait()
	f.drain()
}

// TestWhatHappensBetweenALookAndAReservation: who has seen a place that is free does not have it yet.
func TestWhatHappensBetweenALookAndAReservation(t *testing.T) {
	for _, test := range []struct {
		name      string
		meanwhile func(f *fixture)
		want      error
		reserved  int
	}{
		{"another takes it", func(f *fixture) { _ = f.Reserve(1) }, ErrFull, 1},
		{"another takes it and gives it back", func(f *fixture) { _ = f.Reserve(1); f.Cancel(1) }, nil, 1},
		{"a Shut", func(f *fixture) { f.Shut() }, ErrClosed, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, &stigg{}, func(c *Config[unit]) { c.Places = 1 })
			f.looked = func() {
				f.looked = nil
				test.meanwhile(f)
			}
			if err := f.Reserve(1); !errors.Is(err, test.want) {
				t.Errorf("Reserve returned %v, want %v", err, test.want)
			}
			if got := f.Stats().Reserved; got != test.reserved {
				t.Errorf("%d of 1 places are reserved, want %d", got, test.reserved)
			}
			f.Cancel(test.reserved)
			select {
			case <-f.Shut():
			default:
				t.Errorf("a Shut waits: %v", f.Audit())
			}
		})
	}
}

// TestAFullBatchWaitsForNoMore: a part of a batch lingers, and what fills it wakes the sender.
func TestAFullBatchWaitsForNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stigg{}
		f := newFixture(t, s, func(c *Config[unit]) { c.Places = 1000 })
		f.put(unit{customer: "a"})
		synctest.Wait()
		for range batchSize - 1 {
			f.put(unit{customer: "a"})
		}
		time.Sleep(linger - time.Millisecond)
		if n := len(s.taken()); n != 1 {
			t.Errorf("%d have left, want the first alone: the others linger", n)
		}
		f.put(unit{customer: "a"})
		synctest.Wait()
		if n := len(s.taken()); n != 1+batchSize {
			t.Errorf("%d have left, want %d: the batch is full", n, 1+batchSize)
		}
		f.drain()
	})
}
