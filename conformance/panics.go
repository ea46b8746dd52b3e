package conformance

import (
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
)

// unknown is a status that routers differ in.
const unknown = -1

// panicRows: who does not return is billed only for what the client has had by then, and
// nobody swallows a panic but a recovery that the app has asked for.
func panicRows(a Adapter) []row {
	boom := func(http.ResponseWriter, *http.Request) { panic("boom") }
	wrong := func(http.ResponseWriter, *http.Request) { panic(errors.New("boom")) }
	late := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "a body that is on its way")
		_ = http.NewResponseController(w).Flush()
		panic("boom")
	}
	kept := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "a body that net/http keeps back")
		panic("boom")
	}
	failed := func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	cut := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("a body that is on its way\n", 1000))
		panic(http.ErrAbortHandler)
	}
	abort := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	leave := func(http.ResponseWriter, *http.Request) { runtime.Goexit() }
	tests := []struct {
		name     string
		handler  http.HandlerFunc
		recovery Recovery
		status   int
		sent     bool
	}{
		{"a panic", boom, RecoveryNone, 0, false},
		{"a panic with an error", wrong, RecoveryNone, 0, false},
		{"a panic after a body", late, RecoveryNone, 0, true},
		{"a panic after a body that nobody has had", kept, RecoveryNone, 0, false},
		{"an abort after a failure", failed, RecoveryNone, 0, false},
		{"an abort in mid-answer", cut, RecoveryNone, 0, true},
		{"an abort", abort, RecoveryNone, 0, false},
		{"a handler that ends its goroutine", leave, RecoveryNone, 0, false},
		{"a panic with recovery outside", boom, RecoveryOutside, 500, false},
		{"a panic with an error and recovery outside", wrong, RecoveryOutside, 500, false},
		{"a panic after a body with recovery outside", late, RecoveryOutside, 200, true},
		{"an abort with recovery outside", abort, RecoveryOutside, unknown, false},
		{"a panic with recovery inside", boom, RecoveryInside, 500, false},
		{"a panic with an error and recovery inside", wrong, RecoveryInside, 500, false},
		{"an abort with recovery inside", abort, RecoveryInside, unknown, false},
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
			want := uses{}
			if tt.sent {
				want["many"] = 2
			}
			b.bills(t, want)
			if tt.recovery == RecoveryInside {
				return // what there is to see is the recovery's answer
			}
			if len(b.seen.settled) != 1 || !b.seen.settled[0].Panicked {
				t.Errorf("settled %+v, want one that panicked", b.seen.settled)
			}
		})...)
	}
	return append(rows, row{"panics", "a panic after a body with recovery inside", func(t testing.TB) {
		guarded := route("POST", "/", manyTwo(), late)
		guarded.Recovery = RecoveryInside
		b := a.guarded(t, http1, guarded)
		b.get(t, "POST", "/").wants(t, 200)
		b.bills(t, uses{"many": 2})
	}})
}
