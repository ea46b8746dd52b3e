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
	// splitAfter is how often a batch is tried whose answer can't be understood, before
	// it is split to find the one at fault.
	splitAfter = 3
	// splitAnyAfter is how often a batch is tried that fails in any other way, before it is
	// split all the same: some minutes. Stigg may stumble over one of its measurements.
	splitAnyAfter = 25
	// waitedFor is how often a batch is tried before nobody waits for it any more.
	waitedFor = 3
)

// sender empties the queue of one lane: a goroutine, and the only one that takes out of it.
type sender[U any] struct {
	all     *Queue[U]
	queue   queue[U]      // under the lock of all
	backlog backlog       // as well
	wake    chan struct{} // holds one token when there is something to do
	more    chan struct{} // holds one when there is something to read back
	flight  []Item[U]     // what was taken last and has not left; under the lock
	calls   calls
	pacing  pacing // the goroutine's own
}

// pacing is when a lane's batches left.
type pacing struct {
	last           time.Time // when the last batch was through
	lastCommon     time.Time // the last that was no quarantine's
	lastQuarantine time.Time
	hurried        bool // the parked know of the Shut
}

func newSender[U any](q *Queue[U], lane Lane) *sender[U] {
	s := &sender[U]{all: q, wake: make(chan struct{}, 1), more: make(chan struct{}, 1), calls: newCalls(), backlog: newBacklog()}
	s.queue = queue[U]{config: &q.config, lane: lane, size: batchSize, blocked: s.blocked}
	s.queue.waiting.keep, s.queue.ready.keep = true, true
	if lane == Events {
		s.queue.size = eventBatch
	}
	return s
}

// nudge wakes the sender, and whoever reads back.
func (s *sender[U]) nudge() {
	signal(s.wake)
	if s.backlog.count > 0 {
		signal(s.more)
	}
}

