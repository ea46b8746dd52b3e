package conformance

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stiggate/gate"
)

// hijackRows are connections that handlers take over; HTTP/2 has none.
func hijackRows(a Adapter) []row {
	return []row{
		{"hijack", "a connection that is taken over by assertion", func(t testing.TB) {
			hijacked(t, a, func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
				h, ok := w.(http.Hijacker)
				if !ok {
					return nil, nil, errors.New("the writer is no http.Hijacker")
				}
				return h.Hijack()
			})
		}},
		{"hijack", "a connection that is taken over by ResponseController", func(t testing.TB) {
			hijacked(t, a, func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
				return http.NewResponseController(w).Hijack()
			})
		}},
		{"hijack", "a connection that is taken over, by the status", func(t testing.TB) { takenOver(t, a, manyTwo().ReportOn(http.StatusSwitchingProtocols)) }},
		{"hijack", "a connection that is taken over, by the app's own rule", func(t testing.TB) {
			takenOver(t, a, manyTwo().ReportIf(func(o gate.Outcome) bool { return o.Hijacked }))
		}},
		{"hijack", "a websocket that settles when it is opened", func(t testing.TB) { websocket(t, a, false) }},
		{"hijack", "a websocket whose handshake is written as a 101", func(t testing.TB) { websocket(t, a, true) }},
		{"hijack", "a websocket that the plan does not cover", func(t testing.TB) {
			b := a.guarded(t, http1, route("GET", "/", gate.Feature("off").Uses(1), answerStatus))
			conn := b.dial(t, handshake)
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != http.StatusPaymentRequired {
				t.Errorf("got %d, want 402", res.StatusCode)
			}
			_ = conn.Close()
			b.bills(t, nil)
		}},
	}
}

// takenOver: whoever takes a connection over writes the 101 by himself, as most libraries do.
func takenOver(t testing.TB, a Adapter, p gate.Policy) {
	b := a.guarded(t, http1, route("GET", "/", p, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_ = conn.Close()
	}))
	_, _ = io.ReadAll(b.dial(t, handshake))
	b.bills(t, uses{"many": 2})
	if o := b.seen.settled; len(o) != 1 || o[0].Status != http.StatusSwitchingProtocols || !o[0].Hijacked {
		t.Errorf("settled %+v, want once, with 101", o)
	}
}

func hijacked(t testing.TB, a Adapter, hijack func(http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error)) {
	b := a.guarded(t, http1, route("GET", "/", manyTwo(), func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := hijack(w)
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, "hello\n")
		_ = conn.Close()
	}))
	conn := b.dial(t, "GET / HTTP/1.1\nHost: example.com\nX-Customer-ID: payer\nConnection: close")
	if got, _ := io.ReadAll(conn); string(got) != "hello\n" {
		t.Errorf("got %q", got)
	}
	b.bills(t, uses{"many": 2})
}

// handshake is RFC 6455's own example (section 1.3), and accepted the answer to its key.
const (
	handshake = "GET / HTTP/1.1\nHost: example.com\nX-Customer-ID: payer\nConnection: Upgrade\nUpgrade: websocket\n" +
		"Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
	accepted = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// The opcodes of frames that the suite speaks (RFC 6455, section 5.2).
const (
	frameText  = 1
	frameClose = 8
)

// websocket opens one, has a frame echoed, and closes it by the book. What it uses is
// reported while it is open: such a connection may last for days.
func websocket(t testing.TB, a Adapter, by101 bool) {
	b := a.guarded(t, http1, route("GET", "/", manyTwo(), func(w http.ResponseWriter, r *http.Request) {
		if err := echoFrames(w, r, by101); err != nil {
			t.Error(err)
		}
	}))
	conn := b.dial(t, handshake)
	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusSwitchingProtocols || res.Header.Get("Sec-Websocket-Accept") != accepted {
		t.Fatalf("got %d %v", res.StatusCode, res.Header)
	}
	for _, sent := range []struct {
		opcode  byte
		payload string
	}{{frameText, "hello"}, {frameClose, "\x03\xe8"}} { // 1000: a normal end
		if err := writeFrame(conn, sent.opcode, sent.payload, true); err != nil {
			t.Fatal(err)
		}
		opcode, payload, err := readFrame(in)
		if err != nil || opcode != sent.opcode || payload != sent.payload {
			t.Fatalf("got the frame %d %q, %v; want %d %q", opcode, payload, err, sent.opcode, sent.payload)
		}
		if sent.opcode == frameText {
			eventually(t, "the report of an open websocket", func() bool { return b.stigg.reported("many") == 2 })
		}
	}
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("got %v after the end", err)
	}
	b.bills(t, uses{"many": 2})
}

// echoFrames is the handler's side.
func echoFrames(w http.ResponseWriter, r *http.Request, by101 bool) error {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	accept := base64.StdEncoding.EncodeToString(sum[:])
	if by101 { // as coder/websocket does
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Sec-WebSocket-Accept", accept)
		w.WriteHeader(http.StatusSwitchingProtocols)
		if late, ok := w.(interface{ WriteHeaderNow() }); ok { // gin keeps it back
			late.WriteHeaderNow()
		}
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if !by101 { // as gorilla/websocket does
		_, err = io.WriteString(conn, strings.ReplaceAll("HTTP/1.1 101 Switching Protocols\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Accept: "+accept+"\n\n", "\n", "\r\n"))
		if err != nil {
			return err
		}
	}
	if err := gate.TicketFrom(r.Context()).Settle(); err != nil {
		return err
	}
	for {
		opcode, payload, err := readFrame(rw.Reader)
		if err != nil {
			return err
		}
		if err := writeFrame(conn, opcode, payload, false); err != nil || opcode == frameClose {
			return err
		}
	}
}

// writeFrame writes a whole message of less than 126 bytes; what clients send is masked.
func writeFrame(w io.Writer, opcode byte, payload string, client bool) error {
	frame := []byte{0x80 | opcode, byte(len(payload))}
	data := []byte(payload)
	if client {
		mask := []byte{1, 2, 3, 4}
		frame[1] |= 0x80
		frame = append(frame, mask...)
		for i := range data {
			data[i] ^= mask[i%4]
		}
	}
	_, err := w.Write(append(frame, data...))
	return err
}

// readFrame reads what writeFrame writes.
func readFrame(r io.Reader) (opcode byte, payload string, err error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, "", err
	}
	if head[0]&0x80 == 0 || head[1]&0x7f > 125 {
		return 0, "", fmt.Errorf("a frame that begins %x", head)
	}
	var mask [4]byte
	if head[1]&0x80 != 0 {
		if _, err := io.ReadFull(r, mask[:]); err != nil {
			return 0, "", err
		}
	}
	data := make([]byte, head[1]&0x7f)
	_, err = io.ReadFull(r, data)
	for i := range data {
		data[i] ^= mask[i%4]
	}
	return head[0] & 0x0f, string(data), err
}
