package gatetest

import (
	"slices"
	"testing"
)

func TestRowsHaveNamesOfTheirOwn(t *testing.T) {
	a := newPlain().adapter()
	a.Error = func(int) error { return nil }
	a.Grouped = map[string]Group{"a group": nil, "a mount": nil}
	for _, rows := range [][]row{rows(a), Source{}.rows(), Reporter{}.rows()} {
		var names []string
		for _, r := range rows {
			if slices.Contains(names, r.name) {
				t.Errorf("two rows are named %q: a skip could not tell them apart", r.name)
			}
			names = append(names, r.name)
		}
	}
}

// TestARowThatFailsQuietly: however it fails, its test goes on.
func TestARowThatFailsQuietly(t *testing.T) {
	for name, fail := range map[string]func(testing.TB){
		"Error":   func(t testing.TB) { t.Error("no") },
		"Errorf":  func(t testing.TB) { t.Errorf("%s", "no") },
		"Fatal":   func(t testing.TB) { t.Fatal("no") },
		"Fatalf":  func(t testing.TB) { t.Fatalf("%s", "no") },
		"Fail":    func(t testing.TB) { t.Fail() },
		"FailNow": func(t testing.TB) { t.FailNow() },
	} {
		if !(row{name: name, run: fail}).fails(t) {
			t.Errorf("%s is no failure", name)
		}
	}
	if (row{run: func(t testing.TB) { t.Log("fine") }}).fails(t) {
		t.Error("a row that passes is a failure")
	}
}
