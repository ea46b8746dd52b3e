package main

import (
	"cmp"
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

func outboxCommand() command {
	return command{
		name:  "outbox",
		brief: "show what an outbox holds, and put right what was set aside; its process must have ended",
		args:  "DIR",
		examples: []string{
			"stigg outbox /var/lib/app/outbox",
			"stigg outbox -json -customers /var/lib/app/outbox",
			"stigg outbox -retry all /var/lib/app/outbox",
			"stigg outbox -backup copy.db /var/lib/app/outbox",
		},
		setup: func(flags *flag.FlagSet) work {
			b := &box{}
			b.define(flags)
			return b.work
		},
	}
}

// box is what the flags of stigg outbox say.
type box struct {
	dir             string
	json, customers bool
	retry, drop     string
	backup          string
}

func (b *box) define(flags *flag.FlagSet) {
	flags.BoolVar(&b.json, "json", false, "print JSON")
	flags.BoolVar(&b.customers, "customers", false, "show the ids of customers, which are not shown without it")
	named(flags, &b.retry, "retry", "make the usage with this `ID` or key, or all, pending again that was set aside")
	named(flags, &b.drop, "drop", "delete the usage with this `ID` or key, or all (with -backup), that was set aside")
	named(flags, &b.backup, "backup", "write a copy to this new `FILE`, before anything is dropped; a process that has the outbox open does so by Outbox.Backup")
}

func (b *box) work(ctx context.Context, t terminal, args []string) error {
	switch {
	case len(args) > 1 && strings.HasPrefix(args[1], "-"):
		return misuse("flags stand before the directory")
	case len(args) != 1, args[0] == "":
		return misuse("name one directory")
	case b.retry != "" && b.drop != "" || b.backup != "" && b.retry != "":
		return misuse("-retry, -drop or -backup, not both")
	case b.drop == all && b.backup == "":
		return misuse("-drop all deletes usage for good: keep a copy of it by -backup FILE, too")
	}
	b.dir = args[0]
	if b.backup != "" {
		if err := b.copy(ctx, t.out); err != nil || b.drop == "" {
			return err
		}
	}
	if b.retry != "" || b.drop != "" {
		return b.mend(t.out)
	}
	return b.show(t.out)
}

// all names all that was set aside.
const all = "all"

func (b *box) show(w io.Writer) error {
	report, err := outbox.Inspect(b.dir)
	if damaged := new(outbox.FileError); err != nil && !errors.As(err, &damaged) {
		return err
	}
	report.Dir = cmp.Or(report.Dir, b.dir)
	if !b.customers {
		for i := range report.SetAside {
			hide(&report.SetAside[i])
		}
	}
	if b.json {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		report.ByName = append([]outbox.Count{}, report.ByName...) // [] and not null
		report.SetAside = append([]outbox.Refused{}, report.SetAside...)
		report.Replicas = append([]string{}, report.Replicas...)
		report.Unreadable = append([]string{}, report.Unreadable...)
		return errors.Join(err, encoder.Encode(report))
	}
	return errors.Join(err, b.table(w, report))
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

func (b *box) mend(w io.Writer) error {
	do, said, key := outbox.Retry, "pending again", b.retry
	if b.drop != "" {
		do, said, key = outbox.Drop, "deleted", b.drop
	}
	keys := []string{key}
	if key == all {
		keys = nil
	}
	n, err := do(b.dir, keys...)
	if damaged := new(outbox.PageError); err != nil && !errors.As(err, &damaged) {
		return err
	}
	if n == 0 && key != all {
		return errors.Join(err, fmt.Errorf("nothing that was set aside has the ID or key %q", key))
	}
	if b.json {
		return errors.Join(err, json.NewEncoder(w).Encode(map[string]int{"measurements": n}))
	}
	some := "measurements are"
	if n == 1 {
		some = "measurement is"
	}
	_, errPrint := fmt.Fprintf(w, "%d %s %s\n", n, some, said)
	return errors.Join(err, errPrint)
}

// copy writes a backup, to a file that there was not, and makes it durable.
func (b *box) copy(ctx context.Context, w io.Writer) error {
	f, err := os.OpenFile(b.backup, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err = outbox.Backup(ctx, b.dir, f); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(b.backup))
	}
	if b.json {
		return json.NewEncoder(w).Encode(map[string]string{"backup": b.backup})
	}
	_, err = fmt.Fprintf(w, "%s holds a copy of %s\n", b.backup, b.dir)
	return err
}

func (b *box) table(w io.Writer, r outbox.Report) error {
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
		if b.customers {
			fmt.Fprintf(t, "\tcustomer %q resource %q", s.Customer.ID, s.Customer.Resource)
		}
		fmt.Fprintln(t)
	}
	for _, text := range r.Unreadable {
		fmt.Fprintln(t, "unreadable:", text)
	}
	return t.Flush()
}
