package ledger

import (
	"testing"
	"time"
)

// asks asks for n of the feature, which has a limit.
func (d *accountFixture) asks(n, limit float64) Admission {
	return d.Check(d.now, d.cycle, Ask{Limit: Limit{Max: limit}, Amount: n})
}

func (d *accountFixture) wants(n, limit float64, answer Answer, waits, read bool) <-chan struct{} {
	d.Helper()
	t := d.asks(n, limit)
	if t.Answer != answer || (t.Wait != nil) != waits || t.Outdated != read {
		d.Fatalf("%v of %v: got %v, waits %v, read again %v; want %v, %v, %v", n, limit, t.Answer, t.Wait != nil, t.Outdated, answer, waits, read)
	}
	return t.Wait
}

// TestAccountDoubts is about refusals for more than is surely used: what else is known on
// the way, and what a read would tell.
func TestAccountDoubts(t *testing.T) {
	const waits, read = true, true
	for name, run := range map[string]func(*accountFixture){
		"what has left, until it is acknowledged": func(d *accountFixture) {
			p := d.uses(2)
			d.wants(1, 4, Exceeded, !waits, !read)
			sent := d.leaves(p, 2)
			d.wants(1, 4, Exceeded, !waits, !read) // it left after what is known
			d.reads(hourly(5, 0))
			wait := d.wants(1, 6, Pending, waits, !read)
			d.wants(2, 6, Exceeded, !waits, !read)
			r := hourly(5, 0)
			d.acks(p, 2, &r, noon(0.5), sent)
			select {
			case <-wait:
				d.Fatal("woken before the whole batch has arrived")
			default:
			}
			d.notify()
			<-wait
			d.wants(1, 6, Pending, !waits, read) // perhaps it was not in what was read
			d.reads(hourly(5, 0))
			d.wants(1, 6, Granted, !waits, !read)
			d.wants(2, 6, Exceeded, !waits, !read)
		},
		"no more than has left": func(d *accountFixture) {
			d.leaves(d.uses(1), 1)
			d.uses(1)
			d.reads(hourly(9, 0))
			d.wants(1, 11, Pending, waits, !read)
			d.wants(1, 10, Exceeded, !waits, !read)
		},
		"no more is given back than is on its way": func(d *accountFixture) {
			d.reads(hourly(10, 0))
			one, two := d.uses(-1), d.uses(-2)
			sent := d.leaves(one, -1)
			d.leaves(two, -2)
			d.isBetween(7, 10)
			r := hourly(9, 0)
			d.acks(one, -1, &r, time.Time{}, sent)
			d.isBetween(7, 9)
		},
		"what comes later in a batch is not in a count": func(d *accountFixture) {
			d.reads(hourly(0, 0))
			used, freed := d.uses(2), d.uses(-1)
			first, second := d.leaves(used, 2), d.leaves(freed, -1)
			r := hourly(2, 0)
			d.acknowledges(used, answer{usage: usage{amount: 2, first: first, stamp: stamp{batch: 1}}, count: &r})
			d.acknowledges(freed, answer{usage: usage{amount: -1, first: second, stamp: stamp{batch: 1, place: 1}}})
			d.isBetween(1, 1)
		},
		"of what has left only what left before a count": func(d *accountFixture) {
			d.leaves(d.uses(1), 1)
			d.reads(hourly(5, 0))
			d.leaves(d.uses(1), 1)
			d.wants(1, 7, Pending, waits, !read)
			d.wants(1, 6, Exceeded, !waits, !read)
		},
		"of two that left together only the one that is still on its way": func(d *accountFixture) {
			p, q := d.uses(1), d.uses(1)
			sent := d.leaves(p, 1)
			d.leaves(q, 1)
			d.refuse(p, 1, sent, true)
			d.reads(hourly(4, 0))
			d.wants(1, 5, Pending, waits, !read)
			d.wants(2, 5, Exceeded, !waits, !read)
		},
		"what is on its way, of which a read would tell nothing": func(d *accountFixture) {
			d.leaves(d.uses(1), 1)
			d.reads(hourly(4, 0))
			d.pushes(4)
			d.wants(1, 5, Pending, waits, !read)
		},
		"not a total that waits": func(d *accountFixture) {
			d.recordTotal(9, d.now, d.now, d.cycle)
			d.wants(1, 9, Exceeded, !waits, !read)
		},
		"what is tried again, and nobody waits for it": func(d *accountFixture) {
			d.leaves(d.uses(1), 1)
			d.reads(hourly(4, 0))
			d.returns()
			d.wants(1, 5, Pending, !waits, !read)
		},
		"what runs, as ever": func(d *accountFixture) {
			d.leaves(d.uses(1), 1)
			d.reads(hourly(4, 0))
			d.holds(1)
			d.wants(1, 5, Pending, !waits, !read)
		},
		"not what an answer acknowledges itself": func(d *accountFixture) {
			p, sent := d.uses(1), d.tick()
			r := hourly(4, 0)
			d.acks(p, 1, &r, noon(0.5), sent)
			d.wants(1, 4, Exceeded, !waits, !read)
		},
		"not in another period": func(d *accountFixture) {
			d.leaves(d.uses(5), 5)
			d.reads(hourly(5, 0))
			d.now = noon(1.1)
			d.uses(3)
			d.wants(1, 3, Exceeded, !waits, !read)
		},
		"what was given back a moment ago": func(d *accountFixture) {
			p := d.uses(-2)
			d.wants(3, 3, Exceeded, !waits, !read)
			wait := d.wants(2, 3, Pending, waits, !read)
			sent := d.leaves(p, -2)
			d.wants(2, 3, Pending, waits, !read)
			r := hourly(1, 0)
			d.acks(p, -2, &r, noon(0.6), sent)
			d.notify()
			<-wait
			d.wants(2, 3, Granted, !waits, !read)
			d.wants(3, 3, Exceeded, !waits, !read)
		},
		"not for long, unless it has left": func(d *accountFixture) {
			d.uses(-1)
			d.later(freedWait)
			d.wants(1, 3, Exceeded, !waits, !read)
			p := d.uses(-1)
			d.wants(1, 3, Pending, waits, !read)
			d.wants(2, 3, Exceeded, !waits, !read)
			d.leaves(p, -1)
			d.later(freedWait)
			d.wants(1, 3, Pending, waits, !read)
			d.returns()
			d.wants(1, 3, Pending, !waits, !read)
		},
		"not what was refused": func(d *accountFixture) {
			p := d.uses(1)
			sent := d.leaves(p, 1)
			d.reads(hourly(4, 0))
			d.refuse(p, 1, sent, true)
			d.wants(1, 4, Exceeded, !waits, !read)
			q := d.uses(-1)
			d.drop(q, -1)
			d.wants(1, 4, Exceeded, !waits, !read)
		},
		"a total that is on its way": func(d *accountFixture) {
			p, _ := d.recordTotal(1, d.now, d.now, d.cycle)
			d.wants(1, 3, Exceeded, !waits, !read)
			sent := d.leaves(p, 0)
			d.wants(1, 3, Pending, waits, !read)
			d.acksTotal(p, 1, nil, sent)
			d.wants(2, 3, Granted, !waits, !read)
			d.wants(3, 3, Exceeded, !waits, !read)
		},
		"two counts of which neither is surely later": func(d *accountFixture) {
			if !d.pushes(4) {
				d.Error("more is known than the push says")
			}
			d.wants(1, 4, Pending, !waits, read)
			d.wants(2, 4, Exceeded, !waits, !read)
			if d.pushes(2) {
				d.Error("no more is known than the push says")
			}
			d.wants(2, 4, Pending, !waits, read)
			d.reads(hourly(4, 0))
			d.wants(1, 4, Exceeded, !waits, !read)
		},
		"not two that say the same": func(d *accountFixture) {
			d.pushes(3)
			d.wants(1, 3, Exceeded, !waits, !read)
		},
		"acknowledged usage that is perhaps in what was read": func(d *accountFixture) {
			p, begun := d.uses(1), d.tick()
			sent := d.leaves(p, 1)
			d.readsFrom(begun, hourly(4, 0))
			d.acks(p, 1, nil, time.Time{}, sent)
			d.wants(1, 5, Pending, !waits, read)
			d.reads(hourly(4, 0))
			d.wants(1, 5, Granted, !waits, !read)
		},
		"what was refused after an attempt that Stigg may have counted": func(d *accountFixture) {
			p, sent := d.uses(1), d.tick()
			d.acknowledges(p, answer{usage: usage{amount: 1, first: sent, maybe: true}})
			d.wants(1, 4, Pending, !waits, read)
			d.reads(hourly(3, 0))
			d.wants(1, 4, Granted, !waits, !read)
		},
		"usage whose price is not known, once it is acknowledged": func(d *accountFixture) {
			q := Ask{Limit: Limit{Max: 5}, Amount: 1, Unpriced: 2}
			if r := d.Check(d.now, d.cycle, q); r.Answer != Exceeded {
				d.Errorf("got %+v", r)
			}
			q.UnpricedAcked = 2
			if r := d.Check(d.now, d.cycle, q); r.Answer != Pending || !r.Outdated {
				d.Errorf("got %+v", r)
			}
		},
		"usage that an earlier run may have sent": func(d *accountFixture) {
			e := d.Meter().Record(1, d.now, d.now)
			e.SentBefore()
			d.reads(hourly(4, 0))
			d.wants(1, 5, Pending, !waits, !read)
			d.wants(2, 5, Exceeded, !waits, !read)
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newAccountFixture(t)
			d.reads(hourly(3, 0))
			run(d)
		})
	}
}
