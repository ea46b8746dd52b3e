package gate

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// asks asks for n of the feature, which has a limit.
func (d *desk) asks(n, limit float64) taking {
	e := metered("f", 0, limit)
	return d.take(d.now, d.cycle, n, false, func(s standing) verdict { return e.room(s, ask{mode: modeAsks, amount: n}) })
}

func (d *desk) wants(n, limit float64, reason Reason, waits bool) <-chan struct{} {
	d.Helper()
	t := d.asks(n, limit)
	if t.reason != reason || (t.wait != nil) != waits {
		d.Errorf("%v of %v: got %q, waits %v", n, limit, t.reason, t.wait != nil)
	}
	return t.wait
}

func (d *desk) pushes(usage float64) {
	d.push(hourly(usage, 0), noon(0.5), d.now, d.cycle)
}

// TestAccountDoubtsWhatStiggMayHaveCountedAlready is about refusals for usage that counts
// twice: Stigg has told of it and not acknowledged it.
func TestAccountDoubtsWhatStiggMayHaveCountedAlready(t *testing.T) {
	for name, run := range map[string]func(*desk){
		"until it is acknowledged": func(d *desk) {
			p := d.uses(2)
			d.departs(2)
			d.wants(2, 3, ReasonLimitExceeded, false)
			d.pushes(2)
			wait := d.wants(1, 3, ReasonPending, true)
			d.wants(2, 3, ReasonLimitExceeded, false)
			r := hourly(2, 0)
			d.acks(p, 2, &r, noon(0.6), d.tick())
			select {
			case <-wait:
				d.Error("woken before the whole batch has arrived")
			default:
			}
			d.landed()
			<-wait
			d.wants(1, 3, "", false)
			d.wants(2, 3, ReasonLimitExceeded, false)
		},
		"as much as a count has grown by": func(d *desk) {
			d.uses(5)
			d.departs(5)
			d.pushes(1)
			d.wants(6, 10, ReasonLimitExceeded, false)
			d.wants(5, 10, ReasonPending, true)
			d.pushes(3)
			d.wants(6, 10, ReasonLimitExceeded, false)
			d.wants(5, 10, ReasonPending, true)
			d.pushes(3)
			d.wants(5, 10, ReasonPending, true)
		},
		"no more than is on its way": func(d *desk) {
			d.uses(1)
			d.departs(1)
			d.uses(1) // not sent
			d.pushes(9)
			d.wants(1, 11, ReasonPending, true)
			d.wants(1, 10, ReasonLimitExceeded, false)
		},
		"by a read as well": func(d *desk) {
			d.uses(1)
			d.departs(1)
			d.reads(hourly(1, 0))
			d.wants(1, 2, ReasonPending, true)
		},
		"that is lower": func(d *desk) {
			d.reads(hourly(5, 0))
			d.uses(1)
			d.departs(1)
			d.reads(hourly(2, 0)) // something was given back, and it is counted
			d.wants(1, 3, ReasonPending, true)
		},
		"in the first count": func(d *desk) {
			d.wait(1, d.now, d.now, cycle{})
			d.departs(1)
			d.reads(hourly(1, 0))
			d.wants(1, 2, ReasonPending, true)
		},
		"and what runs is pending as ever": func(d *desk) {
			d.uses(1)
			d.departs(1)
			d.pushes(1)
			d.holds(1)
			d.wants(1, 2, ReasonPending, false)
		},
		"not what an answer acknowledges itself": func(d *desk) {
			p := d.uses(1)
			d.departs(1)
			d.uses(1)
			d.departs(1) // never counted
			r := hourly(1, 0)
			d.acks(p, 1, &r, noon(0.5), d.tick())
			d.wants(1, 2, ReasonLimitExceeded, false)
		},
		"not in another period": func(d *desk) {
			d.reads(hourly(0, 0))
			d.uses(5)
			d.departs(5)
			d.pushes(5)
			d.now = noon(1.1)
			d.uses(3)
			d.wants(1, 3, ReasonLimitExceeded, false)
		},
		"what was given back": func(d *desk) {
			d.reads(hourly(5, 0))
			d.givesBack(2, d.now)
			d.wants(3, 5, ReasonLimitExceeded, false)
			wait := d.wants(2, 5, ReasonPending, true)
			p := d.holds(0)
			d.settle(p, 0, -2)
			r := hourly(3, 0)
			d.acks(p, -2, &r, noon(0.6), d.tick())
			d.landed()
			<-wait
			d.wants(2, 5, "", false)
			d.wants(3, 5, ReasonLimitExceeded, false)
		},
		"not for long": func(d *desk) {
			d.reads(hourly(5, 0))
			d.givesBack(1, d.now)
			d.now = d.now.Add(backWait)
			d.wants(1, 5, ReasonLimitExceeded, false)
			d.givesBack(1, d.now)
			d.wants(1, 5, ReasonPending, true)
			d.wants(2, 5, ReasonLimitExceeded, false)
		},
		"not what was refused": func(d *desk) {
			p := d.uses(1)
			d.departs(1)
			d.pushes(1)
			d.drop(p, 1)
			d.wants(1, 1, ReasonLimitExceeded, false)
		},
		"not what is counted later": func(d *desk) {
			p := d.uses(1)
			d.departs(1)
			d.pushes(1)
			d.linger(p, 1, 0, d.now)
			d.wants(1, 2, ReasonLimitExceeded, false)
		},
		"nor a total that has arrived": func(d *desk) {
			p, _ := d.waitTotal(1, d.now, d.now, d.cycle)
			d.pushes(1)
			d.wants(1, 1, ReasonLimitExceeded, false)
			d.acknowledgeTotal(p, 1, nil, time.Time{}, d.now, d.tick(), d.cycle)
			d.wants(1, 1, ReasonLimitExceeded, false)
		},
	} {
		t.Run(name, func(t *testing.T) { run(newDesk(t)) })
	}
}

func TestAccountDoubtIsOfWhatFlies(t *testing.T) {
	type flying struct {
		period *period
		amount float64
	}
	rapid.Check(t, func(rt *rapid.T) {
		d := newDesk(t)
		var all []flying
		units := func(rt *rapid.T) float64 { return float64(rapid.IntRange(0, 5).Draw(rt, "units")) }
		rt.Repeat(map[string]func(*rapid.T){
			"it leaves": func(rt *rapid.T) {
				f := flying{amount: units(rt)}
				f.period = d.uses(f.amount)
				d.departs(f.amount)
				all = append(all, f)
			},
			"it arrives": func(rt *rapid.T) {
				if len(all) == 0 {
					rt.Skip("nothing flies")
				}
				f := all[0]
				all = all[1:]
				if rapid.Bool().Draw(rt, "refused") {
					d.drop(f.period, f.amount)
				} else {
					d.acks(f.period, f.amount, nil, time.Time{}, d.tick())
				}
			},
			"a push": func(rt *rapid.T) { d.pushes(units(rt)) },
			"a read": func(rt *rapid.T) { d.reads(hourly(units(rt), 0)) },
			"": func(rt *rapid.T) {
				sum := 0.0
				for _, f := range all {
					sum += f.amount
				}
				if f := d.flight; f.amount != sum || f.doubt < 0 || f.doubt > f.amount {
					rt.Fatalf("%+v, want %v", f, sum)
				}
			},
		})
	})
}
