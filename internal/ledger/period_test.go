package ledger

import (
	"testing"
	"time"
)

func TestAccountPeriodsShareNothing(t *testing.T) {
	tests := map[string]func(*accountFixture){
		"the period is over when its end is reached": func(d *accountFixture) {
			d.now = noon(1).Add(-1)
			d.has(sums(3, 0, 0))
			d.now = noon(1)
			d.has(sums(0, 0, 0))
			d.endsAt(2)
		},
		"periods that nobody asked in are skipped": func(d *accountFixture) {
			d.now = noon(7.5)
			d.has(sums(0, 0, 0))
			d.endsAt(8)
		},
		"holds and waits stay in the period they were taken in": func(d *accountFixture) {
			d.holds(2)
			d.uses(1)
			d.now = noon(1)
			d.has(sums(0, 0, 0))
		},
		"a late settlement counts in the period of its hold": func(d *accountFixture) {
			p := d.holds(2)
			d.now = noon(1)
			d.holds(4)
			d.settle(p, 2, 2)
			d.has(sums(0, 4, 0))
			if p.unacked != 2 {
				d.Fatalf("%v wait in the period that ended, want 2", p.unacked)
			}
		},
		"a late acknowledgement says nothing of the present period": func(d *accountFixture) {
			p, sent := d.uses(2), d.tick()
			d.now = noon(1.5)
			d.uses(4)
			r := hourly(5, 0)
			d.acks(p, 2, &r, noon(1.5), sent)
			d.has(sums(0, 0, 4))
		},
		"a late acknowledgement without a period says nothing of the present one": func(d *accountFixture) {
			p, sent := d.uses(2), d.tick()
			d.now = noon(1.5)
			d.uses(4)
			d.acks(p, 2, &Count{Used: 5}, noon(1.5), sent)
			d.has(sums(0, 0, 4))
		},
		"a late acknowledgement may tell of the present period": func(d *accountFixture) {
			p, sent := d.uses(2), d.tick()
			d.now = noon(1.5)
			r := hourly(1, 1)
			d.acks(p, 2, &r, noon(1.5), sent)
			d.has(sums(1, 0, 0))
		},
		"a read of a period that ended says nothing of the present one": func(d *accountFixture) {
			d.now = noon(1.1)
			d.reads(hourly(3, 0))
			d.has(sums(0, 0, 0))
			d.endsAt(2)
		},
		"a late refusal says nothing of the present period": func(d *accountFixture) {
			p := d.uses(2)
			d.now = noon(1.5)
			d.uses(4)
			d.drop(p, 2)
			d.has(sums(0, 0, 4))
		},
		"Stigg opens a period before our clock does": func(d *accountFixture) {
			d.holds(2)
			d.reads(hourly(1, 1))
			d.has(sums(1, 0, 0))
			d.endsAt(2)
		},
		"an answer of the period before does not bring it back": func(d *accountFixture) {
			p := d.uses(2)
			d.reads(hourly(0, 1)) // Stigg's clock is ahead of ours
			d.holds(4)
			r := hourly(5, 0)
			d.acks(p, 2, &r, noon(0.9), d.tick())
			d.has(sums(0, 4, 0))
			d.endsAt(2)
		},
		"nor does a push of it": func(d *accountFixture) {
			d.reads(hourly(0, 1)) // Stigg's clock is ahead of ours
			if d.pushes(5) {
				d.Error("a count of another period stands")
			}
			d.has(sums(0, 0, 0))
			d.endsAt(2)
		},
		"an answer of an older period hides no newer one": func(d *accountFixture) {
			p := d.uses(2)
			d.now = noon(1.5)
			q := d.uses(4)
			sentP, sentQ := d.tick(), d.tick()
			old, present := hourly(5, 0), hourly(4, 1)
			d.acks(p, 2, &old, noon(1.6), sentP)
			d.acks(q, 4, &present, noon(1.5), sentQ)
			d.has(sums(4, 0, 0))
		},
	}
	runFixtures(t, tests)
}

