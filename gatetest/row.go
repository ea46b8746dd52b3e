package gatetest

import (
	"runtime"
	"slices"
	"sync"
	"testing"
)

// row is one expectation. Names are unique in a suite, since skips go by them.
type row struct {
	group, name string
	run         func(t testing.TB)
}

// over returns a row for each of the protocols.
func over(group, name string, run func(t testing.TB, p protocol)) []row {
	return []row{
		{group, name, func(t testing.TB) { run(t, http1) }},
		{group + " over HTTP/2", name + ", over HTTP/2", func(t testing.TB) { run(t, http2) }},
	}
}

// run runs the rows, each as a subtest of its group's.
func run(t *testing.T, rows []row, skip map[string]string) {
	for name := range skip {
		if !slices.ContainsFunc(rows, func(r row) bool { return r.name == name }) {
			t.Errorf("no row is named %q: it can't be skipped", name)
		}
	}
	var groups []string
	for _, r := range rows {
		if !slices.Contains(groups, r.group) {
			groups = append(groups, r.group)
		}
	}
	for _, group := range groups {
		t.Run(group, func(t *testing.T) {
			for _, r := range rows {
				if r.group == group {
					t.Run(r.name, func(t *testing.T) { r.runOrSkip(t, skip) })
				}
			}
		})
	}
}

// runOrSkip runs the row, which must fail if it is to be skipped.
func (r row) runOrSkip(t *testing.T, skip map[string]string) {
	switch issue, skipped := skip[r.name]; {
	case !skipped:
		r.run(t)
	case issue == "":
		t.Error("a skip needs the router's issue")
	case !r.fails(t):
		t.Errorf("the row passes: its skip for %s is no longer needed", issue)
	default:
		t.Skip(issue)
	}
}

// fails runs a row without failing t.
func (r row) fails(t testing.TB) bool {
	quiet := &quietly{TB: t}
	done := make(chan struct{})
	go func() { // FailNow ends the goroutine
		defer close(done)
		r.run(quiet)
	}()
	<-done
	return quiet.Failed()
}

// quietly takes note of failures in place of its test.
type quietly struct {
	testing.TB
	mu     sync.Mutex
	failed bool
}

func (q *quietly) Fail() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.failed = true
}

func (q *quietly) Failed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.failed
}

func (q *quietly) FailNow() {
	q.Fail()
	runtime.Goexit()
}

func (q *quietly) Error(args ...any)                 { q.Log(args...); q.Fail() }
func (q *quietly) Errorf(format string, args ...any) { q.Logf(format, args...); q.Fail() }
func (q *quietly) Fatal(args ...any)                 { q.Log(args...); q.FailNow() }
func (q *quietly) Fatalf(format string, args ...any) { q.Logf(format, args...); q.FailNow() }
