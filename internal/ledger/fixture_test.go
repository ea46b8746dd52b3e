package ledger

import (
	"testing"
	"time"
)

// accountFixture is one account with shorthands for what the gate does to it. Times are
// hours after noon; its periods last an hour.
type accountFixture struct {
	*testing.T
	*Account
	cycle  Cycle
	now    time.Time
	passed time.Duration
	left   map[Tick]bool // the usages that have left
}

func noon(hours float64) time.Time {
	return time.Date(2025, 1, 15, 12, 0, 0, 0, time.UTC).Add(time.Duration(hours * float64(time.Hour)))
}

func newAccountFixture(t *testing.T) *accountFixture {
	l := New()
	d := &accountFixture{T: t, cycle: Cycle{Hour, noon(0)}, now: noon(0.5), left: map[Tick]bool{}}
	l.passed = func() time.Duration { return d.passed }
	d.Account = l.Open(Owner{ID: "c"}).Feature("f")
	return d
}

// later lets time pass.
func (d *accountFixture) later(by time.Duration) {
	d.now, d.passed = d.now.Add(by), d.passed+by
}

// hourly is Stigg's count in the period that begins at an hour.
func hourly(usage float64, hour int) Count {
	return Count{usage, noon(float64(hour)), noon(float64(hour + 1))}
}

func (d *accountFixture) tick() Tick { return d.book.Tick() }

func (d *accountFixture) reads(r Count) { d.readsFrom(d.tick(), r) }

func (d *accountFixture) readsFrom(begun Tick, r Count) { d.Read(begun, r, d.now, d.cycle) }

// pushes is a push that was made a second ago.
func (d *accountFixture) pushes(usage float64) bool {
	return d.Push(hourly(usage, 0), d.now.Add(-time.Second), d.now, d.cycle)
}

// holds takes a hold without asking for a limit.
func (d *accountFixture) holds(n float64) *period {
	return d.Hold(d.now, d.cycle, Ask{Limit: Limit{Unlimited: true}, Amount: n}).held.period
}

// settle ends a hold.
func (d *accountFixture) settle(p *period, amount, used float64) {
	held{p, amount}.settle(d.Account, used, d.now)
}

func (d *accountFixture) uses(n float64) *period {
	p := d.holds(max(0, n))
	d.settle(p, max(0, n), n)
	return p
}

// leaves sends a usage, and returns when.
func (d *accountFixture) leaves(where slot, used float64) Tick {
	return d.leavesAt(d.tick(), where, used)
}

func (d *accountFixture) leavesAt(first Tick, where slot, used float64) Tick {
	if !d.left[first] {
		d.left[first] = true
		d.Account.leaves(where, first, used)
	}
	return first
}

// acks acknowledges a usage that left at a tick.
func (d *accountFixture) acks(p slot, used float64, r *Count, at time.Time, first Tick) {
	d.acknowledges(p, answer{usage: usage{amount: used, first: first, stamp: stampOf(at)}, count: r})
}

func (d *accountFixture) acksTotal(p slot, total float64, r *Count, first Tick) {
	d.acknowledges(p, answer{usage: usage{first: first}, count: r, total: &total})
}

// acksLater acknowledges a usage that Stigg counts later.
func (d *accountFixture) acksLater(p slot, used float64, first Tick) {
	d.acknowledges(p, answer{usage: usage{amount: used, first: first, later: true}})
}

func (d *accountFixture) acknowledges(p slot, u answer) {
	d.leavesAt(u.first, p, u.amount)
	d.acknowledge(p, u, true, d.now, d.cycle)
}

// drop is a refusal of what has not left.
func (d *accountFixture) drop(p slot, used float64) { d.refuse(p, used, 0, false) }

func (d *accountFixture) has(want Balance) {
	d.Helper()
	if s, _ := d.view(d.now, d.cycle); s != want {
		d.Fatalf("the account has %+v, want %+v", s, want)
	}
}

// isBetween holds what is known, and the least that may be.
func (d *accountFixture) isBetween(least, known float64) {
	d.Helper()
	s, _ := d.view(d.now, d.cycle)
	if got := d.leastNow(d.now); got != least || s.Known() != known {
		d.Fatalf("between %v and %v are used, want between %v and %v", got, s.Known(), least, known)
	}
}

func (d *accountFixture) endsAt(hour float64) {
	d.Helper()
	if _, end := d.view(d.now, d.cycle); !end.Equal(noon(hour)) {
		d.Fatalf("the period ends at %v, want %v", end, noon(hour))
	}
}

// view is the account's present balance and its period's end.
func (a *Account) view(now time.Time, c Cycle) (Balance, time.Time) {
	p := a.Present(now, c)
	return p.Balance, p.End
}

func sums(used, held, unacked float64) Balance { return Balance{used, held, unacked} }

// leastNow is the least that is known to be used.
func (a *Account) leastNow(now time.Time) float64 {
	least, _ := a.current.least()
	return a.leastKnown(least, now)
}
