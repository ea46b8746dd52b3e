package gate

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// delivery takes settled usage to Stigg, from a bounded queue in memory.
//
// What holds: every admitted request that may report has its place in the queue
// before it runs, so settling never fails; usage leaves the queue only acknowledged or
// refused by Stigg for good; each keeps its key and time in every attempt. Each kind of
// batch has its lane, with one goroutine that delivers in the order of settlement, so
// that trouble with events delays no measurement.
type delivery struct {
	reporter  Reporter
	now       func() time.Time
	logger    *slog.Logger
	onRefused func(Usage, error)
	keys      keySource
	keeper    *keeper // nil without an outbox

	mu       sync.Mutex
	lanes    [3]lane // of measurements, events, credits
	places   int     // free places; below 0 after a start with more than there are
	kept     int     // places of running requests
	closed   bool
	shutting chan struct{} // closed with closed
	idle     chan struct{} // closed when closed and nothing is left
	over     bool          // idle is closed
	settled  uint64        // number of the last parcel
	refusals refusals

	acknowledged, refused, retries atomic.Uint64
}

// parcel is usage on its way with the accounts it settles.
type parcel struct {
	Usage
	number      uint64 // in the order of settlement
	book        *book
	right       *right
	place       place
	waits       float64 // what of the account's unacked is this one's
	credits     float64
	creditPlace place   // nil if it costs nothing that is known
	sent        uint64  // the book's clock before the first attempt
	tried       bool    // an attempt failed of which nobody knows what Stigg did
	departed    bool    // the accounts know that it is on its way
	turns       int     // how often it was set apart
	owed        float64 // units whose price in credits was not known
}

// lane returns the lane that takes usage of kind k.
func (d *delivery) lane(k UsageKind) *lane {
	switch k {
	case UsageEvent:
		return &d.lanes[1]
	case UsageCredits:
		return &d.lanes[2]
	default:
		return &d.lanes[0]
	}
}

// keySource makes idempotency keys: a random name for this process and a number.
type keySource struct {
	prefix string
	last   *atomic.Uint64
}

const keyStart, keyName = "gate-", 26 // the length of rand.Text

func newKeySource() keySource {
	return keySource{prefix: keyStart + rand.Text() + "-", last: new(atomic.Uint64)}
}

// generated reports whether key is of a keySource, of this process or an earlier one.
func generated(key string) bool {
	name, ok := strings.CutPrefix(key, keyStart)
	return ok && len(name) > keyName+1 && name[keyName] == '-'
}

func (k keySource) next() string {
	var b [48]byte
	return string(strconv.AppendUint(append(b[:0], k.prefix...), k.last.Add(1), 10))
}

func newDelivery(r Reporter, c config) *delivery {
	d := &delivery{
		reporter: r, now: c.now, logger: c.logger, onRefused: c.onRefused, keys: newKeySource(),
		places: c.queue, shutting: make(chan struct{}), idle: make(chan struct{}),
	}
	for i, kind := range [...]UsageKind{UsageChange, UsageEvent, UsageCredits} {
		l := &d.lanes[i]
		l.delivery, l.kind, l.size, l.wake = d, kind, batchSize, make(chan struct{}, 1)
		if kind == UsageEvent {
			l.size = eventBatch
		}
	}
	if c.outbox != nil {
		d.keeper = &keeper{outbox: c.outbox, logger: c.logger, goOn: c.unkept}
	}
	return d
}

// run delivers until ctx ends.
func (d *delivery) run(ctx context.Context) {
	var wait sync.WaitGroup
	for i := range d.lanes {
		wait.Go(func() { d.lanes[i].run(ctx) })
	}
	wait.Wait()
}

// reserve keeps n places for a request that is about to run, if the outbox will keep what
// it reports.
func (d *delivery) reserve(n int) error {
	if err := d.occupy(n); err != nil {
		return err
	}
	err := d.keeper.ready()
	if err != nil {
		d.vacate(n)
	}
	return err
}

func (d *delivery) occupy(n int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return ErrClosed
	case d.places < n:
		return ErrQueueFull
	}
	d.places -= n
	d.kept += n
	return nil
}

