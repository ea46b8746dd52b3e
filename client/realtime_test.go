package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

var everyEvent = []string{"OnEntitlementsUpdatedV2", "OnUsageUpdatedV2", "OnPackagePublished", "OnCreditBalanceUpdated"}

func TestWatchSendsTheKeyInItsFirstFrameAndInNoHeader(t *testing.T) {
	watched(t, func(s *socket) { s.stand().idle() }, func(t *testing.T, sc *scene) {
		after(time.Second)
		sc.heard.expect(t, "live true")
		s := sc.stigg.sockets[0]
		if strings.Contains(fmt.Sprint(s.header), testKey) {
			t.Errorf("the upgrade has the key: %v", s.header)
		}
		if got := s.header.Get("Sec-Websocket-Protocol"); got != "graphql-transport-ws" {
			t.Errorf("the subprotocol is %q", got)
		}
		if !strings.Contains(string(s.hello.Payload), `{"headers":{"X-API-KEY":"`+testKey+`"`) || s.hello.Type != "connection_init" {
			t.Errorf("the first frame is %s with %s", s.hello.Type, s.hello.Payload)
		}
		if !slices.Equal(s.asked, everyEvent) {
			t.Errorf("subscribed to %v", s.asked)
		}
		if stats := sc.c.RealtimeStats(); stats != (RealtimeStats{Watches: 1, Live: 1, Connected: 1}) {
			t.Errorf("the stats are %+v", stats)
		}
	})
}

func TestWatchEndsWithItsContextWhereverItIs(t *testing.T) {
	for name, test := range map[string]struct {
		script func(*socket)
		opts   []Option
		want   []string
	}{
		"without an acknowledgement":  {func(s *socket) { s.idle() }, nil, nil},
		"while it subscribes":         {func(s *socket) { s.ack(); _, _ = s.read() }, nil, nil},
		"while news arrive":           {func(s *socket) { s.stand().idle() }, nil, []string{"live true", "live false"}},
		"while it waits to reconnect": {func(*socket) {}, nil, nil},
		"without realtime":            {nil, []Option{WithoutRealtime()}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			watched(t, test.script, func(t *testing.T, sc *scene) {
				after(3 * time.Second)
				sc.stop()
				if err := <-sc.err; err != nil {
					t.Errorf("Watch returned %v", err)
				}
				sc.heard.expect(t, test.want...)
				if stats := sc.c.RealtimeStats(); stats.Watches != 0 || stats.Live != 0 {
					t.Errorf("the stats are %+v", stats)
				}
				if test.script == nil && sc.stigg.connections() > 0 {
					t.Error("a connection was made")
				}
			}, test.opts...)
		})
	}
}

func TestAHalfOpenSocketIsFoundByAPingWithoutPong(t *testing.T) {
	watched(t, func(s *socket) {
		s.stand()
		for s.n == 1 { // reads and says nothing
			if _, ok := s.read(); !ok {
				return
			}
		}
		s.idle()
	}, func(t *testing.T, sc *scene) {
		after(time.Minute)
		sc.heard.expect(t, "live true", "live false", "live true")
		if took := sc.heard.at[1].Sub(sc.stigg.opened[0]); took != 25*time.Second {
			t.Errorf("it took %v, want 15 s of silence and 10 s of waiting", took)
		}
		if err := sc.c.RealtimeStats().LastError; !errors.Is(err, ErrTimeout) {
			t.Errorf("the last error is %v", err)
		}
	})
}

func TestAnyTrafficIsASignOfLife(t *testing.T) {
	for name, sign := range map[string]func(*socket){
		"an event":           func(s *socket) { s.event("OnPackagePublished", `{"data":{}}`) },
		"a ping of its own":  func(s *socket) { s.send(`{"type":"ping"}`) },
		"a frame of no use":  func(s *socket) { s.send(`?`) },
		"a WebSocket's ping": func(s *socket) { _ = s.conn.Ping(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			watched(t, func(s *socket) {
				s.stand()
				go func() { // reads, so that pongs are seen, and answers no ping
					for {
						if _, ok := s.read(); !ok {
							return
						}
					}
				}()
				for range 60 {
					time.Sleep(20 * time.Second)
					sign(s)
				}
			}, func(t *testing.T, sc *scene) {
				after(19 * time.Minute)
				sc.heard.expect(t, "live true")
				if n := sc.stigg.connections(); n != 1 {
					t.Errorf("%d connections", n)
				}
			})
		})
	}
}

func TestAServersPingIsAnswered(t *testing.T) {
	answered := false
	watched(t, func(s *socket) {
		s.stand().send(`{"type":"ping","payload":{"n":1}}`)
		f, _ := s.read()
		answered = f.Type == "pong"
		s.idle()
	}, func(t *testing.T, _ *scene) {
		after(time.Second)
		if !answered {
			t.Error("no pong came")
		}
	})
}

func TestAConnectionThatIsNotAcknowledgedIsGivenUp(t *testing.T) {
	watched(t, func(s *socket) {
		if s.n > 1 {
			s.stand()
		}
		s.idle()
	}, func(t *testing.T, sc *scene) {
		after(20 * time.Second)
		sc.heard.expect(t, "live true")
		if gaps := sc.stigg.gaps(); !slices.Equal(gaps, []time.Duration{10*time.Second + 250*time.Millisecond}) {
			t.Errorf("the next connections came after %v", gaps)
		}
	})
}

