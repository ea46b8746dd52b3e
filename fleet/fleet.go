// Package fleet is what gates of several processes, the replicas of one app, tell each other
// through a store that they share, so that one limit holds for all of them: the types that
// travel, and the interface of a store. It is for makers of stores. Package fleet/memory is one
// for tests, and says the rules in Go; contrib/redisgate is one on Redis. conformance.RunFleet holds a
// store to the rules; an app gives one to gate.WithFleet.
//
// # What is told
//
// A replica never tells a change. Each Sync tells its whole state of an account: how many units
// it has, how many of them nobody uses, how many are used and not yet acknowledged by Stigg. So
// a call may be lost, repeated, late or overtaken by a later one: the store keeps the newest
// state of each replica, and refuses what is older. What a lost answer granted is given back by
// the next call, which does not tell it.
//
// # What the store adds up
//
//	Base + Plus   what Stigg counts at the least, as far as it was told
//	Out           what all replicas have, as they told it last
//
// A unit is in Out from its grant until the call that tells that Stigg has acknowledged it, and
// in Base or Plus from that call on. So the sum is never too low, and a unit may count twice only
// until its acknowledgement is told. A store grants n units if Base + Plus + Out + n is within
// the limit of the replica that asks.
//
// # The store's clock
//
// Which of two counts of Stigg's is newer, the store tells by a clock of its own, which it moves
// on whenever a count changes something. Every answer has it, and a replica notes it (Note)
// before it asks Stigg anything. So a count comes with the reading of the clock that it was taken
// after: the bound by which an observation is ordered, in the store's time.
package fleet

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"
)

// Fleet is a store that all replicas of an app share. Its methods are called from many
// goroutines.
type Fleet interface {
	// Sync tells the whole state of this replica in some accounts, and asks for units. It
	// answers in the order of the states. Each state is taken in one step, whatever becomes
	// of the others: a Grant with an Err says that nobody knows whether it was. The error is
	// that of all of them.
	Sync(ctx context.Context, states []State) ([]Grant, error)
	// Watch calls recall when a replica is refused for what others have: they tell their
	// state, and give back what nobody uses. The zero Account means all accounts. A recall
	// may be lost or come twice. Watch calls it for all accounts whenever it may have missed
	// some, at its start for instance. It returns when ctx ends, or with an error, and may
	// then be called again.
	Watch(ctx context.Context, recall func(Account)) error
	// Close releases what the store holds, but not what the app gave it.
	Close() error
}

// Account names what is limited: one metered feature, or one wallet, of a customer. It is the
// same in all replicas.
type Account struct {
	Customer string // Stigg's id
	Resource string // of the customer; empty where plans are not sold by resource
	// Feature or Currency: the other one is empty.
	Feature  string
	Currency string
}

// String has the account as a key for a store, of letters, digits and the signs
// "-_.~$&+=:@%/": ParseAccount reads it back.
func (a Account) String() string {
	kind, id := "feature", a.Feature
	if a.Currency != "" {
		kind, id = "credit", a.Currency
	}
	return url.PathEscape(a.Customer) + "/" + url.PathEscape(a.Resource) + "/" + kind + "/" + url.PathEscape(id)
}

// ParseAccount is the opposite of Account.String. It is false for any other text.
func ParseAccount(s string) (Account, bool) {
	parts := strings.Split(s, "/")
	if len(parts) != 4 {
		return Account{}, false
	}
	for i := range parts {
		text, err := url.PathUnescape(parts[i])
		if err != nil {
			return Account{}, false
		}
		parts[i] = text
	}
	a := Account{Customer: parts[0], Resource: parts[1]}
	switch parts[2] {
	case "feature":
		a.Feature = parts[3]
	case "credit":
		a.Currency = parts[3]
	default:
		return Account{}, false
	}
	return a, true
}

