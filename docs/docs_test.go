package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stiggate/gate"
)

// pages are the README and all of docs, by path from the root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		files, err := filepath.Glob(filepath.Join("..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all[filepath.ToSlash(f[len("../"):])] = string(b)
		}
	}
	delete(all, "CHANGELOG.md") // it names what is no more
	return all
}

// goBlocks are the blocks of Go on a page.
func goBlocks(page string) (blocks []string) {
	for _, m := range regexp.MustCompile("(?ms)^( *)```go\n(.*?)^ *```").FindAllStringSubmatch(page, -1) {
		blocks = append(blocks, strings.ReplaceAll("\n"+m[2], "\n"+m[1], "\n"))
	}
	return blocks
}

// code is what a page has in backticks and blocks.
func code(page string) string {
	return strings.Join(regexp.MustCompile("(?s)```.*?```|`[^`\n]+`").FindAllString(page, -1), "\n")
}

func TestLinksLeadSomewhere(t *testing.T) {
	all := pages(t)
	for path, page := range all {
		for _, m := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(page, -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			file := path
			if target != "" {
				file = filepath.ToSlash(filepath.Join(filepath.Dir(path), target))
			}
			if _, err := os.Stat(filepath.Join("..", file)); err != nil {
				t.Errorf("%s: a link leads to %s, which is not there", path, m[1])
				continue
			}
			if anchor != "" && !slices.Contains(anchors(all[file]), anchor) {
				t.Errorf("%s: a link leads to %s, and there is no such heading or anchor", path, m[1])
			}
		}
	}
}

// anchors are the headings of a page, as links spell them, and those set by hand.
func anchors(page string) (all []string) {
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(page, -1) {
		kept := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, strings.ReplaceAll(kept, " ", "-"))
	}
	for _, m := range regexp.MustCompile(`<a id="([^"]+)">`).FindAllStringSubmatch(page, -1) {
		all = append(all, m[1])
	}
	return all
}

// TestBlocksOfOtherModulesAreTheTextOfAFile: a block that needs what the root module does not
// require names a file behind "go", which is compiled and tested where it is.
func TestBlocksOfOtherModulesAreTheTextOfAFile(t *testing.T) {
	found := 0
	for path, page := range pages(t) {
		for _, m := range regexp.MustCompile("(?ms)^```go (\\S+)\n(.*?)^```").FindAllStringSubmatch(page, -1) {
			found++
			file, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(m[1])))
			if err != nil {
				t.Error(err)
			}
			if !strings.Contains(string(file), m[2]) {
				t.Errorf("%s: a block is not in %s:\n%s", path, m[1], m[2])
			}
		}
	}
	if found == 0 {
		t.Error("there are no such blocks")
	}
}

func TestTheREADMEIsShort(t *testing.T) {
	readme := pages(t)["README.md"]
	if n := strings.Count(readme, "\n"); n > 130 {
		t.Errorf("the README has %d lines, want at most 130", n)
	}
	before, _, _ := strings.Cut(readme, "```go")
	if n := strings.Count(before, "\n"); n >= 20 {
		t.Errorf("its first program begins at line %d, want it above 20", n+1)
	}
}

// TestOldDenialsLeadSomewhere: the type of a denial was an anchor of the README once.
func TestOldDenialsLeadSomewhere(t *testing.T) {
	all := pages(t)
	was := anchors(all["README.md"])
	for _, m := range regexp.MustCompile(`<a id="([^"]+)">`).FindAllStringSubmatch(all["docs/denials.md"], -1) {
		if !slices.Contains(was, m[1]) {
			t.Errorf("the README has no anchor %s", m[1])
		}
	}
}

// TestPlacesExist holds the table of CONTRIBUTING, where everything is.
func TestPlacesExist(t *testing.T) {
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?) \\|").FindAllStringSubmatch(pages(t)["CONTRIBUTING.md"], -1) {
		for place := range strings.SplitSeq(row[1], ", ") {
			if _, err := os.Stat(filepath.Join("..", strings.Trim(place, "`"))); err != nil {
				t.Errorf("CONTRIBUTING.md names %s, which is not there", place)
			}
		}
	}
}

