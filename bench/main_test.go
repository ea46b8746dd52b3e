package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestMain runs as a suite, or helps one, when the program under test starts itself as such.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "-suite" || os.Args[1] == "-helper") {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestEveryGoalIsMeasured runs all of it with tiny sizes.
func TestEveryGoalIsMeasured(t *testing.T) {
	var out, progress bytes.Buffer
	dir := t.TempDir()
	doc := filepath.Join(dir, "doc.md")
	if err := os.WriteFile(doc, []byte("before\n"+begins+"old\n"+ends+"after\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run([]string{"-quick", "-out", dir, "-doc", doc}, &out, &progress); err != nil {
		t.Fatalf("%v\n%s", err, progress.String())
	}
	report, err := os.ReadFile(filepath.Join(dir, "RESULTS.md"))
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(report) {
		t.Error("what is printed is not what is written")
	}
	for _, m := range regexp.MustCompile(`\]\((plots/[^)]+)\)`).FindAllStringSubmatch(string(report), -1) {
		if _, err := os.Stat(filepath.Join(dir, m[1])); err != nil {
			t.Error(err)
		}
	}
	for _, g := range goals() {
		row := fmt.Sprintf("| %s | %s |", g.area, g.what)
		if strings.Count(out.String(), row) != 1 {
			t.Errorf("%d rows %q, want one", strings.Count(out.String(), row), row)
			continue
		}
		if line, _, _ := strings.Cut(out.String()[strings.Index(out.String(), row):], "\n"); (g.unit == calls || g.unit == requests) && !strings.HasSuffix(line, "| met |") {
			t.Errorf("what is counted is so however small it is: %s", line)
		}
	}
	told, err := os.ReadFile(doc)
	if err != nil || !strings.HasPrefix(string(told), "before\n"+begins) || !strings.HasSuffix(string(told), ends+"after\n") || strings.Contains(string(told), "old\n") {
		t.Errorf("%v\n%s", err, told)
	}
	for _, g := range goals() {
		if !strings.Contains(string(told), " | "+g.what+" | ") {
			t.Errorf("the document says nothing of %s", g.what)
		}
	}
	if strings.Contains(out.String(), "NaN") || strings.Contains(out.String(), "Inf") {
		t.Errorf("a figure is none:\n%s", out.String())
	}
}

func TestOneSuiteAloneWritesNothing(t *testing.T) {
	t.Chdir(t.TempDir())
	var out, progress bytes.Buffer
	if err := run([]string{"-quick", "-only", "memory"}, &out, &progress); err != nil {
		t.Fatalf("%v\n%s", err, progress.String())
	}
	if !strings.Contains(out.String(), "a queued usage") || strings.Contains(out.String(), "casbin") {
		t.Errorf("not the suite that was asked for:\n%s", out.String())
	}
	if left, _ := os.ReadDir("."); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

func TestAnUnknownSuiteIsSaid(t *testing.T) {
	err := run([]string{"-quick", "-only", "memmory"}, &bytes.Buffer{}, &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), `"memmory"`) {
		t.Errorf("got %v", err)
	}
}
