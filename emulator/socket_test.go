package emulator

import (
	"encoding/json"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func TestAConnectionThatBreaksTheProtocolIsClosedWithItsCode(t *testing.T) {
	srv := listening(t)
	const sub = `{"type":"subscribe","id":"1","payload":{"query":"subscription { usageUpdatedV2 { customerId } }"}}`
	for _, c := range []struct {
		name   string
		frames []string
		code   int
	}{
		{"no JSON", []string{`{`}, 4400},
		{"an unknown type", []string{hello, `{"type":"start"}`}, 4400},
		{"a type that is no string", []string{`{"type":7}`}, 4400},
		{"a subscription without an id", []string{hello, strings.Replace(sub, `"id":"1",`, "", 1)}, 4400},
		{"a subscription without a payload", []string{hello, `{"type":"subscribe","id":"1"}`}, 4400},
		{"a subscription whose payload is a list", []string{hello, `{"type":"subscribe","id":"1","payload":[]}`}, 4400},
		{"an init whose payload is a list", []string{`{"type":"connection_init","payload":[]}`}, 4400},
		{"no key", []string{`{"type":"connection_init"}`}, 4401},
		{"a null payload", []string{`{"type":"connection_init","payload":null}`}, 4401},
		{"another key", []string{strings.Replace(hello, DefaultKey, "other", 1)}, 4401},
		{"a key that is a number", []string{`{"type":"connection_init","payload":{"headers":{"X-API-KEY":1}}}`}, 4401},
		{"a key outside of the headers", []string{`{"type":"connection_init","payload":{"X-API-KEY":"` + DefaultKey + `"}}`}, 4401},
		{"a subscription before the init", []string{sub}, 4401},
		{"two inits", []string{hello, hello}, 4429},
		{"an id twice", []string{hello, sub, sub}, 4409},
		{"a frame beyond the bound", []string{`{"type":"` + strings.Repeat("x", maxFrame) + `"}`}, 1009},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := dial(t, srv)
			for _, f := range c.frames {
				p.say(f)
			}
			if code, reason := p.closed(); code != c.code || strings.Contains(reason, DefaultKey) {
				t.Errorf("%d %s, want %d", code, reason, c.code)
			}
		})
	}
	t.Run("bytes", func(t *testing.T) {
		p := dial(t, srv)
		must(t, p.conn.Write(within(t), websocket.MessageBinary, []byte(hello)))
		if code, _ := p.closed(); code != 4400 {
			t.Error(code)
		}
	})
	t.Run("an id is free again after complete", func(t *testing.T) {
		p := greeted(t, srv)
		p.say(sub)
		p.say(`{"type":"complete","id":"1"}`)
		p.say(sub)
		p.settled()
		must(t, srv.Report(Measurement{CustomerID: "customer-basic", FeatureID: campaigns, Value: 1}))
		p.event("1")
	})
	t.Run("the name of the key's header may be in any case", func(t *testing.T) {
		p := dial(t, srv)
		p.say(strings.Replace(hello, "X-API-KEY", "x-api-key", 1))
		p.expect("connection_ack", "")
	})
}

func TestOtherSubprotocolsAreRefused(t *testing.T) {
	srv := listening(t)
	for _, protocols := range [][]string{{}, {"graphql-ws"}} {
		p := dial(t, srv, protocols...)
		if got := p.resp.Header.Get("Sec-WebSocket-Protocol"); got != "" {
			t.Errorf("%v: %s was chosen", protocols, got)
		}
		if code, _ := p.closed(); code != 4406 {
			t.Errorf("%v: %d", protocols, code)
		}
	}
	if p := dial(t, srv, "graphql-ws", subprotocol); p.resp.Header.Get("Sec-WebSocket-Protocol") != subprotocol {
		t.Error("the subprotocol was not chosen among two")
	}
}

