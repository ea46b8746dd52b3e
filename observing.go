package gate

import (
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"
)

// observing calls the functions of observers that are told of reads and deliveries. They are the
// app's, and called by the goroutines that read and deliver: one that panics must not make an answer
// of Stigg's a failure, and one that never returns must stop nobody. So each call has a goroutine
// of its own, which is waited for, but not long; while a call hangs, that function is not called.
type observing struct {
	logger  *slog.Logger
	hanging atomic.Int32 // calls that were left behind
}

// observerWait is how long a function of an observer's is waited for.
const observerWait = time.Second

func (o *observing) guard(all observers) observers {
	all = slices.Clone(all)
	for i := range all {
		if read := all[i].Read; read != nil {
			c := &observed{observing: o}
			all[i].Read = func(took time.Duration, err error) { c.call(func() { read(took, err) }) }
		}
		if delivered := all[i].Delivered; delivered != nil {
			c := &observed{observing: o}
			all[i].Delivered = func(batch []Usage, took time.Duration, err error) {
				batch = slices.Clone(batch) // the reporter may be given it again
				c.call(func() { delivered(batch, took, err) })
			}
		}
	}
	return all
}

// observed is one function.
type observed struct {
	*observing
	hangs atomic.Int32
}

func (o *observed) call(f func()) {
	if o.hangs.Load() > 0 {
		return
	}
	done, over := make(chan struct{}), new(atomic.Bool)
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				o.logger.Error("gate: an application's function panicked", "error", fmt.Errorf("gate: an observer panicked with a %T", p))
			}
			if !over.CompareAndSwap(false, true) {
				o.hangs.Add(-1)
				o.hanging.Add(-1)
			}
		}()
		f()
	}()
	timer := time.NewTimer(observerWait)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		o.hangs.Add(1)
		o.hanging.Add(1)
		if !over.CompareAndSwap(false, true) { // it has just returned
			o.hangs.Add(-1)
			o.hanging.Add(-1)
		}
	}
}
