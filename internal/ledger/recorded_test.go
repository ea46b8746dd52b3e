package ledger

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestAccountOfUsageThatNobodyAdmitted is the table of what Gate.Report, the outbox and
// delayed counting do to an account.
func TestAccountOfUsageThatNobodyAdmitted(t *testing.T) {
	wait := func(d *accountFixture, n, createdAt float64) slot {
		return d.record(n, noon(createdAt), d.now, d.cycle)
	}
	total := func(d *accountFixture, n, createdAt float64) slot {
		p, _ := d.recordTotal(n, noon(createdAt), d.now, d.cycle)
		return p
	}
	tests := map[string]func(*accountFixture){
		"it counts at once": func(d *accountFixture) {
			d.reads(hourly(3, 0))
			wait(d, 2, 0.5)
			d.has(Balance{Used: 3, Unacked: 2})
		},
		"what gives back counts once acknowledged": func(d *accountFixture) {
			d.reads(hourly(3, 0))
			p := wait(d, -2, 0.5)
			d.has(Balance{Used: 3})
			d.acks(p, -2, nil, time.Time{}, d.tick())
			d.has(Balance{Used: 1})
		},
		"of a period that is over it counts nowhere": func(d *accountFixture) {
			d.now = noon(1.5)
			d.reads(hourly(3, 1))
			p := wait(d, 2, 0.5)
			d.has(Balance{Used: 3})
			d.acks(p, 2, nil, time.Time{}, d.tick())
			d.has(Balance{Used: 3})
		},
		"it is taken out of a period that began later than thought": func(d *accountFixture) {
			d.now = noon(1.5)
			p := wait(d, 2, 0.5)
			d.has(Balance{Unacked: 2})
			d.reads(hourly(3, 1))
			d.has(Balance{Used: 3})
			d.acks(p, 2, nil, time.Time{}, d.tick())
			d.has(Balance{Used: 3})
		},
		"it stays in a period that began before it": func(d *accountFixture) {
			d.now = noon(1.5)
			p := wait(d, 2, 1.25)
			d.reads(hourly(3, 1))
			d.has(Balance{Used: 3, Unacked: 2})
			d.acks(p, 2, nil, time.Time{}, d.tick())
			d.has(Balance{Used: 5})
		},
		"it goes over to its own period when that begins": func(d *accountFixture) {
			d.now, d.cycle = noon(1.5), Cycle{} // nothing is known of the feature
			early, late := wait(d, 1, 0.5), wait(d, 2, 1.25)
			r := hourly(7, 0) // the answer of what was used first
			d.acks(early, 1, &r, noon(1.5), d.tick())
			d.cycle = Cycle{Hour, noon(0)}
			d.reads(hourly(3, 1))
			d.has(Balance{Used: 3, Unacked: 2})
			r = hourly(5, 1)
			d.acks(late, 2, &r, noon(1.6), d.tick())
			d.has(Balance{Used: 5})
		},
		"it goes over when our own clock says so": func(d *accountFixture) {
			d.now, d.cycle = noon(1.5), Cycle{}
			early, _ := wait(d, 1, 0.5), wait(d, 2, 1.25)
			r := hourly(7, 0)
			d.acks(early, 1, &r, noon(1.5), d.tick())
			d.cycle = Cycle{Hour, noon(0)}
			d.has(Balance{Unacked: 2})
		},
		"it comes back into a period that goes on": func(d *accountFixture) {
			d.reads(hourly(3, 0))
			d.now = noon(1.25)
			p := wait(d, 2, 0.5)
			d.has(Balance{})
			r := hourly(3, 0)
			r.End = noon(2)
			d.reads(r)
			d.has(Balance{Used: 3, Unacked: 2})
			d.drop(p, 2)
			d.has(Balance{Used: 3})
		},
		"a higher total waits with what it adds": func(d *accountFixture) {
			d.reads(hourly(3, 0))
			wait(d, 2, 0.5)
			p := total(d, 9, 0.5)
			d.has(Balance{Used: 3, Unacked: 6})
			d.acksTotal(p, 9, nil, d.tick())
			d.has(Balance{Used: 9, Unacked: 2})
		},
		"what was held in the period before does not come after a total": func(d *accountFixture) {
			d.reads(hourly(0, 0))
			p := d.holds(2)
			d.now = noon(1.5)
			d.reads(hourly(3, 1))
			total(d, 9, 1.5)
			d.settle(p, 2, 2)
			d.isBetween(9, 9)
		},
		"nor does what turns out to be of it": func(d *accountFixture) {
			d.now, d.cycle = noon(1.5), Cycle{}
			total(d, 9, 1.25)
			wait(d, 2, 0.5)
			d.isBetween(11, 11)
			d.reads(hourly(3, 1))
			d.isBetween(9, 9)
		},
		"what moves with a total comes after it": func(d *accountFixture) {
			d.now, d.cycle = noon(1.5), Cycle{}
			early := wait(d, 1, 0.5)
			wait(d, 4, 1.1)
			total(d, 9, 1.25)
			wait(d, 2, 1.25)
			r := hourly(7, 0)
			d.acks(early, 1, &r, noon(1.5), d.tick())
			d.cycle = Cycle{Hour, noon(0)}
			d.reads(hourly(3, 1))
			d.isBetween(11, 11)
		},
		"a lower total counts once acknowledged": func(d *accountFixture) {
			d.reads(hourly(8, 0))
			p := total(d, 3, 0.5)
			d.has(Balance{Used: 8})
			d.acksTotal(p, 3, nil, d.tick())
			d.has(Balance{Used: 3})
		},
		"a total's own count comes first": func(d *accountFixture) {
			d.reads(hourly(8, 0))
			p := total(d, 3, 0.5)
			r := hourly(4, 0)
			d.acksTotal(p, 3, &r, d.tick())
			d.has(Balance{Used: 4})
		},
		"a lower total does not undo what is known since it was sent": func(d *accountFixture) {
			d.reads(hourly(8, 0))
			p := total(d, 3, 0.5)
			sent := d.tick()
			d.reads(hourly(9, 0))
			d.acksTotal(p, 3, nil, sent)
			d.has(Balance{Used: 9})
		},
		"nor what is known since an earlier attempt may have set it, whenever the last one was answered": func(d *accountFixture) {
			d.reads(hourly(8, 0))
			p, three, sent := total(d, 3, 0.5), 3.0, d.tick()
			d.later(10 * time.Second)
			d.pushes(5)
			d.later(10 * time.Second)
			d.acknowledges(p, answer{usage: usage{first: sent, stamp: stampOf(d.now)}, total: &three})
			d.isBetween(3, 5)
		},
		"nor what was added since": func(d *accountFixture) {
			d.reads(hourly(8, 0))
			p := total(d, 3, 0.5)
			sent := d.tick()
			d.acks(d.uses(2), 2, nil, time.Time{}, d.tick())
			d.acksTotal(p, 3, nil, sent)
			d.isBetween(3, 5)
		},
		"a read that crosses a total's acknowledgement does not lower": func(d *accountFixture) {
			d.reads(hourly(3, 0))
			begun := d.tick()
			p := total(d, 9, 0.5)
			d.acksTotal(p, 9, nil, d.tick())
			d.readsFrom(begun, hourly(3, 0))
			d.has(Balance{Used: 9})
		},
		"a total of a period that is over counts nowhere": func(d *accountFixture) {
			d.now = noon(1.5)
			d.reads(hourly(3, 1))
			p := total(d, 9, 0.5)
			d.has(Balance{Used: 3})
			d.acksTotal(p, 9, nil, d.tick())
			d.has(Balance{Used: 3})
		},
		"a total counts in a period that goes on": func(d *accountFixture) {
			d.reads(hourly(3, 0))
			p := total(d, 9, 0.5)
			d.now = noon(1.25)
			d.has(Balance{})
			r := hourly(3, 0)
			r.End = noon(2)
			d.reads(r)
			d.has(Balance{Used: 3, Unacked: 6})
			d.acksTotal(p, 9, nil, d.tick())
			d.has(Balance{Used: 9})
		},
		"what is counted later is perhaps in what is read before it is due": func(d *accountFixture) {
			d.reads(hourly(3, 0))
			d.acksLater(d.uses(2), 2, d.tick())
			d.isBetween(5, 5)
			d.reads(hourly(3, 0))
			d.isBetween(3, 5)
			early := d.tick()
			d.later(CountDelay + time.Second)
			d.readsFrom(early, hourly(3, 0))
			d.isBetween(3, 5)
			d.reads(hourly(5, 0))
			d.isBetween(5, 5)
			d.reads(hourly(5, 0))
			d.isBetween(5, 5)
		},
		"each of several is counted once": func(d *accountFixture) {
			d.reads(hourly(0, 0))
			d.acksLater(d.uses(1), 1, d.tick())
			d.later(CountDelay)
			d.acksLater(d.uses(2), 2, d.tick())
			d.later(time.Second)
			d.reads(hourly(1, 0))
			d.isBetween(1, 3)
			d.later(CountDelay)
			d.reads(hourly(3, 0))
			d.isBetween(3, 3)
		},
		"a refusal says that it may be for what is counted by now": func(d *accountFixture) {
			d.reads(hourly(0, 0))
			d.acksLater(d.uses(1), 1, d.tick())
			d.reads(hourly(1, 0))
			look := func() bool { return d.asks(1, 2).Outdated }
			if look() {
				d.Error("at once a read would tell no more")
			}
			d.later(CountDelay + time.Second)
			if !look() {
				d.Error("a read would never tell more")
			}
		},
		"what gives back is taken off once it is surely counted": func(d *accountFixture) {
			d.reads(hourly(5, 0))
			d.acksLater(d.uses(-2), -2, d.tick())
			d.isBetween(3, 5)
			d.later(CountDelay + time.Second)
			d.reads(hourly(3, 0))
			d.isBetween(3, 3)
		},
	}
	for name, run := range tests {
		t.Run(name, func(t *testing.T) { run(newAccountFixture(t)) })
	}
}

