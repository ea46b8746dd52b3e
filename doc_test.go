package gate

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEveryNameIsForOneReader holds the lists of the package's doc: an exported name stands in the
// section of one reader, once. Constants are found at their type, methods too.
func TestEveryNameIsForOneReader(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			f, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
	}
	pkg, err := doc.NewFromFiles(fset, files, module)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	funcs := func(all []*doc.Func) {
		for _, f := range all {
			names = append(names, f.Name)
		}
	}
	funcs(pkg.Funcs)
	for _, values := range [][]*doc.Value{pkg.Consts, pkg.Vars} {
		for _, v := range values {
			names = append(names, v.Names...)
		}
	}
	for _, typ := range pkg.Types {
		names = append(names, typ.Name)
		funcs(typ.Funcs)
	}
	listed := map[string][]string{}
	for _, section := range strings.Split(pkg.Doc, "\n# ")[1:] {
		title, text, _ := strings.Cut(section, "\n")
		if !strings.HasPrefix(title, "For ") {
			continue
		}
		for _, link := range regexp.MustCompile(`\[(\w+)\]`).FindAllStringSubmatch(text, -1) {
			listed[link[1]] = append(listed[link[1]], title)
		}
	}
	for _, name := range names {
		if len(listed[name]) != 1 {
			t.Errorf("%s stands in the sections %q, want one", name, listed[name])
		}
	}
	for name := range listed {
		if !slices.Contains(names, name) {
			t.Errorf("%s is listed, and there is no such name", name)
		}
	}
}
