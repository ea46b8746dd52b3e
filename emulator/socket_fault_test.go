package emulator

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

const usageEvents = `subscription { usageUpdatedV2 { customerId } }`

// report makes an event of customer-basic.
func report(t testing.TB, srv *Server) {
	t.Helper()
	must(t, srv.Report(Measurement{CustomerID: "customer-basic", FeatureID: campaigns, Value: 1}))
}

// operate posts to the operator's window.
func operate(t testing.TB, srv *Server, path, body string, status int) string {
	t.Helper()
	got := send(t.Context(), "POST", srv.URL()+"/_emulator/"+path, body)
	if got.err != nil || got.status != status {
		t.Fatalf("%d %v %s, want %d", got.status, got.err, got.body, status)
	}
	return got.body
}

func TestAnUpgradeIsRefusedAsOftenAsTheFaultSays(t *testing.T) {
	srv := listening(t)
	operate(t, srv, "sockets", `{"do":"refuse","status":502,"count":2}`, 201)
	operate(t, srv, "sockets", `{"do":"refuse"}`, 201)
	for _, want := range []int{502, 502, 503, 503} {
		_, resp, err := websocket.Dial(within(t), srv.URL()+"/graphql", &websocket.DialOptions{Subprotocols: []string{subprotocol}})
		if err == nil || resp == nil || resp.StatusCode != want {
			t.Fatalf("%v, want %d", err, want)
		}
	}
	srv.ClearFaults()
	greeted(t, srv).settled()
}

func TestAConnectionThatIsNeverAcknowledged(t *testing.T) {
	srv := listening(t, WithInitTimeout(time.Millisecond))
	must(t, srv.SocketFault(SocketFault{Do: SocketNoAck, Count: 1}))
	p := dial(t, srv)
	p.say(hello)
	for end := time.Now().Add(30 * time.Millisecond); time.Now().Before(end); {
		p.settled()
	}
	if got := srv.Sockets(); len(got) != 1 || got[0].Acknowledged {
		t.Errorf("%+v", got)
	}
	srv = listening(t)
	must(t, srv.SocketFault(SocketFault{Do: SocketNoAck, Count: 1}))
	dial(t, srv)
	greeted(t, srv)
}

