package gate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/stiggate/gate/internal/graceful"
	"github.com/stiggate/gate/internal/option"
)

// Serve serves HTTP until the process is told to stop, and then stops without losing what
// was used:
//
//	err := gate.Serve(ctx, &http.Server{Addr: addr, Handler: mux}, g)
//
// It stops when ctx ends, at SIGINT or SIGTERM, or when the server fails, for example
// because its port is taken. Then it takes no new requests, lets running ones finish
// (15 s, ShutdownWithin), and closes g, which delivers the usage that waits (10 s,
// DeliverWithin). Each has its own time, so that a slow request costs no usage. Both
// together are less than the 30 s that Kubernetes allows.
//
// A second signal cuts the running requests off, a third ends the delivery, too, and the
// next one the process. Signals within half a second count as one: some supervisors send
// one to the whole process group and pass it on besides.
//
// The error is nil if all requests were answered and all usage was delivered, or is kept by the
// outbox for the next start. Otherwise it says what was not: an *UndeliveredError counts what is lost. The gate is closed when Serve
// returns, whatever happened.
//
// A server whose TLSConfig has certificates speaks TLS. Serve does not wait for connections
// that were hijacked, such as WebSockets: see http.Server.RegisterOnShutdown.
func Serve(ctx context.Context, server *http.Server, g *Gate, options ...ServeOption) error {
	if g == nil {
		return errors.New("gate: serve: the gate is nil")
	}
	s := serving{graceful.Server{HTTP: server, Requests: 15 * time.Second, Close: g.Close, Delivery: 10 * time.Second, Logger: g.logger}}
	problems := option.Apply(&s, options)
	if server == nil {
		problems = append(problems, errors.New("the server is nil"))
	}
	err := errors.Join(problems...)
	if err == nil {
		err = s.Run(ctx)
	} else {
		err = errors.Join(err, s.Refuse(ctx))
	}
	if err != nil {
		return fmt.Errorf("gate: serve: %w", err)
	}
	return nil
}

// serving is one call of Serve.
type serving struct{ graceful.Server }

// ServeOption changes what Serve does.
type ServeOption func(*serving) error

// ShutdownWithin is how long requests may run on once Serve is told to stop; those that
// take longer are cut off. Default: 15 s.
func ShutdownWithin(d time.Duration) ServeOption {
	return option.Positive("time for running requests", d, func(s *serving) { s.Requests = d })
}

// DeliverWithin is how long usage may take to be delivered once requests have ended.
// Default: 10 s.
func DeliverWithin(d time.Duration) ServeOption {
	return option.Positive("time for the delivery", d, func(s *serving) { s.Delivery = d })
}

// ServeOn serves on l in place of the server's Addr: a socket that a supervisor has
// opened, or one whose port the system chose. Serve closes it.
func ServeOn(l net.Listener) ServeOption {
	return option.Given("listener", !option.Nil(l), func(s *serving) { s.Listener = l })
}
