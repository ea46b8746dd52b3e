package main

import (
	"slices"
	"strings"
	"testing"
)

func TestBenchmarksAreRead(t *testing.T) {
	got := parse(`goos: linux
BenchmarkCheck/1000_customers-2   	 3000000	       361.5 ns/op	       0 B/op	       0 allocs/op
BenchmarkAppend/64_writers-2 	 1000	  9000 ns/op	 111000 measurements/s	 1200 B/op	 14 allocs/op
PASS
`)
	want := []figure{
		{"BenchmarkCheck/1000_customers-2", "ns/op", 361.5}, {"BenchmarkCheck/1000_customers-2", "B/op", 0}, {"BenchmarkCheck/1000_customers-2", "allocs/op", 0},
		{"BenchmarkAppend/64_writers-2", "ns/op", 9000}, {"BenchmarkAppend/64_writers-2", "B/op", 1200}, {"BenchmarkAppend/64_writers-2", "allocs/op", 14},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

// TestWhatGotWorseComesFirst: by time only if every round says so, by allocations always.
func TestWhatGotWorseComesFirst(t *testing.T) {
	all := newTable()
	round := func(side int, slow, noisy, fast, made float64) {
		all.add(side, "p", []figure{{"Slow", "ns/op", slow}, {"Noisy", "ns/op", noisy}, {"Fast", "ns/op", fast}, {"Made", allocs, made}})
	}
	round(before, 100, 100, 100, 0)
	round(after, 130, 200, 50, 1)
	round(before, 100, 100, 100, 0)
	round(after, 125, 90, 60, 1)
	out := all.String()
	place := func(what string) int {
		i := strings.Index(out, what)
		if i < 0 {
			t.Fatalf("%q is missing in:\n%s", what, out)
		}
		return i
	}
	order := []int{place("Worse than the base: 2\n"), place("p Made"), place("p Slow"), place("Better than the base: 1\n"), place("p Fast"),
		place("The same, as far as these rounds tell: 1\n"), place("p Noisy")}
	if !slices.IsSorted(order) {
		t.Errorf("in another order:\n%s", out)
	}
}

func TestABaseMustBeNamed(t *testing.T) {
	if err := run(nil, &strings.Builder{}, &strings.Builder{}); err == nil || !strings.Contains(err.Error(), "-base") {
		t.Errorf("got %v", err)
	}
}
