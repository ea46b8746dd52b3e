package conformance

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
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

// base is the row's name without its protocol: one skip is for both.
func (r row) base() string { return strings.TrimSuffix(r.name, ", over HTTP/2") }

// run runs the rows, each as a subtest of its group's.
func run(t *testing.T, rows []row, skip map[string]string) {
	var groups []string
	for _, r := range rows {
		if !slices.Contains(groups, r.group) {
			groups = append(groups, r.group)
		}
	}
	passed := make(map[string]int) // how many rows pass that a skip names
	for _, group := range groups {
		t.Run(group, func(t *testing.T) {
			for _, r := range rows {
				if r.group == group {
					t.Run(r.name, func(t *testing.T) { r.runOrSkip(t, skip, passed) })
				}
			}
		})
	}
	for name, issue := range skip {
		if problem := wrongSkip(rows, name, issue, passed[name]); problem != "" {
			t.Error(problem)
		}
	}
}

// wrongSkip is what is wrong with a skip of whose rows so many pass; empty if nothing is.
func wrongSkip(rows []row, name, issue string, passed int) string {
	switch named := count(rows, name); {
	case named == 0:
		return fmt.Sprintf("no row is named %q: it can't be skipped", name)
	case issue == "":
		return fmt.Sprintf("the skip of %q needs the router's issue", name)
	case passed == named:
		return fmt.Sprintf("the row %q passes: its skip for %s is no longer needed", name, issue)
	}
	return ""
}

// count is how many rows a skip names.
func count(rows []row, skip string) (n int) {
	for _, r := range rows {
		if r.name == skip || r.base() == skip {
			n++
		}
	}
	return n
}

// runOrSkip runs the row. One that fails is skipped if its name, or that without the
// protocol, is to be.
func (r row) runOrSkip(t *testing.T, skip map[string]string, passed map[string]int) {
	for _, name := range []string{r.name, r.base()} {
		if issue, skipped := skip[name]; skipped {
			if r.fails(t) {
				t.Skip(issue)
			}
			passed[name]++
			return
		}
	}
	r.explain(t)
	r.run(t)
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
