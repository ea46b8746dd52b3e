package fleet_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTheTableOfFailuresIsHeld: each row of docs/fleet.md names tests that there are, or says why it is not
// tried.
func TestTheTableOfFailuresIsHeld(t *testing.T) {
	const root = "../.."
	doc, err := os.ReadFile(filepath.Join(root, "docs", "fleet.md"))
	if err != nil {
		t.Fatal(err)
	}
	var tests, suite strings.Builder
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		to := &tests
		switch {
		case err != nil:
			return err
		case filepath.Dir(path) == filepath.Join(root, "conformance") && strings.HasPrefix(d.Name(), "fleet"):
			to = &suite
		case !strings.HasSuffix(d.Name(), "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		to.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(doc), "| what fails |")
	table, _, _ = strings.Cut(table, "\n\n")
	names := regexp.MustCompile("`((?:Test|RunFleet/)[^`]*)`")
	rows := strings.Split(table, "\n")[2:]
	for _, row := range rows {
		cells := strings.Split(strings.Trim(row, "| "), " | ")
		held := cells[len(cells)-1]
		found := names.FindAllStringSubmatch(held, -1)
		if len(cells) != 4 || len(found) == 0 && !strings.HasPrefix(held, "not tried here: ") {
			t.Errorf("nothing holds %q", cells[0])
		}
		for _, name := range found {
			there := strings.Contains(tests.String(), "func "+name[1]+"(")
			if part, ok := strings.CutPrefix(name[1], "RunFleet/"); ok {
				there = strings.Contains(suite.String(), `"`+part+`"`)
			}
			if !there {
				t.Errorf("%q is held by %s, which there is not", cells[0], name[1])
			}
		}
	}
	if len(rows) < 14 {
		t.Errorf("there are %d rows", len(rows))
	}
}
