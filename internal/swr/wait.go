package swr

import (
	"context"
	"errors"
	"time"
)

// ErrTooSlow says that a Wait is over.
var ErrTooSlow = errors.New("gate: no entitlements within the time that a request may wait")

// Wait is how long one caller still waits, over all that it waits for: from its first wait
// on, ColdWait if that is for a cold key, else StaleWait.
type Wait struct {
	// Unbounded waits as long as the context allows.
	Unbounded bool
	// Took is how long the caller has waited by now.
	Took time.Duration
	// Reads are the contexts, of Config.Reading, of the reads that the caller has waited for.
	Reads []context.Context

	timer    *time.Timer // from the first wait on
	timedOut bool
}

// bound is the longest that the caller would wait, most if it is bounded.
func (w *Wait) bound(most time.Duration) time.Duration {
	if w.Unbounded {
		return 1<<63 - 1
	}
	return most
}

// Await waits for a channel to be closed, at most StaleWait; or half as long, if a read follows
// that shall have the rest.
func (k *Cache[K, V]) Await(ctx context.Context, done <-chan struct{}, w *Wait, readFollows bool) error {
	if !readFollows {
		return k.await(ctx, done, w, k.c.StaleWait)
	}
	half, cancel := context.WithTimeout(ctx, k.c.StaleWait/2)
	defer cancel()
	err := k.await(half, done, w, k.c.StaleWait)
	if err != nil && ctx.Err() == nil {
		return ErrTooSlow
	}
	return err
}

func (k *Cache[K, V]) await(ctx context.Context, done <-chan struct{}, w *Wait, most time.Duration) error {
	select {
	case <-done: // already: no timer
		return nil
	default:
	}
	var over <-chan time.Time
	switch {
	case w.Unbounded:
	case w.timedOut:
		return ErrTooSlow
	case w.timer == nil:
		k.waited.Add(1)
		w.timer = time.NewTimer(most)
		fallthrough
	default:
		over = w.timer.C
	}
	began := k.c.Now()
	defer func() { w.Took += k.c.Now().Sub(began) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-over:
		w.timedOut = true
		return ErrTooSlow
	}
}
