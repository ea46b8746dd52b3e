package conformance

import (
	"fmt"
	"testing"
	"time"

	"github.com/stiggate/gate/fleet"
)

// testHeir has a replica die of which Stigg has acknowledged 2 units since its last call, which told 5 of
// them settled and 3 to spare. Its heir has the other 3. The store never counts less than these 5, and
// exactly 5 once a count came that was asked for since it was told the name.
func testHeir(t *testing.T, store fleet.Fleet, clock *simClock, timing fleet.Timing) {
	for _, row := range []struct {
		name   string
		silent time.Duration // until the name is told
		count  bool          // by then a count came that was asked for since the death was found
		want   float64       // with a count from then on
	}{
		{"as soon as the store believes that it is dead", timing.Valid, false, 5},
		{"after it was found dead", timing.Reclaim, false, 5},
		{"after it was found dead and a count came", timing.Reclaim, true, 5},
		{"while it lives, by a copy of its outbox", timing.Valid - time.Second, false, 2 + 8 + 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			clock.ms.Add(time.Hour.Milliseconds())
			var n uint64
			sync := func(s fleet.State) fleet.Grant {
				t.Helper()
				n++
				s.Account, s.N, s.Limit = fleet.Account{Customer: t.Name(), Feature: "units"}, n, 100
				grants, err := store.Sync(t.Context(), []fleet.State{s})
				if err != nil || len(grants) != 1 || grants[0].Err != nil {
					t.Fatalf("%v, %+v", err, grants)
				}
				if g := grants[0]; g.Base+g.Plus+g.Out < 5 {
					t.Errorf("5 are used, and the store counts %+v", g)
				}
				return grants[0]
			}
			heir := fleet.State{Replica: "heir", Have: 3, Settled: 3}
			told := func(used float64, since fleet.Note) fleet.State {
				s := heir
				s.Count = fleet.Count{Told: true, Used: used, Since: since}
				return s
			}
			before := sync(fleet.State{Replica: "dead", Have: 8, Spare: 3, Settled: 5})
			clock.ms.Add(row.silent.Milliseconds())
			if g := sync(heir); row.count {
				if g = sync(told(2, g.Now)); g.Base+g.Plus+g.Out != 2+5+3 {
					t.Errorf("it may have had 5 that Stigg lacks, and the store counts %+v", g)
				}
			}
			heir.Heir = "dead"
			named := sync(told(0, before.Now)) // a count of before the acknowledgement
			heir.Heir = ""
			if row.want == 5 && !row.count && !named.Wants {
				t.Errorf("no count is wanted: %+v", named)
			}
			if g := sync(told(2, named.Now)); g.Base+g.Plus+g.Out != row.want {
				t.Errorf("%v are used or may be, and the store counts %+v", row.want, g)
			}
			heir.Have, heir.Settled = 0, 0
			if g := sync(told(5, named.Now)); row.want == 5 && (g.Base+g.Plus != 5 || g.Out != 0 || g.Replicas != 0) {
				t.Errorf("all is acknowledged, and the store counts %+v", g)
			}
		})
	}
}

// testJumped has the store's clock jump so far that it takes a replica for dead, and give what that one had to spare to
// another one. When it calls, it may not spend that any more; what it holds counts again.
func testJumped(t *testing.T, store fleet.Fleet, clock *simClock, timing fleet.Timing) {
	defer clock.jump.Store(0)
	for _, freed := range []bool{false, true} {
		clock.ms.Add(time.Hour.Milliseconds())
		w := &nearWorld{t: t, store: store, clock: clock, limit: 10}
		all := w.replicas(2, fleet.Account{Customer: t.Name(), Resource: fmt.Sprint(freed), Feature: "units"})
		a, b := all[0], all[1]
		if w.sync(a, 8, 8, true); a.book.Take(a.period, 3, 3, clock.now()) == 0 {
			t.Fatal("3 of 8 that are in hand were not held")
		}
		clock.jump.Add(timing.Reclaim.Milliseconds() + 1)
		w.sync(b, 0, 0, false) // it is found dead
		if freed {
			b.book.Count(b.period, 0, b.book.Note())
			if g := w.sync(b, 2, 2, true); g.Units != 2 || g.Out != 2 {
				t.Fatalf("all else is free, and 2 are answered %+v", g)
			}
		}
		g := w.sync(a, 0, 0, true)
		if !g.Dropped || a.book.Spare(clock.now()) != 0 {
			t.Errorf("freed: %v: it was taken for dead, has %v to spend, and is answered %+v", freed, a.book.Spare(clock.now()), g)
		}
		if want := map[bool]float64{false: 3, true: 5}[freed]; g.Out != want {
			t.Errorf("freed: %v: %v are out, and the store says %+v", freed, want, g)
		}
		clock.jump.Add(-10 * timing.Reclaim.Milliseconds()) // nobody is dead
		if g := w.sync(b, 5, 5, true); freed && g.Units != 5 {
			t.Errorf("5 of 10 are out, the store's clock is behind, and 5 are answered %+v", g)
		}
	}
}
