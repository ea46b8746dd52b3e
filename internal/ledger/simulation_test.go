package ledger

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

var simulationSeeds = flag.Int("seeds", 3000, "how many random schedules of a simulated Stigg and network are tried")

// TestLedgerSimulation holds one feature and the wallet that pays for it against a simulated
// Stigg whose messages arrive in any order. After every step, with what is used by the newest
// observation that has arrived and by our own usage that is not in it:
//
//   - never is less known to be used, so nobody is let in past a limit;
//   - never is more sure to be used, so nobody is refused for good who has room;
//   - when all is at rest, one read makes both exact, and nothing is left behind.
func TestLedgerSimulation(t *testing.T) {
	for seed := range uint64(*simulationSeeds) {
		simulate(t, seed)
		if t.Failed() {
			return
		}
	}
}

// simulated is Stigg, the network, and a gate's use of the ledger.
type simulated struct {
	*testing.T
	*rand.Rand
	seed uint64
	log  []string

	ledger *Ledger
	book   *Book
	meter  *Meter
	wallet *Account

	passed time.Duration // since the start, by nature
	jump   time.Duration // by how much our clock is ahead
	skew   time.Duration // Stigg's clock less nature's
	// What this Stigg is like.
	stamps, giveBacks, resets, totals, events, silent, lag, jumps, replays bool

	units, credits simulatedCount
	messages       []*message // under way
	queue          []*simulatedUsage
	holds          []simulatedHold
	all            []*simulatedUsage
	inFlight       int // batches of measurements
	totalInFlight  bool
	batches        uint64
}

// simulatedCount is Stigg's count of the feature, or of the wallet: all that changed it, in
// order.
type simulatedCount struct {
	changes []change
	// arrived is how many changes the newest observation that arrived has seen, by period.
	arrived map[int]int
}

type change struct {
	period int
	amount float64
	set    bool // to the amount
	own    *simulatedUsage
	at     time.Duration
}

// message is something under way. next does its next step, and is false after the last.
type message struct {
	next func() bool
	by   time.Duration // when it must have arrived; 0: any time
}

type simulatedHold struct {
	hold   Hold
	amount float64
}

type simulatedUsage struct {
	entry   Entry
	sum     *simulatedSum // in whose entry it is, instead of its own
	amount  float64
	total   bool
	event   bool
	period  int
	ahead   bool // it was made while our clock was: Stigg counts it in the present period
	made    time.Time
	sent    bool
	counted bool
	maybe   bool
	// waits until it is acknowledged or refused; owed once it is acknowledged.
	waits, acked bool
	tries        int
	changes      int // how many Stigg had then
}

// simulatedSum is the entry of several usages.
type simulatedSum struct {
	entry Entry
	n     int
}

const price = 2

var simulationStart = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

func simulate(t *testing.T, seed uint64) {
	w := &simulated{T: t, Rand: rand.New(rand.NewPCG(seed, 1)), seed: seed, ledger: New()}
	w.ledger.passed = func() time.Duration { return w.passed }
	w.passed = time.Duration(w.IntN(3)) * (time.Hour - 10*time.Second) / 2
	w.skew = time.Duration(w.IntN(5)-2) * time.Second
	for _, like := range []*bool{&w.stamps, &w.giveBacks, &w.resets, &w.totals, &w.events, &w.silent, &w.lag, &w.jumps, &w.replays} {
		*like = w.IntN(2) == 0
	}
	w.units.arrived, w.credits.arrived = map[int]int{}, map[int]int{}
	w.book = w.ledger.Open(Owner{ID: "c"})
	w.others(5)
	unused := 0
	if w.IntN(2) == 0 {
		unused = 1 + w.IntN(20)
	} else {
		w.begin()
	}
	w.readNow()
	for range unused {
		w.unusedStep()
		w.check()
		if w.Failed() {
			return
		}
	}
	w.begin()
	for range 60 {
		w.step()
		w.check()
		if w.Failed() {
			return
		}
	}
	w.rest()
}

