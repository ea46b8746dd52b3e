package ledger

import "time"

// Meter is where usage of one feature counts: its account, how the account's periods
// follow each other and, if units cost credits at a known price, the wallet that pays.
type Meter struct {
	Account *Account
	Cycle   Cycle
	Wallet  *Account
	Price   float64 // of one unit
	// Unpriced says that units may cost credits, and nobody here knows how many.
	Unpriced bool
}

// Hold is what one request holds: an amount of an account, and credits of a wallet.
type Hold struct {
	meter          *Meter
	units, credits held
	at             time.Time
}

// Hold is what was granted of the meter's account by Account.Hold at a time.
func (m *Meter) Hold(units Admission, now time.Time) Hold {
	h := Hold{meter: m, units: units.held, at: now}
	if now.Before(units.Start) {
		h.at = units.Start // the period was opened by a later clock reading
	}
	if units.leased && !units.End.IsZero() && !h.at.Before(units.End) {
		h.at = units.End.Add(-time.Millisecond) // it counts in the period that it was leased in
	}
	return h
}

// Pay adds what was granted of the wallet.
func (h *Hold) Pay(credits Admission) { h.credits = credits.held }

// Amount is what is held of the account.
func (h *Hold) Amount() float64 { return h.units.amount }

// At is when the amount was held, and never before its period.
func (h *Hold) At() time.Time { return h.at }

// Shrink gives back what is beyond so many units; it is no more than is held.
func (h *Hold) Shrink(units float64) { h.units.shrink(h.meter.Account, units) }

// Join adds another hold to it, which is none of its own then. It fails if the other holds in another
// period or account.
func (h *Hold) Join(o *Hold) bool {
	if h.meter.Account != o.meter.Account || h.meter.Wallet != o.meter.Wallet || h.units.period != o.units.period || o.credits.period != nil && h.credits.period != o.credits.period {
		return false
	}
	h.units.join(h.meter.Account, o.units)
	h.credits.join(h.meter.Wallet, o.credits)
	return true
}

// Of is what of it is held of an account.
func (h *Hold) Of(a *Account) float64 {
	switch {
	case h.meter == nil: // not yet
	case a == h.meter.Account:
		return h.units.amount
	case a == h.meter.Wallet:
		return h.credits.amount
	}
	return 0
}

// Release gives back what was held.
func (h *Hold) Release() {
	h.units.settle(h.meter.Account, 0, h.at)
	h.credits.settle(h.meter.Wallet, 0, h.at)
}

// Settle ends the hold: used units wait for their acknowledgement, and the credits that
// they cost. Less than none gives back, which counts, and brings credits, once Stigg says
// so. The book must be pinned for the Entry, until its Close.
func (h *Hold) Settle(used float64, now time.Time) Entry {
	m := h.meter
	h.units.settle(m.Account, used, now)
	e := Entry{book: m.Account.book, meter: m, slot: h.units.period, value: used}
	if h.credits.period != nil {
		e.wallet = h.credits.period
		h.credits.settle(m.Wallet, e.credits(), now)
	}
	if m.Unpriced {
		e.owe(max(0, used))
	}
	return e
}
