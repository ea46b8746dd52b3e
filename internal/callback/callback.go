// Package callback calls an application's functions from goroutines that must go on: one that
// panics does them no harm, and one that never returns stops nobody.
package callback

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stiggate/gate/internal/incident"
)

// Wait is how long a call is waited for.
const Wait = time.Second

// Function is what is kept of one function of an application's.
type Function struct {
	hanging atomic.Int32 // calls that were left behind and have not returned
	missed  atomic.Uint64
	once    sync.Once
	told    *incident.State // once it hangs
}

// Hangs reports whether a call has not returned in time, and has not since.
func (f *Function) Hangs() bool { return f.hanging.Load() > 0 }

// Call calls the function on a goroutine of its own, and waits for it, but not longer than Wait:
// then it is left behind. While a call hangs, which is logged, the function is not called again. A
// panic is logged, with the function's name, and without the value, which may hold what is a
// customer's.
func (f *Function) Call(l *slog.Logger, name string, call func()) {
	if f.Hangs() {
		f.missed.Add(1)
		f.told.Tick(now())
		return
	}
	done, over := make(chan struct{}), new(atomic.Bool)
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				l.Error("gate: an application's function panicked", "error", fmt.Errorf("gate: %s panicked with a %T", name, p))
			}
			if !over.CompareAndSwap(false, true) {
				f.returns()
			}
		}()
		call()
	}()
	timer := time.NewTimer(Wait)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		f.hangs(l, name)
		if !over.CompareAndSwap(false, true) { // it has just returned
			f.returns()
		}
	}
}

// now is of the real clock, by which is waited.
func now() time.Time { return time.Now() } //nolint:forbidigo // see the comment

func (f *Function) hangs(l *slog.Logger, name string) {
	f.once.Do(func() {
		f.told = incident.New(slog.LevelError, "gate: an application's function does not return, and is not called meanwhile; mend it", "gate: the application's function returns again", incident.Terms{
			Logger:  l,
			Figures: func(time.Time) []slog.Attr { return []slog.Attr{slog.String("callback", name)} },
			Costs:   func() []incident.Count { return []incident.Count{{Name: "missed", Value: f.missed.Load()}} },
		})
	})
	f.told.Happens(now())
	f.hanging.Add(1)
}

func (f *Function) returns() {
	if f.hanging.Add(-1) == 0 {
		f.told.Over(now())
	}
}