func TestAccountFollowsStiggsPeriods(t *testing.T) {
	tests := map[string]func(*accountFixture){
		"a period that our clock opened is corrected in place": func(d *accountFixture) {
			d.now = noon(1.2)
			p := d.holds(2)
			d.settle(d.holds(1), 1, 1)
			if !p.provisional {
				d.Fatal("the period is not provisional")
			}
			d.reads(Count{4, noon(1), noon(1.5)})
			d.has(sums(4, 2, 1))
			d.endsAt(1.5)
			if p.provisional {
				d.Fatal("the period is still provisional after Stigg's word")
			}
		},
		"a period that goes on after our clock ended it keeps what it holds": func(d *accountFixture) {
			p, q := d.holds(2), d.uses(1)
			d.now = noon(1.2)
			d.holds(4)
			d.has(sums(0, 4, 0))
			d.reads(Count{3, noon(0), noon(1.5)})
			d.has(sums(3, 6, 1))
			d.settle(p, 2, 2)
			d.has(sums(3, 4, 3))
			sent := d.tick()
			d.acks(q, 1, &Count{4, noon(0), noon(1.5)}, noon(1.2), sent)
			d.has(sums(4, 4, 2))
			d.acks(p, 2, nil, time.Time{}, sent)
			d.has(sums(6, 4, 0))
			d.now = noon(1.5)
			d.has(sums(0, 0, 0))
		},
		"what is given back while our clock is ahead is in doubt": func(d *accountFixture) {
			d.reads(hourly(5, 0))
			d.now = noon(6.5)
			p := d.holds(0)
			d.settle(p, 0, -2)
			d.now = noon(7.5)
			d.has(sums(0, 0, 0))
			d.now = noon(0.5)
			d.has(sums(5, 0, 0))
			d.acks(p, -2, nil, time.Time{}, d.tick())
			d.isBetween(3, 5)
		},
		"an acknowledgement corrects it too": func(d *accountFixture) {
			d.now = noon(1.2)
			p, sent := d.uses(2), d.tick()
			d.acks(p, 2, &Count{2, noon(1), noon(1.5)}, noon(1.2), sent)
			d.has(sums(2, 0, 0))
			d.endsAt(1.5)
		},
		"a period may be made longer": func(d *accountFixture) {
			d.holds(2)
			d.reads(Count{3, noon(0), noon(4)})
			d.now = noon(3)
			d.has(sums(3, 2, 0))
			d.endsAt(4)
		},
		"of an unknown length, it ends only when Stigg says so": func(d *accountFixture) {
			d.cycle.Every = Year + 1
			d.holds(2)
			d.now = noon(9)
			d.has(sums(3, 2, 0))
			d.reads(hourly(4, 0)) // over, and still all there is
			d.has(sums(4, 2, 0))
			d.reads(hourly(1, 9))
			d.has(sums(1, 0, 0))
		},
		"a feature may lose its periods": func(d *accountFixture) {
			d.holds(2)
			d.reads(Count{Used: 8})
			d.cycle = Cycle{}
			d.now = noon(9)
			d.has(sums(8, 2, 0))
		},
		"a feature may get periods": func(d *accountFixture) {
			d.reads(Count{Used: 8})
			p := d.holds(2)
			d.reads(hourly(1, 0))
			d.has(sums(1, 2, 0))
			d.endsAt(1)
			d.now = noon(1)
			d.has(sums(0, 0, 0))
			d.settle(p, 2, 2)
			d.has(sums(0, 0, 0))
		},
		"without an anchor periods are counted from the last end": func(d *accountFixture) {
			d.cycle.Anchor = time.Time{}
			d.now = noon(3.5)
			d.has(sums(0, 0, 0))
			d.endsAt(4)
		},
	}
	runFixtures(t, tests)
	t.Run("an account that nobody read has no end", func(t *testing.T) {
		d := newAccountFixture(t)
		d.uses(2)
		d.has(sums(0, 0, 2))
		d.reads(hourly(1, 0))
		d.has(sums(1, 0, 2))
		d.endsAt(1)
	})
	t.Run("a first read of a period that ended opens the present one", func(t *testing.T) {
		d := newAccountFixture(t)
		d.now = noon(1.5)
		d.reads(hourly(3, 0))
		d.has(sums(0, 0, 0))
		d.endsAt(2)
	})
}
