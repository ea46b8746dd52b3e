package fleet

// Inheritance is an outbox (gate.Outbox) that tells whose usage it has, as package outbox's does. A
// gate asks it once, at its start, if it is given both the outbox and a store, by
// gate.WithOutbox and gate.WithFleet: then what a dead replica left counts at its heir alone (State.Heir).
// With any other outbox it counts for Timing.Owe beside that.
//
// It is for an outbox that one process has at a time, and that knows by a lock that the one before has
// ended. An outbox that processes share (gate.Adopter) should be none: it knows that a process is silent,
// and one that was only paused has usage in its memory and reports it later, which would be in no share
// then; and what one process left may be taken over by several, of which none has all of it. With such
// an outbox Timing.Owe may be short instead: as long as it takes at the most until what a dead process
// left is taken over.
type Inheritance interface {
	// Inherit keeps, durably, that a replica has the outbox from now on, and returns the names of
	// those that had it before and may have told a store of usage that is, or was, in it. It
	// returns at once; with an error it is not known whether the name is kept.
	//
	// A name that is left out costs an hour in which some usage counts twice. One that is given
	// though its replica lives may pass the limit: a copy of an outbox has no heir.
	Inherit(heir string) (from []string, err error)
}
