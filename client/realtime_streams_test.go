package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/stiggate/gate"
)

func TestACompletedSubscriptionIsMadeAnewOnTheSameConnection(t *testing.T) {
	watched(t, func(s *socket) {
		s.stand()
		time.Sleep(time.Second)
		s.send(`{"id":"` + s.id("OnUsageUpdatedV2") + `","type":"complete"}`)
		s.idle()
	}, func(t *testing.T, sc *scene) {
		after(10 * time.Second)
		sc.heard.expect(t, "live true", "live false", "live true")
		if n, asked := sc.stigg.connections(), sc.stigg.sockets[0].asked; n != 1 || !slices.Equal(asked, append(slices.Clone(everyEvent), "OnUsageUpdatedV2")) {
			t.Errorf("%d connections, subscribed to %v", n, asked)
		}
	})
}

func TestASubscriptionThatIsCompletedAtOnceIsNotAskedForInALoop(t *testing.T) {
	watched(t, func(s *socket) {
		s.ack()
		for {
			f, ok := s.read()
			switch {
			case !ok:
				return
			case f.Type == "subscribe":
				s.send(`{"id":"` + f.ID + `","type":"complete"}`)
			case f.Type == "ping":
				s.send(`{"type":"pong"}`)
			}
		}
	}, func(t *testing.T, sc *scene) {
		after(10 * time.Minute)
		sc.heard.expect(t)
		if n := len(sc.stigg.sockets[0].asked); n > 4*70 {
			t.Errorf("asked %d times in 10 minutes", n)
		}
	})
}

func TestRefusedSubscriptions(t *testing.T) {
	for name, test := range map[string]struct {
		refused []string
		code    string
		asked   []string // after the four
		want    []string
	}{
		"the older forms stand in for the newer": {[]string{"OnEntitlementsUpdatedV2", "OnUsageUpdatedV2"}, "GRAPHQL_VALIDATION_FAILED",
			[]string{"OnEntitlementsUpdated", "OnUsageUpdated"}, []string{"live true", "stale acme|"}},
		"credits are not missed":            {[]string{"OnCreditBalanceUpdated"}, "IdentityForbidden", nil, []string{"live true", "stale acme|"}},
		"without packages it is never live": {[]string{"OnPackagePublished"}, "Forbidden", []string{"OnPackagePublished"}, []string{"stale acme|"}},
		"without either form it is never live": {[]string{"OnUsageUpdatedV2", "OnUsageUpdated"}, "BadUserInput",
			[]string{"OnUsageUpdated", "OnUsageUpdatedV2", "OnUsageUpdated"}, []string{"stale acme|"}},
		"an outage is not a refusal": {[]string{"OnUsageUpdatedV2"}, "ServiceUnavailable",
			slices.Repeat([]string{"OnUsageUpdatedV2"}, 20), []string{"stale acme|"}},
	} {
		t.Run(name, func(t *testing.T) {
			watched(t, func(s *socket) {
				s.ack()
				go func() {
					time.Sleep(5 * time.Second)
					for op, field := range map[string]string{"OnEntitlementsUpdatedV2": "entitlementsUpdatedV2", "OnEntitlementsUpdated": "entitlementsUpdated"} {
						s.event(op, `{"data":{"`+field+`":{"customerId":"acme","entitlements":[]}}}`)
					}
				}()
				for {
					f, ok := s.read()
					switch {
					case !ok:
						return
					case f.Type == "ping":
						s.send(`{"type":"pong"}`)
					case f.Type == "subscribe" && slices.Contains(test.refused, s.asked[len(s.asked)-1]):
						s.refuse(s.asked[len(s.asked)-1], test.code)
					}
				}
			}, func(t *testing.T, sc *scene) {
				after(90 * time.Second)
				sc.heard.expect(t, test.want...)
				asked := sc.stigg.sockets[0].asked[4:]
				if len(asked) > len(test.asked) && test.code != "ServiceUnavailable" || !slices.Equal(asked, test.asked[:min(len(asked), len(test.asked))]) {
					t.Errorf("subscribed to %v", asked)
				}
				if n := sc.stigg.connections(); n != 1 {
					t.Errorf("%d connections", n)
				}
			})
		})
	}
}

