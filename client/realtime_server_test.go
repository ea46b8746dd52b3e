package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/stiggate/gate"
)

// heard is a sink that writes down what it is told.
type heard struct {
	mu   sync.Mutex
	list []string
	at   []time.Time
}

func (h *heard) add(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list, h.at = append(h.list, fmt.Sprintf(format, args...)), append(h.at, time.Now())
}

func (h *heard) Replace(c gate.Customer, set gate.EntitlementSet) {
	var what []string
	for _, f := range set.Features {
		what = append(what, fmt.Sprintf("%s=%v/%v", f.FeatureID, f.Usage, f.Limit))
	}
	for _, w := range set.Credits {
		what = append(what, fmt.Sprintf("%s=%v/%v", w.CurrencyID, w.Usage, w.Limit))
	}
	h.add("replace %s|%s %s%s", c.ID, c.Resource, strings.Join(what, ","), set.Denied)
}

func (h *heard) Patch(c gate.Customer, p gate.Patch) {
	at := "-"
	if !p.At.IsZero() {
		at = p.At.Format(time.RFC3339)
	}
	h.add("patch %s|%s %s%s %v/%v,%t at %s", c.ID, c.Resource, p.FeatureID, p.Currency, p.Usage, p.Limit, p.HasLimit, at)
}

func (h *heard) Invalidate(c gate.Customer) { h.add("stale %s|%s", c.ID, c.Resource) }
func (h *heard) InvalidateAll()             { h.add("stale all") }
func (h *heard) SetLive(live bool)          { h.add("live %t", live) }

func (h *heard) all() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.list)
}

func (h *heard) expect(t *testing.T, want ...string) {
	t.Helper()
	if got := h.all(); !slices.Equal(got, want) {
		t.Errorf("the sink heard\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// socket is one connection as a script sees it.
type socket struct {
	t      *testing.T
	n      int // from 1
	header http.Header
	conn   *websocket.Conn
	hello  frame

	mu    sync.Mutex
	ids   map[string]string // by operation name, the newest
	asked []string
}

func (s *socket) id(op string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ids[op]
}

func (s *socket) send(raw string) {
	_ = s.conn.Write(context.Background(), websocket.MessageText, []byte(raw))
}

// read returns the next frame; false means that the connection is over.
func (s *socket) read() (frame, bool) {
	_, raw, err := s.conn.Read(context.Background())
	if err != nil {
		return frame{}, false
	}
	var f frame
	if err := json.Unmarshal(raw, &f); err != nil {
		s.t.Errorf("the client sent %q", raw)
	}
	if f.Type == "subscribe" {
		var p struct{ OperationName string }
		_ = json.Unmarshal(f.Payload, &p)
		s.mu.Lock()
		s.ids[p.OperationName] = f.ID
		s.asked = append(s.asked, p.OperationName)
		s.mu.Unlock()
	}
	return f, true
}

func (s *socket) ack() {
	s.hello, _ = s.read()
	s.send(`{"type":"connection_ack"}`)
}

// stand goes on until all is subscribed to and the ping after that is answered.
func (s *socket) stand() *socket {
	s.ack()
	for {
		f, ok := s.read()
		if !ok {
			return s
		}
		if f.Type == "ping" {
			s.send(`{"type":"pong"}`)
			return s
		}
	}
}

// idle answers pings until the connection is over.
func (s *socket) idle() {
	for {
		f, ok := s.read()
		if !ok {
			return
		}
		if f.Type == "ping" {
			s.send(`{"type":"pong"}`)
		}
	}
}

func (s *socket) event(op, payload string) {
	s.send(`{"id":"` + s.id(op) + `","type":"next","payload":` + payload + `}`)
}

func (s *socket) refuse(op, code string) {
	s.send(`{"id":"` + s.id(op) + `","type":"error","payload":[{"message":"no","extensions":{"code":"` + code + `"}}]}`)
}

// stigg is a server whose connections are scripted.
type stigg struct {
	mu      sync.Mutex
	opened  []time.Time
	sockets []*socket
	scripts sync.WaitGroup
}

func (g *stigg) handler(t *testing.T, script func(*socket)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		g.opened = append(g.opened, time.Now())
		s := &socket{t: t, n: len(g.opened), header: r.Header.Clone(), ids: map[string]string{}}
		g.sockets = append(g.sockets, s)
		g.scripts.Add(1)
		g.mu.Unlock()
		defer g.scripts.Done()
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{subprotocol}})
		if err != nil {
			t.Errorf("the upgrade: %v", err)
			return
		}
		s.conn = conn
		defer func() { _ = conn.CloseNow() }()
		script(s)
	})
}

func (g *stigg) connections() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.opened)
}

// gaps are the times between one connection and the next.
func (g *stigg) gaps() []time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	var gaps []time.Duration
	for i := 1; i < len(g.opened); i++ {
		gaps = append(gaps, g.opened[i].Sub(g.opened[i-1]))
	}
	return gaps
}

// pipes is a listener of connections in memory.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.done:
		return nil, errors.New("closed")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// watchable serves h in memory and returns a client of it. It is for synctest's bubbles, where
// time passes as soon as everyone waits.
func watchable(t *testing.T, h http.Handler, opts ...Option) *Client {
	t.Helper()
	l := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	server := &http.Server{Handler: h, ErrorLog: quiet()}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	transport := &http.Transport{DialContext: l.dial}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close()
		<-served
	})
	opts = append([]Option{WithEndpoint("http://localhost"), WithHTTPClient(&http.Client{Transport: transport})}, opts...)
	c, err := New(testKey, opts...)
	if err != nil {
		t.Fatal(err)
	}
	c.random = func() float64 { return 1 }
	return c
}

// scene is a watching client in a bubble, and the scripted Stigg that it watches.
type scene struct {
	c     *Client
	stigg *stigg
	heard *heard
	stop  func()
	err   chan error
}

// watched runs check in a bubble in which a client watches a Stigg of that script. What is
// left running afterwards fails the test.
func watched(t *testing.T, script func(*socket), check func(*testing.T, *scene), opts ...Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		sc := &scene{stigg: &stigg{}, heard: &heard{}, stop: cancel, err: make(chan error, 1)}
		sc.c = watchable(t, sc.stigg.handler(t, script), opts...)
		done := make(chan struct{})
		go func() {
			defer close(done)
			sc.err <- sc.c.Watch(ctx, sc.heard)
		}()
		t.Cleanup(func() {
			cancel()
			<-done
			sc.stigg.scripts.Wait()
		})
		check(t, sc)
	})
}

// after lets that much time pass, in a bubble.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