// ErrQueueFull says that as much usage waits for Stigg as WithQueue allows.
var ErrQueueFull = errors.New("gate: too much usage waits to be reported")

// vacate gives kept places back.
func (d *delivery) vacate(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.places += n
	d.kept -= n
	d.rest()
}

// parcel makes a parcel of a settled hold.
func (d *delivery) parcel(b *book, h *hold) parcel {
	p := parcel{
		Usage: Usage{
			Customer: b.customer, Kind: UsageChange, FeatureID: h.right.FeatureID, Value: h.use, Excess: max(0, h.use-h.held),
			Key: d.keys.next(), CreatedAt: h.createdAt,
		},
		book: b, right: h.right, place: h.period, waits: max(0, h.use),
	}
	if h.creditPeriod != nil {
		p.creditPlace, p.credits = h.creditPeriod, h.price()
	}
	if h.right.guessed {
		p.owe(p.waits)
	}
	switch {
	case h.right.currency != "":
		p.Kind, p.FeatureID, p.Currency = UsageCredits, "", h.right.currency
	case h.event != nil:
		p.Kind, p.Event, p.Dimensions = UsageEvent, h.event.Name, h.dimensions
		if h.event.AmountIn != "" {
			p.Dimensions = maps.Clone(h.dimensions)
			if p.Dimensions == nil {
				p.Dimensions = make(map[string]any, 1)
			}
			p.Dimensions[h.event.AmountIn] = json.RawMessage(strconv.AppendFloat(nil, h.use, 'g', -1, 64))
		}
	}
	return p
}

// enqueue puts usage into places kept for it. Each book must be pinned for its parcel
// until the usage has left.
func (d *delivery) enqueue(parcels ...parcel) {
	if len(parcels) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kept -= len(parcels)
	for i := range parcels {
		d.settled++
		parcels[i].number = d.settled
		l := d.lane(parcels[i].Kind)
		l.queue = append(l.queue, parcels[i])
		l.nudge()
	}
}

// rest closes idle once nothing more can come. Call it under the lock.
func (d *delivery) rest() {
	if d.closed && d.kept == 0 && d.queued() == 0 && !d.over {
		d.over = true
		close(d.idle)
	}
}

// queued is what waits or is under way. Call it under the lock.
func (d *delivery) queued() int {
	n := 0
	for i := range d.lanes {
		l := &d.lanes[i]
		n += len(l.queue) + l.wards.queued + len(l.odd) + l.flying
	}
	return n
}

// shut stops admission of new usage; what runs may still settle.
func (d *delivery) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.closed = true
		close(d.shutting)
	}
	for i := range d.lanes {
		d.lanes[i].nudge()
	}
	d.rest()
}

// waiting counts what is queued or under way, and what running requests may add; oldest
// is the time of the oldest queued.
func (d *delivery) waiting() (queued, open int, oldest time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.lanes {
		l := &d.lanes[i]
		for _, waits := range [][]parcel{l.queue, l.odd} {
			if len(waits) > 0 {
				oldest = earlier(oldest, waits[0].CreatedAt)
			}
		}
		for _, w := range l.wards.waiting {
			oldest = earlier(oldest, w.queue[0].CreatedAt)
		}
		if l.flying > 0 {
			oldest = earlier(oldest, l.since)
		}
	}
	return d.queued(), d.kept, oldest
}

// earlier is the earlier of two times, of which the first may be zero.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// full reports whether no request that reports can be let in.
func (d *delivery) full() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.places <= 0
}

// refuses reports whether Stigg has refused usage within the last minute and has not taken
// usage again since that it refused.
func (d *delivery) refuses() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.lanes {
		if at := d.lanes[i].wards.refusedAt; !at.IsZero() && d.clock().Sub(at) < time.Minute {
			return true
		}
	}
	return false
}

// troubled reports whether a lane's last attempt failed.
func (d *delivery) troubled() bool {
	for i := range d.lanes {
		if d.lanes[i].failing.Load() {
			return true
		}
	}
	return false
}
