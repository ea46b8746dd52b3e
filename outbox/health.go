package outbox

import (
	"log/slog"

	"github.com/stiggate/gate"
)

// Healthy is nil, or a *DiskError, a *FullError or ErrClosed. It reads one pointer.
func (o *Outbox) Healthy() error { return *o.health.Load() }

// Stats is what the outbox holds, from memory: as of the last commit, with what waits for the next.
func (o *Outbox) Stats() gate.OutboxStats {
	o.mu.Lock()
	defer o.mu.Unlock()
	return gate.OutboxStats{
		Pending: o.pending + o.queue.count() + o.unwritten.count(), SetAside: o.aside,
		Bytes: o.takenWith(0), MaxBytes: o.maxBytes, Sync: o.synced, Err: o.state(),
	}
}

// state is what is wrong at present, with o.mu held.
func (o *Outbox) state() error {
	switch {
	case o.closed:
		return ErrClosed
	case o.failed != nil:
		return o.failed
	case o.full:
		return o.fullError()
	}
	return nil
}

func (o *Outbox) fullError() error {
	return &FullError{Bytes: o.takenWith(0), MaxBytes: o.maxBytes, Pending: o.pending, SetAside: o.aside}
}

// takenWith is what the file will have taken with what is on its way and some bytes more,
// with o.mu held. Half of a page may stay empty.
func (o *Outbox) takenWith(bytes int) int64 {
	return o.taken + 2*int64(o.inFlight+o.queued+bytes)
}

// judge publishes the state, with o.mu held. It is full from 15/16 of the bound until
// 14/16, so that it does not say one and the other with every commit.
func (o *Outbox) judge() {
	taken, sixteenth := o.takenWith(0), o.maxBytes/16
	switch {
	case taken >= 15*sixteenth:
		o.full = true
	case taken < 14*sixteenth:
		o.full = false
	}
	before, after := o.Healthy(), o.state()
	if before == nil && after == nil {
		return
	}
	o.health.Store(&after)
	if kind(before) != kind(after) {
		o.said = append(o.said, o.change(before, after))
	}
}

type condition int

const (
	isWell condition = iota
	isClosed
	isFailing
	isFull
)

func kind(err error) condition {
	switch err.(type) { //nolint:errorlint // it was made by state
	case nil:
		return isWell
	case *DiskError:
		return isFailing
	case *FullError:
		return isFull
	}
	return isClosed
}

func (o *Outbox) change(before, after error) func(*slog.Logger) {
	dir := slog.String("dir", o.store.dir)
	switch kind(after) {
	case isFailing:
		return func(l *slog.Logger) { l.Error("outbox: usage can't be kept: the disk fails", dir, "error", after) }
	case isFull:
		return func(l *slog.Logger) {
			l.Error("outbox: usage can't be kept for much longer: it is full", dir, "error", after)
		}
	case isWell:
		return func(l *slog.Logger) { l.Info("outbox: usage is kept again", dir, "error", before) }
	default:
		return func(*slog.Logger) {}
	}
}

// announce logs what has changed. It is called without the lock, since a handler of
// logs may be slow, or may ask for the health.
func (o *Outbox) announce() {
	o.mu.Lock()
	said := o.said
	o.said = nil
	o.mu.Unlock()
	for _, say := range said {
		say(o.log)
	}
}
