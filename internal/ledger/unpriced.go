package ledger

import "time"

// unpriced is the usage of an account whose price in credits was not known and that no
// wallet's count has.
type unpriced struct {
	units float64
	// acked are those of them that are acknowledged: the first read that began after has
	// them.
	acked []unpricedAcked
}

// unpricedAcked is some usages, of which the last was counted at last.
type unpricedAcked struct {
	last  Tick
	units float64
	count int32
}

func (a *Account) addUnpriced(units float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rare().unpriced.units += units
	a.book.unpriced.Add(1)
}

// price takes units out, since the wallet has them or they were refused.
func (a *Account) price(units float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dropUnpriced(units, 1)
}

// priceByRead leaves units to the first read that begins from now on, or where they are
// counted later, from then on.
func (a *Account) priceByRead(units float64, later bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	last := a.book.Tick()
	if later {
		last += Tick(CountDelay)
	}
	u := &a.rare().unpriced
	all := u.acked
	if n := len(all); n > 0 && (last < all[n-1].last+Tick(time.Second) || n == mostAcknowledged) {
		p := &all[n-1]
		p.last, p.units, p.count = max(p.last, last), p.units+units, p.count+1
		return
	}
	u.acked = append(u.acked, unpricedAcked{last, units, 1})
}

// priceBefore takes out what a read that began at a tick has. Call it under the lock, in
// the same step as the read.
func (a *Account) priceBefore(began Tick) {
	if a.seldom == nil {
		return
	}
	all := a.seldom.unpriced.acked
	kept := all[:0]
	for _, u := range all {
		if u.last < began {
			a.dropUnpriced(u.units, u.count)
		} else {
			kept = append(kept, u)
		}
	}
	a.seldom.unpriced.acked = kept
}

func (a *Account) dropUnpriced(units float64, count int32) {
	u := &a.rare().unpriced
	if u.units -= units; len(u.acked) == 0 && u.units < 0 {
		u.units = 0
	}
	a.book.unpriced.Add(-count)
}

// Unpriced is how many units wait whose price no wallet's count has, and how many of them
// are acknowledged, which a read that begins now would tell of.
func (a *Account) Unpriced() (units, acked float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.seldom == nil {
		return 0, 0
	}
	now := a.book.Tick()
	for _, u := range a.seldom.unpriced.acked {
		if u.last < now {
			acked += u.units
		}
	}
	return max(0, a.seldom.unpriced.units), acked
}
