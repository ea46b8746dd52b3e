package ledger

import "time"

// Entry is settled usage that waits for Stigg's answer, in the account of its feature and
// in the wallet that pays. Whoever delivers it says what becomes of it: Leaves and Returns
// as often as it is tried, Unsent if no attempt has reached Stigg, and in the end one of
// Acknowledge and Refuse, Notify, and Close.
type Entry struct {
	meter    *Meter  // nil: it counts nowhere here
	admitted *period // where it waits; nil if nobody admitted it: then rare says
	rare     *rareEntry
	value    float64 // a change, or a total
	first    Tick    // when it first left; 0: not yet

	total bool
	event bool // Stigg counts it later than it acknowledges it
	onWay bool
	// before: an earlier run may have sent it.
	before bool
}

// rareEntry is what few entries have, since there may be hundreds of thousands. Copies of an Entry share
// it, so it never changes: an Entry gets another one.
type rareEntry struct {
	book     *Book // of what counts nowhere
	recorded *recorded
	// wallet is where its credits wait; nil: it costs nothing that is known.
	wallet slot
	// unpriced is how many units' price in credits was not known.
	unpriced float64
}

// seldom is the rare part, and rarely sets it.
func (e *Entry) seldom() (r rareEntry) {
	if e.rare != nil {
		r = *e.rare
	}
	return r
}

func (e *Entry) rarely(r rareEntry) { e.rare = &r }

// slot is where it waits.
func (e *Entry) slot() slot {
	if e.rare != nil && e.rare.recorded != nil {
		return e.rare.recorded
	}
	return e.admitted
}

// wallet is where its credits wait; nil: it costs nothing that is known.
func (e *Entry) wallet() slot {
	if e.rare == nil {
		return nil
	}
	return e.rare.wallet
}

// unpriced is how many units' price in credits was not known.
func (e *Entry) unpriced() float64 {
	if e.rare == nil {
		return 0
	}
	return e.rare.unpriced
}

func (e *Entry) book() *Book {
	if e.meter == nil {
		return e.rare.book
	}
	return e.meter.Account.book
}

// Owner is whose it is.
func (e *Entry) Owner() Owner { return e.book().owner }

// Of is the feature, or the wallet's currency, that it counts of; none if it counts nowhere.
func (e *Entry) Of() (id string, wallet bool) {
	if e.meter == nil {
		return "", false
	}
	return e.meter.Account.id, e.meter.Account.wallet
}

// Value is the change, or the total.
func (e *Entry) Value() float64 { return e.value }

// slot is where settled usage waits for its acknowledgement: the period that it was
// admitted in, or wherever usage that nobody admitted belongs. Call its methods under the
// account's lock.
type slot interface {
	// leaves notes that the usage leaves for the first time.
	leaves(first Tick, amount float64)
	// stays takes that back: it did not.
	stays(first Tick, amount float64)
	// out ends the stay, and returns the period it was in.
	out() *period
}

// change is what it adds to its account; of a total, nothing that is known.
func (e *Entry) change() float64 {
	if e.total {
		return 0
	}
	return e.value
}

// credits is what it costs of the wallet.
func (e *Entry) credits() float64 { return max(0, e.change()) * e.meter.Price }

// AsEvent says that Stigg counts it some seconds after it has acknowledged it.
func (e *Entry) AsEvent() { e.event = true }

// SentBefore says that it may have left already, before this book was opened.
func (e *Entry) SentBefore() {
	e.before = true
	e.leaves(1)
	e.Returns()
}

// WasSentBefore reports whether it may have left before this book was opened.
func (e *Entry) WasSentBefore() bool { return e.before }

// owe notes units whose price is not known.
func (e *Entry) owe(units float64) {
	if units > 0 {
		r := e.seldom()
		r.unpriced = units
		e.rarely(r)
		e.meter.Account.addUnpriced(units)
	}
}

// Leaves notes that it is on its way, and Returns that it is not any more and nobody
// should wait for it.
func (e *Entry) Leaves() {
	if !e.onWay && e.meter != nil {
		e.leaves(e.book().Tick())
	}
}

func (e *Entry) leaves(now Tick) {
	if e.meter == nil {
		return
	}
	first := now
	if e.first != 0 {
		first = 0 // the accounts know
	} else {
		e.first = now
	}
	e.onWay = true
	e.meter.Account.leaves(e.slot(), first, e.change())
	if w := e.wallet(); w != nil {
		e.meter.Wallet.leaves(w, first, e.credits())
	}
}

