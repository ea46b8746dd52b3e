package ledger

// Usage that waits elsewhere, on a disk, keeps no Entry of its own: one Entry stands for many of
// the same account and time, and each takes its part out again when it is about to leave.
//
// What holds: Merge and Split move no unit. What an account counts is the same before and after.

// Merge makes e stand for o too, which must not be used any more. It is false and changes nothing
// if one can't stand for both: they count in different places, one is a total, is on its way or
// was in this run, or only one gives back.
func (e *Entry) Merge(o *Entry) bool {
	if e.book() != o.book() || !e.meter.same(o.meter) || e.event != o.event || e.total || o.total || e.before != o.before {
		return false
	}
	if e.onWay || o.onWay || e.first != 0 && !e.before || o.first != 0 && !o.before || e.value < 0 != (o.value < 0) {
		return false
	}
	if !alike(e.slot(), o.slot()) || !alike(e.wallet(), o.wallet()) {
		return false
	}
	if e.meter != nil {
		e.meter.Account.join(e.slot(), o.slot(), e.value, o.value, e.first)
		if w := e.wallet(); w != nil {
			e.meter.Wallet.join(w, o.wallet(), e.credits(), o.credits(), e.first)
		}
		if more := o.unpriced(); more > 0 {
			if e.unpriced() > 0 {
				e.book().unpriced.Add(-1)
			}
			r := e.seldom()
			r.unpriced += more
			e.rarely(r)
		}
	}
	e.value += o.value
	o.Close()
	return true
}

// same reports whether two count alike: each snapshot of a customer has its own.
func (m *Meter) same(o *Meter) bool { return m == o || m != nil && o != nil && *m == *o }

// alike reports whether two slots can be one.
func alike(a, b slot) bool {
	if _, both := a.(*recorded); both {
		_, both = b.(*recorded)
		return both
	}
	return a == b
}

// Split takes a usage out of e, which stands for it and others, as an Entry of its own.
func (e *Entry) Split(value float64) Entry {
	e.book().Pin() // never forgotten here: e still pins it
	part := *e
	part.value = value
	if e.value -= value; e.value < 0 != (value < 0) {
		e.value = 0 // floats drift
	}
	if e.meter == nil {
		return part
	}
	of, rest := e.seldom(), e.seldom()
	of.recorded, _ = e.meter.Account.part(e.slot(), value, e.value, e.first).(*recorded)
	if of.wallet != nil {
		of.wallet = e.meter.Wallet.part(of.wallet, part.credits(), e.credits(), e.first)
	}
	of.unpriced = min(max(0, value), rest.unpriced)
	if rest.unpriced -= of.unpriced; rest.unpriced > 0 && of.unpriced > 0 {
		e.book().unpriced.Add(1)
	}
	if e.rare != nil {
		part.rarely(of)
		e.rarely(rest)
	}
	return part
}

// join puts what waits in slot from into slot to, which is alike; first is when both left, or 0.
func (a *Account) join(to, from slot, change, more float64, first Tick) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch s := to.(type) {
	case *period:
		if s == nil {
			return
		}
		if change != 0 && more != 0 {
			s.waits--
		}
		if first != 0 {
			s.departed = s.departed.remove(first, 0)
		}
	case *recorded:
		o := from.(*recorded)
		o.withdraw()
		o.out()
		s.withdraw()
		s.since = max(s.since, o.since)
		if s.change += more; o.made.After(s.made) {
			s.made, s.period = o.made, o.period
		}
		s.wait()
	}
}

// part makes a slot for a part of what waits in another, of which rest stays; first is when both
// left, or 0.
func (a *Account) part(of slot, change, rest float64, first Tick) slot {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch s := of.(type) {
	case *period:
		if s == nil {
			return s
		}
		if change != 0 && rest != 0 {
			s.waits++
		}
		if first != 0 {
			s.departed = s.departed.add(first, 0, s.frontier.hi())
		}
		return s
	case *recorded:
		s.withdraw()
		s.change = rest
		s.wait()
		r := &recorded{made: s.made, first: s.first}
		a.enterIn(s.period, r)
		r.change, r.since = change, s.since
		r.wait()
		r.period.tell(0)
		return r
	}
	return of
}

// withdraw takes what waits out of its period, and wait puts it in. The lease is told once both are done.
// Call them under the account's lock.
func (r *recorded) withdraw() {
	r.period.answered(r.change)
	if r.first != 0 {
		r.period.departed = r.period.departed.remove(r.first, r.change)
	}
}

func (r *recorded) wait() {
	r.period.wait(r.change)
	if r.first != 0 {
		r.period.departed = r.period.departed.add(r.first, r.change, r.period.frontier.hi())
	}
}
