package ledger

import "time"

// Stigg counts usage before it acknowledges it. A push or a read that comes in between
// has usage that is Unacked here too, so it counts twice until its acknowledgement. That never
// lets too much in, but it may refuse. Such a refusal is in doubt: who asks waits for the
// acknowledgement as long as the decision timeout allows, and is told to come again
// rather than that a limit is reached.
//
// So is a refusal for want of what was given back a moment ago, which counts once it is
// acknowledged.
//
// What holds: overlap is at most what is in flight, and 0 while nothing is.

// inFlight is what of an account's Unacked is on its way to Stigg.
type inFlight struct {
	amount  float64
	count   int
	overlap float64 // what of it a count applied since may have
	// freed is what was given back and is not acknowledged; nobody waits for it later than
	// freedUntil.
	freed      float64
	freedUntil time.Time
	// changed is closed when some of it has arrived; nil while nobody waits.
	changed chan struct{}
}

// freedWait is how long a refusal is in doubt for what was given back: reports arrive
// sooner, unless they fail.
const freedWait = 5 * time.Second

// free notes usage that was given back.
func (a *Account) free(amount float64, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f := &a.inFlight
	if !now.Before(f.freedUntil) {
		f.freed = 0
	}
	f.freed += amount
	f.freedUntil = now.Add(freedWait)
}

// leaves notes that settled usage leaves for Stigg.
func (a *Account) leaves(amount float64) {
	if amount <= 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.inFlight.amount += amount
	a.inFlight.count++
}

// arrives notes that it waits for another attempt.
func (a *Account) arrives(amount float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.inFlight.arrives(amount)
}

// arrives notes that it is not on its way any more. Call it under the account's lock.
func (f *inFlight) arrives(amount float64) {
	f.freed = max(0, f.freed-max(0, -amount))
	if amount <= 0 || f.count == 0 {
		return
	}
	f.amount -= amount
	if f.count--; f.count == 0 {
		f.amount = 0
	}
	f.overlap = min(f.overlap, f.amount)
}

// counted notes a count of Stigg's that made used what it is. What it has grown by may be
// of what is in flight, but for its own usage, which it acknowledges. Call it under the
// account's lock.
func (f *inFlight) counted(before, used, own float64, newest bool) {
	switch {
	case used >= before:
		f.overlap = min(f.amount, max(0, f.overlap+used-before-own))
	case newest:
		f.overlap = min(f.amount, max(0, used))
	default:
		f.overlap = max(0, f.overlap-own)
	}
}

// reconsider answers a refusal again without what may count twice or is given back. If it
// would be granted then, it is Pending, and the channel is closed when there is more to
// know. Call it under the account's lock.
func (a *Account) reconsider(answer Answer, b Balance, now time.Time, q Ask) (Answer, <-chan struct{}) {
	f := &a.inFlight
	less := f.overlap
	if now.Before(f.freedUntil) {
		less += f.freed
	}
	if !answer.Refuses() || less <= 0 {
		return answer, nil
	}
	b.Used -= less
	switch q.answer(b) {
	case Granted, GrantedOver:
	case Pending:
		return Pending, nil
	default:
		return answer, nil
	}
	if f.changed == nil {
		f.changed = make(chan struct{})
	}
	return Pending, f.changed
}

// notify wakes those who wait.
func (a *Account) notify() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.inFlight.changed != nil {
		close(a.inFlight.changed)
		a.inFlight.changed = nil
	}
}
