package conformance

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stiggate/gate/fleet"
	replica "github.com/stiggate/gate/internal/fleet"
)

// fleetWorld is one schedule: one thread, and time that passes by steps.
type fleetWorld struct {
	t      *testing.T
	rng    *rand.Rand
	seed   uint64
	may    fleetChances
	suite  *Fleet
	store  fleet.Fleet
	clock  *simClock
	timing fleet.Timing

	account  fleet.Account
	began    int64 // periods are counted from here
	limit    float64
	replicas []*simReplica
	events   []*simEvent
	granted  []*simGrant // answers on their way
	usages   []*simUsage
	stigg    map[int]*simStigg // by period
	restore  func()
	callsN   uint64
	names    int

	calls, grants, refusals, losses int
	// over is by how much the limit was passed at most, and slack by how much it may be: what was
	// out when something was lost. lost: the store was.
	over, slack float64
	lost        bool
	log         []string
}

// simStigg is what Stigg counts of one period: ours, and of others.
type simStigg struct {
	count, others float64
	// known is others' usage in the counts that the store was told.
	known float64
}

// simReplica is one process.
type simReplica struct {
	name    string
	book    *replica.Book
	periods map[int]*replica.Period
	period  int
	holds   []simHold
	settled []*simUsage // waits to be reported
	busy    *simCall
	// others is others' usage in the counts that are not told yet.
	others      map[int]float64
	skew        int64
	backs       int
	dead, cut   bool
	pausedUntil int64
	cutUntil    int64
	heard       int64 // when the store last heard of it
	forfeited   bool  // it was silent for so long that what it has was given to others
}

type simHold struct {
	amount float64
	period int
}

// simUsage is one usage, which Stigg counts once.
type simUsage struct {
	amount  float64
	period  int
	owner   *simReplica
	flights int
	counted bool
	acked   bool
	since   fleet.Note
}

// simEvent happens at a time, to a replica if it is for one: not while that one pauses, and not
// after its death.
type simEvent struct {
	at  int64
	to  *simReplica
	run func()
}

type simCall struct {
	call   replica.Call
	need   float64
	others float64
	period int
	grant  fleet.Grant
	ran    bool
	ended  bool
}

// simGrant is an answer that the replica has not heard yet.
type simGrant struct {
	owner  *simReplica
	units  float64
	period int
	until  int64
}

const simPeriod = 40_000 // ms

func newFleetWorld(t *testing.T, suite *Fleet, store fleet.Fleet, clock *simClock, timing fleet.Timing, may fleetChances, seed uint64) *fleetWorld {
	w := &fleetWorld{
		t: t, rng: newRand(seed), seed: seed, may: may, suite: suite, store: store, clock: clock, timing: timing,
		stigg: make(map[int]*simStigg), account: fleet.Account{Customer: fmt.Sprint("schedule-", seed), Resource: t.Name(), Feature: "units"},
	}
	clock.ms.Add(4 * time.Hour.Milliseconds()) // what earlier schedules lost is long ago
	w.began = clock.ms.Load()
	if may.periods { // near the end of the first
		clock.ms.Add(simPeriod - w.rng.Int64N(8000))
	}
	w.limit = float64(10 + w.rng.IntN(60))
	if w.rng.IntN(2) == 0 {
		w.limit *= 8
	}
	for range 2 + w.rng.IntN(4) {
		w.start()
	}
	return w
}

func (w *fleetWorld) now() int64 { return w.clock.ms.Load() }

func (w *fleetWorld) fail(format string, a ...any) {
	w.t.Helper()
	w.t.Fatalf("seed %d, %+v: %s\n%s", w.seed, w.may, fmt.Sprintf(format, a...), strings.Join(w.log[max(0, len(w.log)-12):], "\n"))
}

func (w *fleetWorld) note(format string, a ...any) {
	w.log = append(w.log, fmt.Sprintf("%7d ", w.now()-w.began)+fmt.Sprintf(format, a...))
}

// in has something happen after so many ms.
func (w *fleetWorld) in(ms int64, to *simReplica, run func()) {
	w.events = append(w.events, &simEvent{w.now() + ms, to, run})
}

// delay is how long a message is on its way.
func (w *fleetWorld) delay() int64 {
	d := w.rng.Int64N(8) + 1
	switch {
	case w.rng.IntN(12) == 0:
		d += w.rng.Int64N(300)
	case w.rng.IntN(60) == 0:
		d += w.rng.Int64N(6000)
	}
	return d
}

func (w *fleetWorld) periodAt(ms int64) int {
	if !w.may.periods {
		return 0
	}
	return int((ms - w.began) / simPeriod)
}