func TestFaultsOfOpenSockets(t *testing.T) {
	for _, c := range []struct {
		name, fault string
		check       func(t *testing.T, p *peer)
	}{
		{"closed with a code and a reason", `{"do":"close","code":4403,"reason":"Forbidden"}`, func(t *testing.T, p *peer) {
			if code, reason := p.closed(); code != 4403 || reason != "Forbidden" {
				t.Errorf("%d %q", code, reason)
			}
		}},
		{"cut off", `{"do":"close","code":1006}`, func(t *testing.T, p *peer) {
			if code, _ := p.closed(); code != -1 {
				t.Error(code)
			}
		}},
		{"no JSON", `{"do":"garbage"}`, func(t *testing.T, p *peer) {
			_, raw, err := p.conn.Read(within(t))
			if err != nil || json.Valid(raw) {
				t.Errorf("%s %v", raw, err)
			}
			p.settled()
		}},
		{"an unknown type", `{"do":"unknown"}`, func(t *testing.T, p *peer) {
			if f := p.next(); f.Type != "surprise" {
				t.Errorf("%+v", f)
			}
			p.settled()
		}},
		{"events without ids", `{"do":"noIds"}`, func(t *testing.T, p *peer) {
			p.expect("next", "")
			for _, id := range []string{"1", "2"} {
				if e := p.event(id); e["customerId"] != nil {
					t.Error(e)
				}
			}
			p.settled()
		}},
		{"complete for every subscription", `{"do":"complete"}`, func(_ *testing.T, p *peer) {
			p.expect("complete", "1")
			p.expect("complete", "2")
			p.subscribe("1", usageEvents)
			p.settled()
		}},
		{"error for every subscription", `{"do":"error"}`, func(t *testing.T, p *peer) {
			f := p.expect("error", "1")
			var errs []graphError
			if json.Unmarshal(f.Payload, &errs) != nil || len(errs) != 1 || errs[0].Message == "" {
				t.Errorf("%s", f.Payload)
			}
			p.expect("error", "2")
		}},
		{"a huge frame that is refused", `{"do":"huge","size":3000000}`, func(t *testing.T, p *peer) {
			if _, _, err := p.conn.Read(within(t)); err == nil || !strings.Contains(err.Error(), "read limited") {
				t.Error(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := listening(t)
			p := listener(t, srv, usageEvents, usageEvents)
			operate(t, srv, "sockets", c.fault, 201)
			c.check(t, p)
			later := listener(t, srv, usageEvents)
			report(t, srv)
			later.event("1")
		})
	}
}

func TestAHugeFrameIsAsLongAsItSaysAndThenAllGoesOn(t *testing.T) {
	srv := listening(t)
	p := listener(t, srv, usageEvents)
	p.conn.SetReadLimit(-1)
	for _, f := range []SocketFault{{Do: SocketHuge}, {Do: SocketHuge, Size: 100}} {
		must(t, srv.SocketFault(f))
		_, raw, err := p.conn.Read(within(t))
		want := f.Size
		if want == 0 {
			want = 100 << 20
		}
		if err != nil || len(raw) != want || !json.Valid(raw) {
			t.Errorf("%d bytes, %v, want %d of JSON", len(raw), err, want)
		}
	}
	report(t, srv)
	p.event("1")
}

func TestADeafSocketAnswersNoPingAndStillTellsEverything(t *testing.T) {
	for _, coming := range []bool{false, true} {
		srv := listening(t)
		var p *peer
		f := SocketFault{Do: SocketNoPong, Coming: coming}
		if coming {
			must(t, srv.SocketFault(f))
			p = greeted(t, srv)
		} else {
			p = greeted(t, srv)
			must(t, srv.SocketFault(f))
		}
		p.subscribe("1", usageEvents)
		p.say(`{"type":"ping"}`)
		// An error answers what comes after the ping.
		p.subscribe("2", `{`)
		p.expect("error", "2")
		report(t, srv)
		p.event("1")
	}
}

func TestADeafSocketDoesNotAnswerTheWebsocketsPingEither(t *testing.T) {
	srv := listening(t)
	var pongs atomic.Int64
	conn, _, err := websocket.Dial(within(t), srv.URL()+"/graphql", &websocket.DialOptions{
		Subprotocols: []string{subprotocol}, OnPongReceived: func(context.Context, []byte) { pongs.Add(1) },
	})
	must(t, err)
	defer func() { _ = conn.CloseNow() }()
	p := &peer{t, conn, nil}
	p.say(hello)
	p.expect("connection_ack", "")
	must(t, srv.SocketFault(SocketFault{Do: SocketNoPong}))
	srv.sockets.mu.Lock()
	s := srv.sockets.open[0]
	srv.sockets.mu.Unlock()
	s.heard.Store(false)
	pinging, cancel := context.WithCancel(t.Context())
	pinged := make(chan error)
	go func() { pinged <- conn.Ping(pinging) }()
	for !s.heard.Load() {
		time.Sleep(time.Millisecond)
	}
	p.subscribe("2", `{`)
	p.expect("error", "2")
	cancel()
	if err := <-pinged; err == nil {
		t.Error("the ping was answered")
	}
	if pongs.Load() != 0 {
		t.Errorf("%d pongs", pongs.Load())
	}
}

func TestAHalfOpenSocketSwallowsEverythingAndSaysNothing(t *testing.T) {
	srv := listening(t)
	p := listener(t, srv, usageEvents)
	must(t, srv.SocketFault(SocketFault{Do: SocketHalfOpen}))
	p.say(`{"type":"ping"}`)
	report(t, srv)
	p.say(`{`)
	must(t, srv.SocketFault(SocketFault{Do: SocketClose, Code: 4500}))
	if _, raw, err := p.conn.Read(within(t)); err == nil || websocket.CloseStatus(err) != -1 {
		t.Errorf("it said %s, %v", raw, err)
	}
}

func TestFaultsOfComingConnections(t *testing.T) {
	srv := listening(t)
	open := listener(t, srv, usageEvents)
	coming := func(f SocketFault) *peer {
		t.Helper()
		f.Coming, f.Count = true, 1
		must(t, srv.SocketFault(f))
		p := dial(t, srv)
		p.say(hello)
		return p
	}
	if code, _ := coming(SocketFault{Do: SocketClose, Code: 4403}).closed(); code != 4403 {
		t.Error(code)
	}
	p := coming(SocketFault{Do: SocketUnknown})
	p.expect("connection_ack", "")
	if f := p.next(); f.Type != "surprise" {
		t.Errorf("%+v", f)
	}
	p = coming(SocketFault{Do: SocketComplete})
	p.expect("connection_ack", "")
	for range 2 {
		p.subscribe("1", usageEvents)
		p.expect("complete", "1")
	}
	p = coming(SocketFault{Do: SocketError})
	p.expect("connection_ack", "")
	p.subscribe("1", usageEvents)
	p.expect("error", "1")
	if got := srv.Sockets(); len(got[0].Subscriptions) != 1 {
		t.Errorf("%+v", got)
	}
	report(t, srv)
	open.event("1")
}

func TestTheOperatorSeesTheSocketsAndTheirFaults(t *testing.T) {
	srv := listening(t)
	listener(t, srv, usageEvents, `subscription { a: packagePublished { packageRefId } }`)
	operate(t, srv, "sockets", `{"do":"noAck","coming":true,"count":3}`, 201)
	p := dial(t, srv)
	p.say(`{"type":"ping"}`)
	p.expect("pong", "") // it is open on both sides
	got := send(t.Context(), "GET", srv.URL()+"/_emulator/sockets", "").body
	var v any
	must(t, json.Unmarshal([]byte(got), &v))
	want := `{"faults":[{"coming":true,"count":3,"do":"noAck","fired":1}],"open":[` +
		`{"acknowledged":true,"id":1,"subscriptions":["usageUpdatedV2","packagePublished"]},{"acknowledged":false,"id":2,"subscriptions":[]}]}`
	if format(v) != want {
		t.Errorf("%s\nwant %s", format(v), want)
	}
	if got := send(t.Context(), "DELETE", srv.URL()+"/_emulator/sockets", ""); got.status != 200 || !strings.Contains(got.body, `"faults": []`) {
		t.Errorf("%d %s", got.status, got.body)
	}
	operate(t, srv, "packages", `{"packageId":"plan-revvenu-pro","migrationType":"ALL_CUSTOMERS","entitlements":[{"featureId":"`+campaigns+`","usageLimit":7}]}`, 201)
	operate(t, srv, "packages", `{"packageId":"none"}`, 400)
	for _, path := range []string{"sockets", "packages", "limits", "webhooks"} {
		if got := send(t.Context(), "PUT", srv.URL()+"/_emulator/"+path, ""); got.status != 405 || got.header.Get("Allow") == "" {
			t.Errorf("PUT %s: %d", path, got.status)
		}
	}
}

func TestSocketFaultsThatCanNotBe(t *testing.T) {
	srv := listening(t)
	for _, c := range []struct{ name, body, want string }{
		{"nothing", ``, "can't be read"},
		{"two", `{"do":"garbage"}{}`, "follows"},
		{"an unknown field", `{"do":"garbage","kode":1}`, "kode"},
		{"no deed", `{}`, "do"},
		{"an unknown deed", `{"do":"explode"}`, "explode"},
		{"a count of open sockets", `{"do":"garbage","count":1}`, "count"},
		{"a negative count", `{"do":"refuse","count":-1}`, "count"},
		{"a status below 400", `{"do":"refuse","status":200}`, "status"},
		{"a status of a close", `{"do":"close","code":1000,"status":500}`, "status"},
		{"a code that can't be sent", `{"do":"close","code":1005}`, "code"},
		{"a close without a code", `{"do":"close"}`, "code"},
		{"a code of garbage", `{"do":"garbage","code":1000}`, "code"},
		{"a reason that doesn't fit", `{"do":"close","code":1000,"reason":"` + strings.Repeat("x", 124) + `"}`, "reason"},
		{"a huge frame that is small", `{"do":"huge","size":99}`, "size"},
		{"a size of garbage", `{"do":"garbage","size":100}`, "size"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := operate(t, srv, "sockets", c.body, 400); !strings.Contains(got, c.want) {
				t.Error(got)
			}
		})
	}
	for range maxFaults {
		must(t, srv.SocketFault(SocketFault{Do: SocketRefuse}))
	}
	if err := srv.SocketFault(SocketFault{Do: SocketRefuse}); err == nil {
		t.Error("there is no end to faults")
	}
}

func TestFaultsApplyToReadsOfEntitlements(t *testing.T) {
	srv := listening(t)
	for operation, ask := range map[string]func() wire{
		"entitlementsState": func() wire {
			return send(t.Context(), "POST", srv.URL()+"/graphql", `{"query":"{ entitlementsState(query: {customerId: \"customer-basic\"}) { accessDeniedReason } }"}`)
		},
		"entitlementV2": func() wire {
			return send(t.Context(), "POST", srv.URL()+"/graphql", `{"query":"{ entitlementV2(query: {customerId: \"customer-basic\", featureId: \"`+campaigns+`\"}) { __typename } }"}`)
		},
		"edge.entitlements-state": func() wire {
			return send(t.Context(), "GET", srv.URL()+"/v1/c/customer-basic/entitlements-state.json", "")
		},
		"edge.entitlements": func() wire {
			return send(t.Context(), "GET", srv.URL()+"/v1/c/customer-basic/entitlements.json", "")
		},
	} {
		t.Run(operation, func(t *testing.T) {
			for _, f := range []Fault{{Status: 503}, {Drop: dropBefore}, {Garbage: true}, {Truncate: true}, {Code: "UnexpectedError"}} {
				f.Operation, f.Count = operation, 1
				if operation != "entitlementsState" {
					f.CustomerID = "customer-basic"
				}
				must(t, srv.Fault(f))
				got := ask()
				if got.err == nil && got.status == http.StatusOK && json.Valid([]byte(got.body)) && !strings.Contains(got.body, "errors") {
					t.Errorf("%+v: answered as if nothing was: %s", f, got.body)
				}
				if got := ask(); got.err != nil || got.status != http.StatusOK || strings.Contains(got.body, "errors") {
					t.Errorf("after %+v: %d %v %s", f, got.status, got.err, got.body)
				}
			}
		})
	}
}