func TestARefusalThatComesLateTakesLiveBack(t *testing.T) {
	watched(t, func(s *socket) {
		s.stand()
		time.Sleep(time.Second)
		s.refuse("OnPackagePublished", "Forbidden")
		s.idle()
	}, func(t *testing.T, sc *scene) {
		after(10 * time.Second)
		sc.heard.expect(t, "live true", "live false")
	})
}

func TestARefusedKeyIsTriedEverMoreSeldom(t *testing.T) {
	unauthenticated := `[{"message":"bad key ` + testKey + `","extensions":{"code":"UNAUTHENTICATED"}}]`
	for name, test := range map[string]struct {
		refuse func(*socket)
		code   Code
	}{
		"by 4401 at once":    {func(s *socket) { _, _ = s.read(); _ = s.conn.Close(4401, testKey) }, ErrUnauthenticated},
		"by 4403 at once":    {func(s *socket) { _, _ = s.read(); _ = s.conn.Close(4403, "") }, ErrForbidden},
		"by 4401 when asked": {func(s *socket) { s.ack(); _, _ = s.read(); _ = s.conn.Close(4401, "") }, ErrUnauthenticated},
		"by an error": {func(s *socket) {
			s.ack()
			f, _ := s.read()
			s.send(`{"id":"` + f.ID + `","type":"error","payload":` + unauthenticated + `}`)
			s.idle()
		}, ErrUnauthenticated},
		"by an event that's one": {func(s *socket) {
			s.ack()
			f, _ := s.read()
			s.send(`{"id":"` + f.ID + `","type":"next","payload":{"errors":` + unauthenticated + `}}`)
			s.idle()
		}, ErrUnauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			watched(t, test.refuse, func(t *testing.T, sc *scene) {
				after(2 * time.Hour)
				err := sc.c.RealtimeStats().LastError
				if !errors.Is(err, test.code) {
					t.Errorf("the last error is %v", err)
				}
				if text := fmt.Sprintf("%v %+v %#v", err, err, sc.c.RealtimeStats()); strings.Contains(text, testKey) {
					t.Errorf("the key is in %s", text)
				}
				sc.heard.expect(t)
				var minutes []float64
				for _, gap := range sc.stigg.gaps() {
					minutes = append(minutes, gap.Minutes())
				}
				if want := []float64{1, 1, 1, 2, 4, 8, 15, 15, 15, 15, 15, 15}; !slices.Equal(minutes, want) {
					t.Errorf("the next connections came after %v minutes, want %v", minutes, want)
				}
				sc.stop()
				if err := <-sc.err; err != nil {
					t.Errorf("Watch returned %v", err)
				}
			})
		})
	}
}

func TestAKeyThatWasRefusedByMistakeIsForgiven(t *testing.T) {
	watched(t, func(s *socket) {
		if s.n%3 != 0 {
			_, _ = s.read()
			_ = s.conn.Close(4401, "")
			return
		}
		s.stand()
		time.Sleep(12 * time.Second)
	}, func(t *testing.T, sc *scene) {
		after(time.Hour)
		select {
		case err := <-sc.err:
			t.Errorf("Watch returned %v", err)
		default:
		}
	})
}

func TestAMutationIsFeltAtOnce(t *testing.T) {
	const done = `{"data":{"provisionCustomer":{"customer":{"customerId":"acme"},"subscriptionDecisionStrategy":"SKIPPED_SUBSCRIPTION_CREATION"},"provisionSubscriptionV2":{"status":"SUCCESS"}}}`
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   []string
	}{
		"when it is done":          {says(200, done), []string{"stale acme|"}},
		"when it may be done":      {says(502, `<html>`), []string{"stale acme|"}},
		"when the answer is odd":   {says(200, `{"data":{"provisionCustomer":{"customer":{"customerId":"x"}},"provisionSubscriptionV2":{}}}`), []string{"stale acme|"}},
		"but not when it was not":  {says(200, refusalJSON("PlanNotFound")), nil},
		"but not when not watched": {says(200, done), nil},
	} {
		for call, mutate := range map[string]func(*Client) error{
			"ProvisionCustomer": func(c *Client) error {
				_, err := c.ProvisionCustomer(t.Context(), CustomerInput{ID: "acme"})
				return err
			},
			"ProvisionSubscription": func(c *Client) error {
				_, err := c.ProvisionSubscription(t.Context(), ProvisionSubscriptionInput{CustomerID: "acme", SubscriptionParams: SubscriptionParams{PlanID: "plan-a"}})
				return err
			},
		} {
			t.Run(call+" "+name, func(t *testing.T) {
				c, _ := serve(t, test.answer, WithoutRealtime())
				ctx, cancel := context.WithCancel(t.Context())
				sink, ended := &heard{}, make(chan struct{})
				go func() {
					defer close(ended)
					_ = c.Watch(ctx, sink)
				}()
				for !c.watchedFor() {
					runtime.Gosched()
				}
				if strings.Contains(name, "not watched") {
					cancel()
					<-ended
				}
				_ = mutate(c)
				cancel()
				<-ended
				sink.expect(t, test.want...)
			})
		}
	}
}