// wakes reports whether what was just put changes when the sender's next batch leaves. The sender looks
// at all that waits whenever it wakes: for what is first, once a batch is full, for what may be of a
// quarantine, and at a Shut. Call it under the lock.
func (s *sender[U]) wakes() bool {
	n := s.queue.common()
	return n <= 1 || n >= s.queue.size || len(s.queue.quarantines.all) > 0 || s.backlog.count > 0 || s.all.closed.Load()
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run delivers until ctx ends.
func (s *sender[U]) run(ctx context.Context) {
	for s.await(ctx) {
		for s.pause(ctx) {
			batch, from, parked := s.take()
			if len(batch) == 0 {
				break
			}
			switch {
			case parked: // once at each turn, so that the queue has its own
				s.turned(s.send(ctx, batch, splitAnyAfter))
			case from != nil:
				s.visit(ctx, from, s.withholdOf(from, batch))
			default:
				s.send(ctx, s.withhold(batch), 0)
			}
			p := &s.pacing
			p.last = s.all.clock()
			if from != nil {
				p.lastQuarantine = p.last
			} else {
				p.lastCommon = p.last
			}
		}
	}
}

// take takes the next batch out: one of the parked if it is due, or else what is
// queued or of a quarantine. The parked come first, since there may be no end to the rest.
func (s *sender[U]) take() (batch []Item[U], from *quarantine[U], parked bool) {
	asked := s.asked()
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	l, now := &s.queue, s.all.clock()
	if s.all.closed.Load() && !s.pacing.hurried {
		s.pacing.hurried, l.parked.due = true, now
	}
	defer s.all.readMore()
	defer func() { s.flight = append(s.flight[:0], batch...) }()
	switch {
	case len(l.parked.items) > 0 && !now.Before(l.parked.due):
		return l.takeParked(), nil, true
	case s.quarantinesTurn(now, asked):
		from, batch = l.takeQuarantined()
		return batch, from, false
	}
	return l.takeCommon(), nil, false
}

// route has what waits looked at, as much as a batch needs, without holding the lock for long.
func (s *sender[U]) route() {
	for done := false; !done; {
		func() {
			s.all.mu.Lock()
			defer s.all.mu.Unlock()
			done = s.queue.route(s.all.clock())
		}()
	}
}

func (s *sender[U]) withhold(batch []Item[U]) []Item[U] {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	return s.queue.withhold(batch, s.all.clock())
}

func (s *sender[U]) putBack(batch []Item[U]) {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	s.queue.putBack(batch)
}

// await waits until there is something to do; false when ctx has ended.
func (s *sender[U]) await(ctx context.Context) bool {
	var due <-chan time.Time
	if at := s.nextParked(); !at.IsZero() {
		timer := time.NewTimer(time.Until(at))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-s.wake:
	case <-due:
	}
	return true
}

// pause waits until the next batch may leave; false when ctx has ended.
func (s *sender[U]) pause(ctx context.Context) bool {
	for {
		wait := s.wait()
		if wait <= 0 {
			return ctx.Err() == nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-s.wake: // more came, or Shut: look again
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return false
		}
	}
}

// wait is the time until the next batch may leave; 0 also if there is none.
func (s *sender[U]) wait() time.Duration {
	asked := s.asked()
	s.route()
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	l := &s.queue
	var due time.Time
	if l.ready.len() > 0 {
		due = s.due(s.pacing.lastCommon, l.common() >= l.size, asked)
	}
	if len(l.quarantines.waiting) > 0 {
		due = earlier(due, s.due(s.pacing.lastQuarantine, l.quarantines.full(l.size), asked))
	}
	if due.IsZero() {
		return 0
	}
	return due.Sub(s.all.clock())
}

// due is when a batch may leave if the last one of its like left at last; full says that
// there is no use in letting it fill. Call it under the lock.
func (s *sender[U]) due(last time.Time, full bool, asked time.Duration) time.Time {
	if s.all.closed.Load() {
		return s.pacing.last.Add(asked)
	}
	due := s.pacing.last.Add(max(pace, asked))
	if fills := last.Add(max(linger, asked)); !full && fills.After(due) {
		return fills
	}
	return due
}

// asked is the time between two batches that the reporter asks for.
func (s *sender[U]) asked() (pace time.Duration) {
	if s.all.config.Pace == nil {
		return 0
	}
	_ = safely("the reporter's Pace", func() error { pace = s.all.config.Pace(s.queue.lane); return nil })
	return min(pace, upstream.MaxPace)
}

// send delivers a batch: it tries until Stigg answers or ctx ends. A batch that Stigg
// refuses for good, or answers again and again with what nobody understands, is split
// until the one at fault stands alone, so that it costs and delays no other. It
// reports whether all was delivered.
func (s *sender[U]) send(ctx context.Context, batch []Item[U], try int) bool {
	if len(batch) == 0 {
		return false
	}
	for ; ; try++ {
		acks, err := s.attempt(ctx, batch, try+1)
		hopeless := try+1 >= splitAnyAfter
		split := upstream.Refused(err) || upstream.Garbled(err) && try+1 >= splitAfter || hopeless && err != nil
		switch {
		case err == nil:
			s.acknowledge(batch, acks)
			return true
		case upstream.Refused(err) && s.ofOneSeries(batch, err):
			s.refuseAll(batch, err)
			return false
		case split && len(batch) > 1:
			from := splitAfter
			if hopeless && !upstream.Refused(err) && !upstream.Garbled(err) {
				from = splitAnyAfter
				if s.all.retries.Add(1); !s.backOff(ctx, try, err) {
					s.putBack(batch)
					return false
				}
			}
			first := s.part(ctx, batch[:len(batch)/2], from)
			return s.part(ctx, batch[len(batch)/2:], from) && first
		}
		s.all.retries.Add(1)
		pauses := try
		if split {
			pauses = 0 // it is parked; what comes next has a pause of its own
		}
		goOn := s.backOff(ctx, pauses, err)
		switch {
		case split:
			s.parkFailed(batch[0])
			return false
		case !goOn:
			s.putBack(batch)
			return false
		}
	}
}

// part sends a part of a batch that was split, at the pace of batches: Stigg counts it as
// one.
func (s *sender[U]) part(ctx context.Context, batch []Item[U], try int) bool {
	wait := s.asked()
	select {
	case <-s.all.shutting:
	default:
		wait = max(wait, pace)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return s.send(ctx, s.withhold(batch), try)
}

// attempt tries once to deliver a batch, for the nth time.
func (s *sender[U]) attempt(ctx context.Context, batch []Item[U], n int) ([]ledger.Ack, error) {
	usages := make([]U, len(batch))
	for i := range batch {
		usages[i] = batch[i].Usage
		s.entry(&batch[i]).Leaves()
	}
	acks, err := s.calls.call(ctx, func(ctx context.Context) ([]ledger.Ack, error) { return s.all.config.Report(ctx, usages) })
	if err == nil && len(acks) != len(usages) {
		err = &upstream.Error{Kind: upstream.KindGarbled, Err: fmt.Errorf("gate: the reporter answered %d of %d measurements", len(acks), len(usages))}
	}
	s.note(err)
	for i := range batch {
		s.failedTo(&batch[i], err, n)
	}
	return acks, err
}

// failedTo notes what an attempt that failed leaves behind.
func (s *sender[U]) failedTo(i *Item[U], err error, tries int) {
	if err == nil || upstream.Refused(err) {
		return
	}
	sent, e := !upstream.Unsent(err), s.entry(i)
	if i.tried = i.tried || sent; !i.tried {
		e.Unsent()
	}
	if !sent || tries >= waitedFor {
		e.Returns()
	}
}