func (w *fleetWorld) of(period int) *simStigg {
	s := w.stigg[period]
	if s == nil {
		s = &simStigg{}
		w.stigg[period] = s
	}
	return s
}

func (w *fleetWorld) start() *simReplica {
	w.names++
	r := &simReplica{name: fmt.Sprint("r", w.names), periods: make(map[int]*replica.Period), period: -1, others: make(map[int]float64)}
	r.book = replica.NewBook(w.account, r.name, func() uint64 { w.callsN++; return w.callsN })
	if w.may.periods {
		r.skew = w.rng.Int64N(2000) - 1000
	}
	w.replicas = append(w.replicas, r)
	w.enter(r)
	return r
}

// enter has the replica be in the period that its clock says, and returns it.
func (w *fleetWorld) enter(r *simReplica) *replica.Period {
	p := w.periodAt(w.now() + r.skew)
	if p <= r.period {
		return r.periods[r.period]
	}
	start, end := int64(0), int64(0)
	if w.may.periods {
		start, end = w.began+int64(p)*simPeriod, w.began+int64(p+1)*simPeriod
	}
	r.period = p
	r.periods[p] = r.book.Open(start, end, true)
	r.book.Hint(r.periods[p], w.of(p).count) // the set was read
	r.others[p] = w.of(p).others
	r.forfeited = false
	r.heard = 0
	return r.periods[p]
}

// total is what is admitted, or may be without another word of the store's, with others' usage that
// the store was told of.
func (w *fleetWorld) total(period int) float64 {
	sum := w.of(period).known
	for _, r := range w.replicas {
		p := r.periods[period]
		if r.dead || p == nil {
			continue
		}
		if r.period == period {
			sum += r.book.Spare(w.clock.now())
		}
		held, settled := p.Sums()
		sum += held + settled
	}
	for _, u := range w.usages {
		switch {
		case u.period != period:
		case u.amount < 0:
			if u.counted {
				sum += u.amount
			}
		case u.acked, u.owner.dead && (u.counted || u.flights > 0):
			sum += u.amount
		}
	}
	for _, g := range w.granted {
		if g.period == period && !g.owner.dead && w.now() < g.until {
			sum += g.units
		}
	}
	return sum
}

// send begins a call, unless one is under way.
func (w *fleetWorld) send(r *simReplica, need float64, keep bool) {
	if r.busy != nil {
		return
	}
	w.enter(r)
	want := need
	if need > 0 && w.rng.IntN(2) == 0 {
		want += float64(w.rng.IntN(40))
	}
	c := &simCall{call: r.book.Prepare(need, 0, want, w.limit, keep, w.clock.now()), need: need, others: r.others[r.period], period: r.period}
	r.others[r.period] = 0
	r.busy = c
	runs := w.delay()
	w.in(runs, nil, func() { w.run(r, c, true) })
	w.in(runs+w.delay(), r, func() { w.reply(r, c) })
	w.in(fleet.MaxCallTime.Milliseconds()+1, r, func() { w.reply(r, c) })
}

// run has a call reach the store: the first time, or repeated by the network.
func (w *fleetWorld) run(r *simReplica, c *simCall, first bool) {
	if first {
		c.ran = true
		if w.rng.IntN(20) == 0 {
			w.in(w.rng.Int64N(20_000), nil, func() { w.run(r, c, false) })
		}
		if r.cut && w.rng.IntN(2) == 0 {
			c.grant.Err = errLost
			return
		}
	}
	state := c.call.State
	grants, err := w.store.Sync(w.t.Context(), []fleet.State{state})
	if err != nil || len(grants) != 1 || grants[0].Err != nil {
		w.fail("the store: %v, %+v", err, grants)
	}
	g := grants[0]
	w.calls++
	if g.Lost {
		w.losses++
	}
	w.note("%s n=%d period %d have %v spare %v settled %v need %v count %v hint %v: %+v", r.name, state.N, c.period, state.Have, state.Spare, state.Settled, c.need, state.Count, state.Hint, g)
	if g.Code == fleet.Over && w.may.periods && w.now() < state.End {
		w.fail("a period is said to be over that is not")
	}
	if g.Code == fleet.Stale || g.Code == fleet.Early || g.Code == fleet.Over {
		if first {
			c.grant = g
		}
		return
	}
	s := w.of(c.period)
	s.known = max(s.known, c.others)
	if r.period == c.period {
		r.heard, r.forfeited = w.now(), false
	}
	if first {
		c.grant = g
		if g.Units > 0 && !c.ended {
			w.granted = append(w.granted, &simGrant{r, g.Units, c.period, c.call.Made().UnixMilli() + w.timing.Valid.Milliseconds()})
		}
	}
	sum := w.total(c.period)
	if counted := g.Base + g.Plus + g.Out; !w.lost && sum > counted+w.slack+1e-9 {
		w.fail("the store counts %v + %v + %v; %v are used or may be, %v were silent for too long", g.Base, g.Plus, g.Out, sum, w.slack)
	}
	switch {
	case !first:
	case g.Units > 0:
		w.grants++
		if over := sum - state.Limit; over > 1e-9 {
			w.over = max(w.over, over)
			if over > w.slack+1e-9 {
				w.fail("%v were granted: %v of %v are out, and %v may be too many", g.Units, sum, state.Limit, w.slack)
			}
		}
	case c.need > 0:
		w.refusals++
	}
}

