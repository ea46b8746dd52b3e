// Command fleet shows one limit that holds in many replicas: three replicas of a gated app, each a
// process of its own, behind a load balancer, with a Redis that they share and an emulated Stigg. On its
// page you send bursts, kill replicas and Redis, and cut a replica off from Redis.
//
//	go run -C examples/fleet .          serves the page until Ctrl-C
//	go run -C examples/fleet . -once    takes a tour in the terminal; it ends with 0 if the limit held
//
// It is a module of its own, for contrib/redisgate, and needs redis-server or valkey-server on the PATH.
// All that it starts listens on 127.0.0.1 and ends with it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := run
	if os.Getenv(replicaVariable) != "" { // this is the process of a replica
		run = serveReplica
	}
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

type settings struct {
	addr, router string
	once         bool
}

func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("fleet", flag.ContinueOnError)
	flags.SetOutput(stderr)
	names := strings.Join(slices.Sorted(maps.Keys(routers)), ", ")
	flags.StringVar(&s.addr, "addr", "127.0.0.1:8080", "where the page is")
	flags.StringVar(&s.router, "router", "nethttp", "the replicas' router: "+names)
	flags.BoolVar(&s.once, "once", false, "take the tour and exit; 0 if the limit held")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	switch {
	case flags.NArg() > 0:
		return s, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case routers[s.router] == nil:
		return s, fmt.Errorf("unknown router %q; there are %s", s.router, names)
	}
	return s, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	s, err := parse(args, stderr)
	if err != nil {
		return err
	}
	c, err := startCluster(ctx, s.router)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if s.once {
		return takeTour(ctx, c, stdout)
	}
	return servePage(ctx, c, s.addr, stdout)
}
