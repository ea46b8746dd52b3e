package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/stiggate/gate/emulator"
)

func emulate() command {
	return command{
		name:  "emulate",
		brief: "serve an emulated Stigg until SIGINT or SIGTERM",
		examples: []string{
			"stigg emulate",
			"stigg emulate -addr 127.0.0.1:0 -catalog catalog.json -state stigg.json -v",
			"STIGG_URL=http://127.0.0.1:4100 STIGG_API_KEY=" + emulator.DefaultKey + " go run .",
		},
		setup: func(flags *flag.FlagSet) work {
			e := &emulation{}
			e.define(flags)
			return e.serve
		},
	}
}

// emulation is what the flags of stigg emulate say.
type emulation struct {
	addr, key, catalog, state    string
	hook, secret, hosts, without string
	delay                        time.Duration
	credits, remote, limits      bool
	verbose, json, version       bool
}

func (e *emulation) define(flags *flag.FlagSet) {
	flags.StringVar(&e.addr, "addr", "127.0.0.1:4100", "address to listen at; port 0 takes a free one")
	flags.StringVar(&e.key, "key", emulator.DefaultKey, "API key that callers must send; it is no secret of Stigg's")
	named(flags, &e.catalog, "catalog", "file with a catalog instead of the built-in Revvenu")
	flags.BoolVar(&e.credits, "credits", false, "serve the built-in catalog that sells credits instead of Revvenu")
	named(flags, &e.state, "state", "file that keeps customers, subscriptions and usage across restarts")
	flags.DurationVar(&e.delay, "counting-delay", 0, "how long raw events and asynchronous consumptions take to count; Stigg needs some 10s")
	named(flags, &e.hook, "webhook", "URL that webhooks are delivered to")
	flags.StringVar(&e.secret, "webhook-secret", "", "secret that webhooks are delivered with")
	flags.BoolVar(&e.remote, "remote-webhooks", false, "let POST /_emulator/webhooks name other machines")
	flags.StringVar(&e.hosts, "hosts", "", "host names beside localhost that the operator's window is served for, for example stigg,stigg.internal")
	flags.BoolVar(&e.limits, "stigg-limits", false, "limit the rate of requests as Stigg does")
	flags.StringVar(&e.without, "without-events", "", "fields of Subscription that an older server doesn't know, for example entitlementsUpdatedV2,usageUpdatedV2")
	flags.BoolVar(&e.verbose, "v", false, "log each request to the standard error")
	flags.BoolVar(&e.json, "json", false, "say in one line of JSON where it listens")
	flags.BoolVar(&e.version, "version", false, "print the version and end")
}

// serve serves until ctx ends.
func (e *emulation) serve(ctx context.Context, t terminal, args []string) error {
	if e.version {
		_, err := fmt.Fprintln(t.out, version())
		return err
	}
	if err := e.check(args); err != nil {
		return err
	}
	srv, err := emulator.Start(e.addr, e.options(t.err)...)
	if err != nil {
		return failure{exitNo, strings.TrimPrefix(err.Error(), "emulator: ")}
	}
	t.out.greets = true // it serves on, whoever reads that
	if err := e.greet(t.out, srv); err != nil {
		return cmp.Or(srv.Close(), err)
	}
	<-ctx.Done()
	return srv.Close()
}

func (e *emulation) check(args []string) error {
	switch {
	case len(args) > 0:
		return misuse("unexpected argument %q", args[0])
	case e.secret != "" && e.hook == "":
		return misuse("-webhook-secret needs a -webhook")
	case e.catalog != "" && e.credits:
		return misuse("-catalog and -credits exclude each other")
	}
	return nil
}

func (e *emulation) options(log io.Writer) []emulator.Option {
	opts := []emulator.Option{emulator.WithKey(e.key), emulator.WithCountingDelay(e.delay)}
	add := func(asked bool, option emulator.Option) {
		if asked {
			opts = append(opts, option)
		}
	}
	add(e.catalog != "", emulator.WithCatalogFile(e.catalog))
	add(e.credits, emulator.WithCreditsDemo())
	add(e.state != "", emulator.WithState(e.state))
	add(e.hook != "", emulator.WithWebhook(e.hook, e.secret))
	add(e.remote, emulator.WithRemoteWebhooks())
	add(e.hosts != "", emulator.WithHosts(strings.Split(e.hosts, ",")...))
	add(e.limits, emulator.WithStiggLimits())
	add(e.without != "", emulator.WithoutEvents(strings.Split(e.without, ",")...))
	add(e.verbose, emulator.WithRequestLog(log))
	return opts
}

// greet says where it listens.
func (e *emulation) greet(w io.Writer, srv *emulator.Server) error {
	if e.json {
		return json.NewEncoder(w).Encode(map[string]string{"url": srv.URL(), "graphql": srv.URL() + "/graphql"})
	}
	demo := "customer-demo-01"
	if e.credits {
		demo = "customer-tokens"
	}
	if ids := srv.Customers(); !slices.Contains(ids, demo) {
		demo = "CUSTOMER-ID"
		if len(ids) > 0 {
			demo = ids[0]
		}
	}
	greet(w, srv.URL(), e.key, demo)
	return nil
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