// exported are the names that each package exports, by the package's name; and the
// messages that this module and those of contrib log, with their attributes.
func exported(t *testing.T) (names map[string]map[string]bool, logged map[string]string, attrs map[string]bool) {
	t.Helper()
	names, logged, attrs = map[string]map[string]bool{}, map[string]string{}, map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "testdata", "examples", "bench"}, d.Name()):
			return filepath.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		pkg := file.Name.Name
		if names[pkg] == nil {
			names[pkg] = map[string]bool{}
		}
		if pkg != "gatetest" && pkg != "conformance" && pkg != "emulator" {
			logs(file, path, logged)
			attributes(file, attrs)
		}
		for name := range file.Scope.Objects {
			names[pkg][name] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names, logged, attrs
}

// logs adds the messages that a file gives to a slog.Logger, or to what is told by package
// incident, without the package that some begin with.
func logs(file *ast.File, path string, to map[string]string) {
	message := map[string]int{"Debug": 0, "Info": 0, "Warn": 0, "Error": 0, "Log": 2, "LogAttrs": 2, "logOnce": 1} // which argument it is
	say := func(arg ast.Expr) {
		if sum, ok := arg.(*ast.BinaryExpr); ok {
			arg = sum.X
		}
		if lit, ok := arg.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil && text != "" {
				to[strings.TrimSpace(regexp.MustCompile(`^[a-z]+: `).ReplaceAllString(text, ""))] = path
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec: // the ends that several incidents have in common
			for _, v := range n.Values {
				if lit, ok := v.(*ast.BasicLit); ok && strings.HasSuffix(path, "/log.go") && strings.HasPrefix(lit.Value, `"gate: `) {
					say(lit)
				}
			}
		case *ast.CallExpr:
			method, _ := n.Fun.(*ast.SelectorExpr)
			if method == nil {
				return true
			}
			if pkg, _ := method.X.(*ast.Ident); pkg != nil && pkg.Name == "incident" && method.Sel.Name == "New" {
				say(n.Args[1])
				say(n.Args[2])
				return true
			}
			if at, is := message[method.Sel.Name]; is && len(n.Args) > at {
				say(n.Args[at])
			}
		}
		return true
	})
}

// attributes adds the names of what a file logs beside messages.
func attributes(file *ast.File, to map[string]bool) {
	name := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil {
				to[text] = true
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.KeyValueExpr: // of an incident.Count
			if key, _ := n.Key.(*ast.Ident); key != nil && key.Name == "Name" && slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool {
				return strings.HasSuffix(i.Path.Value, `/incident"`)
			}) {
				name(n.Value)
			}
		case *ast.CallExpr:
			method, _ := n.Fun.(*ast.SelectorExpr)
			if method == nil || len(n.Args) == 0 {
				return true
			}
			pkg, _ := method.X.(*ast.Ident)
			switch {
			case pkg != nil && pkg.Name == "slog" && len(n.Args) == 2:
				name(n.Args[0])
			case method.Sel.Name == "logOnce":
				for _, arg := range n.Args[2:] {
					name(arg)
				}
			case slices.Contains([]string{"Debug", "Info", "Warn", "Error"}, method.Sel.Name) && says(n.Args[0]):
				for _, arg := range n.Args[1:] {
					name(arg)
				}
			}
		}
		return true
	})
}

// says reports whether an argument is a message.
func says(arg ast.Expr) bool {
	if sum, ok := arg.(*ast.BinaryExpr); ok {
		arg = sum.X
	}
	lit, ok := arg.(*ast.BasicLit)
	return ok && lit.Kind == token.STRING
}

