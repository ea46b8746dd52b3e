package gate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// refusedConnection is what http.Client says when nobody listens. Its *url.Error has the
// methods Temporary and Timeout.
func refusedConnection(t *testing.T) error {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr().String(), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err == nil {
		_ = response.Body.Close()
		t.Fatal("somebody listens")
	}
	return err
}

func TestAnErrorOfNoKnownKindIsAnOutage(t *testing.T) {
	for name, err := range map[string]error{
		"of http.Client": refusedConnection(t),
		"that is plain":  errStubDown,
		"that is down":   fmt.Errorf("wrapped: %w", &UpstreamError{Err: errStubDown}),
		"of a deadline":  context.DeadlineExceeded,
		"of the key":     &UpstreamError{Kind: UpstreamUnauthorized, Err: errStubDown},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				attempts := 0
				s := &stub{set: features(metered("f", 0, 1e9)), report: func([]Usage) ([]Ack, error) { attempts++; return nil, err }}
				g := gateOf(t, s)
				for i := range 40 {
					use(t, g, fmt.Sprint("c", i%4), 1)
				}
				s.mu.Lock()
				s.err = err
				s.mu.Unlock()
				before := s.count()
				for range 300 {
					time.Sleep(time.Second)
					g.Check(t.Context(), Customer{ID: "new"}, Feature("f"))
				}
				synctest.Wait()
				if attempts > 80 {
					t.Errorf("the batch is sent %d times in five minutes, as if it were at fault itself", attempts)
				}
				if n := s.count() - before; n > 64 || g.Stats().BrokenUntil.IsZero() {
					t.Errorf("Stigg is read %d times in five minutes; the breaker is open until %v", n, g.Stats().BrokenUntil)
				}
			})
		})
	}
}

func TestAnUpstreamErrorIsWhatItWraps(t *testing.T) {
	err := fmt.Errorf("wrapped: %w", &UpstreamError{Kind: UpstreamRefused, Err: errStubDown})
	if !errors.Is(err, errStubDown) || err.Error() != "wrapped: "+errStubDown.Error() {
		t.Errorf("got %v", err)
	}
	if got := (&UpstreamError{Kind: UpstreamGarbled}).Error(); got != "gate: upstream: garbled" {
		t.Errorf("without a cause it says %q", got)
	}
	if got := fmt.Sprint(UpstreamDown, UpstreamRefusedAll, UpstreamUnsent, UpstreamUnauthorized, UpstreamKind(9)); got != "down refused, and all alike unsent unauthorized UpstreamKind(9)" {
		t.Errorf("the kinds are called %s", got)
	}
}
