package usage

import (
	"time"

	"github.com/stiggate/gate/internal/delivery"
	"github.com/stiggate/gate/internal/ledger"
)

// Queued is a usage that waits. Hundreds of thousands may, so what a request has used is kept in
// few words, and becomes a Usage when it leaves.
type Queued struct {
	whole *Usage // all there is to know; the rest is empty then

	book   *ledger.Book
	id     string // of the feature, or of the wallet's currency
	value  float64
	excess float64
	number uint64 // of its key, see delivery.Keys
	at     int64  // CreatedAt in nanoseconds of Unix
	wallet bool
}

// Whole is a usage as it is.
func Whole(u *Usage) Queued { return Queued{whole: u} }

// Settled is the usage of a request: of a feature, or of a wallet in the currency that id is. It
// was admitted at a time, and excess of its value is more than it was admitted with. number is that of
// its key.
func Settled(b *ledger.Book, id string, wallet bool, value, excess float64, at time.Time, number uint64, keys delivery.Keys) Queued {
	q := Queued{book: b, id: id, wallet: wallet, value: value, excess: excess, number: number, at: at.UnixNano()}
	if time.Unix(0, q.at).Equal(at) {
		return q
	}
	u := q.Usage(keys) // a clock of a test's is far away
	u.CreatedAt = at
	return Whole(&u)
}

// AsEvent is a change that was settled as an event.
func (q Queued) AsEvent(name string, dimensions map[string]any, keys delivery.Keys) Queued {
	u := q.Usage(keys)
	u.Kind, u.Event, u.Dimensions = Event, name, dimensions
	return Whole(&u)
}

// Usage is all there is to know of it. The keys are those that it was settled with.
func (q Queued) Usage(keys delivery.Keys) Usage {
	if q.whole != nil {
		return *q.whole
	}
	u := Usage{
		Customer: q.book.Owner(), Kind: Change, FeatureID: q.id, Value: q.value, Excess: q.excess,
		Key: keys.Key(q.number), CreatedAt: time.Unix(0, q.at),
	}
	if q.wallet {
		u.Kind, u.FeatureID, u.Currency = Credits, "", q.id
	}
	return u
}

// Each makes one of each.
func Each[A, B any](all []A, to func(*A) B) []B {
	each := make([]B, len(all))
	for i := range all {
		each[i] = to(&all[i])
	}
	return each
}

// Key is its idempotency key: the number of one of keys, or the text of another.
func (q Queued) Key(keys delivery.Keys) (number uint64, key string) {
	if q.whole == nil {
		return q.number, ""
	}
	return keys.Number(q.whole.Key), q.whole.Key
}

// Header is what the queue must know of it.
func (q Queued) Header() delivery.Header {
	if q.whole != nil {
		return q.whole.header()
	}
	h := delivery.Header{Size: size, Value: q.value, CreatedAt: time.Unix(0, q.at)}
	if q.wallet {
		h.Lane = delivery.Credits
	}
	return h
}

// Series is what Stigg refuses usage by.
func (q Queued) Series() delivery.Series {
	if q.whole != nil {
		return q.whole.series()
	}
	o := q.book.Owner()
	s := delivery.Series{Customer: o.ID, Resource: o.Resource}
	if q.wallet {
		s.Currency = q.id
	} else {
		s.Feature = q.id
	}
	return s
}
