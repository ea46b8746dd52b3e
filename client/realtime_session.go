package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/stiggate/gate"
)

const (
	subprotocol = "graphql-transport-ws"
	// maxFrame bounds one message; a larger one ends the connection.
	maxFrame = 8 << 20
	// writeWait bounds the writing of one message.
	writeWait = 10 * time.Second
)

// ending is why a connection ended, or was not made.
type ending struct {
	err     *Error
	refused bool // the key was
	busy    bool // Stigg asks for fewer connections
}

func failing(code Code, detail string, cause error) *ending {
	return &ending{err: &Error{Operation: opWatch, Code: code, Retryable: true, detail: detail, cause: cause}}
}

// session is one connection. Its loop, in run, owns everything but what is marked as
// shared; a second goroutine reads.
type session struct {
	c    *Client
	sink gate.Sink
	conn *websocket.Conn
	key  secret // what the connection was made with

	seen    atomic.Int64 // shared: when the last sign of life came, since start
	reading atomic.Int64 // shared: when the message that is being read began, since start; 0 if none is
	start   time.Time
	control chan frame   // shared: from the reader to the loop
	ended   chan *ending // shared: the reader's last word
	routes  routes       // shared: which subscription is which form

	acked    bool
	ackBy    time.Time
	pingedAt time.Time // zero unless a sign of life is awaited
	pings    int       // sent
	pongs    int       // of them answered
	streams  []*stream

	flaps    int           // how many connections before this one were live briefly
	live     time.Time     // since when; zero while not
	livedFor time.Duration // in all
}

func newSession(c *Client, sink gate.Sink, flaps int) *session {
	return &session{
		flaps:   flaps,
		c:       c,
		sink:    sink,
		start:   time.Now(),
		control: make(chan frame, 16),
		ended:   make(chan *ending, 1),
		streams: wantedStreams(),
	}
}

// run connects and goes on until the connection or ctx ends. When it returns, nothing of
// it is left.
func (s *session) run(ctx context.Context) *ending {
	lost := s.connect(ctx)
	if lost != nil {
		s.interrupted(ctx, lost)
	} else {
		lost = s.serve(ctx)
	}
	if ctx.Err() == nil {
		s.c.news.lost.Add(1)
		s.c.news.last.Store(lost.err)
		if lost.refused {
			s.c.keyRefused(overSocket, lost.err)
		} else if s.c.realtime.note(true) {
			s.c.logger.Warn("client: realtime is interrupted; it is tried again", "error", lost.err)
		}
	}
	return lost
}

// connect upgrades. The key is not sent yet: it may be refused only when it was.
func (s *session) connect(ctx context.Context) *ending {
	s.ackBy = time.Now().Add(s.c.watching.handshakeWait)
	ctx, cancel := context.WithDeadline(ctx, s.ackBy)
	defer cancel()
	var failed *Error
	if s.key, failed = s.c.key.get(ctx, opWatch); failed != nil {
		return &ending{err: failed}
	}
	conn, resp, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(s.c.endpoint, "http"), &websocket.DialOptions{ //nolint:bodyclose // Dial says that it never needs to be
		HTTPClient:     s.c.http,
		HTTPHeader:     http.Header{"User-Agent": {"stiggate/" + Version}},
		Subprotocols:   []string{subprotocol},
		OnPingReceived: func(context.Context, []byte) bool { s.alive(); return true },
		OnPongReceived: func(context.Context, []byte) { s.alive() },
	})
	switch {
	case err == nil && conn.Subprotocol() == subprotocol:
		conn.SetReadLimit(-1) // message has its own
		s.conn = conn
		return nil
	case err == nil:
		_ = conn.CloseNow()
		return failing(ErrBadResponse, "the server speaks another subprotocol", nil)
	case resp != nil:
		lost := failing(ErrNetwork, "the upgrade was not accepted", nil)
		lost.err.HTTPStatus = resp.StatusCode
		lost.busy = resp.StatusCode == http.StatusTooManyRequests
		return lost
	case ctx.Err() != nil:
		return failing(ErrTimeout, "", nil)
	}
	return failing(ErrNetwork, "", harmless(err))
}

