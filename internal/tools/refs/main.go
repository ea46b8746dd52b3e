// Command refs counts how the files of a package know each other: it prints the files and
// lines, the references between files (a file uses what another one declares: one reference,
// however often), and the largest circle, in which every file reaches every other. Tests are
// not counted.
//
//	go run ./internal/tools/refs [directory]
package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	directory := "."
	if len(os.Args) > 1 {
		directory = os.Args[1]
	}
	g, err := read(directory)
	if err != nil {
		fmt.Fprintln(os.Stderr, "refs:", err)
		os.Exit(1)
	}
	for _, file := range slices.Sorted(maps.Keys(g.uses)) {
		fmt.Printf("%s, %d lines, uses %d\n", file, g.lines[file], len(g.uses[file]))
		for _, to := range slices.Sorted(maps.Keys(g.uses[file])) {
			slices.Sort(g.uses[file][to])
			fmt.Printf("\t%-20s %s\n", to, strings.Join(g.uses[file][to], " "))
		}
	}
	circle := g.largestCircle()
	fmt.Printf("\n%d files, %d lines, %d references between files, the largest circle is of %d: %s\n",
		len(g.uses), g.total(), g.references(), len(circle), strings.Join(circle, " "))
}

// graph is which file uses which.
type graph struct {
	uses  map[string]map[string][]string // by file, the files it uses, and the names of theirs
	lines map[string]int
}

// read type-checks the package in a directory.
func read(directory string) (*graph, error) {
	names, err := filepath.Glob(filepath.Join(directory, "*.go"))
	if err != nil {
		return nil, err
	}
	g := &graph{map[string]map[string][]string{}, map[string]int{}}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
		g.uses[filepath.Base(name)] = map[string][]string{}
		g.lines[filepath.Base(name)] = fset.File(file.Pos()).LineCount() - 1
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: importer.ForCompiler(fset, "source", nil)}
	pkg, err := config.Check(directory, fset, files, info)
	if err != nil {
		return nil, err
	}
	for id, object := range info.Uses {
		if object.Pkg() != pkg || !object.Pos().IsValid() {
			continue
		}
		from, to := filepath.Base(fset.Position(id.Pos()).Filename), filepath.Base(fset.Position(object.Pos()).Filename)
		if from != to && !slices.Contains(g.uses[from][to], object.Name()) {
			g.uses[from][to] = append(g.uses[from][to], object.Name())
		}
	}
	return g, nil
}

func (g *graph) total() (lines int) {
	for _, n := range g.lines {
		lines += n
	}
	return lines
}

func (g *graph) references() (n int) {
	for _, to := range g.uses {
		n += len(to)
	}
	return n
}

// largestCircle is the largest set of files that all reach each other.
func (g *graph) largestCircle() (largest []string) {
	reach := map[string]map[string]bool{}
	for file := range g.uses {
		reach[file] = map[string]bool{}
		g.walk(file, reach[file])
	}
	for file := range g.uses {
		circle := []string{file}
		for other := range reach[file] {
			if other != file && reach[other][file] {
				circle = append(circle, other)
			}
		}
		slices.Sort(circle)
		if cmp.Or(cmp.Compare(len(circle), len(largest)), -slices.Compare(circle, largest)) > 0 {
			largest = circle
		}
	}
	return largest
}

func (g *graph) walk(file string, seen map[string]bool) {
	for next := range g.uses[file] {
		if !seen[next] {
			seen[next] = true
			g.walk(next, seen)
		}
	}
}
