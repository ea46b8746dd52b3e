package ledger

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// actions are what can happen in any order. One that has nothing to act upon does
// nothing. Those that lead somewhere are named more than once, to be drawn more.
var actions = map[string]func(*machine){
	"begin a load": func(m *machine) {
		if c := m.customer(); len(c.loads) < 3 {
			m.beginLoad(c)
		}
	},
	"Stigg answers a load": func(m *machine) {
		c := m.customer()
		if i, ok := m.pick("load", len(c.loads)); ok && c.loads[i].answers == nil {
			m.answerLoad(c, c.loads[i])
		}
	},
	"apply a load":           func(m *machine) { m.applyAny(true) },
	"apply a late load":      func(m *machine) { m.applyAny(true) },
	"apply a load, not kept": func(m *machine) { m.applyAny(false) },
	"read at once":           func(m *machine) { m.readNow(m.customer()) },
	"read once more":         func(m *machine) { m.readNow(m.customer()) },
	"evict":                  func(m *machine) { m.evict(m.customer()) },
	"admit":                  func(m *machine) { m.admitAny(false) },
	"admit again":            func(m *machine) { m.admitAny(false) },
	"admit once more":        func(m *machine) { m.admitAny(false) },
	"admit giving back":      func(m *machine) { m.admitAny(true) },
	"settle":                 func(m *machine) { m.settleAny(func(t *modelTicket) int64 { return t.units }) },
	"settle again":           func(m *machine) { m.settleAny(func(t *modelTicket) int64 { return t.units }) },
	"settle another amount": func(m *machine) {
		m.settleAny(func(t *modelTicket) int64 {
			if t.frees {
				return rapid.Int64Range(0, t.units).Draw(m.T, "freed")
			}
			return rapid.Int64Range(0, t.units+2).Draw(m.T, "used")
		})
	},
	"release":              func(m *machine) { m.settleAny(func(*modelTicket) int64 { return 0 }) },
	"deliver":              func(m *machine) { m.withEntry(false, m.deliver) },
	"deliver again":        func(m *machine) { m.withEntry(true, m.deliver) },
	"acknowledge":          func(m *machine) { m.acknowledgeAny("with count") },
	"acknowledge more":     func(m *machine) { m.acknowledgeAny("with count") },
	"acknowledge, blind":   func(m *machine) { m.acknowledgeAny("without count") },
	"acknowledge, undated": func(m *machine) { m.acknowledgeAny("without period") },
	"Stigg pushes":         func(m *machine) { m.push(m.customer()) },
	"a push arrives":       func(m *machine) { m.pushAny() },
	"a push arrives too":   func(m *machine) { m.pushAny() },
	"refuse":               func(m *machine) { m.withEntry(false, m.refuse) },
	"others use": func(m *machine) {
		f := m.customer().features[rapid.IntRange(0, 2).Draw(m.T, "feature")]
		f.others[f.at(m.stigg())] += rapid.Int64Range(1, 2).Draw(m.T, "units")
	},
	"time passes":         (*machine).advance,
	"the period is moved": func(m *machine) { m.correct(m.customer()) },
}

func (m *machine) applyAny(keep bool) {
	c := m.customer()
	if i, ok := m.pick("load", len(c.loads)); ok && c.loads[i].answers != nil {
		m.applyLoad(c, c.loads[i], keep)
	}
}

func (m *machine) pushAny() {
	c := m.customer()
	if i, ok := m.pick("push", len(c.pushes)); ok {
		m.applyPush(c, i)
	}
}

func (m *machine) admitAny(frees bool) {
	c := m.customer()
	f := c.features[rapid.IntRange(0, 2).Draw(m.T, "feature")]
	units := rapid.Int64Range(0, 4).Draw(m.T, "units")
	m.admit(c, f, units, frees)
}

func (m *machine) settleAny(units func(*modelTicket) int64) {
	if i, ok := m.pick("ticket", len(m.tickets)); ok {
		m.settle(m.tickets[i], units(m.tickets[i]))
	}
}

func (m *machine) withEntry(delivered bool, do func(*modelEntry)) {
	if i, ok := m.pick("entry", len(m.entries)); ok && m.entries[i].tries > 0 == delivered {
		do(m.entries[i])
	}
}

func (m *machine) acknowledgeAny(how string) {
	m.withEntry(true, func(p *modelEntry) { m.acknowledge(p, how) })
}

func TestLedgerKeepsEveryPromiseInAnyOrderOfEvents(t *testing.T) {
	names := slices.Sorted(maps.Keys(actions))
	for range 25 {
		rapid.Check(t, func(rt *rapid.T) {
			m := newMachine(rt)
			// rapid likes the first of a list best: let that be others every time.
			seed := rapid.Uint64().Draw(rt, "order")
			names := slices.Concat(names, names, names)
			rand.New(rand.NewPCG(seed, seed)).Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
			for _, c := range m.customers {
				m.readNow(c)
			}
			for _, name := range rapid.SliceOfN(rapid.SampledFrom(names), 60, 150).Draw(rt, "actions") {
				actions[name](m)
				m.check()
			}
			m.quiet()
		})
	}
}

// quiet lets everything under way end, reads once and holds the ledger against
// Stigg; then all that is left must be admitted, and not a unit more.
func (m *machine) quiet() {
	for len(m.tickets) > 0 {
		m.settle(m.tickets[0], m.tickets[0].units)
	}
	for len(m.entries) > 0 {
		m.deliver(m.entries[0])
		m.acknowledge(m.entries[0], "with count")
	}
	for _, c := range m.customers {
		c.old, c.pushes = nil, nil
		for len(c.loads) > 0 {
			m.answerLoad(c, c.loads[0])
			m.applyLoad(c, c.loads[0], true)
		}
	}
	// Until the clocks agree on everybody's period.
	apart := func(c *modelCustomer) bool { return c.features[0].at(m.now) != c.features[0].at(m.stigg()) }
	for slices.ContainsFunc(m.customers, apart) {
		m.now = m.now.Add(2 * time.Minute)
	}
	m.check()
	for _, c := range m.customers {
		m.readNow(c)
		for _, f := range c.features {
			x := f.answer(f.at(m.now))
			s, end := c.snap.account(f.key).view(m.now, f.cycle)
			if want := (Balance{Used: m.amount(x.units)}); s != want || !end.Equal(x.end) {
				m.Fatalf("when all is quiet the ledger has %+v until %v, Stigg %+v until %v", s, end, want, x.end)
			}
			m.fill(c, f, m.limit-x.units)
		}
	}
	m.check()
	for _, c := range m.customers {
		m.evict(c)
	}
	if n := m.ledger.Len(); n != 0 {
		m.Fatalf("%d books are left when nobody needs any", n)
	}
}

// fill admits the rest of a limit bit by bit.
func (m *machine) fill(c *modelCustomer, f *modelFeature, rest int64) {
	for rest > 0 {
		units := rapid.Int64Range(1, min(3, rest)).Draw(m.T, "part")
		if m.admit(c, f, units, false) == nil {
			m.Fatalf("%d of %d left, and %d are refused", rest, m.limit, units)
		}
		rest -= units
	}
	if m.admit(c, f, 1, false) != nil {
		m.Fatalf("admitted one more than the limit %d", m.limit)
	}
	for len(m.tickets) > 0 {
		m.settle(m.tickets[0], 0)
	}
}
