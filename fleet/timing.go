package fleet

import (
	"errors"
	"fmt"
	"time"
)

// Timing is how long a store waits for what. It is the same for all replicas of an app.
type Timing struct {
	// Valid is how long a replica may spend what it has in hand, from when it made the call
	// that was answered last. After a loss a store grants nothing for so long.
	Valid time.Duration
	// Reclaim is after how long without a call a replica is taken for dead, and what it has for
	// free. It must be well above Valid: what a request still uses then is given out again.
	Reclaim time.Duration
	// Owe is how much longer what a dead replica had used, and Stigg had not acknowledged, stays
	// counted: for an heir that delivers it (State.Heir), or until another replica has taken it over from
	// an outbox that they share.
	Owe time.Duration
	// Keep is how long an account is remembered after its last call. It must be longer than any
	// count of Stigg's is served stale.
	Keep time.Duration
}

// DefaultTiming is meant for production.
func DefaultTiming() Timing {
	return Timing{Valid: 5 * time.Second, Reclaim: time.Minute, Owe: time.Hour, Keep: 2 * time.Hour}
}

// MaxCallTime is after what time a replica does not use the answer to a call any more.
const MaxCallTime = 250 * time.Millisecond

// TimingError names what is wrong with a Timing.
type TimingError struct{ Reason string }

func (e *TimingError) Error() string { return "fleet: timing: " + e.Reason }

// Validate says what can't be.
func (t Timing) Validate() error {
	var wrong []error
	say := func(bad bool, format string, a ...any) {
		if bad {
			wrong = append(wrong, &TimingError{fmt.Sprintf(format, a...)})
		}
	}
	say(t.Valid < MaxCallTime, "Valid is %v, less than the %v that a call may take", t.Valid, MaxCallTime)
	say(t.Reclaim <= t.Valid+MaxCallTime, "Reclaim is %v, not above Valid and the time of a call, %v", t.Reclaim, t.Valid+MaxCallTime)
	say(t.Owe < 0, "Owe is %v", t.Owe)
	say(t.Keep < t.Reclaim+t.Owe, "Keep is %v, less than Reclaim and Owe, %v", t.Keep, t.Reclaim+t.Owe)
	return errors.Join(wrong...)
}
