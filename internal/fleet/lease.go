package fleet

import (
	"time"

	"github.com/stiggate/gate/internal/ledger"
)

// What follows of a Lease is told by the ledger, under its account's lock, of what happens to an amount.

// Has says what is held and settled from now on, and what of it came back.
func (l *Lease) Has(held, settled, back float64) {
	s := l.share
	s.mu.Lock()
	s.book.Has(l.period, held, settled, back)
	if !s.active || s.book.scarce || s.book.last.Wants {
		s.changed()
	}
	s.mu.Unlock() // each request is here once or twice
}

// Acknowledge says that Stigg counts usage that was settled. What it counts later stays until a count
// comes that was asked for when it surely had.
func (l *Lease) Acknowledge(held, settled float64, a ledger.Acknowledged) {
	s := l.share
	s.change(func(b *Book) {
		b.Has(l.period, held, settled, 0)
		switch {
		case a.Told:
			s.count(l.period, a.Used, a.Began)
		case a.Due != 0:
			l.period.delayed += a.Amount
			s.delayed = append(s.delayed, delayed{a.Due, l.period, a.Amount})
		default:
			b.Blind(l.period, a.Amount)
		}
	})
}

// Count is one of Stigg's that was asked for, and was not taken before the tick began.
func (l *Lease) Count(used float64, began ledger.Tick) {
	l.share.change(func(*Book) { l.share.count(l.period, used, began) })
}

// Hint is a count of Stigg's that came unasked.
func (l *Lease) Hint(used float64) {
	l.share.change(func(b *Book) { b.Hint(l.period, used) })
}

// Correct gives the period the bounds that Stigg names.
func (l *Lease) Correct(start, end time.Time) {
	l.share.change(func(b *Book) { b.Correct(l.period, millis(start), millis(end)) })
}
