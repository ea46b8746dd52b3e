package gate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mrand "math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// batchSize is the most measurements that Stigg takes in one reportUsageBulk.
	batchSize = 100
	// The first report after quiet leaves at once. While there is more, a part of a
	// batch lingers so that it fills, and full batches keep the pace that Stigg
	// allows for a whole environment: 600 calls a minute.
	linger = 200 * time.Millisecond
	pace   = 100 * time.Millisecond
	// A failed report is tried again after a pause that doubles up to the longest.
	firstPause   = 100 * time.Millisecond
	longestPause = 10 * time.Second
	// reportTimeout bounds one attempt.
	reportTimeout = 30 * time.Second
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

	mu     sync.Mutex
	queue  []parcel
	flying int // taken from the queue, not yet acknowledged
	places int // free places
	kept   int // places of running requests
	closed bool
	idle   chan struct{} // closed when closed and nothing is left
	wake   chan struct{} // holds one token when there is something to do
	over   bool          // idle is closed

	acknowledged, refused, retries atomic.Uint64
	failing                        bool // the last attempt failed; sender's own
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
		places: c.queue, idle: make(chan struct{}), wake: make(chan struct{}, 1),
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
	if d.closed && d.kept == 0 && len(d.queue) == 0 && d.flying == 0 && !d.over {
		d.over = true
		close(d.idle)
	}
}

// run delivers until ctx ends. It is the gate's one lasting goroutine.
func (d *delivery) run(ctx context.Context) {
	last := time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.wake:
		}
		for d.pause(ctx, last) {
			batch := d.take()
			if len(batch) == 0 {
				break
			}
			d.send(ctx, batch)
			last = time.Now() //nolint:forbidigo // waits are on the real clock
		}
	}
}

// pause waits until the next batch may leave; false when ctx has ended.
func (d *delivery) pause(ctx context.Context, last time.Time) bool {
	for {
		d.mu.Lock()
		wait := linger
		if len(d.queue) >= batchSize {
			wait = pace
		}
		if d.closed || len(d.queue) == 0 {
			wait = 0
		}
		d.mu.Unlock()
		wait -= time.Since(last)
		if wait <= 0 {
			return ctx.Err() == nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-d.wake: // more came, or Close: look again
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return false
		}
	}
}

func (d *delivery) take() []parcel {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := min(batchSize, len(d.queue))
	batch := make([]parcel, n)
	copy(batch, d.queue)
	clear(d.queue[:n])
	d.queue = d.queue[n:]
	if len(d.queue) == 0 {
		d.queue = nil // let a long queue's memory go
	}
	d.flying += n
	for i := range batch {
		batch[i].sent = batch[i].book.tick()
	}
	return batch
}

// send delivers a batch: it tries until Stigg answers or ctx ends. A batch that Stigg
// refuses for good is split until the measurement at fault stands alone, so that it
// costs no other.
func (d *delivery) send(ctx context.Context, batch []parcel) {
	usages := make([]Usage, len(batch))
	for i := range batch {
		usages[i] = batch[i].Usage
	}
	for try := 0; ; try++ {
		acks, err := d.attempt(ctx, usages)
		switch {
		case err == nil:
			d.note(nil)
			d.settle(batch, acks)
			return
		case permanent(err) && len(batch) > 1:
			d.send(ctx, batch[:len(batch)/2])
			d.send(ctx, batch[len(batch)/2:])
			return
		case permanent(err):
			d.refuse(batch[0], err)
			return
		}
		d.note(err)
		d.retries.Add(1)
		if !sleep(ctx, backoff(try, err)) {
			d.putBack(batch)
			return
		}
	}
}

func (d *delivery) attempt(ctx context.Context, usages []Usage) ([]Ack, error) {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	acks, err := d.reporter.Report(ctx, usages)
	if err == nil && len(acks) != len(usages) {
		err = fmt.Errorf("gate: the reporter answered %d of %d measurements", len(acks), len(usages))
	}
	return acks, err
}

func permanent(err error) bool {
	var p interface{ Permanent() bool }
	return errors.As(err, &p) && p.Permanent()
}

// backoff is the pause after a failed attempt: what Stigg asked for, if it did, or
// one that doubles, with jitter so that processes don't come back together.
func backoff(try int, err error) time.Duration {
	d := min(firstPause<<min(try, 16), longestPause)
	d = d/2 + mrand.N(d/2+1)
	var asked interface{ RetryAfter() time.Duration }
	if errors.As(err, &asked) {
		d = max(d, min(asked.RetryAfter(), time.Minute))
	}
	return d
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// note logs when reporting begins to fail and when it works again.
func (d *delivery) note(err error) {
	switch {
	case err != nil && !d.failing:
		d.logger.Warn("gate: usage can't be reported; it is kept and tried again", "error", err)
	case err == nil && d.failing:
		d.logger.Info("gate: usage is reported again")
	}
	d.failing = err != nil
}

// settle takes acknowledged usage out of the ledger's unacked.
func (d *delivery) settle(batch []parcel, acks []Ack) {
	now := d.now()
	for i := range batch {
		p, ack := &batch[i], &acks[i]
		var r *reading
		if ack.Known {
			r = &reading{ack.Usage, ack.PeriodStart, ack.PeriodEnd}
		}
		p.right.account.acknowledge(p.period, p.Value, r, ack.At, now, p.sent, p.right.cycle())
		if p.creditPeriod != nil {
			var w *reading
			at := ack.At
			if c := ack.Credit; c != nil {
				w, at = &reading{usage: c.Usage, end: c.PeriodEnd}, c.At
			}
			p.right.wallet.acknowledge(p.creditPeriod, p.credits, w, at, now, p.sent, cycle{})
		}
	}
	d.acknowledged.Add(uint64(len(batch)))
	d.left(batch)
}

// refuse sets aside usage that Stigg does not take: it never counted.
func (d *delivery) refuse(p parcel, err error) {
	p.right.account.drop(p.period, p.Value)
	if p.creditPeriod != nil {
		p.right.wallet.drop(p.creditPeriod, p.credits)
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

// putBack returns a batch that could not be delivered to the head of the queue.
func (d *delivery) putBack(batch []parcel) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.flying -= len(batch)
	d.queue = append(append(make([]parcel, 0, len(batch)+len(d.queue)), batch...), d.queue...)
}

// shut stops admission of new usage; what runs may still settle.
func (d *delivery) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.nudge()
	d.rest()
}

// waiting counts what is queued or under way, and what running requests may add.
func (d *delivery) waiting() (queued, open int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.queue) + d.flying, d.kept
}
