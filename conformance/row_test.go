package conformance

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

func TestEachGroupOfRowsHasARule(t *testing.T) {
	a := newPlain().adapter()
	a.Error = func(int) error { return nil }
	a.Grouped = map[string]Group{"a group": nil}
	told := make(map[string]bool)
	for _, rows := range [][]row{rows(a), Source{}.rows(), Reporter{}.rows()} {
		for _, r := range rows {
			if told[r.rule()] = true; r.rule() == "" {
				t.Errorf("the group %q has no rule", r.group)
			}
		}
	}
	for group, rule := range rules {
		if !told[rule] {
			t.Errorf("no row is of the group %q", group)
		}
	}
}

func TestASkipIsForBothProtocols(t *testing.T) {
	rows := append(over("a group", "a row", nil), over("a group", "another row", nil)...)
	for skip, want := range map[string]int{"a row": 2, "a row, over HTTP/2": 1, "no row": 0} {
		if n := count(rows, skip); n != want {
			t.Errorf("the skip of %q is of %d rows, want %d", skip, n, want)
		}
	}
}

func TestASkipThatHidesNothingFailsTheSuite(t *testing.T) {
	rows := over("a group", "a row", nil)
	for _, tt := range []struct {
		name, issue string
		passed      int
		wrong       bool
	}{
		{"a row", "router#1", 0, false},
		{"a row", "router#1", 1, false},
		{"a row", "router#1", 2, true},
		{"a row, over HTTP/2", "router#1", 0, false},
		{"a row, over HTTP/2", "router#1", 1, true},
		{"a row", "", 0, true},
		{"no row", "router#1", 0, true},
	} {
		if problem := wrongSkip(rows, tt.name, tt.issue, tt.passed); (problem != "") != tt.wrong {
			t.Errorf("%+v: %q", tt, problem)
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
