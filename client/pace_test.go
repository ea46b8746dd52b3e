package client

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stiggate/gate"
)

func TestPaceSpreadsWhatTheRateLimitLeaves(t *testing.T) {
	now := day(1)
	tests := []struct {
		name             string
		remaining, reset string
		later            time.Duration
		want             time.Duration
	}{
		{"nothing said", "", "", 0, 0},
		{"seconds", "30", "60", 0, 2 * time.Second},
		{"a moment", "100", strconv.FormatInt(now.Add(50*time.Second).Unix(), 10), 0, 500 * time.Millisecond},
		{"nothing left", "0", "10", 0, 10 * time.Second},
		{"less than nothing", "-5", "10", 0, 10 * time.Second},
		{"some of it is over", "10", "60", 50 * time.Second, time.Second},
		{"it is over", "0", "60", time.Minute, 0},
		{"no number", "many", "60", 0, 0},
		{"not a number", "NaN", "60", 0, 0},
		{"no reset", "10", "", 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if tt.remaining != "" {
					w.Header().Set("X-RateLimit-Remaining", tt.remaining)
				}
				if tt.reset != "" {
					w.Header().Set("X-RateLimit-Reset", tt.reset)
				}
				says(200, `{"data":{"reportEvent":null}}`)(w, r)
			})
			c.now = func() time.Time { return now }
			event := gate.Usage{Customer: acme, Kind: gate.UsageEvent, Event: "e", Key: "k", CreatedAt: day(4)}
			if _, err := c.Report(context.Background(), []gate.Usage{event}); err != nil {
				t.Fatal(err)
			}
			c.now = func() time.Time { return now.Add(tt.later) }
			if got := c.Pace(gate.UsageEvent); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-RateLimit-Remaining", "0")
		w.Header().Set("X-RateLimit-Reset", "60")
		says(401, `{}`)(w, r)
	})
	if _, err := c.Entitlements(context.Background(), acme); err == nil || errors.Is(err, context.Canceled) || c.Pace(gate.UsageEvent) != 0 || c.ReadPace() == 0 {
		t.Errorf("%v; a read's limit slows reports down by %v", err, c.Pace(gate.UsageEvent))
	}
}

// limited answers requests with what each says of the rate limit, and those that come after
// them as the last.
func limited(answers ...func(http.Header) int) http.HandlerFunc {
	var mu sync.Mutex
	return func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		answer := answers[0]
		answers = answers[min(1, len(answers)-1):]
		mu.Unlock()
		status, body := answer(w.Header()), `{"data":{"entitlementsState":{"entitlementsV2":[]}}}`
		if status == http.StatusOK && w.Header().Get("Retry-After") != "" {
			body = `{"data":null,"errors":[{"message":"m","extensions":{"code":"RateLimitExceeded"}}]}`
		}
		says(status, body)(w, r)
	}
}

func leaves(remaining, reset int) func(http.Header) int {
	return func(h http.Header) int {
		h.Set("X-RateLimit-Remaining", strconv.Itoa(remaining))
		h.Set("X-RateLimit-Reset", strconv.Itoa(reset))
		return http.StatusOK
	}
}

func tooMany(after int) func(http.Header) int {
	return func(h http.Header) int {
		h.Set("Retry-After", strconv.Itoa(after))
		return http.StatusTooManyRequests
	}
}

// refusesAs200 is a refusal as GraphQL's other errors are: in an answer of HTTP 200.
func refusesAs200(after int) func(http.Header) int {
	return func(h http.Header) int {
		h.Set("Retry-After", strconv.Itoa(after))
		return http.StatusOK
	}
}

