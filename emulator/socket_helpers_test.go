package emulator

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// peer is a client of the real-time endpoint, one frame at a time.
type peer struct {
	t    testing.TB
	conn *websocket.Conn
	resp *http.Response
}

// frame is a message as it came.
type frame struct {
	Type    string          `json:"type"`
	ID      string          `json:"id"`
	Payload json.RawMessage `json:"payload"`
}

const hello = `{"type":"connection_init","payload":{"headers":{"X-API-KEY":"` + DefaultKey + `","source":"test"}}}`

// patience bounds what a test waits for; nothing takes that long unless it fails.
const patience = 30 * time.Second

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// dial opens a socket without a word.
func dial(t testing.TB, srv *Server, protocols ...string) *peer {
	t.Helper()
	if protocols == nil {
		protocols = []string{subprotocol}
	}
	conn, resp, err := websocket.Dial(within(t), srv.URL()+"/graphql", &websocket.DialOptions{Subprotocols: protocols})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	conn.SetReadLimit(1 << 20)
	return &peer{t, conn, resp}
}

// greeted opens a socket whose key was acknowledged.
func greeted(t testing.TB, srv *Server) *peer {
	t.Helper()
	p := dial(t, srv)
	p.say(hello)
	p.expect("connection_ack", "")
	return p
}

// listener opens a socket that is subscribed to documents, under the ids "1", "2"
// and so on.
func listener(t testing.TB, srv *Server, documents ...string) *peer {
	t.Helper()
	p := greeted(t, srv)
	for i, d := range documents {
		p.subscribe(string(rune('1'+i)), d)
	}
	p.settled()
	return p
}

func (p *peer) say(frame string) {
	p.t.Helper()
	if err := p.conn.Write(within(p.t), websocket.MessageText, []byte(frame)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) subscribe(id, document string) {
	p.t.Helper()
	query, err := json.Marshal(document)
	must(p.t, err)
	p.say(`{"type":"subscribe","id":"` + id + `","payload":{"query":` + string(query) + `}}`)
}

// settled waits until the server has done all that it was told.
func (p *peer) settled() {
	p.t.Helper()
	p.say(`{"type":"ping","payload":{"n":1}}`)
	if f := p.next(); f.Type != "pong" || string(f.Payload) != `{"n":1}` {
		p.t.Fatalf("%+v, want the pong", f)
	}
}

func (p *peer) next() frame {
	p.t.Helper()
	_, raw, err := p.conn.Read(within(p.t))
	if err != nil {
		p.t.Fatal(err)
	}
	var f frame
	if err := json.Unmarshal(raw, &f); err != nil {
		p.t.Fatalf("no JSON: %s", raw)
	}
	return f
}

func (p *peer) expect(kind, id string) frame {
	p.t.Helper()
	f := p.next()
	if f.Type != kind || f.ID != id {
		p.t.Fatalf("%s %q %s, want %s %q", f.Type, f.ID, f.Payload, kind, id)
	}
	return f
}

// event reads the next event of a subscription.
func (p *peer) event(id string) map[string]any {
	p.t.Helper()
	for _, v := range decodedPayload(p.t, p.expect("next", id)) {
		out, _ := v.(map[string]any)
		return out
	}
	return nil
}

// decodedPayload gives the data of an event, which has one field.
func decodedPayload(t testing.TB, f frame) map[string]any {
	t.Helper()
	var body struct {
		Data   map[string]any
		Errors []any
	}
	must(t, json.Unmarshal(f.Payload, &body))
	if len(body.Errors) > 0 || len(body.Data) != 1 {
		t.Fatalf("%s", f.Payload)
	}
	return body.Data
}

// codeIn gives the code of a refusal, empty for none.
func codeIn(err error) Code {
	if refusal := (*Error)(nil); errors.As(err, &refusal) {
		return refusal.Code
	}
	return ""
}

// closed reads until the connection is over and gives the close frame, a code of -1
// for none.
func (p *peer) closed() (code int, reason string) {
	p.t.Helper()
	for {
		_, _, err := p.conn.Read(within(p.t))
		if err == nil {
			continue
		}
		if errors.Is(err, context.DeadlineExceeded) {
			p.t.Fatal("it is still open")
		}
		var gone websocket.CloseError
		if errors.As(err, &gone) {
			return int(gone.Code), gone.Reason
		}
		return -1, ""
	}
}
