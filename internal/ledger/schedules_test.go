package ledger

import (
	"encoding/binary"
	"flag"
	"math"
	"slices"
	"testing"
	"time"
)

// smallWorld is one account and little that happens: two usages of ours, of which one gives
// back; a read, a push, and a pushed set; and one usage of somebody else. Each is sent,
// counted and arrives at its own steps.
type smallWorld struct {
	smallKind
	account *Account
	clock   Tick
	steps   [happenings]int // how many are done of each
	// Of each: when it began, what Stigg counted, of how many changes, at which time of its.
	began   [happenings]Tick
	counted [happenings]float64
	seen    [happenings]int
	at      [happenings]time.Time
	changes []int // the usages in the order in which Stigg counted them
	newest  int   // how many of them the newest observation that has arrived has
	now     time.Duration
}

// smallKind is a kind of small world.
type smallKind struct {
	name   string
	pause  time.Duration // between two steps
	silent bool          // acknowledgements have no counts
	batch  bool          // both usages are sent in one batch
	later  bool          // and are counted later than they are acknowledged
}

const (
	firstUsage = iota
	secondUsage
	smallRead
	smallPush
	smallSet
	othersUsage
	happenings
)

var (
	smallSteps   = [happenings]int{3, 3, 3, 2, 2, 1}
	smallAmounts = [happenings]float64{firstUsage: 2, secondUsage: -1, othersUsage: 4}
)

const smallStart = 5

var everySchedule = flag.Bool("every", false, "the small world with all that happens in it, which takes minutes; else each time without a read, a push or a set")

// TestLedgerInEverySchedule tries all orders of all steps of the small world, and holds the
// account after each of them against what is used: never less is known, and never more is
// sure. Schedules that have led to the same are gone on with once.
func TestLedgerInEverySchedule(t *testing.T) {
	without := map[string][]int{"a read": {smallRead}, "a push": {smallPush}, "a set": {smallSet}}
	if *everySchedule {
		without = map[string][]int{"nothing": nil}
	}
	for _, kind := range []smallKind{
		{name: "all at once"},
		{name: "without counts", silent: true},
		{name: "in one batch", batch: true},
		{name: "slowly", pause: 2 * Margin},
		{name: "counted later", later: true},
	} {
		for name, left := range without {
			if kind.pause > 0 && name != "a read" && !*everySchedule {
				continue // there are many more, since no two instants are alike
			}
			t.Run(kind.name+", without "+name, func(t *testing.T) {
				states, schedules := explore(t, kind, left)
				t.Logf("%.0f schedules, %d states", schedules, states)
			})
		}
	}
}

// explore returns how many states there are, and how many schedules lead through them.
func explore(t *testing.T, kind smallKind, without []int) (states int, schedules float64) {
	w := &smallWorld{smallKind: kind, account: newAccountFixture(t).Account}
	w.account.Read(w.account.book.Begin(), Count{Used: smallStart}, noon(0), Cycle{})
	w.clock = w.account.book.Tick()
	for _, i := range without {
		w.steps[i] = smallSteps[i]
	}
	layer := map[string]*smallWorld{"": w}
	ways := map[string]float64{"": 1}
	for len(layer) > 0 {
		next, nextWays := map[string]*smallWorld{}, map[string]float64{}
		for key, w := range layer {
			states++
			done := true
			for i, n := range w.steps {
				if n == smallSteps[i] || kind.batch && i == secondUsage {
					continue
				}
				done = false
				v := w.clone()
				v.step(i)
				if kind.batch && i == firstUsage {
					v.stepTogether()
				}
				if !v.holds(t) {
					return states, schedules
				}
				k := v.key()
				next[k] = v
				nextWays[k] += ways[key]
			}
			if done {
				schedules += ways[key]
				w.rest(t)
			}
		}
		layer, ways = next, nextWays
	}
	return states, schedules
}

func (w *smallWorld) clone() *smallWorld {
	v := *w
	v.changes = slices.Clone(w.changes)
	p := *w.account.current
	p.frontier, p.acknowledged, p.departed = slices.Clone(p.frontier), slices.Clone(p.acknowledged), slices.Clone(p.departed)
	v.account = &Account{book: w.account.book, current: &p, departure: w.account.departure, onWay: w.account.onWay}
	return &v
}

// step does the next step of one happening.
func (w *smallWorld) step(i int) {
	a, p := w.account, w.account.current
	w.now += w.pause
	a.book.clock.Store(uint64(max(w.clock, Tick(w.now))))
	now := noon(0).Add(w.now)
	n := w.steps[i]
	w.steps[i]++
	switch {
	case i == othersUsage || i <= secondUsage && n == 1:
		if i == othersUsage || !w.later {
			w.count(i)
		}
		w.see(i, now)
	case i <= secondUsage && n == 0:
		p.wait(smallAmounts[i])
		w.began[i] = a.book.Tick()
		a.leaves(p, w.began[i], smallAmounts[i])
	case i <= secondUsage:
		w.acknowledge(i, now)
	case i == smallRead && n == 0:
		w.began[i] = a.book.Begin()
	case i == smallRead && n == 1:
		w.see(i, now)
	case i == smallRead:
		a.Read(w.began[i], w.arrives(i), now, Cycle{})
	case n == 0:
		w.see(i, now)
	default:
		at := w.at[i]
		if i == smallSet && w.pause == 0 {
			at = time.Time{}
		}
		a.Push(w.arrives(i), at, now, Cycle{})
	}
	w.clock = a.book.Tick()
}

