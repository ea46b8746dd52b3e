// Command saas is a small web product that lives on Stigg: sign-up, plans side by side, estimate
// before paying, checkout, add-ons, coupons, promotions and cancellation, and a page that says no
// when a plan is used up. Package client talks to Stigg, and a gate in front of the routes keeps
// the plan.
//
//	go run ./examples/saas                        in front of an emulated Stigg
//	go run ./examples/saas -stigg URL -key KEY    in front of another, with Revvenu's catalog
//
// Accounts are in memory and signed in by a cookie alone: a product has logins and a database.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
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
)

func main() {
	err := run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "saas:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends or the process is told to stop.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("saas", flag.ContinueOnError)
	flags.SetOutput(stderr)
	addr := flags.String("addr", "127.0.0.1:8080", "where it listens")
	public := flags.String("public", "", "`URL` that browsers know it by, if that is not its address")
	stigg := flags.String("stigg", "", "base `URL` of a Stigg in place of the embedded emulator")
	key := flags.String("key", os.Getenv("STIGG_API_KEY"), "API `key` for -stigg (default $STIGG_API_KEY)")
	password := flags.String("admin", os.Getenv("SAAS_ADMIN_PASSWORD"), "`password` of the admin page (default $SAAS_ADMIN_PASSWORD, else a new one)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *stigg != "" && *key == "" {
		return errors.New("-stigg needs -key or $STIGG_API_KEY")
	}
	console := ""
	if *stigg == "" {
		emulated, err := emulator.Start("127.0.0.1:0")
		if err != nil {
			return err
		}
		defer func() { _ = emulated.Close() }()
		*stigg, *key, console = emulated.URL(), emulator.DefaultKey, emulated.URL()
	}
	logger := slog.New(slog.NewTextHandler(stderr, nil))
	source, err := client.New(*key, client.WithEndpoint(*stigg), client.WithLogger(logger))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	a := &app{
		stigg: source, accounts: newAccounts(), news: newNews(), logger: logger,
		sessions: sessions{key: []byte(rand.Text() + rand.Text())},
		public:   cmp.Or(*public, "http://"+listener.Addr().String()), checkout: *stigg, adminPassword: cmp.Or(*password, rand.Text()),
	}
	handler, err := a.open()
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	server.RegisterOnShutdown(a.news.close) // streams would run on
	welcome(stdout, a, console, *password == "")
	return gate.Serve(ctx, server, a.gate, gate.ServeOn(listener)) // until Ctrl-C
}

func welcome(out io.Writer, a *app, console string, madeUp bool) {
	fmt.Fprintf(out, "The product is at %s\n", a.public)
	if console != "" {
		fmt.Fprintf(out, "The emulator's console is at %s\n", console)
	}
	if madeUp {
		fmt.Fprintf(out, "The admin page is at %s/admin, for admin with the password %s\n", a.public, a.adminPassword)
	}
	fmt.Fprintln(out, "Ctrl-C stops.")
}