// simulatedCycle is that of the feature.
var simulatedCycle = Cycle{Hour, simulationStart}

// begin has both accounts used from now on.
func (w *simulated) begin() {
	w.wallet = w.book.Wallet("x")
	w.meter = &Meter{Account: w.book.Feature("f"), Cycle: simulatedCycle, Wallet: w.wallet, Price: price}
}

// account is one that was used so far, or nil.
func (w *simulated) account(wallet bool, id string) *Account {
	if i, found := w.book.search(key{wallet, id}); found {
		return w.book.accounts[i]
	}
	return nil
}

// unusedStep is a step while nothing is used here: Stigg tells what others use.
func (w *simulated) unusedStep() {
	switch w.IntN(8) {
	case 0, 1:
		w.others(float64(w.IntN(4)))
	case 2:
		w.read()
	case 3:
		w.push()
	case 4:
		w.pass([]time.Duration{time.Millisecond, 2 * time.Second, 6 * time.Second, 20 * time.Second, 10 * time.Minute, time.Hour}[w.IntN(6)])
	case 5:
		if w.jumps && w.IntN(2) == 0 {
			w.jump = time.Duration(w.IntN(2)) * 5 * time.Hour
			w.say("our clock is ahead by %v", w.jump)
		}
	default:
		if n := len(w.messages); n > 0 {
			w.deliver(w.IntN(n))
		}
		w.passed += time.Millisecond
	}
}

func (w *simulated) now() time.Time { return simulationStart.Add(w.passed + w.jump) }

func (w *simulated) stigg() time.Time { return simulationStart.Add(w.passed + w.skew) }

func (w *simulated) say(format string, a ...any) {
	w.log = append(w.log, fmt.Sprintf("%12v ", w.passed)+fmt.Sprintf(format, a...))
}

func (w *simulated) fail(format string, a ...any) {
	w.Helper()
	for _, line := range w.log {
		w.Log(line)
	}
	w.Errorf("seed %d: %s", w.seed, fmt.Sprintf(format, a...))
}

// hourOf is the number of the hour that a time falls in.
func hourOf(t time.Time) int { return int(math.Floor(t.Sub(simulationStart).Hours())) }

func (w *simulated) count(used float64, period int) Count {
	start := simulationStart.Add(time.Duration(period) * time.Hour)
	return Count{used, start, start.Add(time.Hour)}
}

// used is the count after so many changes.
func (c *simulatedCount) used(period, changes int) (used float64) {
	for _, x := range c.changes[:changes] {
		switch {
		case x.period != period:
		case x.set:
			used = x.amount
		default:
			used += x.amount
		}
	}
	return used
}

func (c *simulatedCount) apply(x change) { c.changes = append(c.changes, x) }

func (c *simulatedCount) observed(period, changes int) {
	c.arrived[period] = max(c.arrived[period], changes)
}

// seen is an observation that Stigg has made: of both counts, at one instant.
type seen struct {
	period         int
	units, credits int // changes seen
	at             time.Time
}

func (w *simulated) see() seen {
	s := seen{hourOf(w.stigg()), len(w.units.changes), len(w.credits.changes), time.Time{}}
	if w.stamps && w.IntN(4) > 0 {
		s.at = w.stigg().Add(time.Duration(w.IntN(5)-2) * time.Second).Truncate(100 * time.Millisecond)
	}
	return s
}

func (w *simulated) unitsOf(s seen) Count {
	r := w.count(w.units.used(s.period, s.units), s.period)
	if w.jump == 0 || w.has(r) {
		w.units.observed(s.period, s.units)
	}
	return r
}

// tells has the ledger told of units, by what may make their account: then what that knows afterwards
// says whether it has learned of their period, as has says of one that there is.
func (w *simulated) tells(s seen, tell func(Count)) {
	r, unused := w.count(w.units.used(s.period, s.units), s.period), w.account(false, "f") == nil
	known := w.jump == 0 || w.has(r)
	tell(r)
	if known && (!unused || w.jump == 0 || w.has(r)) {
		w.units.observed(s.period, s.units)
	}
}

