package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stiggate/gate/fleet"
	replica "github.com/stiggate/gate/internal/fleet"
)

// nearReplica is one of many that ask for the last units.
type nearReplica struct {
	book   *replica.Book
	period *replica.Period
	got    int
	ended  bool
}

// nearWorld is replicas that ask one store.
type nearWorld struct {
	t     *testing.T
	store fleet.Fleet
	clock *simClock
	limit float64
	calls int
}

// sync is one call of a replica's, with its answer applied.
func (w *nearWorld) sync(r *nearReplica, need, want float64, keep bool) fleet.Grant {
	w.t.Helper()
	w.calls++
	w.clock.ms.Add(1)
	c := r.book.Prepare(need, 0, want, w.limit, keep, w.clock.now())
	grants, err := w.store.Sync(w.t.Context(), []fleet.State{c.State})
	if err != nil || len(grants) != 1 || grants[0].Err != nil {
		w.t.Fatalf("%v, %+v", err, grants)
	}
	r.book.Apply(c, grants[0], w.clock.now())
	return grants[0]
}

func (w *nearWorld) replicas(n int, account fleet.Account) []*nearReplica {
	all := make([]*nearReplica, n)
	calls := uint64(0)
	for i := range all {
		b := replica.NewBook(account, fmt.Sprint("r", i), func() uint64 { calls++; return calls })
		all[i] = &nearReplica{book: b, period: b.Open(0, 0, false)}
	}
	return all
}

// testNear has many replicas ask for the last units, one by one and in any order: all are given out,
// and none twice.
func testNear(t *testing.T, store fleet.Fleet, clock *simClock) {
	for _, row := range []struct{ replicas, limit int }{{2, 1}, {50, 1}, {8, 100}, {50, 100}, {8, 1000}, {50, 1000}, {200, 5000}} {
		t.Run(fmt.Sprintf("%d replicas, a limit of %d", row.replicas, row.limit), func(t *testing.T) {
			clock.ms.Add(time.Hour.Milliseconds())
			w := &nearWorld{t: t, store: store, clock: clock, limit: float64(row.limit)}
			all := w.replicas(row.replicas, fleet.Account{Customer: t.Name(), Feature: "units"})
			rng := newRand(uint64(row.replicas))
			given := 0
			for left := slices.Clone(all); len(left) > 0; {
				if w.calls > 100*(row.limit+row.replicas) {
					t.Fatalf("after %d calls %d replicas are not answered", w.calls, len(left))
				}
				i := rng.IntN(len(left))
				switch r := left[i]; {
				case r.book.Take(r.period, 1, 1, clock.now()) > 0:
					r.got++
					given++
				case r.ended:
					left = slices.Delete(left, i, i+1)
				default:
					want := float64(1 + rng.IntN(20))
					if r.book.Scarce() {
						want = 1
					}
					g := w.sync(r, 1, want, !r.book.Scarce())
					switch g.Code {
					case fleet.Exceeded, fleet.Pending:
						r.ended = true
					case fleet.Recall:
						for _, other := range all {
							if other != r && other.book.Spare(clock.now()) > 0 {
								w.sync(other, 0, 0, false)
							}
						}
					}
				}
			}
			if given != row.limit {
				t.Errorf("%d were given out", given)
			}
			slices.SortFunc(all, func(a, b *nearReplica) int { return a.got - b.got })
			t.Logf("shares %d..%d..%d, %d calls", all[0].got, all[len(all)/2].got, all[len(all)-1].got, w.calls)
		})
	}
}

