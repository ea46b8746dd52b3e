package client

import (
	"context"
	"time"

	"github.com/stiggate/gate"
)

// opWatch names Watch in errors.
const opWatch = "Watch"

// watching is how Watch keeps its connection; see the options of the same names.
type watching struct {
	off           bool
	tuned         string        // the last option that is of no use if it is off
	pingEvery     time.Duration // WithPing
	pongWait      time.Duration // WithPing
	firstWait     time.Duration // before the first try anew
	longestWait   time.Duration // WithReconnect
	stableAfter   time.Duration // a connection that lived this long ends the backing off
	handshakeWait time.Duration // from dialing to the acknowledgement
	settle        time.Duration // Stigg may refuse a subscription this long after it read it
	messageWait   time.Duration // from a message's first byte to its last
	refusedWait   time.Duration // after each of the first three refusals of the key in a row; then it doubles
	refusedMost   time.Duration // up to this
}

func defaultWatching() watching {
	return watching{
		pingEvery:     15 * time.Second,
		pongWait:      10 * time.Second,
		firstWait:     250 * time.Millisecond,
		longestWait:   10 * time.Second,
		stableAfter:   30 * time.Second,
		handshakeWait: 10 * time.Second,
		settle:        100 * time.Millisecond,
		messageWait:   30 * time.Second,
		refusedWait:   time.Minute,
		refusedMost:   15 * time.Minute,
	}
}

// Watch tells sink what changes in Stigg, as it changes, until ctx ends; then it returns
// nil and leaves nothing behind. It is the gate.Watcher of this package. Each call has a
// connection of its own, a WebSocket to the endpoint's host; several at once are fine.
//
// What arrives is taken in the order of its arrival, and only usage has a time of its own
// (Patch.At): Stigg's events of whole sets have none. An event that can't be understood
// but names a customer invalidates what is cached of it, and one of a package all that is cached;
// what names neither is counted (see [Client.RealtimeStats]) and passed on in no part.
//
// SetLive(true) is said once all subscriptions stand, later if they did not last the times
// before, and SetLive(false) as soon as one is known to be lost; what happened in between
// Stigg never tells. The connection is lost when it
// closes, or when nothing was heard for as long as [WithPing] says. It is made anew after
// 250 ms, then twice that, and so on up to what [WithReconnect] says, less up to half of
// it by chance.
//
// Where Stigg refuses an event's newer form, the older one is subscribed to.
//
// With a key that is refused (close codes 4401 and 4403, or the GraphQL error) Watch goes on
// trying, for Stigg's own authentication may be at fault, or the key be changed: three times
// about a minute apart, then ever more seldom, at last every 15 minutes; and at once when a
// call of this Client finds that Stigg takes the key again. [RealtimeStats] has the refusal, and
// [WithLogger] logs it.
//
// Watch returns before ctx ends only if sink is nil.
//
// While Watch runs, sink also hears of what is provisioned through this Client: Invalidate of
// the customer, before the call returns, unless Stigg surely did nothing. That is so even
// [WithoutRealtime].
func (c *Client) Watch(ctx context.Context, sink gate.Sink) error {
	if sink == nil {
		return invalid(opWatch, "the sink is nil", nil)
	}
	defer c.sinks.add(sink)()
	if c.watching.off {
		<-ctx.Done()
		return nil
	}
	if c.edge != "" {
		sink = &edgeSink{Sink: sink, client: c}
	}
	return c.follow(ctx, sink)
}

// follow keeps a connection whose news go to sink, until ctx ends.
func (c *Client) follow(ctx context.Context, sink gate.Sink) error {
	c.news.watches.Add(1)
	defer c.news.watches.Add(-1)
	back := backoff{c: c}
	for {
		s := newSession(c, sink, back.flaps)
		lost := s.run(ctx)
		if ctx.Err() != nil {
			return nil
		}
		var hurry <-chan struct{}
		if lost.refused {
			hurry = c.keys[overHTTP].again()
		}
		if !sleep(ctx, back.after(lost, s.livedFor), hurry) {
			return nil
		}
	}
}

// backoff says how long to wait between two connections.
type backoff struct {
	c       *Client
	failed  int // in a row
	refused int // in a row
	flaps   int // connections in a row that were live, and not for long
}

// after is the wait after a connection that was live for livedFor.
func (b *backoff) after(lost *ending, livedFor time.Duration) time.Duration {
	w := b.c.watching
	if livedFor > 0 {
		b.refused = 0
	}
	if lost.refused {
		b.refused++
		return jittered(w.waitRefused(b.refused), b.c.random())
	}
	switch {
	case livedFor >= w.stableAfter:
		b.failed, b.flaps = 0, 0
	case livedFor > 0:
		b.flaps++
	}
	b.failed++
	if lost.busy {
		return jittered(w.longestWait, b.c.random())
	}
	return w.wait(b.failed, b.c.random())
}

// waitRefused is how long to wait after the n-th refusal of the key in a row, n from 1.
func (w watching) waitRefused(n int) time.Duration {
	const soon, doublings = 3, 10
	return min(w.refusedMost, w.refusedWait<<min(max(0, n-soon), doublings))
}

// wait is how long to wait after the n-th failure in a row, n from 1.
func (w watching) wait(n int, random float64) time.Duration {
	full := w.longestWait
	if n < 30 {
		full = min(full, w.firstWait<<(n-1))
	}
	return jittered(full, random)
}

// calm is how long all subscriptions must stand before that counts as live, after so many
// that did not last: each time it is, everything cached is read again.
func (w watching) calm(flaps int) time.Duration {
	return min(w.longestWait, w.settle<<(2*min(flaps, 10)))
}

// jittered is d less up to its half.
func jittered(d time.Duration, random float64) time.Duration {
	return d/2 + time.Duration(random*float64(d/2))
}

// sleep waits for d, or until hurry is closed, and reports whether ctx goes on.
func sleep(ctx context.Context, d time.Duration, hurry <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-hurry:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}
