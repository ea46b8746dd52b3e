// Package watch keeps a connection that tells of changes: it is opened again when it ends.
package watch

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"
)

// What has failed is tried again after LeastPause, then seldom.
const (
	LeastPause = time.Minute
	mostPause  = time.Hour
)

// Watch is a connection that is kept.
type Watch struct {
	// Open opens it, and returns when it has ended: nil if there is nothing to watch.
	Open func(context.Context) error
	// Worked reports whether the last one told of anything.
	Worked func() bool
	// Lost is told each time that it ends with an error, or panics.
	Lost func(error)
}

// Keep opens it again and again, until ctx ends or there is nothing to watch.
func (w *Watch) Keep(ctx context.Context) {
	for pause := LeastPause; ; pause = min(2*pause, mostPause) {
		err := w.open(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		if w.Worked() {
			pause = LeastPause
		}
		w.Lost(err)
		timer := time.NewTimer(pause/2 + rand.N(pause/2))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// open opens it once. A panic is an error.
func (w *Watch) open(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the watcher panicked with a %T:\n%s", p, debug.Stack())
		}
	}()
	return w.Open(ctx)
}
