package fleet

// Outage is what a replica grants while the store can't be asked. Whatever it is, what is in hand is
// spent first, for as long as it is valid.
type Outage uint8

// The rules.
const (
	// SpendLease grants nothing beyond what is in hand: then requests are denied, to be tried again.
	SpendLease Outage = iota
	// LocalShare grants this replica's part of what was left at the last answer, once. If all replicas
	// heard an answer at about the same moment, the parts are within the limit.
	LocalShare
	// LocalLedger grants what this process alone would: the limit counts in each replica of its own.
	LocalLedger
)

// Stats counts what a replica did.
type Stats struct {
	Calls    uint64 // states that were told
	Granted  uint64 // of them, those that brought units
	Refused  uint64 // those that did not bring what was needed
	Failed   uint64 // those that were not answered in time
	Recalled uint64 // requests of other replicas to give back
	Lost     uint64 // answers by which the store had lost something
	Dropped  uint64 // answers by which this replica was taken for dead
	Down     bool   // the store can't be asked now
}
