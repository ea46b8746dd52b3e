package ledger

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// asks asks for n of the feature, which has a limit.
func (d *desk) asks(n, limit float64) Admission {
	return d.Check(d.now, d.cycle, Ask{Limit: Limit{Max: limit}, Amount: n})
}

func (d *desk) wants(n, limit float64, answer Answer, waits bool) <-chan struct{} {
	d.Helper()
	t := d.asks(n, limit)
	if t.Answer != answer || (t.Wait != nil) != waits {
		d.Fatalf("%v of %v: got %v, waits %v", n, limit, t.Answer, t.Wait != nil)
	}
	return t.Wait
}

func (d *desk) pushes(usage float64) {
	d.Push(hourly(usage, 0), noon(0.5), d.now, d.cycle)
}

// TestAccountDoubtsWhatStiggMayHaveCountedAlready is about refusals for usage that counts
// twice: Stigg has told of it and not acknowledged it.
func TestAccountDoubtsWhatStiggMayHaveCountedAlready(t *testing.T) {
	for name, run := range map[string]func(*desk){
		"until it is acknowledged": func(d *desk) {
			p := d.uses(2)
			d.leaves(2)
			d.wants(2, 3, Exceeded, false)
			d.pushes(2)
			wait := d.wants(1, 3, Pending, true)
			d.wants(2, 3, Exceeded, false)
			r := hourly(2, 0)
			d.acks(p, 2, &r, noon(0.6), d.tick())
			select {
			case <-wait:
				d.Error("woken before the whole batch has arrived")
			default:
			}
			d.notify()
			<-wait
			d.wants(1, 3, Granted, false)
			d.wants(2, 3, Exceeded, false)
		},
		"as much as a count has grown by": func(d *desk) {
			d.uses(5)
			d.leaves(5)
			d.pushes(1)
			d.wants(6, 10, Exceeded, false)
			d.wants(5, 10, Pending, true)
			d.pushes(3)
			d.wants(6, 10, Exceeded, false)
			d.wants(5, 10, Pending, true)
			d.pushes(3)
			d.wants(5, 10, Pending, true)
		},
		"no more than is on its way": func(d *desk) {
			d.uses(1)
			d.leaves(1)
			d.uses(1) // not sent
			d.pushes(9)
			d.wants(1, 11, Pending, true)
			d.wants(1, 10, Exceeded, false)
		},
		"by a read as well": func(d *desk) {
			d.uses(1)
			d.leaves(1)
			d.reads(hourly(1, 0))
			d.wants(1, 2, Pending, true)
		},
		"that is lower": func(d *desk) {
			d.reads(hourly(5, 0))
			d.uses(1)
			d.leaves(1)
			d.reads(hourly(2, 0)) // something was given back, and it is counted
			d.wants(1, 3, Pending, true)
		},
		"in the first count": func(d *desk) {
			d.record(1, d.now, d.now, Cycle{})
			d.leaves(1)
			d.reads(hourly(1, 0))
			d.wants(1, 2, Pending, true)
		},
		"and what runs is pending as ever": func(d *desk) {
			d.uses(1)
			d.leaves(1)
			d.pushes(1)
			d.holds(1)
			d.wants(1, 2, Pending, false)
		},
		"not what an answer acknowledges itself": func(d *desk) {
			p := d.uses(1)
			d.leaves(1)
			d.uses(1)
			d.leaves(1) // never counted
			r := hourly(1, 0)
			d.acks(p, 1, &r, noon(0.5), d.tick())
			d.wants(1, 2, Exceeded, false)
		},
		"not in another period": func(d *desk) {
			d.reads(hourly(0, 0))
			d.uses(5)
			d.leaves(5)
			d.pushes(5)
			d.now = noon(1.1)
			d.uses(3)
			d.wants(1, 3, Exceeded, false)
		},
		"what was given back": func(d *desk) {
			d.reads(hourly(5, 0))
			d.free(2, d.now)
			d.wants(3, 5, Exceeded, false)
			wait := d.wants(2, 5, Pending, true)
			p := d.holds(0)
			d.settle(p, 0, -2)
			r := hourly(3, 0)
			d.acks(p, -2, &r, noon(0.6), d.tick())
			d.notify()
			<-wait
			d.wants(2, 5, Granted, false)
			d.wants(3, 5, Exceeded, false)
		},
		"not for long": func(d *desk) {
			d.reads(hourly(5, 0))
			d.free(1, d.now)
			d.now = d.now.Add(freedWait)
			d.wants(1, 5, Exceeded, false)
			d.free(1, d.now)
			d.wants(1, 5, Pending, true)
			d.wants(2, 5, Exceeded, false)
		},
		"not what was refused": func(d *desk) {
			p := d.uses(1)
			d.leaves(1)
			d.pushes(1)
			d.drop(p, 1)
			d.wants(1, 1, Exceeded, false)
		},
		"not what is counted later": func(d *desk) {
			p := d.uses(1)
			d.leaves(1)
			d.pushes(1)
			d.delay(p, 1, 0, d.now)
			d.wants(1, 2, Exceeded, false)
		},
		"nor a total that has arrived": func(d *desk) {
			p, _ := d.recordTotal(1, d.now, d.now, d.cycle)
			d.pushes(1)
			d.wants(1, 1, Exceeded, false)
			d.acknowledgeTotal(p, 1, nil, time.Time{}, d.now, d.tick(), d.cycle)
			d.wants(1, 1, Exceeded, false)
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
				d.leaves(f.amount)
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
				if f := d.inFlight; f.amount != sum || f.overlap < 0 || f.overlap > f.amount {
					rt.Fatalf("%+v, want %v", f, sum)
				}
			},
		})
	})
}