// TestAccountKeepsLateUsageInItsPeriod: whatever is learned in whatever order, what waits
// counts in the present period if it was made in it, and nowhere else.
func TestAccountKeepsLateUsageInItsPeriod(t *testing.T) {
	type waiting struct {
		slot   slot
		amount float64
		made   time.Time
	}
	rapid.Check(t, func(rt *rapid.T) {
		d, hour := newAccountFixture(t), 0.5
		cycles := rapid.SampledFrom([]Cycle{d.cycle, {}}) // of a feature of which nothing is known
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
		count := func(made time.Time) *Count {
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
				w.slot = d.record(w.amount, w.made, d.now, cycles.Draw(rt, "cycle"))
				all = append(all, w)
			},
			"a read": func(*rapid.T) { d.reads(*count(d.now)) },
			"a read of a period that goes on": func(rt *rapid.T) {
				r := *count(d.now)
				r.Start = r.Start.Add(-time.Duration(rapid.IntRange(1, 2).Draw(rt, "hours")) * time.Hour)
				d.reads(r)
			},
			"an answer with a count": func(rt *rapid.T) {
				w := pick(rt)
				d.cycle = cycles.Draw(rt, "cycle")
				d.acks(w.slot, w.amount, count(w.made), d.now, d.tick())
			},
			"an answer without": func(rt *rapid.T) {
				w := pick(rt)
				d.acks(w.slot, w.amount, nil, time.Time{}, d.tick())
			},
			"a refusal": func(rt *rapid.T) {
				w := pick(rt)
				d.drop(w.slot, w.amount)
			},
			"": func(rt *rapid.T) {
				p, want := d.Present(d.now, d.cycle), 0.0
				for _, w := range all {
					if !w.made.Before(p.Start) {
						want += w.amount
					}
				}
				if p.Unacked != want || len(d.recorded()) != len(all) {
					rt.Fatalf("%v wait in the period from %v on, want %v; %d usages, want %d", p.Unacked, p.Start, want, len(d.recorded()), len(all))
				}
			},
		})
	})
}

