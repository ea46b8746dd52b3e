package exampletest

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/stiggate/gate"

// GateLines holds the app in the test's directory to at most 15 lines that are Gate's: those that
// name package gate or a package below it, by which all of it comes into an app. Imports, tests and
// what is below examples/ don't count.
func GateLines(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") {
			n += gateLines(t, file)
		}
	}
	if t.Logf("%d lines are Gate's", n); n == 0 || n > 15 {
		t.Errorf("%d lines are Gate's, want 1 to 15", n)
	}
}

func gateLines(t *testing.T, file string) int {
	t.Helper()
	files := gotoken.NewFileSet()
	parsed, err := parser.ParseFile(files, file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours := map[string]bool{}
	for _, spec := range parsed.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		if path != module && !strings.HasPrefix(path, module+"/") || strings.HasPrefix(path, module+"/examples/") {
			continue
		}
		name := filepath.Base(path)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		ours[name] = true
	}
	lines := map[int]bool{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && ours[x.Name] {
				lines[files.Position(s.Pos()).Line] = true
			}
		}
		return true
	})
	return len(lines)
}