func TestNothingIsSentThatTheRateLimitWouldRefuse(t *testing.T) {
	now := day(1)
	type step struct {
		at         time.Duration
		sent       bool
		retryAfter time.Duration
	}
	tests := []struct {
		name    string
		answers []func(http.Header) int
		steps   []step
	}{
		{"until the reset", []func(http.Header) int{leaves(1, 30), leaves(0, 20), leaves(9, 60)},
			[]step{{0, true, 0}, {10 * time.Second, true, 0}, {12 * time.Second, false, 18 * time.Second}, {30 * time.Second, true, 0}}},
		{"a minute at most", []func(http.Header) int{leaves(0, 3600), leaves(9, 60)},
			[]step{{0, true, 0}, {time.Second, false, 59 * time.Second}, {time.Minute, true, 0}}},
		{"after a 429", []func(http.Header) int{tooMany(5), leaves(9, 60)},
			[]step{{0, true, 5 * time.Second}, {time.Second, false, 4 * time.Second}, {5 * time.Second, true, 0}}},
		{"after a refusal that is no 429", []func(http.Header) int{refusesAs200(5), leaves(9, 60)},
			[]step{{0, true, 5 * time.Second}, {time.Second, false, 4 * time.Second}, {5 * time.Second, true, 0}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, rec := serve(t, limited(tt.answers...))
			for i, s := range tt.steps {
				c.now = func() time.Time { return now.Add(s.at) }
				before := rec.count()
				_, err := c.Entitlements(context.Background(), acme)
				if sent := rec.count() > before; sent != s.sent {
					t.Fatalf("step %d: sent %v: %v", i, sent, err)
				}
				var e *Error
				if errors.As(err, &e) != (s.retryAfter > 0) {
					t.Fatalf("step %d: %v", i, err)
				}
				if e != nil && (e.RetryAfter() != s.retryAfter || !errors.Is(err, ErrRateLimited) || e.kind() != gate.UpstreamDown && e.kind() != gate.UpstreamUnsent) {
					t.Errorf("step %d: %v, to come again after %v, want %v", i, e, e.RetryAfter(), s.retryAfter)
				}
			}
			event := gate.Usage{Customer: acme, Kind: gate.UsageEvent, Event: "e", Key: "k", CreatedAt: day(4)}
			if _, err := c.Report(context.Background(), []gate.Usage{event}); errors.Is(err, ErrRateLimited) {
				t.Errorf("reads used up the limit of events: %v", err)
			}
		})
	}
}

func TestNoMoreCallsAreUnderWayThanTheRateLimitLeaves(t *testing.T) {
	const left, callers = 5, 40
	held := make(chan struct{})
	entered := make(chan struct{}, callers)
	var begun atomic.Bool
	c, rec := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if begun.Swap(true) {
			entered <- struct{}{}
			<-held
		}
		limited(leaves(left, 60))(w, r)
	})
	c.now = func() time.Time { return day(1) }
	if _, err := c.Entitlements(context.Background(), acme); err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	refused := make(chan error, callers)
	for range callers {
		wait.Go(func() {
			if _, err := c.Entitlements(context.Background(), acme); err != nil {
				refused <- err
			}
		})
	}
	for range left {
		if pace := c.ReadPace(); pace < time.Minute/left {
			t.Errorf("a pace of %v does not count those under way", pace)
		}
		<-entered
	}
	if pace := c.ReadPace(); pace != time.Minute {
		t.Errorf("all that is left is under way, with a pace of %v", pace)
	}
	for range callers - left {
		err := <-refused
		var e *Error
		if !errors.As(err, &e) || !e.Is(ErrRateLimited) || e.RetryAfter() != 0 {
			t.Fatalf("%v; those under way may leave some", err)
		}
	}
	close(held)
	wait.Wait()
	if n := rec.count(); n != 1+left {
		t.Errorf("%d calls were sent, want %d", n, 1+left)
	}
	if _, err := c.Entitlements(context.Background(), acme); err != nil {
		t.Errorf("when they have ended: %v", err)
	}
}

func TestALongRestIsForgottenAfterAMinute(t *testing.T) {
	now := day(1)
	c, _ := serve(t, limited(tooMany(86_400), func(http.Header) int { return http.StatusOK }))
	c.now = func() time.Time { return now }
	if _, err := c.Entitlements(context.Background(), acme); !errors.Is(err, ErrRateLimited) || c.ReadPace() == 0 {
		t.Fatalf("%v, a pace of %v", err, c.ReadPace())
	}
	c.now = func() time.Time { return now.Add(2 * time.Minute) }
	if _, err := c.Entitlements(context.Background(), acme); err != nil || c.ReadPace() != 0 {
		t.Errorf("%v, a pace of %v", err, c.ReadPace())
	}
}

func TestWhatNeverLeftSaysSo(t *testing.T) {
	c, _ := serve(t, says(503, ``))
	unsent := func() bool {
		_, err := c.Entitlements(context.Background(), acme)
		var e *gate.UpstreamError
		return errors.As(err, &e) && e.Kind == gate.UpstreamUnsent
	}
	if unsent() {
		t.Error("what was answered with 503 never left")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	if c, err = New(testKey, WithEndpoint("http://"+listener.Addr().String()), WithRetry(1, 0)); err != nil {
		t.Fatal(err)
	}
	if !unsent() {
		t.Error("without a connection it may have left")
	}
}
