package gate

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// delivery takes settled usage to Stigg from a bounded queue in memory.
//
// What holds: every admitted request that may report has its place in the queue
// before it runs, so settling never waits and never fails; usage leaves the queue
// only acknowledged or refused by Stigg for good; each keeps its key and time in
// every attempt; one goroutine delivers, batch by batch in the order of settlement.
type delivery struct {
	reporter  Reporter
	now       func() time.Time
	logger    *slog.Logger
	onRefused func(Usage, error)
	keys      keySource

	mu       sync.Mutex
	queue    []parcel
	odd      []parcel // set apart: Stigg answers them with what nobody understands
	flying   int      // taken, not yet acknowledged
	places   int      // free places
	kept     int      // places of running requests
	closed   bool
	shutting chan struct{} // closed with closed
	idle     chan struct{} // closed when closed and nothing is left
	wake     chan struct{} // holds one token when there is something to do
	over     bool          // idle is closed

	acknowledged, refused, retries atomic.Uint64
	failing                        bool      // the last attempt failed; the sender's own
	oddAfter                       time.Time // when to try an odd one next; the sender's own
	hurried                        bool      // the odd ones know of the Close; the sender's own
}

// parcel is usage on its way with the accounts it settles.
type parcel struct {
	Usage
	book         *book
	right        *right
	period       *period
	credits      float64
	creditPeriod *period
	sent         uint64 // the book's clock before the first attempt
	tried        bool   // an attempt failed of which nobody knows what Stigg did
}

// keySource makes idempotency keys: a random name for this process and a number.
type keySource struct {
	prefix string
	last   *atomic.Uint64
}

func newKeySource() keySource {
	return keySource{prefix: "gate-" + rand.Text() + "-", last: new(atomic.Uint64)}
}

func (k keySource) next() string {
	var b [48]byte
	return string(strconv.AppendUint(append(b[:0], k.prefix...), k.last.Add(1), 10))
}

func newDelivery(r Reporter, c config) *delivery {
	return &delivery{
		reporter: r, now: c.now, logger: c.logger, onRefused: c.onRefused, keys: newKeySource(),
		places: c.queue, shutting: make(chan struct{}), idle: make(chan struct{}), wake: make(chan struct{}, 1),
	}
}

// reserve keeps n places for a request that is about to run.
func (d *delivery) reserve(n int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return ErrClosed
	case d.places < n:
		return errQueueFull
	}
	d.places -= n
	d.kept += n
	return nil
}

var errQueueFull = errors.New("gate: too much usage waits to be reported")

// vacate gives kept places back.
func (d *delivery) vacate(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.places += n
	d.kept -= n
	d.rest()
}

// enqueue puts settled usage into a kept place. The book stays pinned until the
// usage has left.
func (d *delivery) enqueue(b *book, h *hold) Usage {
	b.pin() // never forgotten here: the ticket still pins it
	p := parcel{
		Usage: Usage{Customer: b.customer, FeatureID: h.right.FeatureID, Value: h.use, Key: d.keys.next(), CreatedAt: h.createdAt},
		book:  b, right: h.right, period: h.period, creditPeriod: h.creditPeriod,
	}
	if h.creditPeriod != nil {
		p.credits = h.price()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kept--
	d.queue = append(d.queue, p)
	d.nudge()
	return p.Usage
}

// nudge wakes the sender. Call it under the lock.
func (d *delivery) nudge() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// rest closes idle once nothing more can come. Call it under the lock.
func (d *delivery) rest() {
	if d.closed && d.kept == 0 && len(d.queue)+len(d.odd)+d.flying == 0 && !d.over {
		d.over = true
		close(d.idle)
	}
}

// settle takes acknowledged usage out of the ledger's unacked.
func (d *delivery) settle(batch []parcel, acks []Ack) {
	now := d.now()
	for i := range batch {
		d.acknowledge(&batch[i], &acks[i], now)
	}
	d.acknowledged.Add(uint64(len(batch)))
	d.left(batch)
}

// acknowledge tells the feature's account and, if it costs credits, the wallet's.
func (*delivery) acknowledge(p *parcel, ack *Ack, now time.Time) {
	var r *reading
	if ack.Known {
		r = &reading{ack.Usage, ack.PeriodStart, ack.PeriodEnd}
	}
	p.right.account.acknowledge(p.period, p.Value, r, ack.At, now, p.sent, p.right.cycle())
	if p.creditPeriod == nil {
		return
	}
	r = nil
	at := ack.At
	if c := ack.Credit; c != nil && c.CurrencyID == p.right.CreditRate.CurrencyID {
		r, at = &reading{usage: c.Usage, end: c.PeriodEnd}, c.At
	}
	p.right.wallet.acknowledge(p.creditPeriod, p.credits, r, at, now, p.sent, cycle{})
}

// refuse sets aside usage that Stigg does not take. It never counted, unless an earlier
// attempt's answer was lost: then it counts here until a read says otherwise.
func (d *delivery) refuse(p parcel, err error) {
	if p.tried {
		d.acknowledge(&p, &Ack{}, d.now())
	} else {
		p.right.account.drop(p.period, p.Value)
		if p.creditPeriod != nil {
			p.right.wallet.drop(p.creditPeriod, p.credits)
		}
	}
	d.refused.Add(1)
	d.logger.Error("gate: usage was refused and is set aside", "feature", p.FeatureID, "key", p.Key, "error", err)
	if d.onRefused != nil {
		d.onRefused(p.Usage, err)
	}
	d.left([]parcel{p})
}

// left ends the parcels' stay: their places are free again, their books unpinned.
func (d *delivery) left(batch []parcel) {
	for i := range batch {
		batch[i].book.unpin()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.flying -= len(batch)
	d.places += len(batch)
	d.rest()
}

// shut stops admission of new usage; what runs may still settle.
func (d *delivery) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.closed = true
		close(d.shutting)
	}
	d.nudge()
	d.rest()
}

// waiting counts what is queued or under way, and what running requests may add.
func (d *delivery) waiting() (queued, open int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.queue) + len(d.odd) + d.flying, d.kept
}