// Returns is the opposite of Leaves.
func (e *Entry) Returns() {
	if !e.onWay {
		return
	}
	e.onWay = false
	e.meter.Account.returns()
	if e.wallet() != nil {
		e.meter.Wallet.returns()
	}
}

// Unsent says that it has not left, for certain, in any attempt.
func (e *Entry) Unsent() {
	if e.meter == nil || e.first == 0 || e.before {
		return
	}
	first := e.first
	e.first = 0
	e.meter.Account.unsent(e.slot(), first, e.change())
	if w := e.wallet(); w != nil {
		e.meter.Wallet.unsent(w, first, e.credits())
	}
}

// Ack is Stigg's answer to one Entry.
type Ack struct {
	At      time.Time // Stigg's time
	Delayed bool      // it is counted some seconds later
	Count   *Count    // after it, if Stigg said so
	Credit  *CreditCount
	// Batch names what was sent together, and Place is where in it: Stigg counts in that
	// order. A zero Batch is of no order, for instance since it was sent before as well.
	Batch uint64
	Place int
}

// stamp is of a time in the batch.
func (k *Ack) stamp(at time.Time) stamp {
	s := stampOf(at)
	s.batch, s.place = k.Batch, k.Place
	return s
}

// CreditCount is what Stigg says of the wallet that paid.
type CreditCount struct {
	Count
	Currency string
	At       time.Time
}

// Acknowledge ends the wait: Stigg has counted it.
func (e *Entry) Acknowledge(ack Ack, now time.Time) { e.acknowledge(&ack, false, now) }

func (e *Entry) acknowledge(ack *Ack, maybe bool, now time.Time) {
	if e.meter == nil {
		return
	}
	a := e.meter.Account
	u := answer{usage: usage{amount: e.change(), first: e.first, stamp: ack.stamp(ack.At), maybe: maybe, later: e.event || ack.Delayed}, count: ack.Count}
	if e.total {
		u.total = &e.value
	}
	credit := ack.Credit
	if credit != nil && u.count == nil && e.book().Wallet(credit.Currency) == a { // it is the wallet's own
		u.count, u.stamp, credit = &credit.Count, ack.stamp(credit.At), nil
	}
	a.acknowledge(e.slot(), u, e.onWay, now, e.meter.Cycle)
	e.pay(ack, credit, u.usage, now)
	switch {
	case e.unpriced() == 0:
	case ack.Credit != nil:
		a.price(e.unpriced())
	default:
		a.priceByRead(e.unpriced(), u.later)
	}
	if u.later { // a book that is opened later is read later
		b := e.book()
		b.Pin() // never forgotten here: the entry still pins it
		time.AfterFunc(CountDelay, b.Unpin)
	}
}

// pay tells the wallets. A price that was not known here (of a total, of what is given
// back, by a formula, for a customer that was not cached) counts once Stigg says so.
func (e *Entry) pay(ack *Ack, credit *CreditCount, u usage, now time.Time) {
	w := answer{usage: u}
	w.stamp = ack.stamp(ack.At)
	if credit != nil {
		if e.wallet() == nil || credit.Currency != e.meter.Wallet.id {
			payer := e.book().Wallet(credit.Currency)
			payer.tell(credit.Count, e.first, ack.stamp(credit.At), now)
			if e.before {
				payer.joins()
			}
			payer.notify()
		} else {
			w.count, w.stamp = &credit.Count, ack.stamp(credit.At)
		}
	}
	if waits := e.wallet(); waits != nil {
		w.amount = e.credits()
		e.meter.Wallet.acknowledge(waits, w, e.onWay, now, Cycle{})
	}
}

// Refuse ends the wait: Stigg does not take it. It never counted, unless an earlier
// attempt's answer was lost: then it counts here until a read says otherwise.
func (e *Entry) Refuse(maybeCounted bool, now time.Time) {
	switch {
	case e.meter == nil:
	case maybeCounted:
		e.acknowledge(&Ack{}, true, now)
	default:
		if n := e.unpriced(); n > 0 {
			e.meter.Account.price(n)
		}
		e.meter.Account.refuse(e.slot(), e.change(), e.first, e.onWay)
		if w := e.wallet(); w != nil {
			e.meter.Wallet.refuse(w, e.credits(), e.first, e.onWay)
		}
	}
}

// Notify wakes those who wait for it (Admission.Wait).
func (e *Entry) Notify() {
	if e.meter == nil {
		return
	}
	e.meter.Account.notify()
	if e.wallet() != nil {
		e.meter.Wallet.notify()
	}
}

// Close ends the entry and its pin on the book.
func (e *Entry) Close() { e.book().Unpin() }
