package fleet

import (
	"time"

	"github.com/stiggate/gate/fleet"
	"github.com/stiggate/gate/internal/ledger"
)

// A replica that dies leaves in the store what it had. What of that Stigg may count yet is in its
// outbox, and comes into the ledger of whoever takes the outbox over: the heir. The store is told so by
// name, account by account, and then ends the share of the dead one.
//
// What holds: the store is told the name for an account only once all that the dead one left for
// that account is in the heir's ledger, so that State.Settled has it. Else units would be in no
// share: the store would count too little. So
//
//   - Adopt comes after all of the outbox was entered, for whatever accounts;
//   - of a wallet the name waits until the price is known of all that was entered;
//   - it waits until Stigg surely counts what it acknowledged, and counts later, before the death:
//     in nobody's ledger, and in no count so far.
//
// A name that is told late, or never, is careful: meanwhile some units count twice.

// inherited is a dead replica whose usage is entered.
type inherited struct {
	name string
	at   time.Time // since when
}

// Inherit has the outbox, which may be nil, keep this replica's name. What it returns takes over from
// those that had it before: call it once all that is in the outbox was entered into the ledger. Inherit
// must be called before the first request.
func (r *Replica) Inherit(outbox any) (entered func()) {
	i, keeps := outbox.(fleet.Inheritance)
	if r == nil || !keeps {
		return func() {}
	}
	from, err := i.Inherit(r.name)
	if err != nil {
		r.Logger.Warn("gate: the outbox does not keep whose usage it has; if this process dies, some of its usage counts twice for a while", "error", err)
	}
	return func() { r.Adopt(from...) }
}

// Adopt says that all usage of dead replicas that waits for Stigg is entered into this process'
// ledger from now on. It may be called while requests run.
func (r *Replica) Adopt(names ...string) {
	if r == nil || len(names) == 0 {
		return
	}
	r.mu.Lock()
	for _, name := range names {
		r.heirs = append(r.heirs, inherited{name, r.Now()})
	}
	r.mu.Unlock()
	r.ledger.ShareWaiting()
	for _, s := range r.shares() {
		s.soon()
	}
}

// dead are those that were adopted after so many others.
func (r *Replica) dead(after int) []inherited {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.heirs[after:]
}

// inherits reports whether the store has to hear of a dead replica. Call it under the share's lock.
func (s *Share) inherits() bool { return s.book.Adopts() || len(s.of.dead(s.adopted)) > 0 }

// adopt has the book name those whose time has come: Stigg counts what it acknowledged to them, and they
// were silent for so long that the store believes it. Call it under the lock.
func (s *Share) adopt(now time.Time) {
	dead := s.of.dead(s.adopted)
	if len(dead) == 0 || s.book.last.Reclaim == 0 || s.book.account.Currency != "" && s.ledger.HasUnpriced() {
		return
	}
	for _, d := range dead {
		if since(d.at, now) <= max(ledger.CountDelay, s.book.last.Valid) {
			return
		}
		s.book.Adopt(d.name)
		s.adopted++
	}
}