func TestAKeyInTheUpgradeCountsForNothing(t *testing.T) {
	srv := listening(t)
	conn, _, err := websocket.Dial(within(t), srv.URL()+"/graphql", &websocket.DialOptions{
		Subprotocols: []string{subprotocol}, HTTPHeader: http.Header{"X-Api-Key": {DefaultKey}},
	})
	must(t, err)
	p := &peer{t: t, conn: conn}
	p.say(`{"type":"connection_init"}`)
	if code, _ := p.closed(); code != 4401 {
		t.Error(code)
	}
}

func TestWhoSaysNothingIsClosedWith4408(t *testing.T) {
	srv := listening(t, WithInitTimeout(time.Millisecond))
	if code, _ := dial(t, srv).closed(); code != 4408 {
		t.Error(code)
	}
	srv = listening(t, WithInitTimeout(time.Hour))
	greeted(t, srv).settled()
}

func TestWhoAnswersNoPingIsCutOff(t *testing.T) {
	p := dial(t, listening(t, WithKeepAlive(20*time.Millisecond)))
	_ = p.conn.Write(within(t), websocket.MessageText, []byte(hello)) // on a busy machine it is cut off before
	pings := 0
	for {
		_, raw, err := p.conn.Read(within(t))
		if err != nil {
			if websocket.CloseStatus(err) != -1 {
				t.Errorf("closed politely: %v", err)
			}
			break
		}
		switch frame := string(raw); {
		case frame == `{"type":"ping"}`:
			pings++
		case !strings.Contains(frame, "connection_ack"):
			t.Errorf("%s", frame)
		}
	}
	if pings == 0 {
		t.Error("no ping came before")
	}
}

// Whether a pong is in time is up to the machine, too: with some interval it is.
func TestWhoAnswersPingsIsNotCutOff(t *testing.T) {
	for interval := 20 * time.Millisecond; interval < 5*time.Second; interval *= 4 {
		if answersPings(t, interval) {
			return
		}
	}
	t.Error("whoever answers is cut off")
}

// answersPings reports whether a peer is served on that answers ten pings.
func answersPings(t *testing.T, interval time.Duration) bool {
	p := dial(t, listening(t, WithKeepAlive(interval)))
	for range 10 {
		if _, raw, err := p.conn.Read(within(t)); err != nil || string(raw) != `{"type":"ping"}` {
			return false
		}
		if p.conn.Write(within(t), websocket.MessageText, []byte(`{"type":"pong"}`)) != nil {
			return false
		}
	}
	return true
}

func TestTheWebsocketsOwnPingIsAnswered(t *testing.T) {
	p := greeted(t, listening(t))
	go func() { _, _, _ = p.conn.Read(within(t)) }()
	must(t, p.conn.Ping(within(t)))
}

func TestWhatCanNotBeSubscribedToIsAnErrorOfItsId(t *testing.T) {
	srv := listening(t)
	p := greeted(t, srv)
	for _, c := range []struct{ name, query, want string }{
		{"no document", ``, "no query"},
		{"no GraphQL", `subscription {`, "Expected"},
		{"an unknown field", `subscription { usageUpdatedV3 { customerId } }`, "usageUpdatedV3"},
		{"an unknown field of the event", `subscription { usageUpdatedV2 { customer } }`, `customer`},
		{"two fields", `subscription { usageUpdatedV2 { customerId } usageUpdated { usage { customerId } } }`, "only one"},
		{"two operations", `subscription A { usageUpdatedV2 { customerId } } subscription B { usageUpdatedV2 { customerId } }`, "operationName"},
		{"nothing at all", `subscription { usageUpdatedV2 @skip(if: true) { customerId } }`, "one field"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.subscribe("x", c.query)
			f := p.expect("error", "x")
			var errs []graphError
			must(t, json.Unmarshal(f.Payload, &errs))
			if len(errs) == 0 || !strings.Contains(errs[0].Message, c.want) || errs[0].Extensions["code"] == "" {
				t.Errorf("%s", f.Payload)
			}
		})
	}
	if got := srv.Sockets()[0].Subscriptions; len(got) != 0 {
		t.Errorf("subscribed to %v", got)
	}
	for range maxSubscribed {
		must(t, p.conn.Write(within(t), websocket.MessageText, []byte(`{"type":"subscribe","id":"`+uuidOf("s", time.Now().String())+
			`","payload":{"query":"subscription { usageUpdatedV2 { customerId } }"}}`)))
	}
	p.subscribe("x", `subscription { usageUpdatedV2 { customerId } }`)
	p.expect("error", "x")
}

