package gate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
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
// The error is nil if all requests were answered and all usage was delivered. Otherwise it
// says what was not: an *UndeliveredError counts the usage. The gate is closed when Serve
// returns, whatever happened.
//
// A server whose TLSConfig has certificates speaks TLS. Serve does not wait for connections
// that were hijacked, such as WebSockets: see http.Server.RegisterOnShutdown.
func Serve(ctx context.Context, server *http.Server, g *Gate, options ...ServeOption) error {
	if g == nil {
		return errors.New("gate: serve: the gate is nil")
	}
	s := serving{server: server, gate: g, shutdown: 15 * time.Second, deliver: 10 * time.Second}
	var problems []error
	if server == nil {
		problems = append(problems, errors.New("the server is nil"))
	}
	for _, option := range options {
		problems = append(problems, option(&s))
	}
	err := errors.Join(problems...)
	switch {
	case err == nil:
		err = s.run(ctx)
	case s.listener != nil:
		err = errors.Join(err, s.listener.Close(), s.close(context.WithoutCancel(ctx)))
	default:
		err = errors.Join(err, s.close(context.WithoutCancel(ctx)))
	}
	if err != nil {
		return fmt.Errorf("gate: serve: %w", err)
	}
	return nil
}

// ServeOption changes what Serve does.
type ServeOption func(*serving) error

// ShutdownWithin is how long requests may run on once Serve is told to stop; those that
// take longer are cut off. Default: 15 s.
func ShutdownWithin(d time.Duration) ServeOption {
	return func(s *serving) error {
		s.shutdown = d
		return positiveTime("time for running requests", d)
	}
}

// DeliverWithin is how long usage may take to be delivered once requests have ended.
// Default: 10 s.
func DeliverWithin(d time.Duration) ServeOption {
	return func(s *serving) error {
		s.deliver = d
		return positiveTime("time for the delivery", d)
	}
}

// ServeOn serves on l in place of the server's Addr: a socket that a supervisor has
// opened, or one whose port the system chose. Serve closes it.
func ServeOn(l net.Listener) ServeOption {
	return func(s *serving) error {
		if l == nil {
			return errors.New("the listener is nil")
		}
		s.listener = l
		return nil
	}
}

func positiveTime(what string, d time.Duration) error {
	if d <= 0 {
		return fmt.Errorf("the %s must be positive, not %v", what, d)
	}
	return nil
}

// serving is one call of Serve.
type serving struct {
	server            *http.Server
	listener          net.Listener // nil: the server's Addr
	gate              *Gate
	shutdown, deliver time.Duration
}

// run serves, and ends in order.
func (s *serving) run(ctx context.Context) error {
	stop, stopNow := context.WithCancel(ctx)
	finish, cutOff := context.WithCancel(context.WithoutCancel(ctx))
	deliver, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	defer cutOff()
	defer stopNow()
	signals, ended := make(chan os.Signal, 1), make(chan struct{})
	defer close(ended)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	log := s.gate.logger
	go func() {
		defer signal.Stop(signals) // one more ends the process
		escalate(signals, ended,
			stopNow,
			func() { log.Warn("gate: another signal: the requests that still run are cut off"); cutOff() },
			func() { log.Warn("gate: another signal: the delivery of usage ends now"); giveUp() })
	}()

	served := make(chan error, 1)
	go func() { served <- s.serve() }()
	var failed error
	select {
	case failed = <-served:
		served <- nil
	case <-stop.Done():
		log.Info("gate: stopping: running requests finish, then their usage is delivered")
	}
	err := s.finish(finish)
	if later := <-served; failed == nil {
		failed = later
	}
	if errors.Is(failed, http.ErrServerClosed) {
		failed = nil
	}
	return errors.Join(failed, err, s.close(deliver))
}

// serve returns http.ErrServerClosed when the server is shut down.
func (s *serving) serve() error {
	c := s.server.TLSConfig
	tls := c != nil && (len(c.Certificates) > 0 || c.GetCertificate != nil || c.GetConfigForClient != nil)
	switch {
	case tls && s.listener != nil:
		return s.server.ServeTLS(s.listener, "", "")
	case tls:
		return s.server.ListenAndServeTLS("", "")
	case s.listener != nil:
		return s.server.Serve(s.listener)
	default:
		return s.server.ListenAndServe()
	}
}

// finish lets running requests end by themselves, for a time.
func (s *serving) finish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.shutdown)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("requests were cut off: %w", err), s.server.Close())
	}
	return nil
}

// close delivers what waits, for a time, and closes the gate.
func (s *serving) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.deliver)
	defer cancel()
	return s.gate.Close(ctx)
}

// echo is how soon after a signal another one is still the same.
const echo = time.Second / 2

// escalate takes one step for each signal, until the process has ended its work.
func escalate(signals <-chan os.Signal, ended <-chan struct{}, steps ...func()) {
	for _, step := range steps {
		select {
		case <-signals:
			step()
		case <-ended:
			return
		}
		over := time.After(echo)
		for echoes := true; echoes; {
			select {
			case <-signals:
			case <-over:
				echoes = false
			case <-ended:
				return
			}
		}
	}
}
