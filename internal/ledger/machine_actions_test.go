package ledger

import (
	"fmt"
	"time"

	"pgregory.net/rapid"
)

// beginLoad is what cache.join and the first line of cache.run do.
func (m *machine) beginLoad(c *modelCustomer) *modelLoad {
	b := m.ledger.Open(c.id)
	l := &modelLoad{book: b, begun: b.Begin()}
	m.Logf("%s: load %d begins", c.id.ID, l.begun)
	c.loads = append(c.loads, l)
	return l
}

// answerLoad is the moment at which Stigg looks.
func (m *machine) answerLoad(c *modelCustomer, l *modelLoad) {
	l.answers = nil
	for _, f := range c.features {
		x := m.count(f, f.at(m.stigg()))
		m.Logf("%s %s: Stigg answers load %d: %+v", c.id.ID, f.key.id, l.begun, x)
		l.answers = append(l.answers, x)
	}
}

// count is Stigg's answer now.
func (m *machine) count(f *modelFeature, period int) modelAnswer {
	x := f.answer(period)
	x.taken = m.event()
	return x
}

// push is Stigg telling of a count, or of all, that nobody asked for.
func (m *machine) push(c *modelCustomer) {
	x := &modelPush{made: m.now}
	if rapid.Bool().Draw(m.T, "with a time") {
		x.at = m.stigg()
	}
	one := rapid.IntRange(0, len(c.features)).Draw(m.T, "of")
	for i, f := range c.features {
		if one == i || one == len(c.features) {
			y := m.count(f, f.at(m.stigg()))
			x.answers[i] = &y
		}
	}
	c.pushes = append(c.pushes, x)
}

// applyPush is its arrival. It is lost if it took long and has no time that can be held
// against our own.
func (m *machine) applyPush(c *modelCustomer, i int) {
	x := c.pushes[i]
	c.pushes = append(c.pushes[:i:i], c.pushes[i+1:]...)
	if c.snap == nil || m.now.Sub(x.made) > Margin-time.Second && (x.at.IsZero() || m.skew > 0) {
		return
	}
	for j, f := range c.features {
		if y := x.answers[j]; y != nil {
			m.Logf("%s %s: pushed at %v: %+v", c.id.ID, f.key.id, x.at, y)
			c.snap.account(f.key).Push(Count{m.amount(y.units), y.start, y.end}, x.at, m.now, f.cycle)
			f.arrives(*y)
		}
	}
}

// applyLoad is the rest of cache.run, or, if it was superseded, only the read.
func (m *machine) applyLoad(c *modelCustomer, l *modelLoad, keep bool) {
	m.Logf("%s: load %d is applied, kept: %v", c.id.ID, l.begun, keep)
	for i, f := range c.features {
		x := l.answers[i]
		l.book.account(f.key).Read(l.begun, Count{m.amount(x.units), x.start, x.end}, m.now, f.cycle)
		f.arrives(x)
	}
	for i := range c.loads {
		if c.loads[i] == l {
			c.loads = append(c.loads[:i:i], c.loads[i+1:]...)
			break
		}
	}
	if keep {
		if !l.book.Pin() {
			m.Fatalf("a load's book was forgotten")
		}
		if old := c.snap; old != nil {
			c.old = append(c.old, old)
			defer old.Unpin()
		}
		c.snap = l.book
	}
	l.book.Unpin()
}

// evict drops a snapshot. Not while our clock is in a later period than Stigg's: a
// book opened anew then can't learn what this process reported in that period.
func (m *machine) evict(c *modelCustomer) {
	if f := c.features[0]; c.snap == nil || f.at(m.now) > f.at(m.stigg()) {
		return
	}
	m.Logf("%s: evicted", c.id.ID)
	c.old = append(c.old, c.snap)
	b := c.snap
	c.snap = nil
	b.Unpin()
}

// admit is what Gate.try and admission.meter do, from a snapshot in the cache or
// from one that a request took out before.
func (m *machine) admit(c *modelCustomer, f *modelFeature, units int64, frees bool) *modelTicket {
	b := c.snap
	if i, ok := m.pick("snapshot", len(c.old)+1); ok && i > 0 {
		b = c.old[i-1]
	}
	if b == nil {
		return nil
	}
	needed := m.pins(b) > 0
	if pinned := b.Pin(); pinned != needed {
		m.Fatalf("pin gives %v on a book that is needed: %v", pinned, needed)
	} else if !pinned {
		return nil
	}
	t := &modelTicket{modelFeature: f, customer: c, book: b, account: b.account(f.key), units: units, frees: frees}
	q := Ask{Limit: Limit{Max: m.amount(m.limit)}, Amount: m.amount(units)}
	if t.frees {
		q.Limit.Unlimited, q.Amount = true, 0
	}
	taken := t.account.Hold(m.now, f.cycle, q)
	m.Logf("%s %s: admit %d, giving back %t: %+v", c.id.ID, f.key.id, units, frees, taken)
	if taken.Refuses() {
		b.Unpin()
		return nil
	}
	t.period, t.createdAt = taken.held.period, m.now
	if m.now.Before(taken.Start) {
		t.createdAt = taken.Start
	}
	period := f.at(t.createdAt)
	if t.frees && units > m.freeable(f, period) {
		t.units = 0 // nobody gives back what he does not have
	}
	m.tickets = append(m.tickets, t)
	if !t.frees && m.promised(f, period) > m.limit {
		m.Fatalf("admitted %d in period %d: %d of %d", units, period, m.promised(f, period), m.limit)
	}
	return t
}

