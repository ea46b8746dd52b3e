package client

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stiggate/gate/client/gql"
)

func TestTheTableOfTheAPINamesEachOperationWithItsMethodAndATestThatIsThere(t *testing.T) {
	text, err := os.ReadFile("../docs/stigg-api.md")
	if err != nil {
		t.Fatal(err)
	}
	operations, _, _ := strings.Cut(string(text), "\n## The samples")
	rows := regexp.MustCompile(`(?m)^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$`).FindAllStringSubmatch(operations, -1)
	rows = slices.DeleteFunc(rows, func(r []string) bool { return r[1] == "operation" })
	if len(rows) != 71 {
		t.Errorf("the table has %d rows, want 70 operations and customers", len(rows))
	}
	tests, methods, named := testsOf(t), map[string]bool{}, map[string]bool{}
	client := reflect.TypeFor[*Client]()
	for _, row := range rows {
		named[row[1]] = true
		plain, _, _ := strings.Cut(row[2], " (")
		for method := range strings.SplitSeq(plain, ", ") {
			methods[method] = true
			if _, ok := client.MethodByName(method); !ok {
				t.Errorf("%s: there is no method %s", row[1], method)
			}
		}
		for page := range strings.SplitSeq(row[3], ", ") {
			if !slices.Contains([]string{"overview", "guide", "openapi", "Java", "schema"}, page) {
				t.Errorf("%s: there is no page %s", row[1], page)
			}
		}
		if !tests[row[4]] {
			t.Errorf("%s: there is no test %s", row[1], row[4])
		}
	}
	for _, name := range gql.DocumentOperationNames {
		if !named[name] && name != "GetCustomers" {
			t.Errorf("%s is not in the table", name)
		}
	}
	for _, name := range regexp.MustCompile(`Test[A-Z]\w+`).FindAllString(string(text), -1) {
		if !tests[name] {
			t.Errorf("there is no test %s", name)
		}
	}
	others := []string{"Do", "FindCurrency", "FindFeature", "Format", "Pace", "ReadCatalog", "ReadPace", "RealtimeStats", "String"}
	for i := range client.NumMethod() {
		if name := client.Method(i).Name; !methods[name] && !slices.Contains(others, name) {
			t.Errorf("the method %s is not in the table", name)
		}
	}
}

// testsOf are the tests of this package.
func testsOf(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(text), -1) {
			tests[found[1]] = true
		}
	}
	return tests
}
