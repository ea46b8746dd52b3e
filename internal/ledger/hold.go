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
	meter *Meter
	units held
	at    int64 // in nanoseconds of Unix
	rare  *rareHold
}

// rareHold is what few requests hold, or need.
type rareHold struct {
	credits held
	at      time.Time // zero, unless nanoseconds don't tell it
	entry   rareEntry // of its Entry
}

// Hold is what was granted of the meter's account by Account.Hold at a time.
func (m *Meter) Hold(units Admission, now time.Time) Hold {
	at := now
	if at.Before(units.Start) {
		at = units.Start // the period was opened by a later clock reading
	}
	if units.leased && !units.End.IsZero() && !at.Before(units.End) {
		at = units.End.Add(-time.Millisecond) // it counts in the period that it was leased in
	}
	h := Hold{meter: m, units: units.held, at: at.UnixNano()}
	if !time.Unix(0, h.at).Equal(at) { // centuries away
		h.rare = &rareHold{at: at}
	}
	return h
}

// Pay adds what was granted of the wallet.
func (h *Hold) Pay(credits Admission) {
	if credits.held.period == nil {
		return
	}
	if h.rare == nil {
		h.rare = new(rareHold)
	}
	h.rare.credits = credits.held
}

// credits is what is held of the wallet.
func (h *Hold) credits() held {
	if h.rare == nil {
		return held{}
	}
	return h.rare.credits
}

// Amount is what is held of the account.
func (h *Hold) Amount() float64 { return h.units.amount }

// At is when the amount was held, and never before its period.
func (h *Hold) At() time.Time {
	if h.IsUsual() {
		return time.Unix(0, h.at)
	}
	return h.rare.at
}

// IsUsual reports whether nanoseconds of Unix tell when it was held.
func (h *Hold) IsUsual() bool { return h.rare == nil || h.rare.at.IsZero() }

// Shrink gives back what is beyond so many units; it is no more than is held.
func (h *Hold) Shrink(units float64) { h.units.shrink(h.meter.Account, units) }

// Join adds another hold to it, which is none of its own then. It fails if the other holds in another
// period or account.
func (h *Hold) Join(o *Hold) bool {
	paid := o.credits()
	if h.meter.Account != o.meter.Account || h.meter.Wallet != o.meter.Wallet || h.units.period != o.units.period || paid.period != nil && h.credits().period != paid.period {
		return false
	}
	h.units.join(h.meter.Account, o.units)
	if paid.period != nil {
		h.rare.credits.join(h.meter.Wallet, paid)
	}
	return true
}

// Of is what of it is held of an account.
func (h *Hold) Of(a *Account) float64 {
	switch {
	case h.meter == nil: // not yet
	case a == h.meter.Account:
		return h.units.amount
	case a == h.meter.Wallet:
		return h.credits().amount
	}
	return 0
}

// Release gives back what was held.
func (h *Hold) Release() {
	h.units.settle(h.meter.Account, 0, time.Time{})
	h.credits().settle(h.meter.Wallet, 0, time.Time{})
}

// Settle ends the hold: used units wait for their acknowledgement, and the credits that
// they cost. Less than none gives back, which counts, and brings credits, once Stigg says
// so. The book must be pinned for the Entry, until its Close.
func (h *Hold) Settle(used float64, now time.Time) Entry {
	m := h.meter
	h.units.settle(m.Account, used, now)
	e := Entry{meter: m, admitted: h.units.period, value: used}
	if paid := h.credits(); paid.period != nil {
		h.rare.entry.wallet = paid.period
		e.rare = &h.rare.entry
		paid.settle(m.Wallet, e.credits(), now)
	}
	if m.Unpriced {
		e.owe(max(0, used))
	}
	return e
}
