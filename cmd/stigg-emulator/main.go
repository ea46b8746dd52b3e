// Command stigg-emulator serves an emulated Stigg, for a program that is
// written in any language, or for a person with curl:
//
//	stigg-emulator [-addr 127.0.0.1:4100] [-catalog FILE] [-key KEY]
//
// It prints where it listens and how to ask it something, and serves until it
// gets SIGINT or SIGTERM. It exits with 1 if it can't serve and with 2 if the
// flags are wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/stiggate/gate/emulator"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run serves until ctx ends and gives the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	addr, key, opts, err := parse(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "stigg-emulator:", err)
		return 2
	}
	srv, err := emulator.Start(addr, opts...)
	if err != nil {
		fmt.Fprintln(stderr, "stigg-emulator:", strings.TrimPrefix(err.Error(), "emulator: "))
		return 1
	}
	greet(stdout, srv.URL(), key)
	<-ctx.Done()
	if err := srv.Close(); err != nil {
		fmt.Fprintln(stderr, "stigg-emulator:", err)
		return 1
	}
	return 0
}

// parse reads the flags; the text of -help goes to help.
func parse(args []string, help io.Writer) (addr, key string, opts []emulator.Option, err error) {
	flags := flag.NewFlagSet("stigg-emulator", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&addr, "addr", "127.0.0.1:4100", "address to listen at; port 0 takes a free one")
	catalog := flags.String("catalog", "", "file with a catalog instead of the built-in Revvenu")
	flags.StringVar(&key, "key", emulator.DefaultKey, "API key that callers must send")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(help, "Usage of stigg-emulator:")
			flags.SetOutput(help)
			flags.PrintDefaults()
		}
		return "", "", nil, err
	}
	if flags.NArg() > 0 {
		return "", "", nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	opts = append(opts, emulator.WithKey(key))
	if *catalog != "" {
		opts = append(opts, emulator.WithCatalogFile(*catalog))
	}
	return addr, key, opts, nil
}

// greet says where things are. A key that was set is not printed: whoever set
// it knows it.
func greet(w io.Writer, url, key string) {
	if key != emulator.DefaultKey {
		key = "YOUR-KEY"
	}
	fmt.Fprintf(w, `Stigg emulator
  GraphQL   %[1]s/graphql
  edge      %[1]s/v1/c/{customerId}/entitlements-state.json
  operator  %[1]s/_emulator/usage  (also requests, events, clock, health)

Try:
  curl -s %[1]s/v1/c/customer-demo-01/entitlements-state.json -H 'X-API-KEY: %[2]s'

Stop with Ctrl-C.
`, url, key)
}
