package ledger

import "time"

// delayed is usage that Stigg has acknowledged and not yet counted.
type delayed struct {
	account  *Account
	slot     slot
	amount   float64
	unpriced float64   // what of it was not priced
	since    time.Time // our time of the acknowledgement
	due      Tick      // when Stigg must have counted it; 0: not yet
}

// mostDelayed is how many usages are delayed of a customer whom nobody asks about, before
// those are forgotten that whatever read comes first must have.
const mostDelayed = 1000

// delay leaves usage in Unacked until a read that began after it is due.
func (a *Account) delay(where slot, amount, unpriced float64, now time.Time) *delayed {
	a.mu.Lock()
	defer a.mu.Unlock()
	if amount <= 0 {
		where.leave()
		if unpriced > 0 {
			a.leaveUnpriced(unpriced)
		}
		return nil
	}
	if a.learned.read == 0 && len(a.delayed) >= mostDelayed {
		a.dropDelayed(func(d *delayed) bool { return d.due != 0 && now.Sub(d.since) > CountDelay+ReadTimeout })
	}
	d := &delayed{account: a, slot: where, amount: amount, unpriced: unpriced, since: now}
	a.delayed = append(a.delayed, d)
	a.inFlight.arrives(amount)
	return d
}

// fallDue says that Stigg has counted it by now: a read that begins later has it.
func (d *delayed) fallDue(tick Tick) {
	if d == nil {
		return
	}
	d.account.mu.Lock()
	defer d.account.mu.Unlock()
	d.due = tick
}

// outdated reports whether Unacked has what Stigg must have counted by now. Call it under
// the lock.
func (a *Account) outdated() bool {
	return len(a.delayed) > 0 && a.delayed[0].due != 0
}

// dropDelayedBefore takes out of Unacked what a read that began at a tick has. Call it
// under the lock, in the same step as the read.
func (a *Account) dropDelayedBefore(began Tick) {
	if u := &a.unpriced; u.count > 0 && began > u.at {
		u.units -= u.acked
		a.book.unpriced.Add(-u.count)
		u.acked, u.count = 0, 0
	}
	a.dropDelayed(func(d *delayed) bool { return d.due != 0 && d.due < began })
}

func (a *Account) dropDelayed(counted func(*delayed) bool) {
	if len(a.delayed) == 0 {
		return
	}
	rest := a.delayed[:0]
	for _, d := range a.delayed {
		if counted(d) {
			d.slot.leave().answered(d.amount)
			if d.unpriced > 0 {
				a.unpriced.units -= d.unpriced
				a.book.unpriced.Add(-1)
			}
		} else {
			rest = append(rest, d)
		}
	}
	clear(a.delayed[len(rest):])
	a.delayed = rest
}
