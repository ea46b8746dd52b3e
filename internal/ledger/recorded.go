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
	change  float64 // of a total, 0
	made    time.Time
	at      int       // in the account's recorded
	first   Tick      // when it first left; 0: not yet
	since   Tick      // when it was entered
	total   *total    // nil unless it is one
	entry   rareEntry // of its Entry
}

// total is a recorded usage that sets: once it is acknowledged, that much is used, and what was
// settled after it. Nothing overtakes it.
type total struct {
	recorded
	value float64
	after []settled
}

// settled is a sum of usage of one period.
type settled struct {
	period *period
	amount float64
}

// add adds usage that was settled after it.
func (t *total) add(p *period, amount float64) {
	i := slices.IndexFunc(t.after, func(s settled) bool { return s.period == p })
	if i < 0 {
		i, t.after = len(t.after), append(t.after, settled{period: p})
	}
	t.after[i].amount += amount
}

// with is the total and what was settled after it in some periods.
func (t *total) with(is func(*period) bool) float64 {
	with := t.value
	for _, s := range t.after {
		if is(s.period) {
			with += s.amount
		}
	}
	return with
}

func (r *recorded) leaves(first Tick, amount float64) {
	r.first = first
	r.period.leaves(first, amount)
}

func (r *recorded) stays(first Tick, amount float64) {
	r.first = 0
	r.period.stays(first, amount)
}

func (r *recorded) out() *period {
	s := r.account.seldom
	all, last := s.recorded, len(s.recorded)-1
	all[r.at] = all[last]
	all[r.at].at = r.at
	all[last] = nil
	if s.recorded = all[:last]; last == 0 {
		s.recorded = nil // let a long backlog's memory go
	}
	if r.total != nil {
		i := slices.Index(s.totals, r)
		s.totals = slices.Delete(s.totals, i, i+1)
	}
	return r.period
}

// moveTo takes it to another period.
func (r *recorded) moveTo(p *period) {
	old := r.period
	r.withdraw()
	r.period = p
	r.wait()
	if r.change > 0 {
		for _, t := range r.account.totals() {
			if t.since < r.since {
				t.total.add(old, -r.change)
				t.total.add(p, r.change)
			}
		}
	}
	p.tell(0)
	old.tell(0)
}

// Nowhere is the Entry of usage that counts in no account here. The book must be pinned
// for it, until its Close; so it must for those of Record and RecordTotal.
func (b *Book) Nowhere() Entry { return Entry{rare: &rareEntry{book: b}} }

// Record makes an Entry of a change of usage that was made at a time. Less than none gives
// back, which counts once it is acknowledged.
func (m *Meter) Record(used float64, made, now time.Time) Entry {
	a := m.Account
	e := Entry{meter: m, value: used}
	r := a.record(used, made, now, m.Cycle)
	if e.rare = &r.entry; m.Wallet != nil {
		r.entry.wallet = m.Wallet.record(e.credits(), made, now, Cycle{})
	}
	if m.Unpriced {
		e.owe(max(0, used))
	}
	return e
}

// RecordTotal makes an Entry of a new total. What it adds to what is known counts at once;
// a lower one counts once Stigg has acknowledged it.
func (m *Meter) RecordTotal(total float64, made, now time.Time) Entry {
	e := Entry{meter: m, value: total, total: true}
	r, more := m.Account.recordTotal(total, made, now, m.Cycle)
	e.rare = &r.entry
	if m.Unpriced {
		e.owe(more)
	}
	return e
}

// record adds usage that is settled already to the period in which it was made.
func (a *Account) record(change float64, made, now time.Time, c Cycle) *recorded {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roll(now, c)
	r := a.enter(&recorded{change: change, made: made})
	if change < 0 {
		r.period.free(-change, now)
	}
	return r
}

// recordTotal adds what a new total is above what is known, and returns it.
func (a *Account) recordTotal(value float64, made, now time.Time, c Cycle) (*recorded, float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roll(now, c)
	known := a.balance().Known()
	t := &total{recorded: recorded{made: made}, value: value}
	t.total = t
	r := a.enter(&t.recorded)
	if r.period.lease != nil {
		r.period.lease.Hint(value)
	}
	a.seldom.totals = append(a.seldom.totals, r)
	return r, max(0, value-known)
}

// enter begins a stay. Call it under the lock.
func (a *Account) enter(r *recorded) *recorded {
	a.enterIn(a.of(r.made), r)
	r.period.tell(0)
	a.countAfterTotals(r.period, r.change)
	return r
}

// enterIn begins a stay in a period. Call it under the lock.
func (a *Account) enterIn(p *period, r *recorded) {
	s := a.rare()
	r.account, r.period, r.at, r.since = a, p, len(s.recorded), a.book.Tick()
	r.entry.recorded = r
	p.wait(r.change)
	s.recorded = append(s.recorded, r)
}

// countAfterTotals adds usage to the totals that it was reported after. Call it under the
// lock.
func (a *Account) countAfterTotals(p *period, amount float64) {
	if amount <= 0 {
		return
	}
	for _, r := range a.totals() {
		r.total.add(p, amount)
	}
}
