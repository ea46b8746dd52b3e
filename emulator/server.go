package emulator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Server is an [Emulator] that listens. Everything that can be done with the
// emulator can be done with the server.
type Server struct {
	*Emulator
	http    *http.Server
	address net.Addr
	done    chan error
	stop    context.CancelFunc
}

// Start makes an emulator and serves it at addr, for example "127.0.0.1:4100",
// or "127.0.0.1:0" for a free port. It fails if an option can't be used or the
// address can't be listened to. The caller stops it with [Server.Close].
func Start(addr string, opts ...Option) (*Server, error) {
	e, err := New(opts...)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		_ = e.stateLock.Close()
		return nil, fmt.Errorf("emulator: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{
		Emulator: e,
		http: &http.Server{
			Handler: e, ReadHeaderTimeout: 10 * time.Second,
			BaseContext: func(net.Listener) context.Context { return ctx },
		},
		address: l.Addr(),
		done:    make(chan error, 1),
		stop:    stop,
	}
	go func() { s.done <- s.http.Serve(l) }()
	return s, nil
}

// URL is where the server listens, such as http://127.0.0.1:4100, without a
// slash at the end. An address of all interfaces is given as 127.0.0.1.
func (s *Server) URL() string {
	tcp, ok := s.address.(*net.TCPAddr)
	if ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("http://127.0.0.1:%d", tcp.Port)
	}
	return "http://" + s.address.String()
}

// Close stops listening, closes the emulator, drops requests that a fault lets hang,
// lets others under way finish for up to a second, then drops them too, and returns
// when serving has ended. It may be called again.
func (s *Server) Close() error {
	s.stop()
	s.end()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	s.closeState()
	err = errors.Join(err, s.StateError())
	if served, open := <-s.done; open {
		close(s.done)
		if !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
	}
	return err
}