// watchedFor reports whether the client has a sink to tell.
func (c *Client) watchedFor() bool {
	c.sinks.mu.Lock()
	defer c.sinks.mu.Unlock()
	return len(c.sinks.list) > 0
}

func TestAThousandReconnectsLeaveNothingBehind(t *testing.T) {
	const rounds = 1000
	g := &stigg{}
	server := httptest.NewServer(g.handler(t, func(s *socket) {
		s.stand()
		if s.n%2 == 0 {
			_ = s.conn.Close(1012, "")
		}
	}))
	defer server.Close()
	c := dial(t, server)
	c.watching.firstWait, c.watching.longestWait = time.Millisecond, time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Watch(ctx, &heard{})
	}()
	reach := func(n uint64) (goroutines int, heap uint64) {
		for c.RealtimeStats().Connected < n && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		g.mu.Lock()
		g.sockets = nil // the test's own memory
		g.mu.Unlock()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return runtime.NumGoroutine(), m.HeapAlloc
	}
	before, small := reach(rounds / 10)
	now, large := reach(rounds + rounds/10)
	if now > before+20 {
		t.Errorf("%d goroutines became %d", before, now)
	}
	if large > small+2<<20 {
		t.Errorf("%d KB of heap became %d KB", small>>10, large>>10)
	}
	cancel()
	<-done
}

func TestThePongOfAnEarlierPingDoesNotSettleASubscription(t *testing.T) {
	watched(t, func(s *socket) {
		s.stand()
		for f := (frame{}); f.Type != "ping"; f, _ = s.read() {
		}
		s.send(`{"id":"` + s.id("OnUsageUpdatedV2") + `","type":"complete"}`)
		for f := (frame{}); f.Type != "ping"; f, _ = s.read() {
		}
		s.send(`{"type":"pong"}`) // to the first
		time.Sleep(5 * time.Second)
		s.send(`{"type":"pong"}`)
		s.idle()
	}, func(t *testing.T, sc *scene) {
		after(18 * time.Second)
		sc.heard.expect(t, "live true", "live false")
		after(5 * time.Second)
		sc.heard.expect(t, "live true", "live false", "live true")
	})
}

func TestAMessageThatNeverEndsIsNoSignOfLife(t *testing.T) {
	watched(t, func(s *socket) {
		s.stand()
		if s.n > 1 {
			s.idle()
			return
		}
		w, err := s.conn.Writer(context.Background(), websocket.MessageText)
		for err == nil {
			time.Sleep(time.Second)
			_, err = w.Write(bytes.Repeat([]byte(" "), 8<<10)) // more than the writer buffers
		}
	}, func(t *testing.T, sc *scene) {
		after(50 * time.Second)
		sc.heard.expect(t, "live true", "live false", "live true")
		if err := sc.c.RealtimeStats().LastError; !errors.Is(err, ErrTimeout) {
			t.Errorf("the last error is %v", err)
		}
	})
}

// fragile is a sink that panics at what it is told to.
type fragile struct {
	*heard
	at string
}

func (f fragile) fail(at string) {
	if f.at == at {
		panic(testKey)
	}
}

func (f fragile) InvalidateAll()             { f.fail("stale all"); f.heard.InvalidateAll() }
func (f fragile) Invalidate(c gate.Customer) { f.fail("stale"); f.heard.Invalidate(c) }
func (f fragile) SetLive(live bool)          { f.fail(fmt.Sprint("live ", live)); f.heard.SetLive(live) }

