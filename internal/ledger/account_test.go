package ledger

import (
	"testing"
	"time"
)

// desk is one account with shorthands for what the gate does to it. Times are hours
// after noon; its periods last an hour.
type desk struct {
	*testing.T
	*Account
	cycle Cycle
	now   time.Time
}

func noon(hours float64) time.Time {
	return time.Date(2025, 1, 15, 12, 0, 0, 0, time.UTC).Add(time.Duration(hours * float64(time.Hour)))
}

func newDesk(t *testing.T) *desk {
	b := New().Open(Owner{ID: "c"})
	return &desk{T: t, Account: b.Feature("f"), cycle: Cycle{Hour, noon(0)}, now: noon(0.5)}
}

// hourly is Stigg's count in the period that begins at an hour.
func hourly(usage float64, hour int) Count {
	return Count{usage, noon(float64(hour)), noon(float64(hour + 1))}
}

func (d *desk) tick() Tick { return d.book.Tick() }

func (d *desk) reads(r Count) { d.readsFrom(d.tick(), r) }

func (d *desk) readsFrom(begun Tick, r Count) { d.Read(begun, r, d.now, d.cycle) }

// holds takes a hold without asking for a limit.
func (d *desk) holds(n float64) *period {
	return d.Hold(d.now, d.cycle, Ask{Limit: Limit{Unlimited: true}, Amount: n}).held.period
}

// settle ends a hold.
func (d *desk) settle(p *period, amount, used float64) { held{p, amount}.settle(d.Account, used) }

func (d *desk) uses(n float64) *period {
	p := d.holds(n)
	d.settle(p, n, n)
	return p
}

func (d *desk) acks(p slot, used float64, r *Count, at time.Time, sent Tick) {
	d.acknowledge(p, used, r, at, d.now, sent, d.cycle)
}

func (d *desk) has(want Balance) {
	d.Helper()
	if s, _ := d.view(d.now, d.cycle); s != want {
		d.Fatalf("the account has %+v, want %+v", s, want)
	}
}

func (d *desk) endsAt(hour float64) {
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

func TestAccountSettlesEachUnitOnce(t *testing.T) {
	tests := map[string]func(*desk){
		"a hold that is released leaves nothing": func(d *desk) {
			p := d.holds(2)
			d.has(sums(3, 2, 0))
			d.settle(p, 2, 0)
			d.has(sums(3, 0, 0))
		},
		"a hold that is settled waits for its acknowledgement": func(d *desk) {
			d.uses(2)
			d.has(sums(3, 0, 2))
		},
		"more or less than the hold may be used": func(d *desk) {
			p, q := d.holds(2), d.holds(2)
			d.settle(p, 2, 5)
			d.settle(q, 2, 1)
			d.has(sums(3, 0, 6))
		},
		"with no holds and no waits both sums are exactly zero": func(d *desk) {
			p, q, r := d.holds(0.1), d.holds(0.2), d.holds(0.3)
			d.settle(q, 0.2, 0.2)
			d.settle(p, 0.1, 0.1)
			d.settle(r, 0.3, 0.3)
			if p.Held != 0 {
				d.Fatalf("%v is held by nobody", p.Held)
			}
			d.drop(q, 0.2)
			d.drop(p, 0.1)
			d.drop(r, 0.3)
			d.has(sums(3, 0, 0))
		},
		"what Stigg refused is taken back": func(d *desk) {
			p := d.uses(2)
			d.drop(p, 2)
			d.has(sums(3, 0, 0))
		},
		"a refused gift changes nothing": func(d *desk) {
			p := d.holds(0)
			d.settle(p, 0, -2)
			d.drop(p, -2)
			d.has(sums(3, 0, 0))
		},
		"an acknowledgement without a count adds its own usage": func(d *desk) {
			d.acks(d.uses(2), 2, nil, time.Time{}, d.tick())
			d.has(sums(5, 0, 0))
		},
		"an acknowledgement with a count replaces what was known": func(d *desk) {
			r := hourly(9, 0)
			d.acks(d.uses(2), 2, &r, noon(0.5), d.tick())
			d.has(sums(9, 0, 0))
		},
		"an acknowledgement may bring a count without its period": func(d *desk) {
			d.acks(d.uses(2), 2, &Count{Used: 9}, noon(0.5), d.tick())
			d.has(sums(9, 0, 0))
			d.endsAt(1)
		},
		"what is given back counts once it is acknowledged": func(d *desk) {
			p := d.holds(0)
			d.settle(p, 0, -2)
			d.has(sums(3, 0, 0))
			d.acks(p, -2, nil, time.Time{}, d.tick())
			d.has(sums(1, 0, 0))
		},
		"what is given back may be acknowledged with a count": func(d *desk) {
			p := d.holds(0)
			d.settle(p, 0, -2)
			r := hourly(1, 0)
			d.acks(p, -2, &r, noon(0.5), d.tick())
			d.has(sums(1, 0, 0))
		},
		"a refusal holds nothing": func(d *desk) {
			d.Hold(d.now, d.cycle, Ask{Amount: 2})
			d.has(sums(3, 0, 0))
		},
		"a question holds nothing": func(d *desk) {
			d.Check(d.now, d.cycle, Ask{Limit: Limit{Unlimited: true}, Amount: 2})
			d.has(sums(3, 0, 0))
		},
	}
	runDesks(t, tests)
}

// runDesks runs each test on an account of which 3 are used from noon to one.
func runDesks(t *testing.T, tests map[string]func(*desk)) {
	t.Helper()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.reads(hourly(3, 0))
			test(d)
		})
	}
}

