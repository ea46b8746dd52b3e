package conformance

import (
	"testing"

	"github.com/stiggate/gate/fleet"
)

// TestTheBurstFindsReplicasThatShareNothing: they let in 200.
func TestTheBurstFindsReplicasThatShareNothing(t *testing.T) {
	apart := row{"many", "two stores", func(t testing.TB) {
		burst(t, newPlain().adapter(), func(t testing.TB) fleet.Fleet { return inMemory(t)(t) })
	}}
	if !apart.fails(t) {
		t.Error("replicas that share nothing pass")
	}
}