// stepTogether does with the second usage what was done with the first.
func (w *smallWorld) stepTogether() {
	pause := w.pause
	w.pause = 0
	w.step(secondUsage)
	w.pause = pause
}

func (w *smallWorld) acknowledge(i int, now time.Time) {
	u := answer{usage: usage{amount: smallAmounts[i], first: w.began[i], stamp: stampOf(w.at[i]), later: w.later}}
	if w.batch {
		u.stamp.batch, u.stamp.place = 1, i
	}
	if !w.silent && !w.later {
		r := w.arrives(i)
		u.count = &r
	}
	w.account.acknowledge(w.account.current, u, true, now, Cycle{})
	w.account.notify()
}

func (w *smallWorld) count(i int) { w.changes = append(w.changes, i) }

// see is Stigg's count at this instant.
func (w *smallWorld) see(i int, now time.Time) {
	w.counted[i], w.seen[i], w.at[i] = smallStart, len(w.changes), now
	for _, j := range w.changes {
		w.counted[i] += smallAmounts[j]
	}
}

func (w *smallWorld) arrives(i int) Count {
	w.newest = max(w.newest, w.seen[i])
	return Count{Used: w.counted[i]}
}

// used is what is used by the newest observation that has arrived, and by our own usage
// that is not in it.
func (w *smallWorld) used() float64 {
	used := float64(smallStart)
	for _, i := range w.changes[:w.newest] {
		used += smallAmounts[i]
	}
	for _, i := range []int{firstUsage, secondUsage} {
		in := slices.Contains(w.changes[:w.newest], i)
		if !in && (w.steps[i] == 3 || w.steps[i] > 0 && smallAmounts[i] > 0) {
			used += smallAmounts[i]
		}
	}
	return used
}

func (w *smallWorld) holds(t *testing.T) bool {
	t.Helper()
	a := w.account
	known, used := a.balance().Known(), w.used()
	least := a.leastNow(noon(0))
	if known < used || least > used {
		t.Errorf("steps %v, counted in the order %v: between %v and %v are known, and %v are used; %+v, %+v", w.steps, w.changes, least, known, used, a.current.frontier, a.current.acknowledged)
		return false
	}
	return true
}

// rest reads once when all is done.
func (w *smallWorld) rest(t *testing.T) {
	t.Helper()
	a := w.account
	want := smallStart + smallAmounts[firstUsage] + smallAmounts[secondUsage] + smallAmounts[othersUsage]
	a.book.clock.Store(uint64(w.clock + Tick(CountDelay)))
	a.Read(a.book.Begin(), Count{Used: want}, noon(0), Cycle{})
	known := a.balance().Known()
	if least := a.leastNow(noon(0)); known != want || least != want || len(a.current.acknowledged)+len(a.current.departed)+a.onWay != 0 {
		t.Fatalf("at rest, between %v and %v are known, and %v are used; %+v %+v %d", least, known, want, a.current.acknowledged, a.current.departed, a.onWay)
	}
}

// ours is which usages are among the first changes.
func (w *smallWorld) ours(changes int) (mask byte) {
	for _, i := range w.changes[:changes] {
		mask |= 1 << i
	}
	return mask
}

// key is all that matters of the world for what may come, with the order of its ticks in
// place of the ticks.
func (w *smallWorld) key() string {
	var ticks []Tick
	var rest []byte
	num := func(all ...float64) {
		for _, x := range all {
			rest = binary.LittleEndian.AppendUint64(rest, math.Float64bits(x))
		}
	}
	stamped := func(s stamp) { num(float64(s.from), float64(s.to), float64(s.batch), float64(s.place)) }
	p := w.account.current
	for _, o := range p.frontier {
		ticks = append(ticks, o.lo, o.hi)
		stamped(o.stamp)
		num(o.used, o.excess)
	}
	num(-1)
	for _, u := range p.acknowledged {
		ticks = append(ticks, u.first, u.last)
		stamped(u.stamp)
		num(u.used, u.freed)
	}
	num(-1)
	for _, u := range p.departed {
		ticks = append(ticks, u.first, u.last)
		num(u.used, u.freed, float64(u.count))
	}
	num(p.unacked, float64(w.now))
	ticks = append(ticks, w.account.departure)
	rest = append(rest, w.ours(w.newest), w.ours(len(w.changes)))
	for i := range happenings {
		rest = append(rest, byte(w.steps[i]))
		if w.steps[i] == smallSteps[i] {
			continue // nothing comes of it any more
		}
		ticks = append(ticks, w.began[i])
		num(w.counted[i], float64(w.at[i].Unix()), float64(max(0, w.seen[i]-w.newest)))
		rest = append(rest, w.ours(w.seen[i]))
	}
	sorted := slices.Clone(ticks)
	slices.Sort(sorted)
	sorted = slices.Compact(sorted)
	for _, x := range ticks {
		i, _ := slices.BinarySearch(sorted, x)
		rest = append(rest, byte(i))
	}
	return string(rest)
}