func TestAQueryOverTheSocketIsAnsweredOnce(t *testing.T) {
	srv := listening(t)
	p := greeted(t, srv)
	p.subscribe("q", `{ sdkConfiguration { isWidgetWatermarkEnabled } }`)
	p.event("q")
	p.expect("complete", "q")
	p.subscribe("q", `mutation { archiveCustomer(input: {customerId: "customer-basic"}) { customerId } }`)
	if got := p.event("q"); got["customerId"] != "customer-basic" {
		t.Error(got)
	}
}

func TestAnOlderServerDoesNotKnowTheNewerFields(t *testing.T) {
	srv := listening(t, WithoutEvents("entitlementsUpdatedV2", "usageUpdatedV2"))
	p := greeted(t, srv)
	p.subscribe("1", official(t, "OnEntitlementsUpdatedV2"))
	f := p.expect("error", "1")
	if s := string(f.Payload); !strings.Contains(s, `Cannot query field \"entitlementsUpdatedV2\"`) || !strings.Contains(s, "GRAPHQL_VALIDATION_FAILED") {
		t.Error(s)
	}
	p.subscribe("1", official(t, "OnEntitlementsUpdated"))
	p.settled()
	must(t, srv.AddCustomer("c"))
	p.event("1")
	for _, fields := range [][]string{
		{"entitlementsUpdatedV3"},
		{"entitlementsUpdated", "entitlementsUpdatedV2", "usageUpdated", "usageUpdatedV2", "packagePublished", "creditBalanceUpdated"},
	} {
		if _, err := New(WithoutEvents(fields...)); err == nil {
			t.Errorf("%v can be left out", fields)
		}
	}
}

func TestASubscriptionOverPostIsRefusedInWords(t *testing.T) {
	e := newTest(t)
	got := ask(t, e, `subscription { usageUpdatedV2 { customerId } }`, nil)
	if got.Status != 400 || !strings.Contains(got.Errors[0].Message, subprotocol) || e.Requests()["usageUpdatedV2"] != 0 {
		t.Errorf("%+v", got)
	}
}

func TestClosingEndsEverySocketAndLeavesNothingBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	srv, err := Start("127.0.0.1:0")
	must(t, err)
	var peers []*peer
	for range 20 {
		peers = append(peers, listener(t, srv, `subscription { usageUpdatedV2 { customerId } }`))
	}
	peers = append(peers, dial(t, srv))
	must(t, srv.SocketFault(SocketFault{Do: SocketHalfOpen, Coming: true}))
	silent := dial(t, srv)
	done := make(chan error, 1)
	go func() { done <- srv.Close() }()
	for _, p := range peers {
		if code, _ := p.closed(); code != 1001 {
			t.Errorf("closed with %d", code)
		}
	}
	if code, _ := silent.closed(); code != -1 {
		t.Errorf("a silent socket says %d", code)
	}
	must(t, <-done)
	for _, p := range append(peers, silent) {
		_ = p.conn.CloseNow()
	}
	if n := len(srv.Sockets()); n != 0 {
		t.Errorf("%d sockets are left", n)
	}
	for end := time.Now().Add(patience); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			buf := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
	}
	e := newTest(t)
	e.Close()
	e.Close()
}
