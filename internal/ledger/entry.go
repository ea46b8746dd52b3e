package ledger

import "time"

// Entry is settled usage that waits for Stigg's answer, in the account of its feature and
// in the wallet that pays. Whoever delivers it says what becomes of it: Leaves, Returns as
// often as it is tried, and in the end one of Acknowledge and Refuse, Notify, and Close.
type Entry struct {
	book  *Book
	meter *Meter // nil: it counts nowhere here

	slot   slot
	value  float64 // a change, or a total
	amount float64 // what of the account's Unacked is this one's
	total  bool
	event  bool // Stigg counts it later than it acknowledges it

	wallet  slot // nil: it costs nothing that is known
	credits float64
	payer   *Account // the wallet of which Stigg said that it paid
	// unpriced is how many units' price in credits was not known.
	unpriced float64

	sent   Tick // before the first attempt
	flying bool // the accounts know that it is on its way
}

// slot is where settled usage waits for its acknowledgement: the period that it was
// admitted in, or wherever usage that nobody admitted belongs.
type slot interface {
	// leave ends the stay and returns the period it was in. Call it under the account's
	// lock.
	leave() *period
}

// AsEvent says that Stigg counts it some seconds after it has acknowledged it.
func (e *Entry) AsEvent() { e.event = true }

// owe notes units whose price is not known.
func (e *Entry) owe(units float64) {
	if e.unpriced = units; units > 0 {
		e.meter.Account.addUnpriced(units)
	}
}

// priced says that nothing is owed for it any more.
func (e *Entry) priced() {
	if e.unpriced > 0 {
		e.meter.Account.dropUnpriced(e.unpriced)
		e.unpriced = 0
	}
}

// Send notes that the first attempt to deliver it begins.
func (e *Entry) Send() {
	if e.sent == 0 {
		e.sent = e.book.Tick()
	}
}

// Leaves notes that it is on its way, and Returns that it is not any more and nobody
// should wait for it.
func (e *Entry) Leaves() {
	if e.flying || e.meter == nil {
		return
	}
	e.flying = true
	e.meter.Account.leaves(e.amount)
	if e.wallet != nil {
		e.meter.Wallet.leaves(e.credits)
	}
}

// Returns is the opposite of Leaves.
func (e *Entry) Returns() {
	if !e.flying {
		return
	}
	e.flying = false
	e.meter.Account.arrives(e.amount)
	if e.wallet != nil {
		e.meter.Wallet.arrives(e.credits)
	}
}

// Ack is Stigg's answer to one Entry.
type Ack struct {
	At      time.Time // Stigg's time
	Delayed bool      // it is counted some seconds later
	Count   *Count    // after it, if Stigg said so
	Credit  *CreditCount
}

// CreditCount is what Stigg says of the wallet that paid.
type CreditCount struct {
	Count
	Currency string
	At       time.Time
}

// Acknowledge ends the wait: Stigg has counted it.
func (e *Entry) Acknowledge(ack Ack, now time.Time) {
	if e.meter == nil {
		return
	}
	if e.event || ack.Delayed {
		e.delay(now)
		return
	}
	a := e.meter.Account
	if e.total {
		a.acknowledgeTotal(e.slot, e.value, ack.Count, ack.At, now, e.sent, e.meter.Cycle)
	} else {
		a.acknowledge(e.slot, e.value, ack.Count, ack.At, now, e.sent, e.meter.Cycle)
	}
	e.paid(ack, now)
	switch {
	case e.unpriced == 0:
	case ack.Credit != nil:
		e.priced()
	default:
		a.unpricedUntilRead(e.unpriced)
	}
}

// paid tells the wallet. A price that was not known here (of a total, of what is given
// back, by a formula, for a customer that was not cached) counts once Stigg says so.
func (e *Entry) paid(ack Ack, now time.Time) {
	at, c := ack.At, ack.Credit
	var count *Count
	if c != nil {
		count, at = &c.Count, c.At
	}
	switch {
	case e.wallet == nil && c != nil:
		e.payer = e.book.Wallet(c.Currency)
		e.payer.acknowledge(e.payer.record(0, now, now, Cycle{}), 0, count, at, now, e.sent, Cycle{})
	case e.wallet == nil:
	case c == nil || c.Currency != e.meter.Currency:
		e.meter.Wallet.acknowledge(e.wallet, e.credits, nil, ack.At, now, e.sent, Cycle{})
	default:
		e.meter.Wallet.acknowledge(e.wallet, e.credits, count, at, now, e.sent, Cycle{})
	}
}

// Refuse ends the wait: Stigg does not take it. It never counted, unless an earlier
// attempt's answer was lost: then it counts here until a read says otherwise.
func (e *Entry) Refuse(maybeCounted bool, now time.Time) {
	switch {
	case e.meter == nil:
	case maybeCounted:
		e.Acknowledge(Ack{}, now)
	default:
		e.priced()
		e.meter.Account.drop(e.slot, e.amount)
		if e.wallet != nil {
			e.meter.Wallet.drop(e.wallet, e.credits)
		}
	}
}

// Notify wakes those who wait for it (Admission.Wait).
func (e *Entry) Notify() {
	if e.meter == nil {
		return
	}
	for _, a := range [...]*Account{e.meter.Account, e.meter.Wallet, e.payer} {
		if a != nil {
			a.notify()
		}
	}
}

// Close ends the entry and its pin on the book.
func (e *Entry) Close() { e.book.Unpin() }

// delay leaves it in Unacked until a read that began CountDelay from now. The book
// stays until any later read has it.
func (e *Entry) delay(now time.Time) {
	e.book.Pin() // never forgotten here: the entry still pins it
	units := e.meter.Account.delay(e.slot, e.amount, e.unpriced, now)
	var credits *delayed
	if e.wallet != nil {
		credits = e.meter.Wallet.delay(e.wallet, e.credits, 0, now)
	}
	book := e.book
	time.AfterFunc(CountDelay, func() {
		tick := book.Tick()
		units.fallDue(tick)
		credits.fallDue(tick)
		book.Unpin()
	})
}
