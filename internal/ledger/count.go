package ledger

import "time"

// Count is Stigg's count of one account at one time. The period is zero where Stigg left
// it out.
type Count struct {
	Used       float64
	Start, End time.Time
}

// Read applies a read of Stigg that began at a tick (Book.Begin). Where the answer may lag,
// be the count of a time before it was asked for, give the tick Before the lag.
func (a *Account) Read(began Tick, r Count, now time.Time, c Cycle) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roll(now, c)
	a.observe(observation{lo: began, hi: a.book.Tick(), used: r.Used}, r, now, c)
	a.priceBefore(began)
}

// Push applies a count that nobody asked for, made by Stigg at a time; zero if that is not
// known. It is false if more is used by what else is known, and no order is sure: a read
// would tell.
func (a *Account) Push(r Count, at, now time.Time, c Cycle) bool {
	age := time.Duration(0)
	if !at.IsZero() {
		age = now.Sub(at)
	}
	return a.push(observation{stamp: stampOf(at), used: r.Used}, age, r, now, c)
}

// Replace is Push of a count in a whole set that is so old at most. When in that time it was
// counted is not known.
func (a *Account) Replace(r Count, age time.Duration, now time.Time, c Cycle) bool {
	return a.push(observation{used: r.Used}, age, r, now, c)
}

func (a *Account) push(o observation, age time.Duration, r Count, now time.Time, c Cycle) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roll(now, c)
	o.hi, o.from = a.book.Tick(), pushed
	o.lo = o.hi.Before(Margin + max(0, age))
	if r.End.IsZero() {
		return a.observeIn(a.current, o)
	}
	return a.observe(o, r, now, c)
}

// answer is what Stigg says of one usage, or of one total, in one account.
type answer struct {
	usage
	count *Count
	total *float64 // what the usage set, if it is a total
}

// acknowledge ends the wait of usage: Stigg has counted it, or will. Stigg's own count, if
// it came along, is an observation; so is a total.
func (a *Account) acknowledge(where slot, u answer, onWay bool, now time.Time, c Cycle) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roll(now, c)
	p := a.leave(where, &u.usage, onWay)
	hi := a.book.Tick()
	if u.last = hi; u.later {
		u.last += Tick(CountDelay)
		u.stamp.batch = 0
		if u.stamp.from != 0 {
			u.stamp.to += CountDelay.Milliseconds()
		}
	}
	a.add(p, &u.usage)
	o := observation{lo: u.first, hi: hi, stamp: u.stamp}
	ofPeriod := u.count != nil && !u.later && (u.count.End.IsZero() || p.is(*u.count))
	p.counted(&u, ofPeriod)
	switch {
	case ofPeriod:
		o.used, o.from = u.count.Used, answered
		a.observeIn(p, o)
	case u.count != nil && !u.later: // Stigg names the present period
		o.used = u.count.Used
		a.observe(o, *u.count, now, c)
	case u.total != nil:
		switch o.used = *u.total; {
		case u.maybe || u.later: // it may not be set yet: it replaces nothing
			o.lo, o.hi, o.stamp = 0, u.last, stamp{}
		case o.stamp.batch == 0: // an earlier attempt may have set it, long before this answer
			o.stamp = stamp{}
		}
		a.observeIn(p, o)
	}
	a.remember(p, &u.usage)
}

// tell applies a count that came with the answer to a usage that counts elsewhere.
func (a *Account) tell(r Count, first Tick, s stamp, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roll(now, Cycle{})
	a.observe(observation{lo: first, hi: a.book.Tick(), stamp: s, used: r.Used}, r, now, Cycle{})
}

// refuse takes back settled usage that Stigg refused for good and did not count.
func (a *Account) refuse(where slot, amount float64, first Tick, onWay bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.leave(where, &usage{amount: amount, first: first}, onWay).tell(0)
}

// leave ends the wait of a usage, and returns its period. Call it under the lock.
func (a *Account) leave(where slot, u *usage, onWay bool) *period {
	if onWay {
		a.onWay--
	}
	p := where.out()
	p.answered(u.amount)
	if u.first != 0 {
		p.departed = p.departed.remove(u.first, u.amount)
	} else {
		p.freed = max(0, p.freed-max(0, -u.amount))
	}
	return p
}

// add adds an acknowledged usage to the observations that may lack it. Call it under the
// lock.
func (a *Account) add(p *period, u *usage) {
	for i := range p.frontier {
		p.frontier[i].add(u)
	}
	if a.isAhead(p) {
		v := *u
		v.maybe = true // Stigg may count it in another period
		for i := range a.current.frontier {
			a.current.frontier[i].add(&v)
		}
	}
}

// remember keeps an acknowledged usage for observations to come, unless all that stand have
// it. Call it under the lock.
func (a *Account) remember(p *period, u *usage) {
	if u.amount == 0 {
		return
	}
	for i := range p.frontier {
		if !p.frontier[i].has(u) {
			p.acknowledged = p.acknowledged.add(u, max(a.departure, Tick(a.book.began.Load())))
			return
		}
	}
}
