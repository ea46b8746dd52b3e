package ledger

import (
	"testing"
	"time"
)

func TestAccountSettlesEachUnitOnce(t *testing.T) {
	tests := map[string]func(*accountFixture){
		"a hold that is released leaves nothing": func(d *accountFixture) {
			p := d.holds(2)
			d.has(sums(3, 2, 0))
			d.settle(p, 2, 0)
			d.has(sums(3, 0, 0))
		},
		"a hold that is settled waits for its acknowledgement": func(d *accountFixture) {
			d.uses(2)
			d.has(sums(3, 0, 2))
		},
		"more or less than the hold may be used": func(d *accountFixture) {
			p, q := d.holds(2), d.holds(2)
			d.settle(p, 2, 5)
			d.settle(q, 2, 1)
			d.has(sums(3, 0, 6))
		},
		"with no holds and no waits both sums are exactly zero": func(d *accountFixture) {
			p, q, r := d.holds(0.1), d.holds(0.2), d.holds(0.3)
			d.settle(q, 0.2, 0.2)
			d.settle(p, 0.1, 0.1)
			d.settle(r, 0.3, 0.3)
			if p.held != 0 {
				d.Fatalf("%v is held by nobody", p.held)
			}
			d.drop(q, 0.2)
			d.drop(p, 0.1)
			d.drop(r, 0.3)
			d.has(sums(3, 0, 0))
		},
		"what Stigg refused is taken back": func(d *accountFixture) {
			p := d.uses(2)
			d.drop(p, 2)
			d.has(sums(3, 0, 0))
		},
		"a refused gift changes nothing": func(d *accountFixture) {
			p := d.holds(0)
			d.settle(p, 0, -2)
			d.drop(p, -2)
			d.has(sums(3, 0, 0))
		},
		"an acknowledgement without a count adds its own usage": func(d *accountFixture) {
			d.acks(d.uses(2), 2, nil, time.Time{}, d.tick())
			d.has(sums(5, 0, 0))
		},
		"an acknowledgement with a count replaces what was known": func(d *accountFixture) {
			r := hourly(9, 0)
			d.acks(d.uses(2), 2, &r, noon(0.5), d.tick())
			d.has(sums(9, 0, 0))
		},
		"an acknowledgement may bring a count without its period": func(d *accountFixture) {
			d.acks(d.uses(2), 2, &Count{Used: 9}, noon(0.5), d.tick())
			d.has(sums(9, 0, 0))
			d.endsAt(1)
		},
		"what is given back counts once it is acknowledged": func(d *accountFixture) {
			p := d.holds(0)
			d.settle(p, 0, -2)
			d.has(sums(3, 0, 0))
			d.acks(p, -2, nil, time.Time{}, d.tick())
			d.has(sums(1, 0, 0))
		},
		"what is given back may be acknowledged with a count": func(d *accountFixture) {
			p := d.holds(0)
			d.settle(p, 0, -2)
			r := hourly(1, 0)
			d.acks(p, -2, &r, noon(0.5), d.tick())
			d.has(sums(1, 0, 0))
		},
		"a refusal holds nothing": func(d *accountFixture) {
			d.Hold(d.now, d.cycle, Ask{Amount: 2})
			d.has(sums(3, 0, 0))
		},
		"a question holds nothing": func(d *accountFixture) {
			d.Check(d.now, d.cycle, Ask{Limit: Limit{Unlimited: true}, Amount: 2})
			d.has(sums(3, 0, 0))
		},
	}
	runFixtures(t, tests)
}

// runFixtures runs each test on an account of which 3 are used from noon to one.
func runFixtures(t *testing.T, tests map[string]func(*accountFixture)) {
	t.Helper()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := newAccountFixture(t)
			d.reads(hourly(3, 0))
			test(d)
		})
	}
}

