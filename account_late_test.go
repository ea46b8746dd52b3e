package gate

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestAccountOfUsageThatNobodyAdmitted is the table of what Gate.Report, the outbox and
// delayed counting do to an account.
func TestAccountOfUsageThatNobodyAdmitted(t *testing.T) {
	wait := func(d *desk, n, createdAt float64) place {
		return d.wait(n, noon(createdAt), d.now, d.cycle)
	}
	total := func(d *desk, n, createdAt float64) place {
		p, _ := d.waitTotal(n, noon(createdAt), d.now, d.cycle)
		return p
	}
	acksTotal := func(d *desk, p place, n float64, r *reading, sent uint64) {
		d.acknowledgeTotal(p, n, r, time.Time{}, d.now, sent, d.cycle)
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
			d.has(standing{used: 3})
			d.acks(p, 2, nil, time.Time{}, d.tick())
			d.has(standing{used: 3})
		},
		"it stays in a period that began before it": func(d *desk) {
			d.now = noon(1.5)
			p := wait(d, 2, 1.25)
			d.reads(hourly(3, 1))
			d.has(standing{used: 3, unacked: 2})
			d.acks(p, 2, nil, time.Time{}, d.tick())
			d.has(standing{used: 5})
		},
		"it goes over to its own period when that begins": func(d *desk) {
			d.now, d.cycle = noon(1.5), cycle{} // nothing is known of the feature
			early, late := wait(d, 1, 0.5), wait(d, 2, 1.25)
			r := hourly(7, 0) // the answer of what was used first
			d.acks(early, 1, &r, noon(1.5), d.tick())
			d.cycle = cycle{ResetHour, noon(0)}
			d.reads(hourly(3, 1))
			d.has(standing{used: 3, unacked: 2})
			r = hourly(5, 1)
			d.acks(late, 2, &r, noon(1.6), d.tick())
			d.has(standing{used: 5})
		},
		"it goes over when our own clock says so": func(d *desk) {
			d.now, d.cycle = noon(1.5), cycle{}
			early, _ := wait(d, 1, 0.5), wait(d, 2, 1.25)
			r := hourly(7, 0)
			d.acks(early, 1, &r, noon(1.5), d.tick())
			d.cycle = cycle{ResetHour, noon(0)}
			d.has(standing{unacked: 2})
		},
		"it comes back into a period that goes on": func(d *desk) {
			d.reads(hourly(3, 0))
			d.now = noon(1.25)
			p := wait(d, 2, 0.5)
			d.has(standing{})
			r := hourly(3, 0)
			r.end = noon(2)
			d.reads(r)
			d.has(standing{used: 3, unacked: 2})
			d.drop(p, 2)
			d.has(standing{used: 3})
		},
		"a higher total waits with what it adds": func(d *desk) {
			d.reads(hourly(3, 0))
			wait(d, 2, 0.5)
			p := total(d, 9, 0.5)
			d.has(standing{used: 3, unacked: 6})
			acksTotal(d, p, 9, nil, d.tick())
			d.has(standing{used: 9, unacked: 2})
		},
		"a lower total counts once acknowledged": func(d *desk) {
			d.reads(hourly(8, 0))
			p := total(d, 3, 0.5)
			d.has(standing{used: 8})
			acksTotal(d, p, 3, nil, d.tick())
			d.has(standing{used: 3})
		},
		"a total's own count comes first": func(d *desk) {
			d.reads(hourly(8, 0))
			p := total(d, 3, 0.5)
			r := hourly(4, 0)
			acksTotal(d, p, 3, &r, d.tick())
			d.has(standing{used: 4})
		},
		"a lower total does not undo what is known since it was sent": func(d *desk) {
			d.reads(hourly(8, 0))
			p := total(d, 3, 0.5)
			sent := d.tick()
			d.reads(hourly(9, 0))
			acksTotal(d, p, 3, nil, sent)
			d.has(standing{used: 9})
		},
		"nor what was added since": func(d *desk) {
			d.reads(hourly(8, 0))
			p := total(d, 3, 0.5)
			sent := d.tick()
			d.acks(d.uses(2), 2, nil, time.Time{}, d.tick())
			acksTotal(d, p, 3, nil, sent)
			d.has(standing{used: 10})
		},
		"a read that crosses a total's acknowledgement does not lower": func(d *desk) {
			d.reads(hourly(3, 0))
			begun := d.tick()
			p := total(d, 9, 0.5)
			acksTotal(d, p, 9, nil, d.tick())
			d.readsFrom(begun, hourly(3, 0))
			d.has(standing{used: 9})
		},
		"a total of a period that is over counts nowhere": func(d *desk) {
			d.now = noon(1.5)
			d.reads(hourly(3, 1))
			p := total(d, 9, 0.5)
			d.has(standing{used: 3})
			acksTotal(d, p, 9, nil, d.tick())
			d.has(standing{used: 3})
		},
		"a total counts in a period that goes on": func(d *desk) {
			d.reads(hourly(3, 0))
			p := total(d, 9, 0.5)
			d.now = noon(1.25)
			d.has(standing{})
			r := hourly(3, 0)
			r.end = noon(2)
			d.reads(r)
			d.has(standing{used: 3, unacked: 6})
			acksTotal(d, p, 9, nil, d.tick())
			d.has(standing{used: 9})
		},
		"what is counted later stays until a read that must have it": func(d *desk) {
			d.reads(hourly(3, 0))
			w := d.linger(d.uses(2), 2, 0, d.now)
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
			first, second := d.linger(d.uses(1), 1, 0, d.now), d.linger(d.uses(2), 2, 0, d.now)
			second.ripen(d.tick())
			d.reads(hourly(2, 0))
			d.has(standing{used: 2, unacked: 1})
			first.ripen(d.tick())
			d.reads(hourly(3, 0))
			d.has(standing{used: 3})
		},
		"a refusal says that it may be for what is counted by now": func(d *desk) {
			d.reads(hourly(0, 0))
			w := d.linger(d.uses(1), 1, 0, d.now)
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
			d.linger(d.holds(0), 0, 0, d.now).ripen(d.tick())
			if len(d.lingers) != 0 {
				d.Error("kept")
			}
		},
	}
	for name, run := range tests {
		t.Run(name, func(t *testing.T) { run(newDesk(t)) })
	}
}

