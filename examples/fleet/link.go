package main

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
)

// link is the network between one replica and Redis: a proxy that can be cut. While it is, connections
// stand and nothing passes, as when a network drops packets; when it is healed, what waited passes.
type link struct {
	listener net.Listener
	to       string
	copying  sync.WaitGroup

	mu    sync.Mutex
	whole chan struct{} // closed while it is not cut
	isCut bool
	conns map[net.Conn]bool // nil when it is closed
}

func newLink(to string) (*link, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	k := &link{listener: l, to: to, whole: make(chan struct{}), conns: make(map[net.Conn]bool)}
	close(k.whole)
	k.copying.Go(k.accept)
	return k, nil
}

func (k *link) addr() string { return k.listener.Addr().String() }

func (k *link) accept() {
	for {
		from, err := k.listener.Accept()
		if err != nil {
			return
		}
		if k.keep(from) {
			k.copying.Go(func() { k.carry(from) })
		}
	}
}

// carry carries a connection's bytes both ways, until one side closes it.
func (k *link) carry(from net.Conn) {
	defer k.drop(from)
	k.wait()
	to, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", k.to)
	if err != nil || !k.keep(to) {
		return
	}
	defer k.drop(to)
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.copy(to, from)
		k.drop(to)
	}()
	k.copy(from, to)
	k.drop(from)
	<-done
}

func (k *link) copy(to io.Writer, from io.Reader) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		k.wait()
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// wait waits while the link is cut.
func (k *link) wait() {
	k.mu.Lock()
	whole := k.whole
	k.mu.Unlock()
	<-whole
}

func (k *link) cut() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.isCut {
		return errors.New("it is cut off already")
	}
	k.isCut, k.whole = true, make(chan struct{})
	return nil
}

func (k *link) heal() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.isCut {
		return errors.New("it is not cut off")
	}
	k.isCut = false
	close(k.whole)
	return nil
}

func (k *link) severed() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.isCut
}

// keep notes a connection that close is to end. It is false if that was already.
func (k *link) keep(c net.Conn) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.conns == nil {
		_ = c.Close()
		return false
	}
	k.conns[c] = true
	return true
}

func (k *link) drop(c net.Conn) {
	_ = c.Close()
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.conns, c)
}

func (k *link) close() {
	_ = k.listener.Close()
	_ = k.heal()
	k.mu.Lock()
	for c := range k.conns {
		_ = c.Close()
	}
	k.conns = nil
	k.mu.Unlock()
	k.copying.Wait()
}