func TestAccountOrdersReadsAndAcknowledgements(t *testing.T) {
	tests := map[string]func(*accountFixture){
		"a new read lowers what is used": func(d *accountFixture) {
			d.reads(hourly(1, 0))
			d.has(sums(1, 0, 0))
		},
		"a read that began before an acknowledgement lowers nothing": func(d *accountFixture) {
			begun := d.tick()
			d.acks(d.uses(2), 2, nil, time.Time{}, d.tick())
			d.readsFrom(begun, hourly(3, 0))
			d.has(sums(5, 0, 0))
		},
		"a read that began before an acknowledgement may raise": func(d *accountFixture) {
			begun := d.tick()
			d.acks(d.uses(2), 2, nil, time.Time{}, d.tick())
			d.readsFrom(begun, hourly(7, 0))
			d.isBetween(7, 9)
		},
		"a read that began before a read applied already lowers nothing": func(d *accountFixture) {
			begun := d.tick()
			d.reads(hourly(5, 0))
			d.readsFrom(begun, hourly(4, 0))
			d.has(sums(5, 0, 0))
		},
		"a late read does not move the period": func(d *accountFixture) {
			begun := d.tick()
			d.reads(Count{5, noon(0), noon(2)})
			d.readsFrom(begun, hourly(6, 0))
			d.has(sums(6, 0, 0))
			d.endsAt(2)
		},
		"usage that a read may have seen counts until a later one": func(d *accountFixture) {
			p, sent := d.uses(2), d.tick()
			d.reads(hourly(5, 0))
			d.has(sums(5, 0, 2))
			r := hourly(5, 0)
			d.acks(p, 2, &r, noon(0.5), sent)
			d.isBetween(5, 7)
		},
		"an answer older than a read lowers nothing": func(d *accountFixture) {
			p, sent := d.uses(2), d.tick()
			d.reads(hourly(8, 0))
			r := hourly(5, 0)
			d.acks(p, 2, &r, noon(0.5), sent)
			d.isBetween(5, 10)
		},
		"an answer may be older than a read that began before its report": func(d *accountFixture) {
			begun := d.tick()
			p, sent := d.uses(2), d.tick()
			d.readsFrom(begun, hourly(8, 0))
			r := hourly(5, 0)
			d.acks(p, 2, &r, noon(0.5), sent)
			d.isBetween(5, 10)
		},
		"an older answer lowers nothing": func(d *accountFixture) {
			p, q := d.uses(2), d.uses(1)
			sentP, sentQ := d.tick(), d.tick()
			first, second := hourly(5, 0), hourly(6, 0)
			d.acks(q, 1, &second, noon(0.6), sentQ)
			d.acks(p, 2, &first, noon(0.5), sentP)
			d.has(sums(6, 0, 0))
		},
		"an answer that seems older may raise, since the clocks of Stigg's servers differ": func(d *accountFixture) {
			p, q := d.uses(2), d.uses(1)
			sentP, sentQ := d.tick(), d.tick()
			first, second := hourly(5, 0), hourly(6, 0)
			d.acks(p, 2, &first, noon(0.5).Add(Margin), sentP)
			d.acks(q, 1, &second, noon(0.5), sentQ)
			d.isBetween(5, 6)
		},
		"of two answers of one time neither is later": func(d *accountFixture) {
			p, q := d.uses(2), d.uses(1)
			sentP, sentQ := d.tick(), d.tick()
			first, second := hourly(5, 0), hourly(6, 0)
			d.acks(q, 1, &second, noon(0.5), sentQ)
			d.acks(p, 2, &first, noon(0.5), sentP)
			d.isBetween(5, 8)
		},
		"an answer that need not know of one without a count counts beside it": func(d *accountFixture) {
			p, q := d.uses(2), d.uses(1)
			sentP, sentQ := d.tick(), d.tick()
			d.acks(q, 1, nil, time.Time{}, sentQ)
			d.acks(p, 2, &Count{Used: 3}, noon(0.5), sentP)
			d.isBetween(3, 4)
		},
		"an answer that is surely older tells nothing": func(d *accountFixture) {
			p, q := d.uses(2), d.uses(1)
			sentP, sentQ := d.tick(), d.tick()
			first, second := hourly(5, 0), hourly(6, 0)
			d.acks(q, 1, &second, noon(0.5).Add(Margin+time.Second), sentQ)
			d.acks(p, 2, &first, noon(0.5), sentP)
			d.isBetween(6, 6)
		},
		"our own order comes before Stigg's times": func(d *accountFixture) {
			r := hourly(9, 0)
			d.acks(d.uses(2), 2, &r, noon(0.9), d.tick())
			r = hourly(5, 0)
			d.acks(d.uses(2), 2, &r, noon(0.5), d.tick())
			d.isBetween(5, 5)
		},
		"answers of one batch are in its order": func(d *accountFixture) {
			var parts [3]*period
			var sent [3]Tick
			for i := range parts {
				parts[i] = d.uses(-1)
			}
			for i := range parts {
				sent[i] = d.leaves(parts[i], -1)
			}
			for i, p := range parts {
				s := stamp{batch: 1, place: i}
				d.acknowledges(p, answer{usage: usage{amount: -1, first: sent[i], stamp: s}, count: &Count{Used: 7 - float64(i)}})
			}
			d.isBetween(5, 5)
		},
		"what was given back at several times is taken off as often": func(d *accountFixture) {
			d.reads(hourly(7, 0))
			p, q := d.uses(-1), d.uses(-2)
			sentP, sentQ := d.tick(), d.tick()
			d.acks(p, -1, nil, time.Time{}, sentP)
			d.acks(q, -2, nil, time.Time{}, sentQ)
			d.isBetween(4, 4)
		},
		"more given back than is used may count below zero, or not": func(d *accountFixture) {
			d.acks(d.uses(-5), -5, nil, time.Time{}, d.tick())
			d.isBetween(-2, 0)
			d.reads(hourly(-2, 0))
			d.isBetween(-2, -2)
		},
		"a push that is surely later lowers": func(d *accountFixture) {
			d.later(time.Minute)
			d.pushes(1)
			d.isBetween(1, 1)
		},
		"a push lowers nothing that came shortly before": func(d *accountFixture) {
			d.later(Margin)
			d.pushes(1)
			d.isBetween(1, 3)
		},
		"a push that took long is as old as its time": func(d *accountFixture) {
			at := d.now
			d.later(time.Minute)
			d.Push(hourly(1, 0), at, d.now, d.cycle)
			d.isBetween(1, 3)
		},
		"a push whose time is to come was made when it came": func(d *accountFixture) {
			d.Push(hourly(1, 0), d.now.Add(time.Hour), d.now, d.cycle)
			d.isBetween(1, 3)
		},
		"an answer that is older than a push lowers nothing": func(d *accountFixture) {
			d.later(time.Minute)
			p := d.uses(1)
			sent := d.leaves(p, 1)
			d.Push(hourly(10, 0), d.now, d.now, d.cycle)
			r := hourly(4, 0)
			d.acks(p, 1, &r, d.now.Add(-time.Second), sent)
			d.isBetween(4, 11)
		},
		"however many counts cross, four are kept": func(d *accountFixture) {
			for i := range 100 {
				d.pushes(float64(50 + i%10))
			}
			d.isBetween(3, 59)
			if n := len(d.current.frontier); n != mostObservations {
				d.Fatalf("%d are kept", n)
			}
			d.later(2 * Margin)
			d.pushes(9)
			d.isBetween(9, 9)
		},
		"of counts that are merged the oldest may lack the most": func(d *accountFixture) {
			before := d.tick()
			d.acks(d.uses(1), 1, nil, time.Time{}, d.tick())
			var after [mostObservations]Tick
			for i := range after {
				after[i] = d.tick()
			}
			d.readsFrom(before, hourly(3, 0))
			for _, begun := range after {
				d.readsFrom(begun, hourly(4, 0))
			}
			d.pushes(9) // need not have it either
			d.isBetween(3, 10)
		},
		"however much is acknowledged without a count, its sums are kept": func(d *accountFixture) {
			for range 1000 {
				d.acks(d.uses(1), 1, nil, time.Time{}, d.tick())
			}
			d.isBetween(1003, 1003)
			if n := len(d.current.acknowledged); n > mostAcknowledged {
				d.Fatalf("%d sums", n)
			}
			begun := d.tick()
			d.readsFrom(begun, hourly(1003, 0))
			if n := len(d.current.acknowledged); n != 0 {
				d.Fatalf("%d sums of what is counted", n)
			}
		},
		"however much is on its way, its sums are kept": func(d *accountFixture) {
			var sent []Tick
			p := d.uses(0)
			for range 1000 {
				d.uses(1)
				sent = append(sent, d.leaves(p, 1))
				d.reads(hourly(3, 0))
			}
			if n := len(d.current.departed); n > mostDeparted {
				d.Fatalf("%d sums", n)
			}
			for _, first := range sent {
				d.acks(p, 1, nil, time.Time{}, first)
			}
			if n := len(d.current.departed); n != 0 {
				d.Fatalf("%d sums of what has arrived", n)
			}
		},
		"what was given back is not taken off twice": func(d *accountFixture) {
			p := d.holds(0)
			d.settle(p, 0, -1)
			sent := d.tick()
			d.reads(hourly(2, 0)) // has it
			d.acks(p, -1, nil, time.Time{}, sent)
			d.has(sums(2, 0, 0))
		},
		"what was given back is not taken off twice by a read begun before": func(d *accountFixture) {
			p := d.holds(0)
			d.settle(p, 0, -1)
			begun, sent := d.tick(), d.tick()
			d.readsFrom(begun, hourly(2, 0)) // has it: Stigg answered late
			d.acks(p, -1, nil, time.Time{}, sent)
			d.has(sums(2, 0, 0))
		},
	}
	runFixtures(t, tests)
}

// TestAccountSumsAreAsOldAsTheirLast: a count taken between two usages that are one sum may lack it.
func TestAccountSumsAreAsOldAsTheirLast(t *testing.T) {
	var h history
	for _, last := range []Tick{10, 20} {
		h = h.add(&usage{amount: 1, first: last - 5, last: last}, 0)
	}
	o := observation{lo: 15, hi: 30, used: 1}
	if h.addTo(&o); len(h) != 1 || o.used != 3 || o.least() != 1 {
		t.Errorf("%d sums, between %v and %v are used, want between 1 and 3", len(h), o.least(), o.used)
	}
}
