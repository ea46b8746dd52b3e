package ledger

// Usage that waits elsewhere, on a disk, keeps no Entry of its own: one Entry stands for many of
// the same account and time, and each takes its part out again when it is about to leave.
//
// What holds: Merge and Split move no unit. What an account counts is the same before and after.

// Merge makes e stand for o too, which must not be used any more. It is false and changes nothing
// if one can't stand for both: they count in different places, or one is a total or was sent.
func (e *Entry) Merge(o *Entry) bool {
	if e.book != o.book || e.meter != o.meter || e.event != o.event || e.total || o.total || e.sent != 0 || o.sent != 0 {
		return false
	}
	if !alike(e.slot, o.slot) || !alike(e.wallet, o.wallet) {
		return false
	}
	if e.meter != nil {
		e.meter.Account.join(e.slot, o.slot, e.amount, o.amount)
		if e.wallet != nil {
			e.meter.Wallet.join(e.wallet, o.wallet, e.credits, o.credits)
		}
		if e.unpriced > 0 && o.unpriced > 0 {
			e.book.unpriced.Add(-1)
		}
	}
	e.value, e.amount, e.credits, e.unpriced = e.value+o.value, e.amount+o.amount, e.credits+o.credits, e.unpriced+o.unpriced
	o.Close()
	return true
}

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
	e.book.Pin() // never forgotten here: e still pins it
	part := Entry{book: e.book, meter: e.meter, event: e.event, value: value, amount: min(max(0, value), e.amount)}
	e.value, e.amount = e.value-value, e.amount-part.amount
	if e.meter == nil {
		return part
	}
	part.slot = e.meter.Account.part(e.slot, part.amount, e.amount)
	if e.wallet != nil {
		part.credits = min(part.amount*e.meter.Price, e.credits)
		e.credits -= part.credits
		part.wallet = e.meter.Wallet.part(e.wallet, part.credits, e.credits)
	}
	if e.unpriced > 0 {
		part.unpriced = min(part.amount, e.unpriced)
		if e.unpriced -= part.unpriced; e.unpriced > 0 && part.unpriced > 0 {
			e.book.unpriced.Add(1)
		}
	}
	return part
}

// join puts what waits in slot b into slot a, which is alike.
func (a *Account) join(to, from slot, amount, more float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch s := to.(type) {
	case *period:
		if s != nil && amount > 0 && more > 0 {
			s.waits--
		}
	case *recorded:
		o := from.(*recorded)
		o.leave().answered(more)
		s.period.answered(s.amount)
		if s.amount += more; o.made.After(s.made) {
			s.made, s.period = o.made, o.period
		}
		s.period.wait(s.amount)
	}
}

// part makes a slot for a part of what waits in another, of which rest stays.
func (a *Account) part(of slot, amount, rest float64) slot {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch s := of.(type) {
	case *period:
		if s != nil && amount > 0 && rest > 0 {
			s.waits++
		}
		return s
	case *recorded:
		s.period.answered(s.amount)
		s.amount = rest
		s.period.wait(rest)
		return a.enterIn(s.period, amount, s.made)
	}
	return of
}
