package docs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryInternalPackageIsFound holds the picture and the tables of the packages against what is
// in internal.
func TestEveryInternalPackageIsFound(t *testing.T) {
	picture, err := os.ReadFile("packages.svg")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../internal/*/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	missing := map[string]bool{}
	for _, file := range files {
		name := filepath.Base(filepath.Dir(file))
		missing["packages.svg: "+name] = !strings.Contains(string(picture), ">"+name+"<")
		for _, page := range []string{"docs/architecture.md", "CONTRIBUTING.md"} {
			missing[page+": "+name] = !strings.Contains(pages(t)[page], "`internal/"+name+"`")
		}
	}
	for what, is := range missing {
		if is {
			t.Errorf("not there: %s", what)
		}
	}
}
