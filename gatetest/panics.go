package gatetest

import (
	"errors"
	"io"
	"net/http"
	"runtime"
	"testing"
)

// unknown is a status that routers differ in.
const unknown = -1

// panicRows: who does not return is not billed, and nobody swallows it but a recovery
// that the app has asked for.
func panicRows(a Adapter) []row {
	boom := func(http.ResponseWriter, *http.Request) { panic("boom") }
	wrong := func(http.ResponseWriter, *http.Request) { panic(errors.New("boom")) }
	late := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "a body that is on its way")
		_ = http.NewResponseController(w).Flush()
		panic("boom")
	}
	abort := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	leave := func(http.ResponseWriter, *http.Request) { runtime.Goexit() }
	tests := []struct {
		name     string
		handler  http.HandlerFunc
		recovery Recovery
		status   int
	}{
		{"a panic", boom, RecoveryNone, 0},
		{"a panic with an error", wrong, RecoveryNone, 0},
		{"a panic after a body", late, RecoveryNone, 0},
		{"an abort", abort, RecoveryNone, 0},
		{"a handler that ends its goroutine", leave, RecoveryNone, 0},
		{"a panic with recovery outside", boom, RecoveryOutside, 500},
		{"a panic with an error and recovery outside", wrong, RecoveryOutside, 500},
		{"a panic after a body with recovery outside", late, RecoveryOutside, 200},
		{"an abort with recovery outside", abort, RecoveryOutside, unknown},
		{"a panic with recovery inside", boom, RecoveryInside, 500},
		{"a panic with an error and recovery inside", wrong, RecoveryInside, 500},
		{"an abort with recovery inside", abort, RecoveryInside, unknown},
	}
	var rows []row
	for _, tt := range tests {
		rows = append(rows, over("panics", tt.name, func(t testing.TB, p protocol) {
			guarded := route("POST", "/", manyTwo(), tt.handler)
			guarded.Recovery = tt.recovery
			b := a.guarded(t, p, guarded)
			if got := b.get(t, "POST", "/"); tt.status != unknown {
				got.wants(t, tt.status)
			}
			b.bills(t, nil)
			if tt.recovery == RecoveryInside {
				return // what there is to see is the recovery's answer
			}
			if len(b.seen.settled) != 1 || !b.seen.settled[0].Panicked {
				t.Errorf("settled %+v, want one that panicked", b.seen.settled)
			}
		})...)
	}
	return append(rows, row{"panics", "a panic after a body with recovery inside", func(t testing.TB) {
		// Nobody outside can see that it is one, unless the recovery says so. All that
		// can be asked is that it is not billed twice, and that nothing stays open.
		guarded := route("POST", "/", manyTwo(), late)
		guarded.Recovery = RecoveryInside
		b := a.guarded(t, http1, guarded)
		b.get(t, "POST", "/").wants(t, 200)
		b.finish(t)
		if n := b.stigg.reported("many"); n != 0 && n != 2 {
			t.Errorf("%v reported, want 2 or nothing", n)
		}
	}})
}