// State is what one replica tells of one account. Amounts are in the feature's units, or in
// credits.
type State struct {
	Account Account
	// Replica names the process. Each start of a process has a name of its own.
	Replica string
	// N numbers the replica's calls: a later call has a larger one. Confirmed is that of the
	// last call whose answer the replica has used; 0 without one. A store that knows less of the
	// replica than Confirmed has lost something.
	N, Confirmed uint64
	// Known is what that answer said of the store's clock; zero without one. A store whose own
	// is behind has lost something.
	Known Note

	// Have is all the units that the replica has: Spare, which no request uses, those held for
	// requests that run, and Settled, which are used and which Stigg has not acknowledged.
	Have, Spare, Settled float64
	// Blind is the units, since the process began, that Stigg has acknowledged without saying
	// how much is used then: they left Have, and no count that is told has them. It only
	// grows. BlindConfirmed is Blind as the call Confirmed told it.
	Blind, BlindConfirmed float64
	// Heir names a dead replica all of whose usage that Stigg has not acknowledged is in Settled from
	// now on; empty: none. Its share counts until a count comes that was asked for later, and no longer.
	// Without an heir, what it had settled counts for Timing.Owe.
	Heir string

	// Need is what is asked for; 0 asks for nothing. Where there is less room, so much will do, but
	// no less than Least; 0 stands for all of it. Want is what the replica would like to have
	// instead, to have it in hand for what comes.
	Need, Least, Want float64
	// Limit is the most that may be used of the account, by the entitlement that the replica
	// knows.
	Limit float64

	// Start and End are of the usage period that all of this is of, in milliseconds since 1970;
	// both are 0 of an account without periods. Named is false while no replica's clock but
	// its own says so: Stigg has not named the period yet.
	Start, End int64
	Named      bool

	// Count is the newest count of Stigg's that was asked for, and Hint the highest one that
	// came unasked, such as a push, of which nobody knows when it was taken. Each is told
	// until one answer was used.
	Count, Hint Count
}

// Note is a reading of a store's clock. A replica takes it from the last answer, before it asks
// Stigg how much is used: an older one is only more careful. The zero Note is none.
type Note struct {
	// Epoch changes when the store has lost something: notes of another epoch say nothing. Later
	// epochs are larger, as strings.
	Epoch string
	Clock int64
	// Blind is the sum that the store then had of State.Blind, of all replicas.
	Blind float64
}

// Count is how much is used by Stigg's count, everybody's usage. The zero Count is none.
type Count struct {
	Told  bool // whether there is one
	Used  float64
	Since Note // it was not taken before; zero: nobody knows
}

// Code is the answer to a State.
type Code string

// The codes. All but OK refuse what was needed. The state was taken unless it is Early, Over
// or Stale.
const (
	OK       Code = "ok"
	Exceeded Code = "exceeded" // Stigg counts so much already that it does not fit
	Pending  Code = "pending"  // it would fit if nothing were out, or waited for a count
	Recall   Code = "recall"   // as Pending, and others were asked to give back: try again in a moment
	Learning Code = "learning" // the store has lost something: replicas tell what they have first
	Early    Code = "early"    // by the store's clock the period has not begun
	Over     Code = "over"     // by the store's clock the period is over
	Stale    Code = "stale"    // a later call of this replica's was here first
)

// ErrAccount is beneath the Err of a Grant if only what the store keeps of that account is broken: the
// store can be asked about others.
var ErrAccount = errors.New("what is kept of the account can't be used")

// Grant is a store's answer to one State.
type Grant struct {
	Err  error // the answer is not known; nothing else is set. See ErrAccount
	Code Code
	// Units are given to the replica: Need, more of what it wants, or less. They are in hand for
	// Valid, from when the call was made.
	Units float64
	// Now is the store's clock after the call: what to note.
	Now Note
	// Base is Stigg's count, Plus what was acknowledged and is perhaps not in it, Out what all
	// replicas have, and Spare what of that nobody uses. All with this call.
	Base, Plus, Out, Spare float64
	// Replicas is how many replicas have some.
	Replicas int
	// Start and End are of the period that the store is in.
	Start, End int64
	// Valid and Reclaim are those of the store's Timing: for so long from the call the replica may
	// spend what it has, and so long without a call it is taken for dead.
	Valid, Reclaim time.Duration
	// Lost: the store knew less than this replica.
	Lost bool
	// Dropped: the replica was taken for dead, and what it had to spare was given to others:
	// it was not taken again.
	Dropped bool
	// Wants: a count of Stigg's, asked for from now on, is wanted: after a loss, or since a
	// replica died.
	Wants bool
}
