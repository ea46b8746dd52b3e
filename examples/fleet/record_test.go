package main

import "testing"

// TestWhatARecordCounts goes through the ends that a request may have.
func TestWhatARecordCounts(t *testing.T) {
	counted := 0
	r := newRecord("acme", 2, 1, func() int { return counted })
	want := func(when string, total, peak int) {
		t.Helper()
		if a := r.look(); a.Total != total || a.Peak != peak || a.Running != a.Runs[0] {
			t.Errorf("%s: %+v, want %d and at most %d", when, a, total, peak)
		}
	}
	r.handOn("a", 0)
	want("a request that may be refused", 0, 0)
	r.letIn("a")
	want("it runs", 1, 1)
	r.letIn("a")
	want("it is asked for twice", 1, 1)
	counted = 1
	want("Stigg counts it already", 1, 1)
	r.answer("a", 201)
	want("it is answered", 1, 1)

	r.handOn("b", 0)
	r.letIn("b")
	want("another one runs", 2, 2)
	r.answer("b", 502)
	want("its replica is killed", 1, 2)
	r.letIn("b")
	want("what was on its way arrives after that", 1, 2)
	r.handOn("c", 0)
	r.answer("c", 429)
	want("one is refused", 1, 2)
	counted = 3
	want("Stigg counts what nobody has seen", 3, 3)
	if all := r.look().sum(); all != (answers{Admitted: 1, Pending: 1, Broken: 1}) {
		t.Errorf("answers: %+v", all)
	}
}
