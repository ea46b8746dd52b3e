// Command diff compares the speed of this tree with that of another commit, and prints what got worse:
//
//	go run ./diff -base main            the packages' benchmarks, and the suites check and middleware
//	go run ./diff -base HEAD~3 -bench Check -suites ''
//
// Both are built, and run in turns (A B A B ...); a figure is the ratio of this tree to the base within
// a round, as the median of the rounds with the lowest and the highest. The base is measured by this
// tree's suites. Nothing fails by a time: what got worse is for a person to judge.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "diff:", err)
		os.Exit(1)
	}
}

type config struct {
	base, bench, skip, suites, benchtime string
	rounds                               int
}

func run(args []string, stdout, stderr io.Writer) error {
	var c config
	flags := flag.NewFlagSet("diff", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&c.base, "base", "", "the `commit` to compare with")
	flags.StringVar(&c.bench, "bench", ".", "the packages' benchmarks that match this `pattern`; empty: none")
	flags.StringVar(&c.skip, "skip", "Replay|Outage|Upgrade|Pipeline|Floor", "leave out the benchmarks that match this `pattern`: by default those that take long")
	flags.StringVar(&c.suites, "suites", "check,middleware", "the `suites` of bench, parted by commas; empty: none")
	flags.StringVar(&c.benchtime, "benchtime", "50ms", "how long each benchmark runs in a round")
	flags.IntVar(&c.rounds, "rounds", 5, "how often both run")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if c.base == "" {
		return errors.New("-base says which commit to compare with")
	}
	top, err := output("", "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	base, remove, err := checkout(top, c.base)
	if err != nil {
		return err
	}
	defer remove()
	pairs, err := c.build(top, base, stderr)
	if err != nil {
		return err
	}
	results := newTable()
	for round := range c.rounds {
		for _, p := range pairs {
			fmt.Fprintf(stderr, "round %d of %d: %s\n", round+1, c.rounds, p.name)
			for _, side := range []int{before, after} {
				figures, err := p.run[side]()
				if err != nil {
					fmt.Fprintf(stderr, "%s, %s: %v\n", p.name, sides[side], err)
				}
				results.add(side, p.name, figures)
			}
		}
	}
	_, err = io.WriteString(stdout, results.String())
	return err
}

// The sides of a comparison.
const (
	before = iota
	after
)

var sides = []string{"the base", "this tree"}

// checkout has a commit in a directory of its own, with this tree's bench.
func checkout(top, commit string) (dir string, remove func(), err error) {
	dir, err = os.MkdirTemp("", "gate-bench-base-")
	if err != nil {
		return "", nil, err
	}
	remove = func() {
		_, _ = output(top, "git", "worktree", "remove", "--force", dir)
		_ = os.RemoveAll(dir)
	}
	if _, err = output(top, "git", "worktree", "add", "--detach", dir, commit); err == nil {
		if err = os.RemoveAll(filepath.Join(dir, "bench")); err == nil {
			err = os.CopyFS(filepath.Join(dir, "bench"), os.DirFS(filepath.Join(top, "bench")))
		}
	}
	if err != nil {
		remove()
		return "", nil, err
	}
	return dir, remove, nil
}

// output is what a command prints.
func output(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}
