package ledger

import (
	"flag"
	"maps"
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
	// beganLast is when the last read began.
	beganLast Tick
	steps     [happenings]int // how many are done of each
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

var everySchedule = flag.Bool("every", false, "the small world with all that happens in it, which takes a minute; else each time without a read, a push or a set")

// TestLedgerInEverySchedule tries all orders of all steps of the small world, and holds the
// account after each of them against what is used: never less is known, and never more is
// sure. Schedules that have led to the same state (key) are gone on with once.
func TestLedgerInEverySchedule(t *testing.T) {
	worlds := map[string][]int{"without a read": {smallRead}, "without a push": {smallPush}, "without a set": {smallSet}}
	if *everySchedule {
		worlds = map[string][]int{"with all": nil}
	}
	for _, kind := range []smallKind{
		{name: "all at once"},
		{name: "without counts", silent: true},
		{name: "in one batch", batch: true},
		{name: "slowly", pause: 2 * Margin},
		{name: "counted later", later: true},
	} {
		for name, without := range worlds {
			t.Run(kind.name+", "+name, func(t *testing.T) {
				states, schedules := explore(t, kind, without)
				t.Logf("%.0f schedules, %d states", schedules, states)
			})
		}
	}
}

// explore returns how many states there are, and how many schedules lead through them.
func explore(t *testing.T, kind smallKind, without []int) (states int, schedules float64) {
	w := &smallWorld{smallKind: kind, account: newAccountFixture(t).Account}
	w.account.Read(w.account.book.Begin(), Count{Used: smallStart}, noon(0), Cycle{})
	w.clock, w.beganLast = w.account.book.Tick(), Tick(w.account.book.began.Load())
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
				k := v.key()
				if next[k] == nil {
					if !v.holds(t) {
						return states, schedules
					}
					next[k] = v
				}
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
	a.book.began.Store(uint64(w.beganLast))
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
	w.clock, w.beganLast = a.book.Tick(), Tick(a.book.began.Load())
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
	if least := a.leastNow(noon(0)); known != want || least != want || len(a.current.acknowledged)+len(a.current.departed)+int(a.onWay) != 0 {
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

// tickClass says how a tick is compared. A bound from below (lo, first) is only compared with
// bounds from above (hi, last), never with its own kind, so that their order among themselves
// is nothing that a state must tell.
type tickClass byte

const (
	fromBelow tickClass = 1 << iota
	fromAbove
)

// stateKey collects what tells one state of the world from another.
type stateKey struct {
	ticks   []Tick
	classes []tickClass
	times   []int64 // Stigg's
	rest    []byte
}

func (k *stateKey) tick(c tickClass, t Tick) {
	k.ticks, k.classes = append(k.ticks, t), append(k.classes, c)
}

// num adds small whole numbers; all amounts of the small world are.
func (k *stateKey) num(all ...float64) {
	for _, x := range all {
		b := int8(x)
		if float64(b) != x {
			panic("the small world has small whole numbers only")
		}
		k.rest = append(k.rest, byte(b))
	}
}

func (k *stateKey) stamp(s stamp) {
	k.times = append(k.times, s.from, s.to)
	k.num(float64(s.batch), float64(s.place))
}

// String has ranks in place of ticks and times. Adjacent ticks of one class have one rank.
// Of times the order is enough: they are equal, or further apart than Margin.
func (k *stateKey) String() string {
	at := make(map[Tick]tickClass, len(k.ticks))
	for i, t := range k.ticks {
		at[t] |= k.classes[i]
	}
	rank, last := byte(0), tickClass(0)
	ranks := make(map[Tick]byte, len(at))
	for _, t := range slices.Sorted(maps.Keys(at)) {
		if c := at[t]; c != last || c == fromBelow|fromAbove {
			rank, last = rank+1, c
		}
		ranks[t] = rank
	}
	for _, t := range k.ticks {
		k.rest = append(k.rest, ranks[t])
	}
	sorted := slices.Compact(slices.Sorted(slices.Values(k.times)))
	for _, t := range k.times {
		i, _ := slices.BinarySearch(sorted, t)
		if t != 0 { // 0 is none
			i++
		}
		k.rest = append(k.rest, byte(i))
	}
	return string(k.rest)
}

// key is all that matters of the world for what may come.
func (w *smallWorld) key() string {
	var k stateKey
	p := w.account.current
	for _, o := range p.frontier {
		k.tick(fromBelow, o.lo)
		k.tick(fromAbove, o.hi)
		k.stamp(o.stamp)
		k.num(o.used, o.excess)
	}
	k.num(-128)
	for _, u := range p.acknowledged {
		k.tick(fromBelow, u.first)
		k.tick(fromAbove, u.last)
		k.stamp(u.stamp)
		k.num(u.used, u.freed)
	}
	k.num(-128)
	for _, u := range p.departed {
		k.tick(fromBelow, u.first)
		k.tick(fromBelow, u.last)
		k.num(u.used, u.freed, float64(u.count))
	}
	k.num(p.unacked)
	k.tick(fromBelow|fromAbove, w.clock) // all that comes is later
	k.tick(fromBelow, max(w.account.departure, w.beganLast))
	k.rest = append(k.rest, w.ours(w.newest), w.ours(len(w.changes)))
	for i := range happenings {
		k.rest = append(k.rest, byte(w.steps[i]))
		switch {
		case w.steps[i] == smallSteps[i]:
			continue // nothing comes of it any more
		case w.steps[i] > 0 && i <= secondUsage:
			k.num(float64(slices.IndexFunc(p.departed, func(d departed) bool { return d.first <= w.began[i] && w.began[i] <= d.last })))
		case w.steps[i] > 0 && (i == smallPush || i == smallSet): // it can't be older
			w.began[i] = Tick(max(1, w.at[i].Sub(noon(0))-Margin))
		}
		k.tick(fromBelow, w.began[i])
		k.num(w.counted[i], float64(max(0, w.seen[i]-w.newest)))
		k.stamp(stampOf(w.at[i]))
		k.rest = append(k.rest, w.ours(w.seen[i]))
	}
	return k.String()
}