// testRecalled has one replica refused for what another one does not use, and granted it once that one
// has given it back.
func testRecalled(t *testing.T, store fleet.Fleet, clock *simClock) {
	clock.ms.Add(time.Hour.Milliseconds())
	w := &nearWorld{t: t, store: store, clock: clock, limit: 10}
	all := w.replicas(2, fleet.Account{Customer: t.Name(), Feature: "units"})
	a, b := all[0], all[1]
	if g := w.sync(a, 8, 8, true); g.Units != 8 {
		t.Fatalf("8 of 10 were not granted: %+v", g)
	}
	recalls := make(chan fleet.Account, 10)
	ctx, cancel := context.WithCancel(t.Context())
	watching := make(chan error, 1)
	go func() { watching <- store.Watch(ctx, func(a fleet.Account) { recalls <- a }) }()
	wait := func(want fleet.Account) {
		select {
		case got := <-recalls:
			if got != want {
				t.Errorf("recalled was %+v, want %+v", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%+v was not recalled", want)
		}
	}
	wait(fleet.Account{}) // what was told before Watch was not heard
	if g := w.sync(b, 3, 3, true); g.Code != fleet.Recall {
		t.Errorf("8 of 10 are to spare elsewhere, and 3 are answered %+v", g)
	}
	wait(fleet.Account{Customer: t.Name(), Feature: "units"})
	w.sync(a, 0, 0, false)
	if g := w.sync(b, 3, 3, true); g.Units != 3 {
		t.Errorf("all is given back, and 3 are answered %+v", g)
	}
	if g := w.sync(a, 8, 8, true); g.Code != fleet.Recall && g.Code != fleet.Pending {
		t.Errorf("3 of 10 are out, and 8 are answered %+v", g)
	}
	cancel()
	if err := <-watching; !errors.Is(err, context.Canceled) {
		t.Errorf("Watch ended with %v", err)
	}
}

// testLeast has a replica ask for what there is, where so much does not fit.
func testLeast(t *testing.T, store fleet.Fleet, clock *simClock) {
	clock.ms.Add(time.Hour.Milliseconds())
	w := &nearWorld{t: t, store: store, clock: clock, limit: 10}
	all := w.replicas(2, fleet.Account{Customer: t.Name(), Feature: "units"})
	if g := w.sync(all[0], 7, 7, true); g.Units != 7 {
		t.Fatalf("7 of 10 are answered %+v", g)
	}
	for i, row := range []struct{ need, least, units float64 }{{5, 4, 0}, {5, 2, 3}, {5, 1, 0}} {
		state := all[1].book.Prepare(row.need, row.least, 0, w.limit, true, clock.now()).State
		state.Have = []float64{0, 0, 3}[i]
		grants, err := store.Sync(t.Context(), []fleet.State{state})
		if err != nil || grants[0].Err != nil || grants[0].Units != row.units {
			t.Errorf("of 3 that are left %v or at least %v are answered %+v, %v", row.need, row.least, grants, err)
		}
	}
}

// testLowerCount tells a count that is lower, and was asked for before others' usage was acknowledged
// without one: that is added.
func testLowerCount(t *testing.T, store fleet.Fleet, clock *simClock) {
	clock.ms.Add(time.Hour.Milliseconds())
	var n uint64
	sync := func(s fleet.State) fleet.Grant {
		n++
		s.Account, s.N, s.Limit = fleet.Account{Customer: t.Name(), Feature: "units"}, n, 100
		grants, err := store.Sync(t.Context(), []fleet.State{s})
		if err != nil || len(grants) != 1 || grants[0].Err != nil {
			t.Fatalf("%v, %+v", err, grants)
		}
		return grants[0]
	}
	before := sync(fleet.State{Replica: "a", Hint: fleet.Count{Told: true, Used: 10}})
	sync(fleet.State{Replica: "b", Have: 3, Settled: 3})
	sync(fleet.State{Replica: "b", Blind: 3})
	g := sync(fleet.State{Replica: "a", Count: fleet.Count{Told: true, Used: 5, Since: before.Now}})
	if g.Base+g.Plus+g.Out != 8 {
		t.Errorf("Stigg counted 5, 3 were acknowledged since, and the store counts %+v", g)
	}
}

// testOldCount tells counts that were asked for before the store lost something: they raise what is
// counted, and lower nothing.
func testOldCount(t *testing.T, store fleet.Fleet, clock *simClock) {
	clock.ms.Add(time.Hour.Milliseconds())
	var base float64
	for i, used := range []float64{3, 1, 4} {
		state := fleet.State{
			Account: fleet.Account{Customer: t.Name(), Feature: "units"}, Replica: "r", N: uint64(i + 1), Limit: 10,
			Count: fleet.Count{Told: true, Used: used, Since: fleet.Note{Epoch: "another", Clock: 1_000_000}},
		}
		grants, err := store.Sync(t.Context(), []fleet.State{state})
		if err != nil || len(grants) != 1 || grants[0].Err != nil {
			t.Fatalf("%v, %+v", err, grants)
		}
		if base = max(base, used); grants[0].Base != base {
			t.Errorf("after a count of %v, %v are counted, want %v", used, grants[0].Base, base)
		}
	}
}

// testHeard has the store lose an account of which two replicas have some: until the other one could tell
// so, and Stigg was asked, nothing is granted.
func testHeard(t *testing.T, f *Fleet, store fleet.Fleet, clock *simClock, timing fleet.Timing) {
	clock.ms.Add(time.Hour.Milliseconds())
	w := &nearWorld{t: t, store: store, clock: clock, limit: 10}
	account := fleet.Account{Customer: t.Name(), Feature: "units"}
	restore := f.Save(store, account)
	all := w.replicas(2, account)
	for _, r := range all {
		if w.sync(r, 4, 4, true); r.book.Take(r.period, 4, 4, clock.now()) == 0 {
			t.Fatal("4 and 4 of 10 were not granted")
		}
	}
	restore()
	a, b := all[0], all[1]
	if g := w.sync(a, 5, 5, true); g.Units > 0 || !g.Lost || !g.Wants {
		t.Errorf("8 of 10 are out, 4 of them are known, and 5 are answered %+v", g)
	}
	w.sync(b, 0, 0, true)
	clock.ms.Add(timing.Valid.Milliseconds())
	if g := w.sync(a, 1, 1, true); g.Units > 0 {
		t.Errorf("Stigg was not asked, and 1 is answered %+v", g)
	}
	a.book.Count(a.period, 0, a.book.Note())
	if g := w.sync(a, 5, 5, true); g.Units > 0 {
		t.Errorf("8 of 10 are out, and 5 are answered %+v", g)
	}
	if g := w.sync(a, 2, 2, true); g.Units != 2 {
		t.Errorf("8 of 10 are out, and 2 are answered %+v", g)
	}
}

// testEmptied has the store lose all, and a replica ask first that had nothing.
func testEmptied(t *testing.T, f *Fleet, store fleet.Fleet, clock *simClock) {
	clock.ms.Add(time.Hour.Milliseconds())
	w := &nearWorld{t: t, store: store, clock: clock, limit: 10}
	account := fleet.Account{Customer: t.Name(), Feature: "units"}
	all := w.replicas(2, account)
	if w.sync(all[0], 8, 8, true); all[0].book.Take(all[0].period, 8, 8, clock.now()) == 0 {
		t.Fatal("8 of 10 were not granted")
	}
	f.Empty(store, account)
	if g := w.sync(all[1], 5, 5, true); g.Units > 0 {
		t.Errorf("8 of 10 are out, the store does not know it, and 5 are answered %+v", g)
	}
	w.sync(all[0], 0, 0, true)
	if g := w.sync(all[1], 5, 5, true); g.Units > 0 || g.Out != 8 {
		t.Errorf("8 of 10 are out, and 5 are answered %+v", g)
	}
}

// testReopened has a period end by the replicas' clocks, and Stigg say later that it goes on: what
// was used and is out in it counts, until a count says better.
func testReopened(t *testing.T, store fleet.Fleet, clock *simClock) {
	clock.ms.Add(time.Hour.Milliseconds())
	w := &nearWorld{t: t, store: store, clock: clock, limit: 10}
	all := w.replicas(2, fleet.Account{Customer: t.Name(), Feature: "units"})
	first, end := clock.ms.Load(), clock.ms.Load()+1000
	for _, r := range all {
		r.period = r.book.Open(first, end, true)
	}
	a, b := all[0], all[1]
	a.book.Hint(a.period, 3)
	if w.sync(a, 4, 4, true); a.book.Take(a.period, 4, 4, clock.now()) == 0 {
		t.Fatal("4 of the 7 that are left were not granted")
	}
	clock.ms.Add(2000)
	later := b.book.Open(end, end+100_000, false)
	if w.sync(b, 10, 10, true); b.book.Take(later, 10, 10, clock.now()) == 0 {
		t.Fatal("the next period's 10 were not granted")
	}
	a.book.Correct(a.period, first, end+50_000) // Stigg names it
	if g := w.sync(a, 1, 1, true); g.Units > 0 || !g.Wants || g.Base+g.Plus+g.Out < 17 {
		t.Errorf("Stigg counts 3 of 10, 4 and 10 are out, and the store says %+v", g)
	}
	a.book.Count(a.period, 3, a.book.Note())
	if g := w.sync(a, 1, 1, true); g.Code == fleet.Learning || g.Base+g.Plus+g.Out != 17 {
		t.Errorf("Stigg was asked and counts 3, 14 are out, and the store says %+v", g)
	}
	b.book.Use(b.period)
	b.book.Correct(b.period, first, end+50_000)
	b.book.Has(later, 0, 0, 10)
	a.book.Has(a.period, 0, 0, 4)
	w.sync(b, 0, 0, false)
	if g := w.sync(a, 7, 7, false); g.Code != fleet.OK {
		t.Errorf("all was released, and 7 were not granted: %+v", g)
	}
}
