package ledger

import (
	"slices"
	"time"
)

// recorded is usage that no admission of this process made room for: it was reported after
// the fact or found in the outbox. It waits in the period in which it was made, as far as
// is known; the account moves it when it learns more.
type recorded struct {
	account *Account
	period  *period
	amount  float64
	made    time.Time
	at      int // in the account's recorded
	// Of a total, which has no amount: once it is acknowledged, that much is used, and what
	// was reported after it. Nothing overtakes it.
	isTotal      bool
	total, after float64
}

func (r *recorded) leave() *period {
	all, last := r.account.recorded, len(r.account.recorded)-1
	all[r.at] = all[last]
	all[r.at].at = r.at
	all[last] = nil
	if r.account.recorded = all[:last]; last == 0 {
		r.account.recorded = nil // let a long backlog's memory go
	}
	if r.isTotal {
		i := slices.Index(r.account.totals, r)
		r.account.totals = slices.Delete(r.account.totals, i, i+1)
	}
	return r.period
}

// Nowhere is the Entry of usage that counts in no account here. The book must be pinned
// for it, until its Close; so it must for those of Record and RecordTotal.
func (b *Book) Nowhere() Entry { return Entry{book: b} }

// Record makes an Entry of a change of usage that was made at a time. Less than none gives
// back, which counts once it is acknowledged.
func (m *Meter) Record(used float64, made, now time.Time) Entry {
	a := m.Account
	if used < 0 {
		a.free(-used, now)
	}
	e := Entry{book: a.book, meter: m, value: used, amount: max(0, used)}
	e.slot = a.record(e.amount, made, now, m.Cycle)
	if m.Wallet != nil {
		e.credits = e.amount * m.Price
		e.wallet = m.Wallet.record(e.credits, made, now, Cycle{})
	}
	if m.Unpriced {
		e.owe(e.amount)
	}
	return e
}

// RecordTotal makes an Entry of a new total. What it adds to what is known counts at once;
// a lower one counts once Stigg has acknowledged it.
func (m *Meter) RecordTotal(total float64, made, now time.Time) Entry {
	e := Entry{book: m.Account.book, meter: m, value: total, total: true}
	var more float64
	e.slot, more = m.Account.recordTotal(total, made, now, m.Cycle)
	if m.Unpriced {
		e.owe(more)
	}
	return e
}

// record adds usage that is settled already to Unacked of the period in which it was made.
func (a *Account) record(amount float64, made, now time.Time, c Cycle) slot {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roll(now, c)
	return a.enter(amount, made)
}

// recordTotal adds to Unacked what a new total is above what is known, and returns it.
func (a *Account) recordTotal(total float64, made, now time.Time, c Cycle) (slot, float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roll(now, c)
	known := a.balance().Known()
	r := a.enter(0, made)
	r.isTotal, r.total = true, total
	a.totals = append(a.totals, r)
	return r, max(0, total-known)
}

// enter begins a stay. Call it under the lock.
func (a *Account) enter(amount float64, made time.Time) *recorded {
	r := a.enterIn(a.of(made), amount, made)
	if r.period == a.current {
		a.countAfterTotals(amount)
	}
	return r
}

// enterIn begins a stay in a period. Call it under the lock.
func (a *Account) enterIn(p *period, amount float64, made time.Time) *recorded {
	r := &recorded{account: a, period: p, amount: amount, made: made, at: len(a.recorded)}
	p.wait(amount)
	a.recorded = append(a.recorded, r)
	return r
}

// countAfterTotals adds usage to the totals that it was reported after. Call it under the
// lock.
func (a *Account) countAfterTotals(amount float64) {
	for _, r := range a.totals {
		r.after += max(0, amount)
	}
}

// unpriced is the usage of an account whose price was not known and that no wallet's count
// has. Of its units, acked are acknowledged: the first read that began after the tick at
// has them, of as many usages as count says.
type unpriced struct {
	units, acked float64
	count        int64
	at           Tick
}

func (a *Account) addUnpriced(units float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unpriced.units += units
	a.book.unpriced.Add(1)
}

// dropUnpriced takes it off, since the wallet has it or it was refused.
func (a *Account) dropUnpriced(units float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unpriced.units -= units
	a.book.unpriced.Add(-1)
}

// unpricedUntilRead leaves it to the first read that begins from now on.
func (a *Account) unpricedUntilRead(units float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.leaveUnpriced(units)
}

// leaveUnpriced is unpricedUntilRead under the lock.
func (a *Account) leaveUnpriced(units float64) {
	a.unpriced.acked += units
	a.unpriced.count++
	a.unpriced.at = a.book.Tick()
}

// Unpriced is how many units wait whose price no wallet's count has.
func (a *Account) Unpriced() float64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return max(0, a.unpriced.units)
}
