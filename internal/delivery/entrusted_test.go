package delivery

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestWhatATransactionKeptTakesItsTurn: it is settled last, so it is delivered behind what the store
// has alone, once, and the store is not given it again.
func TestWhatATransactionKeptTakesItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		s := downUntil(&up)
		store := new(memoryStore)
		f := newFixture(t, s, func(c *Config[unit]) { c.Store, c.Places = store, 4 })
		var want []unit
		for _, key := range []string{"1", "2", "3", "4", "5", "6"} {
			want = append(want, unit{customer: "c", key: key})
			f.put(want[len(want)-1])
		}
		total := unit{customer: "c", key: "total", total: true}
		want = append(want, total)
		if err := f.Reserve(1); err != nil {
			t.Fatal(err)
		}
		store.fate = func(u []unit) (kept, over []bool, err error) {
			return slices.Repeat([]bool{true}, len(u)), slices.Repeat([]bool{true}, len(u)), nil
		}
		known := false
		f.Resolve([]unit{total}, func(kept func(int) bool) {
			known = kept(0)
			settled := total
			settled.entry = f.entry()
			items := []Item[unit]{{Usage: settled}}
			f.Kept(items)
			f.Put(items...)
		})
		if !known {
			t.Error("it is not known what became of the transaction, though the store has said so")
		}
		if n := len(store.kept); n != 6 {
			t.Errorf("the store was given %d, want the 6 that no transaction kept", n)
		}
		up.Store(true)
		time.Sleep(10 * time.Minute)
		if got := s.taken(); !slices.Equal(got, want) {
			t.Errorf("delivered were %v, want %v", got, want)
		}
		f.drain()
	})
}

// TestTheStoreIsAskedUntilItAnswers: an error, and an answer that is not final, are asked again; the
// place stays taken meanwhile, and a Shut waits.
func TestTheStoreIsAskedUntilItAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		store := new(memoryStore)
		store.fate = func(u []unit) (kept, over []bool, err error) {
			switch asked++; {
			case asked < 4:
				return nil, nil, errDown
			case asked < 6: // its transaction is open
				return make([]bool, len(u)), make([]bool, len(u)), nil
			}
			return make([]bool, len(u)), slices.Repeat([]bool{true}, len(u)), nil
		}
		f := newFixture(t, new(stigg), func(c *Config[unit]) { c.Store = store })
		if err := f.Reserve(1); err != nil {
			t.Fatal(err)
		}
		told := make(chan bool, 1)
		f.Resolve([]unit{{customer: "c", key: "1"}}, func(kept func(int) bool) {
			f.Cancel(1)
			told <- kept(0)
		})
		if got := f.Stats(); got.Queued != 1 || got.Reserved != 0 || len(f.Audit()) == 0 {
			t.Errorf("it is not known, and the queue says %+v", got)
		}
		select {
		case <-f.Shut():
			t.Error("the queue is at rest, and it is not known what became of a usage")
		default:
		}
		if <-told {
			t.Error("it was rolled back, and is said to be kept")
		}
		if asked != 6 {
			t.Errorf("the store was asked %d times, want 6", asked)
		}
		f.drain()
	})
}
