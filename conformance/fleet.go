package conformance

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stiggate/gate/fleet"
)

// Fleet says how a store of package fleet is made, for RunFleet.
type Fleet struct {
	// Open makes a store that is empty and never lost anything. It tells the time by now, which
	// does not run by itself, and keeps the timing. It closes with the test.
	Open func(t testing.TB, now func() time.Time, timing fleet.Timing) fleet.Fleet
	// Empty has the store lose all that it has of an account, as if it had been emptied; nil if the
	// store can't lose anything.
	Empty func(fleet.Fleet, fleet.Account)
	// Save returns a function that throws the account back to what it is now, as a failover that
	// loses the last writes does; nil if the store can't lose anything.
	Save func(fleet.Fleet, fleet.Account) (restore func())
	// Schedules is how many random schedules of each kind are tried, from the seed First on. 0
	// tries 20.
	Schedules int
	First     uint64
}

// RunFleet holds a store to the rules of package fleet, by random schedules in a simulated world:
// replicas that admit, settle and report, a Stigg that counts, and calls that are lost, repeated, late
// and overtaken. At every call it asserts that
//
//   - no more is granted than the limit, with all that the replicas have, what was acknowledged, and
//     others' usage in the counts that were told;
//   - the store counts no less than that;
//
// and at the end of each schedule, when all is quiet, that nothing is out, that the store counts what
// Stigg counts, and that one more replica is granted exactly what is left. Where the store, or a
// replica for longer than Timing.Reclaim, was lost, the limit may be passed by what was out then.
func RunFleet(t *testing.T, f Fleet) {
	timing := fleet.Timing{Valid: 5 * time.Second, Reclaim: 12 * time.Second, Owe: 20 * time.Second, Keep: 2 * time.Hour}
	clock := &simClock{}
	clock.ms.Store(1_700_000_000_000)
	store := f.Open(t, clock.ofStore, timing)
	schedules := f.Schedules
	if schedules == 0 {
		schedules = 20
	}
	for _, kind := range fleetKinds {
		t.Run(kind.name, func(t *testing.T) {
			if (kind.may.empty || kind.may.rollback) && (f.Empty == nil || f.Save == nil) {
				t.Log("the store can't lose anything")
				return
			}
			sum := &fleetSum{}
			for i := range schedules {
				seed := f.First + uint64(i)
				w := newFleetWorld(t, &f, store, clock, timing, kind.may, seed)
				for range fleetSteps {
					w.step()
				}
				w.finish()
				sum.add(w)
			}
			t.Log(sum)
		})
	}
	t.Run("an account's period goes on after it was over", func(t *testing.T) { testReopened(t, store, clock) })
	t.Run("what nobody uses is called back", func(t *testing.T) { testRecalled(t, store, clock) })
	t.Run("what is left will do where that is said", func(t *testing.T) { testLeast(t, store, clock) })
	t.Run("a lower count lacks what was acknowledged since", func(t *testing.T) { testLowerCount(t, store, clock) })
	t.Run("counts of another epoch lower nothing", func(t *testing.T) { testOldCount(t, store, clock) })
	t.Run("a store whose clock jumps takes who lives for dead", func(t *testing.T) { testJumped(t, store, clock, timing) })
	t.Run("what a dead replica left counts at its heir", func(t *testing.T) { testHeir(t, store, clock, timing) })
	if f.Save != nil {
		t.Run("after a loss replicas are heard before anything is granted", func(t *testing.T) { testHeard(t, &f, store, clock, timing) })
	}
	if f.Empty != nil {
		t.Run("a store that was emptied grants nothing at first", func(t *testing.T) { testEmptied(t, &f, store, clock) })
	}
	t.Run("each limit is given out exactly", func(t *testing.T) { testNear(t, store, clock) })
	t.Run("each limit is given out exactly to replicas that ask at once", func(t *testing.T) { testNearLive(t, &f) })
}

// fleetSteps is the length of a schedule.
const fleetSteps = 500

// fleetChances is what may happen in a schedule beside what always may: calls that are lost, repeated
// and late, reports whose answers are lost, reads and pushes that cross each other.
type fleetChances struct {
	others   bool // somebody else reports usage to Stigg
	blind    bool // a third of the acknowledgements have no count
	backs    bool // usage is given back
	limits   bool // the limit changes
	pauses   bool // replicas stand still for a while, for less than a lease is valid
	cuts     bool // replicas lose their connection to the store for a while
	long     bool // both for longer than Timing.Reclaim
	crashes  bool // replicas die, with an heir of their usage or without
	periods  bool // a period ends, and clocks differ
	empty    bool // the store loses all
	rollback bool // the store loses what was written last
	jumps    bool // the store's clock jumps, forwards and backwards
}

var fleetKinds = []struct {
	name string
	may  fleetChances
}{
	{"messages are lost, repeated and late", fleetChances{}},
	{"replicas pause and lose the store", fleetChances{pauses: true, cuts: true}},
	{"others report usage", fleetChances{others: true, pauses: true, cuts: true}},
	{"acknowledgements come without a count", fleetChances{blind: true, others: true, pauses: true}},
	{"usage is given back", fleetChances{backs: true, others: true, pauses: true, cuts: true}},
	{"usage is given back and acknowledgements come without a count", fleetChances{blind: true, backs: true, others: true, pauses: true, cuts: true}},
	{"the limit changes", fleetChances{limits: true, others: true, pauses: true}},
	{"replicas die", fleetChances{crashes: true, others: true, pauses: true, cuts: true}},
	{"replicas are silent for longer than they are waited for", fleetChances{long: true, others: true, pauses: true, cuts: true, crashes: true}},
	{"the store's clock jumps", fleetChances{jumps: true, others: true, pauses: true, cuts: true}},
	{"a period ends, and clocks differ", fleetChances{periods: true, others: true, pauses: true, cuts: true}},
	{"the store is emptied while replicas pause", fleetChances{empty: true, others: true, pauses: true}},
	{"the store is emptied", fleetChances{empty: true}},
	{"the store is thrown back while replicas pause", fleetChances{rollback: true, others: true, pauses: true}},
	{"the store is thrown back", fleetChances{rollback: true}},
}

// fleetSum is what was tried.
type fleetSum struct {
	schedules, calls, grants, refusals, losses int
	over, allowed                              float64
}

func (s *fleetSum) add(w *fleetWorld) {
	s.schedules++
	s.calls += w.calls
	s.grants += w.grants
	s.refusals += w.refusals
	s.losses += w.losses
	if w.over > s.over {
		s.over, s.allowed = w.over, w.slack
	}
}

func (s *fleetSum) String() string {
	text := fmt.Sprintf("%d schedules, %d calls, %d grants, %d refusals, over the limit by at most %v", s.schedules, s.calls, s.grants, s.refusals, s.over)
	if s.over > 0 {
		text += fmt.Sprintf(", where %v were out when they were lost", s.allowed)
	}
	if s.losses > 0 {
		text += fmt.Sprintf("; losses noticed %d times", s.losses)
	}
	return text
}

// simClock is the time of the simulated worlds, in ms. It never goes back; the store's own clock may jump.
type simClock struct{ ms, jump atomic.Int64 }

func (c *simClock) now() time.Time { return time.UnixMilli(c.ms.Load()) }

// ofStore is what the store's clock says.
func (c *simClock) ofStore() time.Time { return time.UnixMilli(c.ms.Load() + c.jump.Load()) }

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 7)) }
