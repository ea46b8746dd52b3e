package usage

import (
	"time"

	"github.com/stiggate/gate/internal/delivery"
	"github.com/stiggate/gate/internal/ledger"
)

// Queued is a usage that waits. Hundreds of thousands may, so of what a request has used no more is kept
// than its entry in the ledger does not know, and it becomes a Usage when it leaves.
type Queued struct {
	Entry ledger.Entry

	whole  *Usage // all there is to know but the entry; the rest is empty then
	number uint64 // of its key, see delivery.Keys
	at     int64  // CreatedAt in nanoseconds of Unix
}

// Whole is a usage as it is, without an entry.
func Whole(u *Usage) Queued { return Queued{whole: u} }

// Settled is the change of usage, or the credits, that an entry is of. It was admitted at a time, and
// number is that of its key.
func Settled(e ledger.Entry, at time.Time, number uint64) Queued {
	return Queued{Entry: e, number: number, at: at.UnixNano()}
}

// InLedger is its entry.
func (q *Queued) InLedger() *ledger.Entry { return &q.Entry }

// Usage is all there is to know of it. The keys are those that it was settled with.
func (q Queued) Usage(keys delivery.Keys) Usage {
	if q.whole != nil {
		return *q.whole
	}
	u := Usage{
		Customer: q.Entry.Owner(), Kind: Change, Value: q.Entry.Value(), Key: keys.Key(q.number), CreatedAt: time.Unix(0, q.at),
	}
	u.Name(q.Entry.Of())
	return u
}

// Name has a change be of a feature, or take credits of a currency.
func (u *Usage) Name(id string, wallet bool) {
	if u.FeatureID = id; wallet {
		u.Kind, u.FeatureID, u.Currency = Credits, "", id
	}
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
	h := delivery.Header{Size: size, Value: q.Entry.Value(), CreatedAt: time.Unix(0, q.at)}
	if _, wallet := q.Entry.Of(); wallet {
		h.Lane = delivery.Credits
	}
	return h
}

// Series is what Stigg refuses usage by.
func (q Queued) Series() delivery.Series {
	if q.whole != nil {
		return q.whole.series()
	}
	o := q.Entry.Owner()
	s := delivery.Series{Customer: o.ID, Resource: o.Resource}
	if id, wallet := q.Entry.Of(); wallet {
		s.Currency = id
	} else {
		s.Feature = id
	}
	return s
}
