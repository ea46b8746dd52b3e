package callback

import (
	"context"
	"log/slog"
	"slices"
	"time"
)

// Observer is gate.Observer, for decisions D, outcomes O and usages U.
type Observer[D, O, U any] struct {
	Decided   func(ctx context.Context, d D)
	Settled   func(ctx context.Context, d D, o O, reported []U)
	Reading   func(ctx context.Context) context.Context
	Read      func(read context.Context, took time.Duration, err error)
	Waited    func(ctx, read context.Context)
	Delivered func(batch []U, took time.Duration, err error)
}

// Observers are told in the order in which they were added.
type Observers[D, O, U any] []*observer[D, O, U]

// observer is an Observer. Its functions that are told of reads and deliveries are called by those
// who read and deliver: one that panics must not make an answer of Stigg's a failure, and one that
// hangs must stop nobody.
type observer[D, O, U any] struct {
	of                Observer[D, O, U]
	reads, deliveries Function
}

// Add adds an observer. It is false if that has no function.
func (all *Observers[D, O, U]) Add(o Observer[D, O, U]) bool {
	if o.Decided == nil && o.Settled == nil && o.Reading == nil && o.Read == nil && o.Waited == nil && o.Delivered == nil {
		return false
	}
	*all = append(*all, &observer[D, O, U]{of: o})
	return true
}

// Decided tells of a decision.
func (all Observers[D, O, U]) Decided(ctx context.Context, d *D) {
	for _, o := range all {
		if o.of.Decided != nil {
			o.of.Decided(ctx, *d)
		}
	}
}

// Settles reports whether somebody wants to be told by Settled.
func (all Observers[D, O, U]) Settles() bool {
	return slices.ContainsFunc(all, func(o *observer[D, O, U]) bool { return o.of.Settled != nil })
}

// Settled tells what became of a request, and what it reports.
func (all Observers[D, O, U]) Settled(ctx context.Context, d *D, became O, reported []U) {
	for _, o := range all {
		if o.of.Settled != nil {
			o.of.Settled(ctx, *d, became, reported)
		}
	}
}

// Waited tells which reads a decision waited for.
func (all Observers[D, O, U]) Waited(ctx context.Context, reads []context.Context) {
	for _, read := range reads {
		for _, o := range all {
			if o.of.Waited != nil {
				o.of.Waited(ctx, read)
			}
		}
	}
}

// Reading is the context of a read, as the observers make it: one that does not tell is passed over.
func (all Observers[D, O, U]) Reading(ctx context.Context, l *slog.Logger) context.Context {
	for _, o := range all {
		if o.of.Reading != nil {
			from, made := ctx, make(chan context.Context, 1)
			o.reads.Call(l, "an observer's Reading", func() {
				if read := o.of.Reading(from); read != nil {
					made <- read
				}
			})
			select {
			case ctx = <-made:
			default:
			}
		}
	}
	return ctx
}

// Read tells what became of a read.
func (all Observers[D, O, U]) Read(ctx context.Context, l *slog.Logger, took time.Duration, err error) {
	for _, o := range all {
		if o.of.Read != nil {
			o.reads.Call(l, "an observer's Read", func() { o.of.Read(ctx, took, err) })
		}
	}
}

// Delivered tells what became of an attempt to deliver a batch.
func (all Observers[D, O, U]) Delivered(l *slog.Logger, batch []U, took time.Duration, err error) {
	for _, o := range all {
		if o.of.Delivered != nil {
			batch := slices.Clone(batch) // the reporter may be given it again
			o.deliveries.Call(l, "an observer's Delivered", func() { o.of.Delivered(batch, took, err) })
		}
	}
}

// Hang reports whether a function does not return.
func (all Observers[D, O, U]) Hang() bool {
	return slices.ContainsFunc(all, func(o *observer[D, O, U]) bool { return o.reads.Hangs() || o.deliveries.Hangs() })
}
