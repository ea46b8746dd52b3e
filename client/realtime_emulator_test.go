package client

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/emulator"
)

const demo = "customer-demo-01"

// listening is a client that watches an emulated Stigg.
func listening(t *testing.T, key string, ping time.Duration, opts ...emulator.Option) (*Client, *emulator.Emulator, *heard, chan error) {
	t.Helper()
	server, err := emulator.Start("127.0.0.1:0", opts...)
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(key, WithEndpoint(server.URL()), WithPing(ping, ping))
	if err != nil {
		t.Fatal(err)
	}
	c.watching.firstWait, c.watching.longestWait, c.watching.refusedWait = 5*time.Millisecond, 100*time.Millisecond, time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	sink, ended := &heard{}, make(chan error, 1)
	go func() { ended <- c.Watch(ctx, sink); close(ended) }()
	t.Cleanup(func() {
		cancel()
		for range ended {
		}
		_ = server.Close()
	})
	return c, server.Emulator, sink, ended
}

// hears waits until the sink was told something that begins so, n times.
func (h *heard) hears(t *testing.T, n int, beginning string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		count := 0
		for _, s := range h.all() {
			if strings.HasPrefix(s, beginning) {
				count++
			}
		}
		if count >= n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%q was not heard %d times of\n%s", beginning, n, strings.Join(h.all(), "\n"))
		}
		time.Sleep(time.Millisecond)
	}
}

func TestTheEmulatorsNewsArrive(t *testing.T) {
	c, stigg, sink, _ := listening(t, emulator.DefaultKey, time.Minute)
	sink.hears(t, 1, "live true")

	if _, err := stigg.Subscribe(demo, "plan-revvenu-pro", emulator.Subscription{}); err != nil {
		t.Fatal(err)
	}
	sink.hears(t, 1, "replace "+demo+"| ")

	if _, err := c.ReportUsage(t.Context(), Measurement{Customer: gate.Customer{ID: demo}, FeatureID: "feature-01-templates", Value: 1, Key: "k"}); err != nil {
		t.Fatal(err)
	}
	sink.hears(t, 1, "patch "+demo+"| feature-01-templates ")

	if err := stigg.Publish("plan-revvenu-pro", "ALL_CUSTOMERS"); err != nil {
		t.Fatal(err)
	}
	sink.hears(t, 1, "stale all")

	if stats := c.RealtimeStats(); stats.Ignored != 0 || stats.Lost != 0 || stats.Refused != 0 || stats.Events < 3 {
		t.Errorf("the stats are %+v", stats)
	}
}

func TestTheEmulatorsOlderNewsArrive(t *testing.T) {
	c, stigg, sink, _ := listening(t, emulator.DefaultKey, time.Minute, emulator.WithoutEvents("entitlementsUpdatedV2", "usageUpdatedV2", "creditBalanceUpdated"))
	sink.hears(t, 1, "live true")
	if _, err := stigg.Subscribe(demo, "plan-revvenu-pro", emulator.Subscription{}); err != nil {
		t.Fatal(err)
	}
	sink.hears(t, 1, "stale "+demo+"|")
	if _, err := c.ReportUsage(t.Context(), Measurement{Customer: gate.Customer{ID: demo}, FeatureID: "feature-01-templates", Value: 1, Key: "k"}); err != nil {
		t.Fatal(err)
	}
	sink.hears(t, 1, "patch "+demo+"| feature-01-templates ")
	if stats := c.RealtimeStats(); stats.Refused != 3 || stats.Ignored != 0 || slices.Contains(sink.all(), "live false") {
		t.Errorf("the stats are %+v, heard %v", stats, sink.all())
	}
}

