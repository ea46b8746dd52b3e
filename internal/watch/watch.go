// Package watch keeps a connection that tells of changes: it is opened again when it ends.
package watch

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// What has failed is tried again after LeastPause, then seldom.
const (
	LeastPause = time.Minute
	mostPause  = time.Hour
)

// Silence is how long the first connection may take to tell that it works.
const Silence = 10 * time.Second

// Watch is a connection that is kept.
type Watch struct {
	// Open opens it, and returns when it has ended: nil if there is nothing to watch. It calls
	// works when the connection works.
	Open func(ctx context.Context, works func()) error
	// Lost is told each time that it ends with an error, or panics.
	Lost func(error)
	// Silent is called after Silence.
	Silent func()
}

// Keep opens it again and again, until ctx ends or there is nothing to watch.
func (w *Watch) Keep(ctx context.Context) {
	late := time.AfterFunc(Silence, w.Silent)
	defer late.Stop()
	for pause := LeastPause; ; pause = min(2*pause, mostPause) {
		worked, err := w.open(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		if worked {
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

// open opens it once, and reports whether it has worked. A panic is an error.
func (w *Watch) open(ctx context.Context) (worked bool, err error) {
	var works atomic.Bool
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the watcher panicked with a %T:\n%s", p, debug.Stack())
		}
		worked = works.Load()
	}()
	return false, w.Open(ctx, func() { works.Store(true) })
}
