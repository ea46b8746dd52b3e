// Command bench measures Gate beside its peers, and prints how far it is from its goals.
//
//	go run .                  all of it, in under ten minutes; writes RESULTS.md and plots/
//	go run . -only check      one suite, and writes nothing; several: -only check,memory
//	go run . -quick           everything, in seconds: no figure means anything
//
// Every figure is a ratio to a peer or to a floor (what any solution must do at least) that was measured
// in turns with it, as the median of several rounds, with the lowest and the highest beside it. Each
// suite runs in a process of its own, so that none leaves garbage to another.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/stiggate/gate/bench/internal/checks"
	"github.com/stiggate/gate/bench/internal/cold"
	"github.com/stiggate/gate/bench/internal/endtoend"
	"github.com/stiggate/gate/bench/internal/growth"
	"github.com/stiggate/gate/bench/internal/load"
	"github.com/stiggate/gate/bench/internal/measure"
	"github.com/stiggate/gate/bench/internal/memory"
	"github.com/stiggate/gate/bench/internal/middleware"
	"github.com/stiggate/gate/bench/internal/pipeline"
)

// suites are what is measured, in this order.
var suites = []struct {
	name string
	run  func(*measure.Bench) error
}{
	{"check", checks.Run},
	{"middleware", middleware.Run},
	{"end-to-end", endtoend.Run},
	{"cold", cold.Run},
	{"load", load.Run},
	{"pipeline", pipeline.Run},
	{"memory", memory.Run},
	{"growth", growth.Run},
}

// helpers are processes that suites start: a server, and what sends it requests.
var helpers = map[string]func(with string, length time.Duration, stdin io.Reader, stdout io.Writer) error{
	"serve": endtoend.Serve,
	"load":  endtoend.Load,
}

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type config struct {
	only   string
	suite  string // of a process that runs one
	helper string // of a process that helps one
	with   string
	rounds int
	slice  time.Duration
	quick  bool
	out    string
	doc    string
}

func run(args []string, stdout, stderr io.Writer) error {
	var c config
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&c.only, "only", "", "measure these `suites` alone, of: "+strings.Join(names(), ", "))
	flags.IntVar(&c.rounds, "rounds", 5, "how often each contestant has its round")
	flags.DurationVar(&c.slice, "slice", 20*time.Millisecond, "how long a contestant's turn takes; a round has three")
	flags.BoolVar(&c.quick, "quick", false, "try whether everything runs, with tiny sizes; nothing is written unless -out says where")
	flags.StringVar(&c.out, "out", "", "the `directory` for RESULTS.md and plots/; default: this one if all suites are measured")
	flags.StringVar(&c.doc, "doc", "", "write the table of the goals into this `file`, too, between its marks")
	flags.StringVar(&c.suite, "suite", "", "measure this `suite` in this process, and print its results as JSON")
	flags.StringVar(&c.helper, "helper", "", "`help` a suite in this process: serve or load")
	flags.StringVar(&c.with, "with", "", "`what` to help with")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if c.quick {
		c.rounds, c.slice = 2, 100*time.Microsecond
	}
	if help := helpers[c.helper]; help != nil {
		return help(c.with, c.slice, os.Stdin, stdout)
	}
	if c.suite != "" {
		return c.child(stdout, stderr)
	}
	return c.all(stdout, stderr)
}

func names() []string {
	var all []string
	for _, s := range suites {
		all = append(all, s.name)
	}
	return all
}

// find is a suite's place.
func find(name string) (int, error) {
	i := slices.Index(names(), name)
	if i < 0 {
		return 0, fmt.Errorf("there is no suite %q; there are %s", name, strings.Join(names(), ", "))
	}
	return i, nil
}

// child measures one suite.
func (c config) child(stdout, stderr io.Writer) error {
	i, err := find(c.suite)
	if err != nil {
		return err
	}
	b := &measure.Bench{Rounds: c.rounds, Slices: 3, Slice: c.slice, Quick: c.quick, Progress: stderr}
	if err := suites[i].run(b); err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(b.Results)
}

// all measures each suite in a process of its own, and tells the results.
func (c config) all(stdout, stderr io.Writer) error {
	chosen := names()
	if c.only != "" {
		chosen = strings.Split(c.only, ",")
	} else if c.out == "" && !c.quick {
		c.out = "."
	}
	for _, name := range chosen {
		if _, err := find(name); err != nil {
			return err
		}
	}
	m := machine()
	var results measure.Results
	var failed error // of some suites, which leaves the others
	for _, name := range chosen {
		of, err := c.measured(name, stderr)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", name, err))
		}
		results = append(results, of...)
	}
	m.end()
	plots := drawings(results)
	report := reportOf(m, results, plots)
	if _, err := io.WriteString(stdout, report); err != nil || c.out == "" || failed != nil {
		return errors.Join(failed, err)
	}
	if err := write(c.out, report, plots); err != nil || c.doc == "" {
		return err
	}
	return summarize(c.doc, summary(m, results))
}

// measured runs one suite.
func (c config) measured(name string, stderr io.Writer) (measure.Results, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{"-suite", name, "-rounds", fmt.Sprint(c.rounds), "-slice", c.slice.String()}
	if c.quick {
		args = append(args, "-quick")
	}
	cmd := exec.Command(self, args...)
	cmd.Stderr = stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var results measure.Results
	if err := json.Unmarshal(out, &results); err != nil {
		return nil, errors.Join(errors.New("the suite's results can't be read"), err)
	}
	return results, nil
}