// serve runs a connection that was upgraded.
func (s *session) serve(all context.Context) (why *ending) {
	ctx, cancel := context.WithCancel(all)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.ended <- s.read(ctx)
	}()
	defer func() {
		cancel()
		_ = s.conn.CloseNow()
		<-done
		s.interrupted(all, why)
		_ = s.setLive(false)
	}()
	if lost := s.write(ctx, s.hello()); lost != nil {
		return lost
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var lost *ending
		select {
		case <-ctx.Done():
			return failing(ErrCanceled, "", nil)
		case lost = <-s.ended:
		case f := <-s.control:
			lost = s.handle(ctx, f)
		case <-timer.C:
		}
		now := time.Now()
		if lost == nil {
			lost = s.due(ctx, now)
		}
		if lost != nil {
			return lost
		}
		timer.Reset(time.Until(s.next(now)))
	}
}

// hello is the first frame, which carries the key.
func (s *session) hello() frame {
	h := make(http.Header, 1)
	s.key.set(h)
	payload, _ := json.Marshal(map[string]any{"headers": map[string]string{
		"X-API-KEY": h.Get("X-API-KEY"),
		"source":    "stiggate/" + Version,
	}})
	return frame{Type: "connection_init", Payload: payload}
}

// alive notes a sign of life.
func (s *session) alive() { s.seen.Store(int64(time.Since(s.start))) }

func (s *session) lastSeen() time.Time { return s.start.Add(time.Duration(s.seen.Load())) }

// due does what the time has come for.
func (s *session) due(ctx context.Context, now time.Time) *ending {
	w := s.c.watching
	seen := s.lastSeen()
	if !seen.Before(s.pingedAt) {
		s.pingedAt = time.Time{}
	}
	switch {
	case !s.acked && !now.Before(s.ackBy):
		return failing(ErrTimeout, "the connection was not acknowledged", nil)
	case !s.acked:
		return nil
	case !s.pingedAt.IsZero() && !now.Before(s.pingedAt.Add(w.pongWait)):
		return failing(ErrTimeout, "nothing was heard of the server", nil)
	case s.endless(now):
		return failing(ErrTimeout, "a message did not end", nil)
	}
	asked, lost := s.subscribe(ctx, now)
	if lost != nil {
		return lost
	}
	if asked || s.pingedAt.IsZero() && !now.Before(seen.Add(w.pingEvery)) {
		if lost := s.ping(ctx, now); lost != nil {
			return lost
		}
	}
	return s.setLive(s.stand(now))
}

// endless reports whether a message takes longer than any should: each of its bytes is a sign
// of life, and none of its news arrives.
func (s *session) endless(now time.Time) bool {
	began := s.reading.Load()
	return began > 0 && now.Sub(s.start)-time.Duration(began) >= s.c.watching.messageWait
}

// next is when due has something to do that it had not at the time now.
func (s *session) next(now time.Time) time.Time {
	if !s.acked {
		return s.ackBy
	}
	at := s.lastSeen().Add(s.c.watching.pingEvery)
	if !s.pingedAt.IsZero() {
		at = s.pingedAt.Add(s.c.watching.pongWait)
	}
	if began := s.reading.Load(); began > 0 {
		if t := s.start.Add(time.Duration(began) + s.c.watching.messageWait); t.Before(at) {
			at = t
		}
	}
	for _, st := range s.streams {
		if t := st.next(); t.After(now) && t.Before(at) {
			at = t
		}
	}
	return at
}

// ping sends one. While another is unanswered it does not put off the verdict on that.
func (s *session) ping(ctx context.Context, now time.Time) *ending {
	s.pings++
	if s.pingedAt.IsZero() {
		s.pingedAt = now
	}
	return s.write(ctx, frame{Type: "ping"})
}