// TestTheLogIsExplained holds docs/operations.md against what the code logs, both ways. A
// row may have the beginning of a line.
func TestTheLogIsExplained(t *testing.T) {
	_, section, _ := strings.Cut(pages(t)["docs/operations.md"], "\n## The log\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var rows []string
	for _, m := range regexp.MustCompile(`(?m)^\| [A-Z]+(?: or [A-Z]+)? \| (.+?) \|`).FindAllStringSubmatch(section, -1) {
		rows = append(rows, m[1])
	}
	_, logged, attrs := exported(t)
	if len(rows) == 0 || len(logged) == 0 {
		t.Fatalf("%d rows, %d lines", len(rows), len(logged))
	}
	for line, path := range logged {
		if !slices.ContainsFunc(rows, func(row string) bool { return strings.HasPrefix(line, row) }) {
			t.Errorf("docs/operations.md, \"The log\", does not explain %q (%s)", line, path)
		}
	}
	for _, row := range rows {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(logged)), func(line string) bool { return strings.HasPrefix(line, row) }) {
			t.Errorf("docs/operations.md, \"The log\", explains a line that nothing logs: %q", row)
		}
	}
	var explained []string
	for _, m := range regexp.MustCompile("(?m)^\\| (`[^|]+`) \\|").FindAllStringSubmatch(section, -1) {
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(m[1], -1) {
			explained = append(explained, name[1])
		}
	}
	slices.Sort(explained)
	if got := slices.Sorted(maps.Keys(attrs)); !slices.Equal(got, explained) {
		t.Errorf("the lines have the attributes %q, and docs/operations.md explains %q", got, explained)
	}
}

// TestNamesExist holds every name of the API that a page shows as code.
func TestNamesExist(t *testing.T) {
	names, _, _ := exported(t)
	fields := map[string]reflect.Type{
		"Stats": reflect.TypeFor[gate.Stats](), "Decision": reflect.TypeFor[gate.Decision](), "Usage": reflect.TypeFor[gate.Usage](),
	}
	for path, page := range pages(t) {
		shown := code(page)
		for _, m := range regexp.MustCompile(`\b([a-z]+)\.([A-Z]\w*)`).FindAllStringSubmatch(shown, -1) {
			if pkg := names[m[1]]; pkg != nil && m[1] != "main" && !pkg[m[2]] {
				t.Errorf("%s: package %s has no %s", path, m[1], m[2])
			}
			if m[1] == "g" && !has(reflect.TypeFor[*gate.Gate](), m[2]) {
				t.Errorf("%s: a Gate has no %s", path, m[2])
			}
		}
		for _, m := range regexp.MustCompile("`(With[A-Z]\\w*)").FindAllStringSubmatch(page, -1) {
			if !slices.ContainsFunc(slices.Collect(maps.Values(names)), func(pkg map[string]bool) bool { return pkg[m[1]] }) {
				t.Errorf("%s: there is no %s", path, m[1])
			}
		}
		for _, m := range regexp.MustCompile("[`, ]\\.([A-Z][a-zA-Z]+)[(`]").FindAllStringSubmatch(page, -1) {
			if !has(reflect.TypeFor[gate.Policy](), m[1]) && !has(reflect.TypeFor[*gate.Ticket](), m[1]) {
				t.Errorf("%s: a Policy has no %s", path, m[1])
			}
		}
		for _, m := range regexp.MustCompile(`\b(Stats|Decision|Usage)\.([A-Z]\w*)`).FindAllStringSubmatch(page, -1) {
			if _, ok := fields[m[1]].FieldByName(m[2]); !ok {
				t.Errorf("%s: %s has no %s", path, m[1], m[2])
			}
		}
	}
}

// TestNamesInCommentsExist holds what comments say of the project's packages: of their names, and of the
// functions that go doc shows with a package before them.
func TestNamesInCommentsExist(t *testing.T) {
	names, _, _ := exported(t)
	qualified := regexp.MustCompile(`\b([a-z]+)\.([A-Z]\w*)`)
	err := filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "testdata"}, d.Name()):
			return filepath.SkipDir
		case !strings.HasSuffix(path, ".go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		for _, comment := range file.Comments {
			for _, m := range qualified.FindAllStringSubmatch(comment.Text(), -1) {
				if pkg := names[m[1]]; pkg != nil && m[1] != "main" && !pkg[m[2]] {
					t.Errorf("%s: a comment names %s, which there is not", path, m[0])
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func has(typ reflect.Type, method string) bool {
	_, ok := typ.MethodByName(method)
	return ok
}

// TestEveryOptionIsFound: an option that no page names is not found by who needs it.
func TestEveryOptionIsFound(t *testing.T) {
	names, _, _ := exported(t)
	var all strings.Builder
	for _, page := range pages(t) {
		all.WriteString(page)
	}
	for name := range names["gate"] {
		if strings.HasPrefix(name, "With") && !strings.Contains(all.String(), name) {
			t.Errorf("no page names gate.%s", name)
		}
	}
}