func TestAccountOrdersReadsAndAcknowledgements(t *testing.T) {
	tests := map[string]func(*desk){
		"a new read lowers what is used": func(d *desk) {
			d.reads(hourly(1, 0))
			d.has(sums(1, 0, 0))
		},
		"a read that began before an acknowledgement lowers nothing": func(d *desk) {
			begun := d.tick()
			d.acks(d.uses(2), 2, nil, time.Time{}, d.tick())
			d.readsFrom(begun, hourly(3, 0))
			d.has(sums(5, 0, 0))
		},
		"a read that began before an acknowledgement may raise": func(d *desk) {
			begun := d.tick()
			d.acks(d.uses(2), 2, nil, time.Time{}, d.tick())
			d.readsFrom(begun, hourly(7, 0))
			d.has(sums(7, 0, 0))
		},
		"a read that began before a read applied already lowers nothing": func(d *desk) {
			begun := d.tick()
			d.reads(hourly(5, 0))
			d.readsFrom(begun, hourly(4, 0))
			d.has(sums(5, 0, 0))
		},
		"a late read does not move the period": func(d *desk) {
			begun := d.tick()
			d.reads(Count{5, noon(0), noon(2)})
			d.readsFrom(begun, hourly(6, 0))
			d.has(sums(6, 0, 0))
			d.endsAt(2)
		},
		"usage that a read has seen already still waits for its acknowledgement": func(d *desk) {
			p, sent := d.uses(2), d.tick()
			d.reads(hourly(5, 0))
			d.has(sums(5, 0, 2))
			r := hourly(5, 0)
			d.acks(p, 2, &r, noon(0.5), sent)
			d.has(sums(5, 0, 0))
		},
		"an answer older than a read lowers nothing": func(d *desk) {
			p, sent := d.uses(2), d.tick()
			d.reads(hourly(8, 0))
			r := hourly(5, 0)
			d.acks(p, 2, &r, noon(0.5), sent)
			d.has(sums(8, 0, 0))
		},
		"an answer may be older than a read that began before its report": func(d *desk) {
			begun := d.tick()
			p, sent := d.uses(2), d.tick()
			d.readsFrom(begun, hourly(8, 0))
			r := hourly(5, 0)
			d.acks(p, 2, &r, noon(0.5), sent)
			d.has(sums(8, 0, 0))
		},
		"an older answer lowers nothing": func(d *desk) {
			p, q := d.uses(2), d.uses(1)
			sentP, sentQ := d.tick(), d.tick()
			first, second := hourly(5, 0), hourly(6, 0)
			d.acks(q, 1, &second, noon(0.6), sentQ)
			d.acks(p, 2, &first, noon(0.5), sentP)
			d.has(sums(6, 0, 0))
		},
		"an older answer may raise, since the clocks of Stigg's servers differ": func(d *desk) {
			p, q := d.uses(2), d.uses(1)
			sentP, sentQ := d.tick(), d.tick()
			first, second := hourly(5, 0), hourly(6, 0)
			d.acks(p, 2, &first, noon(0.6), sentP)
			d.acks(q, 1, &second, noon(0.5), sentQ)
			d.has(sums(6, 0, 0))
		},
		"of two answers of one time the greater counts": func(d *desk) {
			p, q := d.uses(2), d.uses(1)
			sentP, sentQ := d.tick(), d.tick()
			first, second := hourly(5, 0), hourly(6, 0)
			d.acks(q, 1, &second, noon(0.5), sentQ)
			d.acks(p, 2, &first, noon(0.5), sentP)
			d.has(sums(6, 0, 0))
		},
		"an answer that need not know of one without a count counts beside it": func(d *desk) {
			p, q := d.uses(2), d.uses(1)
			sentP, sentQ := d.tick(), d.tick()
			d.acks(q, 1, nil, time.Time{}, sentQ)
			d.acks(p, 2, &Count{Used: 3}, noon(0.5), sentP)
			d.has(sums(6, 0, 0))
		},
		"what was given back is not taken off twice": func(d *desk) {
			p := d.holds(0)
			d.settle(p, 0, -1)
			sent := d.tick()
			d.reads(hourly(2, 0)) // has it
			d.acks(p, -1, nil, time.Time{}, sent)
			d.has(sums(2, 0, 0))
		},
		"what was given back is not taken off twice by a read begun before": func(d *desk) {
			p := d.holds(0)
			d.settle(p, 0, -1)
			begun, sent := d.tick(), d.tick()
			d.readsFrom(begun, hourly(2, 0)) // has it: Stigg answered late
			d.acks(p, -1, nil, time.Time{}, sent)
			d.has(sums(2, 0, 0))
		},
	}
	runDesks(t, tests)
}
