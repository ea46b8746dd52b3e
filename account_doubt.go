package gate

import "time"

// Stigg counts usage before it acknowledges it. A push or a read that comes in between
// has usage that waits here too, so it counts twice until its acknowledgement. That never
// lets too much in, but it may refuse. Such a refusal is in doubt: who asks waits for the
// acknowledgement as long as the decision deadline allows, and is told to come again
// rather than that a limit is reached.
//
// So is a refusal for want of what was given back a moment ago, which counts once it is
// acknowledged.
//
// What holds: doubt is at most what flies, and 0 while nothing does.

// flight is what of an account's unacked is on its way to Stigg.
type flight struct {
	amount float64
	count  int
	doubt  float64 // what of it a count applied since may have
	// back is what was given back and is not acknowledged; nobody waits for it later than
	// backUntil.
	back      float64
	backUntil time.Time
	// landing is closed when some of it has arrived; nil while nobody waits.
	landing chan struct{}
}

// backWait is how long a refusal is in doubt for what was given back: reports arrive
// sooner, unless they fail.
const backWait = 5 * time.Second

// givesBack notes usage that was given back.
func (a *account) givesBack(amount float64, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f := &a.flight
	if !now.Before(f.backUntil) {
		f.back = 0
	}
	f.back += amount
	f.backUntil = now.Add(backWait)
}

// departs notes that settled usage leaves for Stigg.
func (a *account) departs(amount float64) {
	if amount <= 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.flight.amount += amount
	a.flight.count++
}

// returns notes that it waits for another attempt.
func (a *account) returns(amount float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.flight.lands(amount)
}

// lands notes that it is acknowledged or refused. Call it under the account's lock.
func (f *flight) lands(amount float64) {
	f.back = max(0, f.back-max(0, -amount))
	if amount <= 0 || f.count == 0 {
		return
	}
	f.amount -= amount
	if f.count--; f.count == 0 {
		f.amount = 0
	}
	f.doubt = min(f.doubt, f.amount)
}

// counted notes a count of Stigg's that made used what it is. What it has grown by may be
// of what flies, but for its own usage, which it acknowledges. Call it under the account's
// lock.
func (f *flight) counted(before, used, own float64, newest bool) {
	switch {
	case used >= before:
		f.doubt = min(f.amount, max(0, f.doubt+used-before-own))
	case newest:
		f.doubt = min(f.amount, max(0, used))
	default:
		f.doubt = max(0, f.doubt-own)
	}
}

// doubted judges a refusal again without what may count twice or is given back. If it would be granted
// then, wait is closed when there is more to know. Call it under the account's lock.
func (a *account) doubted(v verdict, s standing, now time.Time, judge func(standing) verdict) (verdict, <-chan struct{}) {
	f := &a.flight
	less := f.doubt
	if now.Before(f.backUntil) {
		less += f.back
	}
	if v.reason == "" || less <= 0 {
		return v, nil
	}
	s.used -= less
	switch judge(s).reason {
	case "":
	case ReasonPending:
		return verdict{reason: ReasonPending}, nil
	default:
		return v, nil
	}
	if f.landing == nil {
		f.landing = make(chan struct{})
	}
	return verdict{reason: ReasonPending}, f.landing
}

// landed wakes those who wait.
func (a *account) landed() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.flight.landing != nil {
		close(a.flight.landing)
		a.flight.landing = nil
	}
}

// departs has the accounts know that p is on its way, and returns that it is not any more.
func (p *parcel) departs() {
	if p.departed || p.right.account == nil {
		return
	}
	p.departed = true
	p.right.account.departs(p.waits)
	if p.creditPlace != nil {
		p.right.wallet.departs(p.credits)
	}
}

func (p *parcel) returns() {
	if !p.departed {
		return
	}
	p.departed = false
	p.right.account.returns(p.waits)
	if p.creditPlace != nil {
		p.right.wallet.returns(p.credits)
	}
}

// landed wakes those who wait for p's arrival.
func (p *parcel) landed() {
	for _, a := range []*account{p.right.account, p.right.wallet} {
		if a != nil {
			a.landed()
		}
	}
}