func TestASinkThatPanicsEndsNothingButTheConnection(t *testing.T) {
	for _, at := range []string{"stale all", "live true", "live false"} {
		t.Run(at, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				g := &stigg{}
				var log syncBuffer
				c := watchable(t, g.handler(t, func(s *socket) {
					s.stand()
					time.Sleep(time.Second)
					s.event("OnPackagePublished", `{"data":{"packagePublished":{"packageRefId":"p","migrationType":"ALL_CUSTOMERS"}}}`)
					s.idle()
				}), WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
				if err := c.Watch(ctx, fragile{&heard{}, at}); err != nil {
					t.Errorf("Watch returned %v", err)
				}
				g.scripts.Wait()
				if at != "live false" && g.connections() < 2 {
					t.Errorf("%d connections", g.connections())
				}
				if text := log.String(); !strings.Contains(text, "callback panicked") || strings.Contains(text, testKey) {
					t.Errorf("the log is %s", text)
				}
			})
		})
	}
}

func TestASinkThatPanicsDoesNotHinderAMutation(t *testing.T) {
	c, _ := serve(t, says(200, `{"data":{"provisionSubscriptionV2":{"status":"SUCCESS"}}}`), WithoutRealtime())
	defer c.sinks.add(fragile{&heard{}, "stale"})()
	other := &heard{}
	defer c.sinks.add(other)()
	if _, err := c.ProvisionSubscription(t.Context(), ProvisionSubscriptionInput{CustomerID: "acme", SubscriptionParams: SubscriptionParams{PlanID: "plan-a", ResourceID: "site-1"}}); err != nil {
		t.Error(err)
	}
	other.expect(t, "stale acme|site-1")
}

// told is a sink that is told why news don't arrive.
type told struct{ heard }

func (h *told) Interrupted(err error) { h.add("interrupted: %v", err) }

func TestTheSinkIsToldWhyNewsDontArrive(t *testing.T) {
	watched(t, func(s *socket) {
		switch s.n {
		case 1: // of watched's own sink, and of this test's
			s.stand()
			s.idle()
		case 2:
			s.stand()
			time.Sleep(time.Second)
			_ = s.conn.Close(4500, "bye "+testKey)
		default:
			s.stand()
			s.idle()
		}
	}, func(t *testing.T, sc *scene) {
		for name, wrap := range map[string]func(gate.Sink) gate.Sink{
			"itself":          func(s gate.Sink) gate.Sink { return s },
			"behind the edge": func(s gate.Sink) gate.Sink { return &edgeSink{Sink: s, client: sc.c} },
		} {
			sink := &told{}
			to, _ := wrap(sink).(gate.InterruptionSink)
			if to == nil {
				t.Fatalf("%s: it does not take why", name)
			}
			to.Interrupted(errors.New("no such host"))
			sink.expect(t, "interrupted: no such host")
		}
		after(10 * time.Second)
		sink := &told{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_ = sc.c.Watch(ctx, sink)
		all := strings.Join(sink.all(), "; ")
		if !strings.HasPrefix(all, "live true; interrupted: stigg: Watch: ") || !strings.Contains(all, "closed with code 4500; live false; live true") || strings.Contains(all, testKey) {
			t.Errorf("the sink heard %s", all)
		}
	})
}

func TestAnInterruptionIsLoggedOnceWithItsReason(t *testing.T) {
	var log syncBuffer
	watched(t, func(s *socket) {
		if s.n == 1 || s.n > 6 {
			s.stand()
		}
		if s.n > 6 {
			s.idle()
		}
		time.Sleep(time.Second)
		_ = s.conn.Close(4500, "bye "+testKey)
	}, func(t *testing.T, sc *scene) {
		after(time.Minute)
		sc.heard.expect(t, "live true", "live false", "live true")
		text := log.String()
		if strings.Count(text, "\n") != 2 || !strings.Contains(text, "closed with code 4500") || !strings.Contains(text, "goes on") || strings.Contains(text, testKey) {
			t.Errorf("the log is\n%s", text)
		}
	}, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
}