// setLive tells the sink whether news arrive, if that has changed.
func (s *session) setLive(live bool) *ending {
	switch {
	case live && s.live.IsZero():
		s.live = time.Now()
		s.c.news.live.Add(1)
		s.c.keyTaken(overSocket)
		if s.c.realtime.note(false) {
			s.c.logger.Info("client: realtime goes on")
		}
	case !live && !s.live.IsZero():
		s.livedFor += max(1, time.Since(s.live))
		s.live = time.Time{}
		s.c.news.live.Add(-1)
	default:
		return nil
	}
	return s.tell(func() { s.sink.SetLive(live) })
}

// interrupted tells the sink why news don't arrive, if it takes that.
func (s *session) interrupted(ctx context.Context, lost *ending) {
	if to, ok := s.sink.(gate.InterruptionSink); ok && ctx.Err() == nil {
		s.c.guarded("sink", func() { to.Interrupted(lost.err) })
	}
}

// tell calls the sink. If it panics, what it was told may be lost, so the connection is made
// anew: what was heard before is then not relied on.
func (s *session) tell(f func()) *ending {
	if s.c.guarded("sink", f) {
		return nil
	}
	return failing(ErrUnknown, "the sink panicked", nil)
}

// write sends one frame. If the connection is found closed, why is for the reader to say.
func (s *session) write(ctx context.Context, f frame) *ending {
	raw, err := json.Marshal(f)
	if err != nil {
		return failing(ErrInvalidInput, "a frame can't be encoded", nil)
	}
	bounded, cancel := context.WithTimeout(ctx, writeWait)
	defer cancel()
	if err = s.conn.Write(bounded, websocket.MessageText, raw); err == nil {
		return nil
	}
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case lost := <-s.ended:
		return lost
	case <-timer.C:
		return failing(ErrNetwork, "", harmless(err))
	}
}

// read passes events on and hands the loop all else, until the connection ends.
func (s *session) read(ctx context.Context) *ending {
	for {
		raw, text, err := s.message(ctx)
		switch {
		case err != nil:
			return closed(err)
		case len(raw) > maxFrame:
			return failing(ErrBadResponse, "a message is larger than 8 MiB", nil)
		case crowded(raw):
			return failing(ErrBadResponse, "a message has more objects or values than any may have", nil)
		}
		f, ok := parseFrame(raw)
		switch {
		case !ok || !text:
			s.c.news.ignored.Add(1)
			continue
		case f.Type == "next":
			var lost *ending
			if f, ok, lost = s.event(f); lost != nil {
				return lost
			}
			if !ok {
				continue
			}
		}
		select {
		case s.control <- f:
		case <-ctx.Done():
			return failing(ErrCanceled, "", nil)
		}
	}
}

// message reads one, and no more than one byte beyond maxFrame.
func (s *session) message(ctx context.Context) (raw []byte, text bool, err error) {
	kind, r, err := s.conn.Reader(ctx)
	if err != nil {
		return nil, false, err
	}
	s.alive()
	s.reading.Store(int64(max(1, time.Since(s.start))))
	defer s.reading.Store(0)
	raw, err = io.ReadAll(io.LimitReader(lively{r, s}, maxFrame+1))
	return raw, kind == websocket.MessageText, err
}

// lively notes each part of a long message.
type lively struct {
	io.Reader
	s *session
}

func (l lively) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	if n > 0 {
		l.s.alive()
	}
	return n, err
}

// Close codes of graphql-transport-ws; the others only say that the connection is over.
const (
	closeUnauthorized = 4401
	closeForbidden    = 4403
	closeTooMany      = 4429
)

// closed tells from a read's error why the connection ended. The server's own words are
// not repeated.
func closed(err error) *ending {
	var c websocket.CloseError
	if !errors.As(err, &c) {
		return failing(ErrNetwork, "", harmless(err))
	}
	lost := failing(ErrNetwork, "closed with code "+strconv.Itoa(int(c.Code)), nil)
	switch c.Code {
	case closeUnauthorized:
		lost.err.Code, lost.err.Retryable, lost.refused = ErrUnauthenticated, false, true
	case closeForbidden:
		lost.err.Code, lost.err.Retryable, lost.refused = ErrForbidden, false, true
	case closeTooMany:
		lost.err.Code, lost.busy = ErrRateLimited, true
	}
	return lost
}
