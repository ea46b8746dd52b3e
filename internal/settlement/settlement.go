// Package settlement ends what a request holds, exactly once: it is settled and queued for Stigg, or
// released, or a transaction of the application's decides which.
package settlement

import (
	"context"
	"time"

	"github.com/stiggate/gate/internal/admission"
	"github.com/stiggate/gate/internal/delivery"
	"github.com/stiggate/gate/internal/usage"
)

// Queue is where usage goes.
type Queue = delivery.Queue[usage.Queued]

// Holds is what a request holds.
type Holds = admission.Holds

// Entrust fixes the amounts and has store put the usage where a transaction decides whether it is used.
// See Holds.Entrust.
func Entrust(h *Holds, q *Queue, store func([]usage.Queued) error) error {
	next := func() uint64 { return q.Keys.Next() }
	return h.Entrust(next, func(list []admission.Hold, keys []uint64) error {
		return store(entrusted(h, q, list, keys))
	})
}

// entrusted is the usage that is.
func entrusted(h *Holds, q *Queue, list []admission.Hold, keys []uint64) (all []usage.Queued) {
	for i := range list {
		if list[i].Use != 0 {
			all = append(all, usage.Whole(whole(h, q, &list[i], keys[i])))
		}
	}
	return all
}

// End moves all that is held out of held, as report says, if it is not a transaction that decides. told,
// if it is not nil, is told what is reported: now or, if that is not known yet, on another goroutine.
// The error is ErrSettled of admission, or a *StoreError.
func End(h *Holds, q *Queue, now func() time.Time, report bool, told func(reported []usage.Queued)) error {
	list, places, first, err := h.End(report)
	if !first {
		return err
	}
	keys := h.Entrusted()
	if keys == nil {
		return finish(h, q, now, list, places, report, nil, told)
	}
	q.Resolve(entrusted(h, q, list, keys), func(kept func(int) bool) {
		h.Known(kept)
		_ = finish(h, q, now, list, places, true, keys, told) // fails only where it has to be kept
	})
	return nil
}

// finish settles or releases each hold. keys are those of usage that the outbox has already.
func finish(h *Holds, q *Queue, now func() time.Time, list []admission.Hold, places int, report bool, keys []uint64, told func([]usage.Queued)) (err error) {
	var one [1]delivery.Item[usage.Queued]
	items := one[:0]
	for i := range list {
		switch hold := &list[i]; {
		case !report || hold.Use == 0:
			hold.Release()
		case keys != nil:
			items = append(items, settle(h, q, now, hold, keys[i], len(items) > 0))
		default:
			items = append(items, settle(h, q, now, hold, q.Keys.Next(), len(items) > 0))
		}
	}
	if len(items) == 0 {
		h.Book().Unpin() // else the pin is the first entry's
	}
	if keys != nil {
		q.Kept(items)
	} else {
		err = q.Keep(context.Background(), items)
	}
	// Before the observers, which may panic or never return.
	q.Put(items...)
	q.Cancel(places - len(items))
	if told != nil {
		reported := make([]usage.Queued, len(items))
		for i := range items {
			reported[i] = items[i].Usage
		}
		told(reported)
	}
	return err
}

// settle settles a hold and returns the usage that it reports, with the key of a number. pin says that the
// entry needs a pin of its own.
func settle(h *Holds, q *Queue, now func() time.Time, hold *admission.Hold, number uint64, pin bool) delivery.Item[usage.Queued] {
	var at time.Time
	if hold.Use < 0 { // else nobody asks
		at = now()
	}
	if pin {
		h.Book().Pin() // never forgotten here: the holds still pin it
	}
	if hold.IsUsual() {
		return delivery.Item[usage.Queued]{Usage: usage.Settled(hold.Settle(hold.Use, at), hold.At(), number)}
	}
	u := usage.Whole(whole(h, q, hold, number))
	if u.Entry = hold.Settle(hold.Use, at); hold.IsEvent() {
		u.Entry.AsEvent()
	}
	return delivery.Item[usage.Queued]{Usage: u}
}

// whole is the usage that a hold reports.
func whole(h *Holds, q *Queue, hold *admission.Hold, number uint64) *usage.Usage {
	u := &usage.Usage{Customer: h.Book().Owner(), Value: hold.Use, Excess: max(0, hold.Use-hold.Amount()), Key: q.Keys.Key(number), CreatedAt: hold.At()}
	u.Name(hold.Right.ID, hold.Right.IsWallet)
	if hold.IsEvent() {
		u.Kind = usage.Event
		u.Event, u.Dimensions = hold.Sends()
	}
	return u
}
