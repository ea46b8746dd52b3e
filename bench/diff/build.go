package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stiggate/gate/bench/internal/measure"
)

// pair is what both sides run in turns.
type pair struct {
	name string
	run  [2]func() ([]figure, error)
}

// build compiles what both sides have: test binaries of packages with benchmarks, and bench.
func (c config) build(top, base string, stderr io.Writer) ([]pair, error) {
	roots := [2]string{base, top}
	bin := filepath.Join(base, ".bench-bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		return nil, err
	}
	var all []pair
	if c.bench != "" {
		packages, err := benchmarked(top)
		if err != nil {
			return nil, err
		}
		for i, pkg := range packages {
			p := pair{name: pkg}
			for side, root := range roots {
				if _, err := os.Stat(filepath.Join(root, pkg)); err != nil {
					break // there is nothing to compare
				}
				fmt.Fprintf(stderr, "building %s of %s\n", pkg, sides[side])
				exe := filepath.Join(bin, fmt.Sprintf("%d-%d.test", i, side))
				if _, err := output(root, "go", "test", "-c", "-o", exe, "./"+pkg); err != nil {
					fmt.Fprintln(stderr, err)
					break // the others can be compared all the same
				}
				p.run[side] = func() ([]figure, error) {
					out, err := output(filepath.Join(root, pkg), exe, "-test.run", "^$", "-test.bench", c.bench, "-test.skip", c.skip,
						"-test.benchtime", c.benchtime, "-test.benchmem", "-test.timeout", "10m")
					return parse(out), err
				}
			}
			if p.run[before] != nil && p.run[after] != nil {
				all = append(all, p)
			}
		}
	}
	var exes [2]string
	for _, suite := range strings.FieldsFunc(c.suites, func(r rune) bool { return r == ',' }) {
		p := pair{name: "suite " + suite}
		for side, root := range roots {
			if exes[side] == "" {
				fmt.Fprintf(stderr, "building bench on %s\n", sides[side])
				exes[side] = filepath.Join(bin, fmt.Sprintf("bench-%d", side))
				if _, err := output(filepath.Join(root, "bench"), "go", "build", "-o", exes[side], "."); err != nil {
					return nil, err
				}
			}
			p.run[side] = func() ([]figure, error) {
				out, err := output(root, exes[side], "-suite", suite, "-rounds", "1")
				if err != nil {
					return nil, err
				}
				return figuresOf(out)
			}
		}
		all = append(all, p)
	}
	return all, nil
}

// benchmarked are the packages of the root module that have benchmarks.
func benchmarked(top string) ([]string, error) {
	files, err := output(top, "git", "grep", "-l", "^func Benchmark", "--", "*_test.go")
	if err != nil {
		return nil, err
	}
	var all []string
	for file := range strings.Lines(files) {
		pkg := filepath.Dir(strings.TrimSpace(file))
		if !slices.Contains(all, pkg) && !nested(top, pkg) {
			all = append(all, pkg)
		}
	}
	return all, nil
}

// nested reports whether a directory belongs to a module of its own.
func nested(top, dir string) bool {
	for ; dir != "."; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(top, dir, "go.mod")); err == nil {
			return true
		}
	}
	return false
}

// figuresOf reads a suite's results.
func figuresOf(out string) ([]figure, error) {
	var results measure.Results
	if err := json.Unmarshal([]byte(out), &results); err != nil {
		return nil, err
	}
	var all []figure
	for _, g := range results {
		for _, s := range g.Series {
			value := s.Spread().Median
			name := g.Name + ": " + s.Name
			if s.Unit == "/s" { // less is better, as of all others
				value, name = 1/value, name+" (time)"
			}
			all = append(all, figure{name, s.Unit, value})
			if s.Counted {
				all = append(all, figure{name, allocs, s.Allocs})
			}
		}
	}
	return all, nil
}