var errLost = errors.New("the call was lost")

// reply has the replica hear the answer, or give up.
func (w *fleetWorld) reply(r *simReplica, c *simCall) {
	if c.ended {
		return
	}
	c.ended = true
	r.busy = nil
	w.granted = slices.DeleteFunc(w.granted, func(g *simGrant) bool { return g.owner == r })
	g := c.grant
	if !c.ran || r.cut {
		g = fleet.Grant{Err: errLost}
	}
	if !r.book.Apply(c.call, g, w.clock.now()) {
		r.others[c.period] = max(r.others[c.period], c.others)
	}
	if c.need > 0 && c.period == r.period {
		w.take(r, c.need)
	}
}

func (w *fleetWorld) take(r *simReplica, amount float64) bool {
	if r.book.Take(r.periods[r.period], amount, amount, w.clock.now()) == 0 {
		return false
	}
	r.holds = append(r.holds, simHold{amount, r.period})
	return true
}

// change changes what is held and settled in a period; some of it comes back.
func (r *simReplica) change(period int, held, settled, back float64) {
	p := r.periods[period]
	h, s := p.Sums()
	r.book.Has(p, h+held, s+settled, back)
}

// deliver has all happen that is due.
func (w *fleetWorld) deliver() {
	for i := 0; i < len(w.events); i++ {
		e := w.events[i]
		dead := e.to != nil && e.to.dead
		if !dead && (e.at > w.now() || e.to != nil && e.to.pausedUntil > w.now()) {
			continue
		}
		w.events = slices.Delete(w.events, i, i+1)
		i--
		if !dead {
			e.run()
		}
	}
}

// admit is a request.
func (w *fleetWorld) admit(r *simReplica) {
	w.enter(r)
	if n := float64(1 + w.rng.IntN(3)); !w.take(r, n) {
		w.send(r, n, true)
	}
}

// end is the end of a request.
func (w *fleetWorld) end(r *simReplica, settle bool) {
	if len(r.holds) == 0 {
		return
	}
	i := w.rng.IntN(len(r.holds))
	h := r.holds[i]
	r.holds = slices.Delete(r.holds, i, i+1)
	used := 0.0
	if settle {
		used = h.amount
		if w.rng.IntN(4) == 0 {
			used = float64(1 + w.rng.IntN(int(h.amount)))
		}
	}
	r.change(h.period, -h.amount, used, h.amount-used)
	if used > 0 {
		w.queue(r, used, h.period)
	}
}

func (w *fleetWorld) queue(r *simReplica, amount float64, period int) {
	u := &simUsage{amount: amount, period: period, owner: r}
	w.usages = append(w.usages, u)
	r.settled = append(r.settled, u)
}

// report sends what waits longest to Stigg.
func (w *fleetWorld) report(r *simReplica) {
	if len(r.settled) == 0 {
		return
	}
	u := r.settled[0]
	r.settled = r.settled[1:]
	u.since = r.book.Note()
	u.flights++
	lost := w.rng.IntN(8) == 0 // its answer
	w.in(w.delay(), nil, func() {
		u.flights--
		s := w.of(u.period)
		if !u.counted {
			u.counted = true
			s.count += u.amount
			w.push(u.period)
		}
		count, others := s.count, s.others
		switch {
		case u.owner != r: // an heir reports it
		case lost:
			w.in(0, r, func() { r.settled = append(r.settled, u) })
		default:
			w.in(w.delay(), r, func() { w.acknowledge(r, u, count, others) })
		}
	})
}

