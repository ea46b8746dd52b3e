package gate

import (
	"testing"
	"time"
)

// TestAccountOfUsageThatNobodyAdmitted is the table of what Gate.Report, the outbox and
// delayed counting do to an account.
func TestAccountOfUsageThatNobodyAdmitted(t *testing.T) {
	wait := func(d *desk, n, createdAt float64) *period {
		return d.wait(n, noon(createdAt), d.now, d.cycle)
	}
	total := func(d *desk, n, createdAt float64) (*period, float64) {
		return d.waitTotal(n, noon(createdAt), d.now, d.cycle)
	}
	acksTotal := func(d *desk, p *period, waited, n float64, r *reading, sent uint64) {
		d.acknowledgeTotal(p, waited, n, r, time.Time{}, d.now, sent, d.cycle)
	}
	tests := map[string]func(*desk){
		"it counts at once": func(d *desk) {
			d.reads(hourly(3, 0))
			wait(d, 2, 0.5)
			d.has(standing{used: 3, unacked: 2})
		},
		"what gives back counts once acknowledged": func(d *desk) {
			d.reads(hourly(3, 0))
			p := wait(d, max(0, -2), 0.5)
			d.has(standing{used: 3})
			d.acks(p, -2, nil, time.Time{}, d.tick())
			d.has(standing{used: 1})
		},
		"of a period that is over it counts nowhere": func(d *desk) {
			d.now = noon(1.5)
			d.reads(hourly(3, 1))
			p := wait(d, 2, 0.5)
			d.has(standing{used: 3})
			d.acks(p, 2, nil, time.Time{}, d.tick())
			d.has(standing{used: 3})
		},
		"it is taken out of a period that began later than thought": func(d *desk) {
			d.now = noon(1.5)
			p := wait(d, 2, 0.5)
			d.has(standing{unacked: 2})
			d.reads(hourly(3, 1))
			d.has(standing{used: 3, unacked: 2})
			own := d.rehome(p, 2, noon(0.5))
			d.has(standing{used: 3})
			d.acks(own, 2, nil, time.Time{}, d.tick())
			d.has(standing{used: 3})
		},
		"it stays in a period that began before it": func(d *desk) {
			d.now = noon(1.5)
			p := wait(d, 2, 1.25)
			d.reads(hourly(3, 1))
			if d.rehome(p, 2, noon(1.25)) != p {
				d.Error("moved")
			}
			d.has(standing{used: 3, unacked: 2})
		},
		"a higher total waits with what it adds": func(d *desk) {
			d.reads(hourly(3, 0))
			wait(d, 2, 0.5)
			p, waited := total(d, 9, 0.5)
			d.has(standing{used: 3, unacked: 6})
			acksTotal(d, p, waited, 9, nil, d.tick())
			d.has(standing{used: 9, unacked: 2})
		},
		"a lower total counts once acknowledged": func(d *desk) {
			d.reads(hourly(8, 0))
			p, waited := total(d, 3, 0.5)
			d.has(standing{used: 8})
			acksTotal(d, p, waited, 3, nil, d.tick())
			d.has(standing{used: 3})
		},
		"a total's own count comes first": func(d *desk) {
			d.reads(hourly(8, 0))
			p, waited := total(d, 3, 0.5)
			r := hourly(4, 0)
			acksTotal(d, p, waited, 3, &r, d.tick())
			d.has(standing{used: 4})
		},
		"a lower total does not undo what is known since it was sent": func(d *desk) {
			d.reads(hourly(8, 0))
			p, waited := total(d, 3, 0.5)
			sent := d.tick()
			d.reads(hourly(9, 0))
			acksTotal(d, p, waited, 3, nil, sent)
			d.has(standing{used: 9})
		},
		"nor what was added since": func(d *desk) {
			d.reads(hourly(8, 0))
			p, waited := total(d, 3, 0.5)
			sent := d.tick()
			d.acks(d.uses(2), 2, nil, time.Time{}, d.tick())
			acksTotal(d, p, waited, 3, nil, sent)
			d.has(standing{used: 10})
		},
		"a read that crosses a total's acknowledgement does not lower": func(d *desk) {
			d.reads(hourly(3, 0))
			begun := d.tick()
			p, waited := total(d, 9, 0.5)
			acksTotal(d, p, waited, 9, nil, d.tick())
			d.readsFrom(begun, hourly(3, 0))
			d.has(standing{used: 9})
		},
		"a total of a period that is over counts nowhere": func(d *desk) {
			d.now = noon(1.5)
			d.reads(hourly(3, 1))
			p, waited := total(d, 9, 0.5)
			d.has(standing{used: 3})
			acksTotal(d, p, waited, 9, nil, d.tick())
			d.has(standing{used: 3})
		},
		"a total counts in a period that goes on": func(d *desk) {
			d.reads(hourly(3, 0))
			p, waited := total(d, 9, 0.5)
			d.now = noon(1.25)
			d.has(standing{})
			r := hourly(3, 0)
			r.end = noon(2)
			d.reads(r)
			d.has(standing{used: 3, unacked: 6})
			acksTotal(d, p, waited, 9, nil, d.tick())
			d.has(standing{used: 9})
		},
		"what is counted later stays until a read that must have it": func(d *desk) {
			d.reads(hourly(3, 0))
			w := d.linger(d.uses(2), 2, d.now)
			d.reads(hourly(3, 0))
			d.has(standing{used: 3, unacked: 2})
			early := d.tick()
			w.ripen(d.tick())
			d.readsFrom(early, hourly(3, 0))
			d.has(standing{used: 3, unacked: 2})
			d.reads(hourly(5, 0))
			d.has(standing{used: 5})
			d.reads(hourly(5, 0))
			d.has(standing{used: 5})
		},
		"each of several is taken out once": func(d *desk) {
			d.reads(hourly(0, 0))
			first, second := d.linger(d.uses(1), 1, d.now), d.linger(d.uses(2), 2, d.now)
			second.ripen(d.tick())
			d.reads(hourly(2, 0))
			d.has(standing{used: 2, unacked: 1})
			first.ripen(d.tick())
			d.reads(hourly(3, 0))
			d.has(standing{used: 3})
		},
		"a refusal says that it may be for what is counted by now": func(d *desk) {
			d.reads(hourly(0, 0))
			w := d.linger(d.uses(1), 1, d.now)
			look := func() bool {
				return d.take(d.now, d.cycle, 1, true, func(standing) verdict { return verdict{reason: ReasonLimitExceeded} }).ripe
			}
			if look() {
				d.Error("ripe at once")
			}
			w.ripen(d.tick())
			if !look() {
				d.Error("never ripe")
			}
		},
		"nothing lingers for nothing": func(d *desk) {
			d.linger(d.holds(0), 0, d.now).ripen(d.tick())
			if len(d.lingers) != 0 {
				d.Error("kept")
			}
		},
	}
	for name, run := range tests {
		t.Run(name, func(t *testing.T) { run(newDesk(t)) })
	}
}
