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
	// eventBatch is the most events that Stigg takes in one reportEvent.
	eventBatch = 1000
	// The first report after quiet leaves at once. While there is more, a part of a
	// batch lingers so that it fills, and full batches keep the pace that Stigg
	// allows for a whole environment: 600 calls a minute.
	linger = 200 * time.Millisecond
	pace   = 100 * time.Millisecond
	// longestPace bounds what is believed of a Reporter's Pace.
	longestPace = 5 * time.Second
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
	// wearyTries is how often a batch is tried that fails in any other way, before it is
	// split all the same: some minutes. Stigg may stumble over one of its measurements.
	wearyTries = 25
	oddPause   = 10 * time.Second
)

// run delivers until ctx ends.
func (l *lane) run(ctx context.Context) {
	for l.await(ctx) {
		for l.pause(ctx) {
			batch, from, apart := l.take()
			if len(batch) == 0 {
				break
			}
			switch {
			case apart: // once at each turn, so that the queue has its own
				l.turned(l.send(ctx, batch, wearyTries))
			case from != nil:
				l.visit(ctx, from, l.holdWard(from, batch))
			default:
				l.send(ctx, l.hold(batch), 0)
			}
			l.last = l.clock()
			if from != nil {
				l.lastWard = l.last
			} else {
				l.lastCommon = l.last
			}
		}
	}
}

// clock is for waits, which are on the real clock.
func (*delivery) clock() time.Time { return time.Now() } //nolint:forbidigo // see the comment

// await waits until there is something to do; false when ctx has ended.
func (l *lane) await(ctx context.Context) bool {
	var due <-chan time.Time
	if l.hasOdd() {
		timer := time.NewTimer(time.Until(l.oddAfter))
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
func (l *lane) pause(ctx context.Context) bool {
	for {
		wait := l.wait()
		if wait <= 0 {
			return ctx.Err() == nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-l.wake: // more came, or Close: look again
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return false
		}
	}
}

// wait is the time until the next batch may leave; 0 also if there is none.
func (l *lane) wait() time.Duration {
	asked := l.asked()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.route()
	var due time.Time
	if len(l.queue) > 0 {
		due = l.due(l.lastCommon, len(l.queue) >= l.size, asked)
	}
	if len(l.wards.waiting) > 0 {
		due = earlier(due, l.due(l.lastWard, l.wards.full(l.size), asked))
	}
	if due.IsZero() {
		return 0
	}
	return due.Sub(l.clock())
}

// due is when a batch may leave if the last one of its like left at last; full says that
// there is no use in letting it fill. Call it under the lock.
func (l *lane) due(last time.Time, full bool, asked time.Duration) time.Time {
	if l.closed {
		return l.last.Add(asked)
	}
	due := l.last.Add(max(pace, asked))
	if fills := last.Add(max(linger, asked)); !full && fills.After(due) {
		return fills
	}
	return due
}

// asked is the time between two batches that the reporter asks for.
func (l *lane) asked() time.Duration {
	if p, ok := l.reporter.(interface{ Pace(UsageKind) time.Duration }); ok {
		return min(p.Pace(l.kind), longestPace)
	}
	return 0
}

// send delivers a batch: it tries until Stigg answers or ctx ends. A batch that Stigg
// refuses for good, or answers again and again with what nobody understands, is split
// until the measurement at fault stands alone, so that it costs and delays no other. It
// reports whether all was delivered.
func (l *lane) send(ctx context.Context, batch []parcel, try int) bool {
	if len(batch) == 0 {
		return false
	}
	for ; ; try++ {
		acks, err := l.attempt(ctx, batch, try+1)
		weary := try+1 >= wearyTries
		split := permanent(err) || odd(err) && try+1 >= oddTries || weary && err != nil
		switch {
		case err == nil:
			l.settle(l, batch, acks)
			return true
		case permanent(err) && ofAll(batch, err):
			l.refuseAll(batch, err)
			return false
		case split && len(batch) > 1:
			from := oddTries
			if weary && !permanent(err) && !odd(err) {
				from = wearyTries
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
			pauses = 0 // it is set apart; what comes next has a pause of its own
		}
		goOn := l.backOff(ctx, pauses, err)
		switch {
		case split:
			l.setApart(batch[0])
			return false
		case !goOn:
			l.putBack(batch)
			return false
		}
	}
}

// part sends a part of a batch that was split, at the pace of batches: Stigg counts it as
// one.
func (l *lane) part(ctx context.Context, batch []parcel, try int) bool {
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
	return l.send(ctx, l.hold(batch), try)
}

// attempt tries once to deliver a batch, for the nth time.
func (l *lane) attempt(ctx context.Context, batch []parcel, n int) ([]Ack, error) {
	usages := make([]Usage, len(batch))
	for i := range batch {
		usages[i] = batch[i].Usage
		batch[i].departs()
	}
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	acks, err := l.reporter.Report(ctx, usages)
	if err == nil && len(acks) != len(usages) {
		err = fmt.Errorf("gate: the reporter answered %d of %d measurements", len(acks), len(usages))
	}
	l.note(err)
	for i := range batch {
		batch[i].failed(err, n)
	}
	return acks, err
}

// waitedFor is how often a batch is tried before nobody waits for it any more.
const waitedFor = 3

// failed notes what an attempt that failed leaves behind.
func (p *parcel) failed(err error, tries int) {
	if err == nil || permanent(err) {
		return
	}
	sent := !unsent(err)
	p.tried = p.tried || sent
	if !sent || tries >= waitedFor {
		p.returns()
	}
}

// unsent reports whether the batch surely never left.
func unsent(err error) bool {
	var e interface{ Unsent() bool }
	return errors.As(err, &e) && e.Unsent()
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
func (l *lane) backOff(ctx context.Context, try int, err error) bool {
	wait := min(firstPause<<min(try, 16), longestPause)
	if odd(err) {
		wait = firstPause // there may be many, each tried once
	}
	wait = wait/2 + rand.N(wait/2+1)
	shutting := l.shutting
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

// note logs when reporting begins to fail and when it works again.
func (l *lane) note(err error) {
	switch {
	case err != nil && !permanent(err) && !l.failing.Load():
		l.logger.Warn("gate: usage can't be reported; it is kept and tried again", "error", err)
		l.failing.Store(true)
	case err == nil && l.failing.Load():
		l.logger.Info("gate: usage is reported again")
		l.failing.Store(false)
	}
}