func TestAccountOfATotalWhateverIsLearnedMeanwhile(t *testing.T) {
	counts := func(d *accountFixture, want float64) {
		d.Helper()
		if s := d.balance(); s.Used+s.Unacked != want {
			d.Errorf("a total waits, and %v count, want %v", s.Used+s.Unacked, want)
		}
	}
	for name, run := range map[string]func(*accountFixture){
		"that a change before it was of another period": func(d *accountFixture) {
			d.now, d.cycle = noon(1.5), Cycle{}
			d.record(5, noon(0.5), d.now, d.cycle)
			d.recordTotal(7, noon(1.25), d.now, d.cycle)
			d.cycle = Cycle{Hour, noon(0)}
			d.reads(hourly(0, 1))
			counts(d, 7)
		},
		"that the period began just before it": func(d *accountFixture) {
			d.reads(hourly(5, 0))
			d.now = noon(0.75)
			d.recordTotal(7, noon(0.75), d.now, d.cycle)
			d.reads(Count{0, noon(0.6), noon(1.6)})
			counts(d, 7)
		},
		"that less is used": func(d *accountFixture) {
			d.reads(hourly(5, 0))
			d.recordTotal(7, d.now, d.now, d.cycle)
			d.reads(hourly(1, 0))
			counts(d, 7)
		},
		"that more is used": func(d *accountFixture) {
			d.recordTotal(7, d.now, d.now, d.cycle)
			d.reads(hourly(9, 0))
			counts(d, 9)
		},
		"and what comes after it counts too": func(d *accountFixture) {
			d.reads(hourly(5, 0))
			d.recordTotal(7, d.now, d.now, d.cycle)
			d.uses(2)
			d.record(1, d.now, d.now, d.cycle)
			d.reads(hourly(1, 0))
			counts(d, 10)
		},
		"and the highest of several": func(d *accountFixture) {
			first, _ := d.recordTotal(9, d.now, d.now, d.cycle)
			d.recordTotal(7, d.now, d.now, d.cycle)
			counts(d, 9)
			d.acksTotal(first, 9, nil, d.tick())
			counts(d, 9)
			d.reads(hourly(3, 0))
			counts(d, 7)
		},
		"until it is acknowledged": func(d *accountFixture) {
			p, _ := d.recordTotal(9, d.now, d.now, d.cycle)
			r := hourly(9, 0)
			d.acksTotal(p, 9, &r, d.tick())
			d.reads(hourly(3, 0)) // given back since
			counts(d, 3)
		},
	} {
		t.Run(name, func(t *testing.T) { run(newAccountFixture(t)) })
	}
}

func TestAccountKeepsWhatWaitsWhenAnAnswerComesAfterThePeriod(t *testing.T) {
	for _, rolled := range []bool{true, false} {
		d := newAccountFixture(t)
		d.reads(hourly(3, 0))
		d.uses(2)
		p := d.uses(1)
		d.now = noon(1.1)
		if rolled {
			d.asks(0, 10)
		}
		r := hourly(4, 0)
		d.acks(p, 1, &r, noon(0.99), d.tick())
		r.End = noon(2)
		d.reads(r) // the period goes on
		if s := d.balance(); s.Used+s.Unacked != 6 {
			t.Errorf("rolled before: %v: 4 counted and 2 waiting make %v", rolled, s.Used+s.Unacked)
		}
	}
}
