package ledger

import (
	"fmt"
	"math"
	"time"

	"pgregory.net/rapid"
)

// machine drives the ledger as the gate does, with the pieces that the gate's
// goroutines would interleave as single actions, and keeps its own account of what
// was admitted, settled and counted.
type machine struct {
	*rapid.T
	ledger    *Ledger
	now       time.Time
	skew      time.Duration // Stigg's clock less ours
	scale     int64         // units in 1
	limit     int64
	customers []*modelCustomer
	tickets   []*modelTicket
	entries   []*modelEntry
	events    int // orders what the ledger is told
	keys      int
}

type modelCustomer struct {
	id     Owner
	snap   *Book   // the cache's snapshot stands for its book; nil: none cached
	old    []*Book // snapshots that requests still look at after their eviction
	loads  []*modelLoad
	pushes []*modelPush
	// features: one with hourly periods, one without any, and a wallet.
	features [3]*modelFeature
}

// modelPush is a count that Stigg pushes: of one feature, or of a whole set.
type modelPush struct {
	answers [3]*modelAnswer // nil: it is not told of
	made    time.Time
	at      time.Time // Stigg's time, if it says so
}

type modelFeature struct {
	*modelMeter
	key   key
	cycle Cycle
	// newest is the event of the newest count that has arrived, by period, and known what
	// the others had used then.
	newest map[int]int
	known  map[int]int64
}

// arrives notes that a count has arrived, whatever came before it.
func (f *modelFeature) arrives(x modelAnswer) {
	if x.taken > f.newest[x.period] {
		f.newest[x.period], f.known[x.period] = x.taken, x.others
	}
}

type modelLoad struct {
	book    *Book
	begun   Tick
	answers []modelAnswer // nil: Stigg has not answered yet
}

type modelTicket struct {
	*modelFeature
	customer  *modelCustomer
	book      *Book
	account   *Account
	period    *period
	createdAt time.Time
	units     int64 // held; for one that gives back, what it gives
	frees     bool
}

type modelEntry struct {
	modelTicket
	name   string
	units  int64
	sent   Tick
	tries  int
	answer modelAnswer
	at     time.Time
}

var machineStart = time.Date(2025, 1, 15, 0, 0, 0, 0, time.UTC)

func newMachine(t *rapid.T) *machine {
	m := &machine{T: t, ledger: New(), now: machineStart.Add(time.Minute)}
	m.ledger.passed = func() time.Duration { return m.now.Sub(machineStart) }
	m.skew = rapid.SampledFrom([]time.Duration{0, 90 * time.Second, -90 * time.Second}).Draw(t, "skew")
	kind := rapid.SampledFrom([]string{"small", "fraction", "large"}).Draw(t, "limit")
	m.scale, m.limit = 1, rapid.Int64Range(0, 6).Draw(t, "units")
	base := int64(0)
	switch kind {
	case "fraction":
		m.scale = 10
	case "large":
		base = 1e12
		m.limit += base
	}
	for i := range rapid.IntRange(1, 2).Draw(t, "customers") {
		c := &modelCustomer{id: Owner{ID: fmt.Sprint("c", i)}}
		for j, periods := range []int{200, 0, 0} {
			f := &modelFeature{modelMeter: newModelMeter(machineStart, periods), key: key{wallet: j == 2, id: fmt.Sprint("f", j)}, newest: map[int]int{}, known: map[int]int64{}}
			if periods > 0 {
				f.cycle = Cycle{Hour, machineStart}
			}
			for p := range max(1, periods) {
				f.others[p] = base
			}
			c.features[j] = f
		}
		m.customers = append(m.customers, c)
	}
	return m
}

func (m *machine) amount(units int64) float64 { return float64(units) / float64(m.scale) }

func (m *machine) event() int { m.events++; return m.events }

func (m *machine) stigg() time.Time { return m.now.Add(m.skew) }

func (m *machine) customer() *modelCustomer {
	return m.customers[rapid.IntRange(0, len(m.customers)-1).Draw(m.T, "customer")]
}

// pick draws an index into n things; false without any.
func (m *machine) pick(what string, n int) (int, bool) {
	if n == 0 {
		return 0, false
	}
	return rapid.IntRange(0, n-1).Draw(m.T, what), true
}

// pins is how many need a book.
func (m *machine) pins(b *Book) int64 {
	n := int64(0)
	for _, c := range m.customers {
		if c.snap == b {
			n++
		}
		for _, l := range c.loads {
			if l.book == b {
				n++
			}
		}
	}
	for _, t := range m.tickets {
		if t.book == b {
			n++
		}
	}
	for _, p := range m.entries {
		if p.book == b {
			n++
		}
	}
	return n
}

// promised is all that this process has let happen in a period and what it knew
// of the others: live holds, settled usage that was not refused, what was given
// back as far as Stigg has counted it.
func (m *machine) promised(f *modelFeature, period int) int64 {
	sum := f.own(period) + f.known[period]
	for _, t := range m.tickets {
		if t.modelFeature == f && !t.frees && f.at(t.createdAt) == period {
			sum += t.units
		}
	}
	for _, p := range m.entries {
		if _, counted := f.counted[p.name]; p.modelFeature == f && !counted && p.units > 0 && f.at(p.createdAt) == period {
			sum += p.units
		}
	}
	return sum
}

// check holds the ledger against the invariants that hold after every action.
func (m *machine) check() {
	type sums struct {
		holds, waits  int
		held, unacked float64
	}
	expected := map[*period]*sums{}
	of := func(p *period) *sums {
		if expected[p] == nil {
			expected[p] = &sums{}
		}
		return expected[p]
	}
	needed := 0
	for _, c := range m.customers {
		b := m.ledger.books[c.id]
		if b == nil {
			continue
		}
		needed++
		if got, want := int64(b.pins.Load()), m.pins(b); got != want || want == 0 {
			m.Fatalf("book of %s has %d pins; %d need it", c.id.ID, got, want)
		}
		for _, a := range b.accounts {
			if a.current == nil {
				continue
			}
			if of(a.current); a.current.frontier.used() < -1e-9 {
				m.Fatalf("used is %v", a.current.frontier.used())
			}
		}
	}
	if got := m.ledger.Len(); got != needed {
		m.Fatalf("ledger has %d books, %d are needed", got, needed)
	}
	for _, t := range m.tickets {
		s := of(t.period)
		s.holds++
		if !t.frees {
			s.held += m.amount(t.units)
		}
		m.current(t.customer, t.book)
	}
	for _, p := range m.entries {
		if p.units != 0 {
			s := of(p.period)
			s.waits++
			s.unacked += max(0, m.amount(p.units))
		}
		m.current(p.customer, p.book)
	}
	for p, s := range expected {
		if p.holds != s.holds || p.waits != s.waits {
			m.Fatalf("period has %d holds and %d waits, want %d and %d", p.holds, p.waits, s.holds, s.waits)
		}
		m.equal("held", p.held, s.held, s.holds)
		m.equal("unacked", p.unacked, s.unacked, s.waits)
	}
}

// current fails unless the book is the one that the ledger opens for its customer.
func (m *machine) current(c *modelCustomer, b *Book) {
	if m.ledger.books[c.id] != b {
		m.Fatalf("the book of %s was forgotten while it was needed", c.id.ID)
	}
}

func (m *machine) equal(what string, got, want float64, parts int) {
	if parts == 0 && got != 0 || math.Abs(got-want) > 1e-9*max(1, want) {
		m.Fatalf("%s is %v, want %v of %d parts", what, got, want, parts)
	}
}
