package fleet_test

import (
	"fmt"
	"time"

	"github.com/stiggate/gate/fleet"
)

// A replica that is silent for a minute is taken for dead; a shorter time must leave room for a call.
func ExampleTiming() {
	t := fleet.DefaultTiming()
	fmt.Println(t.Valid, t.Reclaim, t.Validate())
	t.Reclaim = time.Second
	fmt.Println(t.Validate())
	// Output:
	// 5s 1m0s <nil>
	// fleet: timing: Reclaim is 1s, not above Valid and the time of a call, 5.25s
}