// settle is Hold.Settle; units is what was used, and with 0 nothing is reported.
func (m *machine) settle(t *modelTicket, units int64) {
	m.Logf("%s %s: settle %d of %d", t.customer.id.ID, t.key.id, units, t.units)
	amount := m.amount(t.units)
	if t.frees {
		amount, units = 0, -units
	}
	held{t.period, amount}.settle(t.account, m.amount(units), m.now)
	for i := range m.tickets {
		if m.tickets[i] == t {
			m.tickets = append(m.tickets[:i:i], m.tickets[i+1:]...)
			break
		}
	}
	if units != 0 {
		t.book.Pin()
		m.keys++
		m.entries = append(m.entries, &modelEntry{modelTicket: *t, name: fmt.Sprint("k", m.keys), units: units})
	}
	t.book.Unpin()
}

// deliver is one attempt: Stigg counts, and answers, though the answer may be lost
// and the attempt repeated.
func (m *machine) deliver(p *modelEntry) {
	if p.tries++; p.sent == 0 {
		p.sent = p.book.Tick()
		p.account.leaves(p.period, p.sent, m.amount(p.units))
		p.account.returns()
	}
	p.count(p.name, modelMeasurement{p.units, p.createdAt})
	p.answer, p.at = m.count(p.modelFeature, p.modelMeter.at(p.createdAt)), m.stigg()
	m.Logf("%s %s: %d delivered as %s: %+v", p.customer.id.ID, p.key.id, p.units, p.name, p.answer)
}

// acknowledge is delivery.settle for one entry; how says what came along.
func (m *machine) acknowledge(p *modelEntry, how string) {
	m.Logf("%s is acknowledged %s", p.name, how)
	r := &Count{m.amount(p.answer.units), p.answer.start, p.answer.end}
	at := p.at
	switch how {
	case "without count":
		r, at = nil, time.Time{}
	case "without period":
		r.Start, r.End = time.Time{}, time.Time{}
	}
	p.account.acknowledge(p.period, answer{usage: usage{amount: m.amount(p.units), first: p.sent, stamp: stampOf(at)}, count: r}, false, m.now, p.cycle)
	if r != nil {
		p.arrives(p.answer)
	}
	m.leave(p)
}

// refuse is delivery.refuse.
func (m *machine) refuse(p *modelEntry) {
	m.Logf("%s is refused", p.name)
	p.account.refuse(p.period, m.amount(p.units), p.sent, false)
	m.leave(p)
}

func (m *machine) leave(p *modelEntry) {
	for i := range m.entries {
		if m.entries[i] == p {
			m.entries = append(m.entries[:i:i], m.entries[i+1:]...)
			break
		}
	}
	p.book.Unpin()
}

// freeable is what can be given back in a period: what this process used in it, as
// Stigg counted it, and did not give back before.
func (m *machine) freeable(f *modelFeature, period int) int64 {
	units := f.own(period)
	for _, t := range m.tickets {
		if t.modelFeature == f && t.frees {
			units -= t.units
		}
	}
	for _, p := range m.entries {
		if _, counted := f.counted[p.name]; p.modelFeature == f && p.units < 0 && !counted {
			units += p.units
		}
	}
	return units
}

// advance moves both clocks.
func (m *machine) advance() {
	next := machineStart.Add(m.now.Sub(machineStart).Truncate(time.Hour) + time.Hour)
	if m.now.After(machineStart.Add(150 * time.Hour)) {
		return
	}
	m.now = rapid.SampledFrom([]time.Time{
		m.now.Add(time.Second), m.now.Add(20 * time.Minute), next.Add(-time.Second), next, next.Add(90 * time.Second), next.Add(3 * time.Hour),
	}).Draw(m.T, "now")
}

// correct ends the present period at another time than everybody expected; a read
// tells us at once.
func (m *machine) correct(c *modelCustomer) {
	f := c.features[0]
	period := f.at(m.now)
	start, end := f.bounds(period)
	if period != f.at(m.stigg()) {
		return
	}
	moved := rapid.SampledFrom([]time.Time{start.Add(30 * time.Minute), end.Add(time.Hour), end.Add(time.Minute)}).Draw(m.T, "end")
	if !moved.After(m.now) || !moved.After(m.stigg()) {
		return
	}
	m.Logf("%s: period %d is moved to %v", c.id.ID, period, moved)
	f.move(period, moved)
	m.readNow(c)
}

// readNow is a load that nothing crosses.
func (m *machine) readNow(c *modelCustomer) {
	l := m.beginLoad(c)
	m.answerLoad(c, l)
	m.applyLoad(c, l, true)
}
