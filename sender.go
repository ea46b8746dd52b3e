package gate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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
	// A failed report is tried again after a pause that doubles up to the longest; up
	// to the longest of a Close if one waits.
	firstPause   = 100 * time.Millisecond
	longestPause = 10 * time.Second
	closingPause = time.Second
	// longestAsked bounds what is believed of a Retry-After.
	longestAsked = time.Minute
	// reportTimeout bounds one attempt.
	reportTimeout = 30 * time.Second
	// oddTries is how often a batch is tried whose answer can't be understood, before
	// it is split to find the measurement at fault. Those at fault are set apart and
	// tried again one at a time, oddPause between two.
	oddTries = 3
	oddPause = 10 * time.Second
)

// run delivers until ctx ends. It is the gate's one lasting goroutine.
func (d *delivery) run(ctx context.Context) {
	var last time.Time
	for d.await(ctx) {
		for d.pause(ctx, last) {
			batch, apart := d.take()
			if len(batch) == 0 {
				break
			}
			if delivered := d.send(ctx, batch, 0); delivered && apart {
				d.rejoin() // it was the weather
			}
			last = d.clock()
		}
	}
}

// clock is for waits, which are on the real clock.
func (*delivery) clock() time.Time { return time.Now() } //nolint:forbidigo // see the comment

// await waits until there is something to do; false when ctx has ended.
func (d *delivery) await(ctx context.Context) bool {
	var due <-chan time.Time
	if d.hasOdd() {
		timer := time.NewTimer(time.Until(d.oddAfter))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-d.wake:
	case <-due:
	}
	return true
}

func (d *delivery) hasOdd() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.odd) > 0
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
		wait -= d.clock().Sub(last)
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

// take takes the next batch out: what is queued, or else one of those set apart, if it
// is due.
func (d *delivery) take() (batch []parcel, apart bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now, pause := d.clock(), oddPause
	if d.closed {
		pause = closingPause
		if !d.hurried {
			d.hurried, d.oddAfter = true, now
		}
	}
	from, n := &d.queue, min(batchSize, len(d.queue))
	if n == 0 && len(d.odd) > 0 && !now.Before(d.oddAfter) {
		from, n, apart = &d.odd, 1, true
		d.oddAfter = now.Add(pause)
	}
	batch = make([]parcel, n)
	copy(batch, *from)
	clear((*from)[:n])
	if *from = (*from)[n:]; len(*from) == 0 {
		*from = nil // let a long queue's memory go
	}
	d.flying += n
	for i := range batch {
		batch[i].sent = batch[i].book.tick()
	}
	return batch, apart
}

// rejoin puts those set apart back into the queue.
func (d *delivery) rejoin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queue, d.odd = append(d.queue, d.odd...), nil
}

// send delivers a batch: it tries until Stigg answers or ctx ends. A batch that Stigg
// refuses for good, or answers again and again with what nobody understands, is split
// until the measurement at fault stands alone, so that it costs and delays no other. It
// reports whether all was delivered.
func (d *delivery) send(ctx context.Context, batch []parcel, try int) bool {
	usages := make([]Usage, len(batch))
	for i := range batch {
		usages[i] = batch[i].Usage
	}
	for ; ; try++ {
		acks, err := d.attempt(ctx, usages)
		d.note(err)
		for i := range batch {
			batch[i].tried = batch[i].tried || err != nil && !permanent(err)
		}
		split := permanent(err) || odd(err) && try+1 >= oddTries
		switch {
		case err == nil:
			d.settle(batch, acks)
			return true
		case split && len(batch) > 1:
			first := d.send(ctx, batch[:len(batch)/2], oddTries)
			return d.send(ctx, batch[len(batch)/2:], oddTries) && first
		case permanent(err):
			d.refuse(batch[0], err)
			return false
		}
		d.retries.Add(1)
		goOn := d.backOff(ctx, try, err)
		switch {
		case split:
			d.putBack(&d.odd, batch)
			return false
		case !goOn:
			d.putBack(&d.queue, batch)
			return false
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

// odd reports whether err may be about one measurement of the batch, and not about
// Stigg or the network as a whole.
func odd(err error) bool {
	var p interface{ Temporary() bool }
	return errors.As(err, &p) && !p.Temporary()
}

// backOff pauses after a failed attempt: as long as Stigg asked for, or longer at each
// try, with jitter so that processes don't come back together. A Close does not wait
// for a long pause that nobody asked for. It is false when ctx has ended.
func (d *delivery) backOff(ctx context.Context, try int, err error) bool {
	wait := min(firstPause<<min(try, 16), longestPause)
	if odd(err) {
		wait = firstPause // there may be many, each tried once
	}
	wait = wait/2 + rand.N(wait/2+1)
	shutting := d.shutting
	var asked interface{ RetryAfter() time.Duration }
	if errors.As(err, &asked) && asked.RetryAfter() > wait {
		wait, shutting = min(asked.RetryAfter(), longestAsked), nil
	}
	select {
	case <-shutting:
		wait, shutting = min(wait, closingPause), nil
	default:
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-shutting:
	case <-ctx.Done():
		return false
	}
	return true
}

// putBack returns a batch that could not be delivered to the head of its queue, or an
// odd one behind those that were tried before it.
func (d *delivery) putBack(queue *[]parcel, batch []parcel) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.flying -= len(batch)
	if queue == &d.odd {
		*queue = append(*queue, batch...)
		return
	}
	*queue = append(append(make([]parcel, 0, len(batch)+len(*queue)), batch...), *queue...)
}

// note logs when reporting begins to fail and when it works again.
func (d *delivery) note(err error) {
	switch {
	case err != nil && !permanent(err) && !d.failing:
		d.logger.Warn("gate: usage can't be reported; it is kept and tried again", "error", err)
		d.failing = true
	case err == nil && d.failing:
		d.logger.Info("gate: usage is reported again")
		d.failing = false
	}
}
