package delivery

import (
	"context"
	"fmt"
	"time"

	"github.com/stiggate/gate/internal/ledger"
	"github.com/stiggate/gate/internal/upstream"
)

const (
	// The first report after quiet leaves at once. While there is more, a part of a
	// batch lingers so that it fills, and full batches keep the pace that Stigg
	// allows for a whole environment: 600 calls a minute.
	linger = 200 * time.Millisecond
	pace   = 100 * time.Millisecond
	// reportTimeout bounds one attempt.
	reportTimeout = 30 * time.Second
	// splitAfter is how often a batch is tried whose answer can't be understood, before
	// it is split to find the one at fault.
	splitAfter = 3
	// splitAnyAfter is how often a batch is tried that fails in any other way, before it is
	// split all the same: some minutes. Stigg may stumble over one of its measurements.
	splitAnyAfter = 25
	// waitedFor is how often a batch is tried before nobody waits for it any more.
	waitedFor = 3
)

// pacing is when a lane's batches left.
type pacing struct {
	last           time.Time // when the last batch was through
	lastCommon     time.Time // the last that was no quarantine's
	lastQuarantine time.Time
	hurried        bool // the parked know of the Shut
}

// run delivers until ctx ends.
func (l *lane[U]) run(ctx context.Context) {
	for l.await(ctx) {
		for l.pause(ctx) {
			batch, from, parked := l.take()
			if len(batch) == 0 {
				break
			}
			switch {
			case parked: // once at each turn, so that the queue has its own
				l.turned(l.send(ctx, batch, splitAnyAfter))
			case from != nil:
				l.visit(ctx, from, l.withholdOf(from, batch))
			default:
				l.send(ctx, l.withhold(batch), 0)
			}
			p := &l.pacing
			p.last = l.clock()
			if from != nil {
				p.lastQuarantine = p.last
			} else {
				p.lastCommon = p.last
			}
		}
	}
}

// await waits until there is something to do; false when ctx has ended.
func (l *lane[U]) await(ctx context.Context) bool {
	var due <-chan time.Time
	if at := l.nextParked(); !at.IsZero() {
		timer := time.NewTimer(time.Until(at))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-l.wake:
	case <-due:
	}
	return true
}

// pause waits until the next batch may leave; false when ctx has ended.
func (l *lane[U]) pause(ctx context.Context) bool {
	for {
		wait := l.wait()
		if wait <= 0 {
			return ctx.Err() == nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-l.wake: // more came, or Shut: look again
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return false
		}
	}
}

// wait is the time until the next batch may leave; 0 also if there is none.
func (l *lane[U]) wait() time.Duration {
	asked := l.asked()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.route()
	var due time.Time
	if len(l.queue) > 0 {
		due = l.due(l.pacing.lastCommon, len(l.queue) >= l.size, asked)
	}
	if len(l.quarantines.waiting) > 0 {
		due = earlier(due, l.due(l.pacing.lastQuarantine, l.quarantines.full(l.size), asked))
	}
	if due.IsZero() {
		return 0
	}
	return due.Sub(l.clock())
}

// due is when a batch may leave if the last one of its like left at last; full says that
// there is no use in letting it fill. Call it under the lock.
func (l *lane[U]) due(last time.Time, full bool, asked time.Duration) time.Time {
	if l.closed {
		return l.pacing.last.Add(asked)
	}
	due := l.pacing.last.Add(max(pace, asked))
	if fills := last.Add(max(linger, asked)); !full && fills.After(due) {
		return fills
	}
	return due
}

// asked is the time between two batches that the reporter asks for.
func (l *lane[U]) asked() time.Duration {
	if l.Pace == nil {
		return 0
	}
	return min(l.Pace(l.kind), upstream.MaxPace)
}

// send delivers a batch: it tries until Stigg answers or ctx ends. A batch that Stigg
// refuses for good, or answers again and again with what nobody understands, is split
// until the one at fault stands alone, so that it costs and delays no other. It
// reports whether all was delivered.
func (l *lane[U]) send(ctx context.Context, batch []Item[U], try int) bool {
	if len(batch) == 0 {
		return false
	}
	for ; ; try++ {
		acks, err := l.attempt(ctx, batch, try+1)
		hopeless := try+1 >= splitAnyAfter
		split := upstream.Refused(err) || upstream.Garbled(err) && try+1 >= splitAfter || hopeless && err != nil
		switch {
		case err == nil:
			l.acknowledge(batch, acks)
			return true
		case upstream.Refused(err) && ofOneSeries(batch, err):
			l.refuseAll(batch, err)
			return false
		case split && len(batch) > 1:
			from := splitAfter
			if hopeless && !upstream.Refused(err) && !upstream.Garbled(err) {
				from = splitAnyAfter
				if l.retries.Add(1); !l.backOff(ctx, try, err) {
					l.putBack(batch)
					return false
				}
			}
			first := l.part(ctx, batch[:len(batch)/2], from)
			return l.part(ctx, batch[len(batch)/2:], from) && first
		}
		l.retries.Add(1)
		pauses := try
		if split {
			pauses = 0 // it is parked; what comes next has a pause of its own
		}
		goOn := l.backOff(ctx, pauses, err)
		switch {
		case split:
			l.parkFailed(batch[0])
			return false
		case !goOn:
			l.putBack(batch)
			return false
		}
	}
}

// part sends a part of a batch that was split, at the pace of batches: Stigg counts it as
// one.
func (l *lane[U]) part(ctx context.Context, batch []Item[U], try int) bool {
	wait := l.asked()
	select {
	case <-l.shutting:
	default:
		wait = max(wait, pace)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return l.send(ctx, l.withhold(batch), try)
}

// attempt tries once to deliver a batch, for the nth time.
func (l *lane[U]) attempt(ctx context.Context, batch []Item[U], n int) ([]ledger.Ack, error) {
	usages := make([]U, len(batch))
	for i := range batch {
		usages[i] = batch[i].Usage
		batch[i].Entry.Leaves()
	}
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	acks, err := l.Report(ctx, usages)
	if err == nil && len(acks) != len(usages) {
		err = fmt.Errorf("gate: the reporter answered %d of %d measurements", len(acks), len(usages))
	}
	l.note(err)
	for i := range batch {
		batch[i].failed(err, n)
	}
	return acks, err
}

// failed notes what an attempt that failed leaves behind.
func (i *Item[U]) failed(err error, tries int) {
	if err == nil || upstream.Refused(err) {
		return
	}
	sent := !upstream.Unsent(err)
	i.tried = i.tried || sent
	if !sent || tries >= waitedFor {
		i.Entry.Returns()
	}
}

// note logs when reporting begins to fail and when it works again.
func (l *lane[U]) note(err error) {
	switch {
	case err != nil && !upstream.Refused(err) && !l.failing.Load():
		l.Logger.Warn("gate: usage can't be reported; it is kept and tried again", "error", err)
		l.failing.Store(true)
	case err == nil && l.failing.Load():
		l.Logger.Info("gate: usage is reported again")
		l.failing.Store(false)
	}
}