func TestTheEmulatorsSocketFaultsAreSurvived(t *testing.T) {
	for _, fault := range []emulator.SocketFault{
		{Do: emulator.SocketClose, Code: 1006}, {Do: emulator.SocketClose, Code: 1012}, {Do: emulator.SocketClose, Code: 4500}, {Do: emulator.SocketClose, Code: 4401},
		{Do: emulator.SocketHalfOpen}, {Do: emulator.SocketHuge}, {Do: emulator.SocketComplete}, {Do: emulator.SocketGarbage}, {Do: emulator.SocketUnknown}, {Do: emulator.SocketNoIDs},
		{Do: emulator.SocketNoPong}, {Do: emulator.SocketRefuse, Coming: true, Count: 3}, {Do: emulator.SocketClose, Code: 4429, Coming: true, Count: 2},
		{Do: emulator.SocketNoPong, Coming: true, Count: 2},
	} {
		name := fault.Do
		if fault.Coming {
			name += " at first"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ping := time.Minute
			if fault.Do == emulator.SocketHalfOpen || fault.Do == emulator.SocketNoPong {
				ping = 200 * time.Millisecond
			}
			c, stigg, sink, _ := listening(t, emulator.DefaultKey, ping)
			sink.hears(t, 1, "live true")
			again := !slices.Contains([]string{emulator.SocketGarbage, emulator.SocketUnknown, emulator.SocketNoIDs}, fault.Do)
			if err := stigg.SocketFault(fault); err != nil {
				t.Fatal(err)
			}
			if fault.Coming {
				if err := stigg.SocketFault(emulator.SocketFault{Do: emulator.SocketClose, Code: 1001}); err != nil {
					t.Fatal(err)
				}
			}
			if again {
				sink.hears(t, 2, "live true")
			}
			if _, err := stigg.Subscribe(demo, "plan-revvenu-pro", emulator.Subscription{}); err != nil {
				t.Fatal(err)
			}
			sink.hears(t, 1, "replace "+demo+"| ")
			for _, s := range sink.all() {
				if !strings.HasPrefix(s, "live ") && !strings.Contains(s, " "+demo+"|") {
					t.Errorf("heard %q", s)
				}
			}
			if stats := c.RealtimeStats(); !again && (stats.Ignored == 0 || stats.Lost != 0) {
				t.Errorf("the stats are %+v", stats)
			}
		})
	}
}

func TestTheEmulatorRefusesAWrongKeyUntilItIsRotated(t *testing.T) {
	server, err := emulator.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	var key atomic.Value
	key.Store("server-wrong-key")
	var log syncBuffer
	c, err := New("", WithEndpoint(server.URL()), WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
		WithKeyFunc(func(context.Context) (string, error) { return key.Load().(string), nil }))
	if err != nil {
		t.Fatal(err)
	}
	c.watching.refusedWait, c.watching.refusedMost = time.Hour, time.Hour // only what HTTP finds ends the wait
	ctx, cancel := context.WithCancel(t.Context())
	sink, ended := &heard{}, make(chan error, 1)
	go func() { ended <- c.Watch(ctx, sink) }()
	for !errors.Is(c.RealtimeStats().LastError, ErrUnauthenticated) && !errors.Is(c.RealtimeStats().LastError, ErrForbidden) {
		time.Sleep(time.Millisecond)
	}
	for range 3 {
		if _, err := c.Entitlements(ctx, gate.Customer{ID: demo}); !errors.Is(err, ErrUnauthenticated) {
			t.Fatalf("the error is %v", err)
		}
	}
	sink.expect(t)
	key.Store(emulator.DefaultKey)
	if _, err := c.Entitlements(ctx, gate.Customer{ID: demo}); err != nil {
		t.Fatal(err)
	}
	sink.hears(t, 1, "live true")
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Watch returned %v", err)
	}
	text := log.String()
	for line, n := range map[string]int{"refuses the API key": 2, "takes the API key again": 2} { // over HTTP and on the socket
		if got := strings.Count(text, line); got != n {
			t.Errorf("%q is logged %d times, want %d:\n%s", line, got, n, text)
		}
	}
	if strings.Contains(text, "server-wrong-key") || strings.Contains(text, emulator.DefaultKey) || !strings.Contains(text, string(ErrUnauthenticated)) {
		t.Errorf("the log is\n%s", text)
	}
}

// syncBuffer is a buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
