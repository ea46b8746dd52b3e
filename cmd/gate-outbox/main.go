// Command gate-outbox shows what an outbox holds, and puts right what was set aside:
//
//	gate-outbox [-json] [-customers] DIR
//	gate-outbox -retry ID|KEY|all DIR
//	gate-outbox -drop ID|KEY|all DIR
//	gate-outbox -backup FILE DIR
//
// The process that uses the outbox must have ended. Customers' ids are shown with
// -customers only. It exits with 1 if the outbox can't be read or is damaged, and with
// 2 if the flags are wrong.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/outbox"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

type command struct {
	dir             string
	json, customers bool
	retry, drop     string
	backup          string
}

// run does what the flags say and gives the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	c, err := parse(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "gate-outbox:", err)
		return 2
	}
	if err := c.do(stdout); err != nil {
		fmt.Fprintln(stderr, "gate-outbox:", err)
		return 1
	}
	return 0
}

// parse reads the flags; the text of -help goes to help.
func parse(args []string, help io.Writer) (command, error) {
	var c command
	flags := flag.NewFlagSet("gate-outbox", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.BoolVar(&c.json, "json", false, "print JSON")
	flags.BoolVar(&c.customers, "customers", false, "show the ids of customers")
	flags.StringVar(&c.retry, "retry", "", "make the usage with this `ID` or key, or all, pending again that was set aside")
	flags.StringVar(&c.drop, "drop", "", "delete the usage with this `ID` or key, or all, that was set aside")
	flags.StringVar(&c.backup, "backup", "", "write a copy to this new `FILE`; a process that has the outbox open does so by Outbox.Backup")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(help, "usage: gate-outbox [flags] DIR")
			flags.SetOutput(help)
			flags.PrintDefaults()
		}
		return c, err
	}
	if flags.NArg() != 1 {
		return c, errors.New("name one directory")
	}
	if c.retry != "" && c.drop != "" || c.backup != "" && c.retry+c.drop != "" {
		return c, errors.New("-retry, -drop or -backup, not both")
	}
	c.dir = flags.Arg(0)
	return c, nil
}

func (c command) do(w io.Writer) error {
	if c.retry != "" || c.drop != "" {
		return c.mend(w)
	}
	if c.backup != "" {
		return c.copy(w)
	}
	report, err := outbox.Inspect(c.dir)
	if damaged := new(outbox.FileError); err != nil && !errors.As(err, &damaged) {
		return err
	}
	if !c.customers {
		for i := range report.SetAside {
			hide(&report.SetAside[i])
		}
	}
	if c.json {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return errors.Join(err, encoder.Encode(report))
	}
	return errors.Join(err, c.table(w, report))
}

// hide takes out who it is, of the reason too, which may quote Stigg.
func hide(r *outbox.Refused) {
	for _, id := range []string{r.Customer.ID, r.Customer.Resource} {
		if id != "" {
			r.Reason = strings.ReplaceAll(r.Reason, id, "...")
		}
	}
	r.Customer = gate.Customer{}
}

func (c command) mend(w io.Writer) error {
	do, said, key := outbox.Retry, "are pending again", c.retry
	if c.drop != "" {
		do, said, key = outbox.Drop, "were deleted", c.drop
	}
	keys := []string{key}
	if key == "all" {
		keys = nil
	}
	n, err := do(c.dir, keys...)
	if damaged := new(outbox.PageError); err != nil && !errors.As(err, &damaged) {
		return err
	}
	_, errPrint := fmt.Fprintf(w, "%d measurements %s\n", n, said)
	return errors.Join(err, errPrint)
}

// copy writes a backup, to a file that there was not, and makes it durable.
func (c command) copy(w io.Writer) error {
	f, err := os.OpenFile(c.backup, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err = outbox.Backup(context.Background(), c.dir, f); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(c.backup))
	}
	_, err = fmt.Fprintf(w, "%s holds a copy of %s\n", c.backup, c.dir)
	return err
}

func (c command) table(w io.Writer, r outbox.Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s: %d pending in %d bytes", r.Dir, r.Pending, r.PendingBytes)
	if r.Pending > 0 {
		fmt.Fprintf(t, ", the oldest of %s", r.Oldest.Format(time.RFC3339))
	}
	fmt.Fprintf(t, "; %d set aside; the file has %d bytes\n", len(r.SetAside), r.FileBytes)
	if len(r.ByName) > 0 {
		fmt.Fprintln(t, "\nPENDING\tNAME\tCOUNT\tBYTES")
	}
	for _, n := range r.ByName {
		fmt.Fprintf(t, "%s\t%q\t%d\t%d\n", n.Kind, n.Name, n.Count, n.Bytes)
	}
	if len(r.SetAside) > 0 {
		fmt.Fprintln(t, "\nSET ASIDE\tID\tKIND\tNAME\tVALUE\tCREATED\tKEY\tREASON")
	}
	for _, s := range r.SetAside {
		fmt.Fprintf(t, "%s\t%s\t%s\t%q\t%v\t%s\t%q\t%q", s.At.Format(time.RFC3339), s.ID, s.Kind, s.Name, s.Value, s.CreatedAt.Format(time.RFC3339), s.Key, s.Reason)
		if c.customers {
			fmt.Fprintf(t, "\tcustomer %q resource %q", s.Customer.ID, s.Customer.Resource)
		}
		fmt.Fprintln(t)
	}
	for _, text := range r.Unreadable {
		fmt.Fprintln(t, "unreadable:", text)
	}
	return t.Flush()
}
