// Package graceful serves HTTP until the process is told to stop, and then ends in order: the
// running requests first, then the delivery of what they used. Each has a time of its own, so
// that a slow request costs no usage.
package graceful

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Server is a server with what is delivered at its end.
type Server struct {
	HTTP     *http.Server
	Listener net.Listener // nil: HTTP's Addr
	// Requests is how long running requests may take to end.
	Requests time.Duration
	// Close delivers what was used, and has Delivery for it.
	Close    func(context.Context) error
	Delivery time.Duration
	Logger   *slog.Logger
}

// Refuse ends what was never served.
func (s *Server) Refuse(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	if s.Listener != nil {
		return errors.Join(s.Listener.Close(), s.close(ctx))
	}
	return s.close(ctx)
}

// Run serves until ctx ends, a signal arrives, or the server fails. Then it ends in order.
func (s *Server) Run(ctx context.Context) error {
	stop, stopNow := context.WithCancel(ctx)
	finish, cutOff := context.WithCancel(context.WithoutCancel(ctx))
	deliver, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	defer cutOff()
	defer stopNow()
	signals, ended := make(chan os.Signal, 1), make(chan struct{})
	defer close(ended)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	log := s.Logger
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
func (s *Server) serve() error {
	c := s.HTTP.TLSConfig
	tls := c != nil && (len(c.Certificates) > 0 || c.GetCertificate != nil || c.GetConfigForClient != nil)
	switch {
	case tls && s.Listener != nil:
		return s.HTTP.ServeTLS(s.Listener, "", "")
	case tls:
		return s.HTTP.ListenAndServeTLS("", "")
	case s.Listener != nil:
		return s.HTTP.Serve(s.Listener)
	default:
		return s.HTTP.ListenAndServe()
	}
}

// finish lets running requests end by themselves, for a time.
func (s *Server) finish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.Requests)
	defer cancel()
	if err := s.HTTP.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("requests were cut off: %w", err), s.HTTP.Close())
	}
	return nil
}

// close delivers what waits, for a time.
func (s *Server) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.Delivery)
	defer cancel()
	return s.Close(ctx)
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