func TestAfterAnyCloseItSubscribesAnew(t *testing.T) {
	for _, code := range []websocket.StatusCode{0, 1000, 1001, 1011, 1012, 4400, 4408, 4429, 4500} {
		t.Run(fmt.Sprint("with code ", int(code)), func(t *testing.T) {
			watched(t, func(s *socket) {
				s.stand()
				time.Sleep(time.Second)
				switch {
				case s.n > 1:
					s.idle()
				case code > 0:
					_ = s.conn.Close(code, "bye "+testKey)
				}
			}, func(t *testing.T, sc *scene) {
				after(time.Minute)
				sc.heard.expect(t, "live true", "live false", "live true")
				want := 1250 * time.Millisecond // a second open, and the first wait
				if code == 4429 {
					want = 11 * time.Second
				}
				if gaps := sc.stigg.gaps(); !slices.Equal(gaps, []time.Duration{want}) {
					t.Errorf("the next connections came after %v, want %v", gaps, want)
				}
				if !slices.Equal(sc.stigg.sockets[1].asked, everyEvent) {
					t.Errorf("subscribed to %v", sc.stigg.sockets[1].asked)
				}
				if err := sc.c.RealtimeStats().LastError; err == nil || strings.Contains(fmt.Sprintf("%+v", err), testKey) {
					t.Errorf("the last error is %v", err)
				}
			})
		})
	}
}

func TestWaitsBetweenConnectionsDoubleUpToABoundAndBeginAnewAfterAStableOne(t *testing.T) {
	watched(t, func(s *socket) {
		if s.n == 9 {
			s.stand()
			go func() {
				time.Sleep(50 * time.Second)
				_ = s.conn.CloseNow()
			}()
			s.idle()
		}
	}, func(t *testing.T, sc *scene) {
		after(2 * time.Minute)
		ms := time.Millisecond
		want := []time.Duration{250 * ms, 500 * ms, 1000 * ms, 2000 * ms, 4000 * ms, 8000 * ms, 10000 * ms, 10000 * ms, 50250 * ms, 500 * ms}
		if gaps := sc.stigg.gaps(); len(gaps) < len(want) || !slices.Equal(gaps[:len(want)], want) {
			t.Errorf("the next connections came after %v", gaps)
		}
	})
}

func TestTheBoundOfTheWaitsIsAnOption(t *testing.T) {
	watched(t, func(*socket) {}, func(t *testing.T, sc *scene) {
		after(time.Minute)
		if gaps := sc.stigg.gaps(); slices.Max(gaps) != 2*time.Second {
			t.Errorf("the next connections came after %v", gaps)
		}
	}, WithReconnect(2*time.Second))
}

func TestWhatDoesNotLastIsNotSoonCalledLive(t *testing.T) {
	watched(t, func(s *socket) {
		s.stand()
		time.Sleep(time.Second)
	}, func(t *testing.T, sc *scene) {
		after(10 * time.Minute)
		if n := len(sc.heard.all()); n > 2*3 {
			t.Errorf("live was said %d times, and everything read again", n/2)
		}
	})
}

func TestAServerThatRefusesTheUpgradeIsTriedAgain(t *testing.T) {
	for _, status := range []int{200, 301, 401, 403, 404, 429, 500, 503} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			tries := 0
			c := watchable(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				tries++
				w.Header().Set("Location", "http://elsewhere.test/")
				w.WriteHeader(status)
			}))
			sink := &heard{}
			if err := c.Watch(ctx, sink); err != nil {
				t.Errorf("%d: Watch returned %v", status, err)
			}
			synctest.Wait()
			if tries < 6 || tries > 12 {
				t.Errorf("%d: tried %d times in a minute", status, tries)
			}
			sink.expect(t)
			var e *Error
			if !errors.As(c.RealtimeStats().LastError, &e) || e.HTTPStatus != status {
				t.Errorf("%d: the last error is %v", status, e)
			}
		})
	}
}

func TestAServerOfAnotherSubprotocolIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		c := watchable(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			defer func() { _ = conn.CloseNow() }()
			if _, raw, err := conn.Read(context.Background()); err == nil {
				t.Errorf("it was sent %s", raw)
			}
		}))
		sink := &heard{}
		if err := c.Watch(ctx, sink); err != nil {
			t.Errorf("Watch returned %v", err)
		}
		sink.expect(t)
	})
}

func TestSeveralWatchAtOnce(t *testing.T) {
	watched(t, func(s *socket) {
		s.stand().event("OnEntitlementsUpdated", `{}`)
		s.idle()
	}, func(t *testing.T, sc *scene) {
		other, ctx := &heard{}, t.Context()
		ctx, cancel := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = sc.c.Watch(ctx, other)
		}()
		after(time.Second)
		cancel()
		<-done
		synctest.Wait()
		other.expect(t, "live true", "live false")
		sc.heard.expect(t, "live true")
		if stats := sc.c.RealtimeStats(); stats.Watches != 1 || stats.Live != 1 || stats.Connected != 2 {
			t.Errorf("the stats are %+v", stats)
		}
	})
}

func TestWatchNeedsASink(t *testing.T) {
	c, err := New(testKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Watch(t.Context(), nil); !errors.Is(err, ErrInvalidInput) {
		t.Errorf("got %v", err)
	}
}

func TestOptionsOfWatchAreChecked(t *testing.T) {
	for name, opt := range map[string]Option{
		"no ping": WithPing(0, time.Second), "no wait": WithPing(time.Second, 0), "an hour": WithPing(time.Hour, time.Second),
		"a negative wait": WithReconnect(-time.Second), "a wait of a day": WithReconnect(24 * time.Hour),
	} {
		if _, err := New(testKey, opt); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
