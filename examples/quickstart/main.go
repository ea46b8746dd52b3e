// Command quickstart serves a gated API in front of an emulated Stigg, so that you can
// see Gate work without an account.
//
//	go run ./examples/quickstart          serves until Ctrl-C and prints what to try
//	go run ./examples/quickstart -once    takes the tour by itself
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/emulator"
	"github.com/stiggate/gate/identity"
	"github.com/stiggate/gate/outbox"
)

func main() {
	err := run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

type settings struct {
	addr, router, stigg, key, outbox string
	once                             bool
}

func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.addr, "addr", "127.0.0.1:8080", "where the gated API listens")
	flags.StringVar(&s.router, "router", "nethttp", "the router: "+routerNames())
	flags.StringVar(&s.stigg, "stigg", "", "base `URL` of another Stigg in place of the embedded emulator")
	flags.StringVar(&s.key, "key", os.Getenv("STIGG_API_KEY"), "API `key` for -stigg (default $STIGG_API_KEY)")
	flags.StringVar(&s.outbox, "outbox", "", "`directory` that keeps usage until Stigg has it, also if the process is killed")
	flags.BoolVar(&s.once, "once", false, "take the tour and exit; 0 if every answer was as expected")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	addrGiven := false
	flags.Visit(func(f *flag.Flag) { addrGiven = addrGiven || f.Name == "addr" })
	switch {
	case flags.NArg() > 0:
		return s, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case routers()[s.router] == nil:
		return s, fmt.Errorf("unknown router %q; there are %s", s.router, routerNames())
	case s.stigg != "" && s.key == "":
		return s, errors.New("-stigg needs -key or $STIGG_API_KEY")
	case s.once && !addrGiven:
		s.addr = "127.0.0.1:0" // the tour needs no fixed port
	}
	return s, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	s, err := parse(args, stderr)
	if err != nil {
		return err
	}
	emulated := s.stigg == ""
	if emulated {
		stigg, err := emulator.Start("127.0.0.1:0")
		if err != nil {
			return err
		}
		defer func() { _ = stigg.Close() }()
		s.stigg, s.key = stigg.URL(), emulator.DefaultKey
	}
	source, err := client.New(s.key, client.WithEndpoint(s.stigg))
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(stderr, nil))
	options := []gate.Option{gate.WithLogger(logger), gate.WithUpgradeLink("https://app.example.com/upgrade?feature={feature}")}
	if s.once {
		options = append(options, gate.WithDecisionTimeout(10*time.Second)) // the tour is of answers, not of speed
	}
	if s.outbox != "" {
		box, err := outbox.Open(s.outbox, outbox.WithLogger(logger))
		if err != nil {
			return err
		}
		defer func() { _ = box.Close() }() // the gate closes it, if there is one
		options = append(options, gate.WithOutbox(box))
	}
	g, err := gate.New(source, identity.FromTrustedHeader("X-Customer-ID", "X-Resource-ID"), options...)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", s.addr)
	if err != nil {
		return errors.Join(err, g.Close(ctx))
	}
	url := "http://" + listener.Addr().String()
	server := &http.Server{Handler: recovered(routers()[s.router](g), logger), ReadHeaderTimeout: 10 * time.Second}
	if s.once {
		return takeTour(ctx, &tour{out: stdout, url: url, gate: g, stigg: source}, server, listener)
	}
	welcome(stdout, s, url, emulated)
	return gate.Serve(ctx, server, g, gate.ServeOn(listener)) // until Ctrl-C
}

// takeTour serves for as long as the tour takes, and compares the counts when all usage
// is delivered.
func takeTour(ctx context.Context, t *tour, server *http.Server, l net.Listener) error {
	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- gate.Serve(serving, server, t.gate, gate.ServeOn(l)) }()
	err := t.take(ctx)
	stop()
	err = errors.Join(err, <-served)
	return errors.Join(err, t.compare(ctx, err))
}

func welcome(w io.Writer, s settings, api string, emulated bool) {
	if emulated {
		fmt.Fprintf(w, "Stigg, emulated   %s   (API key %s)\n", s.stigg, s.key)
	} else {
		fmt.Fprintf(w, "Stigg             %s\n", s.stigg)
	}
	fmt.Fprintf(w, "Your gated API    %s   (router %s)\n", api, s.router)
	if s.outbox != "" {
		fmt.Fprintf(w, "Usage on disk     %s   (go run ./cmd/stigg outbox %s, once this has ended)\n", s.outbox, s.outbox)
	}
	fmt.Fprint(w, "\nTry:\n")
	for _, try := range []struct{ what, curl string }{
		{"4 campaigns are in the Basic plan; the 5th is refused", "-X POST -H 'X-Customer-ID: customer-basic' " + api + "/campaigns"},
		{"3 of 5 templates are used, so 3 more are refused and 2 are not", "-X POST -H 'X-Customer-ID: customer-demo-01' '" + api + "/templates?n=3'"},
		{"a template is given back", "-X DELETE -H 'X-Customer-ID: customer-demo-01' '" + api + "/templates?n=1'"},
		{"analytics are in Essentials, not in Basic", "-H 'X-Customer-ID: customer-basic' " + api + "/analytics"},
		{"a city outside of the plan", "-H 'X-Customer-ID: customer-pro' " + api + "/cities/TLV"},
		{"a handler that fails uses nothing", "-X POST -H 'X-Customer-ID: customer-pro' '" + api + "/campaigns?fail=500'"},
		{"open to everybody", api + "/health"},
	} {
		fmt.Fprintf(w, "  # %s\n  curl -i %s\n", try.what, try.curl)
	}
	if emulated {
		fmt.Fprintf(w, "\nWhat Stigg has recorded:\n  curl %s/_emulator/usage\n", s.stigg)
	}
	fmt.Fprint(w, "\nCustomers: customer-demo-01, customer-basic, customer-pro, customer-none, customer-archived.\nCtrl-C stops.\n")
}
