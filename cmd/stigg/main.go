// Command stigg is what a developer and an operator of Gate have at hand:
//
//	stigg check      decide as a gate would, and say why
//	stigg doctor     see whether Stigg can be asked, and whether policies fit its catalog
//	stigg features   write an environment's features, plans and add-ons as Go constants
//	stigg emulate    serve an emulated Stigg
//	stigg outbox     show what an outbox holds, and put right what was set aside
//
// stigg help COMMAND shows the flags of a command and examples; docs/stigg.md tells all.
//
// It exits with 0 if all is well or the answer is yes, with 1 if the answer is no or a problem
// was found, with 2 if it was called wrongly, and with 3 if Stigg could not be asked.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/stiggate/gate/client"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends what doesn't heed the first
	out := &printer{w: os.Stdout}
	code := run(ctx, terminal{out, &printer{w: os.Stderr}, os.Getenv}, os.Args[1:])
	stop()
	if out.err != nil && code == exitOK && !out.greets {
		fmt.Fprintln(os.Stderr, "stigg: the output can't be written:", out.err)
		code = exitNo
	}
	os.Exit(code)
}

// The exit codes.
const (
	exitOK = iota
	exitNo
	exitUsage
	exitUnreachable
)

// terminal is where a command writes and what it is told by the environment.
type terminal struct {
	out, err *printer
	getenv   func(string) string
}

// named defines a flag that names something. An empty one, such as of a variable that a script has
// not set, is wrong: the command would do something else.
func named(flags *flag.FlagSet, to *string, name, usage string) {
	flags.Func(name, usage, func(s string) error {
		if *to = s; s == "" {
			return errors.New("it is empty")
		}
		return nil
	})
}

// command is one of stigg's.
type command struct {
	name, brief string
	// args are what follows the flags, examples whole lines.
	args     string
	examples []string
	// setup defines the flags, and returns what does the work when they are parsed.
	setup func(*flag.FlagSet) work
}

// work does what a command is for. Its error decides the exit code: see failure.
type work func(ctx context.Context, t terminal, args []string) error

func commands() []command {
	return []command{check(), doctor(), features(), emulate(), outboxCommand()}
}

// failure is an error with an exit code; any other error is a problem that was found. An empty
// text says nothing more: the command has said it.
type failure struct {
	code int
	text string
}

func (f failure) Error() string { return f.text }

// misuse says that a command was called wrongly.
func misuse(format string, args ...any) error {
	return failure{exitUsage, fmt.Sprintf(format, args...)}
}

// run does what the arguments say and gives the exit code.
func run(ctx context.Context, t terminal, args []string) int {
	if len(args) == 0 {
		overview(t.out)
		return exitOK
	}
	switch name := strings.TrimLeft(args[0], "-"); name {
	case "version":
		fmt.Fprintln(t.out, version())
		return exitOK
	case "help", "h":
		if len(args) == 1 {
			overview(t.out)
			return exitOK
		}
		args = []string{args[1], "-help"}
	}
	all := commands()
	at := slices.IndexFunc(all, func(c command) bool { return c.name == args[0] })
	if at < 0 {
		fmt.Fprintf(t.err, "stigg: there is no command %q; stigg help lists them\n", args[0])
		return exitUsage
	}
	return all[at].run(ctx, t, args[1:])
}

func (c command) run(ctx context.Context, t terminal, args []string) int {
	flags := flag.NewFlagSet(c.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	do := c.setup(flags)
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		c.help(t.out, flags)
		return exitOK
	case err != nil:
		err = misuse("%v; stigg help %s shows the flags", err, c.name)
	default:
		err = do(ctx, t, flags.Args())
	}
	if err == nil {
		return exitOK
	}
	code := exitNo
	if f := (failure{}); errors.As(err, &f) {
		code = f.code
	}
	if err.Error() != "" {
		fmt.Fprintf(t.err, "stigg %s: %v\n", c.name, err)
	}
	return code
}

func (c command) help(w io.Writer, flags *flag.FlagSet) {
	fmt.Fprintf(w, "stigg %s: %s\n\nusage: stigg %s [flags]%s\n\n", c.name, c.brief, c.name, strings.TrimRight(" "+c.args, " "))
	flags.SetOutput(w)
	flags.PrintDefaults()
	fmt.Fprintln(w, "\nexamples:")
	for _, example := range c.examples {
		fmt.Fprintln(w, "  "+example)
	}
}

// overview lists the commands.
func overview(w io.Writer) {
	fmt.Fprint(w, "stigg is Gate's command for Stigg.\n\nusage: stigg COMMAND [flags]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-9s %s\n", c.name, c.brief)
	}
	fmt.Fprint(w, `  version   print the version
  help      stigg help COMMAND shows its flags and examples

Commands that ask Stigg take the server API key from STIGG_API_KEY, and another endpoint than
`+client.DefaultEndpoint+` from STIGG_URL. The key goes by https, or by http to this machine, or to
the hosts that STIGG_PLAINTEXT_TO names: an emulator in another container.

exit codes: 0 all is well, or yes; 1 no, or a problem; 2 wrong use; 3 Stigg can't be asked
`)
}

// version names what this was built of.
func version() string {
	revision := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = " (" + s.Value[:min(12, len(s.Value))] + ")"
			}
		}
	}
	return "stigg " + client.Version + revision + " " + runtime.Version()
}
