package conformance_test

import (
	"flag"
	"testing"
	"time"

	"github.com/stiggate/gate/conformance"
	"github.com/stiggate/gate/fleet"
	fleetmemory "github.com/stiggate/gate/fleet/memory"
)

var schedules = flag.Int("schedules", 0, "random schedules of each kind for a fleet's store; 0: few")

func TestFleetInMemory(t *testing.T) {
	conformance.RunFleet(t, conformance.Fleet{
		Open: func(t testing.TB, now func() time.Time, timing fleet.Timing) fleet.Fleet {
			store, err := fleetmemory.New(fleetmemory.WithClock(now), fleetmemory.WithTiming(timing))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = store.Close() })
			return store
		},
		Empty: func(f fleet.Fleet, _ fleet.Account) { f.(*fleetmemory.Store).Empty() },
		Save:  func(f fleet.Fleet, _ fleet.Account) func() { return f.(*fleetmemory.Store).Save() },

		Schedules: *schedules,
	})
}
