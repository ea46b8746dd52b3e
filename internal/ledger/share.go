package ledger

import "time"

// Share is what this process has of an account of which several processes have one limit together: an
// account has one if its Ledger does (Ledger.Share).
//
// The account's own numbers are no more than what all processes together use, so what they refuse is
// refused. What they grant must be in hand as well: Lease.Take. The rest of a Lease follows what happens
// to an amount here. The methods are called under the account's lock.
type Share interface {
	// Open begins a usage period.
	Open(t Tenure) Lease
}

// Tenure is a usage period, and what is in it.
type Tenure struct {
	Start, End    time.Time // zero without
	Named         bool      // not by our own clock alone
	Held, Settled float64
	Used          float64 // Stigg's count, as far as this process knows
}

// Lease is a Share's side of one usage period.
type Lease interface {
	// Take holds an amount of what is in hand, or as much of it as there is, but no less than the
	// least, once the other processes have no more. Wanting comes with a channel that is closed when
	// there is an answer: ask again then, with the channel as waited.
	Take(t Taking) (taken float64, answer Answer, wait <-chan struct{})
	// Has says what is held and settled from now on, of which an amount came back that was held and
	// not used.
	Has(held, settled, back float64)
	// Acknowledge says that Stigg counts usage that was settled, and what is settled now.
	Acknowledge(held, settled float64, a Acknowledged)
	// Count is what Stigg counts, not before the tick began.
	Count(used float64, began Tick)
	// Hint is a count of which nobody knows when it was taken.
	Hint(used float64)
	// Correct gives the period the bounds that Stigg names.
	Correct(start, end time.Time)
}

// Taking is what is asked of a Lease.
type Taking struct {
	Amount, Least, Limit float64
	Waited               <-chan struct{}
	Now                  time.Time
}

// Acknowledged says how an acknowledged usage is counted.
type Acknowledged struct {
	Amount float64
	Told   bool // Stigg said how much is used then: Used, not before Began
	Used   float64
	Began  Tick
	// Due is of usage that Stigg counts later than it acknowledges it: when it surely has.
	Due Tick
}

// take holds what was granted here, if it is in hand. Call it under the lock.
func (a *Account) take(r *Admission, q *Ask, now time.Time) {
	least := q.Amount
	if q.Least > 0 {
		least = min(q.Least, q.Amount)
	}
	taken, answer, wait := a.lease().Take(Taking{q.Amount, least, q.Limit.Max, q.Waited, now})
	if r.Wait = wait; answer != Granted {
		r.Answer = answer
		return
	}
	q.Amount, r.leased = taken, true
	p := a.current
	p.held += taken
	p.holds++
}

// isShared reports whether what is asked for must be in hand. Call it under the lock.
func (a *Account) isShared(q *Ask) bool {
	return a.book.ledger.shares != nil && q.Amount > 0 && !q.PerReplica && !q.Limit.Unlimited && !q.Limit.Soft
}

// lease is the present period's. Call it under the lock.
func (a *Account) lease() Lease {
	p := a.current
	if p.lease == nil {
		s := a.rare()
		if s.share == nil {
			s.share = a.book.ledger.shares(a.book, a.wallet, a.id)
		}
		p.lease = s.share.Open(Tenure{p.start, p.end, !p.provisional, p.held, p.unacked, p.frontier.used()})
	}
	return p.lease
}

// ShareWaiting has the Share of each account opened in which usage waits for its acknowledgement, though
// nobody may ask for more of it here: what came from an outbox.
func (l *Ledger) ShareWaiting() {
	for _, a := range l.accounts() {
		a.mu.Lock()
		if a.current != nil && a.balance().Unacked > 0 {
			a.lease()
		}
		a.mu.Unlock()
	}
}

// accounts are all that there are.
func (l *Ledger) accounts() (all []*Account) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.books {
		b.mu.Lock()
		all = append(all, b.accounts...)
		b.mu.Unlock()
	}
	return all
}

// joins has the Share of a wallet opened that has paid for usage from an outbox: before, nobody knew that
// it would.
func (a *Account) joins() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.book.ledger.shares != nil {
		a.lease()
	}
}

// reopen has the present period's lease begin anew, since its bounds are others that Stigg did not
// name. Call it under the lock.
func (a *Account) reopen() {
	if p := a.current; p.lease != nil {
		p.lease.Has(0, 0, 0)
		p.lease = nil
		a.lease()
	}
}

// tell tells the lease what is in the period, and what came back.
func (p *period) tell(back float64) {
	if p.lease != nil {
		p.lease.Has(p.held, p.unacked, back)
	}
}

// learn tells the lease of an observation.
func (p *period) learn(o *observation) {
	switch {
	case p.lease == nil || o.from == answered:
	case o.from == pushed || o.lo == 0:
		p.lease.Hint(o.used)
	default:
		p.lease.Count(o.used, o.lo)
	}
}

// counted tells the lease that Stigg counts a usage; with the count that came along, if that is of the
// period.
func (p *period) counted(u *answer, ofPeriod bool) {
	if p.lease == nil {
		return
	}
	c := Acknowledged{Amount: max(0, u.amount)}
	switch {
	case ofPeriod:
		c.Told, c.Used, c.Began = true, u.count.Used, u.first
	case u.later:
		c.Due = u.last
	}
	p.lease.Acknowledge(p.held, p.unacked, c)
}