// push has Stigg tell what it counts now to some.
func (w *fleetWorld) push(period int) {
	s := w.of(period)
	count, others := s.count, s.others
	for _, r := range w.replicas {
		if w.rng.IntN(3) == 0 {
			continue
		}
		w.in(w.delay()*3, r, func() {
			if p := r.periods[period]; p != nil && r.period == period {
				r.book.Hint(p, count)
				r.others[period] = max(r.others[period], others)
			}
		})
	}
}

func (w *fleetWorld) acknowledge(r *simReplica, u *simUsage, count, others float64) {
	p := r.periods[u.period]
	u.acked = true
	r.change(u.period, 0, -max(0, u.amount), 0)
	if w.may.blind && u.amount > 0 && w.rng.IntN(3) == 0 {
		r.book.Blind(p, u.amount)
		return
	}
	r.book.Count(p, count, u.since)
	if r.period == u.period {
		r.others[u.period] = max(r.others[u.period], others)
	}
}

// read asks Stigg.
func (w *fleetWorld) read(r *simReplica) {
	p, period, since := w.enter(r), r.period, r.book.Note()
	s := w.of(period)
	count, others := s.count, s.others
	w.in(w.delay()*4, r, func() {
		if r.period == period {
			r.book.Count(p, count, since)
			r.others[period] = max(r.others[period], others)
		}
	})
}

// crash ends a replica. Its usage is lost, or another one has it some time later.
func (w *fleetWorld) crash(r *simReplica) {
	if r.busy != nil || len(w.replicas) > 12 {
		return
	}
	r.dead = true
	w.note("%s dies", r.name)
	heir := w.start()
	w.enter(heir)
	if w.rng.IntN(2) == 0 {
		return
	}
	for _, u := range w.usages {
		if u.owner == r && !u.acked && u.amount > 0 {
			u.owner = heir
			heir.settled = append(heir.settled, u)
			heir.book.Adopt(r.name)
			heir.change(u.period, 0, u.amount, 0)
		}
	}
	// It starts within the time that the dead one's share is kept.
	heir.pausedUntil = w.now() + w.rng.Int64N(w.timing.Reclaim.Milliseconds()/2)
}

// renew tells what is out, often enough, and notes who was silent for too long.
func (w *fleetWorld) renew(r *simReplica) {
	have, _ := r.book.Have()
	if r.dead || have == 0 {
		return
	}
	silent := w.now() - r.heard
	switch {
	case r.pausedUntil <= w.now() && silent > 1500 && r.period == w.periodAt(w.now()+r.skew):
		w.send(r, 0, true)
	case silent > w.timing.Reclaim.Milliseconds() && r.heard > 0 && !r.forfeited:
		r.forfeited = true
		held, settled := r.periods[r.period].Sums()
		w.slack += held + settled
		w.note("%s forfeits %v", r.name, held+settled)
	}
}

// step is one step of the schedule.
func (w *fleetWorld) step() {
	w.clock.ms.Add(w.rng.Int64N(12))
	if w.rng.IntN(60) == 0 {
		w.clock.ms.Add(w.rng.Int64N(1500))
	}
	w.deliver()
	var up []*simReplica
	for _, r := range w.replicas {
		if r.cutUntil != 0 && w.now() > r.cutUntil {
			r.cut, r.cutUntil = false, 0
		}
		w.renew(r)
		if !r.dead && r.pausedUntil <= w.now() {
			up = append(up, r)
		}
	}
	if len(up) == 0 {
		w.clock.ms.Add(200)
		return
	}
	w.act(up[w.rng.IntN(len(up))])
}

// act has something happen to a replica.
func (w *fleetWorld) act(r *simReplica) {
	k := w.rng.IntN(100)
	switch {
	case k < 38:
		w.admit(r)
	case k < 55:
		w.end(r, w.rng.IntN(4) > 0)
	case k < 72:
		w.report(r)
	case k < 80:
		w.send(r, 0, w.rng.IntN(2) == 0)
	case k < 82:
		w.read(r)
	case k < 84 && w.may.others:
		s := w.of(w.periodAt(w.now()))
		n := float64(1 + w.rng.IntN(3))
		s.others += n
		s.count += n
	case k < 87 && w.may.backs:
		if s := w.of(r.period); s.count-s.others >= 2 && r.backs < 3 {
			w.queue(r, -1, r.period)
		}
	case k < 88 && w.may.limits:
		w.limit = float64(5 + w.rng.IntN(60))
	default:
		w.harm(r, k)
	}
}

