// Command stigg-emulator serves an emulated Stigg, for a program that is
// written in any language, or for a person with curl:
//
//	stigg-emulator [-addr 127.0.0.1:4100] [-catalog FILE | -credits] [-state FILE] [-v] [-key KEY] [-counting-delay 10s]
//		[-webhook URL] [-webhook-secret SECRET] [-remote-webhooks]
//		[-hosts NAME,...] [-stigg-limits] [-without-events FIELD,...]
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
	"slices"
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
	addr, key, demo, opts, err := parse(args, stdout, stderr)
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
	if ids := srv.Customers(); !slices.Contains(ids, demo) {
		demo = "CUSTOMER-ID"
		if len(ids) > 0 {
			demo = ids[0]
		}
	}
	greet(stdout, srv.URL(), key, demo)
	<-ctx.Done()
	if err := srv.Close(); err != nil {
		fmt.Fprintln(stderr, "stigg-emulator:", err)
		return 1
	}
	return 0
}

// parse reads the flags; the text of -help goes to help. demo is a customer that the
// built-in catalogs have.
func parse(args []string, help, stderr io.Writer) (addr, key, demo string, opts []emulator.Option, err error) {
	demo = "customer-demo-01"
	flags := flag.NewFlagSet("stigg-emulator", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&addr, "addr", "127.0.0.1:4100", "address to listen at; port 0 takes a free one")
	catalog := flags.String("catalog", "", "file with a catalog instead of the built-in Revvenu")
	credits := flags.Bool("credits", false, "serve the built-in catalog that sells credits instead of Revvenu")
	delay := flags.Duration("counting-delay", 0, "how long raw events and asynchronous consumptions take to count; Stigg needs some 10s")
	hook := flags.String("webhook", "", "URL that webhooks are delivered to")
	secret := flags.String("webhook-secret", "", "secret that webhooks are delivered with")
	remote := flags.Bool("remote-webhooks", false, "let POST /_emulator/webhooks name other machines")
	hosts := flags.String("hosts", "", "host names beside localhost that the operator's window is served for, for example stigg,stigg.internal")
	state := flags.String("state", "", "file that keeps customers, subscriptions and usage across restarts")
	verbose := flags.Bool("v", false, "log each request to the standard error")
	limits := flags.Bool("stigg-limits", false, "limit the rate of requests as Stigg does")
	without := flags.String("without-events", "", "fields of Subscription that an older server doesn't know, for example entitlementsUpdatedV2,usageUpdatedV2")
	flags.StringVar(&key, "key", emulator.DefaultKey, "API key that callers must send")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(help, "Usage of stigg-emulator:")
			flags.SetOutput(help)
			flags.PrintDefaults()
		}
		return "", "", "", nil, err
	}
	if flags.NArg() > 0 {
		return "", "", "", nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	opts = append(opts, emulator.WithKey(key), emulator.WithCountingDelay(*delay))
	if *hook != "" || *secret != "" {
		opts = append(opts, emulator.WithWebhook(*hook, *secret))
	}
	if *remote {
		opts = append(opts, emulator.WithRemoteWebhooks())
	}
	if *hosts != "" {
		opts = append(opts, emulator.WithHosts(strings.Split(*hosts, ",")...))
	}
	if *verbose {
		opts = append(opts, emulator.WithRequestLog(stderr))
	}
	if *state != "" {
		opts = append(opts, emulator.WithState(*state))
	}
	if *limits {
		opts = append(opts, emulator.WithStiggLimits())
	}
	if *without != "" {
		opts = append(opts, emulator.WithoutEvents(strings.Split(*without, ",")...))
	}
	switch {
	case *secret != "" && *hook == "":
		return "", "", "", nil, errors.New("-webhook-secret needs a -webhook")
	case *catalog != "" && *credits:
		return "", "", "", nil, errors.New("-catalog and -credits exclude each other")
	case *catalog != "":
		opts = append(opts, emulator.WithCatalogFile(*catalog))
	case *credits:
		opts = append(opts, emulator.WithCreditsDemo())
		demo = "customer-tokens"
	}
	return addr, key, demo, opts, nil
}

// greet says where things are. A key that was set is not printed: whoever set
// it knows it.
func greet(w io.Writer, url, key, demo string) {
	if key != emulator.DefaultKey {
		key = "YOUR-KEY"
	}
	fmt.Fprintf(w, `Stigg emulator
  GraphQL   %[1]s/graphql  (a websocket of graphql-transport-ws for real time)
  edge      %[1]s/v1/c/{customerId}/entitlements-state.json
  SDKs      baseUri and baseEdgeUri %[1]s
  console   %[1]s/
  operator  %[1]s/_emulator/usage  (also customers, catalog, events, credits, requests, faults,
            sockets, packages, limits, webhooks, checkouts, clock, health)

Try:
  curl -s %[1]s/v1/c/%[3]s/entitlements-state.json -H 'X-API-KEY: %[2]s'
  curl -s %[1]s/_emulator/faults -d '{"operation":"reportUsageBulk","status":503,"count":3}'

Stop with Ctrl-C.
`, url, key, demo)
}
