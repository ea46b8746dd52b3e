package gate

import (
	"time"
)

// What becomes of usage that has left the queue: it is acknowledged, or refused for
// good.

// eventDelay is how long Stigg may take to count an event that it has acknowledged: it
// says about 10 s (docs, "Reporting usage").
const eventDelay = 15 * time.Second

// settle takes acknowledged usage out of the ledger's unacked.
func (d *delivery) settle(l *lane, batch []parcel, acks []Ack) {
	now := d.now()
	for i := range batch {
		d.acknowledge(&batch[i], &acks[i], now)
	}
	d.acknowledged.Add(uint64(len(batch)))
	for i := range batch {
		batch[i].landed()
	}
	if d.keeper != nil {
		d.keeper.done(batch)
	}
	d.left(l, batch)
}

// acknowledge tells the account and, if a feature costs credits, the wallet's.
func (d *delivery) acknowledge(p *parcel, ack *Ack, now time.Time) {
	a := p.right.account
	if a == nil {
		return // an event that counts nowhere here
	}
	if p.Kind == UsageEvent || ack.Delayed {
		d.linger(p, now)
		return
	}
	var r *reading
	if ack.Known {
		r = &reading{ack.Usage, ack.PeriodStart, ack.PeriodEnd}
	}
	if p.Kind == UsageTotal {
		a.acknowledgeTotal(p.place, p.Value, r, ack.At, now, p.sent, p.right.cycle())
	} else {
		a.acknowledge(p.place, p.Value, r, ack.At, now, p.sent, p.right.cycle())
	}
	p.paid(ack, now)
	switch {
	case p.owed == 0:
	case ack.Credit != nil:
		p.priced()
	default:
		a.mu.Lock()
		defer a.mu.Unlock()
		a.owesOn(p.owed)
	}
}

// paid tells the wallet. A price that was not known here (of a total, of what is given
// back, by a formula, for a customer that was not cached) counts once Stigg says so.
func (p *parcel) paid(ack *Ack, now time.Time) {
	var r *reading
	at, c := ack.At, ack.Credit
	if c != nil {
		r, at = &reading{usage: c.Usage, end: c.PeriodEnd}, c.At
	}
	switch {
	case p.creditPlace == nil && c != nil:
		wallet := p.book.account(accountKey{true, c.CurrencyID})
		wallet.acknowledge(wallet.wait(0, now, now, cycle{}), 0, r, at, now, p.sent, cycle{})
	case p.creditPlace == nil:
	case c == nil || c.CurrencyID != p.right.CreditRate.CurrencyID:
		p.right.wallet.acknowledge(p.creditPlace, p.credits, nil, ack.At, now, p.sent, cycle{})
	default:
		p.right.wallet.acknowledge(p.creditPlace, p.credits, r, at, now, p.sent, cycle{})
	}
}

// owe notes usage whose price is not known.
func (p *parcel) owe(units float64) {
	if p.owed = units; units > 0 {
		p.right.account.owe(units)
	}
}

// priced says that nothing is owed for it any more.
func (p *parcel) priced() {
	if p.owed > 0 {
		p.right.account.priced(p.owed)
		p.owed = 0
	}
}

// linger leaves usage in unacked until a read that began eventDelay from now. The book
// stays until any later read has it.
func (*delivery) linger(p *parcel, now time.Time) {
	p.book.pin() // never forgotten here: the parcel still pins it
	waits := p.right.account.linger(p.place, p.waits, p.owed, now)
	var paid *lingering
	if p.creditPlace != nil {
		paid = p.right.wallet.linger(p.creditPlace, p.credits, 0, now)
	}
	book := p.book
	time.AfterFunc(eventDelay, func() {
		tick := book.tick()
		waits.ripen(tick)
		paid.ripen(tick)
		book.unpin()
	})
}

// refuse sets aside usage that Stigg does not take. It never counted, unless an earlier
// attempt's answer was lost: then it counts here until a read says otherwise.
func (d *delivery) refuse(l *lane, p parcel, err error) {
	a := p.right.account
	switch {
	case a == nil:
	case p.tried:
		d.acknowledge(&p, &Ack{}, d.now())
	default:
		p.priced()
		a.drop(p.place, p.waits)
		if p.creditPlace != nil {
			p.right.wallet.drop(p.creditPlace, p.credits)
		}
	}
	d.refused.Add(1)
	if d.keeper != nil {
		d.keeper.setAside(&p, err)
	}
	p.landed()
	if d.onRefused != nil {
		d.onRefused(p.Usage, err)
	}
	d.left(l, []parcel{p})
}

// left ends the parcels' stay: their places are free again, their books unpinned.
func (d *delivery) left(l *lane, batch []parcel) {
	for i := range batch {
		batch[i].book.unpin()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	l.flying -= len(batch)
	d.places += len(batch)
	d.rest()
}