// TestAccountKeepsLateUsageInItsPeriod: whatever is learned in whatever order, what waits
// counts in the present period if it was made in it, and nowhere else.
func TestAccountKeepsLateUsageInItsPeriod(t *testing.T) {
	type waiting struct {
		place  place
		amount float64
		made   time.Time
	}
	rapid.Check(t, func(rt *rapid.T) {
		d, hour := newDesk(t), 0.5
		cycles := rapid.SampledFrom([]cycle{d.cycle, {}}) // of a feature of which nothing is known
		var all []waiting
		pick := func(rt *rapid.T) waiting {
			if len(all) == 0 {
				rt.Skip("nothing waits")
			}
			i := rapid.IntRange(0, len(all)-1).Draw(rt, "which")
			w := all[i]
			all = append(all[:i], all[i+1:]...)
			return w
		}
		count := func(made time.Time) *reading {
			r := hourly(100, int(made.Sub(noon(0)).Hours()))
			return &r
		}
		rt.Repeat(map[string]func(*rapid.T){
			"time passes": func(rt *rapid.T) {
				hour += float64(rapid.IntRange(1, 6).Draw(rt, "quarters")) / 4
				d.now = noon(hour)
			},
			"it is reported": func(rt *rapid.T) {
				w := waiting{amount: float64(rapid.IntRange(0, 9).Draw(rt, "amount"))}
				w.made = d.now.Add(-time.Duration(rapid.IntRange(0, int(4*hour)).Draw(rt, "quarters ago")) * time.Hour / 4)
				w.place = d.wait(w.amount, w.made, d.now, cycles.Draw(rt, "cycle"))
				all = append(all, w)
			},
			"a read": func(*rapid.T) { d.reads(*count(d.now)) },
			"a read of a period that goes on": func(rt *rapid.T) {
				r := *count(d.now)
				r.start = r.start.Add(-time.Duration(rapid.IntRange(1, 2).Draw(rt, "hours")) * time.Hour)
				d.reads(r)
			},
			"an answer with a count": func(rt *rapid.T) {
				w := pick(rt)
				d.acknowledge(w.place, w.amount, count(w.made), d.now, d.now, d.tick(), cycles.Draw(rt, "cycle"))
			},
			"an answer without": func(rt *rapid.T) {
				w := pick(rt)
				d.acks(w.place, w.amount, nil, time.Time{}, d.tick())
			},
			"a refusal": func(rt *rapid.T) {
				w := pick(rt)
				d.drop(w.place, w.amount)
			},
			"": func(rt *rapid.T) {
				p, want := d.present(d.now, d.cycle), 0.0
				for _, w := range all {
					if !w.made.Before(p.start) {
						want += w.amount
					}
				}
				if p.unacked != want || len(d.late) != len(all) {
					rt.Fatalf("%v wait in the period from %v on, want %v; %d usages, want %d", p.unacked, p.start, want, len(d.late), len(all))
				}
			},
		})
	})
}