// harm is what goes wrong.
func (w *fleetWorld) harm(r *simReplica, k int) {
	valid, reclaim := w.timing.Valid.Milliseconds(), w.timing.Reclaim.Milliseconds()
	switch {
	case k < 90 && w.may.pauses:
		most := valid
		if w.may.long {
			most = 3 * reclaim
		}
		r.pausedUntil = w.now() + w.rng.Int64N(most)
	case k < 91 && w.may.crashes:
		if w.rng.IntN(3) == 0 {
			w.crash(r)
		}
	case k < 93 && w.may.cuts:
		most := valid
		if w.may.long {
			most = 2 * reclaim
		}
		if r.cut, r.cutUntil = !r.cut, 0; r.cut {
			r.cutUntil = w.now() + w.rng.Int64N(most)
		}
	case k < 94 && w.may.empty && w.rng.IntN(8) == 0:
		w.lose()
		w.suite.Empty(w.store, w.account)
	case k < 95 && w.may.rollback && w.rng.IntN(4) == 0:
		if w.restore == nil || w.rng.IntN(2) == 0 {
			w.restore = w.suite.Save(w.store, w.account)
			return
		}
		w.lose()
		w.restore()
		w.restore = nil
	}
}

// lose allows for what is out when the store is lost.
func (w *fleetWorld) lose() {
	sum := 0.0
	for _, r := range w.replicas {
		if !r.dead {
			have, _ := r.book.Have()
			sum += have
		}
	}
	for _, g := range w.granted {
		sum += g.units
	}
	w.slack += sum
	w.lost = true
	w.note("the store is lost; %v are out", sum)
}

// quiet has everybody come back and all arrive.
func (w *fleetWorld) quiet() {
	for range 20_000 {
		w.clock.ms.Add(7)
		busy := len(w.events)
		for _, r := range w.replicas {
			r.cut, r.cutUntil = false, 0
		}
		w.deliver()
		for _, r := range w.replicas {
			switch {
			case r.dead:
				continue
			case r.pausedUntil > w.now():
				busy++
				continue
			}
			for len(r.holds) > 0 {
				w.end(r, true)
			}
			for len(r.settled) > 0 {
				w.report(r)
				busy++
			}
		}
		if busy == 0 {
			return
		}
	}
	w.fail("it does not become quiet")
}

// finish asserts what holds when all is quiet.
func (w *fleetWorld) finish() {
	w.quiet()
	if w.may.periods {
		return // what was granted around the edges was judged
	}
	for range 3 { // all is told, the dead are found dead, a count frees what they had
		w.tellAll()
		w.clock.ms.Add(w.timing.Reclaim.Milliseconds() + w.timing.Owe.Milliseconds() + 10)
	}
	w.tellAll()
	var last fleet.Grant
	for _, r := range w.replicas {
		if g := r.book.Last(); !r.dead && g.Now.Epoch != "" && g.Now.Clock >= last.Now.Clock {
			last = g
		}
	}
	count := w.of(0).count
	if last.Out != 0 || last.Spare != 0 || last.Replicas != 0 {
		w.fail("all is quiet, and %v are out, %v of it to spare, at %d replicas", last.Out, last.Spare, last.Replicas)
	}
	if math.Abs(last.Base+last.Plus-count) > 1e-9 {
		w.fail("all is quiet, and the store counts %v + %v, Stigg %v", last.Base, last.Plus, count)
	}
	w.newcomer(w.limit - count)
}

// tellAll has each replica tell its state, one of them a count of Stigg's, and each its state again.
func (w *fleetWorld) tellAll() {
	round := func() {
		for _, r := range w.replicas {
			if !r.dead {
				w.call(r, 0, false)
			}
		}
	}
	round()
	for _, r := range w.replicas {
		if !r.dead {
			r.book.Count(r.periods[r.period], w.of(r.period).count, r.book.Note())
			r.others[r.period] = max(r.others[r.period], w.of(r.period).others)
			break
		}
	}
	round()
}

// call makes a call and waits for its end.
func (w *fleetWorld) call(r *simReplica, need float64, keep bool) fleet.Grant {
	w.send(r, need, keep)
	c := r.busy
	for r.busy != nil { // at most as long as a call may take
		w.clock.ms.Add(3)
		w.deliver()
	}
	return c.grant
}

// newcomer asserts that one more replica is granted exactly what is left, one by one.
func (w *fleetWorld) newcomer(left float64) {
	r := w.start()
	got := 0.0
	for range int(2*w.limit) + 100 {
		g := w.call(r, 1, true)
		if len(r.holds) > 0 {
			got++
			r.holds = nil
		} else if g.Code == fleet.Exceeded || g.Code == fleet.Pending {
			break
		}
	}
	if got != max(0, left) {
		w.fail("%v are left, one more replica is granted %v", left, got)
	}
}