// has reports whether the ledger knows the period of a count. While our clock is ahead, it
// learns nothing of a period that has begun meanwhile.
func (w *simulated) has(r Count) bool {
	a := w.account(false, "f")
	if a == nil {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roll(w.now(), simulatedCycle)
	return a.current.is(r) || a.named(r) != nil
}

func (w *simulated) creditsOf(s seen) Count {
	w.credits.observed(0, s.credits)
	return Count{Used: w.credits.used(0, s.credits)}
}

// others is what somebody else uses or resets.
func (w *simulated) others(n float64) {
	p := hourOf(w.stigg())
	if w.resets && w.IntN(6) == 0 {
		w.say("others set %v", n)
		w.units.apply(change{period: p, amount: n, set: true, at: w.passed})
		w.credits.apply(change{amount: n, set: true, at: w.passed})
		return
	}
	w.say("others use %v", n)
	w.units.apply(change{period: p, amount: n, at: w.passed})
	w.credits.apply(change{amount: n * price, at: w.passed})
}

// counts is the instant at which Stigg counts a usage of ours.
func (w *simulated) counts(u *simulatedUsage) {
	if u.counted {
		return
	}
	if u.counted = true; u.ahead {
		u.period = hourOf(w.stigg())
	}
	x := change{period: u.period, amount: u.amount, set: u.total, own: u, at: w.passed}
	w.units.apply(x)
	u.changes = len(w.units.changes)
	if u.amount > 0 && !u.total {
		w.credits.apply(change{amount: u.amount * price, own: u, at: w.passed})
	}
}

func (w *simulated) send(by time.Duration, steps ...func()) {
	w.messages = append(w.messages, &message{func() bool {
		steps[0]()
		steps = steps[1:]
		return len(steps) > 0
	}, by})
}

// deliver does the next step of a message.
func (w *simulated) deliver(i int) {
	if m := w.messages[i]; !m.next() {
		for j := range w.messages {
			if w.messages[j] == m {
				w.messages = append(w.messages[:j:j], w.messages[j+1:]...)
				return
			}
		}
	}
}

// pass lets time pass, and what must have arrived by then arrive.
func (w *simulated) pass(d time.Duration) {
	until := w.passed + d
	for {
		first := -1
		for i, m := range w.messages {
			if m.by != 0 && m.by <= until && (first < 0 || m.by < w.messages[first].by) {
				first = i
			}
		}
		if first < 0 {
			break
		}
		w.passed = max(w.passed, w.messages[first].by)
		w.deliver(first)
	}
	w.passed = max(w.passed, until)
	w.say("time passes")
}

func (w *simulated) step() {
	switch k := w.IntN(20); {
	case k < 3:
		w.use()
	case k < 5:
		w.sendBatch()
	case k == 5:
		w.others(float64(w.IntN(4)))
	case k == 6:
		w.read()
	case k == 7:
		w.push()
	case k == 8:
		w.settle()
	case k == 9:
		w.pass([]time.Duration{time.Millisecond, 300 * time.Millisecond, 2 * time.Second, 6 * time.Second, 20 * time.Second, 10 * time.Minute}[w.IntN(6)])
	case k == 10 && w.jumps && w.IntN(2) == 0:
		w.jump = time.Duration(w.IntN(2)) * 5 * time.Hour
		w.say("our clock is ahead by %v", w.jump)
	case k == 11:
		w.merge()
	default:
		if n := len(w.messages); n > 0 {
			w.deliver(w.IntN(n))
		}
		w.passed += time.Millisecond
	}
}

// use is an admission, or a report of what nobody admitted.
func (w *simulated) use() {
	amount := float64(1 + w.IntN(3))
	if w.giveBacks && w.IntN(3) == 0 {
		amount = -amount
	}
	now := w.now()
	switch k := w.IntN(6); {
	case k == 0 && w.totals:
		v := float64(w.IntN(12))
		w.say("a total of %v is recorded", v)
		w.settled(&simulatedUsage{entry: w.plain().RecordTotal(v, now, now), amount: v, total: true, made: now})
	case k < 3:
		w.say("%v are recorded", amount)
		u := &simulatedUsage{entry: w.meter.Record(amount, now, now), amount: amount, made: now}
		w.settled(u)
		if w.replays && w.jump == 0 && w.IntN(2) == 0 {
			w.sentBefore(u)
		}
	default:
		q := Ask{Limit: Limit{Unlimited: true}, Amount: max(0, amount)}
		h := w.meter.Hold(w.meter.Account.Hold(now, w.meter.Cycle, q), now)
		if amount > 0 {
			q.Amount *= price
			h.Pay(w.wallet.Hold(now, Cycle{}, q))
		}
		w.say("%v are held", amount)
		w.holds = append(w.holds, simulatedHold{h, amount})
	}
}

// sentBefore makes it a usage that an earlier run may have sent, and Stigg may have counted.
func (w *simulated) sentBefore(u *simulatedUsage) {
	u.entry.SentBefore()
	u.sent, u.tries = true, 1
	if w.IntN(2) == 0 {
		w.say("Stigg has it already")
		w.counts(u)
	}
}

// merge has one entry stand for one more usage of the queue.
func (w *simulated) merge() {
	if len(w.queue) < 2 {
		return
	}
	u, v := w.queue[w.IntN(len(w.queue))], w.queue[w.IntN(len(w.queue))]
	if u == v || v.sum != nil || u.period != v.period || u.ahead || v.ahead {
		return
	}
	s := u.sum
	if s == nil {
		s = &simulatedSum{u.entry, 1}
	}
	if s.entry.Merge(&v.entry) {
		w.say("%v and %v are one entry", u.amount, v.amount)
		u.sum, v.sum = s, s
		s.n++
	}
}

// takeOut gives a usage that is about to leave an entry of its own.
func (w *simulated) takeOut(u *simulatedUsage) {
	s := u.sum
	if s == nil {
		return
	}
	w.say("%v is taken out of an entry of %d", u.amount, s.n)
	if s.n--; s.n > 0 {
		u.entry = s.entry.Split(u.amount)
	} else {
		u.entry = s.entry
	}
	u.sum = nil
	w.check()
}

// plain is the feature without a price: nobody knows what a total costs.
func (w *simulated) plain() *Meter {
	m := *w.meter
	m.Wallet, m.Price = nil, 0
	return &m
}

func (w *simulated) settle() {
	if len(w.holds) == 0 {
		return
	}
	i := w.IntN(len(w.holds))
	h := w.holds[i]
	w.holds = append(w.holds[:i:i], w.holds[i+1:]...)
	if w.IntN(4) == 0 {
		w.say("%v are released", h.amount)
		h.hold.Release()
		return
	}
	w.say("%v are settled", h.amount)
	made := h.hold.At()
	w.settled(&simulatedUsage{entry: h.hold.Settle(h.amount, w.now()), amount: h.amount, made: made})
}

func (w *simulated) settled(u *simulatedUsage) {
	w.book.Pin()
	u.waits = true
	u.period, u.ahead = hourOf(u.made), u.made.After(simulationStart.Add(w.passed+Margin))
	if u.event = w.events && !u.total && w.IntN(4) == 0; u.event {
		u.entry.AsEvent()
	}
	w.all = append(w.all, u)
	w.queue = append(w.queue, u)
}

// sendBatch sends what is queued. Totals overtake nothing and are not overtaken.
func (w *simulated) sendBatch() {
	if len(w.queue) == 0 || w.totalInFlight {
		return
	}
	if u := w.queue[0]; u.event {
		w.queue = w.queue[1:]
		w.takeOut(u)
		w.sendEvent(u)
		return
	}
	n := 0
	for n < min(1+w.IntN(3), len(w.queue)) && !w.queue[n].event {
		if w.queue[n].total && w.inFlight > 0 {
			break
		}
		n++
	}
	if n == 0 {
		return
	}
	batch := w.queue[:n:n]
	w.queue = w.queue[n:]
	w.inFlight++
	for _, u := range batch {
		w.totalInFlight = w.totalInFlight || u.total
		w.takeOut(u)
	}
	w.attempt(batch)
}

func (w *simulated) attempt(batch []*simulatedUsage) {
	answers := make([]seen, len(batch))
	counted, acked := false, false
	steps := []func(){
		func() {
			w.say("a batch of %d leaves", len(batch))
			for _, u := range batch {
				u.entry.Leaves()
				u.sent = true
				u.tries++
			}
		},
		func() {
			if counted = w.IntN(5) > 0; !counted {
				return // it is lost on its way
			}
			at := w.see().at
			for i, u := range batch {
				w.counts(u)
				w.say("Stigg counts %v", u.amount)
				answers[i] = w.see()
				if answers[i].period = u.period; !at.IsZero() {
					answers[i].at = at
				}
			}
		},
		func() {
			if acked = counted && w.IntN(5) > 0; acked {
				w.acknowledge(batch, answers)
				return
			}
			w.say("a batch failed")
			for _, u := range batch {
				u.entry.Returns()
			}
			if w.IntN(4) == 0 {
				w.refuse(batch)
				return
			}
			w.attempt(batch)
		},
	}
	w.send(0, steps...)
}

func (w *simulated) acknowledge(batch []*simulatedUsage, answers []seen) {
	w.batches++
	mute := w.silent && w.IntN(2) == 0
	for i, u := range batch {
		s := answers[i]
		ack := Ack{At: s.at, Place: i}
		if u.tries == 1 {
			ack.Batch = w.batches
		}
		if !mute {
			r := w.unitsOf(s)
			if w.IntN(4) == 0 {
				r.Start, r.End = time.Time{}, time.Time{}
				w.units.observed(s.period, s.units) // it is of its usage's period, whichever that is
			}
			ack.Count = &r
		}
		if w.IntN(2) == 0 {
			ack.Credit = &CreditCount{w.creditsOf(s), "x", s.at}
		}
		w.say("%v is acknowledged: %+v %+v %+v", u.amount, ack, ack.Count, ack.Credit)
		if u.total && (w.jump == 0 || mute || ack.Count.End.IsZero() || w.has(*ack.Count)) { // it is an observation itself
			w.units.observed(u.period, u.changes)
		}
		u.entry.Acknowledge(ack, w.now())
		u.acked = true
		w.left(u)
	}
	w.arrived(batch)
}

func (w *simulated) refuse(batch []*simulatedUsage) {
	for _, u := range batch {
		w.say("%v is refused", u.amount)
		u.maybe = true
		u.entry.Refuse(true, w.now())
		w.left(u)
	}
	w.arrived(batch)
}

func (w *simulated) left(u *simulatedUsage) {
	u.waits = false
	u.entry.Notify()
	u.entry.Close()
}

func (w *simulated) arrived(batch []*simulatedUsage) {
	w.inFlight--
	for _, u := range batch {
		if u.total {
			w.totalInFlight = false
		}
	}
}

// sendEvent sends usage that Stigg acknowledges and counts later.
func (w *simulated) sendEvent(u *simulatedUsage) {
	w.send(0, func() {
		u.entry.Leaves()
		u.sent = true
		w.say("an event of %v leaves", u.amount)
	}, func() {
		by := w.passed + CountDelay
		w.say("the event of %v is acknowledged", u.amount)
		u.entry.Acknowledge(Ack{At: w.see().at, Delayed: true}, w.now())
		u.acked = true
		w.left(u)
		w.send(by, func() {
			w.say("Stigg counts the event of %v", u.amount)
			w.counts(u)
		})
	})
}

const simulatedLag = 3 * time.Second

func (w *simulated) read() {
	var began Tick
	var s seen
	w.send(0, func() {
		began = w.book.Begin()
		w.say("a read begins")
	}, func() {
		s = w.see()
		if w.lag {
			began = began.Before(simulatedLag)
			past := w.passed - time.Duration(w.Int64N(int64(simulatedLag)))
			before := func(c *simulatedCount) (n int) {
				for n < len(c.changes) && c.changes[n].at <= past {
					n++
				}
				return n
			}
			s.units, s.credits = before(&w.units), before(&w.credits)
		}
		w.say("Stigg reads")
	}, func() { w.readArrives(began, s) })
}

func (w *simulated) readArrives(began Tick, s seen) {
	credits := w.creditsOf(s)
	w.tells(s, func(units Count) {
		w.say("a read that began at %d arrives: %v of period %d, %v", began, units.Used, s.period, credits.Used)
		w.book.Read(began, told(simulatedCycle, units, credits), w.now())
	})
}

func (w *simulated) readNow() {
	began := w.book.Begin()
	w.passed += time.Millisecond
	w.readArrives(began, w.see())
}

// push is a count of one of both, or a set, of which no more is known than its age.
func (w *simulated) push() {
	s, what := w.see(), w.IntN(3)
	w.say("Stigg pushes %d", what)
	by := w.passed + Margin - time.Second
	if !s.at.IsZero() && what < 2 && w.jump == 0 && w.IntN(2) == 0 {
		s.at = w.stigg() // a webhook that is late
		by = 0
	}
	made := w.passed
	if what == 2 && w.jump == 0 && w.IntN(2) == 0 {
		by = 0 // so may a set
	}
	w.send(by, func() {
		switch what {
		case 0:
			a := w.book.Feature("f")
			r := w.unitsOf(s)
			stands := a.Push(r, s.at, w.now(), simulatedCycle)
			w.say("pushed units arrive: %v of period %d at %v: %v", r.Used, s.period, s.at, stands)
		case 1:
			r := w.creditsOf(s)
			stands := w.book.Wallet("x").Push(r, s.at, w.now(), Cycle{})
			w.say("pushed credits arrive: %v at %v: %v", r.Used, s.at, stands)
		default:
			credits := w.creditsOf(s)
			w.tells(s, func(units Count) {
				stands := w.book.Replace(w.passed-made, told(simulatedCycle, units, credits), true, w.now())
				w.say("a pushed set arrives: %v of period %d, %v: %v", units.Used, s.period, credits.Used, stands)
			})
		}
	})
}

// known is what is used, as far as anybody can know here: by the newest observation that
// has arrived, and by our own usage that is not in it. least and most are by how much it may
// differ for what was made while our clock was ahead: nobody knows where that counts.
func (w *simulated) known(c *simulatedCount, period int, amount func(*simulatedUsage) float64) (used, least, most float64) {
	n := c.arrived[period]
	used = c.used(period, n)
	counted := map[*simulatedUsage]bool{}
	for _, x := range c.changes[:n] {
		counted[x.own] = true
	}
	for _, u := range w.all {
		switch {
		case counted[u] || u.total || !(u.waits && u.amount > 0 || u.acked || u.maybe && u.counted):
		case c == &w.credits || u.period == period && (u.counted || !u.ahead):
			if used += amount(u); u.ahead {
				least += max(0, -amount(u))
			}
		case u.ahead && !u.counted && u.amount > 0:
			most += amount(u)
		}
	}
	return used, least, most
}

// after is what was settled after the usage at an index, of a period.
func (w *simulated) after(i, period int) (amount float64) {
	for _, u := range w.all[i+1:] {
		if !u.total && (u.period == period || u.ahead && !u.counted) {
			amount += max(0, u.amount)
		}
	}
	return amount
}

func (w *simulated) check() {
	if w.jump != 0 {
		return
	}
	if a := w.account(false, "f"); a != nil {
		w.checkAccount(a, simulatedCycle, &w.units, func(u *simulatedUsage) float64 { return u.amount })
	} else {
		w.checkUnused(false, &w.units)
	}
	if w.wallet = w.account(true, "x"); w.wallet != nil {
		w.checkAccount(w.wallet, Cycle{}, &w.credits, func(u *simulatedUsage) float64 {
			return max(0, u.amount) * price
		})
	} else {
		w.checkUnused(true, &w.credits)
	}
}

// checkUnused holds what a Counter says: of one observation, so it is exact.
func (w *simulated) checkUnused(wallet bool, c *simulatedCount) {
	counter, span := w.book.last.Counter(wallet, map[bool]string{false: "f", true: "x"}[wallet])
	s, p := counter.Present(w.now(), span), 0
	if !wallet {
		p = hourOf(s.Start)
	}
	if used := c.used(p, c.arrived[p]); s.Known() != used || s.Shown(0) != used {
		w.fail("wallet %v: %v are known, %v shown, and %v are used in period %d", wallet, s.Known(), s.Shown(0), used, p)
	}
}

func (w *simulated) checkAccount(a *Account, cycle Cycle, c *simulatedCount, amount func(*simulatedUsage) float64) {
	now := w.now()
	s := a.Present(now, cycle)
	p := 0
	if a != w.wallet {
		p = hourOf(s.Start)
	} else {
		now = simulationStart
	}
	used, atLeast, atMost := w.known(c, p, amount)
	atLeast, atMost = used+atLeast, used+atMost
	if a != w.wallet {
		for i, u := range w.all {
			if u.total && u.waits && u.period == p {
				total := u.amount + w.after(i, p)
				if atMost = max(atMost, total); !u.sent {
					atLeast = max(atLeast, total)
				}
			}
		}
	}
	a.mu.Lock()
	least := a.leastNow(now)
	state := fmt.Sprintf("frontier %+v, acknowledged %+v, departed %+v", a.current.frontier, a.current.acknowledged, a.current.departed)
	a.mu.Unlock()
	const drift = 1e-9
	if s.Known() < atMost-drift {
		w.fail("wallet %v: %v are known, and %v are used in period %d: too much is let in; %s", a == w.wallet, s.Known(), atMost, p, state)
	}
	if least > atLeast+drift {
		w.fail("wallet %v: %v are sure, and %v are used in period %d: too much is refused; %s", a == w.wallet, least, atLeast, p, state)
	}
}

// rest lets all end, and reads once.
func (w *simulated) rest() {
	w.jump, w.lag = 0, false
	for len(w.holds) > 0 {
		w.settle()
	}
	for len(w.messages)+len(w.queue) > 0 && !w.Failed() {
		w.sendBatch()
		if n := len(w.messages); n > 0 {
			w.deliver(w.IntN(n))
		}
		w.passed += time.Millisecond
		w.check()
	}
	if w.Failed() {
		return
	}
	w.pass(CountDelay + Margin)
	w.readNow()
	if hourOf(w.now()) != hourOf(w.stigg()) {
		w.pass(5 * time.Second)
		w.readNow()
	}
	for _, a := range []*Account{w.meter.Account, w.wallet} {
		c, p, cycle := &w.units, hourOf(w.stigg()), w.meter.Cycle
		if a == w.wallet {
			c, p, cycle = &w.credits, 0, Cycle{}
		}
		want := c.used(p, len(c.changes))
		s := a.Present(w.now(), cycle)
		if s.Balance != (Balance{Used: want}) {
			w.fail("at rest, wallet %v has %+v, Stigg %v", a == w.wallet, s, want)
		}
		q := a.current
		if least := a.leastNow(w.now()); least != want || len(q.frontier) != 1 || len(q.acknowledged)+len(q.departed)+len(a.recorded())+len(a.totals())+int(a.onWay)+q.waits+q.holds > 0 {
			w.fail("at rest, wallet %v: least %v of %v; %+v; %+v; %+v; %d recorded, %d totals, %d on their way", a == w.wallet, least, want, q.frontier, q.acknowledged, q.departed, len(a.recorded()), len(a.totals()), a.onWay)
		}
	}
}
