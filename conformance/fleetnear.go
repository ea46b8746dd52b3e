package conformance

import (
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
	c := r.book.Prepare(need, want, w.limit, keep, w.clock.now())
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
				i := rng.IntN(len(left))
				switch r := left[i]; {
				case r.book.Take(r.period, 1, clock.now()):
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
	if w.sync(a, 4, 4, true); !a.book.Take(a.period, 4, clock.now()) {
		t.Fatal("4 of 10 were not granted")
	}
	clock.ms.Add(2000)
	later := b.book.Open(end, end+100_000, false)
	if w.sync(b, 10, 10, true); !b.book.Take(later, 10, clock.now()) {
		t.Fatal("the next period's 10 were not granted")
	}
	a.book.Correct(a.period, first, end+50_000, true) // Stigg names it
	if g := w.sync(a, 1, 1, true); g.Units > 0 || g.Base+g.Plus+g.Out < 14 {
		t.Errorf("of a limit of 10, 4 and 10 are out, and the store says %+v", g)
	}
	a.book.Count(a.period, 0, a.book.Note())
	if g := w.sync(a, 1, 1, true); g.Code == fleet.Learning || g.Base+g.Plus+g.Out != 14 {
		t.Errorf("Stigg counts 0, 14 are out, and the store says %+v", g)
	}
	b.book.Use(b.period)
	b.book.Correct(b.period, first, end+50_000, true)
	b.book.Settle(later, 10, 0)
	a.book.Settle(a.period, 4, 0)
	w.sync(b, 0, 0, false)
	if g := w.sync(a, 10, 10, false); g.Code != fleet.OK {
		t.Errorf("all was released, and 10 were not granted: %+v", g)
	}
}
