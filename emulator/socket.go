package emulator

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// subprotocol is the only one that is spoken.
const subprotocol = "graphql-transport-ws"

// Codes that a socket is closed with, of RFC 6455 and of graphql-transport-ws.
const (
	codeGoingAway        = 1001
	codeInvalidMessage   = 4400
	codeRefusedKey       = 4401
	codeSubprotocol      = 4406
	codeInitTimeout      = 4408
	codeSubscriberExists = 4409
	codeTooManyInits     = 4429
)

// Bounds of a socket: the frames that may wait to be sent, the length of a frame
// that is read, and the subscriptions at a time.
const (
	maxQueued     = 256
	maxFrame      = 1 << 20
	maxSubscribed = 1000
)

// farewell is how long the peer has to answer a close frame.
const farewell = time.Second

// socket is one connection. Its handler's goroutine reads, another one writes.
type socket struct {
	e    *Emulator
	id   int
	conn *websocket.Conn
	tcp  *quietConn
	out  chan packet
	ctx  context.Context
	stop context.CancelFunc

	// Guarded by the mutex of sockets.
	subs  []*subscriber
	acked bool
	plan  socketPlan

	greeted bool // connection_init has come; the reader's own
	heard   atomic.Bool
	deaf    atomic.Bool // pings are not answered
}

// packet is a frame to be sent, or the end of the connection.
type packet struct {
	data   []byte
	huge   int // the length of a frame of nothing
	code   int
	reason string
}

// quietConn is a connection that can be made to send nothing more while whoever
// writes to it believes that it does.
type quietConn struct {
	net.Conn
	quiet atomic.Bool
}

func (c *quietConn) Write(p []byte) (int, error) {
	if c.quiet.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// grabber keeps hold of the connection that an upgrade takes over.
type grabber struct {
	http.ResponseWriter
	tcp *quietConn
}

func (g *grabber) Unwrap() http.ResponseWriter { return g.ResponseWriter }

// Hijack is http.Hijacker.
func (g *grabber) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buf, err := http.NewResponseController(g.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	g.tcp = &quietConn{Conn: conn}
	return g.tcp, bufio.NewReadWriter(buf.Reader, bufio.NewWriter(g.tcp)), nil
}

func wantsUpgrade(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// serveSocket upgrades a request and serves it until the connection is over. Who
// asks for another subprotocol is closed with 4406. The origin is not looked at:
// callers show their key in connection_init, and browsers add none by themselves.
func (e *Emulator) serveSocket(w http.ResponseWriter, r *http.Request) {
	plan := e.socketFaults.plan()
	if plan.refuse != 0 {
		e.write(w, e.failed(plan.refuse, codeOf(plan.refuse), "a fault that the emulator was told to have"))
		return
	}
	s := &socket{e: e, out: make(chan packet, maxQueued), plan: plan}
	s.ctx, s.stop = context.WithCancel(context.WithoutCancel(r.Context()))
	defer s.stop()
	if !e.sockets.enter() {
		e.write(w, e.failed(http.StatusServiceUnavailable, CodeUnexpected, "the server is closing"))
		return
	}
	defer e.sockets.leave(s)
	grab := &grabber{ResponseWriter: w}
	conn, err := websocket.Accept(grab, r, &websocket.AcceptOptions{
		Subprotocols: []string{subprotocol}, InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled,
		OnPingReceived: func(context.Context, []byte) bool { s.heard.Store(true); return !s.deaf.Load() },
		OnPongReceived: func(context.Context, []byte) { s.heard.Store(true) },
	})
	if err != nil {
		return
	}
	s.conn, s.tcp = conn, grab.tcp
	s.plan.open(s)
	if !e.sockets.join(s) {
		s.bye(codeGoingAway, "the server is closing")
	}
	s.run()
}

// run reads frames until the connection is over, and waits for the writer.
func (s *socket) run() {
	s.conn.SetReadLimit(maxFrame)
	written := make(chan struct{})
	go func() {
		defer close(written)
		s.write()
	}()
	if s.conn.Subprotocol() != subprotocol {
		s.bye(codeSubprotocol, "Subprotocol not acceptable")
	}
	patience := time.AfterFunc(s.e.initTimeout, func() {
		s.e.sockets.mu.Lock()
		late := !s.acked && !s.plan.noAck && !s.tcp.quiet.Load()
		s.e.sockets.mu.Unlock()
		if late {
			s.bye(codeInitTimeout, "Connection initialisation timeout")
		}
	})
	defer patience.Stop()
	for {
		kind, raw, err := s.conn.Read(s.ctx)
		if err != nil {
			break
		}
		s.heard.Store(true)
		if !s.tcp.quiet.Load() {
			s.hear(kind, raw)
		}
	}
	s.stop()
	<-written
	_ = s.conn.CloseNow()
	_ = s.tcp.Close()
}

// push queues a frame without waiting. A connection whose peer reads too slowly to
// keep the queue below its bound is cut.
func (s *socket) push(p packet) {
	select {
	case s.out <- p:
	default:
		s.kill()
	}
}

// bye closes the connection after what is queued has been sent.
func (s *socket) bye(code int, reason string) { s.push(packet{code: code, reason: reason}) }

// kill cuts the connection without a close frame.
func (s *socket) kill() {
	s.stop()
	_ = s.tcp.Close()
}

// write sends what is queued, and pings. A peer of whom nothing is heard from one
// ping to the next is cut off.
func (s *socket) write() {
	defer s.stop()
	s.heard.Store(true)
	beat := time.NewTicker(s.e.keepAlive)
	defer beat.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-beat.C:
			if s.tcp.quiet.Load() {
				continue
			}
			if !s.heard.Swap(false) {
				return
			}
			if s.conn.Write(s.ctx, websocket.MessageText, []byte(`{"type":"ping"}`)) != nil {
				return
			}
		case p := <-s.out:
			if p.code != 0 {
				s.part(p)
				return
			}
			if p.huge > 0 {
				p.data = hugeMessage(p.huge)
			}
			if s.conn.Write(s.ctx, websocket.MessageText, p.data) != nil {
				return
			}
		}
	}
}

// hugeMessage is JSON that a reader without a bound would read to its end.
func hugeMessage(size int) []byte {
	const head, tail = `{"type":"next","id":"huge","payload":{"data":"`, `"}}`
	out := bytes.Repeat([]byte{'x'}, size)
	copy(out, head)
	copy(out[size-len(tail):], tail)
	return out
}

// silence makes the socket half-open: what is queued is lost.
func (s *socket) silence() { s.tcp.quiet.Store(true) }

// part sends a close frame and waits for the peer's, but not long. The code 1006
// is that of a connection that ends without one.
func (s *socket) part(p packet) {
	if p.code != codeAbnormal && !s.tcp.quiet.Load() {
		hurry := time.AfterFunc(farewell, func() { _ = s.tcp.Close() })
		defer hurry.Stop()
		_ = s.conn.Close(websocket.StatusCode(p.code), p.reason)
	}
	_ = s.tcp.Close()
}
