package conformance

import (
	"fmt"
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
	// cached and cachedOthers are count and others of some time ago: a set that many read.
	cached, cachedOthers float64
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
	before      []string // those that had its outbox
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
	kept    bool // in an outbox, which an heir takes over
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
	clock.jump.Store(0)
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
	s := w.of(p) // the set was read, or was in a cache
	if w.rng.IntN(2) == 0 {
		s.cached, s.cachedOthers = s.count, s.others
	}
	r.book.Hint(r.periods[p], s.cached)
	r.others[p] = s.cachedOthers
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
		case u.acked, u.owner.dead && (u.kept || u.counted || u.flights > 0):
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
