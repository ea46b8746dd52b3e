package callback

import (
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestAFunctionThatHangsIsNotCalledUntilItReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f Function
		var called atomic.Int32
		forever, began := make(chan struct{}), time.Now()
		hang := func() { called.Add(1); <-forever }
		for range 3 {
			f.Call(slog.Default(), "f", hang)
		}
		if took := time.Since(began); called.Load() != 1 || took != Wait || !f.Hangs() {
			t.Errorf("it was called %d times, waited for %v, and hangs: %v; want 1, %v, true", called.Load(), took, f.Hangs(), Wait)
		}
		close(forever)
		synctest.Wait()
		if f.Call(slog.Default(), "f", hang); called.Load() != 2 || f.Hangs() {
			t.Errorf("when it has returned it was called %d times, and hangs: %v; want 2, false", called.Load(), f.Hangs())
		}
	})
}

func TestAPanicIsLoggedWithoutItsValue(t *testing.T) {
	var log strings.Builder
	var f Function
	f.Call(slog.New(slog.NewTextHandler(&log, nil)), "the function", func() { panic("customer-4711") })
	if text := log.String(); !strings.Contains(text, "level=ERROR") || !strings.Contains(text, "the function panicked with a string") || strings.Contains(text, "4711") || f.Hangs() {
		t.Errorf("logged %q, and it hangs: %v", text, f.Hangs())
	}
}
